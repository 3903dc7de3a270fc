"""A tiny tuned run and its rows, for whatever shrinks it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pocketlm.core.config import load_config
from pocketlm.shrink.shapes import Rows
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


@pytest.fixture(scope="module")
def trained(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Rows]:
    home = tmp_path_factory.mktemp("shrink")
    rows = Rows(rows_of(0, 30), rows_of(30, 10))
    settings = [
        f"base={tiny_llama}",
        "train.epochs=10",
        "train.batch_tokens=150",
        "train.lr=0.01",
        "train.compute=fp32",
    ]
    run = train_run(load_config(None, settings), TOOLS, rows.train, rows.valid, home / "r")
    (run.folder / "data").mkdir(exist_ok=True)
    return run, rows
