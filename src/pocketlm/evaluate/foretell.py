"""Score plain text by the odds of its own tokens. Each passage of a text is a row of the report, the same for every tokenizer."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from typing import Any

from pocketlm.engines.base import Engine, Ids, Odds, Tick
from pocketlm.evaluate.report import RowResult
from pocketlm.tasks.complete import CompleteTask, Piece

PASSAGE = 2000  # characters from which a passage ends with its line
AT_ONCE = 32  # windows scored between two looks at the clock
SHOWN = 200


def passages(text: str) -> list[str]:
    """A text cut at ends of lines; together they are the text."""
    found, passage = [], ""
    for line in text.splitlines(keepends=True):
        passage += line
        if len(passage) >= PASSAGE:
            found.append(passage)
            passage = ""
    return [*found, passage] if passage else found


def windows(ids: Ids, first: int, window: int, overlap: int) -> Iterator[tuple[Ids, Ids]]:
    """A text's tokens as (context, tokens to score): every token from `first` on is scored once, and after the first window
    behind at least `overlap` others."""
    start, done = 0, first
    while done < len(ids):
        end = min(start + window, len(ids))
        yield ids[start:done], ids[done:end]
        start, done = max(0, end - max(1, overlap)), end  # something must stand in front of the next token


def foretold(task: CompleteTask, engine: Engine, rows: Sequence[Any], tick: Tick) -> list[RowResult]:
    """The result of every passage of every row; the first token of a text is scored only behind an opening token."""
    text_of = cache(lambda token: engine.decode([token]))
    results = []
    for row in rows:
        results += _of_text(task, engine, row, text_of)
        tick(1)
    return results


def _of_text(task: CompleteTask, engine: Engine, row: Any, text_of: Callable[[int], str]) -> list[RowResult]:
    parts = passages(row.answer)
    tokens = [engine.tokenize(part) for part in parts]
    ids = [*engine.opening, *(token for own in tokens for token in own)]
    first = max(1, len(engine.opening))
    start = time.perf_counter()
    found = list(_all_odds(task, engine, ids, first))
    each = (time.perf_counter() - start) / max(1, len(found))
    odds, results = iter(found), []
    for number, (part, own) in enumerate(zip(parts, tokens, strict=True)):
        unscored = 1 if number == 0 and not engine.opening else 0
        scored = [next(odds) for _ in own[unscored:]]
        if scored:
            results.append(_result(task, row, part, scored, text_of, each * len(own)))
    return results


def _all_odds(task: CompleteTask, engine: Engine, ids: Ids, first: int) -> Iterator[Odds]:
    window = min(task.window, engine.context)
    pairs = list(windows(ids, first, window, min(task.overlap, window // 2)))
    for at in range(0, len(pairs), AT_ONCE):
        for odds in engine.odds(pairs[at : at + AT_ONCE], top=task.top):
            yield from odds


def _result(
    task: CompleteTask, row: Any, text: str, odds: Sequence[Odds], text_of: Callable[[int], str], seconds: float
) -> RowResult:
    pieces = [Piece(text_of(one.id), one.logprob, tuple(text_of(token) for token, _ in one.top)) for one in odds]
    return RowResult(
        text=text[:SHOWN],
        expected=text[:SHOWN],
        answer="",
        numbers=task.score_pieces(pieces, len(text.encode())).numbers,
        items={},
        why=[],
        groups=[f"tag {tag}" for tag in row.tags],
        tokens=len(odds),
        seconds=round(seconds, 4),
        signals={},
    )
