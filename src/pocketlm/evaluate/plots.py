"""Small pictures as SVG text, drawn here: curves, bars against a diagonal, tables of shades. No script, no library."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from pocketlm.core import page

MOST_POINTS = 800  # of a curve; more cannot be seen
WIDTH, HEIGHT = 640, 300  # of a chart, in its own units
LEFT, RIGHT, TOP, BOTTOM = 58, 20, 34, 52  # its margins

Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Axis:
    """Values low..high on pixels start..end."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value; values outside lie on the edge."""
        low, high = self.low, self.high
        if self.log:
            low, high, value = math.log(low), math.log(high), math.log(max(value, low))
        share = min(1.0, max(0.0, (value - low) / (high - low)))
        return self.start + share * (self.end - self.start)

    def ticks(self, most: int = 6) -> list[float]:
        """Round values: 1, 2, 5 times a power of ten, or multiples of one where the axis spans less than a decade."""
        if not self.log or self.high < 10 * self.low:
            step = round_up((self.high - self.low) / most)
            return [i * step for i in range(math.ceil(self.low / step), math.floor(self.high / step + 1e-9) + 1)]
        decades = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for digits in ((1, 2, 5), (1,)):
            found = [digit * 10.0**k for k in decades for digit in digits if self.low <= digit * 10.0**k <= self.high]
            if len(found) <= 9:
                break
        return found


def round_up(value: float) -> float:
    """The next 1, 2 or 5 times a power of ten."""
    power: float = 10.0 ** math.floor(math.log10(value))
    return next(digit * power for digit in (1, 2, 5, 10) if digit * power >= value * (1 - 1e-9))


def picture(label: str, height: int, *parts: str) -> str:
    """A chart of WIDTH x `height` units."""
    drawn = "\n".join(parts)
    return f'<svg class="chart" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{page.escape(label)}">\n{drawn}\n</svg>'


def grid(x: Axis, y: Axis, name: str, across: str, most: int = 6, *, percent: bool = False) -> str:
    """Lines, tick labels and axis names; at most so many labels upwards on a linear scale."""

    def written(tick: float) -> str:
        return f"{tick:.0%}" if percent else f"{tick:g}"

    lines = [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.at(tick):.1f}" y2="{y.at(tick):.1f}"/>'
        f'<text x="{LEFT - 8}" y="{y.at(tick):.1f}" dy=".35em" text-anchor="end">{written(tick)}</text>'
        for tick in y.ticks(most)
    ]
    lines += [
        f'<line class="grid" x1="{x.at(tick):.1f}" x2="{x.at(tick):.1f}" y1="{y.start}" y2="{y.start + 5}"/>'
        f'<text x="{x.at(tick):.1f}" y="{y.start + 21}" text-anchor="middle">{written(tick) if percent else f"{tick:,.0f}"}</text>'
        for tick in x.ticks()
        if percent or tick == round(tick)
    ]
    lines += [
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y.start}" y2="{y.start}"/>',
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{y.start + BOTTOM - 8}" text-anchor="middle">{page.escape(across)}</text>',
        f'<text x="0" y="16">{name}</text>',
    ]
    return "\n".join(lines)


def line(kind: str, points: Points, x: Axis, y: Axis) -> str:
    """A curve; of long ones so many points as can be seen."""
    stride = math.ceil(len(points) / MOST_POINTS) or 1
    kept = points[::stride] + (points[-1:] if stride > 1 else [])
    where = " ".join(f"{x.at(step):.1f},{y.at(loss):.1f}" for step, loss in kept)
    return f'<polyline class="{kind}" points="{where}"/>'


def smooth(points: Points) -> Points:
    """Centred running mean over about a twentieth of the steps, over what there is of them at the ends."""
    half, count = len(points) // 40, len(points)
    sums = [0.0, *accumulate(loss for _, loss in points)]
    spans = [(max(0, i - half), min(count, i + half + 1)) for i in range(count)]
    means = [(sums[end] - sums[start]) / (end - start) for start, end in spans]
    return [(step, mean) for (step, _), mean in zip(points, means, strict=True)]


def against(name: str, across: str, points: Points, *, sizes: Sequence[int] = (), diagonal: bool = False) -> str:
    """Shares against shares, both 0 to 1: dots where `sizes` are given, else a curve."""
    x, y = Axis(0, 1, LEFT, WIDTH - RIGHT), Axis(0, 1, HEIGHT - BOTTOM, TOP)
    if not diagonal:
        top = max([0.05, *(value for _, value in points)])
        y = Axis(0, min(1.0, round_up(top)), HEIGHT - BOTTOM, TOP)
    ideal = f'<line class="diagonal" x1="{x.at(0)}" y1="{y.at(0)}" x2="{x.at(1)}" y2="{y.at(1)}"/>' if diagonal else ""
    dots = "".join(
        f'<circle class="dot" cx="{x.at(a):.1f}" cy="{y.at(b):.1f}" r="{2.5 + 6 * math.sqrt(size / max(sizes)):.1f}"/>'
        for (a, b), size in zip(points, sizes, strict=bool(sizes))
    )
    curve = line("smooth", points, x, y)
    return picture(name, HEIGHT, grid(x, y, name, across, percent=True), ideal, curve, dots)


def shades(names: Sequence[str], counts: Sequence[Sequence[int]]) -> str:
    """A table of counts (expected down, got across) as a picture, each row shaded by its share."""
    side, margin = (34, 150) if len(names) <= 12 else (22, 130)
    width = margin + side * len(names)
    cells = []
    for i, row in enumerate(counts):
        whole = sum(row) or 1
        top = margin + side * i
        label = f'<text x="{margin - 8}" y="{top + side / 2}" dy=".35em" text-anchor="end">{page.escape(names[i][:22])}</text>'
        cells.append(label)
        for j, count in enumerate(row):
            left = margin + side * j
            kind = "right" if i == j else "confused"
            cells.append(
                f'<rect class="{kind}" x="{left}" y="{top}" width="{side - 1}" height="{side - 1}" '
                f'fill-opacity="{0.06 + 0.94 * count / whole:.2f}"/>'
            )
            if count and side > 30:
                cells.append(
                    f'<text x="{left + side / 2}" y="{top + side / 2}" dy=".35em" text-anchor="middle">{count}</text>'
                )
    heads = "".join(
        f'<text transform="translate({margin + side * j + side / 2 + 4},{margin - 8}) rotate(-55)">{page.escape(name[:22])}</text>'
        for j, name in enumerate(names)
    )
    return (
        f'<svg class="shades" viewBox="0 0 {width + 60} {width + 4}" width="{width + 60}" role="img" '
        f'aria-label="Expected against got">{heads}{"".join(cells)}</svg>'
    )
