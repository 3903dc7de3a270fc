"""Reports as one web page that needs nothing else, no script, font or network: it can be mailed, printed, archived."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from pocketlm.core import page
from pocketlm.core.errors import InputError
from pocketlm.core.files import write_text
from pocketlm.evaluate.compare import Comparison, compare
from pocketlm.evaluate.evaluate import Report, RowResult
from pocketlm.tasks.compact import render_calls
from pocketlm.tasks.tools import Call

COLUMNS = {
    "exact": "function and all arguments are right",
    "lenient": "right when capitals, spaces and the form of numbers are ignored",
    "function": "the right function, whatever its arguments",
    "valid": "the answer can be read and fits the schema",
    "stopped": "the answer ended by itself",
}
SIDE_BY_SIDE = 3  # reports in the table by function
MOST_WRONG_ROWS = 500
MOST_POINTS = 800  # of a curve; more cannot be seen
WIDTH, HEIGHT = 640, 300  # of the loss curve, in its own units
RATE_HEIGHT = 150  # of the learning rate's
LEFT, RIGHT, TOP, BOTTOM = 58, 20, 34, 52  # its margins


def render_report(
    title: str,
    reports: dict[str, Report],
    *,
    history: Sequence[Mapping[str, float]] = (),
    checks: Sequence[tuple[str, bool, str]] = (),
    facts: Mapping[str, str] = {},
    examples: Sequence[tuple[str, str]] = (),
) -> str:
    """One self-contained HTML page.

    Args:
        reports: by the name to show, in the order of the work: "base", "rules", "tuned", "gguf". The main one is
            "tuned", or the last if none is named so; it is compared with "base", or with the first.
        history: training steps, `{"step", "loss"}` and now and then "valid_loss".
        checks: of the export: name, whether it passed, what was found.
        facts: what a reader needs to know of how this was made: base, licence, rows, machine, versions.
        examples: requests and the calls that were answered.
    """
    parts = [_scores(reports), _curve(history), _by_function(reports)]
    if reports:
        main = reports[_main(reports)]
        parts += [_errors(_main(reports), main), _examples(examples), _wrong_rows(_main(reports), main)]
    else:
        parts.append(_examples(examples))
    parts += [_checks(checks), page.facts(facts)]
    return page.page(title, _headline(reports, checks), parts)


def write_report(
    path: Path,
    title: str,
    reports: dict[str, Report],
    *,
    history: Sequence[Mapping[str, float]] = (),
    checks: Sequence[tuple[str, bool, str]] = (),
    facts: Mapping[str, str] = {},
    examples: Sequence[tuple[str, str]] = (),
) -> None:
    """Write the page of `render_report` to `path`."""
    write_text(path, render_report(title, reports, history=history, checks=checks, facts=facts, examples=examples))


# ---------------------------------------------------------------------------------------------- headline and scores


def _main(reports: Mapping[str, Report]) -> str:
    return "tuned" if "tuned" in reports else list(reports)[-1]


def _compare(a: Report, b: Report) -> Comparison | None:
    try:
        return compare(a, b)
    except InputError:  # scored on different rows: both are shown, nothing is claimed
        return None


def _headline(reports: Mapping[str, Report], checks: Sequence[tuple[str, bool, str]]) -> str:
    """What came out, in a few sentences."""
    if not reports or "exact" not in reports[_main(reports)].metrics:
        return "No rows were scored."
    name = _main(reports)
    main, first = reports[name], "base" if "base" in reports else next(iter(reports))
    low, high = main.intervals["exact"]
    result = f"{page.escape(name)}: {main.metrics['exact']:.1%} of {len(main.rows):,} requests answered exactly right"
    said = [f"<strong>{result}</strong> (95% interval {low:.1%} to {high:.1%})."]
    if first != name and (versus := _compare(reports[first], main)):
        said.append(_versus(first, reports[first].metrics["exact"], versus))
    last = list(reports)[-1]
    if last != name and list(reports).index(name) < len(reports) - 1 and (kept := _compare(main, reports[last])):
        said.append(
            f"{page.escape(last)} answers {reports[last].metrics['exact']:.1%} exactly right; "
            f"{kept.same:.1%} of its answers are the same to the letter."
        )
    if checks:
        failed = sum(not passed for _, passed, _ in checks)
        said.append(
            f'<span class="bad">{failed} of {len(checks)} export checks failed.</span>'
            if failed
            else f"All {len(checks)} export checks passed."
        )
    return " ".join(said)


def _versus(name: str, before: float, found: Comparison) -> str:
    points = f"{100 * found.difference:+.1f} points, 95% interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"
    verdict = {"better": "Better than", "worse": "Worse than"}.get(found.verdict, "No difference shown from")
    return f"{verdict} {page.escape(name)}, which answers {before:.1%} ({points})."


def _scores(reports: Mapping[str, Report]) -> str:
    """The table of reports."""
    if not reports:
        return ""
    others = [name for name in COLUMNS if name != "exact"]
    heads = page.heads("model", "exact, with its 95% interval") + page.heads(
        *others, "seconds", "tokens/s", number=True
    )
    rows = [_score_row(name, report, others, name == _main(reports)) for name, report in reports.items()]
    words = "; ".join(f"<b>{page.escape(name)}</b>: {page.escape(meaning)}" for name, meaning in COLUMNS.items())
    return page.section("Scores", page.table("scores", heads, rows), f"Share of rows. {words}.")


def _score_row(name: str, report: Report, others: Sequence[str], main: bool) -> str:
    about = [report.engine, f"{len(report.rows):,} rows"]
    if report.settings.get("constrain"):
        about.append("held to the schema")
    cells = [f'<th scope="row">{page.escape(name)}<small>{page.escape(" · ".join(about))}</small></th>']
    if "exact" in report.metrics:
        share, spread = report.metrics["exact"], report.intervals["exact"]
        range_text = f"<small>{100 * spread[0]:.1f}&ndash;{100 * spread[1]:.1f}</small>"
        cells.append(f'<td><div class="pair">{page.bar(share, spread)}<b>{share:.1%}</b>{range_text}</div></td>')
    else:
        cells.append("<td>&ndash;</td>")
    numbers = [f"{report.metrics[other]:.1%}" if other in report.metrics else "&ndash;" for other in others]
    numbers.append(f"{report.seconds:,.0f}" if report.seconds >= 100 else f"{report.seconds:.1f}")
    numbers.append(f"{report.tokens_per_s:,.0f}" if report.tokens_per_s else "&ndash;")
    cells += [f'<td class="number">{number}</td>' for number in numbers]
    kind = ' class="main"' if main else ""
    return f"<tr{kind}>{''.join(cells)}</tr>"


def _by_function(reports: Mapping[str, Report]) -> str:
    """Exact match of each function, the weakest of the main report first, the last reports side by side."""
    if not reports or not reports[_main(reports)].slices:
        return ""
    main = _main(reports)
    shown = list(reports)[-SIDE_BY_SIDE:]
    if main not in shown:
        shown = [main, *shown[1:]]
    slices = reports[main].slices
    rows = []
    for group in sorted(slices, key=lambda group: (slices[group]["exact"], group)):
        cells = [f'<th scope="row">{page.escape(group)}</th><td class="number">{slices[group]["rows"]:,.0f}</td>']
        cells += [_slice_cell(reports[name].slices.get(group), name == main) for name in shown]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    heads = page.heads("function") + page.heads("rows", number=True) + page.heads(*shown)
    note = f"The weakest of {page.escape(main)} first. Few rows say little: with 10 rows, one row is 10 points."
    return page.section("Exact match by function", page.table("by", heads, rows), note)


def _slice_cell(found: Mapping[str, float] | None, main: bool) -> str:
    if found is None:
        return "<td>&ndash;</td>"
    kind = "pair main" if main else "pair"
    return f'<td><div class="{kind}">{page.bar(found["exact"])}<b>{found["exact"]:.0%}</b></div></td>'


# ------------------------------------------------------------------------------------- errors, rows, checks, facts


def _errors(name: str, report: Report) -> str:
    """The most frequent differences: function.argument, or a wrong function."""
    if not report.errors:
        return ""
    most = max(count for _, count in report.errors)
    rows = [
        f"<tr><td><code>{page.escape(what)}</code></td>"
        f'<td><div class="pair">{page.bar(count / most)}<b>{count:,}</b></div></td></tr>'
        for what, count in report.errors
    ]
    table = page.table("by counts", page.heads("what differs", "times"), rows)
    return page.section(f"Most frequent errors of {page.escape(name)}", table)


def _examples(examples: Sequence[tuple[str, str]]) -> str:
    rows = [page.stacked({"request": page.said(request), "answer": page.code(answer)}) for request, answer in examples]
    return page.section("Examples", page.table("examples stack", page.heads("request", "answer"), rows)) if rows else ""


def _wrong_rows(name: str, report: Report) -> str:
    """Every row the model got wrong, folded."""
    wrong = [row for row in report.rows if not row.flags.get("exact", True)]
    if not wrong:
        return ""
    rows = [_wrong_row(row) for row in wrong[:MOST_WRONG_ROWS]]
    count = f"{len(wrong):,} of {len(report.rows):,} rows"
    if len(wrong) > MOST_WRONG_ROWS:
        count += f", the first {MOST_WRONG_ROWS:,} shown"
    table = page.table("wrong stack", page.heads("request", "expected", "got", "why"), rows)
    return (
        f"<section>\n<details>\n<summary>Wrong answers of {page.escape(name)}: {count}</summary>\n"
        f"{table}\n</details>\n</section>"
    )


def _wrong_row(row: RowResult) -> str:
    expected = render_calls([Call(call["name"], call["arguments"]) for call in row.expected])
    why = page.escape("; ".join(row.why)) or "&ndash;"
    return page.stacked(
        {"request": page.said(row.text), "expected": page.code(expected), "got": page.code(row.answer), "why": why}
    )


def _checks(checks: Sequence[tuple[str, bool, str]]) -> str:
    rows = [
        f'<tr><td class="{"good" if passed else "bad"}">{"✓ passed" if passed else "✗ failed"}</td>'
        f'<th scope="row">{page.escape(name)}</th><td>{page.escape(found)}</td></tr>'
        for name, passed, found in checks
    ]
    return (
        page.section("Export checks", page.table("checks", page.heads("result", "check", "found"), rows))
        if rows
        else ""
    )


# ------------------------------------------------------------------------------------------------------ loss curve

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class _Axis:
    """Values low..high on pixels start..end."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values: 1, 2, 5 times a power of ten."""
        if not self.log:
            step = _round_up((self.high - self.low) / most)
            return [i * step for i in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1,)):
            found = [digit * 10.0**k for k in decades for digit in digits if self.low <= digit * 10.0**k <= self.high]
            if len(found) <= 9:
                break
        return found


def _round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= value * (1 - 1e-9))


def _curve(history: Sequence[Mapping[str, float]]) -> str:
    """Training loss, raw and smoothed, and validation loss over steps."""
    raw = [(entry["step"], entry["loss"]) for entry in history if math.isfinite(entry["loss"])]
    valid = [(e["step"], e["valid_loss"]) for e in history if math.isfinite(e.get("valid_loss", math.nan))]
    if not raw:
        return ""
    smooth = _smooth(raw)
    x, y = _axes(raw, smooth, valid)
    marks = "".join(f'<circle class="dot" cx="{x.at(s):.1f}" cy="{y.at(v):.1f}" r="3.5"/>' for s, v in valid)
    drawn = _line("raw", raw, x, y) + _line("smooth", smooth, x, y) + _line("valid", valid, x, y) + marks
    loss = _picture(
        "Loss over training steps", HEIGHT, _grid(x, y, "loss per token" + (", log scale" if y.log else "")), drawn
    )
    return page.section("Training", loss + _rates(history, x), _curve_note(smooth, valid))


def _rates(history: Sequence[Mapping[str, float]], x: _Axis) -> str:
    """The learning rate over the same steps."""
    rates = [(entry["step"], entry["lr"]) for entry in history if "lr" in entry]
    if not rates:
        return ""
    y = _Axis(0, 1.05 * max(rate for _, rate in rates) or 1.0, RATE_HEIGHT - BOTTOM, TOP)
    return _picture("Learning rate", RATE_HEIGHT, _grid(x, y, "learning rate", most=3), _line("smooth", rates, x, y))


def _picture(label: str, height: int, *parts: str) -> str:
    drawn = "\n".join(parts)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">\n{drawn}\n</svg>'


def _curve_note(smooth: Points, valid: Points) -> str:
    step, loss = smooth[-1]
    note = f'<span class="key">━ training</span>, smoothed over the thin raw line: {loss:.3f} at step {step:,.0f}'
    if not valid:
        return note + "."
    best_step, best = min(valid, key=lambda point: point[1])
    note += f'. <span class="key second">● validation</span>: {valid[-1][1]:.3f} at the end'
    return note + (f", lowest {best:.3f} at step {best_step:,.0f}." if best < valid[-1][1] else ", its lowest.")


def _axes(raw: Points, smooth: Points, valid: Points) -> tuple[_Axis, _Axis]:
    """Steps from 0; losses from 0, or on a log scale where they span so much that the end would lie on the floor."""
    low = min(loss for _, loss in smooth + valid)
    high = max(loss for _, loss in raw + valid)
    floor, roof = HEIGHT - BOTTOM, TOP
    steps = _Axis(0, max(1.0, max(step for step, _ in raw + valid)), LEFT, WIDTH - RIGHT)
    if low > 0 and high / low > 12:
        return steps, _Axis(low * 0.8, high * 1.1, floor, roof, log=True)
    return steps, _Axis(0, high * 1.05 if high > 0 else 1.0, floor, roof)


def _grid(x: _Axis, y: _Axis, name: str, most: int = 6) -> str:
    """Lines, tick labels and axis names; at most so many labels upwards on a linear scale."""
    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(tick):.1f}" y2="{y.at(tick):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y.at(tick):.1f}" dy=".35em" text-anchor="end">{tick:g}</text>'
        for tick in y.ticks(most)
    ]
    lines += [
        f'<line class="grid" x1="{x.at(tick):.1f}" x2="{x.at(tick):.1f}" y1="{y.start}" y2="{y.start + 5}"/>'
        f'<text x="{x.at(tick):.1f}" y="{y.start + 21}" text-anchor="middle">{tick:,.0f}</text>'
        for tick in x.ticks()
        if tick == round(tick)
    ]
    lines += [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.start}" y2="{y.start}"/>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{y.start + BOTTOM - 8}" text-anchor="middle">step</text>',
        f'<text x="0" y="16">{name}</text>',
    ]
    return "\n".join(lines)


def _line(kind: str, points: Points, x: _Axis, y: _Axis) -> str:
    stride = math.ceil(len(points) / MOST_POINTS) or 1
    kept = points[::stride] + (points[-1:] if stride > 1 else [])
    where = " ".join(f"{x.at(step):.1f},{y.at(loss):.1f}" for step, loss in kept)
    return f'<polyline class="{kind}" points="{where}"/>'


def _smooth(points: Points) -> Points:
    """Centred running mean over about a twentieth of the steps, over what there is of them at the ends."""
    half, count = len(points) // 40, len(points)
    sums = [0.0, *accumulate(loss for _, loss in points)]
    spans = [(max(0, i - half), min(count, i + half + 1)) for i in range(count)]
    means = [(sums[end] - sums[start]) / (end - start) for start, end in spans]
    return [(step, mean) for (step, _), mean in zip(points, means, strict=True)]
