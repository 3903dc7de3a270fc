"""What every benchmark does at its end: its metrics beside those measured before, with date, commit and machine."""

from __future__ import annotations

import os
import platform
import subprocess
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pocketlm.core.files import read_json, write_json
from pocketlm.core.machine import describe

REPO = Path(__file__).parents[1]


def keep(path: Path, metrics: Mapping[str, float]) -> dict[str, float]:
    """Write metrics; those of other parts stay. Returns all of them."""
    before = read_json(path)["metrics"] if path.is_file() else {}
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPO, capture_output=True, text=True, check=False
    )
    about = {"date": str(date.today()), "commit": commit.stdout.strip()}
    about["machine"] = f"{describe()} ({platform.machine()}, {os.cpu_count()} cores)"
    found: dict[str, float] = before | {key: round(value, 4) for key, value in metrics.items()}
    write_json(path, {"metrics": found, **about})
    return found
