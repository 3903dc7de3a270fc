"""A history of scores as a table and as a picture: where a model got worse, and whether that can be chance."""

from __future__ import annotations

from collections.abc import Sequence

from pocketlm.core import page
from pocketlm.core.errors import InputError
from pocketlm.evaluate.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, grid, line, picture
from pocketlm.evaluate.suites import Entry
from pocketlm.tasks.base import Metric
from pocketlm.tasks.registry import task_class


def history_text(entries: Sequence[Entry], metric: str | None) -> str:
    """One line an evaluation, the oldest first.

    Raises:
        InputError: no entry has the metric.
    """
    check_metric(entries, metric)
    lines = [f"{'when':<18}{'engine':<32}{'metric':<12}{'value':>9}  {'95 % interval':<18}{'rows':>6}"]
    for entry, change in zip(entries, changes(entries, metric), strict=True):
        name, kind = _metric(entry, metric)
        if name not in entry.metrics:
            continue
        low, high = entry.intervals[name]
        spread = f"{kind.show(low)} - {kind.show(high)}"
        lines.append(
            f"{entry.when[:16]:<18}{entry.engine[-31:]:<32}{name:<12}{kind.show(entry.metrics[name]):>9}  {spread:<18}"
            f"{entry.rows:>6}  {change}"
        )
    return "\n".join(lines)


def check_metric(entries: Sequence[Entry], metric: str | None) -> None:
    """Raise InputError where no entry has a metric that was asked for."""
    known = dict.fromkeys(name for entry in entries for name in entry.metrics)
    if metric is not None and metric not in known:
        raise InputError(f"--metric {metric}: the history has {', '.join(known)}")


def changes(entries: Sequence[Entry], metric: str | None) -> list[str]:
    """For each entry how it stands to the one before on the same rows: "better" or "worse" only where the intervals part."""
    last: dict[tuple[str, str], Entry] = {}
    found = []
    for entry in entries:
        name, kind = _metric(entry, metric)
        before = last.get((entry.task, entry.rows_sha256))
        last[entry.task, entry.rows_sha256] = entry
        found.append("" if before is None or name not in entry.metrics else _change(before, entry, name, kind))
    return found


def _change(before: Entry, entry: Entry, name: str, kind: Metric) -> str:
    if name not in before.metrics:
        return ""
    if entry.intervals[name][1] < before.intervals[name][0]:
        return "better" if kind.lower else "worse"
    if entry.intervals[name][0] > before.intervals[name][1]:
        return "worse" if kind.lower else "better"
    return "as before" if entry.metrics[name] == before.metrics[name] else "within chance"


def history_page(title: str, entries: Sequence[Entry], metric: str | None) -> str:
    """One picture for each set of rows.

    Raises:
        InputError: no entry has the metric.
    """
    check_metric(entries, metric)
    groups: dict[tuple[str, str], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((entry.task, entry.rows_sha256), []).append(entry)
    parts = [_picture(group, metric) for group in groups.values()]
    latest = next(entry for entry in reversed(entries) if _metric(entry, metric)[0] in entry.metrics)
    name, kind = _metric(latest, metric)
    said = f"{len(entries)} evaluations; the last, of {page.escape(latest.engine)}: {kind.show(latest.metrics[name])} {page.escape(name)}."
    return page.page(f"History of {title}", said, parts)


def _picture(entries: Sequence[Entry], metric: str | None) -> str:
    name, kind = _metric(entries[-1], metric)
    known = [entry for entry in entries if name in entry.metrics]
    if not known:
        return ""
    values = [entry.metrics[name] for entry in known]
    ends = [end for entry in known for end in entry.intervals[name]]
    room = 0.1 * (max(ends) - min(ends) or 1.0)
    x = Axis(1, max(2, len(known)), LEFT, WIDTH - RIGHT)
    y = Axis(max(0.0, min(ends) - room), max(ends) + room, HEIGHT - BOTTOM, TOP)
    whiskers = "".join(
        f'<line class="whisker" x1="{x.at(i):.1f}" x2="{x.at(i):.1f}" y1="{y.at(e.intervals[name][0]):.1f}" '
        f'y2="{y.at(e.intervals[name][1]):.1f}"/><circle class="dot" cx="{x.at(i):.1f}" cy="{y.at(v):.1f}" r="4"/>'
        for i, (e, v) in enumerate(zip(known, values, strict=True), 1)
    )
    drawn = line("smooth", [(float(i), value) for i, value in enumerate(values, 1)], x, y) + whiskers
    chart = picture(f"{name} over evaluations", HEIGHT, grid(x, y, name, "evaluation"), drawn)
    rows = [
        f"<tr><td class='number'>{i}</td><td>{page.escape(entry.when[:16])}</td><td>{page.escape(entry.engine)}</td>"
        f'<td class="number">{kind.show(entry.metrics[name])}</td><td>{page.escape(change)}</td></tr>'
        for i, (entry, change) in enumerate(zip(known, changes(known, metric), strict=True), 1)
    ]
    table = page.table(
        "by", page.heads("", "when", "engine") + page.heads(name, number=True) + page.heads("to the one before"), rows
    )
    return page.section(
        f"{page.escape(known[-1].task)}, {known[-1].rows} rows", chart + table, "Whiskers: 95 % intervals."
    )


def _metric(entry: Entry, metric: str | None) -> tuple[str, Metric]:
    name = metric or entry.main
    return name, task_class(entry.task).metrics.get(name, Metric(name, percent=False))
