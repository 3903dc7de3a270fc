"""Notes that are made here, not imported."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from itertools import count

from pocketlm.core.errors import InputError
from pocketlm.notes.encoding import parts_of, read_as
from pocketlm.notes.importing import hash_of
from pocketlm.notes.note import Draft, Note
from pocketlm.notes.notebook import ENCODER_SETTING, Notebook, to_bytes
from pocketlm.notes.store import OWN


def create_note(
    book: Notebook, text: str, title: str = "", tags: Sequence[str] = (), written: datetime | None = None
) -> Note:
    """Write a note into the notes file and index it; no file of the user's is touched.

    Args:
        written: by default now, in local time.

    Raises:
        InputError: the text is blank, or the file's vectors are made by another encoder.
    """
    if not text.strip():
        raise InputError("a note needs a text")
    book.check_encoder()
    date = (written or datetime.now()).isoformat(timespec="minutes")
    source = book.store.source(OWN, OWN)
    places = parts_of(text)
    vectors = to_bytes(book.embedder.embed([read_as(text, title, *place) for place in places]))
    parts = [(start, stop, vector or None) for (start, stop), vector in zip(places, vectors, strict=True)]
    with book.store.writing():
        key = _free_key(book, source, date.replace("T", " "))
        draft = Draft(key, text, title, date, tags=tuple(tags))
        book.store.set(ENCODER_SETTING, book.encoder_uri)
        return book.store.note(book.store.put(source, draft, hash_of(draft), parts))


def _free_key(book: Notebook, source: int, key: str) -> str:
    """The key, or with a number behind it where another note has it."""
    rows = book.store.db.execute("SELECT key FROM note WHERE source = ?", (source,))
    taken = {row[0] for row in rows}
    return next(name for number in count(1) if (name := key if number == 1 else f"{key} ({number})") not in taken)
