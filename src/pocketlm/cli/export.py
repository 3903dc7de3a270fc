"""`pocketlm export`: from a run to a verified file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output


def export(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    to: Annotated[str, typer.Option(help="Formats, separated by commas: gguf.")] = "gguf",
    precision: Annotated[str, typer.Option(help="f32, f16, bf16, q8_0, q5_1, q5_0, q4_1, q4_0.")] = "q8_0",
    as_json: Json = False,
) -> None:
    """Export a run and prove on its test rows that the very file does the job; exit code 3 when it does not."""
    be_quiet(as_json)
    from pocketlm.data.load import load_call_rows
    from pocketlm.engines.open import open_engine
    from pocketlm.evaluate.evaluate import Report
    from pocketlm.evaluate.store import scored
    from pocketlm.export.bundle import export_run
    from pocketlm.train.run import Run

    opened = Run.open(run)
    task = opened.task
    rows = load_call_rows(run, task.tools)

    def reference() -> Report:
        kept, key = run / "reports" / "tuned.json", opened.identity
        return scored(kept, key, task, lambda: open_engine(str(run)), rows, constrain=True)

    bundles = [export_run(opened, rows, reference, format=name.strip(), precision=precision) for name in to.split(",")]
    found = [
        {"file": str(b.file), **b.info, "checks": [vars(c) for c in b.checks], "comparison": b.comparison}
        for b in bundles
    ]
    lines = [
        f"{b.file} ({b.info['size_mb']:.0f} MB)\n" + "\n".join(f"  ok {c.name}: {c.found}" for c in b.checks)
        for b in bundles
    ]
    output(as_json, found, "\n".join(lines))
