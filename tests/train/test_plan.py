"""A plan is made of a training's own steps, and names what is missing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pocketlm.cli.plan import _span
from pocketlm.core.config import Config
from pocketlm.core.devices import DEVICES, find_device
from pocketlm.core.errors import InputError
from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.train import plan as planning
from pocketlm.train.plan import plan_run
from pocketlm.train.run import train_run

TOOLS = ToolSet.from_openai(
    [{"name": "play", "parameters": {"type": "object", "properties": {"what": {"type": "string"}}}}], "t"
)
ROWS = [CallRow((Message("user", f"play number {i}"),), (Call("play", {"what": f"number {i}"}),)) for i in range(60)]


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"epochs": 2.5, "batch_tokens": 64},
        {"accumulate": 3, "batch_tokens": 64},
        {"method": "full", "validations": 2},
    ],
    ids=str,
)
def test_a_plan_counts_the_steps_that_the_training_then_takes(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, Any]
) -> None:
    monkeypatch.setattr(planning, "PROBE_SECONDS", 0.2)
    train = {"rank": 4, "compute": "fp32", "augment": "none", **settings}
    config = Config.model_validate({"base": str(tiny_llama), "train": train, "cost": {"watts": 100, "per_hour": 2}})
    found = plan_run(config, TOOLS, ROWS[8:], ROWS[:8], tmp_path)
    run = train_run(config, TOOLS, ROWS[8:], ROWS[:8], tmp_path)
    metrics = run.manifest["metrics"]
    assert abs(found.steps - metrics["steps"]) <= max(1, 0.05 * metrics["steps"])
    assert found.seconds > 0 and found.memory > 100e6 and found.memory_free > 0
    written = sum(file.stat().st_size for file in tmp_path.rglob("*.safetensors"))
    assert found.disk > 0.9 * written
    hours = metrics["train_seconds"] / 3600
    assert metrics["cost"] == pytest.approx(0.1 * hours * 0.3 + 2 * hours, abs=1e-3)
    assert json.loads(json.dumps(found.to_json()))["fits"]["h100"]


def test_devices_have_a_memory_and_a_source() -> None:
    assert all(device.usable_gb < device.memory_gb and device.source for device in DEVICES)
    assert len({device.name for device in DEVICES}) == len(DEVICES)
    with pytest.raises(InputError, match="known: .*iphone-16"):
        find_device("nokia-3310")


def test_spans_are_said_in_words() -> None:
    assert [_span(s) for s in (7.6, 61, 3600 * 2 + 130)] == ["8 s", "1 min 1 s", "2 h 2 min"]
