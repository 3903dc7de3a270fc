"""Reports as one web page that needs nothing else, no script, font or network: it can be mailed, printed, archived."""

from __future__ import annotations

import html
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

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

STYLE = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1c2430; --soft: #5b6675; --line: #dfe3e9;
  --track: #e9ecf1; --bar: #9fb0c8; --main: #2f62c9; --other: #c05a12; --good: #1b7a43; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --page: #12161c; --card: #1a2028; --ink: #e4e8ee; --soft: #9aa5b4; --line: #2d3541;
    --track: #29313c; --bar: #5d6d85; --main: #5f8ff0; --other: #f0a05a; --good: #62c98c; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
.headline { font-size: 1.15rem; max-width: 48rem; margin: 0 0 1.5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.1rem 1.25rem; margin: 0 0 1rem; }
.note { color: var(--soft); font-size: .85rem; margin: .75rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .9rem .45rem 0; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: .85rem; white-space: nowrap; }
th.number, td.number { text-align: right; }
td.number, .pair b { font-variant-numeric: tabular-nums; white-space: nowrap; }
th > small { display: block; font-weight: 400; color: var(--soft); overflow-wrap: anywhere; max-width: 15rem; }
tbody th { font-weight: 600; } .scores tbody th { min-width: 8.5rem; }
tr.main b, tr.main > th { color: var(--main); }
code { font: .86em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.pair { display: flex; align-items: center; gap: .6rem; }
.pair b { font-weight: 600; min-width: 3.3rem; text-align: right; } .by .pair b { min-width: 2.6rem; }
.counts .pair b { text-align: left; }
.pair small { color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { display: block; flex: none; width: 7.5rem; height: .8rem; overflow: visible; }
.track { fill: var(--track); } .fill { fill: var(--bar); } .main .fill { fill: var(--main); }
.whisker { stroke: var(--ink); stroke-width: 1.5; }
.chart { display: block; width: 100%; height: auto; }
.chart text { fill: var(--soft); font-size: 10.5px; }
.chart .grid { stroke: var(--line); } .chart polyline { fill: none; stroke-linejoin: round; }
.raw { stroke: var(--main); stroke-width: 1; opacity: .4; } .smooth { stroke: var(--main); stroke-width: 2.2; }
.valid { stroke: var(--other); stroke-width: 1.6; stroke-dasharray: 5 4; } .dot { fill: var(--other); }
.key { color: var(--main); font-weight: 600; } .key.second { color: var(--other); }
.good { color: var(--good); font-weight: 600; white-space: nowrap; }
.bad { color: var(--bad); font-weight: 600; white-space: nowrap; }
.wrong th, .wrong td { width: 26%; } .wrong th:last-child, .wrong td:last-child { width: 22%; }
.examples th, .examples td { width: 50%; }
summary { cursor: pointer; font-weight: 600; } details[open] summary { margin-bottom: .75rem; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .35rem 1.25rem; margin: 0;
  font-size: .92rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  main { padding: 1.25rem .6rem 2rem; } section { padding: .9rem; } h1 { font-size: 1.35rem; }
  .headline { font-size: 1.05rem; } .chart text { font-size: 20px; } .by .bar { width: 3.4rem; }
  .by .pair { flex-direction: column-reverse; align-items: flex-start; gap: .15rem; }
  .by .pair b { text-align: left; }
  .stack thead { display: none; } .stack tr { display: block; border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .stack tr:last-child { border-bottom: 0; }
  .stack.stack td { display: block; width: auto; border: 0; padding: .1rem 0; }
  .stack td::before { content: attr(data-name); display: block; color: var(--soft); font-size: .8rem; } }
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc;
    --track: #e9ecf1; --bar: #9fb0c8; --main: #2f62c9; --other: #c05a12; --good: #1b7a43; --bad: #b3261e; }
  html { font-size: 12px; } body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  .scroll { overflow: visible; } .bar { width: 6rem; }
  section { border: 0; padding: 0; margin: 0 0 1.5rem; } tr, .chart { break-inside: avoid; } h2 { break-after: avoid; }
  details:not([open]) { display: none; } }
"""


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
    parts += [_checks(checks), _facts(facts)]
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(title)}</title>\n<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{_text(title)}</h1>\n<p class="headline">{_headline(reports, checks)}</p>\n'
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


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
    page = render_report(title, reports, history=history, checks=checks, facts=facts, examples=examples)
    write_text(path, page)


def _text(value: object) -> str:
    """Escaped for HTML; what no file can hold (half characters, control codes) becomes a replacement mark."""
    return html.escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", "\ufffd", str(value)))


def _section(heading: str, body: str, note: str = "") -> str:
    below = f'\n<p class="note">{note}</p>' if note else ""
    return f"<section>\n<h2>{heading}</h2>\n{body}{below}\n</section>"


def _table(kind: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table of ready rows; heads are ready cells."""
    head, body = "".join(heads), "\n".join(rows)
    return (
        f'<div class="scroll"><table class="{kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def _heads(*names: str, number: bool = False) -> list[str]:
    kind = ' class="number"' if number else ""
    return [f'<th scope="col"{kind}>{_text(name)}</th>' for name in names]


def _bar(share: float, spread: tuple[float, float] | None = None) -> str:
    """A bar of 0..1, with the whisker of its interval."""
    whisker = ""
    if spread:
        low, high = (f"{100 * end:.1f}%" for end in spread)
        whisker = "".join(
            f'<line class="whisker" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>'
            for x1, x2, y1, y2 in [(low, high, "50%", "50%"), (low, low, "15%", "85%"), (high, high, "15%", "85%")]
        )
    return (
        '<svg class="bar" aria-hidden="true"><rect class="track" width="100%" height="100%" rx="2"/>'
        f'<rect class="fill" width="{100 * share:.1f}%" height="100%" rx="2"/>{whisker}</svg>'
    )


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
    result = f"{_text(name)}: {main.metrics['exact']:.1%} of {len(main.rows):,} requests answered exactly right"
    said = [f"<strong>{result}</strong> (95% interval {low:.1%} to {high:.1%})."]
    if first != name and (versus := _compare(reports[first], main)):
        said.append(_versus(first, reports[first].metrics["exact"], versus))
    last = list(reports)[-1]
    if last != name and list(reports).index(name) < len(reports) - 1 and (kept := _compare(main, reports[last])):
        said.append(
            f"{_text(last)} answers {reports[last].metrics['exact']:.1%} exactly right; "
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
    return f"{verdict} {_text(name)}, which answers {before:.1%} ({points})."


def _scores(reports: Mapping[str, Report]) -> str:
    """The table of reports."""
    if not reports:
        return ""
    others = [name for name in COLUMNS if name != "exact"]
    heads = _heads("model", "exact, with its 95% interval") + _heads(*others, "seconds", "tokens/s", number=True)
    rows = [_score_row(name, report, others, name == _main(reports)) for name, report in reports.items()]
    words = "; ".join(f"<b>{_text(name)}</b>: {_text(meaning)}" for name, meaning in COLUMNS.items())
    return _section("Scores", _table("scores", heads, rows), f"Share of rows. {words}.")


def _score_row(name: str, report: Report, others: Sequence[str], main: bool) -> str:
    about = [report.engine, f"{len(report.rows):,} rows"]
    if report.settings.get("constrain"):
        about.append("held to the schema")
    cells = [f'<th scope="row">{_text(name)}<small>{_text(" · ".join(about))}</small></th>']
    if "exact" in report.metrics:
        share, spread = report.metrics["exact"], report.intervals["exact"]
        range_text = f"<small>{100 * spread[0]:.1f}&ndash;{100 * spread[1]:.1f}</small>"
        cells.append(f'<td><div class="pair">{_bar(share, spread)}<b>{share:.1%}</b>{range_text}</div></td>')
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
        cells = [f'<th scope="row">{_text(group)}</th><td class="number">{slices[group]["rows"]:,.0f}</td>']
        cells += [_slice_cell(reports[name].slices.get(group), name == main) for name in shown]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    heads = _heads("function") + _heads("rows", number=True) + _heads(*shown)
    note = f"The weakest of {_text(main)} first. Few rows say little: with 10 rows, one row is 10 points."
    return _section("Exact match by function", _table("by", heads, rows), note)


def _slice_cell(found: Mapping[str, float] | None, main: bool) -> str:
    if found is None:
        return "<td>&ndash;</td>"
    kind = "pair main" if main else "pair"
    return f'<td><div class="{kind}">{_bar(found["exact"])}<b>{found["exact"]:.0%}</b></div></td>'


# ------------------------------------------------------------------------------------- errors, rows, checks, facts


def _errors(name: str, report: Report) -> str:
    """The most frequent differences: function.argument, or a wrong function."""
    if not report.errors:
        return ""
    most = max(count for _, count in report.errors)
    rows = [
        f"<tr><td><code>{_text(what)}</code></td>"
        f'<td><div class="pair">{_bar(count / most)}<b>{count:,}</b></div></td></tr>'
        for what, count in report.errors
    ]
    table = _table("by counts", _heads("what differs", "times"), rows)
    return _section(f"Most frequent errors of {_text(name)}", table)


def _examples(examples: Sequence[tuple[str, str]]) -> str:
    rows = [_stacked({"request": _said(request), "answer": _code(answer)}) for request, answer in examples]
    return _section("Examples", _table("examples stack", _heads("request", "answer"), rows)) if rows else ""


def _wrong_rows(name: str, report: Report) -> str:
    """Every row the model got wrong, folded."""
    wrong = [row for row in report.rows if not row.flags.get("exact", True)]
    if not wrong:
        return ""
    rows = [_wrong_row(row) for row in wrong[:MOST_WRONG_ROWS]]
    count = f"{len(wrong):,} of {len(report.rows):,} rows"
    if len(wrong) > MOST_WRONG_ROWS:
        count += f", the first {MOST_WRONG_ROWS:,} shown"
    table = _table("wrong stack", _heads("request", "expected", "got", "why"), rows)
    return (
        f"<section>\n<details>\n<summary>Wrong answers of {_text(name)}: {count}</summary>\n"
        f"{table}\n</details>\n</section>"
    )


def _wrong_row(row: RowResult) -> str:
    expected = render_calls([Call(call["name"], call["arguments"]) for call in row.expected])
    why = _text("; ".join(row.why)) or "&ndash;"
    return _stacked({"request": _said(row.text), "expected": _code(expected), "got": _code(row.answer), "why": why})


def _stacked(cells: Mapping[str, str]) -> str:
    """A row whose cells stand below each other on a phone, each under its own name."""
    return "<tr>" + "".join(f'<td data-name="{_text(name)}">{cell}</td>' for name, cell in cells.items()) + "</tr>"


def _said(text: str) -> str:
    return f'<span dir="auto">{_text(text)}</span>'


def _code(text: str) -> str:
    return f"<code>{_text(text)}</code>" if text.strip() else "(empty)"


def _checks(checks: Sequence[tuple[str, bool, str]]) -> str:
    rows = [
        f'<tr><td class="{"good" if passed else "bad"}">{"✓ passed" if passed else "✗ failed"}</td>'
        f'<th scope="row">{_text(name)}</th><td>{_text(found)}</td></tr>'
        for name, passed, found in checks
    ]
    return _section("Export checks", _table("checks", _heads("result", "check", "found"), rows)) if rows else ""


def _facts(facts: Mapping[str, str]) -> str:
    items = "\n".join(f"<dt>{_text(name)}</dt><dd>{_text(value)}</dd>" for name, value in facts.items())
    return _section("Facts", f"<dl>\n{items}\n</dl>") if items else ""


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
    return _section("Training", loss + _rates(history, x), _curve_note(smooth, valid))


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
