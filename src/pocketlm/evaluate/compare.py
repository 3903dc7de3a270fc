"""Two reports on the same rows -> a verdict with paired statistics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.evaluate.report import Report, RowResult, matrix
from pocketlm.evaluate.statistics import bootstrap_p, holm, mcnemar, percentiles, resampled
from pocketlm.tasks.base import Metric


@dataclass(frozen=True)
class Comparison:
    """How `b` differs from `a` on one metric.

    Attributes:
        a, b: their figures; `difference`: b's minus a's.
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
    pairs = [
        (x, y)
        for x, y in zip(a.rows, b.rows, strict=True)
        if kind.items or (metric in x.numbers and metric in y.numbers)
    ]
    figures = [_resampled([pair[side] for pair in pairs], metric, kind, pairs) for side in (0, 1)]
    spread = figures[1] - figures[0]
    values = [(x.value(metric), y.value(metric)) for x, y in zip(a.rows, b.rows, strict=True)]
    changes = [0.0 if x is None or y is None else (x - y if kind.lower else y - x) for x, y in values]
    gained, lost = ([i for i, d in enumerate(changes) if sign * d > 0] for sign in (1, -1))
    binary = (
        all(value in (0, 1, None) for pair in values for value in pair) and len(a.rows[0].numbers.get(metric, ())) == 2
    )
    return Comparison(
        metric=metric,
        a=a.metrics[metric],
        b=b.metrics[metric],
        difference=b.metrics[metric] - a.metrics[metric],
        low=percentiles(spread)[0],
        high=percentiles(spread)[1],
        p=mcnemar(len(gained), len(lost)) if binary else bootstrap_p(spread),
        test="McNemar, exact" if binary else "paired bootstrap",
        gained=gained,
        lost=lost,
        same=sum(x.answer == y.answer for x, y in zip(a.rows, b.rows, strict=True)) / len(a.rows),
        lower=kind.lower,
    )


def compare_all(a: Report, b: Report) -> list[Comparison]:
    """On every metric both have; the p-values of all but the main one are corrected for being several (Holm)."""
    main, *others = (compare(a, b, metric) for metric in a.kinds if metric in b.kinds)
    corrected = holm([other.p for other in others])
    return [main, *(Comparison(**{**vars(o), "p": p}) for o, p in zip(others, corrected, strict=True))]


def _resampled(rows: list[RowResult], metric: str, kind: Metric, pairs: list[Any]) -> Any:
    """The figure on resampled rows; the same samples for both sides of a pair."""
    numbers = matrix(rows, metric, kind)
    if len(numbers) != len(pairs):
        numbers = np.zeros((len(pairs), 3))
    return resampled(numbers, kind.of, by_rows=kind.by_rows)
