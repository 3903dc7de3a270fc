"""A tiny model that has learnt two commands, so that an export has something to lose."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_commands import rows_of, train_commands

from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.export.subject import Subject, subject_of_run


@pytest.fixture(scope="session")
def trained(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    rows = rows_of(0, 30)
    run = train_commands(tiny_llama, rows, rows[:4], tmp_path_factory.mktemp("runs") / "r")
    report = evaluate(run.task, open_engine(str(run.folder)), rows, max_tokens=24)
    assert report.metrics["exact"] > 0.9
    return subject_of_run(run, rows, lambda: report)
