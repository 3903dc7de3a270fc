"""Notes and passages as directions, read from the notes file: nothing is embedded again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pocketlm.notes.notebook import Notebook
from pocketlm.notes.store import Store

Vectors = NDArray[np.float32]
Ints = NDArray[np.int64]
CACHE = "note vectors"
AT_ONCE = 20_000  # passages read together
BLOCK = 2_000_000  # likenesses held at once
SMALL = 1e-9


@dataclass(frozen=True)
class NoteVectors:
    """Every note that has a passage with a vector.

    Attributes:
        ids: (notes,), rising.
        vectors: (notes, width), each the mean of its passages' directions, of length 1.
    """

    ids: Ints
    vectors: Vectors

    def place(self, note: int) -> int | None:
        """The row of a note; None where it has no vector."""
        at = int(np.searchsorted(self.ids, note))
        return at if at < len(self.ids) and self.ids[at] == note else None


def note_vectors(book: Notebook) -> NoteVectors:
    """The notes' vectors as the file stands; kept until it changes."""
    version = book.store.version
    kept = book.caches.get(CACHE)
    if kept is None or kept[0] != version:
        kept = (version, _read(book.store))
        book.caches[CACHE] = kept
    found: NoteVectors = kept[1]
    return found


def directions(codes: Sequence[bytes]) -> Vectors:
    """Stored vectors -> (vectors, width), each of length 1."""
    if not codes:
        return np.zeros((0, 0), np.float32)
    return unit(np.frombuffer(b"".join(codes), np.int8).reshape(len(codes), -1).astype(np.float32))


def unit(vectors: Vectors) -> Vectors:
    """Rows brought to length 1; a row of zeros stays."""
    return np.asarray(vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), SMALL), np.float32)


def nearest(vectors: Vectors, queries: Vectors, count: int) -> tuple[Ints, Vectors]:
    """The rows most like each query: places (queries, count) and cosines, the most like first."""
    count = min(count, len(vectors))
    places = np.zeros((len(queries), count), np.int64)
    cosines = np.zeros((len(queries), count), np.float32)
    step = max(1, BLOCK // max(1, len(vectors)))
    for start in range(0, len(queries), step):
        likeness = queries[start : start + step] @ vectors.T
        top = np.argpartition(-likeness, count - 1, axis=1)[:, :count] if count else places[start : start + step]
        of_top = np.take_along_axis(likeness, top, axis=1)
        order = np.argsort(-of_top, axis=1, kind="stable")
        places[start : start + step] = np.take_along_axis(top, order, axis=1)
        cosines[start : start + step] = np.take_along_axis(of_top, order, axis=1)
    return places, cosines


def _read(store: Store) -> NoteVectors:
    cursor = store.db.execute(
        "SELECT passage.note, passage.vector FROM passage JOIN note ON note.id = passage.note"
        " WHERE note.merged IS NULL AND passage.vector IS NOT NULL ORDER BY passage.note"
    )
    ids: list[Ints] = []
    sums: list[Vectors] = []
    while rows := cursor.fetchmany(AT_ONCE):
        found, firsts = np.unique(np.array([row[0] for row in rows], dtype=np.int64), return_index=True)
        part = np.add.reduceat(directions([row[1] for row in rows]), firsts, axis=0)
        if ids and ids[-1][-1] == found[0]:  # a note whose passages fell into two parts
            part[0] += sums[-1][-1]
            ids[-1], sums[-1] = ids[-1][:-1], sums[-1][:-1]
        ids.append(found)
        sums.append(part)
    if not ids:
        return NoteVectors(np.zeros(0, np.int64), np.zeros((0, 0), np.float32))
    return NoteVectors(np.concatenate(ids), unit(np.concatenate(sums)))
