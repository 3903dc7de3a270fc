"""Ask the notes: an answer whose every claim stands in the places it cites, the quotations themselves, or "not in your notes".

Retrieve, judge whether the notes hold the answer, write one or two sentences where there is a generator, check them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.progress import say
from pocketlm.engines.base import Engine
from pocketlm.notes.claims import unsupported
from pocketlm.notes.evidence import Evidence, gather
from pocketlm.notes.figures import figures, says
from pocketlm.notes.note import Note, Span
from pocketlm.notes.notebook import NO_GENERATOR, Notebook
from pocketlm.notes.passages import sentences
from pocketlm.notes.prompts import ANSWER_TOKENS, NOT_HERE, answering, write
from pocketlm.notes.query import Filters
from pocketlm.notes.reading import WEIGHTS, kind_of
from pocketlm.notes.search import Hit
from pocketlm.notes.store import Store
from pocketlm.notes.terms import content

QUOTES = 3  # at most
WORTH = 4.0  # a further place's score may be so much lower than the best one's to be quoted
NEAREST = 3  # hits that are shown with a refusal
REFUSAL = "This is not in your notes."
SENTENCES = 2  # of an answer
FIGURES = {"number": ("number", "time"), "date": ("date", "time", "number")}  # what answers a question of a kind
MARKER = re.compile(r"\s*\[\d+(?:\s*[,-]\s*\d+)*\]")
ENDED = re.compile(r"[.!?…][\"'”’)\]]*\s*\Z")


@dataclass(frozen=True)
class Citation:
    """A place in a note, and what stands there."""

    span: Span
    note: Note
    text: str

    @classmethod
    def of(cls, hit: Hit) -> Citation:
        """The place of a hit."""
        return cls(hit.span, hit.note, hit.text)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        where = {"note": self.note.id, "key": self.note.key, "name": self.note.name, "date": self.note.date}
        return {**where, "start": self.span.start, "stop": self.span.stop, "text": self.text}


@dataclass(frozen=True)
class Answer:
    """What the notes say to a question.

    Attributes:
        text: with [1] for the first citation and so on.
        refused: the notes do not hold the answer; `nearest` is what comes closest.
        confidence: the chance, 0 to 1, that they do.
        checked: the text was generated, and its every claim stands in the citations. False: it is the quotations themselves.
        unsupported: what the generator claimed and no citation says; it is not in the text.
    """

    question: str
    text: str
    citations: tuple[Citation, ...] = ()
    refused: bool = False
    confidence: float = 0.0
    checked: bool = False
    unsupported: tuple[str, ...] = ()
    nearest: tuple[Hit, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "question": self.question,
            "text": self.text,
            "refused": self.refused,
            "confidence": round(self.confidence, 4),
            "checked": self.checked,
            "unsupported": list(self.unsupported),
            "citations": [citation.to_json() for citation in self.citations],
            "nearest": [Citation.of(hit).to_json() for hit in self.nearest],
        }


def ask(
    book: Notebook,
    question: str,
    *,
    filters: Filters | None = None,
    generate: bool = True,
    threshold: float | None = None,
    today: datetime | None = None,
) -> Answer:
    """Answer a question from the notes. See `stream_answer`."""
    answering = stream_answer(book, question, filters=filters, generate=generate, threshold=threshold, today=today)
    *_, last = answering
    assert isinstance(last, Answer)
    return last


def stream_answer(
    book: Notebook,
    question: str,
    *,
    filters: Filters | None = None,
    generate: bool = True,
    threshold: float | None = None,
    today: datetime | None = None,
) -> Iterator[str | Answer]:
    """Pieces of text as they are generated, unchecked; last the answer, which may say something else.

    Args:
        filters: which notes are searched.
        generate: False: never write, quote.
        threshold: the confidence below which it is refused; by default that of the reader's weights.
        today: what "last spring" in the question is meant from; now by default.

    Raises:
        InputError: an empty question.
    """
    if not question.strip():
        raise InputError("the question is empty; ask for something that your notes may hold")
    found = gather(book, question, filters, today=today)
    citations = _citations(book.store, found, WEIGHTS.threshold if threshold is None else threshold)
    if not citations:
        yield Answer(question, REFUSAL, refused=True, confidence=found.confidence, nearest=found.hits[:NEAREST])
        return
    writer = writer_of(book) if generate else None
    written = ""
    if writer:
        for piece in write(writer, answering(question, [citation.text for citation in citations]), ANSWER_TOKENS):
            written += piece
            yield piece
    yield _checked(book.store, question, written, citations, found.confidence)


def writer_of(book: Notebook) -> Engine | None:
    """The notebook's generator; None where it has none, or its packages or weights are missing."""
    if book.generator_uri == NO_GENERATOR:
        return None
    try:
        return book.generator
    except EnvironmentLacks as lacks:
        say(f"nothing is written, only quoted: {lacks}")
        return None


def is_current(store: Store, citation: Citation) -> bool:
    """Whether the cited words still stand there: the note lives, and its text was not changed at this place."""
    try:
        return store.text(citation.span) == citation.text
    except InputError:
        return False


def supported_sentences(text: str, sources: Sequence[str]) -> tuple[list[tuple[str, int]], list[str]]:
    """The sentences of a generated text, each with the number of the source that makes all its claims; and what none makes.

    Questions, sentences that claim nothing, and one that was cut off behind others are left out.
    """
    places = [text[start:stop] for start, stop in sentences(text)]
    if len(places) > 1 and not ENDED.search(places[-1]):
        places.pop()
    kept, wrong = [], []
    for sentence in places:
        if sentence.endswith("?") or not (content(sentence) or figures(sentence)):
            continue
        claims = [unsupported(sentence, [source]) for source in sources]
        at = next((at for at, missing in enumerate(claims) if not missing), None)
        if at is None:
            wrong += [claim.text for claim in min(claims, key=len, default=[])]
        else:
            kept.append((sentence, at))
    return kept, wrong


def answers(question: str, sentence: str) -> bool:
    """Whether a sentence says something that the question does not; of a question for a number or a time, such a one."""
    if not set(content(sentence)) - set(content(question)):
        return False
    if not (kinds := FIGURES.get(kind_of(question), ())):
        return True
    asked = figures(question)
    told = [figure for figure in figures(sentence) if figure.kind in kinds]
    return any(not any(says(figure, held) for held in asked) for figure in told)


def _citations(store: Store, found: Evidence, threshold: float) -> list[Citation]:
    """The places worth quoting, the best first; none where the notes do not hold the answer."""
    if found.confidence < threshold:
        return []
    best = found.readings[0].score
    worth = [reading for reading in found.readings if reading.confidence >= threshold and reading.score >= best - WORTH]
    made = [Citation(reading.span, found.notes[reading.span.note], reading.text) for reading in worth[:QUOTES]]
    return [citation for citation in made if is_current(store, citation)]


def _checked(store: Store, question: str, written: str, citations: list[Citation], confidence: float) -> Answer:
    """The sentences that hold and say more than the question, with their citations; otherwise the quotations."""
    living = [citation for citation in citations if is_current(store, citation)]
    text = MARKER.sub("", written).strip()
    told = "" if text.startswith(NOT_HERE[:-1]) else text
    kept, wrong = supported_sentences(told, [citation.text for citation in living])
    kept = [(sentence, at) for sentence, at in kept if answers(question, sentence)][:SENTENCES]
    if not kept:
        quoted = "\n".join(f"{_dated(citation)} [{number}]" for number, citation in enumerate(living, 1))
        return Answer(question, quoted, tuple(living), confidence=confidence, unsupported=tuple(wrong))
    used = list(dict.fromkeys(at for _, at in kept))
    said = " ".join(f"{sentence} [{used.index(at) + 1}]" for sentence, at in kept)
    cited = tuple(living[at] for at in used)
    return Answer(question, said, cited, confidence=confidence, checked=True, unsupported=tuple(wrong))


def _dated(citation: Citation) -> str:
    """A quotation behind the day its note was written."""
    day = citation.note.written
    return f"{f'{day.day} {day:%B %Y}: ' if day else ''}“{' '.join(citation.text.split())}”"
