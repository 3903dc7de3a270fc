"""`pocketlm adapters`: list them, merge one into its base, let a run answer with another."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

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
    from pocketlm.models.adapters import find_adapters

    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder; name the one with your runs")
    found = list(find_adapters(folder))
    lines = [
        f"{adapter.folder!s:<36} {adapter.base:<28} r{adapter.rank:<4} {adapter.modules:>4} layers {adapter.size_mb:>7.1f} MB"
        for adapter in found
    ]
    value = [{**asdict(adapter), "folder": str(adapter.folder)} for adapter in found]
    output(as_json, value, "\n".join(lines) or f"{folder}: no adapters here")


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

    if to.exists():
        raise InputError(f"{to}: exists already; choose a new folder")
    _write_merged(adapter, to, base)
    output(as_json, {"model": str(to)}, f"{to}: base and adapter merged")


@app.command()
def swap(
    run: Annotated[Path, typer.Argument(help="The run whose model is to answer otherwise.")],
    adapter: Source,
    as_json: Json = False,
) -> None:
    """Let a run answer with another adapter of the same base; with its own again: swap RUN RUN."""
    be_quiet(as_json)
    from pocketlm.core.files import sha256_file
    from pocketlm.core.manifest import read_manifest, write_manifest
    from pocketlm.models.adapters import WEIGHTS, Adapter
    from pocketlm.train.run import Run

    own, other = (Adapter.open(folder).folder.resolve() for folder in (run, adapter))
    model, made = Run.open(run).model, read_manifest(run)
    _write_merged(adapter, model, made["lineage"]["base"])
    kept = {key: value for key, value in made.items() if key not in ("adapter", "adapter_sha256")}
    swapped = {} if other == own else {"adapter": str(other), "adapter_sha256": sha256_file(other / WEIGHTS)}
    write_manifest(run, {**kept, **swapped})
    output(as_json, {"run": str(run), "adapter": str(adapter)}, f"{run}: answers with the adapter of {adapter}")


def _write_merged(adapter: Path, to: Path, base: str | None) -> Any:
    """Base and adapter as one model in `to`, whole or not at all."""
    import torch

    from pocketlm.core.files import atomic_dir
    from pocketlm.models.adapters import Adapter
    from pocketlm.models.load import load_model, load_tokenizer, resolve_base

    opened = Adapter.open(adapter)
    folder = resolve_base(base or opened.base)
    model = load_model(folder, torch.float32)
    opened.merge_into(model)
    beside = opened.folder.parent / "model"  # a run's tokenizer carries the template it was trained with
    tokenizer = load_tokenizer(beside if (beside / "tokenizer_config.json").is_file() else folder)
    with atomic_dir(to) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
