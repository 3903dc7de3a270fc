"""Two reports on the same rows -> a verdict with paired statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.evaluate.report import Report, matrix
from pocketlm.evaluate.statistics import bootstrap_p, holm, mcnemar, percentiles, resampled
from pocketlm.tasks.base import Metric


@dataclass(frozen=True)
class Comparison:
    """How `b` differs from `a` on one metric.

    Attributes:
        a, b: their figures on the rows that the metric says something of in both; `difference`: b's minus a's.
        low, high: 95 % paired bootstrap interval of the difference.
        p: two-sided. Exact McNemar test on the rows that changed where rows are right or wrong, else from the bootstrap.
        test: which of the two.
        gained, lost: indices of rows that scored better in b, better in a.
        same: answers equal to the letter, as a share of rows.
        lower: the lower the better.
    """

    metric: str
    a: float
    b: float
    difference: float
    low: float
    high: float
    p: float
    test: str
    gained: list[int]
    lost: list[int]
    same: float
    lower: bool = False

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `no difference shown`, at the 5 % level."""
        if self.p >= 0.05:
            return "no difference shown"
        return "better" if (self.difference > 0) != self.lower else "worse"

    def to_json(self) -> dict[str, object]:
        """Plain values with the verdict."""
        return {**vars(self), "verdict": self.verdict}


def compare(a: Report, b: Report, metric: str | None = None) -> Comparison:
    """Compare two reports row by row, on their main metric or another.

    Raises:
        InputError: the reports are not on the same rows, or do not have the metric.
    """
    if [(row.text, row.expected) for row in a.rows] != [(row.text, row.expected) for row in b.rows]:
        raise InputError(f"{a.engine} and {b.engine} were scored on different rows; evaluate both on the same file")
    metric = metric or a.main
    if not a.rows or metric not in a.kinds or metric not in b.kinds:
        raise InputError(f'no metric is named "{metric}"; there are {", ".join(a.kinds)}')
    kind = a.kinds[metric]
    numbers = [(x.numbers.get(metric), y.numbers.get(metric)) for x, y in zip(a.rows, b.rows, strict=True)]
    places = [i for i, (x, y) in enumerate(numbers) if kind.items or (x and y)]
    sides = [matrix([report.rows[i] for i in places], metric, kind) for report in (a, b)]
    figures = [float(kind.of(side if kind.by_rows else side.sum(0))) if len(side) else math.nan for side in sides]
    spread = (
        np.subtract(*(resampled(side, kind.of, by_rows=kind.by_rows) for side in reversed(sides)))
        if places
        else np.zeros(0)
    )
    changes = {i: change for i in places if (change := _change(kind, *numbers[i]))}
    gained, lost = ([i for i, d in changes.items() if sign * d > 0] for sign in (1, -1))
    yes_or_no = bool(places) and all(pair in ((0, 1), (1, 1)) for i in places for pair in numbers[i])
    low, high = percentiles(spread)
    return Comparison(
        metric=metric,
        a=figures[0],
        b=figures[1],
        difference=figures[1] - figures[0],
        low=low,
        high=high,
        p=mcnemar(len(gained), len(lost)) if yes_or_no else bootstrap_p(spread),
        test="McNemar, exact" if yes_or_no else "paired bootstrap",
        gained=gained,
        lost=lost,
        same=sum(x.answer == y.answer for x, y in zip(a.rows, b.rows, strict=True)) / len(a.rows),
        lower=kind.lower,
    )


def compare_all(a: Report, b: Report, metric: str | None = None) -> list[Comparison]:
    """On every metric both have, the one that decides first; the p-values of the others are corrected for being several (Holm)."""
    first = metric or a.main
    main, *others = (compare(a, b, one) for one in [first, *(m for m in a.kinds if m in b.kinds and m != first)])
    corrected = holm([other.p for other in others])
    return [main, *(replace(other, p=p) for other, p in zip(others, corrected, strict=True))]


def _change(kind: Metric, before: tuple[float, ...] | None, after: tuple[float, ...] | None) -> float:
    """How much better a row's own figure became; 0 where a single row has none."""
    if kind.by_rows or not before or not after:
        return 0.0
    values = [float(kind.of(np.array(numbers, dtype=np.float64))) for numbers in (before, after)]
    change = values[0] - values[1] if kind.lower else values[1] - values[0]
    return change if math.isfinite(change) else 0.0
