"""A tiny model that has learnt two commands, so that an export has something to lose."""

from __future__ import annotations

from pathlib import Path

import pytest

from pocketlm.core.config import load_config
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.export.subject import Subject, subject_of_run
from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.train.run import train_run

TOOLS = ToolSet.from_openai([{"name": "on"}, {"name": "off"}], "t")


@pytest.fixture(scope="session")
def trained(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    rows = [CallRow((Message("user", f"{name} {i}"),), (Call(name, {}),)) for i in range(30) for name in ("on", "off")]
    settings = [
        f"base={tiny_llama}",
        "train.epochs=10",
        "train.batch_tokens=150",
        "train.lr=0.01",
        "train.compute=fp32",
    ]
    run = train_run(load_config(None, settings), TOOLS, rows, rows[:4], tmp_path_factory.mktemp("runs") / "r")
    report = evaluate(run.task, open_engine(str(run.folder)), rows, max_tokens=24)
    assert report.metrics["exact"] > 0.9
    return subject_of_run(run, rows, lambda: report)
