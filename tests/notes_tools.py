"""Notes files for tests, made in memory or in a folder, with an embedder that needs no model."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook, to_bytes
from pocketlm.notes.passages import passages
from pocketlm.notes.store import Store

SAME = {
    "car": "automobile",
    "physician": "doctor",
    "illness": "sickness",
    "purchased": "bought",
}  # words of one meaning


class FakeEmbedder:
    """A direction for every word, the same for words of one meaning; a text is the sum of its words."""

    uri = "fake"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        vectors = np.array([sum(map(_direction, _words(text)), np.zeros(64)) for text in texts], dtype=np.float32)
        vectors = vectors.reshape(-1, 64)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def close(self) -> None:
        pass


def make_notebook(folder: Path, drafts: Sequence[Draft | str], *, source: str = "/vault") -> Notebook:
    """A notes file that holds these notes, indexed; a string is a note's text, its key is its place."""
    book = Notebook(folder / "notes.db", encoder=FakeEmbedder(), generator="none")
    own = book.store.source(source, "json")
    for number, given in enumerate(drafts):
        add_note(book, own, given if isinstance(given, Draft) else Draft(str(number), given))
    return book


def add_note(book: Notebook, source: int, draft: Draft, id: int | None = None) -> int:
    """Put one note into the store as an import would."""
    places = passages(draft.content)
    vectors = to_bytes(book.embedder.embed([draft.content[start:stop] for start, stop in places]))
    parts = [(start, stop, vector) for (start, stop), vector in zip(places, vectors, strict=True)]
    return book.store.put(source, draft, hashlib.sha256(draft.content.encode()).hexdigest(), parts, id)


def plans(store: Store, act: Callable[[], object]) -> list[str]:
    """How SQLite goes about what an act asks of the notes file: SCAN reads a whole table or index, SEARCH looks up."""
    said: list[str] = []
    store.db.set_trace_callback(said.append)
    act()
    store.db.set_trace_callback(None)
    asked = [sql for sql in said if sql.startswith(("SELECT", "WITH", "UPDATE", "DELETE"))]
    return [row[3] for sql in asked for row in store.db.execute(f"EXPLAIN QUERY PLAN {sql}")]


def _words(text: str) -> list[str]:
    return [SAME.get(word, word) for word in re.findall(r"\w+", text.lower())]


def _direction(word: str) -> NDArray[np.float64]:
    seed = int.from_bytes(hashlib.sha256(word.encode()).digest()[:4], "big")
    return np.random.default_rng(seed).standard_normal(64)
