"""Vectors of passages while notes come in: taken from where they are known, otherwise made, and kept as they are made."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence

from pocketlm.notes.notebook import ENCODER_SETTING, NO_ENCODER, Notebook, to_bytes
from pocketlm.notes.passages import passages
from pocketlm.notes.store import Store

BATCH = 256  # notes whose passages are encoded between two commits
Part = tuple[int, int, bytes | None]  # a passage and its vector


def parts_of(content: str) -> list[tuple[int, int]]:
    """The passages of a note; an empty one has one, so that its title is found."""
    return passages(content) or [(0, len(content))]


def read_as(content: str, title: str, start: int, stop: int) -> str:
    """What the encoder reads of a passage."""
    return content[start:stop].strip() or title


def vector_key(encoder: str, text: str) -> bytes:
    """By what a passage's vector is found again."""
    return hashlib.sha256(f"{encoder}\0{text}".encode()).digest()[:16]


def is_other_encoder(book: Notebook) -> bool:
    """Whether the file's vectors were made by another encoder than the one at hand."""
    return book.store.setting(ENCODER_SETTING, book.encoder_uri) != book.encoder_uri


class Vectors:
    """Where the vectors of an import come from: other passages of the same text, an import that was interrupted, the encoder."""

    def __init__(self, book: Notebook) -> None:
        self._book, self._db = book, book.store.db
        self._uri = book.encoder_uri
        self._is_other = is_other_encoder(book)
        self.made = 0  # passages that were encoded now

    def keep(self, notes: Sequence[tuple[str, str, Sequence[int]]]) -> None:
        """Make what is missing of some notes: (content, title, numbers of notes that may hold the same passages)."""
        if self._uri == NO_ENCODER:
            return
        missing: dict[bytes, str] = {}
        for content, title, alike in notes:
            texts = dict(self._texts(content, title, parts_of(content)))
            known = self._known(texts, alike)
            missing |= {key: text for key, text in texts.items() if key not in known}
        made = self._encode(missing)
        if made:
            with self._book.store.writing():
                self._db.executemany("INSERT OR IGNORE INTO made_vector VALUES(?, ?)", made.items())

    def parts(self, content: str, title: str, alike: Sequence[int]) -> list[Part]:
        """The passages of a note with their vectors. What another program took away since `keep` is made again."""
        return self._filled(content, title, parts_of(content), alike)

    def swap(self) -> None:
        """Vectors of this encoder in place of those of another one, of every note."""
        for some in all_notes(self._book.store):
            for id, content, title in some:
                places = self._db.execute("SELECT start, stop FROM passage WHERE note = ?", (id,)).fetchall()
                rows = [(vector, id, start) for start, _, vector in self._filled(content, title, places, ())]
                self._db.executemany("UPDATE passage SET vector = ? WHERE note = ? AND start = ?", rows)
        self._book.store.touch()

    def _filled(self, content: str, title: str, places: Sequence[tuple[int, int]], alike: Sequence[int]) -> list[Part]:
        if self._uri == NO_ENCODER:
            return [(*place, None) for place in places]
        texts = dict(self._texts(content, title, places))
        known = self._known(texts, alike)
        known |= self._encode({key: text for key, text in texts.items() if key not in known})
        return [(*place, known.get(vector_key(self._uri, read_as(content, title, *place)))) for place in places]

    def _texts(self, content: str, title: str, places: Sequence[tuple[int, int]]) -> Iterator[tuple[bytes, str]]:
        for place in places:
            if text := read_as(content, title, *place):
                yield vector_key(self._uri, text), text

    def _known(self, texts: Mapping[bytes, str], alike: Sequence[int]) -> dict[bytes, bytes]:
        """The vectors that need not be made."""
        known = {}
        for key in texts:
            if row := self._db.execute("SELECT vector FROM made_vector WHERE hash = ?", (key,)).fetchone():
                known[key] = row[0]
        for id in () if self._is_other or len(known) == len(texts) else alike:
            content, title = self._db.execute("SELECT content, title FROM note WHERE id = ?", (id,)).fetchone()
            rows = self._db.execute(
                "SELECT start, stop, vector FROM passage WHERE note = ? AND vector IS NOT NULL", (id,)
            )
            for start, stop, vector in rows:
                if (key := vector_key(self._uri, read_as(content, title, start, stop))) in texts:
                    known[key] = vector
        return known

    def _encode(self, texts: Mapping[bytes, str]) -> dict[bytes, bytes]:
        if not texts:
            return {}
        self.made += len(texts)
        return dict(zip(texts, to_bytes(self._book.embedder.embed(list(texts.values()))), strict=True))


def all_notes(store: Store) -> Iterator[list[tuple[int, str, str]]]:
    """(number, content, title) of every note, merged ones too, some at a time; no statement stays open between."""
    last = 0
    while rows := store.db.execute(
        "SELECT id, content, title FROM note WHERE id > ? ORDER BY id LIMIT ?", (last, BATCH)
    ).fetchall():
        yield rows
        last = rows[-1][0]
