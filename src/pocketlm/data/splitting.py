"""Rows of any task dealt into train, valid and test, in a folder that can be trained on or checked."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, write_json, write_jsonl
from pocketlm.core.manifest import hash_inputs, write_manifest
from pocketlm.core.text import folded
from pocketlm.data.formats import BadRow
from pocketlm.data.importing import open_source
from pocketlm.data.infer_tools import FromIntents
from pocketlm.data.near import NearIndex
from pocketlm.data.shapes import Row, view
from pocketlm.data.sources import sources
from pocketlm.data.split import SPLITS, deal
from pocketlm.tasks.tools import Call, ToolSet

KIND = "split"
WAYS = ("label", "near", "group:KEY", "time:KEY")


def split_rows(
    path: Path, out: Path, *, by: str = "label", valid_share: float = 0.05, test_share: float = 0.1, seed: int = 0
) -> dict[str, Counter[str]]:
    """Deal rows into `out`/train, valid and test .jsonl; returns split -> rows by label.

    Args:
        by: `label`, each label (or function) dealt by itself, rows of one text together; `near`, near twins together as
            well; `group:KEY`, rows with the same value under KEY together; `time:KEY`, the newest are for the test.

    Raises:
        InputError: an unknown way, a key that a row lacks, rows of several tasks, or `out` holds something else.
    """
    out = Path(out)
    _check_out(out)
    rows = list(_rows(path))
    tasks = {task for task, *_ in rows}
    if len(tasks) != 1:
        raise InputError(f"{path}: holds rows of {', '.join(sorted(tasks)) or 'no task'}; split one task at a time")
    if not (valid_share >= 0 and test_share >= 0 and valid_share + test_share < 1):
        raise InputError(f"shares {valid_share} and {test_share}: must be 0 or more and together under 1")
    splits = _dealt(rows, by, valid_share, test_share, seed)
    counts: dict[str, Counter[str]] = {name: Counter() for name in SPLITS}
    for (task, row, _, where), split in zip(rows, splits, strict=True):
        counts[split].update(view(row, task, where, split).labels[:1] or ("",))
    with atomic_dir(out) as folder:
        for name in SPLITS:
            write_jsonl(folder / f"{name}.jsonl", (r[1] for r, s in zip(rows, splits, strict=True) if s == name))
        _write_tools(path, rows, folder)
        settings = {"by": by, "valid_share": valid_share, "test_share": test_share, "seed": seed}
        inputs = hash_inputs(source.path for source in sources(path) if source.path.is_file())
        sizes = {name: count.total() for name, count in counts.items()}
        fields = {"kind": KIND, "task": tasks.pop(), "inputs": inputs, "settings": settings, "counts": sizes}
        write_manifest(folder, fields)
    return counts


def _write_tools(path: Path, rows: list[tuple[str, Row, Any, str]], folder: Path) -> None:
    """The functions beside the rows, or those that rows without any of their own call."""
    beside = (path if path.is_dir() else path.parent) / "tools.json"
    if beside.is_file():
        shutil.copy2(beside, folder / "tools.json")
        return
    intents = FromIntents()
    for task, row, *_ in rows:
        if task == "call" and not row.get("tools"):
            intents.add(Call(call["name"], call["arguments"]) for call in row["calls"])
    if found := intents.tools():
        write_json(folder / "tools.json", ToolSet(found).to_openai())


def _rows(path: Path) -> Iterator[tuple[str, Row, Any, str]]:
    """(task, row, the item as it stood, place) of every good row."""
    for source in sources(path):
        opened = open_source(source)
        if opened is None:
            continue
        for item, found in opened.rows():
            if isinstance(found, BadRow):
                raise InputError(f"{item.where}: {found}; see `pocketlm data check {path}`")
            for row in found:
                yield opened.shape.task, row, item.value, item.where


def _dealt(
    rows: list[tuple[str, Row, Any, str]], by: str, valid_share: float, test_share: float, seed: int
) -> list[str]:
    way, _, key = by.partition(":")
    if way not in ("label", "near", "group", "time") or (way in ("group", "time")) != bool(key):
        raise InputError(f"--by {by}: choose one of {', '.join(WAYS)}")
    if way == "time":
        return _by_time([str(_value(value, key, where)) for _, _, value, where in rows], valid_share, test_share)
    examples = [view(row, task, where, "") for task, row, _, where in rows]
    texts = [folded(e.text or e.answer) for e in examples]
    if way == "near":
        groups = [str(root) for root in NearIndex().clusters(texts)]
    else:
        groups = [str(_value(row[2], key, row[3])) for row in rows] if way == "group" else texts
    strata: dict[str, str] = {}
    for group, e in zip(groups, examples, strict=True):
        strata.setdefault(group, "" if way == "group" else next(iter(e.labels), ""))
    taken = deal(strata, valid_share, test_share, seed)
    return [taken[group] for group in groups]


def _by_time(times: list[str], valid_share: float, test_share: float) -> list[str]:
    """The last ones for the test, those before for validation; equal times stay together."""
    ordered = sorted(times)
    test_from = ordered[min(len(times) - 1, round(len(times) * (1 - test_share)))] if test_share else None
    valid_from = ordered[min(len(times) - 1, round(len(times) * (1 - test_share - valid_share)))]

    def split(time: str) -> str:
        if test_from is not None and time >= test_from:
            return "test"
        return "valid" if valid_share and time >= valid_from else "train"

    return [split(time) for time in times]


def _value(value: Any, key: str, where: str) -> Any:
    if not isinstance(value, dict) or value.get(key) is None:
        known = ", ".join(map(str, value)) if isinstance(value, dict) else "none"
        raise InputError(f'{where}: has no "{key}" to split by; its keys: {known}')
    return value[key]


def _check_out(out: Path) -> None:
    if out.is_file():
        raise InputError(f"{out}: is a file; choose a folder")
    if out.is_dir() and any(out.iterdir()):
        from pocketlm.core.manifest import NAME, read_manifest

        if not (out / NAME).is_file() or read_manifest(out)["kind"] != KIND:
            raise InputError(
                f"{out}: holds files that are no split and would be replaced; choose a new or empty folder"
            )
