"""`pocketlm train`: from a project's examples to a run."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, get_origin

import typer

from pocketlm.cli.common import Json, Set, be_quiet, output, project_data


def train(
    project: Annotated[Path, typer.Argument(help="Project folder or its pocketlm.yaml.")] = Path("."),
    name: Annotated[str, typer.Option(help="Name of the run; by default the project folder's name.")] = "",
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
    from pocketlm.train.run import show_first_batch, train_run

    config = load_config(project, overrides)
    folder, data = project_data(project, config, name)
    if show_batch:
        Console(highlight=False).print(show_first_batch(config, data.tools, data.rows("train")), soft_wrap=True)
        return
    run = train_run(config, data.tools, data.rows("train"), data.rows("valid"), folder, must_resume=resume)
    metrics = run.manifest["metrics"]
    loss = "" if metrics["valid_loss"] is None else f"validation loss {metrics['valid_loss']:.4f}, "
    text = (
        f"{folder}: {metrics['steps']} steps in {metrics['train_seconds']:.0f} s, {loss}about {metrics['kwh']:.3f} kWh\n"
        f"Next: pocketlm eval {folder}"
    )
    if rank == 0:
        output(as_json, {"run": str(folder), **metrics}, text)


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
