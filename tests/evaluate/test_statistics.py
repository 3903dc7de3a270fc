"""Statistics against values known from elsewhere."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pocketlm.evaluate.statistics import bootstrap_p, holm, mcnemar, percentiles, resampled
from pocketlm.tasks.base import ratio


def interval(values: list[float]) -> tuple[float, float]:
    return percentiles(resampled(np.array(values)[:, None], lambda sums: sums[..., 0] / len(values)))


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1.0), (5, 5, 1.0), (6, 0, 0.03125), (1, 9, 0.021484375)])
def test_mcnemar_is_the_exact_binomial(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p)


def test_interval_of_a_constant_is_a_point() -> None:
    assert interval([1.0] * 10) == (1.0, 1.0)


def test_an_interval_is_as_wide_as_theory_says() -> None:
    low, high = interval([1.0] * 300 + [0.0] * 100)
    assert (high - low) / 2 == pytest.approx(1.96 * math.sqrt(0.75 * 0.25 / 400), rel=0.06)


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    held = 0
    for _ in range(100):
        low, high = interval((rng.random(120) < 0.7).astype(float).tolist())
        held += low <= 0.7 <= high
    assert 0.88 <= held / 100 <= 1.0


def test_a_ratio_is_resampled_by_rows() -> None:
    rows = np.array([[1.0, 10.0], [9.0, 10.0], [0.0, 0.0]])
    spread = resampled(rows, ratio)
    assert np.nanmin(spread) == pytest.approx(0.1)
    assert np.nanmax(spread) == pytest.approx(0.9)
    assert percentiles(spread)[0] == pytest.approx(0.1)
    assert np.array_equal(spread, resampled(rows, ratio), equal_nan=True)


def test_what_needs_the_rows_gets_them() -> None:
    rows = np.arange(20.0)[:, None]
    low, high = percentiles(resampled(rows, lambda some: float(np.median(some)), by_rows=True))
    assert 4 < low < 9.5 < high < 15


def test_holm_corrects_for_several() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([]) == []
    assert holm([0.9, 0.8]) == [1.0, 1.0]


def test_no_difference_has_no_small_p() -> None:
    assert bootstrap_p(np.zeros(10)) == 1.0
    assert bootstrap_p(np.array([1.0] * 1000)) == pytest.approx(0.002)
    assert bootstrap_p(np.random.default_rng(0).normal(size=2000)) > 0.5
