"""Reports kept as files, so that an evaluation that was made once is not made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json, sha256_value, write_json
from pocketlm.evaluate.evaluate import Report
from pocketlm.tasks.call import CallRow


def report_key(engine: str, rows: Sequence[CallRow], **settings: Any) -> str:
    """Hash of what decides a report: the engine's content, the rows, the settings."""
    return sha256_value([engine, [row.to_json() for row in rows], settings])


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
