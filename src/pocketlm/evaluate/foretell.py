"""Score plain text by the odds of its own tokens, window by window. Each window is a row of the report."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from pocketlm.engines.base import Engine, Ids, Odds, Tick
from pocketlm.evaluate.report import RowResult
from pocketlm.tasks.complete import CompleteTask, Piece

WINDOW, OVERLAP = 1024, 256  # tokens the model sees at once, and those of them that it has scored before
AT_ONCE = 32  # windows between two steps of the bar
SHOWN = 200


def windows(ids: Ids, window: int = WINDOW, overlap: int = OVERLAP) -> Iterator[tuple[Ids, Ids]]:
    """A text's tokens as (context, tokens to score): every token but the first is scored once, and after the first window
    behind at least `overlap` others."""
    start, done = 0, 1
    while done < len(ids):
        end = min(start + window, len(ids))
        yield ids[start:done], ids[done:end]
        start, done = end - overlap, end


def foretold(task: CompleteTask, engine: Engine, rows: Sequence[Any], tick: Tick) -> list[RowResult]:
    """The result of every window of every row."""
    pairs: list[tuple[Ids, Ids]] = []
    owners: list[Any] = []
    for row in rows:
        own = list(windows(engine.tokenize(row.answer)))
        pairs += own
        owners += [row] * len(own)
        tick(0 if own else 1)
    text_of = cache(lambda token: engine.decode([token]))
    last = {id(owner): i for i, owner in enumerate(owners)}  # a row is done with its last window
    results = []
    for first in range(0, len(pairs), AT_ONCE):
        start, some = time.perf_counter(), pairs[first : first + AT_ONCE]
        found = engine.odds(some, top=task.top)
        each = (time.perf_counter() - start) / len(some)
        for i, odds in enumerate(found, first):
            results.append(_result(task, owners[i], odds, text_of, each))
            tick(int(last[id(owners[i])] == i))
    return results


def _result(task: CompleteTask, row: Any, odds: Sequence[Odds], text_of: Any, seconds: float) -> RowResult:
    pieces = [Piece(text_of(one.id), one.logprob, tuple(text_of(token) for token, _ in one.top)) for one in odds]
    score = task.score_pieces(pieces)
    text = "".join(piece.text for piece in pieces)
    return RowResult(
        text=text[:SHOWN],
        expected=text[:SHOWN],
        answer="",
        numbers=score.numbers,
        items={},
        why=[],
        groups=[f"tag {tag}" for tag in row.tags],
        tokens=len(odds),
        seconds=round(seconds, 4),
        signals={},
    )
