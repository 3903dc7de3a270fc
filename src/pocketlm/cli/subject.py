"""From the words of a command to what is scored: which task, which rows, which training rows, and leave to send them."""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pocketlm.cli.common import home_of, task_for
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.evaluate.calibrate import Calibration
    from pocketlm.evaluate.scoring import Scoring

SEED = 0


@dataclass(frozen=True)
class Asked:
    """What a command was given; see `pocketlm eval --help`."""

    engine: str
    data: str | None
    task: str | None = None
    tools: Path | None = None
    tools_in_prompt: str | None = None
    constrain: bool = True
    max_tokens: int | None = None
    limit: int | None = None
    alike: str = "static"
    threads: int | None = None
    budget: float | None = None
    fresh: bool = False

    @property
    def home(self) -> Path:
        """The folder of the engine's tools, run or bundle."""
        return home_of(self.engine)

    @property
    def is_call(self) -> bool:
        """Whether the engine or the command says which functions there are."""
        return self.task in (None, "call") and (self.tools is not None or (self.home / "tools.json").is_file())


def find_scoring(asked: Asked, train: Sequence[Any] = ()) -> Scoring:
    """Task and rows.

    Raises:
        InputError, Problems: no rows are named, or they cannot be read.
    """
    from pocketlm.evaluate.leaks import leaks
    from pocketlm.evaluate.scoring import Scoring
    from pocketlm.tasks.call import TOOLS_IN_PROMPT

    if asked.tools_in_prompt is not None and asked.tools_in_prompt not in TOOLS_IN_PROMPT:
        raise InputError(f"--tools-in-prompt {asked.tools_in_prompt}: choose one of {', '.join(TOOLS_IN_PROMPT)}")
    if asked.data is None and not Path(asked.engine).is_dir():
        raise InputError(
            f"{asked.engine}: say which rows to score, for example `pocketlm eval {asked.engine} data/test.jsonl`"
        )
    task, rows = _rows(asked, Path(asked.data or asked.engine), "test")
    if asked.limit and asked.limit < len(rows):
        rows = random.Random(SEED).sample(rows, asked.limit)
    alike = "" if asked.alike == "none" or task.name != "instruct" else asked.alike
    return Scoring(
        task, rows, constrain=asked.constrain, max_tokens=asked.max_tokens, threads=asked.threads, alike=alike,
        budget=asked.budget, fresh=asked.fresh, notes=leaks(rows, train),
    )  # fmt: skip


def training_rows(asked: Asked, train: Path | None) -> list[Any]:
    """Rows the engine was trained on: those named, or its run's; none where neither is known."""
    if train is not None:
        return _rows(asked, train, "train")[1]
    for folder in (asked.home, asked.home.parent.parent):  # a bundle lies in its run's exports/FORMAT
        if (folder / "data" / "train.jsonl").is_file() and asked.is_call:
            from pocketlm.data.dataset import Dataset

            return list(Dataset.open(folder / "data").rows("train"))
    data = Path(asked.data) if asked.data else None
    if data and data.is_dir() and not asked.is_call and any(file.stem.startswith("train") for file in data.iterdir()):
        return _rows(asked, data, "train")[1]
    return []


def _rows(asked: Asked, data: Path, split: str) -> tuple[Any, list[Any]]:
    from pocketlm.data.load import load_call_rows, load_rows

    if (data / "suite.json").is_file():
        data = data / "rows.jsonl"
    if asked.is_call:
        task = task_for(asked.engine, asked.tools, asked.tools_in_prompt)
        return task, load_call_rows(data, task.tools, split)
    return load_rows(data, task=asked.task, split=split)


def agree(engine: str, scoring: Scoring, yes: bool, budget: float | None) -> None:
    """Show what would leave this machine and what it may cost, and have it agreed to.

    Raises:
        InputError: not agreed to, and nobody is there to ask.
    """
    from pocketlm.evaluate.remote import RemoteEngine, is_remote
    from pocketlm.tasks.template import CHATML

    if not is_remote(engine):
        return
    remote = scoring.open(engine)
    assert isinstance(remote, RemoteEngine)
    if not remote.host:
        return
    dialogues = [scoring.task.messages(row, CHATML) for row in scoring.rows]
    worst = remote.worst(dialogues, scoring.max_tokens or scoring.task.max_tokens)
    cap = f", stopped before {budget:g}" if budget is not None else ""
    typer.echo(f"{len(dialogues)} rows would leave this machine for {remote.host}; at most {worst:.2f}{cap}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise InputError(
            f"{len(dialogues)} rows would leave this machine for {remote.host}; add --yes to agree to that"
        )
    if not typer.confirm("Send?", err=True):
        raise typer.Abort


def run_facts(engine: str) -> tuple[list[dict[str, float]], dict[str, str], Calibration | None]:
    """What is known of how an engine was made: its training's steps, facts for a reader, its calibration."""
    from pocketlm.core.machine import describe
    from pocketlm.evaluate.calibrate import calibration_of
    from pocketlm.train.run import Run

    folder = home_of(engine)
    facts, history = {"Machine": describe()}, []
    if (folder / "metrics.jsonl").is_file():
        run = Run(folder)
        history, made = run.history, run.manifest
        facts |= {
            "Base": f"{made['lineage'].get('title', made['lineage']['base'])}, {made['lineage'].get('licence', 'licence unknown')}",
            "Training": f"{made['metrics']['train_seconds']:.0f} s, {made['metrics']['tokens_per_s']:.0f} tokens/s, {made['compute']}",
            "Versions": ", ".join(f"{name} {version}" for name, version in made["versions"].items()),
        }
    return history, facts, calibration_of(engine)
