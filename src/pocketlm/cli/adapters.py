"""`pocketlm adapters`: list them, merge one into its base, let a run answer with another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output

app = typer.Typer(help="List, merge and swap adapters (PEFT's format).", no_args_is_help=True, rich_markup_mode=None)
Source = Annotated[Path, typer.Argument(help="Adapter folder, or the run that holds it.")]


@app.command("list")
def list_adapters(
    folder: Annotated[Path, typer.Argument(help="Where to look.")] = Path("runs"), as_json: Json = False
) -> None:
    """List the adapters below a folder: base, rank, layers, size."""
    from pocketlm.core.errors import InputError
    from pocketlm.models.adapters import Adapter, find_adapters

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the one with your runs")
    lines, values = [], []
    for path in find_adapters(folder):
        try:
            found = Adapter.open(path)
        except InputError as error:
            lines.append(str(error))
            values.append({"folder": str(path), "error": str(error)})
            continue
        lines.append(
            f"{path!s:<36} {found.base:<28} r{found.rank:<4} {found.layers:>4} layers {found.size_mb:>7.1f} MB"
        )
        values.append({**asdict(found), "folder": str(path)})
    output(as_json, values, "\n".join(lines) or f"{folder}: no adapters here")


@app.command()
def merge(
    adapter: Source,
    to: Annotated[Path, typer.Option("--to", help="Folder of the merged model.")],
    base: Annotated[str | None, typer.Option(help="Another base than the adapter names.")] = None,
    as_json: Json = False,
) -> None:
    """Write base and adapter as one model any Hugging Face tool opens."""
    be_quiet(as_json)
    from pocketlm.core.errors import InputError
    from pocketlm.models.adapters import Adapter, write_merged
    from pocketlm.models.load import resolve_base

    if to.exists():
        raise InputError(f"{to}: exists already; choose a new folder")
    opened = Adapter.open(adapter)
    write_merged(opened, resolve_base(base or opened.base), to)
    output(as_json, {"model": str(to)}, f"{to}: base and adapter merged")


@app.command()
def swap(
    run: Annotated[Path, typer.Argument(help="The run whose model is to answer otherwise.")],
    adapter: Source,
    as_json: Json = False,
) -> None:
    """Let a run answer with another adapter of the same base; with its own again: swap RUN RUN."""
    be_quiet(as_json)
    from pocketlm.core.errors import InputError
    from pocketlm.evaluate.calibrate import KEPT as CALIBRATION
    from pocketlm.models.adapters import Adapter, write_merged
    from pocketlm.models.load import resolve_base
    from pocketlm.train.run import Run

    opened, (own, other) = Run.open(run), (Adapter.open(folder) for folder in (run, adapter))
    if (own.base, own.template) != (other.base, other.template):
        raise InputError(f"{adapter}: was trained on another base or chat template than {run}; give one of {own.base}")
    write_merged(other, resolve_base(other.base), opened.model)
    (opened.folder / CALIBRATION).unlink(missing_ok=True)  # it spoke of the other adapter
    output(as_json, {"run": str(run), "adapter": str(adapter)}, f"{run}: answers with the adapter of {adapter}")
