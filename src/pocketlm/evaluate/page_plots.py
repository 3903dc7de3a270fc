"""The pictures of a report's page: what is taken for what, how honest its confidence is, quality against size and time."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from pocketlm.core import page
from pocketlm.evaluate.calibrate import Calibration, Reliability, check, raw_chance
from pocketlm.evaluate.latency import Latency
from pocketlm.evaluate.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, against, grid, picture, shades
from pocketlm.evaluate.report import Report, RowResult
from pocketlm.tasks.call import FORMATS

MOST_NAMES = 24  # of a confusion matrix that can be read


def confusion(report: Report) -> str:
    """Expected labels or functions against those got."""
    pairs = [pair for row in report.rows if (pair := _pair(report.task, row))]
    if not pairs:
        return ""
    counts = Counter(pairs)
    names = [name for name, _ in Counter(name for pair in pairs for name in pair).most_common()]
    wrong = Counter({pair: n for pair, n in counts.items() if pair[0] != pair[1]})
    if len(names) < 2 or not wrong:
        return ""
    if len(names) > MOST_NAMES:
        names = list(dict.fromkeys(name for pair, _ in wrong.most_common(MOST_NAMES // 2) for name in pair))[
            :MOST_NAMES
        ]
    table = [[counts[expected, got] for got in names] for expected in names]
    what = "label" if report.task == "classify" else "function"
    note = f"Expected {what} down, the one answered across; a row's shade is its share. Only {what}s that were confused are shown." if len(names) < len({n for p in pairs for n in p}) else f"Expected {what} down, the one answered across; a row's shade is its share."  # fmt: skip
    return page.section("What is taken for what", f'<div class="scroll">{shades(names, table)}</div>', note)


def _pair(task: str, row: RowResult) -> tuple[str, str] | None:
    """What a row was and what it was taken for, where it is one thing."""
    if task == "classify" and len(row.expected) == 1:
        return row.expected[0], row.answer.strip() or "(nothing)"
    if task != "call" or len(row.expected) > 1:
        return None
    expected = row.expected[0]["name"] if row.expected else "(no call)"
    if row.value("function") == 1:
        return expected, expected
    return expected, _first_called(row.answer)


def _first_called(answer: str) -> str:
    """The function an answer calls first, whatever format it is written in."""
    for format in dict.fromkeys(FORMATS.values()):
        try:
            calls = format.parse_calls(answer)
        except (ValueError, TypeError):
            continue
        return str(calls[0].name) if calls else "(no call)"
    return "(unreadable)"


def confidence_plots(report: Report, calibration: Calibration | None) -> str:
    """How often answers are right that sound so and so sure, and the error left when only the surest are answered."""
    kind = report.kinds.get(report.main)
    values = {row.value(report.main) for row in report.rows}
    if kind is None or not values <= {0.0, 1.0} or not all(row.signals for row in report.rows) or len(values) < 2:
        return ""
    chance = calibration.chance if calibration else raw_chance
    found = check(report, chance)
    bins = against(
        "share right", "chance of being right, as told", [(c, r) for c, r, _ in found.bins],
        sizes=[n for _, _, n in found.bins], diagonal=True,
    )  # fmt: skip
    risk = against("share wrong", "share of rows answered, the surest first", found.risk)
    how = f"calibrated on {calibration.rows} other rows ({calibration.signal}, {calibration.method})" if calibration else "the model's own probability of its answer, not calibrated"  # fmt: skip
    return page.section(
        "Confidence",
        f'<div class="two">{bins}{risk}</div>',
        f"Confidence is {page.escape(how)}. {_told(found, calibration)}",
    )


def _told(found: Reliability, calibration: Calibration | None) -> str:
    ranks = (
        ""
        if math.isnan(found.auroc)
        else f" A right answer sounds surer than a wrong one {found.auroc:.0%} of the time (AUROC)."
    )
    said = (
        f"On average the chance told is off by {100 * found.ece:.1f} points (ECE); dots on the line are honest.{ranks}"
    )
    if calibration is None:
        return said
    if calibration.threshold is None:
        return said + f" No threshold was found that keeps the error under {calibration.max_error:.0%}."
    return (
        said
        + f" Answering only from a chance of {calibration.threshold:.0%} up keeps the error under {calibration.max_error:.0%}."
    )


def trade_off(reports: Mapping[str, Report]) -> str:
    """Quality against the size of the file, each dot with its time an answer."""
    timed = [(name, report, report.latency) for name, report in reports.items() if report.latency and report.metrics]
    known = [(name, report, Latency.from_json(latency).metrics) for name, report, latency in timed]
    main = known[0][1] if known else None
    if main is None or len(known) < 2:
        return ""
    sizes = [float(latency["size_mb"]) for _, _, latency in known]
    values = [r.metrics[main.main] for _, r, _ in known]
    x = Axis(min(sizes) * 0.6, max(sizes) * 1.6, LEFT, WIDTH - RIGHT, log=True)
    span = max(values) - min(values) or max(values) or 1.0
    y = Axis(min(values) - 0.4 * span, max(values) + 0.4 * span, HEIGHT - BOTTOM, TOP)
    dots = "".join(_dot(x.at(size), y.at(value), name, report, latency) for size, value, (name, report, latency) in zip(sizes, values, known, strict=True))  # fmt: skip
    chart = picture("Quality against size", HEIGHT, grid(x, y, main.main, "MB of the model's file"), dots)
    return page.section(
        "Size, quality, time", chart, "Up is better, left is smaller; beside each dot the time of an answer (p95)."
    )


def _dot(x: float, y: float, name: str, report: Report, latency: Mapping[str, float]) -> str:
    left = x > WIDTH * 0.7
    place = f'x="{x - 8 if left else x + 8:.1f}" y="{y - 6:.1f}" text-anchor="{"end" if left else "start"}"'
    label = f"{name}: {report.kinds[report.main].show(report.value)}, {latency['size_mb']:.0f} MB, {latency['p95_ms']:.0f} ms"
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="5"/><text {place}>{page.escape(label)}</text>'
