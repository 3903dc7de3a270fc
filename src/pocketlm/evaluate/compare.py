"""Two reports on the same rows -> a verdict with paired statistics."""

from __future__ import annotations

import math
from dataclasses import dataclass

from pocketlm.core.errors import InputError
from pocketlm.evaluate.evaluate import Report, interval


@dataclass(frozen=True)
class Comparison:
    """How `b` differs from `a` on one metric.

    Attributes:
        difference: share in b minus share in a.
        low, high: 95 % paired bootstrap interval of the difference.
        p: two-sided exact McNemar test on the rows that changed.
        gained, lost: indices of rows right only in b, right only in a.
        same: answers equal to the letter, as a share of rows.
    """

    metric: str
    difference: float
    low: float
    high: float
    p: float
    gained: list[int]
    lost: list[int]
    same: float

    @property
    def verdict(self) -> str:
        """`better`, `worse` or `no difference shown`, at the 5 % level."""
        if self.p >= 0.05:
            return "no difference shown"
        return "better" if self.difference > 0 else "worse"

    def to_json(self) -> dict[str, object]:
        """Plain values with the verdict."""
        return {**vars(self), "verdict": self.verdict}


def compare(a: Report, b: Report, metric: str = "exact") -> Comparison:
    """Compare two reports row by row.

    Raises:
        InputError: the reports are not on the same rows.
    """
    if [(row.text, row.expected) for row in a.rows] != [(row.text, row.expected) for row in b.rows]:
        raise InputError(f"{a.engine} and {b.engine} were scored on different rows; evaluate both on the same file")
    if not a.rows or metric not in a.rows[0].flags:
        raise InputError(f'no metric is named "{metric}"; there are {", ".join(a.metrics)}')
    pairs = [(x.flags[metric], y.flags[metric]) for x, y in zip(a.rows, b.rows, strict=True)]
    differences = [y - x for x, y in pairs]
    low, high = interval(differences)
    gained = [i for i, d in enumerate(differences) if d > 0]
    lost = [i for i, d in enumerate(differences) if d < 0]
    same = sum(x.answer == y.answer for x, y in zip(a.rows, b.rows, strict=True)) / len(pairs)
    return Comparison(
        metric, sum(differences) / len(pairs), low, high, mcnemar(len(gained), len(lost)), gained, lost, same
    )


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p-value that rows change in both directions equally often (McNemar 1947, binomial form)."""
    n, k = gained + lost, min(gained, lost)
    return min(1.0, float(2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n))
