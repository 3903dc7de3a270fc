"""From how sure a model sounds to how often it is right: fitted on rows it was not trained on, checked on others.

A model's own probability of an answer is a signal, not yet a chance of being right. One signal is chosen and bent, by a
temperature or by an isotonic curve, until rows said to be right 80 times in 100 are. Then a threshold can promise an error.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.engines.open import home_of
from pocketlm.evaluate.report import Report

Numbers = NDArray[np.float64]
KEPT = "calibration.json"  # in a run's folder and beside its exported file
SIGNALS = ("answer", "weakest", "token", "name")
BINS = 10
FOLDS = 5
STEPS = 20  # thresholds tried
RARE = 0.1
SURE = 1 - 1e-4  # no finite number of rows shows that an answer cannot be wrong


@dataclass(frozen=True)
class Calibration:
    """A signal made honest.

    Attributes:
        signal: which of confidence.signals it is made of.
        method: "temperature": chance = exp(signal / temperature); "isotonic": the curve through `knots`, (signal, chance).
        threshold: answers at least this likely to be right are wrong no more often than `max_error`; None where no threshold
            keeps that promise.
        name_threshold: the same for the function alone, on the probability of its name: above it a doubtful answer is worth
            asking back about, below it is not.
        rows: it was fitted on.
    """

    signal: str
    method: str
    temperature: float = 1.0
    knots: list[tuple[float, float]] = field(default_factory=list)
    threshold: float | None = None
    name_threshold: float | None = None
    max_error: float = 0.05
    rows: int = 0

    def chance(self, signals: Mapping[str, float]) -> float:
        """How likely an answer is right, 0 to 1; 0 where the engine told nothing."""
        value = signals.get(self.signal, signals.get("answer"))
        if value is None:
            return 0.0
        return float(_bend(self, np.array([value]))[0])

    def decide(self, signals: Mapping[str, float]) -> str:
        """What an app should do with an answer: "answer", "ask" the user back, or "fall back" to something larger."""
        if self.threshold is not None and self.chance(signals) >= self.threshold:
            return "answer"
        name = math.exp(signals.get("name", signals.get("answer", -math.inf)))  # as it was fitted
        return "ask" if self.name_threshold is not None and name >= self.name_threshold else "fall back"

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Calibration:
        """The inverse of `to_json`."""
        return cls(**{**value, "knots": [(x, y) for x, y in value["knots"]]})


@dataclass(frozen=True)
class Reliability:
    """How a calibration does on some rows.

    Attributes:
        ece: expected calibration error, bins of equally many rows (Naeini et al. 2015; Nguyen and O'Connor 2015).
        brier: mean squared error of the chances.
        auroc: how often a right answer is thought likelier than a wrong one; 0.5 is chance, nan where all are right.
        bins: (mean chance, share right, rows).
        risk: (coverage, error among the rows covered), the surest rows first.
    """

    rows: int
    right: float
    ece: float
    brier: float
    auroc: float
    bins: list[tuple[float, float, int]]
    risk: list[tuple[float, float]]
    chances: list[float]

    def covered(self, threshold: float) -> float:
        """Share of the rows at least so likely to be right."""
        return sum(chance >= threshold for chance in self.chances) / self.rows

    def error_from(self, threshold: float) -> float:
        """Share wrong among those; 0 where there are none."""
        count = sum(chance >= threshold for chance in self.chances)
        return self.risk[count - 1][1] if count else 0.0

    def to_json(self) -> dict[str, Any]:
        """Plain values without the rows; an auroc that does not exist is null."""
        kept = {name: value for name, value in asdict(self).items() if name not in ("risk", "chances")}
        return {**kept, "auroc": None if math.isnan(self.auroc) else self.auroc}


def fit(report: Report, *, metric: str | None = None, max_error: float = 0.05) -> Calibration:
    """The signal and the curve that foretell best whether a row is right, judged by cross-validation.

    Args:
        report: of rows that were not trained on; `metric`: what "right" means, by default the report's main metric.

    Raises:
        InputError: the engine tells no probabilities, or too few rows are right or wrong.
    """
    right = _right(report, metric or report.main)
    if not 0 < max_error < 1:
        raise InputError(f"--max-error {max_error}: must lie between 0 and 1, such as 0.05")
    if min(right.sum(), len(right) - right.sum()) < 3:
        raise InputError(
            f"{len(right)} rows, {int(right.sum())} of them right: at least 3 right and 3 wrong ones are needed; name more rows"
        )
    best: tuple[float, str, str] | None = None
    for signal in SIGNALS:
        values = _values(report, signal)
        for method in METHODS:
            loss = _held_out_loss(values, right, method)
            if best is None or loss < best[0] - 1e-4:
                best = (loss, signal, method)
    assert best is not None
    _, signal, method = best
    made = METHODS[method](_values(report, signal), right, signal)
    chances = _bend(made, _values(report, signal))
    names = np.exp(_values(report, "name"))
    functions = _right(report, "function") if "function" in report.metrics else right
    return Calibration(
        **{
            **vars(made),
            "threshold": promised(chances, right, max_error),
            "name_threshold": promised(names, functions, max_error),
            "max_error": max_error,
            "rows": len(right),
        }
    )


def check(report: Report, chance: Callable[[Mapping[str, float]], float], metric: str | None = None) -> Reliability:
    """How chances of being right hold on a report's rows."""
    right = _right(report, metric or report.main)
    chances = np.array([chance(row.signals) for row in report.rows])
    order = np.argsort(-chances, kind="stable")
    errors = np.cumsum(1 - right[order]) / np.arange(1, len(right) + 1)
    bins = [(float(c.mean()), float(r.mean()), len(c)) for c, r in _bins(chances, right)]
    return Reliability(
        rows=len(right),
        right=float(right.mean()),
        ece=float(sum(n * abs(c - r) for c, r, n in bins) / len(right)),
        brier=float(((chances - right) ** 2).mean()),
        auroc=auroc(chances, right),
        bins=bins,
        risk=[((i + 1) / len(right), float(error)) for i, error in enumerate(errors)],
        chances=[float(chances[i]) for i in order],
    )


def raw_chance(signals: Mapping[str, float]) -> float:
    """What the model itself says: the probability of its whole answer."""
    return math.exp(signals.get("answer", -math.inf))


def auroc(chances: Numbers, right: Numbers) -> float:
    """Share of (right, wrong) pairs in their order, ties half (Hanley and McNeil 1982)."""
    good, bad = chances[right > 0.5], chances[right <= 0.5]
    if not len(good) or not len(bad):
        return math.nan
    return float(np.mean((good[:, None] > bad[None]) + 0.5 * (good[:, None] == bad[None])))


def promised(chances: Numbers, right: Numbers, max_error: float) -> float | None:
    """A threshold whose rows are wrong no more often than `max_error`, with 90 % certainty; None where none can be shown.

    From the surest rows down, a twentieth of them at a time, until the error can no longer be ruled out: tested one after
    the other in a fixed order, so that the choice among many does not spoil the certainty (Angelopoulos et al. 2021, "Learn
    then test"). A step is passed when so few wrong rows would be rare, were the error `max_error` (exact binomial test).
    The certainty is that of rows which the curve was not fitted on; on those it was fitted on it is a little less.
    """
    ordered, wrong = np.sort(chances)[::-1], 1 - right[np.argsort(-chances, kind="stable")]
    found = None
    for step in range(1, STEPS + 1):
        threshold = ordered[max(1, round(step * len(ordered) / STEPS)) - 1]
        covered = int((chances >= threshold).sum())
        if _at_most(0, covered, max_error) > RARE:
            continue  # so few that not even faultless ones would show it
        if _at_most(int(wrong[:covered].sum()), covered, max_error) > RARE:
            break
        found = float(threshold)
    return found


def _at_most(wrong: int, rows: int, error: float) -> float:
    """The chance of at most so many wrong rows, each wrong with the chance `error` (binomial)."""
    logs = [
        math.lgamma(rows + 1) - math.lgamma(k + 1) - math.lgamma(rows - k + 1) + k * math.log(error) + (rows - k) * math.log1p(-error)
        for k in range(wrong + 1)
    ]  # fmt: skip
    return float(np.exp(logs).sum())


def calibration_of(engine: str) -> Calibration | None:
    """The calibration kept with a run or an exported file, None where there is none."""
    kept = home_of(engine) / KEPT
    return Calibration.from_json(read_json(kept)["calibration"]) if kept.is_file() else None


def _right(report: Report, metric: str) -> Numbers:
    values = [row.value(metric) for row in report.rows]
    if any(value is None for value in values):
        raise InputError(f'"{metric}" does not say of every row whether it is right; it cannot be calibrated')
    if not any(row.signals for row in report.rows):
        raise InputError(
            f"{report.engine}: tells no probabilities of its answers; calibrate a model on torch or llama.cpp"
        )
    return np.array([float(value == 1) for value in values])


def _values(report: Report, signal: str) -> Numbers:
    return np.array([row.signals.get(signal, row.signals.get("answer", -50.0)) for row in report.rows])


def _bins(chances: Numbers, right: Numbers) -> list[tuple[Numbers, Numbers]]:
    order = np.argsort(chances, kind="stable")
    return [(chances[part], right[part]) for part in np.array_split(order, min(BINS, len(order))) if len(part)]


def _bend(made: Calibration, values: Numbers) -> Numbers:
    if made.method == "temperature":
        return np.clip(np.exp(values / made.temperature), 0, SURE)
    x, y = np.array(made.knots).T
    return np.asarray(np.interp(values, x, y))


def _temperature(values: Numbers, right: Numbers, signal: str) -> Calibration:
    """The temperature of the least log loss (Guo et al. 2017), found on a fine grid."""
    grid = np.exp(np.linspace(math.log(0.05), math.log(20), 400))
    losses = [_log_loss(np.clip(np.exp(values / t), 1e-4, SURE), right) for t in grid]
    return Calibration(signal, "temperature", float(grid[int(np.argmin(losses))]))


def _isotonic(values: Numbers, right: Numbers, signal: str) -> Calibration:
    return Calibration(signal, "isotonic", knots=rising(values, right))


def rising(values: Numbers, right: Numbers) -> list[tuple[float, float]]:
    """The rising curve nearest to the rows as points (value, chance of being right), by pooling neighbours that fall (Barlow et al. 1972; Zadrozny and Elkan 2002)."""
    levels, place = np.unique(values, return_inverse=True)
    rows = np.bincount(place).astype(np.float64)
    pools: list[list[float]] = []  # sum of values, sum of rights, rows
    for value, hits, n in zip(levels, np.bincount(place, right), rows, strict=True):
        pools.append([float(value * n), float(hits), float(n)])
        while len(pools) > 1 and pools[-2][1] / pools[-2][2] >= pools[-1][1] / pools[-1][2]:
            last = pools.pop()
            pools[-1] = [a + b for a, b in zip(pools[-1], last, strict=True)]
    # one row more, half right: a pool of few rows must not promise certainty (Laplace)
    return [(v / n, min(SURE, (hits + 0.5) / (n + 1))) for v, hits, n in pools]


METHODS: dict[str, Callable[[Numbers, Numbers, str], Calibration]] = {
    "temperature": _temperature,
    "isotonic": _isotonic,
}


def _held_out_loss(values: Numbers, right: Numbers, method: str) -> float:
    """Log loss on rows the curve was not fitted on."""
    fold = np.random.default_rng(0).permutation(len(values)) % FOLDS
    losses = []
    for held in range(FOLDS):
        made = METHODS[method](values[fold != held], right[fold != held], "")
        losses.append(_log_loss(np.clip(_bend(made, values[fold == held]), 1e-4, SURE), right[fold == held]))
    return float(np.mean(losses))


def _log_loss(chances: Numbers, right: Numbers) -> float:
    return float(-(right * np.log(chances) + (1 - right) * np.log(1 - chances)).mean())
