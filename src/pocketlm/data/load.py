"""A path to rows in any known layout -> a task and its rows, for scoring. Knows nothing of engines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError, Problems
from pocketlm.data.dataset import Dataset
from pocketlm.data.gather import Gathered, gather
from pocketlm.data.read import read_rows
from pocketlm.data.split import split_of_name
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.embed import EmbedTask
from pocketlm.tasks.registry import task_class
from pocketlm.tasks.tools import ToolSet

WHOLE_TEXT = ("", ".txt", ".text", ".raw", ".tokens")


def load_rows(path: Path, *, task: str | None = None, split: str = "test") -> tuple[Any, list[Any]]:
    """The task of what lies under a path, and its rows: those of the split where files are named by splits, else all.

    A call task made here has the rows' own functions in its prompt.

    Raises:
        InputError, Problems: no rows of a known layout, or rows that cannot be read.
    """
    if task is not None:
        task_class(task)
    if path.is_file() and path.suffix.lower() in WHOLE_TEXT and task in (None, "complete"):
        made = task_class("complete")()
        return made, [made.row({"text": path.read_text(encoding="utf-8-sig")}, str(path))]
    found = gather(path, task=task)
    if found.faults:
        raise Problems(f"{path}: cannot be scored", [f"{fault.where}: {fault.why}" for fault in found.faults])
    if found.task == "call":
        read = read_rows(path)
        return CallTask(read.tools, "full"), _of_split(read.rows, split)
    if found.task == "preference":
        raise InputError(f"{path}: holds preferences, which are for training; name rows of another task")
    return _made(found, path, split)


def rows_in_layout(path: Path, task: str | None = None, split: str = "test") -> tuple[Any, list[dict[str, Any]], Any]:
    """The task, its rows as plain values in the task's own layout, and for calls the functions in the OpenAI format.

    Raises:
        InputError, Problems: as `load_rows`.
    """
    for folder in (path, path / "data"):
        if (folder / "manifest.json").is_file() and (folder / f"{split}.jsonl").is_file():
            held = Dataset.open(folder)
            return CallTask(held.tools, "full"), [row.to_json() for row in held.rows(split)], held.tools.to_openai()
    made, rows = load_rows(path, task=task, split=split)
    if made.name == "call":
        return made, [row.to_json() for row in rows], made.tools.to_openai()
    if path.is_file() and path.suffix.lower() in WHOLE_TEXT:
        return made, [{"text": row.answer} for row in rows], None
    found = gather(path, task=task)
    return made, [e.row for e in found.examples if e.split == split] or [e.row for e in found.examples], None


def _made(found: Gathered, path: Path, split: str) -> tuple[Any, list[Any]]:
    kind = task_class(found.task)
    chosen = [example for example in found.examples if example.split == split] or found.examples
    if found.task == "embed":
        return EmbedTask(_documents(path)), EmbedTask.rows([(example.row, example.where) for example in chosen])
    rows = [kind.row(example.row, example.where) for example in chosen]
    # labels and fields are those of all splits: a test set need not hold every one
    every = [kind.row(example.row, example.where) for example in found.examples] if hasattr(kind, "of") else []
    return (kind.of(every) if every else kind()), rows


def _documents(path: Path) -> Sequence[str]:
    """All texts of a retrieval folder, also those that answer nothing."""
    corpus = path / "corpus.jsonl"
    if not corpus.is_file():
        return ()
    return [json.loads(line)["text"] for line in corpus.read_text(encoding="utf-8").splitlines() if line.strip()]


def load_call_rows(path: Path, tools: ToolSet, split: str = "test") -> list[Any]:
    """Rows of the functions' task: the split of a run or dataset folder, or all of a file.

    Raises:
        InputError, Problems: as `load_rows`.
    """
    for folder in (path, path / "data"):
        if (folder / "manifest.json").is_file() and (folder / f"{split}.jsonl").is_file():
            return list(Dataset.open(folder).rows(split))
    return _of_split(read_rows(path, tools).rows, split)


def _of_split(rows: Sequence[CallRow], split: str) -> list[CallRow]:
    """The rows of files named by a split, all where none is."""
    chosen = [row for row in rows if split_of_name(Path(row.where.rpartition(":")[0]).stem) == split]
    return chosen or list(rows)
