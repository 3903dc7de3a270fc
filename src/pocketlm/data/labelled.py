"""A developer's texts with labels or free answers -> a dataset to train on: read, checked, cleaned and split. Knows no models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError, Problems
from pocketlm.core.files import atomic_dir, write_jsonl
from pocketlm.core.manifest import hash_inputs, write_manifest
from pocketlm.data.dataset import KIND, Dataset, check_enough, check_shares, clean_splits, reusable
from pocketlm.data.gather import gather
from pocketlm.data.shapes import Example
from pocketlm.data.sources import sources
from pocketlm.data.split import SPLITS, Rows, count_kinds
from pocketlm.tasks.base import TextRow
from pocketlm.tasks.labels import OUTSIDE
from pocketlm.tasks.registry import task_class
from pocketlm.tasks.template import Message

MIN_ROWS = 10
NAMED = 5  # labels that a note names


def prepare_labelled(
    raw: Path,
    out: Path,
    *,
    task: str = "classify",
    test: Path | None = None,
    valid: Path | None = None,
    valid_share: float = 0.05,
    test_share: float = 0.1,
    seed: int = 0,
) -> Dataset:
    """Rows of the task classify or instruct in any known layout, as `data.dataset.prepare` does for calls.

    Raises:
        InputError: too few rows, one label only, or `out` is a folder with something else; Problems: all faults of rows.
    """
    raw, out = Path(raw), Path(out)
    check_shares(valid_share, test_share)
    given = {name: Path(path) for name, path in (("test", test), ("valid", valid)) if path}
    inputs = hash_inputs(
        source.path for path in (raw, *given.values()) for source in sources(path) if source.path.is_file()
    )
    settings: dict[str, Any] = {"valid_share": valid_share, "test_share": test_share, "seed": seed}
    settings |= {name: str(path) for name, path in given.items()}
    if found := reusable(out, raw, inputs, settings):
        return found
    by_split, others = _read(raw, given, task)
    read = sum(map(len, by_split.values()))
    splits, notes = clean_splits(by_split, valid_share, test_share, seed)
    check_enough(splits, read, raw, MIN_ROWS)
    if task == "classify":
        _check_labels(splits, raw)
    fields = {
        "kind": KIND,
        "task": task,
        "inputs": inputs,
        "settings": settings,
        "counts": {name: len(rows) for name, rows in splits.items()},
        "notes": [*(f"left out: {other}" for other in others), *notes],
    }
    if task == "classify":
        labels = {name: count_kinds(rows) for name, rows in splits.items()}
        fields |= {"labels": labels, "notes": [*fields["notes"], *_label_notes(splits)]}
    with atomic_dir(out) as folder:
        for name, rows in splits.items():
            write_jsonl(folder / f"{name}.jsonl", map(_plain, rows))
        write_manifest(folder, fields)
    return Dataset.open(out)


def is_multi(rows: Sequence[Any]) -> bool:
    """Whether some text has several labels, or none."""
    return any(len(row.answer) != 1 for row in rows)


def read_texts(path: Path) -> list[str]:
    """Texts without labels: of rows of any layout that has a text, or the lines of a text file; each once.

    Raises:
        InputError, Problems: nothing there, or it cannot be read.
    """
    if path.is_file() and path.suffix.lower() in ("", ".txt"):
        try:
            texts = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from None
    else:
        found = gather(path)
        _refuse(path, [f"{fault.where}: {fault.why}" for fault in found.faults])
        texts = [e.text or e.answer for e in found.examples]
    return list(dict.fromkeys(text for text in texts if text.strip()))


def _read(raw: Path, given: dict[str, Path], task: str) -> tuple[Rows, list[str]]:
    """The rows of each split, and a sentence for each file that holds none."""
    by_split: Rows = {name: [] for name in SPLITS}
    others: list[str] = []
    for split, path in [("", raw), *given.items()]:
        found = gather(path, task=task)
        _refuse(path, [f"{fault.where}: {fault.why}" for fault in found.faults])
        others += found.others
        for example in found.examples:
            if split or not _is_given(example, given):
                by_split[split or example.split].append(task_class(task).row(example.row, example.where))
    every = [row for rows in by_split.values() for row in rows]
    _refuse(raw, [f"{row.where}: no text; add it or delete the row" for row in every if not row.text.strip()])
    blank = [row.where for row in every if not (all(row.answer) if task == "classify" else row.answer.strip())]
    mend = (
        'label; name it, or write "labels": [] where none applies'
        if task == "classify"
        else "answer; write it or delete the row"
    )
    _refuse(raw, [f"{where}: an empty {mend}" for where in blank])
    return by_split, others


def _is_given(example: Example, given: dict[str, Path]) -> bool:
    """Whether a row of the raw folder stands in a file that was given as a split of its own."""
    file = Path(example.where.rpartition(":")[0]).resolve()
    return any(file == path.resolve() or path.resolve() in file.parents for path in given.values())


def _refuse(path: Path, faults: Sequence[str]) -> None:
    if faults:
        raise Problems(f"{path}: cannot be read", faults)


def _check_labels(splits: Rows, raw: Path) -> None:
    labels = Counter(label for row in splits["train"] for label in row.answer)
    if len(labels) < 2 and not (labels and is_multi(splits["train"])):
        what = f'only the label "{next(iter(labels))}"' if labels else "no label"
        raise InputError(
            f"{raw}: the training rows have {what}; there is nothing to tell apart, add rows of another label"
        )
    cut = next((label for label in sorted(labels) if "," in label), None)
    if cut and is_multi(splits["train"]):
        raise InputError(f'{raw}: the label "{cut}" has a comma, which stands between a text\'s labels; rename it')


def _label_notes(splits: Rows) -> list[str]:
    """What a user must know of labels before trusting a score."""
    counts = {name: Counter(label for row in rows for label in row.answer) for name, rows in splits.items()}
    once = [label for label, count in counts["train"].items() if count == 1]
    notes = []
    alike = Counter(label.casefold() for label in counts["train"])
    if doubled := [label for label in counts["train"] if alike[label.casefold()] > 1]:
        notes.append(f"WARNING: {_named(doubled)}: differ only in case, so these are labels apart; write them as one")
    if once:
        notes.append(f"{_named(once)}: one training row only; a label needs several, 8 or more are usual")
    for name in ("valid", "test"):
        if unseen := [label for label in counts[name] if label not in counts["train"] and label not in OUTSIDE]:
            rows = sum(counts[name][label] for label in unseen)
            notes.append(
                f"WARNING: {_named(unseen)}: in {name} only, so its {rows} rows there can never be right; "
                "add training rows, or take them out"
            )
    return notes


def _named(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - NAMED} more labels" if len(labels) > NAMED else ""
    return f"label{'s' if len(labels) > 1 else ''} {', '.join(sorted(labels)[:NAMED])}{more}"


def _plain(row: TextRow) -> dict[str, Any]:
    if isinstance(row.answer, str):
        turns = [*row.messages, Message("assistant", row.answer)]
        return {"messages": [asdict(turn) for turn in turns], **({"tags": list(row.tags)} if row.tags else {})}
    label = row.answer[0] if len(row.answer) == 1 else row.answer
    return {"text": row.text, "label": label, **({"tags": list(row.tags)} if row.tags else {})}
