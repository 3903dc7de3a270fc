"""Summaries of a note, a period or a topic: one or two sentences, each linked to the place it comes from.

Without a generator they are the text's own most central sentences. With one, its sentences are kept where every claim stands
in a few neighbouring sentences of the source; long texts are summarised part by part first, then the summaries together.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Engine
from pocketlm.notes.ask import NEAREST, REFUSAL, Citation, writer_of
from pocketlm.notes.claims import unsupported
from pocketlm.notes.evidence import gather
from pocketlm.notes.note import Note, Span
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.passages import Place, sentences
from pocketlm.notes.prompts import SUMMARY_TOKENS, summarising, write
from pocketlm.notes.query import Filters, parse
from pocketlm.notes.reading import WEIGHTS as READER
from pocketlm.notes.reading import above, pieces
from pocketlm.notes.related import ALIKE as CALLED_ALIKE
from pocketlm.notes.search import Hit, score, search
from pocketlm.notes.terms import content, stems

SENTENCES = 2
CENTRAL = 12  # passages that stand for many
PARTS = 5  # that are summarised on their own, of a long text
SHORTEST = 5  # words of a sentence that may stand for a text
LEAD = 0.1  # what the first sentence of a note is worth beside its likeness (0 to 1) to the whole
ALIKE = 0.5  # how much likeness to a sentence that is already taken counts against another
WINDOWS = (1, 2, 3, 4)  # neighbouring sentences that may support one of the summary's
EACH = 0.5  # of the summary's words that a further sentence must hold to be cited too
ABOUT = 0.5  # of the likeness of the sentence nearest to a topic that another must have to stand for it

Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Summary:
    """Sentences, each with the place of the notes it comes from.

    Attributes:
        sentences: none where the notes hold nothing on a topic; then `nearest` is what comes closest.
        checked: they were generated, and every claim stands at its place. False: they are the notes' own sentences.
        unsupported: what the generator claimed and the notes do not say.
        notes: how many notes were summarised.
    """

    sentences: tuple[str, ...]
    citations: tuple[Citation, ...]
    checked: bool
    unsupported: tuple[str, ...] = ()
    notes: int = 1
    nearest: tuple[Hit, ...] = ()

    @property
    def refused(self) -> bool:
        """Whether the notes hold nothing on it."""
        return not self.sentences

    @property
    def text(self) -> str:
        """The sentences with their citations' numbers, or that there are none."""
        if self.refused:
            return REFUSAL
        return " ".join(f"{sentence} [{number}]" for number, sentence in enumerate(self.sentences, 1))

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        told = {"text": self.text, "sentences": list(self.sentences), "checked": self.checked, "notes": self.notes}
        return {
            **told,
            "refused": self.refused,
            "unsupported": list(self.unsupported),
            "citations": [one.to_json() for one in self.citations],
            "nearest": [Citation.of(hit).to_json() for hit in self.nearest],
        }


@dataclass(frozen=True)
class Part:
    """A stretch of a note."""

    note: Note
    start: int
    stop: int

    @property
    def text(self) -> str:
        """What stands there."""
        return self.note.content[self.start : self.stop]

    @property
    def places(self) -> list[Place]:
        """Its sentences, as places in the note."""
        return [(self.start + start, self.start + stop) for start, stop in pieces(self.text)]

    def cite(self, start: int, stop: int) -> Citation:
        """A place of the note."""
        return Citation(Span(self.note.id, start, stop), self.note, self.note.content[start:stop])


def summarize(book: Notebook, notes: Sequence[Note], *, generate: bool = True, count: int = SENTENCES) -> Summary:
    """Summarise a note, or the notes of a period.

    Raises:
        InputError: there is nothing to summarise.
    """
    parts = _central(book, notes)
    return _summary(book, parts, len(notes), generate, count)


def summarize_period(
    book: Notebook, since: str = "", until: str = "", *, generate: bool = True, count: int = SENTENCES
) -> Summary:
    """Summarise the notes of the days `since` to `until`, both included, ISO 8601 or a beginning of it such as 1665-05.

    Raises:
        InputError: no note was written then.
    """
    where = "note.date <> '' AND note.date >= ? AND (? = '' OR substr(note.date, 1, ?) <= ?)"
    notes = list(book.store.notes(where, (since, until, len(until), until)))
    if not notes:
        raise InputError(
            f"no note has a date from {since or 'the beginning'} to {until or 'today'}; see their dates with search"
        )
    return summarize(book, notes, generate=generate, count=count)


def summarize_topic(
    book: Notebook, topic: str, *, filters: Filters | None = None, generate: bool = True, count: int = SENTENCES
) -> Summary:
    """Summarise what the notes say about a topic, or say that they hold nothing on it.

    Raises:
        InputError: nothing is found.
    """
    hits = search(book, topic, CENTRAL, filters)
    if not hits:
        raise InputError(f'nothing in the notes is about "{topic}"; name it in other words')
    if not _speak_of(book, topic, filters, hits):
        return Summary((), (), False, notes=0, nearest=tuple(hits[:NEAREST]))
    parts = [Part(hit.note, hit.span.start, hit.span.stop) for hit in hits]
    return _summary(book, parts, len({hit.note.id for hit in hits}), generate, count, topic)


def _speak_of(book: Notebook, topic: str, filters: Filters | None, hits: Sequence[Hit]) -> bool:
    """Whether notes that were found speak of a topic: a passage holds all of its words, is alike in meaning, or would answer it
    as a question.

    What has no words besides tags, folders and dates is spoken of by whatever they choose.
    """
    asked = set(content(parse(topic, filters).text))
    if any(asked.issubset(stems(f"{above(hit.note)} {hit.text}")) for hit in hits):
        return True
    if any((one.cosine or 0.0) >= CALLED_ALIKE for one in score(book, topic, CENTRAL, filters)):
        return True
    return gather(book, topic, filters).confidence >= READER.threshold


def _summary(book: Notebook, parts: list[Part], notes: int, generate: bool, count: int, topic: str = "") -> Summary:
    parts = [part for part in parts if part.places]
    if not parts:
        raise InputError("there is nothing to summarise: the notes are empty")
    writer = writer_of(book) if generate else None
    found, wrong = _written(writer, parts, count) if writer else ([], [])
    if found:
        cited = tuple(citation for _, citation in found)
        return Summary(tuple(sentence for sentence, _ in found), cited, True, tuple(wrong), notes)
    cited = tuple(_chosen(book, parts, count, topic))
    own = tuple(" ".join(citation.text.split()) for citation in cited)
    return Summary(own, cited, False, tuple(wrong), notes)


def _central(book: Notebook, notes: Sequence[Note]) -> list[Part]:
    """The passages of notes, or of many the most central ones, in the notes' order."""
    parts, vectors = [], []
    for note in notes:
        rows = book.store.db.execute(
            "SELECT start, stop, vector FROM passage WHERE note = ? ORDER BY start", (note.id,)
        )
        for start, stop, vector in rows:
            parts.append(Part(note, start, stop))
            vectors.append(np.frombuffer(vector or b"", np.int8).astype(np.float32))
    if len(parts) <= CENTRAL or len({len(vector) for vector in vectors}) != 1:
        return parts
    return [parts[at] for at in sorted(_spread(_unit(np.array(vectors)), np.zeros(len(parts)), CENTRAL))]


def _chosen(book: Notebook, parts: list[Part], count: int, topic: str) -> Iterator[Citation]:
    """The most central sentences, no two alike, in their order."""
    found = [(part, place) for part in parts for place in part.places]
    long = [(part, place) for part, place in found if len(part.note.content[slice(*place)].split()) >= SHORTEST]
    found = long or found
    vectors = book.embedder.embed([part.note.content[slice(*place)] for part, place in found])
    extra = np.array([LEAD * (place[0] == part.places[0][0] and part.start == 0) for part, place in found])
    if topic:
        likeness = vectors @ book.embedder.embed([topic])[0]
        about = np.flatnonzero(likeness >= ABOUT * likeness.max())
        found, vectors, extra = [found[at] for at in about], vectors[about], likeness[about]
    for at in sorted(_spread(vectors, extra, count)):
        part, place = found[at]
        yield part.cite(*place)


def _spread(vectors: Vectors, extra: NDArray[np.float64], count: int) -> list[int]:
    """Texts near to the middle of all and far from each other (maximal marginal relevance, Carbonell and Goldstein 1998)."""
    worth = vectors @ _unit(vectors.mean(0, keepdims=True))[0] + extra
    taken: list[int] = []
    while len(taken) < min(count, len(vectors)):
        likeness = (vectors @ vectors[taken].T).max(1) if taken else np.zeros(len(vectors))
        order = np.argsort(-(worth - ALIKE * likeness), kind="stable")
        taken.append(next(int(at) for at in order if at not in taken))
    return taken


def _unit(vectors: Vectors) -> Vectors:
    made: Vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    return made


def _written(writer: Engine, parts: list[Part], count: int) -> tuple[list[tuple[str, Citation]], list[str]]:
    """Generated sentences with their places, and what was claimed without one; long texts part by part (map and reduce)."""
    parts = _joined(parts)
    parts = [parts[at] for at in sorted({round(at) for at in np.linspace(0, len(parts) - 1, PARTS)})]
    found: list[tuple[str, Citation]] = []
    wrong: list[str] = []
    for part in parts:
        kept, missing = _supported(_generated(writer, part.text), [part])
        found += kept[: count if len(parts) == 1 else 1]
        wrong += missing
    if len(found) <= count:
        return found, wrong
    kept, missing = _supported(_generated(writer, " ".join(sentence for sentence, _ in found)), parts)
    return (kept or found)[:count], [*wrong, *missing]


def _joined(parts: list[Part], words: int = 300) -> list[Part]:
    """Neighbouring passages of a note together, up to about so many words."""
    made: list[Part] = []
    for part in parts:
        last = made[-1] if made else None
        size = len(part.text.split())
        if last and last.note.id == part.note.id and len(last.text.split()) + size <= words:
            made[-1] = Part(part.note, last.start, part.stop)
        else:
            made.append(part)
    return made


def _generated(writer: Engine, text: str) -> str:
    return "".join(write(writer, summarising(text), SUMMARY_TOKENS)).strip()


def _supported(text: str, parts: Sequence[Part]) -> tuple[list[tuple[str, Citation]], list[str]]:
    """A generated text's sentences, each with the fewest sentences that make all its claims; and what none makes."""
    kept, wrong = [], []
    for start, stop in sentences(text):
        sentence = text[start:stop]
        if len(sentence.split()) < SHORTEST or not content(sentence) or sentence[-1] not in ".!…\"”'’":
            continue
        if citation := _anchor(sentence, parts):
            kept.append((sentence, citation))
        else:
            claims = unsupported(sentence, [part.text for part in parts])
            wrong += [claim.text for claim in claims] or [sentence]
    return kept, wrong


def _anchor(sentence: str, parts: Sequence[Part]) -> Citation | None:
    """The window of a part's sentences that supports a sentence: with most of its words, and few sentences."""
    own = set(content(sentence))
    best, worth = None, 0.0
    for part in parts:
        places = part.places
        for size in WINDOWS[: len(places)]:
            for at in range(len(places) - size + 1):
                citation = part.cite(places[at][0], places[at + size - 1][1])
                found = len(own & set(content(citation.text))) - EACH * size
                if (best is None or found > worth) and not unsupported(sentence, [citation.text]):
                    best, worth = citation, found
    return best
