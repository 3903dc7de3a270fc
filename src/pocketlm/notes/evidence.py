"""The places of a person's notes where the answer to a question may stand: what search finds, read sentence by sentence."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pocketlm.notes.note import Note, Passage
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.reading import WEIGHTS, Page, Reading, Weights, above, read
from pocketlm.notes.search import Filters, Hit, search
from pocketlm.notes.store import Store

PASSAGES = 6  # that are read for a question


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


def gather(book: Notebook, question: str, filters: Filters | None = None, weights: Weights = WEIGHTS) -> Evidence:
    """Search and read."""
    hits = search(book, question, PASSAGES, filters)
    readings = read(question, pages_of(hits), book.embedder, rarity(book.store), weights)
    return Evidence(tuple(hits), tuple(readings), {hit.note.id: hit.note for hit in hits})


def pages_of(hits: list[Hit]) -> list[Page]:
    """Hits as they are read."""
    return [Page(Passage(0, hit.span, hit.text), above(hit.note), hit.note.written is not None) for hit in hits]


def rarity(store: Store) -> Callable[[str], float]:
    """A function from words to how rare they are: the weight of BM25 (Robertson and Zaragoza 2009), at least a little."""
    total = int(store.db.execute("SELECT count(*) FROM passage").fetchone()[0])

    def weight(word: str) -> float:
        quoted = '"' + word.replace('"', "") + '"'
        (held,) = store.db.execute("SELECT count(*) FROM words WHERE words MATCH ?", (quoted,)).fetchone()
        return math.log(1 + (total - held + 0.5) / (held + 0.5))

    return weight
