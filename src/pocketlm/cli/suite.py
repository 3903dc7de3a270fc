"""`pocketlm suite` and `pocketlm history`: rows saved once, run on every model, and how scores went over time."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.cli import gates
from pocketlm.cli.common import Json, be_quiet, output

if TYPE_CHECKING:
    from pocketlm.evaluate.gate import Condition
    from pocketlm.evaluate.suites import Suite

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
    from pocketlm.evaluate.suites import save_suite

    suite = save_suite(folder, data, task, limit)
    count = len(suite.rows_file.read_text(encoding="utf-8").splitlines())
    output(
        as_json,
        {"suite": str(folder), "rows": count, "sha256": suite.sha256},
        f"{folder}: {count} rows of {suite.task}",
    )


@app.command("run")
def run(
    folder: Annotated[Path, typer.Argument(help="The suite.")],
    engines: Annotated[list[str], typer.Argument(help="Engines to run it on.")],
    gate: Annotated[str, typer.Option(help='Conditions, such as "exact>=0.95, no_worse_than=last"; exit code 3.')] = "",
    junit: Annotated[Path | None, typer.Option(help="Write the gate's result as a JUnit file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write it as a Markdown summary.")] = None,
    budget: Annotated[float | None, typer.Option(help="The most a model behind a network may cost, in all.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to send the rows to a model behind a network.")] = False,
    as_json: Json = False,
) -> None:
    """Score engines on a suite and note it in its history; `no_worse_than=last` compares with the last run that passed."""
    be_quiet(as_json)
    from pocketlm.cli.common import score_table
    from pocketlm.cli.subject import Asked, find_scoring
    from pocketlm.core.files import write_json
    from pocketlm.evaluate.suites import append, entry_of, open_suite, report_name

    suite = open_suite(folder)
    conditions = _with_last(gates.parse(gate), suite)
    found = {}
    for engine in engines:
        scoring = find_scoring(Asked(engine, str(folder), yes=yes, budget=budget))
        report = scoring.report(engine)
        checked = gates.check(conditions, report, scoring)
        found[engine] = (report, checked)
        passed = all(one.passed for one in checked)
        path = suite.folder / "reports" / report_name(engine, passed)
        write_json(path, report.to_json())
        append(suite.history, entry_of(report, scoring.rows, path, passed=passed))
    gates.write(found, str(folder), junit, markdown)
    every = [one for _, checked in found.values() for one in checked]
    reports = {engine: report for engine, (report, _) in found.items()}
    value = {"reports": {name: report.metrics for name, report in reports.items()}, "gate": gates.to_json(every)}
    output(as_json, value, "\n".join([score_table(reports), *([gates.told(every)] if every else [])]))
    gates.enforce(every)


def _with_last(conditions: list[Condition], suite: Suite) -> list[Condition]:
    """The conditions with "last" replaced by the last run's report that passed; left out where there is none yet."""
    from dataclasses import replace

    from pocketlm.core.progress import say

    last = suite.last
    if last is None and any(one.reference == "last" for one in conditions):
        say(f"{suite.folder}: has no earlier run to compare with; this one becomes it")
    kept = [one for one in conditions if one.reference != "last" or last is not None]
    return [replace(one, reference=last or "") if one.reference == "last" else one for one in kept]


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
