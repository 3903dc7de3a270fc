"""What an evaluation found: rows with their scores, and the figures over them. Knows no engines."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pocketlm.evaluate.statistics import Numbers, percentiles, resampled
from pocketlm.tasks.base import Metric, Task, f1
from pocketlm.tasks.registry import task_class

FEW_ROWS = 100  # under which an interval is wider than most differences that matter
STOPPED = Metric("the answer ended by itself")
MANY_ITEMS = 400  # more are not kept apart
MOST_ERRORS = 12


@dataclass(frozen=True)
class RowResult:
    """One row's answer and what it scored.

    Attributes:
        numbers, items, why: as `tasks.base.Score` has them.
        signals: natural-log probabilities that tell how sure the engine was: "answer", "name", "weakest" (see confidence.py).
    """

    text: str
    expected: Any
    answer: str
    numbers: dict[str, tuple[float, ...]]
    items: dict[str, tuple[float, float, float]]
    why: list[str]
    groups: list[str]
    tokens: int
    seconds: float
    signals: dict[str, float]

    def value(self, metric: str) -> float | None:
        """A metric of this row alone, where its numbers are a share."""
        numbers = self.numbers.get(metric, ())
        return numbers[0] / numbers[1] if len(numbers) == 2 and numbers[1] else None

    def figure(self, metric: str, kind: Metric) -> float | None:
        """A metric of any kind of this row alone, None where one row has none."""
        if metric not in self.numbers or kind.by_rows:
            return None
        value = float(kind.of(np.array(self.numbers[metric], dtype=np.float64)))
        return value if math.isfinite(value) else None


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        task: its kind; `main`: the metric that stands for the whole.
        metrics: name -> figure over all rows it says something of.
        intervals: name -> 95 % bootstrap interval over rows.
        slices: group -> {"rows": n, main metric: figure}.
        items: argument, label or field -> {"precision", "recall", "f1", "wanted", "got"}.
        errors: most frequent differences, e.g. ("set_alarm.time wrong", 4).
        notes: what a reader must know before trusting it, such as few rows or rows that were trained on.
    """

    engine: str
    task: str
    main: str
    settings: dict[str, Any]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    slices: dict[str, dict[str, float]]
    items: dict[str, dict[str, float]]
    errors: list[tuple[str, int]]
    seconds: float
    tokens_per_s: float
    rows: list[RowResult] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    latency: dict[str, Any] | None = None

    @property
    def kinds(self) -> dict[str, Metric]:
        """The metrics it has, the main one first."""
        known = {**task_class(self.task).metrics, "stopped": STOPPED}
        return {name: known[name] for name in sorted(self.metrics, key=lambda name: name != self.main) if name in known}

    @property
    def value(self) -> float:
        """The main metric's figure."""
        return self.metrics[self.main]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Report:
        """The inverse of `to_json`."""

        def row(kept: dict[str, Any]) -> RowResult:
            tuples = {name: {k: tuple(v) for k, v in kept[name].items()} for name in ("numbers", "items")}
            return RowResult(**{**kept, **tuples})

        intervals = {name: (low, high) for name, (low, high) in value["intervals"].items()}
        errors = [(what, count) for what, count in value["errors"]]
        return cls(**{**value, "rows": [row(one) for one in value["rows"]], "intervals": intervals, "errors": errors})


def summarize(
    engine: str,
    task: Task,
    rows: list[RowResult],
    seconds: float,
    *,
    settings: Mapping[str, Any],
) -> Report:
    """Figures, intervals and slices from scored rows."""
    metrics, intervals = figures(rows, {**task.metrics, "stopped": STOPPED})
    main = next((name for name in [task.main, *task.metrics] if name in metrics), task.main)
    tokens = sum(row.tokens for row in rows)
    return Report(
        engine=engine,
        task=task.name,
        main=main,
        settings={**task.settings(), **settings},
        metrics=metrics,
        intervals=intervals,
        slices=_slices(rows, main, task.metrics[main]),
        items=_items(rows),
        errors=Counter(_kind_of(why) for row in rows for why in row.why).most_common(MOST_ERRORS),
        seconds=round(seconds, 2),
        tokens_per_s=round(tokens / seconds, 1) if seconds else 0.0,
        rows=rows,
        notes=_few(rows),
    )


def _kind_of(why: str) -> str:
    """A difference without what is peculiar to its row."""
    return re.sub(r" \(.*\)$", "", why)


def figures(
    rows: Sequence[RowResult], kinds: Mapping[str, Metric]
) -> tuple[dict[str, float], dict[str, tuple[float, float]]]:
    """Every metric that the rows say something of, and its 95 % interval."""
    metrics, intervals = {}, {}
    for name, kind in kinds.items():
        numbers = matrix(rows, name, kind)
        if not len(numbers):
            continue
        value = float(kind.of(numbers if kind.by_rows else numbers.sum(0)))
        if not math.isfinite(value):
            continue
        spread = percentiles(resampled(numbers, kind.of, by_rows=kind.by_rows))
        metrics[name] = value
        intervals[name] = spread if math.isfinite(spread[0]) else (value, value)
    return metrics, intervals


def matrix(rows: Sequence[RowResult], name: str, kind: Metric) -> Numbers:
    """(rows, k): the numbers of one metric, of the rows that have any."""
    if not kind.items:
        return np.array([row.numbers[name] for row in rows if name in row.numbers], dtype=np.float64)
    names = list(dict.fromkeys(item for row in rows for item in row.items))
    if not names:
        return np.zeros((0, 3))
    place = {item: 3 * i for i, item in enumerate(names)}
    found = np.zeros((len(rows), 3 * len(names)))
    for i, row in enumerate(rows):
        for item, counts in row.items.items():
            found[i, place[item] : place[item] + 3] = counts
    return found


def _few(rows: Sequence[RowResult]) -> list[str]:
    if len(rows) >= FEW_ROWS:
        return []
    return [
        f"Only {len(rows)} rows: differences under {100 / math.sqrt(max(len(rows), 1)):.0f} points cannot be told from chance; "
        f"score at least {FEW_ROWS}"
    ]


def _slices(rows: Sequence[RowResult], main: str, kind: Metric) -> dict[str, dict[str, float]]:
    groups: dict[str, list[RowResult]] = defaultdict(list)
    for row in rows:
        for group in row.groups:
            groups[group].append(row)
    found = {}
    for name, members in sorted(groups.items()):
        numbers = matrix(members, main, kind)
        value = float(kind.of(numbers if kind.by_rows else numbers.sum(0))) if len(numbers) else math.nan
        if math.isfinite(value):
            found[name] = {"rows": len(members), main: value}
    return found


def _items(rows: Sequence[RowResult]) -> dict[str, dict[str, float]]:
    sums: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0, 0.0])
    for row in rows:
        for name, counts in row.items.items():
            for i, count in enumerate(counts):
                sums[name][i] += count
    often = sorted(sums, key=lambda name: (-sums[name][2], name))[:MANY_ITEMS]
    return {
        name: {
            "precision": right / got if got else 0.0,
            "recall": right / wanted if wanted else 0.0,
            "f1": float(f1(np.array([right, got, wanted]))),
            "wanted": wanted,
            "got": got,
        }
        for name in often
        for right, got, wanted in [sums[name]]
    }


def worst_rows(report: Report) -> list[RowResult]:
    """Rows whose main metric is short of the best there is, the worst first; none where that is not a share."""
    kind = report.kinds.get(report.main)
    if kind is None or kind.lower:
        return []
    graded = [(row, row.figure(report.main, kind)) for row in report.rows]
    best = 1.0 if kind.percent else 100.0
    short = [(row, value) for row, value in graded if value is not None and value < best]
    return [row for row, _ in sorted(short, key=lambda pair: pair[1])]
