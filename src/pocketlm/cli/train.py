"""`pocketlm train`: from a project's examples to a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_origin

import typer

from pocketlm.cli.common import Json, Set, be_quiet, output, project_data
from pocketlm.core.errors import InputError
from pocketlm.core.text import folded

if TYPE_CHECKING:
    from pocketlm.core.config import Config
    from pocketlm.data.dataset import Dataset


def train(
    project: Annotated[Path, typer.Argument(help="Project folder or its pocketlm.yaml.")] = Path("."),
    name: Annotated[str, typer.Option(help="Name of the run; by default the project folder's name.")] = "",
    task: Annotated[str, typer.Option(help="Short for --set task=..: call, instruct, classify, embed.")] = "",
    method: Annotated[str, typer.Option(help="Short for --set train.method=..")] = "",
    enough: Annotated[
        float | None, typer.Option(help="Short for --set classify.enough=..: where a ladder stops.")
    ] = None,
    overrides: Set = [],  # noqa: B006  typer reads the default, nothing writes to it
    help_config: Annotated[bool, typer.Option("--help-config", help="List every setting and leave.")] = False,
    show_batch: Annotated[
        bool,
        typer.Option("--show-batch", help="Show two rows as they are trained, what is learnt coloured, and leave."),
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume", help="Only go on with an interrupted training; without it one is resumed where there is one."
        ),
    ] = False,
    as_json: Json = False,
) -> None:
    """Train on a project's examples; interrupted, the same command goes on."""
    if help_config:
        print("\n".join(_settings()))
        return
    rank = int(os.environ.get("RANK", "0"))  # set by torchrun, which starts several of us
    be_quiet(as_json or rank > 0)
    from rich.console import Console

    from pocketlm.core.config import load_config
    from pocketlm.core.progress import say
    from pocketlm.core.unread import unread
    from pocketlm.train.run import show_first_batch, train_run

    short = {"task": task, "train.method": method, "classify.enough": enough}
    config = load_config(
        project, [*(f"{key}={value}" for key, value in short.items() if value not in ("", None)), *overrides]
    )
    notes = unread(config)
    for note in notes:
        say(f"note: {note}")
    if config.task in ("classify", "embed") and int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise InputError(
            f"the task {config.task} trains in one process; start it with `pocketlm train`, without torchrun"
        )
    if config.task == "embed":
        from pocketlm.train.embed import embed_project, train_embed

        folder, pairs = embed_project(project, config, name)
        if show_batch:
            from pocketlm.train.show import show_pairs

            Console(highlight=False).print(show_pairs(config, pairs), soft_wrap=True)
            return
        _tell(as_json, folder, train_embed(config, pairs, folder, must_resume=resume).manifest, notes)
        return
    folder, data = project_data(project, config, name)
    if config.task == "classify":
        if show_batch:
            from pocketlm.train.show import show_labels

            Console(highlight=False).print(show_labels(config, data.rows("train")), soft_wrap=True)
            return
        value, text = train_labels(config, project, folder, data, must_resume=resume)
        output(as_json, {**value, "notes": [*notes, *data.notes]}, text)
        return
    if show_batch:
        Console(highlight=False).print(show_first_batch(config, data.own_tools, data.rows("train")), soft_wrap=True)
        return
    run = train_run(config, data.own_tools, data.rows("train"), data.rows("valid"), folder, must_resume=resume)
    if rank == 0:
        _tell(as_json, folder, run.manifest, data.notes)


def _tell(as_json: bool, folder: Path, made: dict[str, Any], notes: list[str]) -> None:
    """What came of a training. `notes`: what was said before it."""
    metrics = made["metrics"]
    loss = "" if metrics["valid_loss"] is None else f"validation loss {metrics['valid_loss']:.4f}, "
    text = f"{folder}: {metrics['steps']} steps in {metrics['train_seconds']:.0f} s, {loss}about {metrics['kwh']:.3f} kWh\n"
    if quality := made.get("quality", {}):
        name = next(iter(quality["after"]), "")
        text += (
            f"{name} on held-out rows: {quality['before'][name]:.3f} before, {quality['after'][name]:.3f} after\n"
            if name
            else ""
        )
    value = {"run": str(folder), **metrics, **({"quality": quality} if quality else {}), "notes": notes}
    output(as_json, value, f"{text}Next: pocketlm eval {folder}")


def train_labels(
    config: Config, project: Path, folder: Path, data: Dataset, *, must_resume: bool
) -> tuple[dict[str, Any], str]:
    """Train a classifier; what it came to, for scripts and for people."""
    from pocketlm.data.labelled import read_texts
    from pocketlm.train.classify import train_classifier
    from pocketlm.train.ladder import climb, ladder_of, ladder_text

    train, valid, test = (data.rows(split) for split in ("train", "valid", "test"))
    labels = sorted({label for row in (*train, *valid, *test) for label in row.answer})
    home = project if project.is_dir() else project.parent
    if config.train.method == "ladder":
        if must_resume:
            raise InputError("--resume is for one method; a ladder that was interrupted goes on by itself")
        run = climb(config, train, valid, test, folder, labels=labels)
    else:
        known = {folded(row.text) for row in (*train, *valid, *test)}  # nothing that is scored later is taught
        more = config.data.unlabelled if config.train.method == "distill" else None
        unlabelled = [text for text in read_texts(home / more) if folded(text) not in known] if more else []
        run = train_classifier(
            config, train, valid, folder, labels=labels, unlabelled=unlabelled, must_resume=must_resume
        )
    made = run.manifest
    ladder = ladder_of(folder) if config.train.method == "ladder" else None
    accuracy = made["metrics"]["valid_accuracy"]
    held = "" if accuracy is None else f", {accuracy:.1%} of {len(valid)} validation rows right"
    text = f"{folder}: {made['method']}, {made['metrics']['train_seconds']:.1f} s{held}\nNext: pocketlm eval {folder}"
    value = {"run": str(folder), "method": made["method"], **made["metrics"]}
    if ladder is None:
        return value, text
    return {**value, "ladder": ladder.to_json()}, f"{ladder_text(ladder)}\n{text}"


def _settings() -> Iterator[str]:
    """One line a setting: key, default, meaning."""
    from pydantic import BaseModel

    from pocketlm.core.config import Config

    def lines(section: type[BaseModel], prefix: str) -> Iterator[str]:
        for key, field in section.model_fields.items():
            kind = field.annotation
            if isinstance(kind, type) and not get_origin(kind) and issubclass(kind, BaseModel):
                yield from lines(kind, f"{prefix}{key}.")
            else:
                yield f"{prefix + key:<22} {field.default!s:<28.28} {field.description}"

    return lines(Config, "")
