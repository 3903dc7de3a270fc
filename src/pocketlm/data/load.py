"""A path to rows in any known layout -> a task and its rows, for scoring. Knows nothing of engines."""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError, Problems
from pocketlm.core.manifest import read_manifest
from pocketlm.data.dataset import KIND as DATASET
from pocketlm.data.dataset import Dataset
from pocketlm.data.gather import Gathered, gather
from pocketlm.data.importing import open_source
from pocketlm.data.read import read_rows
from pocketlm.data.shapes import Example
from pocketlm.data.sources import sources
from pocketlm.data.split import SPLITS, split_of_name
from pocketlm.data.splitting import KIND as SPLIT
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.complete import CompleteTask
from pocketlm.tasks.embed import EmbedTask
from pocketlm.tasks.registry import task_class
from pocketlm.tasks.tools import ToolSet

WHOLE_TEXT = ("", ".txt", ".text", ".raw", ".tokens")


def kind_of(path: Path) -> str | None:
    """The task of what lies under a path by a first look, None where that is unclear."""
    if split := _split_folder(path):
        return str(read_manifest(split)["task"])
    if held := _dataset(path, "test"):
        return held.task
    if path.is_file() and path.suffix.lower() in WHOLE_TEXT:
        return "complete"
    first = open_source(sources(path)[0])
    return first.shape.task if first else None


def load_rows(
    path: Path, *, task: str | None = None, split: str = "test", options: Mapping[str, Any] | None = None
) -> tuple[Any, list[Any]]:
    """The task of what lies under a path, and its rows: those of the split where files are named by splits, else all.

    A call task made here has the rows' own functions in its prompt. `options`: what else a task is made with, by its
    name: the language `into` which is translated, the `window` and `overlap` of plain text.

    Raises:
        InputError, Problems: no rows of a known layout or of the split, or rows that cannot be read.
    """
    options = options or {}
    if task is not None:
        task_class(task)
    if held_rows := _split_folder(path):
        path, task = held_rows, task or str(read_manifest(held_rows)["task"])
    if (held := _dataset(path, split)) and task in (None, held.task):
        return _of_dataset(held), held.rows(split)
    if path.is_file() and path.suffix.lower() in WHOLE_TEXT and task in (None, "complete"):
        made = CompleteTask(**_taken(CompleteTask, options))
        return made, [made.row({"text": path.read_text(encoding="utf-8-sig")}, str(path))]
    found = gather(path, task=task)
    if found.faults:
        raise Problems(f"{path}: cannot be scored", [f"{fault.where}: {fault.why}" for fault in found.faults])
    if found.task == "call":
        read = read_rows(path)
        return CallTask(read.tools, "full"), _of_split(read.rows, split, path)
    if found.task == "preference":
        raise InputError(f"{path}: holds preferences, which are for training; name rows of another task")
    return _made(found, path, split, options)


def rows_in_layout(path: Path, task: str | None = None, split: str = "test") -> tuple[Any, list[dict[str, Any]]]:
    """The task, and its rows as plain values in the task's own layout, to be kept.

    Raises:
        InputError, Problems: as `load_rows`.
    """
    made, rows = load_rows(path, task=task, split=split)
    if made.name == "call":
        return made, [row.to_json() for row in rows]
    if path.is_file() and path.suffix.lower() in WHOLE_TEXT:
        return made, [{"text": row.answer} for row in rows]
    held = _dataset(path, split)
    examples = gather(held.folder if held else path, task=task).examples
    return made, [example.row for example in _chosen(examples, split, path)]


def load_call_rows(path: Path, tools: ToolSet, split: str = "test") -> list[CallRow]:
    """Rows of the functions' task: the split of a run or dataset folder, or of what lies under a path.

    Raises:
        InputError, Problems: as `load_rows`.
    """
    held = _dataset(path, split)
    return held.rows(split) if held else _of_split(read_rows(path, tools).rows, split, path)


def _dataset(path: Path, split: str) -> Dataset | None:
    """The prepared data in a dataset's or a run's folder."""
    for folder in (path, path / "data"):
        if _holds(folder, DATASET) and (folder / f"{split}.jsonl").is_file():
            return Dataset.open(folder)
    return None


def _of_dataset(held: Dataset) -> Any:
    """The task of prepared rows: with the rows' own functions in its prompt, or the labels of all splits."""
    if held.task == "call":
        return CallTask(held.tools, "full")
    kind = task_class(held.task)
    if not hasattr(kind, "of"):
        return kind()
    return kind.of([row for split in SPLITS for row in held.rows(split)])


def _split_folder(path: Path) -> Path | None:
    """The folder of rows dealt into splits, of any task, that a path or a run's folder is."""
    return next((folder for folder in (path, path / "data") if _holds(folder, SPLIT)), None)


def _holds(folder: Path, kind: str) -> bool:
    return (folder / "manifest.json").is_file() and read_manifest(folder)["kind"] == kind


def _taken(kind: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that a task takes."""
    known = inspect.signature(kind).parameters
    return {name: value for name, value in options.items() if name in known and value not in (None, "")}


def _made(found: Gathered, path: Path, split: str, options: Mapping[str, Any]) -> tuple[Any, list[Any]]:
    kind, chosen = task_class(found.task), _chosen(found.examples, split, path)
    if found.task == "embed":
        rows = EmbedTask.rows([(example.row, example.where) for example in chosen])
        own = (text for row in rows if row.score is None for text in (*row.others, *row.negatives))
        others = [e for e in found.examples if e.split == "train" and "a" in e.row] if split != "train" else []
        tuning = EmbedTask.rows([(e.row, e.where) for e in others if len(others) < len(found.examples)])
        return EmbedTask([*_documents(path), *own], tuning), rows
    texts = [kind.row(example.row, example.where) for example in chosen]
    if hasattr(kind, "of"):  # labels and fields are those of all splits: a test set need not hold every one
        return kind.of([kind.row(example.row, example.where) for example in found.examples]), texts
    return kind(**_taken(kind, options)), texts


def _chosen(examples: Sequence[Example], split: str, path: Path) -> list[Example]:
    """The examples of a split; all where no file is named by one."""
    named = {example.split for example in examples if split_of_name(_file_of(example.where))}
    if named and split not in named:
        raise InputError(f"{path}: holds no {split} rows, only {', '.join(sorted(named))}; name the file to score")
    return [example for example in examples if example.split == split] if named else list(examples)


def _of_split(rows: Sequence[CallRow], split: str, path: Path) -> list[CallRow]:
    """The rows of files named by a split; all where none is."""
    named = {split_of_name(_file_of(row.where)) for row in rows} - {None}
    if named and split not in named and path.is_dir():
        raise InputError(
            f"{path}: holds no {split} rows, only {', '.join(map(str, sorted(map(str, named))))}; name the file to score"
        )
    return [r for r in rows if split_of_name(_file_of(r.where)) == split] if split in named else list(rows)


def _file_of(where: str) -> str:
    """The bare name of the file that a row stands in."""
    return Path(where.rpartition(":")[0]).name.partition(".")[0]


def _documents(path: Path) -> Sequence[str]:
    """All texts of a retrieval folder, also those that answer nothing."""
    corpus = path / "corpus.jsonl"
    if not corpus.is_file():
        return ()
    with corpus.open(encoding="utf-8") as lines:
        return [json.loads(line)["text"] for line in lines if line.strip()]
