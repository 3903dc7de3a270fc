"""`pocketlm compare`: two engines, or two saved reports, on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pocketlm.cli import gates
from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.cli.subject import Asked, find_scoring

if TYPE_CHECKING:
    from pocketlm.evaluate.compare import Comparison
    from pocketlm.evaluate.report import Report

SHOWN = 5  # rows that changed, each way


def compare(
    a: Annotated[str, typer.Argument(help="The reference: a report from `pocketlm eval --save`, or an engine.")],
    b: Annotated[str, typer.Argument(help="The candidate: a report, or an engine.")],
    data: Annotated[str | None, typer.Option(help="Rows for engines; default: the candidate run's test rows.")] = None,
    metric: Annotated[str | None, typer.Option(help="The metric that decides; default: the task's main one.")] = None,
    gate: Annotated[str, typer.Option(help='Conditions on B, such as "exact>=0.95"; without it, B must not be worse than A.')] = "",
    junit: Annotated[Path | None, typer.Option(help="Write the gate's result as a JUnit file.")] = None,
    markdown: Annotated[Path | None, typer.Option(help="Write it as a Markdown summary.")] = None,
    latency: Annotated[bool, typer.Option(help="Measure what answers of both engines cost; the page then shows quality against size and time.")] = False,
    threads: Annotated[int | None, typer.Option(help="Threads to answer with.", min=1)] = None,
    html: Annotated[Path | None, typer.Option(help="Write both reports side by side as a web page.")] = None,
    budget: Annotated[float | None, typer.Option(help="The most a model behind a network may cost, in all evaluations of it together.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Agree to send the rows to a model behind a network.")] = False,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Say whether B is better or worse than A, with paired statistics; exit code 3 when it is worse or a gate fails."""
    be_quiet(as_json)
    from pocketlm.evaluate.compare import compare_all

    conditions = gates.parse(gate)
    first, second, scoring = _reports(
        a, b, Asked(b if not b.endswith(".json") else a, data, threads=threads, yes=yes, budget=budget), latency
    )
    every = compare_all(first, second, metric)
    found = every[0]
    checked = gates.check(conditions, second, scoring, metric) if gate else gates.held(first, second, a, metric)
    gates.write({b: (second, checked)}, b, junit, markdown)
    if html:
        from pocketlm.evaluate.html import write_report

        write_report(html, f"{b} against {a}", {a: first, b: second})
    costs = {name: one.latency["metrics"] for name, one in ((a, first), (b, second)) if one.latency}
    value = {
        **found.to_json(),
        "all": [one.to_json() for one in every],
        "gate": gates.to_json(checked),
        "latency": costs,
    }
    output(as_json, value, "\n\n".join([_text(every, first, second), *_costs(costs), gates.told(checked)]))
    gates.enforce(checked)


def _reports(a: str, b: str, asked: Asked, latency: bool) -> tuple[Report, Report, Any]:
    from pocketlm.cli.gates import read_report

    if a.endswith(".json") and b.endswith(".json"):
        return read_report(Path(a)), read_report(Path(b)), None
    scoring = find_scoring(asked)

    def report(one: str) -> Report:
        if one.endswith(".json"):
            return read_report(Path(one))
        return scoring.timed(scoring.report(one), one) if latency else scoring.report(one)

    return report(a), report(b), scoring


def _costs(costs: dict[str, dict[str, float]]) -> list[str]:
    """What answers cost, side by side; nothing where it was not measured."""
    if not costs:
        return []
    names = [name for name in next(iter(costs.values())) if all(name in found for found in costs.values())]
    rows = ["  ".join([f"{name:<18}", *(f"{found[name]:>12,.1f}" for found in costs.values())]) for name in names]
    return ["\n".join(["  ".join([f"{'cost':<18}", *(f"{name[-12:]:>12}" for name in costs)]), *rows])]


def _text(every: list[Comparison], a: Report, b: Report) -> str:
    main = every[0]
    lines = [f"{len(b.rows)} rows, B beside A on {main.metric}: {main.verdict}"]
    lines.append(f"{'':<18}{'A':>9}{'B':>9}{'difference':>12}  {'95 % interval':<20}{'p':>7}  verdict")
    for one in every:
        kind = b.kinds[one.metric]
        scale, unit = (100, " pt") if kind.percent else (1, "")
        change = f"{scale * one.difference:+.1f}{unit}" if kind.percent else f"{one.difference:+.3g}"
        spread = (
            f"[{scale * one.low:+.1f}, {scale * one.high:+.1f}]"
            if kind.percent
            else f"[{one.low:+.3g}, {one.high:+.3g}]"
        )
        lines.append(
            f"{one.metric:<18}{kind.show(one.a):>9}{kind.show(one.b):>9}{change:>12}  {spread:<20}{one.p:>7.3f}  {one.verdict}"
        )
    lines.append(f"{main.test} for {main.metric}; the other p-values are corrected for being {len(every) - 1} (Holm).")
    for what, places in (("better", main.gained), ("worse", main.lost)):
        lines.append(f"{len(places)} rows {what} in B" + (", for example:" if places else ""))
        lines += [
            f"  {b.rows[i].text[:60]!r}: {a.rows[i].answer[:60]!r} -> {b.rows[i].answer[:60]!r}" for i in places[:SHOWN]
        ]
    return "\n".join(lines)
