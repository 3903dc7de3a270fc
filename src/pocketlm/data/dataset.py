"""A dataset: a folder of checked rows in three splits and a manifest; of calls with its tools. Knows nothing of prompts or models.

`prepare` makes one of calls; labelled.py one of labels, by the same rules for copies, leaks and splits.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cached_property
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, sha256_file, sha256_value, write_json, write_jsonl
from pocketlm.core.manifest import NAME as MANIFEST
from pocketlm.core.manifest import hash_inputs, read_manifest, write_manifest
from pocketlm.data.read import read_rows, row_files
from pocketlm.data.split import (
    SPLITS,
    Rows,
    conflicts,
    count_kinds,
    remove_leaks,
    split_by_hash,
    split_of_name,
    text_key,
    without_copies,
)
from pocketlm.tasks.call import CallRow
from pocketlm.tasks.registry import task_class
from pocketlm.tasks.tools import ToolSet

KIND = "dataset"


class Dataset:
    """Rows of one task in a folder written by `prepare`."""

    def __init__(self, folder: Path, manifest: dict[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest

    @classmethod
    def open(cls, folder: Path) -> Dataset:
        """Open a prepared folder.

        Raises:
            InputError: it is no dataset, or a file of it is missing.
        """
        folder = Path(folder)
        if not folder.is_dir():
            raise InputError(f"{folder}: no such folder; prepare the data first")
        manifest = read_manifest(folder)
        if manifest["kind"] != KIND:
            raise InputError(f'{folder}: holds a "{manifest["kind"]}", not a dataset; give the folder of prepared data')
        missing = [name for name in file_names(manifest["task"]) if not (folder / name).is_file()]
        if missing:
            raise InputError(f"{folder}: {', '.join(missing)} missing; delete the folder and prepare the data again")
        return cls(folder, manifest)

    @property
    def task(self) -> str:
        """The name of its rows' task."""
        return str(self.manifest["task"])

    def rows(self, split: str) -> list[Any]:
        """Rows of "train", "valid" or "test".

        Raises:
            InputError: an unknown split, or a line that is not a row.
        """
        if split not in SPLITS:
            raise InputError(f'unknown split "{split}"; known: {", ".join(SPLITS)}')
        path = self.folder / f"{split}.jsonl"
        with path.open(encoding="utf-8") as lines:
            return [_read_row(line, f"{path}:{number}", self.task) for number, line in enumerate(lines, 1)]

    @cached_property
    def tools(self) -> ToolSet:
        """The functions of the app."""
        return ToolSet.load(self.folder / "tools.json")

    @property
    def own_tools(self) -> ToolSet | None:
        """The functions where its rows are calls, None where they are texts."""
        return self.tools if self.task == "call" else None

    @cached_property
    def sha256(self) -> str:
        """Hash of rows and tools as they are now on the disk, not of when or from where they came."""
        return sha256_value({name: sha256_file(self.folder / name) for name in file_names(self.task)})

    @property
    def notes(self) -> list[str]:
        """What was dropped, moved or joined when the data was prepared."""
        return list(self.manifest.get("notes", ()))

    @property
    def counts(self) -> dict[str, int]:
        """Split -> rows when the data was prepared."""
        return dict(self.manifest.get("counts", {}))


def prepare(
    raw: Path,
    out: Path,
    *,
    tools: Path | None = None,
    test: Path | None = None,
    valid: Path | None = None,
    valid_share: float = 0.05,
    test_share: float = 0.1,
    seed: int = 0,
    min_rows: int = 20,
) -> Dataset:
    """Read, check, clean and split a developer's examples; an unchanged dataset in `out` is returned as it is.

    Files in `raw` named train, valid, validation, val, dev or test are taken as those splits; a split that is neither
    there nor given is dealt from the other rows by a hash of their text.

    Raises:
        InputError: too few rows, or `out` is a folder with something else; Problems: all faults of the input.
    """
    raw, out = Path(raw), Path(out)
    check_shares(valid_share, test_share)
    given = {"test": test, "valid": valid}
    sources = [raw, *(Path(path) for path in given.values() if path)]
    inputs = hash_inputs(_input_files(sources, tools))
    settings: dict[str, Any] = {
        "valid_share": valid_share,
        "test_share": test_share,
        "seed": seed,
        "min_rows": min_rows,
    }
    settings |= {name: path and str(path) for name, path in {**given, "tools": tools}.items()}
    if found := reusable(out, raw, inputs, settings):
        return found
    result = read_rows(sources, ToolSet.load(tools) if tools else None)
    files = _split_of_file(raw, {name: Path(path) for name, path in given.items() if path})
    by_split: Rows = {name: [] for name in SPLITS}
    for row in result.rows:
        by_split[files.get(row.where.rpartition(":")[0], "train")].append(row)
    splits, notes = clean_splits(by_split, valid_share, test_share, seed)
    check_enough(splits, len(result.rows), raw, min_rows)
    fields = {
        "kind": KIND,
        "task": "call",
        "inputs": inputs,
        "settings": settings,
        "formats": result.formats,
        "counts": {name: len(rows) for name, rows in splits.items()},
        "functions": {name: count_kinds(rows) for name, rows in splits.items()},
        "notes": result.notes + notes,
    }
    with atomic_dir(out) as folder:
        for name, rows in splits.items():
            write_jsonl(folder / f"{name}.jsonl", (row.to_json() for row in rows))
        write_json(folder / "tools.json", result.tools.to_openai())
        write_manifest(folder, fields)
    return Dataset.open(out)


def file_names(task: str) -> list[str]:
    """The files that a dataset of a task cannot be without."""
    return [*(f"{name}.jsonl" for name in SPLITS), *(["tools.json"] if task == "call" else [])]


def _read_row(line: str, where: str, task: str) -> Any:
    try:
        value = json.loads(line)
        return CallRow.from_json(value, where) if task == "call" else task_class(task).row(value, where)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{where}: not a row of a prepared dataset ({error}); prepare the data again") from None


def check_shares(valid_share: float, test_share: float) -> None:
    """Raises InputError: nothing would be left to learn from."""
    if not (valid_share >= 0 and test_share >= 0 and valid_share + test_share < 1):
        raise InputError(
            f"valid_share {valid_share} and test_share {test_share} must be 0 or more and together under 1: "
            "the rest is what the model learns from"
        )


def _input_files(sources: Iterable[Path], tools: Path | None) -> list[Path]:
    """Every file the result depends on."""
    files = [file for source in sources for file in row_files(source)]
    if tools:
        if not Path(tools).is_file():
            raise InputError(f"{tools}: no such file; give the path of your tools.json")
        return [*files, Path(tools)]
    return files + [source / "tools.json" for source in sources if (source / "tools.json").is_file()]


def reusable(out: Path, raw: Path, inputs: dict[str, str], settings: dict[str, Any]) -> Dataset | None:
    """The dataset in `out` if it came from the same files and settings; guards what is not ours to replace."""
    if out.resolve() == raw.resolve() or out.resolve() in raw.resolve().parents:
        raise InputError(f"{out}: holds the raw data, which would be replaced; choose another folder for the dataset")
    if out.is_file():
        raise InputError(f"{out}: is a file; choose a folder for the dataset")
    if not out.is_dir() or not any(out.iterdir()):
        return None
    manifest = read_manifest(out) if (out / MANIFEST).is_file() else {}
    if manifest.get("kind") != KIND:
        raise InputError(
            f"{out}: holds files that are not a dataset and would be replaced; choose a new or empty folder"
        )
    if manifest.get("inputs") != inputs or manifest.get("settings") != settings:
        return None
    return Dataset.open(out) if all((out / name).is_file() for name in file_names(manifest["task"])) else None


def _split_of_file(raw: Path, given: dict[str, Path]) -> dict[str, str]:
    """File -> split, for the files that say so by name or were given as one."""
    files = {str(file): split for split, path in given.items() for file in row_files(path)}
    for file in row_files(raw) if raw.is_dir() else []:
        if (split := split_of_name(file.stem)) and str(file) not in files:
            files[str(file)] = split
    return files


def clean_splits(by_split: Rows, valid_share: float, test_share: float, seed: int) -> tuple[Rows, list[str]]:
    """Rows by split, without copies and leaks, a split without any dealt from train, and notes on all that was done."""
    # A test or valid set that was given stays whole: its score must compare with the scores of others.
    unique = {**by_split, "train": without_copies(by_split["train"])}
    copies = len(by_split["train"]) - len(unique["train"])
    removed = remove_leaks(unique)
    dealt = split_by_hash(
        unique["train"],
        0 if by_split["valid"] else valid_share,
        0 if by_split["test"] else test_share,
        seed,
    )
    splits = {name: unique[name] + dealt[name] if name != "train" else dealt[name] for name in SPLITS}
    notes = [f"{copies} exact copies of rows were dropped"] if copies else []
    notes += [
        f"{count} rows were removed from {name} because their text also stands in {later}"
        for (name, later), count in removed.items()
    ]
    return splits, notes + _conflict_notes(splits)


def _conflict_notes(splits: Rows) -> list[str]:
    pairs = conflicts(row for rows in splits.values() for row in rows)
    if not pairs:
        return []
    first, second = pairs[0]
    example = f"for example {first.text!r:.60} in {first.where} and {second.where}"
    return [
        f"{len(pairs)} texts are labelled in more than one way, {example}; no model can learn both: mend one of each"
    ]


def check_enough(splits: Rows, count: int, raw: Path, min_rows: int) -> None:
    """Raises InputError: too few different rows of those read, or none to train on."""
    different = len({text_key(row) for rows in splits.values() for row in rows})
    if different < min_rows:
        read = f"{count} rows were read" + (f", {different} of them different" if different < count else "")
        raise InputError(
            f"{raw}: {read}, at least {min_rows} are needed to train and to test; add examples "
            "(this is about their number: their format is fine)"
        )
    if not splits["train"]:
        raise InputError(f"{raw}: no rows are left to train on, all are for test or valid; add a train.jsonl")
