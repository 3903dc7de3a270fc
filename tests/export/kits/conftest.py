"""Kits of the packaged sample and of tools whose names and types try every language, in every answer format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from app_kits import ISOTONIC, KITS, NASTY, TEMPERATURE, Made

import pocketlm.samples
from pocketlm.export.kits.kits import write_kits
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.template import TEMPLATES
from pocketlm.tasks.tools import ToolSet


@pytest.fixture(scope="session")
def phone() -> tuple[ToolSet, list[CallRow]]:
    sample = Path(pocketlm.samples.__file__).parent / "phone_actions"
    lines = (sample / "data" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    return ToolSet.load(sample / "tools.json"), [CallRow.from_json(json.loads(line)) for line in lines]


@pytest.fixture(scope="session")
def kits(phone: tuple[ToolSet, list[CallRow]], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    """Every kit of KITS by its name."""
    tools, rows = phone
    of = {"phone": (tools, rows, ISOTONIC), "nasty": (NASTY, [], None), "no tools": (ToolSet([]), [], TEMPERATURE)}
    made = {}
    for name in KITS:
        which, _, template = name.rpartition(" ")
        tools, rows, calibration = of[which]
        task = CallTask(tools, "none" if template in ("terse", "twice") else "full")
        folder = tmp_path_factory.mktemp("kits") / name.replace(" ", "-")
        threshold = calibration.threshold if calibration else None
        write_kits(
            task, TEMPLATES[template], folder, name=name, version="1.2.0", threshold=threshold, rows=rows,
            calibration=calibration, feed='https://example.com/feed?a="$b"' if which == "nasty" else None,
        )  # fmt: skip
        vectors = json.loads((folder / "vectors.json").read_text(encoding="utf-8"))
        made[name] = Made(folder, name, task, TEMPLATES[template], threshold, calibration, vectors)
    return made
