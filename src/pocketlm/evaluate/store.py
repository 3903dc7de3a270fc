"""Reports kept as files, so that an evaluation that was made once is not made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json, sha256_value, write_json
from pocketlm.engines.base import Engine
from pocketlm.evaluate.evaluate import Report, evaluate
from pocketlm.tasks.call import CallRow, CallTask


def scored(
    path: Path, identity: str, task: CallTask, engine: Callable[[], Engine], rows: Sequence[CallRow], **settings: Any
) -> Report:
    """The report of an engine on rows, from `path` where nothing that decides it has changed.

    Args:
        identity: what stands for the engine's content, such as a run's key.
        engine: opens it, only when it has to be scored.
        settings: as `evaluate` takes them.
    """
    asked = [task.tools.sha256, task.tools_in_prompt, task.grounding.to_json(), settings]
    key = sha256_value([identity, [row.to_json() for row in rows], asked])

    def make() -> Report:
        subject = engine()
        try:
            return evaluate(task, subject, rows, title=f"Scoring {path.stem}", **settings)
        finally:
            subject.close()

    return cached_report(path, key, make)


def cached_report(path: Path, key: str, make: Callable[[], Report]) -> Report:
    """The report in `path` if it was made for `key`, else a new one, kept there."""
    if path.is_file():
        try:
            kept = read_json(path)
            if kept.get("key") == key:
                return Report.from_json(kept["report"])
        except (InputError, KeyError, TypeError, AttributeError):
            pass  # damaged by hand: simply made again
    report = make()
    write_json(path, {"key": key, "report": report.to_json()})
    return report
