"""What every benchmark shares: its options, and at its end its metrics with date, commit and machine."""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import date
from pathlib import Path

from pocketlm.core.files import read_json, write_json
from pocketlm.core.machine import describe

REPO = Path(__file__).parents[1]


def parser(doc: str | None, quick: str, json_help: str = "where the metrics go") -> argparse.ArgumentParser:
    """`--json`, `--data` and `--quick`; `doc` is the benchmark's docstring, `quick` what less it does."""
    made = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--json", type=Path, required=True, help=json_help)
    made.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data", help="folder of the data sets")
    made.add_argument("--quick", action="store_true", help=quick)
    return made


def parsed(made: argparse.ArgumentParser) -> argparse.Namespace:
    """The options; ends with a sentence where the data are not there."""
    arguments = made.parse_args()
    if not arguments.data.is_dir():
        sys.exit(f"{arguments.data}: no such folder; name the data with --data")
    return arguments


def about(machine: str = "") -> dict[str, str]:
    """When, of which state of the code and where something was measured."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=REPO, capture_output=True, text=True, check=False
    )
    return {"date": str(date.today()), "commit": commit.stdout.strip(), "machine": machine or describe()}


def cores() -> str:
    """The kind and number of processors."""
    return f"{platform.machine()}, {os.cpu_count()} cores"


def keep(path: Path, metrics: Mapping[str, float]) -> dict[str, float]:
    """Write metrics; those of other parts stay. Returns all of them."""
    before = read_json(path)["metrics"] if path.is_file() else {}
    found: dict[str, float] = before | {key: round(value, 4) for key, value in metrics.items()}
    write_json(path, {"metrics": found, **about(f"{describe()} ({cores()})")})
    return found
