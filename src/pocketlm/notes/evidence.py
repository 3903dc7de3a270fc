"""The places of a person's notes where the answer to a question may stand: what search finds, read sentence by sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from pocketlm.notes.note import Note, Passage
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.query import Filters, parse
from pocketlm.notes.reading import WEIGHTS, Page, Reading, Weights, above, read
from pocketlm.notes.search import Hit, search
from pocketlm.notes.store import Store
from pocketlm.notes.terms import fold
from pocketlm.notes.words import held, quoted

PASSAGES = 6  # that are read for a question
EACH = 2  # of one note at the most


@dataclass(frozen=True)
class Evidence:
    """What was read for a question: the hits as search orders them, and the best place of each, the best first."""

    hits: tuple[Hit, ...]
    readings: tuple[Reading, ...]
    notes: dict[int, Note]

    @property
    def confidence(self) -> float:
        """The chance that the notes hold the answer."""
        return self.readings[0].confidence if self.readings else 0.0


def gather(
    book: Notebook,
    question: str,
    filters: Filters | None = None,
    *,
    today: datetime | None = None,
    weights: Weights = WEIGHTS,
) -> Evidence:
    """Search and read. What the question says of tags, folders and dates chooses the notes and is not sought in them."""
    hits = find(book, question, filters, today)
    asked = parse(question, filters).text or question
    readings = read(asked, pages_of(hits), book.embedder, rarity(book.store), weights)
    return Evidence(tuple(hits), tuple(readings), {hit.note.id: hit.note for hit in hits})


def find(book: Notebook, question: str, filters: Filters | None = None, today: datetime | None = None) -> list[Hit]:
    """The passages that are read."""
    return search(book, question, PASSAGES, filters, today=today, each=EACH)


def pages_of(hits: list[Hit]) -> list[Page]:
    """Hits as they are read."""
    return [Page(Passage(0, hit.span, hit.text), above(hit.note), hit.note.written is not None) for hit in hits]


def rarity(store: Store) -> Callable[[str], float]:
    """A function from words to how rare they are: the weight of BM25 (Robertson and Zaragoza 2009), at least a little."""
    total = int(store.db.execute("SELECT count(*) FROM passage").fetchone()[0])

    def weight(word: str) -> float:
        found = min(held(store.db, quoted(fold(word))), total)
        return math.log(1 + (total - found + 0.5) / (found + 0.5))

    return weight
