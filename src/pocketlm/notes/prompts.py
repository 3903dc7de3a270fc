"""What the generator is asked: the same words in use and in the rows that tune it (docs/notes-models.md)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pocketlm.engines.base import Engine
from pocketlm.tasks.template import TEMPLATES, Message

NOT_HERE = "Not in your notes."
ANSWER = (
    "Answer the question in one short sentence. Use only these notes, with their names, numbers and dates as they stand there. "
    f"If they do not hold the answer, say: {NOT_HERE}"
)
SUMMARY = "Summarize this note in one or two sentences. Use only what it says."
ANSWER_TOKENS, SUMMARY_TOKENS = 80, 100


def answering(question: str, quotes: Sequence[str]) -> list[Message]:
    """The dialogue up to an answer; quotes are numbered from 1."""
    notes = "\n".join(f"[{number}] {' '.join(quote.split())}" for number, quote in enumerate(quotes, 1))
    return [Message("user", f"{ANSWER}\n\n{notes}\n\nQuestion: {question}")]


def summarising(text: str) -> list[Message]:
    """The dialogue up to a summary."""
    return [Message("user", f"{SUMMARY}\n\n{text.strip()}")]


def write(engine: Engine, messages: Sequence[Message], max_tokens: int) -> Iterator[str]:
    """What the engine writes, greedily, in pieces."""
    return engine.stream(TEMPLATES[engine.template].render(messages), max_tokens=max_tokens)
