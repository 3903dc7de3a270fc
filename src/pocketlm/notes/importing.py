"""Notes from files into the notes file: what changed is staged, then encoded, then shown in one transaction.

Staged drafts and finished vectors are kept as they come, so that a killed import goes on where it was. Until the last
transaction the old state answers.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact
from pocketlm.core.progress import progress
from pocketlm.notes.note import Draft, Link
from pocketlm.notes.notebook import ENCODER_SETTING, NO_ENCODER, Notebook, to_bytes
from pocketlm.notes.passages import passages
from pocketlm.notes.sources import Fault, Same, kind_of, read, stamp_of
from pocketlm.notes.store import Store

BATCH = 256  # drafts that are staged, or whose passages are encoded, between two commits
MANY = 1000  # notes from which the index of words is put in order at the end
Part = tuple[int, int, bytes | None]  # a passage and its vector


@dataclass
class Imported:
    """What an import did, in notes. `failed` says why of each, by key."""

    added: int = 0
    changed: int = 0
    renamed: int = 0
    removed: int = 0
    unchanged: int = 0
    encoded: int = 0  # passages whose vectors were made now
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def is_news(self) -> bool:
        """Whether anything is other than before."""
        return bool(self.added or self.changed or self.renamed or self.removed)


def import_notes(book: Notebook, path: Path | str) -> Imported:
    """Bring the notes of a file or folder up to date.

    Another encoder than the one the file was made with encodes all notes anew, in the same last transaction.

    Raises:
        InputError: nothing there that is read as notes. EnvironmentLacks: the encoder is missing; what was staged stays.
    """
    path = Path(path).resolve()
    kind = kind_of(path)
    source = book.store.source(str(path), kind)
    stamp = stamp_of(path) if path.is_file() else ""
    done = Imported()
    if stamp and stamp == book.store.setting(f"stamp {source}") and not _is_other_encoder(book):
        done.unchanged = _count(book.store, source)
        done.failed = _failed(book.store, source)
        return done
    gone = _stage(book.store, source, path, kind, done)
    _encode(book, done)
    with book.store.writing():
        _apply(book, source, gone, done)
        if _is_other_encoder(book):
            _swap_vectors(book)
        book.store.set(ENCODER_SETTING, book.encoder_uri)
        book.store.db.execute("DELETE FROM made_vector")
        book.store.set(f"stamp {source}", stamp if not done.failed else "")
    if done.added + done.changed >= MANY:
        book.store.db.execute("INSERT INTO words(words) VALUES('optimize')")
        book.store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return done


def forget(store: Store, path: Path | str) -> int:
    """Take a source and all its notes out of the notes file; returns how many. The files themselves stay.

    Raises:
        InputError: nothing was imported from there.
    """
    named = str(Path(path).resolve())
    row = store.db.execute("SELECT id FROM source WHERE path = ?", (named,)).fetchone()
    if not row:
        known = [one for (one,) in store.db.execute("SELECT path FROM source WHERE kind <> 'own'")]
        raise InputError(f"{path}: nothing was imported from there; known are {', '.join(known) or 'none'}")
    with store.writing():
        ids = [id for (id,) in store.db.execute("SELECT id FROM note WHERE source = ?", row)]
        for id in ids:
            store.remove(id)
        store.db.execute("DELETE FROM incoming WHERE source = ?", row)
        store.db.execute("DELETE FROM setting WHERE name = ?", (f"stamp {row[0]}",))
        store.db.execute("DELETE FROM source WHERE id = ?", row)
    return len(ids)


def status(store: Store) -> list[dict[str, Any]]:
    """Of each source: path, kind, notes that are indexed, that wait for the end of an import, and that failed, with the reason."""
    found = []
    for id, path, kind in store.db.execute("SELECT id, path, kind FROM source ORDER BY id").fetchall():
        waiting = store.db.execute(
            "SELECT count(*) FROM incoming WHERE source = ? AND state = 'waiting'", (id,)
        ).fetchone()[0]
        found.append(
            {"path": path, "kind": kind, "indexed": _count(store, id), "waiting": waiting, "failed": _failed(store, id)}
        )
    return found


def state_of(store: Store, source: int, key: str) -> str:
    """ "indexed", "waiting" or "failed because ..."; what failed or waits may have an older version that is indexed."""
    row = store.db.execute("SELECT state, why FROM incoming WHERE source = ? AND key = ?", (source, key)).fetchone()
    if row:
        return f"failed because it {row[1]}" if row[0] == "failed" else str(row[0])
    known = store.db.execute("SELECT 1 FROM note WHERE source = ? AND key = ?", (source, key)).fetchone()
    return "indexed" if known else "unknown"


# Staging: what is other than before


def _stage(store: Store, source: int, path: Path, kind: str, done: Imported) -> set[str]:
    """Put drafts that are new or changed into `incoming`; returns the keys that are no longer there."""
    rows = store.db.execute("SELECT key, hash, stamp FROM note WHERE source = ?", (source,)).fetchall()
    known = {key: (hash, stamp) for key, hash, stamp in rows}
    stale = {key for (key,) in store.db.execute("SELECT key FROM incoming WHERE source = ?", (source,))}
    # a file that failed is read again though its stamp is known
    stamps = {key: stamp for key, (_, stamp) in known.items() if stamp and key not in stale}
    seen: set[str] = set()
    for some in _batches(read(path, kind, stamps), BATCH):
        with store.writing():
            for found in some:
                seen.add(found.key)
                _stage_one(store, source, found, known.get(found.key, ("", ""))[0], done)
    with store.writing():
        store.db.executemany(
            "DELETE FROM incoming WHERE source = ? AND key = ?", [(source, key) for key in stale - seen]
        )
    return set(known) - seen


def _stage_one(store: Store, source: int, found: Draft | Fault | Same, hash: str, done: Imported) -> None:
    if isinstance(found, Fault):
        done.failed[found.key] = found.why
        row = (source, found.key, "{}", "", "failed", found.why)
    elif isinstance(found, Same) or hash_of(found) == hash:
        done.unchanged += 1
        store.db.execute("DELETE FROM incoming WHERE source = ? AND key = ?", (source, found.key))
        if isinstance(found, Draft) and found.stamp:
            store.db.execute("UPDATE note SET stamp = ? WHERE source = ? AND key = ?", (found.stamp, source, found.key))
        return
    else:
        row = (source, found.key, dump_compact(asdict(found)), hash_of(found), "waiting", "")
    store.db.execute("INSERT OR REPLACE INTO incoming VALUES(?, ?, ?, ?, ?, ?)", row)


def hash_of(draft: Draft) -> str:
    """Of the text, and behind it of all the rest but key, folder and stamp."""
    rest = dump_compact([draft.title, draft.date, draft.folder, list(draft.tags), draft.head])
    return _short(draft.content) + _short(rest)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _waiting(store: Store, source: int | None = None) -> Iterator[list[tuple[int, Draft, str]]]:
    """(source, draft, hash) of what waits, some at a time."""
    at: tuple[Any, ...] = (-1, "")
    where = "state = 'waiting' AND (source, key) > (?, ?)" + (f" AND source = {source}" if source else "")
    while rows := store.db.execute(
        f"SELECT source, key, draft, hash FROM incoming WHERE {where} ORDER BY source, key LIMIT {BATCH}", at
    ).fetchall():
        yield [(own, _draft(json.loads(told)), hash) for own, _, told, hash in rows]
        at = rows[-1][:2]


def _draft(told: dict[str, Any]) -> Draft:
    links = tuple(Link(**link) for link in told.pop("links"))
    return Draft(**{**told, "tags": tuple(told["tags"]), "links": links})


# Encoding: a vector for every passage


def parts_of(content: str) -> list[tuple[int, int]]:
    """The passages of a note; an empty one has one, so that its title is found."""
    return passages(content) or [(0, len(content))]


def read_as(content: str, title: str, start: int, stop: int) -> str:
    """What the encoder reads of a passage."""
    return content[start:stop].strip() or title


def _encode(book: Notebook, done: Imported) -> None:
    """Make the vectors that are missing and keep them."""
    if book.encoder_uri == NO_ENCODER:
        return
    store, other = book.store, _is_other_encoder(book)
    total = store.db.execute("SELECT count(*) FROM incoming WHERE state = 'waiting'").fetchone()[0]
    total += store.count() if other else 0
    with progress("Reading notes", total) as tick:
        for some in _waiting(store):
            _encode_some(book, [(draft.content, draft.title) for _, draft, _ in some], done)
            tick(len(some))
        for batch in _batches(store.notes(order="note.id"), BATCH) if other else ():
            _encode_some(book, [(note.content, note.title) for note in batch], done)
            tick(len(batch))


def _encode_some(book: Notebook, texts: Sequence[tuple[str, str]], done: Imported) -> None:
    pieces = {
        vector_key(book.encoder_uri, text): text
        for content, title in texts
        for start, stop in parts_of(content)
        if (text := read_as(content, title, start, stop))
    }
    missing = [key for key in pieces if _vector(book, key) is None]
    if not missing:
        return
    made = to_bytes(book.embedder.embed([pieces[key] for key in missing]))
    with book.store.writing():
        book.store.db.executemany("INSERT OR IGNORE INTO made_vector VALUES(?, ?)", zip(missing, made, strict=True))
    done.encoded += len(missing)


def vector_key(encoder: str, text: str) -> bytes:
    """By what a passage's vector is found again."""
    return hashlib.sha256(f"{encoder}\0{text}".encode("utf-8", "surrogatepass")).digest()[:16]


def _vector(book: Notebook, key: bytes) -> bytes | None:
    row = book.store.db.execute("SELECT vector FROM made_vector WHERE hash = ?", (key,)).fetchone()
    return row[0] if row else None


def _is_other_encoder(book: Notebook) -> bool:
    return book.store.setting(ENCODER_SETTING, book.encoder_uri) != book.encoder_uri


# Applying: all at once


def _apply(book: Notebook, source: int, gone: set[str], done: Imported) -> None:
    """Everything that waits becomes what is searched; what is gone leaves, unless it came back under another key."""
    store = book.store
    rows = store.db.execute("SELECT key, id, hash FROM note WHERE source = ?", (source,)).fetchall()
    ids = {key: id for key, id, _ in rows}
    moved = {hash[:32]: key for key, _, hash in rows if key in gone}  # by text
    for some in _waiting(store):
        for own, draft, hash in some:
            id = ids.get(draft.key) if own == source else _id(store, own, draft.key)
            if id is None and own == source and (before := moved.pop(hash[:32], None)):
                id = ids[before]
                gone.discard(before)
                done.renamed += 1
            elif id is None:
                done.added += 1
            else:
                done.changed += 1
            store.put(own, draft, hash, _parts(book, draft), id)
    store.db.execute("DELETE FROM incoming WHERE state = 'waiting'")
    for key in gone:
        store.remove(ids[key])
    done.removed = len(gone)


def _parts(book: Notebook, draft: Draft) -> Iterator[Part]:
    for start, stop in parts_of(draft.content):
        text = read_as(draft.content, draft.title, start, stop)
        yield start, stop, _vector(book, vector_key(book.encoder_uri, text)) if text else None


def _swap_vectors(book: Notebook) -> None:
    """Vectors of the new encoder in place of the old ones."""
    store = book.store
    for note in store.notes(order="note.id"):
        for passage in store.passages(note.id):
            text = read_as(note.content, note.title, passage.span.start, passage.span.stop)
            vector = _vector(book, vector_key(book.encoder_uri, text)) if text else None
            if vector is not None or book.encoder_uri == NO_ENCODER:
                store.db.execute("UPDATE passage SET vector = ? WHERE id = ?", (vector, passage.id))
    store.touch()


def _id(store: Store, source: int, key: str) -> int | None:
    row = store.db.execute("SELECT id FROM note WHERE source = ? AND key = ?", (source, key)).fetchone()
    return row[0] if row else None


def _count(store: Store, source: int) -> int:
    return int(
        store.db.execute("SELECT count(*) FROM note WHERE source = ? AND merged IS NULL", (source,)).fetchone()[0]
    )


def _failed(store: Store, source: int) -> dict[str, str]:
    rows = store.db.execute(
        "SELECT key, why FROM incoming WHERE source = ? AND state = 'failed' ORDER BY key", (source,)
    )
    return dict(rows.fetchall())


def _batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    some: list[Any] = []
    for item in items:
        some.append(item)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some


def watch(book: Notebook, path: Path | str, tell: Callable[[Imported], None], stop: Any = None) -> None:
    """Import whenever something under a path changes, until `stop` (a threading.Event) is set or the user interrupts.

    Raises:
        EnvironmentLacks: watchfiles is not installed.
    """
    from pocketlm.core.extras import need

    library = need("watchfiles", "following a folder", "notes")
    book.embedder  # noqa: B018 - opened now, so that the first change need not wait for it
    place = Path(path).resolve()
    for _ in library.watch(place, stop_event=stop, debounce=200, step=50, raise_interrupt=True):
        if place.exists():
            tell(import_notes(book, place))
