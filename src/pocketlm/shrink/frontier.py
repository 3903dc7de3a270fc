"""What a search found, to look at: a table, and the picture of quality against size."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from pocketlm.core import page
from pocketlm.core.files import write_text
from pocketlm.evaluate.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, grid, line, picture
from pocketlm.shrink.search import Goal, Trial, frontier


def frontier_text(trials: Sequence[Trial], chosen: Trial | None) -> str:
    """The frontier as a table for a terminal; the one that was chosen is marked."""
    lines = [
        f"  {'MB':>7} {'bits':>5} {'weights':>8} {'score':>7} {'alike':>7} {'kept':>7} {'p95':>8}  what is left, in which types"
    ]
    best = frontier(trials)
    if chosen and chosen not in best:  # where a smaller one is too slow, or failed another check
        best = sorted([*best, chosen], key=lambda trial: trial.size_mb)
    for trial in best:
        mark = "*" if trial is chosen else " "
        late = f"{trial.p95_ms:.0f} ms" if trial.p95_ms else "-"
        lines.append(
            f"{mark} {trial.size_mb:>7.1f} {trial.bits:>5.2f} {trial.parameters / 1e6:>6.1f} M {trial.score:>7.1%} "
            f"{_share(trial.alike):>7} {trial.kept:>7.1%} {late:>8}  {trial.shape}; {trial.said}"
        )
    return "\n".join(lines)


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def write_frontier(path: Path, title: str, trials: Sequence[Trial], goal: Goal, chosen: Trial | None) -> None:
    """The page: what was chosen, the picture, every trial."""
    passed = sum(trial.passes(goal) for trial in trials)
    if chosen:
        said = f"{chosen.size_mb:.1f} MB keep {chosen.kept:.1%} on the rows to choose by."
    else:
        said = f"{passed} pass; none of their files is proven." if passed else "Nothing that was tried passes."
    note = (
        "Each dot is a file that was opened in its runtime and scored: on the validation rows, and on requests that were made up, as the "
        "original answers them. How high it stands is what it keeps where it keeps less. The line joins those than which none is "
        "smaller and better, the filled one was chosen, and the dashed line is what has to be kept."
    )
    chart = page.section("Size and quality", _picture(trials, goal, chosen), note)
    write_text(path, page.page(f"Shrinking {title}", said, [chart, _table(trials, goal, chosen)], STYLE))


LABEL = 90  # of the picture's units: as wide as what is written beside a dot
STYLE = ".tried { fill: none; stroke: currentColor; opacity: .55 } .floor { stroke: currentColor; stroke-dasharray: 5 4; opacity: .6 }"


def _picture(trials: Sequence[Trial], goal: Goal, chosen: Trial | None) -> str:
    sizes, floor = [trial.size_mb for trial in trials], goal.keep
    values = [*(trial.kept for trial in trials), 1.0, floor]
    room = 0.08 * (max(values) - min(values) or 1.0)
    x = Axis(min(sizes) * 0.85, max(sizes) * 1.15, LEFT, WIDTH - RIGHT, log=True)
    y = Axis(max(0.0, min(values) - room), max(values) + room, HEIGHT - BOTTOM, TOP)
    best = frontier(trials)
    dots = [_dot(trial, x, y, trial is chosen) for trial in trials]
    level = f'<line class="floor" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(floor):.1f}" y2="{y.at(floor):.1f}"/>'
    return picture(
        "Quality against size", HEIGHT, grid(x, y, "kept", "MB of the file"), level,
        line("smooth", [(trial.size_mb, trial.kept) for trial in best], x, y), *dots,
        *_labels(sorted(best, key=lambda trial: trial is not chosen), x, y),
    )  # fmt: skip


def _dot(trial: Trial, x: Axis, y: Axis, chosen: bool) -> str:
    at, up, kind = x.at(trial.size_mb), y.at(trial.kept), "dot" if chosen else "tried"
    label = page.escape(f"{trial.size_mb:.1f} MB, {trial.kept:.1%} kept: {trial.shape}; {trial.said}")
    return (
        f'<circle class="{kind}" cx="{at:.1f}" cy="{up:.1f}" r="{5 if chosen else 4}"><title>{label}</title></circle>'
    )


def _labels(trials: Sequence[Trial], x: Axis, y: Axis) -> Iterator[str]:
    """What is written below those dots that were timed, the first first; where one stands already none is written."""
    taken: list[tuple[float, float]] = []
    for trial in trials:
        at, up = x.at(trial.size_mb), y.at(trial.kept) + 14
        if trial.p95_ms and all(abs(at - other) > LABEL or abs(up - high) > 14 for other, high in taken):
            taken.append((at, up))
            right = at > WIDTH - RIGHT - LABEL
            place = f'x="{at - 8 if right else at + 8:.1f}" y="{up:.1f}" text-anchor="{"end" if right else "start"}"'
            yield f"<text {place}>{trial.size_mb:.0f} MB, {trial.p95_ms:.0f} ms</text>"


def _table(trials: Sequence[Trial], goal: Goal, chosen: Trial | None) -> str:
    best = frontier(trials)
    rows = []
    for trial in sorted(trials, key=lambda one: one.size_mb):
        verdict = "chosen" if trial is chosen else "passes" if trial.passes(goal) else "fails"
        late = f"{trial.p95_ms:.0f}" if trial.p95_ms else ""
        name = f"<b>{page.escape(trial.shape)}</b>" if trial in best else page.escape(trial.shape)
        numbers = (
            f"{trial.size_mb:.1f}",
            f"{trial.bits:.2f}",
            f"{trial.score:.1%}",
            _share(trial.alike),
            f"{trial.kept:.1%}",
            late,
        )
        cells = "".join(f'<td class="number">{number}</td>' for number in numbers)
        rows.append(f"<tr><td>{name}<br>{page.escape(trial.said)}</td>{cells}<td>{verdict}</td></tr>")
    heads = page.heads("what is left, in which types") + page.heads(
        "MB", "bits", "score", "alike", "kept", "p95 ms", number=True
    )
    return page.section("All that was tried", page.table("by", heads + page.heads(""), rows), "Bold: on the frontier.")
