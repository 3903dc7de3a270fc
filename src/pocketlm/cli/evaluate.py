"""`pocketlm eval`: score any engine on rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pocketlm.cli import gates
from pocketlm.cli.common import Json, be_quiet, home_of, output, score_table
from pocketlm.cli.subject import Asked, find_scoring, training_rows
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.evaluate.report import Report

BRIDGES = ("lm-eval:", "mteb:")
SHOWN = 3  # wrong rows


def evaluate(
    engine: Annotated[str, typer.Argument(help="runs/NAME, an exported file or its folder, starter:NAME, hf:NAME, a model folder, or a teacher's name such as openai:MODEL.")],
    data: Annotated[str | None, typer.Argument(help="Rows, a run, dataset or suite folder, lm-eval:TASK or mteb:TASK; default: the run's test rows.")] = None,
    task: Annotated[str | None, typer.Option(help="What the rows are, where that cannot be seen from them.")] = None,
    tools: Annotated[Path | None, typer.Option(help="tools.json, where the engine has none of its own.")] = None,
    tools_in_prompt: Annotated[str | None, typer.Option(help="full, names or none; default: as trained.")] = None,
    constrain: Annotated[bool, typer.Option(help="Allow only outputs that fit the task.")] = True,
    max_tokens: Annotated[int | None, typer.Option(help="Longest answer; default: the task's.", min=1)] = None,
    limit: Annotated[int | None, typer.Option(help="Score so many rows, drawn by chance with a fixed seed.", min=1)] = None,
    train: Annotated[Path | None, typer.Option(help="Training rows, to look for leaks and for the baselines; default: the run's.")] = None,
    baselines: Annotated[bool, typer.Option(help="Score a constant, a majority and a rule beside it.")] = True,
    into: Annotated[str, typer.Option(help="The language to translate into, where the model must be told.")] = "",
    window: Annotated[int | None, typer.Option(help="Tokens seen at once where plain text is scored; default 1024.", min=2)] = None,
    overlap: Annotated[int | None, typer.Option(help="Those of them that were scored before; default 256.", min=0)] = None,
    alike: Annotated[str, typer.Option(help="Embedder that free answers are compared with their references by: static, starter:minilm-l6; none for none.")] = "static",
    teacher: Annotated[str, typer.Option(help="Engine whose free answers these are to be like; the share that is over 0.85 is told.")] = "",
    vectors: Annotated[str, typer.Option(help="Score an embedder's vectors kept smaller too: int8, binary, or cut, such as int8:128; several with commas.")] = "",
    latency: Annotated[bool, typer.Option(help="Measure first token, whole answers, memory, energy.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads to answer with.", min=1)] = None,
    gate: Annotated[str, typer.Option(help='Conditions, such as "exact>=0.95, p95_ms<=200, no_worse_than=runs/old"; exit code 3 where one fails.')] = "",
    junit: Annotated[Path | None, typer.Option(help="Write the gate's result as a JUnit file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write it as a Markdown summary.")] = None,
    save: Annotated[Path | None, typer.Option(help="Write the report, with every row, as JSON.")] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a web page.")] = None,
    fresh: Annotated[bool, typer.Option(help="Ask again, even what was answered before.")] = False,
    budget: Annotated[float | None, typer.Option(help="The most a model behind a network may cost, in all evaluations of it together.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to send the rows to a model behind a network.")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Answer every row and score the answers: metrics with their 95 % intervals, slices, errors."""
    be_quiet(as_json)
    if data and data.startswith(BRIDGES):
        if gate or junit or markdown or save or html or latency:
            raise InputError(f"{data}: gates, files and --latency are for rows of your own; leave them out")
        from pocketlm.evaluate.bridges import run_bridge

        output(as_json, *run_bridge(engine, data, limit=limit, threads=threads))
        return
    conditions = gates.parse(gate)
    asked = Asked(
        engine,
        data,
        task,
        tools,
        tools_in_prompt,
        constrain,
        max_tokens,
        limit,
        alike,
        threads,
        budget,
        fresh,
        yes,
        {"into": into, "window": window, "overlap": overlap},
    )
    known = training_rows(asked, train)
    scoring = find_scoring(asked, known)
    reports: dict[str, Report] = scoring.baselines(known) if baselines else {}
    small = [name.strip() for name in vectors.split(",") if name.strip()]
    reports |= scoring.rankings(engine, known, hybrid=baselines, vectors=small) if baselines or small else {}
    report = scoring.report(engine)
    if teacher:
        report = scoring.beside_teacher(report, teacher)
    if latency:
        report = scoring.timed(report, engine)
    reports[_short(engine)] = report
    _keep(engine, scoring, report, save)
    if html:
        _write_page(html, engine, data, reports)
    checked = gates.check(conditions, report, scoring)
    gates.write({engine: (report, checked)}, engine, junit, markdown)
    value = {key: value for key, value in report.to_json().items() if key != "rows"}
    value["baselines"] = {name: one.metrics for name, one in reports.items() if one is not report}
    value["gate"] = gates.to_json(checked)
    output(as_json, value, _text(reports, report, checked))
    gates.enforce(checked)


def _short(uri: str) -> str:
    return uri if len(uri) <= 28 else "…" + uri[-27:]


def _keep(engine: str, scoring: Any, report: Report, save: Path | None) -> None:
    """Write the report where it was asked for, and a line of it into the engine's history, if it says anything new."""
    from pocketlm.core.files import write_json
    from pocketlm.evaluate.suites import HISTORY, append, entry_of, is_new

    if save:
        write_json(save, report.to_json())
    home = home_of(engine)
    if (home / "manifest.json").is_file():
        entry = entry_of(report, scoring.rows, save)
        if is_new(home / HISTORY, entry):
            append(home / HISTORY, entry)


def _write_page(path: Path, engine: str, data: str | None, reports: dict[str, Report]) -> None:
    from pocketlm.cli.subject import run_facts
    from pocketlm.core.progress import say
    from pocketlm.evaluate.html import write_report

    history, facts, calibration = run_facts(engine)
    title = f"{_short(engine)} on {Path(data or engine).name}"
    write_report(path, title, reports, history=history, facts=facts, calibration=calibration)
    say(f"Report: {path}")


def _text(reports: dict[str, Report], report: Report, checked: Any) -> str:
    from pocketlm.evaluate.report import worst_rows

    kind = report.kinds[report.main]
    parts = [f"{len(report.rows)} rows, task {report.task}\n{score_table(reports)}"]
    parts += [f"note: {note}" for note in report.notes]
    others = [
        f"  {name:<18}{kinds.show(report.metrics[name]):>9}  {kinds.about}" for name, kinds in report.kinds.items()
    ]
    parts.append("Metrics:\n" + "\n".join(others))
    weakest = sorted(report.slices.items(), key=lambda pair: pair[1][report.main] * (-1 if kind.lower else 1))[:20]
    slices = [f"  {name:<28}{kind.show(found[report.main]):>8} of {found['rows']:.0f}" for name, found in weakest]
    if slices:
        parts.append(f"{report.main} by slice, the weakest first:\n" + "\n".join(slices))
    if report.errors:
        parts.append("Errors:\n" + "\n".join(f"  {count:>3} x {what}" for what, count in report.errors))
    if worst := worst_rows(report)[:SHOWN]:
        parts.append("Rows that fall short, the worst first:\n" + "\n".join(map(_told, worst)))
    if report.latency:
        from pocketlm.evaluate.latency import Latency
        from pocketlm.evaluate.latency_page import latency_text

        parts.append(latency_text(Latency.from_json(report.latency)))
    if checked:
        parts.append("Gate:\n" + gates.told(checked))
    return "\n\n".join(parts)


def _told(row: Any) -> str:
    """A wrong row in a few lines."""
    from pocketlm.evaluate.html import written

    cut = [" ".join(text.split())[:110] for text in (row.text, written(row.expected), row.answer, "; ".join(row.why))]
    return f"  {cut[0]}\n    expected {cut[1]}\n    got      {cut[2] or '(nothing)'}" + (
        f"\n    {cut[3]}" if cut[3] else ""
    )
