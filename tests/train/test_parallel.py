"""Two processes that train together do what one does with twice the batches a step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from pocketlm.models.adapters import WEIGHTS

TOOLS = [{"name": "play", "parameters": {"type": "object", "properties": {"what": {"type": "string"}}}}]
WORDS = ["milk", "bread", "noon", "kitchen", "alarm", "morning", "lights"]


@pytest.mark.skipif(sys.platform == "win32", reason="gloo's launcher is for Unix")
def test_two_processes_equal_one_with_doubled_batches(tiny_llama: Path, tmp_path: Path) -> None:
    pairs = [(a, b) for a in WORDS for b in WORDS]
    rows = [{"text": f"play {a} {b}", "calls": [{"name": "play", "arguments": {"what": f"{a} {b}"}}]} for a, b in pairs]
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (tmp_path / "tools.json").write_text(json.dumps(TOOLS))
    settings: dict[str, Any] = {
        "epochs": 1,
        "batch_tokens": 64,
        "rank": 4,
        "lr": 5e-3,
        "compute": "fp32",
        "augment": "none",
    }
    one = _train(tmp_path, tiny_llama, "one", [], {**settings, "accumulate": 2})
    launcher = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    two = _train(tmp_path, tiny_llama, "two", launcher, settings)
    assert len(one) == len(two) > 4
    for a, b in zip(one, two, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-4)
        assert a.get("valid_loss", 0) == pytest.approx(b.get("valid_loss", 0), rel=1e-4)
    mine, theirs = (load_file(tmp_path / "runs" / name / "adapter" / WEIGHTS) for name in ("one", "two"))
    assert all((tensor - theirs[key]).abs().max() < 1e-3 for key, tensor in mine.items())


def _train(
    project: Path, base: Path, name: str, launcher: list[str], settings: dict[str, Any]
) -> list[dict[str, float]]:
    (project / "pocketlm.yaml").write_text(
        json.dumps({"base": str(base), "data": {"raw": "data"}, "train": settings})  # JSON is YAML
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, *launcher, "-m", "pocketlm.cli.main", "train", str(project), "--name", name]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Next: pocketlm eval") == 1
    lines = (project / "runs" / name / "metrics.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]
