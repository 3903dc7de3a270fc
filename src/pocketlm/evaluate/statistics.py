"""What can be said of a figure from so many rows: intervals, tests, and how sure a difference is. Knows no tasks or engines."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.float64]
RESAMPLES = 2000
FEW_RESAMPLES = 400  # where each has to be reckoned from the rows themselves
AT_ONCE = 2_000_000  # weights in memory


def resampled(rows: Numbers, of: Callable[[Numbers], Any], *, by_rows: bool = False, seed: int = 0) -> Numbers:
    """A figure on many samples of the rows, drawn with replacement (bootstrap: Efron 1979).

    Args:
        rows: (rows, k) numbers.
        of: sums (..., k) -> figures (...), or with `by_rows` rows (rows, k) -> one figure.

    Returns:
        The figures, (RESAMPLES,); the same rows and seed give the same samples, so that two engines can be paired.
    """
    rng, count = np.random.default_rng(seed), len(rows)
    if by_rows:
        return np.array([of(rows[rng.integers(count, size=count)]) for _ in range(FEW_RESAMPLES)])
    each = max(1, AT_ONCE // max(count, 1))
    found = []
    for start in range(0, RESAMPLES, each):
        weights = rng.multinomial(count, np.full(count, 1 / count), size=min(each, RESAMPLES - start))
        found.append(of(weights.astype(np.float64) @ rows))
    return np.concatenate(found)


def percentiles(values: Numbers) -> tuple[float, float]:
    """The middle 95 % of figures; nan where none can be told."""
    values = values[np.isfinite(values)]
    if not len(values):
        return math.nan, math.nan
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def mcnemar(gained: int, lost: int) -> float:
    """Two-sided exact p-value that rows change in both directions equally often (McNemar 1947, binomial form)."""
    n, k = gained + lost, min(gained, lost)
    return min(1.0, float(2 * sum(math.comb(n, i) for i in range(k + 1)) / 2**n))


def bootstrap_p(differences: Numbers) -> float:
    """Two-sided p-value that a figure does not differ, from its resampled differences (Efron and Tibshirani 1993)."""
    differences = differences[np.isfinite(differences)]
    if not len(differences) or not differences.any():
        return 1.0
    tail = min((differences <= 0).mean(), (differences >= 0).mean())
    return float(min(1.0, 2 * max(tail, 1 / len(differences))))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values corrected for being several, in their order (Holm 1979)."""
    order = sorted(range(len(p_values)), key=lambda i: p_values[i])
    found, most = [0.0] * len(p_values), 0.0
    for place, i in enumerate(order):
        most = max(most, min(1.0, (len(p_values) - place) * p_values[i]))
        found[i] = most
    return found


def interval_of_share(hits: int, rows: int) -> tuple[float, float]:
    """The 95 % interval of a share, which few rows do not mislead (Wilson 1927, doi:10.1080/01621459.1927.10502953)."""
    if not rows:
        return 0.0, 1.0
    z, share = 1.96, hits / rows
    middle = (share + z * z / (2 * rows)) / (1 + z * z / rows)
    half = z * float(np.sqrt(share * (1 - share) / rows + z * z / (4 * rows * rows))) / (1 + z * z / rows)
    return max(0.0, middle - half), min(1.0, middle + half)
