"""What several commands share: printing, and finding the task that belongs to an engine."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pocketlm.core import progress
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.core.config import Config
    from pocketlm.data.dataset import Dataset
    from pocketlm.evaluate.evaluate import Report
    from pocketlm.tasks.call import CallTask

Json = Annotated[bool, typer.Option("--json", help="Print the result as JSON on standard output, and nothing else.")]
Set = Annotated[list[str], typer.Option("--set", help="Override a setting, such as --set train.lr=1e-4.")]


COLUMNS = 3  # metrics beside the main one in a table of text


printed = False  # a result stands on standard output: an error behind it must not make that unreadable


def output(as_json: bool, value: Any, text: str) -> None:
    """Print a result: JSON for scripts, text for people."""
    global printed
    printed = True
    print(json.dumps(value, ensure_ascii=False, indent=2) if as_json else text)
    sys.stdout.flush()


def be_quiet(as_json: bool) -> None:
    """No notes and bars when the output is for a script."""
    progress.quiet = as_json


def score_table(reports: Mapping[str, Report]) -> str:
    """The reports side by side, as text: the main metric with its interval, then a few others."""
    last = list(reports.values())[-1]
    kinds = last.kinds
    others = [name for name in kinds if name not in (last.main, "stopped")][:COLUMNS]
    heads = "".join(f"{name:>{max(9, len(name) + 2)}}" for name in others)
    lines = [f"{'':<36}{last.main:>9}  {'95 % interval':<17}{heads}{'seconds':>9}"]
    for name, report in reports.items():
        if last.main not in report.metrics:
            lines.append(f"{name:<36}{'-':>9}")
            continue
        low, high = (kinds[last.main].show(end) for end in report.intervals[last.main])
        cells = "".join(
            f"{kinds[other].show(report.metrics[other]) if other in report.metrics else '-':>{max(9, len(other) + 2)}}"
            for other in others
        )
        lines.append(
            f"{name[:35]:<36}{kinds[last.main].show(report.metrics[last.main]):>9}  {f'{low} - {high}':<17}{cells}{report.seconds:>9.1f}"
        )
    return "\n".join(lines)


def home_of(engine: str) -> Path:
    """The folder that holds what belongs to an engine."""
    from pocketlm.engines import open as opening

    return opening.home_of(engine)


def has_tools(engine: str) -> bool:
    """Whether an engine brings its functions."""
    return (home_of(engine) / "tools.json").is_file()


def made_for(engine: str) -> str | None:
    """The task that an engine's run or bundle was made for; None where nothing says so."""
    from pocketlm.core.manifest import NAME, read_manifest

    home = home_of(engine)
    return read_manifest(home).get("task") if (home / NAME).is_file() else None


def makes_vectors(engine: str) -> bool:
    """Whether an engine is an embedder, and no classifier on one: a run or a folder of one, or its exported file."""
    from pocketlm.engines.classifier import is_classifier
    from pocketlm.models.load import is_encoder
    from pocketlm.models.static_model import is_static

    home = home_of(engine)
    if is_classifier(home):
        return False
    if made_for(engine) == "embed":
        return True
    folder = home / "model" if (home / "model" / "config.json").is_file() else home
    return (folder / "config.json").is_file() and (is_static(folder) or is_encoder(folder))


def run_of(engine: str) -> Path:
    """The run an engine belongs to: its own folder, or that whose exports/FORMAT, shrunk/gguf or rungs/METHOD it is."""
    home = home_of(engine).resolve()
    while home.parent.name in ("exports", "rungs", "shrunk"):
        home = home.parent.parent
    return home


def task_for(engine: str, tools: Path | None, tools_in_prompt: str | None) -> CallTask:
    """The task an engine was made for: from its run or bundle folder, or from --tools.

    Raises:
        InputError: there is no tools.json beside the engine and none was given.
    """
    from pocketlm.core.manifest import read_manifest
    from pocketlm.tasks.call import CallTask, Grounding
    from pocketlm.tasks.tools import ToolSet

    home = home_of(engine)
    found = home / "tools.json"
    if ":" not in engine and not Path(engine).exists():
        raise InputError(f"{engine}: no such run, model folder or exported file")
    if tools is None and not found.is_file():
        raise InputError(f"{engine}: no tools.json beside it; name the functions with --tools FILE")
    if tools is not None:
        return CallTask(ToolSet.load(tools), tools_in_prompt or "full")
    made = read_manifest(home)
    grounding = Grounding.from_json(made.get("grounding", {}))
    return CallTask(ToolSet.load(found), tools_in_prompt or made["tools_in_prompt"], grounding=grounding)


def first_alone() -> AbstractContextManager[None]:
    """Where `torchrun` started several of us: the others wait until the first is through."""
    if int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return nullcontext()
    from accelerate import PartialState

    turns: AbstractContextManager[None] = PartialState(cpu=True).main_process_first()
    return turns


def project_data(project: Path, config: Config, name: str = "") -> tuple[Path, Dataset]:
    """A project's run folder and its data, read, split and told of."""
    from pocketlm.data.dataset import prepare
    from pocketlm.data.labelled import prepare_labelled

    home = project if project.is_dir() else project.parent
    folder = home / "runs" / (name or home.resolve().name)
    given = config.data
    how: dict[str, Any] = {
        "valid": home / given.valid if given.valid else None, "test": home / given.test if given.test else None,
        "valid_share": given.valid_share, "test_share": given.test_share, "seed": config.seed,
    }  # fmt: skip
    with first_alone():
        if config.task != "call":
            data = prepare_labelled(home / given.raw, folder / "data", task=config.task, **how)
        else:
            tools = home / config.tools if config.tools else None
            data = prepare(home / given.raw, folder / "data", tools=tools, **how)
    for note in data.notes:
        progress.say(note)
    return folder, data
