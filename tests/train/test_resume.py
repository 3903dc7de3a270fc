"""Whatever stops a training, going on ends with the weights of one that was never stopped."""

from __future__ import annotations

import multiprocessing
import os
import random
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from pocketlm.core.config import Config
from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.models.adapters import WEIGHTS
from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.train.checkpoint import Checkpoints
from pocketlm.train.run import train_run

KILLS = 10
TOOLS = ToolSet.from_openai(
    [{"name": "play", "parameters": {"type": "object", "properties": {"what": {"type": "string"}}}}], "t"
)
WORDS = ["milk", "bread", "noon", "kitchen", "alarm", "morning", "lights", "music"]


def train(base: Path, folder: Path, **more: Any) -> None:
    """The same small training each time; a process of its own runs it."""
    rng = random.Random(0)
    said = [" ".join(rng.choices(WORDS, k=3)) for _ in range(120)]
    rows = [CallRow((Message("user", f"play {text}"),), (Call("play", {"what": text}),)) for text in said]
    settings = {"epochs": 3, "batch_tokens": 96, "rank": 4, "compute": "fp32", "save_seconds": 0}
    config = Config.model_validate({"base": str(base), "train": settings})
    train_run(config, TOOLS, rows[8:], rows[:8], folder, **more)


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_killed_ten_times_it_ends_with_the_same_weights(tiny_llama: Path, tmp_path: Path) -> None:
    server = multiprocessing.get_context("forkserver")  # imports torch once; each training starts afresh from it
    server.set_forkserver_preload(["torch", "transformers.models.llama.modeling_llama", "pocketlm.train.loop"])
    whole, parts, rng = tmp_path / "whole", tmp_path / "parts", random.Random(time.time())

    def start(folder: Path) -> Any:
        process = server.Process(target=train, args=(tiny_llama, folder))
        process.start()
        return process

    undisturbed = start(whole)
    undisturbed.join(300)
    lives = []
    for _ in range(KILLS):
        process = start(parts)
        goal = logged(parts) + rng.randint(1, 4)
        while process.is_alive() and logged(parts) < goal:
            time.sleep(0.002)
        time.sleep(rng.random() * 0.05)
        lives.append(process.is_alive())
        process.kill()
        process.join(60)
    assert all(lives), "a training ended before it was killed; the test needs more steps"
    assert not (parts / "manifest.json").exists()
    last = start(parts)
    last.join(300)
    assert (undisturbed.exitcode, last.exitcode) == (0, 0)
    for file in (Path("adapter") / WEIGHTS, Path("model/model.safetensors")):
        assert (whole / file).read_bytes() == (parts / file).read_bytes()
    assert losses(whole) == losses(parts)
    assert not list(parts.glob("checkpoint-*"))


def logged(folder: Path) -> int:
    """Steps that were logged, over all lives."""
    file = folder / "metrics.live.jsonl"
    return file.read_text().count("\n") if file.exists() else 0


def losses(folder: Path) -> list[str]:
    return [line.split(',"seconds"')[0] for line in (folder / "metrics.jsonl").read_text().splitlines()]


def test_only_an_interrupted_training_is_resumed_where_that_is_asked(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no interrupted training.*without --resume"):
        train(tiny_llama, tmp_path, must_resume=True)


def test_the_last_few_checkpoints_stay_and_a_damaged_one_gives_way(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = Checkpoints(tmp_path, "key", keep=2)
    for step in (9, 10, 11):
        kept.save({"step": step}, step)
    assert [file.name for file in kept.files] == ["checkpoint-key-00000011.pt", "checkpoint-key-00000010.pt"]
    kept.files[0].write_bytes(kept.files[0].read_bytes()[:100])
    assert kept.load() == {"step": 10}
    assert "00000011.pt: damaged" in capsys.readouterr().err
    assert [file.name for file in kept.files] == ["checkpoint-key-00000010.pt"]
    (tmp_path / ".checkpoint-key-00000012.pt.1.part").touch()
    Checkpoints(tmp_path, "other").forget_others()
    assert not kept.files and kept.load() is None and not list(tmp_path.iterdir())


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a disk that is always full")
def test_a_full_disk_says_so_and_keeps_the_last_checkpoint(tmp_path: Path) -> None:
    kept = Checkpoints(tmp_path, "key")
    kept.save({"weights": torch.ones(3)}, 1)
    aside = tmp_path / f".checkpoint-key-00000002.pt.{os.getpid()}.part"
    aside.symlink_to("/dev/full")
    with pytest.raises(EnvironmentLacks, match="the disk is full"):
        kept.save({"weights": torch.zeros(1 << 20)}, 2)
    state = kept.load()
    assert state is not None and torch.equal(state["weights"], torch.ones(3))
    assert [file.name for file in tmp_path.iterdir()] == ["checkpoint-key-00000001.pt"]
