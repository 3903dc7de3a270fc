"""Score embeddings: order pairs by likeness, find each question's texts among all texts of the rows."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Tick
from pocketlm.evaluate.report import RowResult
from pocketlm.tasks.base import Score
from pocketlm.tasks.embed import NEAREST, EmbedRow, EmbedTask


def retrieved(task: EmbedTask, engine: Any, rows: Sequence[EmbedRow], tick: Tick) -> list[RowResult]:
    """The result of every row; all texts are embedded once.

    Raises:
        InputError: the engine makes no vectors.
    """
    if not hasattr(engine, "embed"):
        raise InputError(f"{engine.uri}: makes no embeddings; use static, starter:minilm-l6 or an encoder's folder")
    start = time.perf_counter()
    texts = list(
        dict.fromkeys([*(text for row in rows for text in (row.text, *row.others, *row.negatives)), *task.pool])
    )
    vectors = dict(zip(texts, np.asarray(engine.embed(texts)), strict=True))
    each = (time.perf_counter() - start) / len(rows)
    asked = [row for row in rows if row.score is None]
    pool = list(dict.fromkeys([*(text for row in asked for text in (*row.others, *row.negatives)), *task.pool]))
    every = np.array([vectors[text] for text in pool])
    results = []
    for row in rows:
        if row.score is not None:
            likeness = float(vectors[row.text] @ vectors[row.others[0]])
            results.append(_result(task, row, task.score_pair(row, likeness), f"{likeness:.3f}", each))
        else:
            order = np.argsort(-(every @ vectors[row.text]), kind="stable")
            ranked = [pool[i] for i in order if pool[i] != row.text][:NEAREST]
            results.append(_result(task, row, task.score_ranking(row, ranked), ranked[0] if ranked else "", each))
        tick(1)
    return results


def _result(task: EmbedTask, row: EmbedRow, score: Score, answer: str, seconds: float) -> RowResult:
    return RowResult(
        text=row.text,
        expected=task.expected(row),
        answer=answer,
        numbers=score.numbers,
        items={},
        why=score.why,
        groups=task.groups(row),
        tokens=0,
        seconds=round(seconds, 5),
        signals={},
    )
