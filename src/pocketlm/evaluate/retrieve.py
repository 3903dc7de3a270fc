"""Score embeddings and rankers: order pairs by likeness, find each question's texts among all texts of the rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Tick
from pocketlm.evaluate.report import RowResult
from pocketlm.tasks.base import Score
from pocketlm.tasks.embed import NEAREST, EmbedRow, EmbedTask

Vectors = NDArray[np.float32]


QUESTIONS = 256  # whose likeness to all texts is held at once


def retrieved(task: EmbedTask, engine: Any, rows: Sequence[EmbedRow], tick: Tick) -> list[RowResult]:
    """The result of every row; all texts are embedded, or otherwise indexed, once.

    Raises:
        InputError: the engine makes no vectors and ranks no texts.
    """
    if not hasattr(engine, "embed") and not hasattr(engine, "index"):
        raise InputError(f"{engine.uri}: makes no embeddings; use static, starter:minilm-l6 or an encoder's folder")
    start = time.perf_counter()
    asked, pairs = ([row for row in rows if (row.score is None) == wanted] for wanted in (True, False))
    if pairs and not hasattr(engine, "embed"):
        raise InputError(f"{engine.uri}: orders texts by a question but tells of no pair how alike it is")
    found = dict(zip(map(id, asked), _asked(task, engine, asked), strict=True)) | dict(
        zip(map(id, pairs), _paired(task, engine, pairs), strict=True)
    )
    each = round((time.perf_counter() - start) / len(rows), 5)
    tick(len(rows))
    return [replace(found[id(row)], seconds=each) for row in rows]


def _asked(task: EmbedTask, engine: Any, rows: Sequence[EmbedRow]) -> Iterator[RowResult]:
    """Questions, whose texts are sought."""
    if not rows:
        return
    pool = pool_of(task, rows)
    rank = engine.index(pool) if hasattr(engine, "index") else _by_vectors(engine, pool, rows)
    for start in range(0, len(rows), QUESTIONS):
        some = rows[start : start + QUESTIONS]
        for row, likeness in zip(some, rank([row.text for row in some]), strict=True):
            nearest = ranked(row, pool, likeness)
            yield _result(task, row, task.score_ranking(row, nearest), nearest[0] if nearest else "")


def _by_vectors(engine: Any, pool: Sequence[str], rows: Sequence[EmbedRow]) -> Callable[[Sequence[str]], Vectors]:
    """A function from questions to their products with all texts, (questions, texts)."""
    vectors = _vectors(engine, [*pool, *(row.text for row in rows)])
    every = np.array([vectors[text] for text in pool])
    return lambda questions: np.array([vectors[text] for text in questions]) @ every.T


def _vectors(engine: Any, texts: Sequence[str]) -> dict[str, Vectors]:
    different = list(dict.fromkeys(texts))
    return dict(zip(different, np.asarray(engine.embed(different)), strict=True))


def _paired(task: EmbedTask, engine: Any, rows: Sequence[EmbedRow]) -> Iterator[RowResult]:
    """Pairs, whose likeness is compared with their score."""
    if not rows:
        return
    known = [*rows, *(task.tuning if task.tells_copies(rows) else ())]
    vectors = _vectors(engine, [text for row in known for text in (row.text, row.others[0])])
    alike = [float(vectors[row.text] @ vectors[row.others[0]]) for row in known]
    threshold = task.threshold(known[len(rows) :], alike[len(rows) :])
    for row, likeness in zip(rows, alike, strict=False):
        yield _result(task, row, task.score_pair(row, likeness, threshold), f"{likeness:.3f}")


def pool_of(task: EmbedTask, rows: Sequence[EmbedRow]) -> list[str]:
    """All texts among which the rows' own are sought."""
    own = (text for row in rows for text in (*row.others, *row.negatives))
    return list(dict.fromkeys([*own, *task.pool]))


def ranked(row: EmbedRow, pool: Sequence[str], likeness: Vectors) -> list[str]:
    """The texts nearest to a row's question, itself left out."""
    order = np.argsort(-likeness, kind="stable")[: NEAREST + 1]
    return [pool[i] for i in order if pool[i] != row.text][:NEAREST]


def _result(task: EmbedTask, row: EmbedRow, score: Score, answer: str) -> RowResult:
    return RowResult(
        text=row.text,
        expected=task.expected(row),
        answer=answer,
        numbers=score.numbers,
        items={},
        why=score.why,
        groups=task.groups(row),
        tokens=0,
        seconds=0.0,
        signals={},
    )
