"""What an answer costs, shown: lines for a terminal, a section with a picture for a report's page."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pocketlm.core import page
from pocketlm.evaluate.latency import TARGETS, Latency, amount, percentile, verdicts
from pocketlm.evaluate.plots import round_up

RANKS = (50, 95, 99)
WIDTH, HEIGHT = 640, 270  # of the picture, in its own units
LEFT, RIGHT, TOP, BOTTOM = 62, 24, 34, 56  # its margins
MOST_POINTS = 400  # of its curve; more cannot be seen
FAR = 4  # the picture ends at so many times p95: a few stragglers must not flatten all others
ROOM = 1.35  # and at so many times p95 and the target at least, for the words right of them


def latency_text(latency: Latency, targets: Mapping[str, float] = TARGETS) -> str:
    """Lines for a terminal: verdicts, times, costs, what to know."""
    lines = [_about(latency)]
    lines += [f"  {'passed' if passed else 'FAILED'}  {said}" for _, passed, said in verdicts(latency, targets)]
    lines += ["", f"{'':<42}" + "".join(f"{name:>11}" for name in _heads())]
    for name, which, times in _times(latency):
        lines.append(f"{f'{name}, {which}':<42}" + "".join(f"{amount('_ms', time):>11}" for time in times))
    lines += ["", *(f"{name:<20}{text}" for name, text in _costs(latency).items())]
    lines += [f"note: {warning}" for warning in latency.warnings]
    return "\n".join(lines)


def latency_section(latency: Latency, targets: Mapping[str, float] = TARGETS) -> str:
    """A card for a report's page: verdicts, the distribution of the answers' times, a table, costs."""
    rows = [
        f"<tr>{page.verdict(passed)}<td>{page.escape(said)}</td></tr>" for _, passed, said in verdicts(latency, targets)
    ]
    parts = [page.table("checks", page.heads("result", "found"), rows)] if rows else []
    parts += [_picture(latency, targets.get("p95_ms")), _table(latency), page.definitions(_costs(latency))]
    note = ". ".join([_about(latency), *(f"{text[0].upper()}{text[1:]}" for text in latency.warnings)])
    return page.section("Latency and cost of use", "\n".join(parts), f"{page.escape(note)}.")


def _about(latency: Latency) -> str:
    threads = f"{latency.threads} thread{'s' if latency.threads != 1 else ''}"
    held = ", held to grammars" if latency.constrained else ""
    return f"{latency.engine}: {len(latency.warm):,} answers{held}, one at a time with {threads} on {latency.machine}"


def _heads() -> list[str]:
    return [*(f"p{rank}" for rank in RANKS), "longest"]


def _times(latency: Latency) -> list[tuple[str, str, list[float]]]:
    """The table: what is timed, of which answers, p50, p95, p99 and the longest in ms."""
    found = []
    for answers, where in ((latency.warm, ""), (latency.uncached, ", nothing cached")):
        which = f"{len(answers):,} answers{where}"
        for name, times in (
            ("whole answer", [answer.whole_ms for answer in answers]),
            ("first text", [answer.first_ms for answer in answers]),
        ):
            found.append((name, which, [*(percentile(times, rank) for rank in RANKS), max(times)]))
    return found


def _costs(latency: Latency) -> dict[str, str]:
    """All that has no percentiles, name to text."""
    found, first = latency.metrics, latency.first
    told = {name: amount(name, value) for name, value in found.items()}
    counted = [answer.tokens for answer in latency.warm if answer.tokens is not None]
    length = f", answers of {percentile(counted, 50)}" if counted else ""
    how = "measured by the processor" if latency.joules is not None else f"an estimate at {latency.watts:g} W"
    return {
        **({"each further token": f"{told['token_ms']}, on average"} if "token_ms" in told else {}),
        "cold start": f"{told['cold_ms']}: opening {amount('_ms', latency.opening_ms)}, then the first text in "
        f"{amount('_ms', first.first_ms)}; that first answer took {amount('_ms', first.whole_ms)}",
        "memory": f"{told['memory_mb']} at the peak, above Python alone",
        "weights": told["size_mb"],
        "energy": f"{told['wh_per_1000']} per 1,000 answers, {how}",
        "lengths": f"prompts of {latency.prompt_tokens:g} tokens{length} (medians)",
    }


def _table(latency: Latency) -> str:
    heads = page.heads("milliseconds") + page.heads(*_heads(), number=True)
    rows = []
    for name, which, times in _times(latency):
        cells = "".join(f'<td class="number">{amount("", time)}</td>' for time in times)
        rows.append(f'<tr><th scope="row">{name}<small>{which}</small></th>{cells}</tr>')
    return page.table("times", heads, rows)


# --------------------------------------------------------------------------------------------------- the picture


def _picture(latency: Latency, target: float | None) -> str:
    """Which share of the answers was there after how many milliseconds, with p50, p95, p99 and the target."""
    times = sorted(answer.whole_ms for answer in latency.warm)
    middle, most = percentile(times, 50), percentile(times, 95)
    roof = max(ROOM * most, min(1.05 * times[-1], FAR * most))
    line = []
    if target is not None and target <= FAR * roof:  # a target further off would squeeze the curve into a corner
        roof = max(roof, ROOM * target)
        line = [_target(target, roof, below=target < middle)]
    beyond = sum(time > roof for time in times)
    drawn = [_grid(roof, f" ({beyond:,} longer)" if beyond else ""), _curve(times, roof), *line]
    drawn += [_mark(rank, percentile(times, rank), roof) for rank in RANKS]
    return (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" '
        'aria-label="Share of answers that were there after so many milliseconds">\n' + "\n".join(drawn) + "\n</svg>"
    )


def _x(time: float, roof: float) -> float:
    return LEFT + min(1.0, time / roof) * (WIDTH - RIGHT - LEFT)


def _y(share: float) -> float:
    return HEIGHT - BOTTOM - share * (HEIGHT - BOTTOM - TOP)


def _grid(roof: float, more: str) -> str:
    """Lines of shares, ticks of milliseconds, names of both."""
    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{_y(share):.1f}" y2="{_y(share):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{_y(share):.1f}" dy=".35em" text-anchor="end">{share:.0%}</text>'
        for share in (0, 0.25, 0.5, 0.75, 1)
    ]
    step = round_up(roof / 6)
    lines += [
        f'<line class="grid" x1="{_x(i * step, roof):.1f}" x2="{_x(i * step, roof):.1f}" y1="{_y(0)}" y2="{_y(0) + 5}"/>'
        f'<text x="{_x(i * step, roof):.1f}" y="{_y(0) + 21}" text-anchor="middle">{i * step:,g}</text>'
        for i in range(math.floor(roof / step) + 1)
    ]
    lines += [
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">ms for a whole answer{more}</text>',
        '<text x="0" y="16">share of answers</text>',
    ]
    return "\n".join(lines)


def _curve(times: Sequence[float], roof: float) -> str:
    """The share that was there, a step up at each answer (the empirical distribution), as far as the roof."""
    inside = [time for time in times if time <= roof]
    last = len(inside) - 1
    points = [(inside[0], 0.0)]
    for i in sorted({i * last // MOST_POINTS for i in range(MOST_POINTS + 1)}):
        points += [(inside[i], points[-1][1]), (inside[i], (i + 1) / len(times))]
    points.append((roof, points[-1][1]))
    where = " ".join(f"{_x(time, roof):.1f},{_y(share):.1f}" for time, share in points)
    return f'<polyline class="smooth" points="{where}"/>'


def _mark(rank: int, time: float, roof: float) -> str:
    """A dot on the curve. Above it and right below it the picture is empty: p99 is named there, the others here."""
    x, y = _x(time, roof), _y(rank / 100)
    if rank == RANKS[-1]:
        side = "end" if x > WIDTH / 2 else "start"  # clear of the name of the axis
        where = f'x="{x:.1f}" y="{y - 8:.1f}" text-anchor="{side}"'
    else:
        where = f'x="{x + 9:.1f}" y="{y + 18:.1f}"'
    return f'<circle class="dot" cx="{x:.1f}" cy="{y:.1f}" r="3.5"/><text class="halo" {where}>p{rank} {amount("_ms", time)}</text>'


def _target(target: float, roof: float, below: bool) -> str:
    """The line the answers should stay left of, named where the curve is not; `below`: most answers are right of it."""
    x, y = _x(target, roof), _y(0.86 if below else 0.04)
    where = f'x="{x - 7:.1f}" y="{y:.1f}" text-anchor="end"' if below else f'x="{x + 7:.1f}" y="{y:.1f}"'
    return (
        f'<line class="valid" x1="{x:.1f}" x2="{x:.1f}" y1="{_y(0)}" y2="{_y(1)}"/>'
        f'<text class="halo" {where}>target {amount("_ms", target)}</text>'
    )
