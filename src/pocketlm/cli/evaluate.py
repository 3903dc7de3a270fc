"""`pocketlm eval`: score any engine on rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output, rows_for, score_table, task_for


def evaluate(
    engine: Annotated[str, typer.Argument(help="runs/NAME, FILE.gguf, starter:NAME, hf:NAME or a model folder.")],
    data: Annotated[
        Path | None, typer.Argument(help="Rows, or a run or dataset folder; default: the run's test rows.")
    ] = None,
    tools: Annotated[Path | None, typer.Option(help="tools.json, where the engine has none of its own.")] = None,
    tools_in_prompt: Annotated[str | None, typer.Option(help="full, names or none; default: as trained.")] = None,
    constrain: Annotated[bool, typer.Option(help="Allow only outputs that fit the schemas.")] = True,
    max_tokens: Annotated[int, typer.Option(help="Longest answer.", min=1)] = 128,
    threads: Annotated[int | None, typer.Option(help="Threads for llama.cpp.", min=1)] = None,
    save: Annotated[Path | None, typer.Option(help="Write the report, with every row, as JSON.")] = None,
    as_json: Json = False,
) -> None:
    """Answer every row and score the answers: exact match with its 95 % interval, slices, errors."""
    be_quiet(as_json)
    from pocketlm.core.errors import InputError
    from pocketlm.core.files import write_json
    from pocketlm.engines.open import open_engine
    from pocketlm.evaluate.evaluate import evaluate as score
    from pocketlm.tasks.call import TOOLS_IN_PROMPT

    if tools_in_prompt is not None and tools_in_prompt not in TOOLS_IN_PROMPT:
        raise InputError(f"--tools-in-prompt {tools_in_prompt}: choose one of {', '.join(TOOLS_IN_PROMPT)}")
    task = task_for(engine, tools, tools_in_prompt)
    if data is None and not Path(engine).is_dir():
        raise InputError(
            f"eval {engine}: say which rows to score, for example `pocketlm eval {engine} data/test.jsonl`"
        )
    rows = rows_for(data or Path(engine), task)
    subject = open_engine(engine, threads=threads)
    try:
        report = score(task, subject, rows, constrain=constrain, max_tokens=max_tokens)
    finally:
        subject.close()
    if save:
        write_json(save, report.to_json())
    slices = "\n".join(
        f"  {name:<20}{found['exact']:>7.1%} of {found['rows']}" for name, found in report.slices.items()
    )
    errors = "\n".join(f"  {count:>3} x {what}" for what, count in report.errors) or "  none"
    text = (
        f"{len(rows)} rows\n{score_table({engine[-21:]: report})}\n\nExact by function:\n{slices}\n\nErrors:\n{errors}"
    )
    output(as_json, {key: value for key, value in report.to_json().items() if key != "rows"}, text)
