"""Rows saved once and run on every model, and what came of it over time: a log of scores that a file system can hold.

A suite is a folder: suite.json (the task and how it is asked), rows.jsonl, and history.jsonl, one line an evaluation.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, dump_compact, read_json, sha256_file, write_json, write_jsonl
from pocketlm.data.load import rows_in_layout
from pocketlm.evaluate.latency import Latency
from pocketlm.evaluate.report import Report
from pocketlm.tasks.base import Task

HISTORY = "history.jsonl"


@dataclass(frozen=True)
class Entry:
    """One evaluation of a suite's or a run's history. `when`: UTC, ISO 8601."""

    when: str
    engine: str
    task: str
    main: str
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    rows: int
    rows_sha256: str
    report: str = ""
    more: dict[str, float] = field(default_factory=dict)  # latency and size


def entry_of(report: Report, rows_sha256: str, path: Path | None) -> Entry:
    """What a history keeps of a report."""
    more = dict(Latency.from_json(report.latency).metrics) if report.latency else {}
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    return Entry(
        now, report.engine, report.task, report.main, report.metrics, report.intervals, len(report.rows), rows_sha256,
        str(path or ""), more,
    )  # fmt: skip


def append(path: Path, entry: Entry) -> None:
    """Add a line to a history."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as lines:
        lines.write(dump_compact(asdict(entry)) + "\n")


def read_history(path: Path) -> list[Entry]:
    """The entries of a history file, or of every history under a folder, the oldest first; a torn last line is left out.

    Raises:
        InputError: there is none.
    """
    files = [path] if path.is_file() else sorted(path.rglob(HISTORY)) if path.is_dir() else []
    found = []
    for file in files:
        for line in file.read_text(encoding="utf-8").splitlines():
            try:
                found.append(Entry(**json.loads(line)))
            except (ValueError, TypeError):
                continue
    if not found:
        raise InputError(f"{path}: holds no history; `pocketlm eval` and `pocketlm suite run` write one")
    return sorted(found, key=lambda entry: entry.when)


@dataclass(frozen=True)
class Suite:
    """Saved rows. `task`: its kind; `settings`: how it is asked, as for `pocketlm eval`."""

    folder: Path
    task: str
    settings: dict[str, Any]

    @property
    def rows_file(self) -> Path:
        """The rows, in the task's own layout."""
        return self.folder / "rows.jsonl"

    @property
    def history(self) -> Path:
        """Its history."""
        return self.folder / HISTORY

    @property
    def last(self) -> str:
        """The report of the latest run.

        Raises:
            InputError: it was never run.
        """
        return read_history(self.history)[-1].report

    @property
    def sha256(self) -> str:
        """Hash of the rows."""
        return sha256_file(self.rows_file)


def save_suite(
    folder: Path, task: Task, rows: Sequence[Mapping[str, Any]], tools: Any, settings: Mapping[str, Any]
) -> Suite:
    """Save rows as a suite.

    Raises:
        InputError: the folder holds something already: a suite's rows never change, make another one.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: there already; a suite's rows never change, choose a new name")
    with atomic_dir(folder) as aside:
        write_jsonl(aside / "rows.jsonl", rows)
        if tools is not None:
            write_json(aside / "tools.json", tools)
        write_json(aside / "suite.json", {"kind": "suite", "task": task.name, "settings": dict(settings)})
    return open_suite(folder)


def rows_to_keep(data: Path, task: str | None, limit: int | None) -> tuple[Any, list[dict[str, Any]], Any]:
    """The task, the rows in its own layout, and the functions, of rows in any known layout."""
    made, rows, tools = rows_in_layout(data, task)
    return made, rows if not limit or limit >= len(rows) else random.Random(0).sample(rows, limit), tools


def open_suite(folder: Path) -> Suite:
    """A saved suite.

    Raises:
        InputError: the folder is none.
    """
    if not (folder / "suite.json").is_file():
        raise InputError(f"{folder}: not a suite (no suite.json); save one with `pocketlm suite save {folder} DATA`")
    kept = read_json(folder / "suite.json")
    return Suite(folder, kept["task"], kept["settings"])


def report_name(engine: str) -> str:
    """A file's name for an engine's report."""
    return "".join(c if c.isalnum() or c in "-." else "-" for c in engine).strip("-.") + ".json"
