"""A tiny model that learns two commands in seconds, for whatever cuts, rounds or exports a tuned run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pocketlm.core.config import load_config
from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.train.run import Run, train_run

TOOLS = ToolSet.from_openai([{"name": "on"}, {"name": "off"}], "t")


def rows_of(start: int, count: int) -> list[CallRow]:
    return [
        CallRow((Message("user", f"{name} {i}"),), (Call(name, {}),))
        for i in range(start, start + count)
        for name in ("on", "off")
    ]


def train_commands(base: Path, train: Sequence[CallRow], valid: Sequence[CallRow], folder: Path) -> Run:
    """A run of `base` that tells on from off."""
    settings = [
        f"base={base}",
        "train.epochs=10",
        "train.batch_tokens=150",
        "train.lr=0.01",
        "train.compute=fp32",
    ]
    return train_run(load_config(None, settings), TOOLS, train, valid, folder)
