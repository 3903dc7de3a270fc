"""A tiny tuned run and its rows, for whatever shrinks it."""

from __future__ import annotations

from pathlib import Path

import pytest
from two_commands import rows_of, train_commands

from pocketlm.shrink.shapes import Rows
from pocketlm.train.run import Run


@pytest.fixture(scope="module")
def trained(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, Rows]:
    rows = Rows(rows_of(0, 30), rows_of(30, 10))
    run = train_commands(tiny_llama, rows.train, rows.valid, tmp_path_factory.mktemp("shrink") / "r")
    (run.folder / "data").mkdir(exist_ok=True)
    return run, rows
