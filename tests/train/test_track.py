"""Metrics reach every tracker that is asked for, without a network."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path

import pytest

from pocketlm.core.config import Config
from pocketlm.core.errors import EnvironmentLacks
from pocketlm.train.track import LIVE, tracked

ENTRIES = [{"step": i, "loss": 1.0 / i, "lr": 1e-3} for i in (1, 2, 3)]


def test_a_missing_tracker_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pocketlm.train.track.find_spec", lambda _: None)
    with pytest.raises(EnvironmentLacks, match="pip install wandb"), tracked(["wandb"], tmp_path, Config()):
        pass
    assert not (tmp_path / LIVE).exists()


@pytest.mark.parametrize("name", ["tensorboard", "trackio", "wandb"])
def test_trackers_get_what_the_file_gets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    if not find_spec(name):
        pytest.skip(f"{name} is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    folder = tmp_path / "runs" / "a"
    folder.mkdir(parents=True)
    with tracked([name], folder, Config()) as log:
        for entry in ENTRIES:
            log(entry)
    assert [json.loads(line) for line in (folder / LIVE).read_text().splitlines()] == ENTRIES
    kept = {
        "tensorboard": "runs/tensorboard/**/events*",
        "trackio": "trackio/**/*.db",
        "wandb": "runs/a/wandb/**/*.wandb",
    }
    files = [file for file in tmp_path.glob(kept[name]) if file.stat().st_size]
    assert files
    if name == "tensorboard":
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

        events = EventAccumulator(str(folder.parent / "tensorboard" / "a"))
        events.Reload()
        assert [round(event.value, 4) for event in events.Scalars("loss")] == [1.0, 0.5, 0.3333]
