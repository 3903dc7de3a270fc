"""`pocketlm suite` and `pocketlm history`: rows saved once, run on every model, and how scores went over time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pocketlm.cli import gates
from pocketlm.cli.common import Json, be_quiet, home_of, output

app = typer.Typer(help="Save rows once and run them on every model.", no_args_is_help=True)


@app.command("save")
def save(
    folder: Annotated[Path, typer.Argument(help="Folder of the new suite.")],
    data: Annotated[Path, typer.Argument(help="Rows, or a run or dataset folder (its test rows).")],
    task: Annotated[str | None, typer.Option(help="What the rows are, where that cannot be seen from them.")] = None,
    limit: Annotated[int | None, typer.Option(help="Keep so many rows, drawn by chance with a fixed seed.", min=1)] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Save rows as a suite; they never change, so that its history compares like with like."""
    be_quiet(as_json)
    from pocketlm.evaluate.suites import rows_to_keep, save_suite

    found, rows, tools = rows_to_keep(data, task, limit)
    suite = save_suite(folder, found, rows, tools, {})
    output(
        as_json,
        {"suite": str(folder), "rows": len(rows), "sha256": suite.sha256},
        f"{folder}: {len(rows)} rows of {found.name}",
    )


@app.command("run")
def run(
    folder: Annotated[Path, typer.Argument(help="The suite.")],
    engines: Annotated[list[str], typer.Argument(help="Engines to run it on.")],
    gate: Annotated[str, typer.Option(help='Conditions, such as "exact>=0.95, no_worse_than=last"; exit code 3.')] = "",
    junit: Annotated[Path | None, typer.Option(help="Write the gate's result as a JUnit file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write it as a Markdown summary.")] = None,
    as_json: Json = False,
) -> None:
    """Score engines on a suite and note it in its history; `no_worse_than=last` compares with the run before."""
    be_quiet(as_json)
    from pocketlm.cli.common import score_table
    from pocketlm.cli.subject import Asked, find_scoring
    from pocketlm.core.files import write_json
    from pocketlm.evaluate.suites import append, entry_of, open_suite, report_name

    suite = open_suite(folder)
    tools = folder / "tools.json"
    reports, checked = {}, []
    for engine in engines:
        own = Asked(engine, str(folder), suite.task, tools if tools.is_file() and not _has_tools(engine) else None)
        scoring = find_scoring(own)
        report = reports[engine] = scoring.report(engine)
        if gate:
            checked += gates.check(gate.replace("=last", f"={suite.last}"), report, scoring, junit, markdown)
        path = suite.folder / "reports" / report_name(engine)
        write_json(path, report.to_json())
        append(suite.history, entry_of(report, suite.sha256, path))
    value = {"reports": {name: report.metrics for name, report in reports.items()}, "gate": gates.to_json(checked)}
    output(as_json, value, "\n".join([score_table(reports), *([gates.told(checked)] if checked else [])]))
    gates.enforce(checked)


def _has_tools(engine: str) -> bool:
    home = home_of(engine)
    return (home / "tools.json").is_file()


def history(
    path: Annotated[Path, typer.Argument(help="A suite, a run, or a folder of them.")] = Path("runs"),
    metric: Annotated[str | None, typer.Option(help="The metric to follow; default: each task's main one.")] = None,
    html: Annotated[Path | None, typer.Option(help="Plot it as a web page.")] = None,
    as_json: Json = False,
) -> None:
    """How scores went over time, one line an evaluation, with a mark where one is worse than the one before."""
    be_quiet(as_json)
    from dataclasses import asdict

    from pocketlm.core.files import write_text
    from pocketlm.evaluate.history import history_page, history_text
    from pocketlm.evaluate.suites import read_history

    entries = read_history(path)
    if html:
        write_text(html, history_page(str(path), entries, metric))
    output(as_json, [asdict(entry) for entry in entries], history_text(entries, metric))
