"""From the words of a command to what is scored: which task, which rows, which training rows, and leave to send them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from pocketlm.cli.common import has_tools, home_of, run_of, task_for
from pocketlm.core.errors import InputError
from pocketlm.core.progress import say

if TYPE_CHECKING:
    from pocketlm.evaluate.calibrate import Calibration
    from pocketlm.evaluate.scoring import Scoring


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
    yes: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def place(self) -> Path:
        """Where the rows are: as named, else in the run that the engine belongs to."""
        if self.data is None and (run_of(self.engine) / "data" / "manifest.json").is_file():
            return run_of(self.engine)
        return Path(self.data or self.engine)

    def is_call(self, data: Path) -> bool:
        """Whether rows are for the functions that the engine or the command says there are."""
        from pocketlm.data.load import kind_of

        if self.tools is None and not has_tools(self.engine):
            return False
        return (self.task or kind_of(data)) == "call"

    def sorts(self, data: Path) -> bool:
        """Whether the engine is a classifier and the rows are for one."""
        from pocketlm.data.load import kind_of
        from pocketlm.engines.classifier import is_classifier

        return is_classifier(home_of(self.engine)) and (self.task or kind_of(data)) == "classify"


def find_scoring(asked: Asked, train: Sequence[Any] = (), split: str = "test") -> Scoring:
    """Task and rows of a split.

    Raises:
        InputError, Problems: no rows are named, or they cannot be read.
    """
    from pocketlm.evaluate.leaks import leaks
    from pocketlm.evaluate.scoring import Scoring
    from pocketlm.evaluate.suites import sampled
    from pocketlm.tasks.call import TOOLS_IN_PROMPT

    if asked.tools_in_prompt is not None and asked.tools_in_prompt not in TOOLS_IN_PROMPT:
        raise InputError(f"--tools-in-prompt {asked.tools_in_prompt}: choose one of {', '.join(TOOLS_IN_PROMPT)}")
    if asked.data is None and not Path(asked.engine).is_dir():
        raise InputError(
            f"{asked.engine}: say which rows to score, for example `pocketlm eval {asked.engine} data/test.jsonl`"
        )
    task, rows = read(asked, asked.place, split)
    rows = sampled(rows, asked.limit)
    return Scoring(
        task, rows, constrain=asked.constrain, max_tokens=asked.max_tokens, threads=asked.threads,
        alike=_embedder(asked.alike, task), budget=asked.budget, fresh=asked.fresh, notes=leaks(rows, train), agree=_agree(asked.yes),
        own_task=lambda uri: _own_task(uri, asked, task),
    )  # fmt: skip


def _embedder(asked: str, task: Any) -> str:
    """What free answers are compared by, "" for nothing."""
    if asked == "none" or task.name != "instruct":
        return ""
    if asked == "static" and find_spec("wordllama") is None:
        say("answers are not compared by meaning: pip install 'pocketlm[data]', or name an embedder with --alike")
        return ""
    return asked


def _own_task(uri: str, asked: Asked, task: Any) -> Any:
    """The task another engine was made for, with its own prompt; None where it brings no functions."""
    if task.name != "call" or uri == asked.engine or not has_tools(uri):
        return None
    return task_for(uri, None, None)


def training_rows(asked: Asked, train: Path | None) -> list[Any]:
    """Rows the engine was trained on: those named, or its run's, or those beside the rows to score; none where unknown."""
    from pocketlm.data.split import split_of_name

    if train is not None:
        return read(asked, train, "train")[1]
    data = asked.place
    run = run_of(asked.engine)
    if (run / "data" / "manifest.json").is_file() and (asked.is_call(data) or asked.sorts(data)):
        return read(asked, run, "train")[1]
    if data == Path(asked.engine) and (data / "data" / "train.jsonl").is_file():
        return read(asked, data, "train")[1]
    if data.is_dir() and any(split_of_name(file.name.partition(".")[0]) == "train" for file in data.iterdir()):
        return read(asked, data, "train")[1]
    return []


def read(asked: Asked, data: Path, split: str) -> tuple[Any, list[Any]]:
    """The task and the rows of a split under a path, a suite included.

    Raises:
        InputError, Problems: they cannot be read.
    """
    from pocketlm.data.load import load_call_rows, load_rows

    if (data / "suite.json").is_file():
        return _suite_rows(asked, data)
    if asked.is_call(data):
        task = task_for(asked.engine, asked.tools, asked.tools_in_prompt)
        return task, load_call_rows(data, task.tools, split)
    made, rows = load_rows(data, task=asked.task, split=split, options=asked.options)
    return (_with_own_labels(asked.engine, made) if asked.sorts(data) else made), rows


def _with_own_labels(engine: str, task: Any) -> Any:
    """The task of rows with the labels of the classifier that is asked, which the rows need not all have."""
    from pocketlm.models.head import Head
    from pocketlm.tasks.classify import ClassifyTask

    head, _ = Head.load(home_of(engine))
    return ClassifyTask([*head.labels, *task.labels], head.outside or task.outside)


def _suite_rows(asked: Asked, folder: Path) -> tuple[Any, list[Any]]:
    from pocketlm.data.load import load_call_rows, load_rows
    from pocketlm.evaluate.suites import open_suite
    from pocketlm.tasks.embed import EmbedTask

    suite = open_suite(folder)
    if suite.task == "call":
        own = has_tools(asked.engine)
        task = task_for(asked.engine, asked.tools or (None if own else folder / "tools.json"), asked.tools_in_prompt)
        return task, load_call_rows(suite.rows_file, task.tools)
    made, rows = load_rows(suite.rows_file, task=suite.task, options=asked.options)
    return (EmbedTask(suite.pool) if suite.task == "embed" else made), rows


def _agree(yes: bool) -> Callable[[str, int, float], None]:
    """Shows what would leave this machine and what it may cost, and has it agreed to."""

    def agree(host: str, rows: int, worst: float) -> None:
        typer.echo(
            f"{rows} rows would leave this machine for {host}; at most {worst:.2f} in its price list's currency",
            err=True,
        )
        if yes:
            return
        if not sys.stdin.isatty():
            raise InputError(f"{rows} rows would leave this machine for {host}; add --yes to agree to that")
        if not typer.confirm("Send?", err=True):
            raise typer.Abort

    return agree


def run_facts(engine: str) -> tuple[list[dict[str, float]], dict[str, str], Calibration | None]:
    """What is known of how an engine was made: its training's steps, facts for a reader, its calibration."""
    from pocketlm.core.machine import describe
    from pocketlm.evaluate.calibrate import calibration_of
    from pocketlm.train.run import Run

    folder = home_of(engine)
    facts, history = {"Machine": describe()}, []
    if (folder / "metrics.jsonl").is_file():
        run = Run(folder)
        made = run.manifest
        history = [entry for entry in run.history if "loss" in entry]  # of what is fitted at once there are no steps
        speed = f", {history[-1]['tokens_per_s']:.0f} tokens/s" if history else ""
        facts |= {
            "Base": f"{made['lineage'].get('title', made['lineage']['base'])}, {made['lineage'].get('licence', 'licence unknown')}",
            "Training": f"{made['metrics']['train_seconds']:.0f} s{speed}, {made.get('compute', made.get('method'))}",
            "Versions": ", ".join(f"{name} {version}" for name, version in made["versions"].items()),
        }
    return history, facts, calibration_of(engine)
