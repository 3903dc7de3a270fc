"""Task x Engine x rows -> Report. The one place where anything is scored: a base, a run, an exported file, an API, rules."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.progress import progress
from pocketlm.engines.base import Engine, Generation, Tick
from pocketlm.evaluate.confidence import signals
from pocketlm.evaluate.foretell import foretold
from pocketlm.evaluate.report import Report, RowResult, summarize
from pocketlm.evaluate.retrieve import retrieved
from pocketlm.tasks.base import Score, Task, yes
from pocketlm.tasks.complete import CompleteTask
from pocketlm.tasks.embed import EmbedTask
from pocketlm.tasks.instruct import ALIKE
from pocketlm.tasks.template import TEMPLATES, Template

__all__ = ["Report", "RowResult", "evaluate"]

FEW = 24  # rows asked freely, to see whether the others should be


def evaluate(
    task: Task,
    engine: Any,
    rows: Sequence[Any],
    *,
    constrain: bool = False,
    max_tokens: int | None = None,
    title: str = "",
    alike: str = "",
) -> Report:
    """Ask an engine about every row and score what it says.

    Args:
        task: any of tasks/registry.py; `engine`: an Engine, or an Embedder for the task `embed`.
        constrain: allow only answers the task's grammar allows.
        max_tokens: longest answer, by default the task's; a model that does not stop is cut there.
        alike: an embedder's name; free answers are then compared with their references by meaning too.

    Raises:
        InputError: no rows, or an engine that cannot do this task.
    """
    if not rows:
        raise InputError("no rows to score; name a file with at least one")
    settings: dict[str, Any] = {"constrain": constrain, "max_tokens": max_tokens or task.max_tokens}
    start = time.perf_counter()
    own_bar = hasattr(engine, "chat")
    with nullcontext(_ignore) if own_bar else progress(title or f"Scoring {engine.uri}", len(rows)) as update:
        if isinstance(task, EmbedTask):
            results = retrieved(task, engine, rows, update)
        elif isinstance(task, CompleteTask):
            results = foretold(task, engine, rows, update)
        else:
            results = _answered(task, engine, rows, constrain, settings["max_tokens"], update)
    if alike and "similarity" in task.metrics:
        results = compared_by_meaning(results, [str(row.expected) for row in results], alike, ("alike", "similarity"))
        settings["alike"] = alike
    seconds = time.perf_counter() - start + getattr(engine, "seconds_before", 0.0)
    report = summarize(engine.uri, task, results, seconds, settings=settings)
    if report.main not in report.metrics:
        raise InputError(
            f"{engine.uri}: the {len(rows)} rows say nothing of {task.main}; name more rows, that differ from each other"
        )
    return report


def _ignore(advance: int = 1) -> None:
    """No bar."""


def _answered(
    task: Task, engine: Any, rows: Sequence[Any], constrain: bool, max_tokens: int, tick: Tick
) -> list[RowResult]:
    template = TEMPLATES[engine.template]
    if hasattr(engine, "chat"):  # behind a network: messages, no prompt text, no grammar
        answers = engine.chat([task.messages(row, template) for row in rows], max_tokens=max_tokens, tick=tick)
    else:
        bare = getattr(engine, "prompt", None)  # baselines take the row as it is
        prompts = [bare(row) if bare else task.prompt(row, template) for row in rows]
        if constrain and not bare and task.grammar(template) is not None:
            answers = _constrained(task, engine, rows, prompts, max_tokens, tick)
        else:
            answers = engine.generate(prompts, max_tokens=max_tokens, tick=tick)
    scores = [task.score(row, answer.text, template) for row, answer in zip(rows, answers, strict=True)]
    return [_result(task, template, *item) for item in zip(rows, answers, scores, strict=True)]


def _constrained(
    task: Task, engine: Engine, rows: Sequence[Any], prompts: Sequence[str], max_tokens: int, tick: Tick
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
        grammars = None if free else [str(task.grammar(template, rows[i])) for i in indices]
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


def compared_by_meaning(
    results: Sequence[RowResult], references: Sequence[str], embedder: str, names: tuple[str, str] | tuple[str]
) -> list[RowResult]:
    """The rows with how near their answers are to references by meaning.

    Args:
        embedder: its name, see engines/embedder.py.
        names: of the metric that is the share of near ones, and behind it, where wanted, of the mean likeness.
    """
    from pocketlm.engines.embedder import open_embedder

    opened = open_embedder(embedder)
    vectors = opened.embed([*(row.answer for row in results), *references])
    opened.close()
    found = []
    for row, got, want in zip(results, vectors, vectors[len(results) :], strict=False):
        likeness = float(got @ want)
        numbers = {names[0]: yes(likeness >= ALIKE)} | dict.fromkeys(names[1:], (likeness, 1.0))
        found.append(replace(row, numbers=row.numbers | numbers))
    return found


def _result(task: Task, template: Template, row: Any, answer: Generation, score: Score) -> RowResult:
    return RowResult(
        text=row.text,
        expected=task.expected(row),
        answer=answer.text,
        numbers={**score.numbers, "stopped": (float(answer.stopped), 1.0)},
        items=score.items,
        why=score.why,
        groups=task.groups(row),
        tokens=answer.tokens,
        seconds=round(answer.seconds, 4),
        signals=signals(answer, task.spans(answer.text, template)),
    )
