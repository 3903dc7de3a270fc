"""`pocketlm plan`: what a training will take, before it starts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.cli.common import Json, Set, be_quiet, output, project_data
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.train.plan import Plan


def plan(
    project: Annotated[Path, typer.Argument(help="Project folder or its pocketlm.yaml.")] = Path("."),
    name: Annotated[str, typer.Option(help="Name of the run; by default the project folder's name.")] = "",
    device: Annotated[list[str], typer.Option(help="A device to check against; by default all of the table.")] = [],  # noqa: B006
    overrides: Set = [],  # noqa: B006  typer reads the defaults, nothing writes to them
    as_json: Json = False,
) -> None:
    """Foretell time, memory, disk, energy and money of a training from a few of its steps, and where the model fits."""
    be_quiet(as_json)
    from pocketlm.core.config import load_config
    from pocketlm.core.devices import DEVICES, find_device

    devices = [find_device(wanted) for wanted in device] or DEVICES
    config = load_config(project, overrides)
    if config.task not in ("call", "instruct"):
        raise InputError(
            f"plan: foretells trainings of models that write; for {config.task} try a tenth of an epoch, whose seconds and memory "
            "`pocketlm train --name trial --set train.epochs=0.1 --json` tells"
            + (", with --method full" if config.train.method == "ladder" else "")
        )
    folder, data = project_data(project, config, name)

    from pocketlm.train.plan import plan_run

    found = plan_run(config, data.own_tools, data.rows("train"), data.rows("valid"), folder)
    values = found.to_json()
    values["fits"] = {known.name: found.fits[known.name] for known in devices}
    rows = [f"  {known.name:<16}{_verdict(known.kind, found.fits[known.name])}" for known in devices]
    output(as_json, values, _table(found) + "\n" + "\n".join(rows))


def _table(found: Plan) -> str:
    gb = 1e9
    lines = [
        ("training", f"{_span(found.seconds)} for {found.steps} steps, {found.tokens:,} tokens ({found.compute})"),
        ("before and after", f"{_span(found.start_seconds)} to load, and to write the model"),
        (
            "memory",
            f"{found.memory / gb:.1f} GB of {found.memory_free / gb:.1f} GB free{_short(found.memory, found.memory_free)}",
        ),
        (
            "disk",
            f"{found.disk / gb:.1f} GB of {found.disk_free / gb:.0f} GB free{_short(found.disk, found.disk_free)}",
        ),
        ("energy, cost", f"{found.kwh:.3f} kWh, {found.cost:.2f} (cost.watts, cost.per_kwh, cost.per_hour)"),
        ("trained", f"{found.trained / 1e6:.1f} M weights, the model has {found.parameters / 1e6:.0f} M"),
        ("exported", ", ".join(f"{size:.0f} MB as {name}" for name, size in found.exported_mb.items())),
    ]
    return "\n".join(f"{label:<18}{text}" for label, text in lines)


def _short(needed: int, free: int) -> str:
    return "" if needed <= free else "  TOO LITTLE"


def _verdict(kind: str, fits: bool) -> str:
    job = "to run the exported model" if kind == "phone" else "for this training"
    return ("enough memory " if fits else "TOO LITTLE memory ") + job


def _span(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {rest} s" if minutes else f"{rest} s"
