"""Task x Engine x rows -> Report. The one place where anything is scored: a base, a run, an exported file, rules."""

from __future__ import annotations

import random
import time
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from pocketlm.core.progress import progress
from pocketlm.engines.base import Engine, Generation, Tick
from pocketlm.tasks.call import CallRow, CallTask, RowScore
from pocketlm.tasks.template import TEMPLATES

RESAMPLES = 2000
FEW = 24  # rows asked freely, to see whether the others should be


@dataclass(frozen=True)
class RowResult:
    """One row's answer and what it scored; `flags` maps a metric's name to whether the row has it."""

    text: str
    expected: list[dict[str, Any]]
    answer: str
    flags: dict[str, bool]
    why: list[str]
    tokens: int
    seconds: float
    logprob: float


@dataclass(frozen=True)
class Report:
    """What an evaluation found.

    Attributes:
        metrics: name -> share of rows, 0..1.
        intervals: name -> 95 % bootstrap interval over rows.
        slices: group -> {"rows": n, "exact": share}; groups are functions, no call, several calls.
        errors: most frequent differences, e.g. ("set_alarm.time wrong", 4).
    """

    engine: str
    settings: dict[str, Any]
    metrics: dict[str, float]
    intervals: dict[str, tuple[float, float]]
    slices: dict[str, dict[str, float]]
    errors: list[tuple[str, int]]
    seconds: float
    tokens_per_s: float
    rows: list[RowResult] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Report:
        """The inverse of `to_json`."""
        rows = [RowResult(**row) for row in value["rows"]]
        intervals = {name: (low, high) for name, (low, high) in value["intervals"].items()}
        errors = [(what, count) for what, count in value["errors"]]
        return cls(**{**value, "rows": rows, "intervals": intervals, "errors": errors})


def evaluate(
    task: CallTask,
    engine: Engine,
    rows: Sequence[CallRow],
    *,
    constrain: bool = False,
    max_tokens: int = 128,
    title: str = "",
) -> Report:
    """Answer every row greedily and score the answers.

    Args:
        constrain: allow only outputs that fit the tools' schemas.
        max_tokens: longest answer; a model that does not stop is cut there.
    """
    template = TEMPLATES[engine.template]
    bare = getattr(engine, "prompt", None)  # the rule baseline takes the request as it is
    prompts = [bare(row) if bare else task.prompt(row, template) for row in rows]
    start = time.perf_counter()
    with progress(title or f"Scoring {engine.uri}", len(rows)) as update:
        if constrain and not bare:
            answers = _constrained(task, engine, rows, prompts, max_tokens, update)
        else:
            answers = engine.generate(prompts, max_tokens=max_tokens, tick=update)
    seconds = time.perf_counter() - start
    scores = [task.score(row, answer.text, template) for row, answer in zip(rows, answers, strict=True)]
    results = [_result(task, *item) for item in zip(rows, answers, scores, strict=True)]
    settings = {
        "constrain": constrain,
        "grounding": task.grounding.to_json(),
        "max_tokens": max_tokens,
        "tools_in_prompt": task.tools_in_prompt,
    }
    return summarize(engine.uri, settings, results, seconds)


def _constrained(
    task: CallTask, engine: Engine, rows: Sequence[CallRow], prompts: Sequence[str], max_tokens: int, tick: Tick
) -> list[Generation]:
    """Greedy answers under the grammar, asked for freely where that gives the same.

    A grammar costs more than the model itself, and a tuned model seldom needs it: a free answer that is legal is the
    constrained one. Where most of a few free answers are not, the rest are asked under the grammar at once.
    """
    template = TEMPLATES[engine.template]
    answers: dict[int, Generation] = {}

    def ask(indices: Sequence[int], free: bool, tick: Tick | None) -> None:
        if not indices:
            return
        grammars = None if free else [task.grammar(template, rows[i]) for i in indices]
        found = engine.generate([prompts[i] for i in indices], max_tokens=max_tokens, grammar=grammars, tick=tick)
        for i, answer in zip(indices, found, strict=True):
            if not free or task.is_legal(rows[i], answer.text, template):
                answers[i] = answer

    def missing() -> list[int]:
        return [i for i in range(len(rows)) if i not in answers]

    few = range(min(FEW, len(rows)))
    ask(few, True, None)
    if 2 * len(answers) > len(few):
        tick(len(few))
        ask(range(len(few), len(rows)), True, tick)
        ask(missing(), False, None)
    else:
        tick(len(answers))
        ask(missing(), False, tick)
    return [answers[i] for i in range(len(rows))]


def summarize(engine: str, settings: dict[str, Any], rows: list[RowResult], seconds: float) -> Report:
    """Metrics, intervals and slices from scored rows."""
    names = list(rows[0].flags) if rows else []
    columns = {name: [row.flags[name] for row in rows] for name in names}
    tokens = sum(row.tokens for row in rows)
    return Report(
        engine=engine,
        settings=settings,
        metrics={name: sum(column) / len(column) for name, column in columns.items()},
        intervals={name: interval(column) for name, column in columns.items()},
        slices=_slices(rows),
        errors=Counter(why for row in rows for why in row.why).most_common(12),
        seconds=round(seconds, 2),
        tokens_per_s=round(tokens / seconds, 1) if seconds else 0.0,
        rows=rows,
    )


def interval(values: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """95 % percentile bootstrap interval of a mean (Efron 1979)."""
    rng = random.Random(seed)
    n = len(values)
    means = sorted(sum(rng.choices(values, k=n)) / n for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def _result(task: CallTask, row: CallRow, answer: Generation, score: RowScore) -> RowResult:
    return RowResult(
        text=row.text,
        expected=[task.tools.ordered(call).to_json() for call in row.calls],
        answer=answer.text,
        flags={name: getattr(score, name) for name in task.metrics} | {"stopped": answer.stopped},
        why=score.why,
        tokens=answer.tokens,
        seconds=round(answer.seconds, 4),
        logprob=round(answer.logprob, 4),
    )


def _slices(rows: Sequence[RowResult]) -> dict[str, dict[str, float]]:
    groups: dict[str, list[bool]] = defaultdict(list)
    for row in rows:
        exact = row.flags["exact"]
        if not row.expected:
            groups["(no call)"].append(exact)
        elif len(row.expected) > 1:
            groups["(several calls)"].append(exact)
        for name in sorted({call["name"] for call in row.expected}):
            groups[name].append(exact)
    return {name: {"rows": len(hits), "exact": sum(hits) / len(hits)} for name, hits in sorted(groups.items())}
