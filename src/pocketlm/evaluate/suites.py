"""Rows saved once and run on every model, and what came of it over time: a log of scores that a file system can hold.

A suite is a folder: suite.json (the task and how it is asked), rows.jsonl, and history.jsonl, one line an evaluation.
"""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, TypeVar

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, dump_compact, read_json, sha256_file, sha256_value, write_json, write_jsonl
from pocketlm.data.load import rows_in_layout
from pocketlm.evaluate.latency import Latency
from pocketlm.evaluate.report import Report
from pocketlm.tasks.call import CallTask
from pocketlm.tasks.embed import EmbedTask

HISTORY = "history.jsonl"
T = TypeVar("T")


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
    passed: bool = True  # its gate, where there was one


def entry_of(report: Report, rows: Sequence[Any], path: Path | None, *, passed: bool = True) -> Entry:
    """What a history keeps of a report; the same rows asked in the same way have the same hash."""
    more = dict(Latency.from_json(report.latency).metrics) if report.latency else {}
    now = datetime.now(timezone.utc).isoformat(timespec="seconds")
    how = {name: report.settings.get(name) for name in ("constrain", "max_tokens")}
    asked = sha256_value([[row.to_json() for row in rows], how])
    return Entry(
        now, report.engine, report.task, report.main, report.metrics, report.intervals, len(report.rows), asked,
        str(path or ""), more, passed,
    )  # fmt: skip


def append(path: Path, entry: Entry) -> None:
    """Add a line to a history."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torn = path.is_file() and not path.read_bytes().endswith(b"\n")  # by a kill: it must not swallow this line
    with path.open("a", encoding="utf-8") as lines:
        lines.write(("\n" if torn else "") + dump_compact(asdict(entry)) + "\n")


def is_new(path: Path, entry: Entry) -> bool:
    """Whether a history does not end with the same figures of the same rows."""
    if not path.is_file() or entry.more:
        return True
    try:
        last = read_history(path)[-1]
    except InputError:
        return True
    return (last.rows_sha256, last.engine, last.metrics) != (entry.rows_sha256, entry.engine, entry.metrics)


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
    """Saved rows. `task`: its kind; `pool`: for embeddings, the texts that the right ones are looked for among."""

    folder: Path
    task: str
    pool: list[str]

    @property
    def rows_file(self) -> Path:
        """The rows, in the task's own layout."""
        return self.folder / "rows.jsonl"

    @property
    def history(self) -> Path:
        """Its history."""
        return self.folder / HISTORY

    @property
    def last(self) -> str | None:
        """The report of the latest run that passed its gate, None where there is none."""
        if not self.history.is_file():
            return None
        return next((entry.report for entry in reversed(read_history(self.history)) if entry.passed), None)

    @property
    def sha256(self) -> str:
        """Hash of the rows."""
        return sha256_file(self.rows_file)


def save_suite(folder: Path, data: Path, task: str | None = None, limit: int | None = None) -> Suite:
    """Save rows in any known layout as a suite.

    Raises:
        InputError: the folder holds something already: a suite's rows never change, make another one.
    """
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder}: there already; a suite's rows never change, choose a new name")
    made, rows = rows_in_layout(data, task)
    with atomic_dir(folder) as aside:
        write_jsonl(aside / "rows.jsonl", sampled(rows, limit))
        if isinstance(made, CallTask):
            write_json(aside / "tools.json", made.tools.to_openai())
        pool = made.pool if isinstance(made, EmbedTask) else []
        write_json(aside / "suite.json", {"kind": "suite", "task": made.name, "pool": pool})
    return open_suite(folder)


def sampled(rows: Sequence[T], limit: int | None) -> list[T]:
    """So many rows, the same ones each time; all where there are no more."""
    return list(rows) if not limit or limit >= len(rows) else random.Random(0).sample(list(rows), limit)


def spread(rows: Sequence[T], most: int) -> Sequence[T]:
    """At most so many rows, evenly spaced from the first on."""
    return rows[:: max(1, len(rows) // most)][:most]


def open_suite(folder: Path) -> Suite:
    """A saved suite.

    Raises:
        InputError: the folder is none.
    """
    if not (folder / "suite.json").is_file():
        raise InputError(f"{folder}: not a suite (no suite.json); save one with `pocketlm suite save {folder} DATA`")
    kept = read_json(folder / "suite.json")
    return Suite(folder, kept["task"], kept["pool"])


def report_name(engine: str, passed: bool) -> str:
    """A file's name for an engine's report; one that failed its gate never takes the place of one that passed."""
    name = "".join(c if c.isalnum() or c in "-." else "-" for c in engine).strip("-.")
    return f"{name}{'' if passed else '-failed'}.json"
