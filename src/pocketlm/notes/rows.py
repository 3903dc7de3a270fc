"""Rows that tune the generator: what `pocketlm data generate` made of notes, asked as the notes engine will ask.

An answer is kept only if it passes the check it has to pass in use (claims.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pocketlm.notes.claims import unsupported
from pocketlm.notes.prompts import NOT_HERE, answering, summarising
from pocketlm.tasks.template import Message

Row = dict[str, Any]

MISSING = 8  # one question in so many is asked again without its quote, and is to be refused
OTHERS = 2  # quotes beside the right one, at most


def answer_row(question: str, quotes: Sequence[str], answer: str) -> Row:
    """A question, the places that are cited, and what is to be said."""
    return _row(answering(question, quotes), answer)


def missing_row(question: str, quotes: Sequence[str]) -> Row:
    """A question that the places do not answer."""
    return _row(answering(question, quotes), NOT_HERE)


def summary_row(text: str, summary: str) -> Row:
    """A text and its summary."""
    return _row(summarising(text), summary)


def writer_rows(generated: Sequence[Mapping[str, Any]], seed: int = 0) -> Iterator[Row]:
    """Rows of the sets "questions" and "summary" of `pocketlm data generate` as rows for the generator; others are left out."""
    rng = random.Random(seed)
    quotes = [row["quote"] for row in generated if row.get("quote")]
    for number, row in enumerate(generated):
        asked, answer = (message["content"] for message in row["messages"][-2:])
        if quote := row.get("quote"):
            question = asked.rpartition("\n\n")[2]
            others = [other for other in rng.sample(quotes, min(len(quotes), OTHERS)) if other != quote]
            if not unsupported(answer, [quote]):
                yield answer_row(question, rng.sample([quote, *others], 1 + len(others)), answer)
            if others and number % MISSING == 0:
                yield missing_row(question, others)
        elif not unsupported(answer, [text := asked.partition("\n\n")[2]]):
            yield summary_row(text, answer)


def _row(messages: Sequence[Message], answer: str) -> Row:
    turns = [{"role": message.role, "content": message.content} for message in messages]
    return {"messages": [*turns, {"role": "assistant", "content": answer}]}
