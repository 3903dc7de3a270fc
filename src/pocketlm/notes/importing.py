"""Notes from files into the notes file: what changed is staged, then encoded, then shown in one transaction.

Staged drafts and finished vectors are kept as they come, so that a killed import goes on where it was. Until the last
transaction the old state answers.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path, PurePosixPath
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact
from pocketlm.core.progress import counting, progress
from pocketlm.notes.encoding import Vectors, all_notes, is_other_encoder
from pocketlm.notes.note import Draft, Link
from pocketlm.notes.notebook import ENCODER_SETTING, Notebook
from pocketlm.notes.sources import Fault, Found, Same, kind_of, read, stamp_of
from pocketlm.notes.store import OWN, Busy, Store

BATCH = 256  # drafts that are staged between two commits, or held at once
TEXT = 32  # letters of a hash that are of the text alone
MANY = 1000  # notes from which the index of words is put in order at the end
CACHE_KB = 64 * 1024  # of the database's pages while much is written


@dataclass
class Imported:
    """What an import did, in notes. `failed` says why of each, by key.

    Attributes:
        unchanged: as they were, or brought up to date by another import meanwhile.
        kept: no longer found, but kept since a part of the source could not be read.
        encoded: passages whose vectors were made now.
    """

    added: int = 0
    changed: int = 0
    renamed: int = 0
    removed: int = 0
    unchanged: int = 0
    kept: int = 0
    encoded: int = 0
    seconds: float = 0.0
    failed: dict[str, str] = field(default_factory=dict)

    @property
    def is_news(self) -> bool:
        """Whether anything is other than before."""
        return bool(self.added or self.changed or self.renamed or self.removed)


def import_notes(book: Notebook, path: Path | str) -> Imported:
    """Bring the notes of a file or folder up to date.

    Another encoder than the one the file was made with encodes all notes anew, in the same last transaction. A source that
    cannot be read is kept as failed, until it can be read or is forgotten.

    Raises:
        InputError: nothing there that is read as notes, or nothing any more where notes were. EnvironmentLacks: the encoder is
            missing; what was staged stays.
    """
    began = time.perf_counter()
    path, store, done = Path(path).resolve(), book.store, Imported()
    with _keeping_fault(store, path):
        kind = kind_of(path)
        source = store.source(str(path), kind)
        stamp = stamp_of(path) if path.is_file() else ""
        if stamp and stamp == store.setting(f"stamp {source}") and not is_other_encoder(book):
            _set(store, f"fault {source}", "")
            return Imported(unchanged=_count(store, source), failed=_failed(store, source))
        store.db.execute(f"PRAGMA cache_size = -{CACHE_KB}")
        found, gone = _stage(store, source, path, kind, done)
    vectors = Vectors(book)
    _encode(book, source, vectors)
    with store.writing():
        _apply(store, source, gone, vectors, done)
        _set(store, f"fault {source}", "")
        if is_other_encoder(book):
            vectors.swap()
        _set(store, ENCODER_SETTING, book.encoder_uri)
        _set(store, f"stamp {source}", "" if done.kept else stamp)
        if not _waits(store):
            store.db.execute("DELETE FROM made_vector")
    done.encoded = vectors.made
    done.unchanged += max(0, found - done.unchanged - done.added - done.changed - done.renamed - len(done.failed))
    if done.added + done.changed >= MANY:
        with store.writing():
            store.db.execute("INSERT INTO words(words) VALUES('optimize')")
        store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    done.seconds = round(time.perf_counter() - began, 2)
    return done


@contextmanager
def _keeping_fault(store: Store, path: Path) -> Iterator[None]:
    """Keep why a source that is known cannot be read.

    Raises:
        InputError: also for what the operating system refuses.
    """
    try:
        try:
            yield
        except OSError as error:
            raise InputError(
                f"{path}: cannot be read ({error.strerror or error}); mend that and import again"
            ) from None
    except Busy:
        raise
    except InputError as error:
        row = store.db.execute("SELECT id FROM source WHERE path = ?", (str(path),)).fetchone()
        if row:
            _set(store, f"fault {row[0]}", _without(path, error))
        raise


def _without(path: Path | str, error: InputError) -> str:
    """What is wrong with a path, its name left out."""
    return str(error).removeprefix(f"{path}: ")


def import_all(book: Notebook) -> dict[str, Imported]:
    """Bring every source up to date, by its path; with another encoder than before the notes that have no source are encoded too.

    One that cannot be read keeps no other from it: its notes stay, and it is told as failed under its own path.

    Raises:
        InputError: nothing was imported yet. Busy: see `Store.writing`. EnvironmentLacks: as `import_notes`.
    """
    store = book.store
    paths = [path for (path,) in store.db.execute("SELECT path FROM source WHERE kind <> 'own' ORDER BY id")]
    if not paths and not store.count():
        raise InputError(f"{store.path}: nothing was imported yet; name a folder or file of notes")
    done: dict[str, Imported] = {}
    for path in paths:
        try:
            done[path] = import_notes(book, path)
        except Busy:  # no fault of the source's; the others would wait as long
            raise
        except InputError as error:
            done[path] = Imported(failed={path: _without(path, error)})
    if is_other_encoder(book):
        vectors = Vectors(book)
        _encode(book, 0, vectors)
        with store.writing():
            vectors.swap()
            _set(store, ENCODER_SETTING, book.encoder_uri)
        done[OWN] = Imported(unchanged=store.count(), encoded=vectors.made)
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
        store.db.execute("DELETE FROM setting WHERE name IN (?, ?)", (f"stamp {row[0]}", f"fault {row[0]}"))
        store.db.execute("DELETE FROM source WHERE id = ?", row)
    return len(ids)


def status(store: Store) -> list[dict[str, Any]]:
    """Of each source: path, kind, notes that are indexed, that wait for the end of an import, and that failed, with the reason.

    A source that could not be read as a whole is among its own failures.
    """
    found = []
    for id, path, kind in store.db.execute("SELECT id, path, kind FROM source ORDER BY id").fetchall():
        counts = {"indexed": _count(store, id), "waiting": _waits(store, id)}
        fault = store.setting(f"fault {id}")
        failed = ({path: fault} if fault else {}) | _failed(store, id)
        found.append({"path": path, "kind": kind, **counts, "failed": failed})
    return found


def states_of(store: Store, key: str) -> dict[str, str]:
    """Of each source that has a note of this key: "indexed", "waiting" or "failed because it ..."; of what failed or waits an older
    version may be indexed.

    Raises:
        InputError: no source has it.
    """
    found = {
        path: f"failed because it {why}" if state == "failed" else state
        for path, state, why in store.db.execute(
            "SELECT path, coalesce(state, 'indexed'), why FROM source LEFT JOIN incoming ON source = source.id AND key = ?1"
            " WHERE state IS NOT NULL OR EXISTS (SELECT 1 FROM note WHERE note.source = source.id AND note.key = ?1)",
            (key,),
        )
    }
    if not found:
        raise InputError(
            f'{store.path}: no source has a note "{key}"; `pocketlm notes search` shows what notes are called'
        )
    return found


# Staging: what is other than before


def _stage(store: Store, source: int, path: Path, kind: str, done: Imported) -> tuple[int, set[str]]:
    """Put drafts that are new or changed into `incoming`; returns how many notes were found, and the keys of those that are gone.

    Raises:
        InputError: none is there any more.
    """
    rows = store.db.execute("SELECT key, hash, stamp FROM note WHERE source = ?", (source,)).fetchall()
    known = {key: (hash, stamp) for key, hash, stamp in rows}
    stale = {key for (key,) in store.db.execute("SELECT key FROM incoming WHERE source = ?", (source,))}
    # a file that failed is read again though its stamp is known
    stamps = {key: stamp for key, (_, stamp) in known.items() if stamp and key not in stale}
    seen: set[str] = set()
    is_whole = True
    with counting(f"Looking at {path.name}") as tick:
        for some in _batches(read(path, kind, stamps)):
            with store.writing():
                for found in some:
                    tick()
                    seen.add(found.key)
                    is_whole = is_whole and not (isinstance(found, Fault) and found.hides)
                    _stage_one(store, source, found, known.get(found.key, ("", ""))[0], stale, done)
    gone = known.keys() - seen
    if gone and not seen:  # a drive that is not there looks like this
        raise InputError(
            f"{path}: holds no notes now, but {len(gone)} came from there; put them back, or `pocketlm notes forget {path}`"
        )
    with store.writing():
        store.db.executemany(
            "DELETE FROM incoming WHERE source = ? AND key = ? AND (state = 'failed' OR ?)",
            [(source, key, is_whole) for key in stale - seen],
        )
    if not is_whole:
        done.kept, gone = len(gone), set()
    return len(seen), gone


def _stage_one(store: Store, source: int, found: Found, hash: str, stale: set[str], done: Imported) -> None:
    if isinstance(found, Fault):
        done.failed[found.key] = found.why
        row = (source, found.key, "{}", "", "failed", found.why)
    elif isinstance(found, Same) or hash_of(found) == hash:
        done.unchanged += 1
        if found.key in stale:
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
    return hashlib.sha256(text.encode()).hexdigest()[:TEXT]


def _waiting(store: Store, source: int) -> Iterator[list[tuple[Draft, str]]]:
    """Drafts that wait, with their hashes, some at a time."""
    key = ""
    while rows := store.db.execute(
        "SELECT key, draft, hash FROM incoming WHERE source = ? AND state = 'waiting' AND key > ? ORDER BY key LIMIT ?",
        (source, key, BATCH),
    ).fetchall():
        yield [(_draft(json.loads(told)), hash) for _, told, hash in rows]
        key = rows[-1][0]


def _draft(told: dict[str, Any]) -> Draft:
    links = tuple(Link(**link) for link in told.pop("links"))
    return Draft(**{**told, "tags": tuple(told["tags"]), "links": links})


def _encode(book: Notebook, source: int, vectors: Vectors) -> None:
    """Make the vectors that are missing and keep them: of what waits of a source (0: of none), and with another encoder of all notes."""
    store, other = book.store, is_other_encoder(book)
    total = (_waits(store, source) if source else 0) + (
        store.db.execute("SELECT count(*) FROM note").fetchone()[0] if other else 0
    )
    with progress("Reading notes", total) as tick:
        for some in _waiting(store, source) if source else ():
            vectors.keep([(one.content, one.title, _alike(store, source, one.key, hash)) for one, hash in some])
            tick(len(some))
        for notes in all_notes(store) if other else ():
            vectors.keep([(content, title, ()) for _, content, title in notes])
            tick(len(notes))


def _alike(store: Store, source: int, key: str, hash: str) -> list[int]:
    """Notes whose passages may be those of a draft: the one it takes the place of, and one of the same text."""
    rows = store.db.execute(
        "SELECT id FROM note WHERE source = ? AND key = ? UNION SELECT * FROM"
        " (SELECT id FROM note WHERE hash BETWEEN ? AND ? || 'g' LIMIT 1)",
        (source, key, hash[:TEXT], hash[:TEXT]),
    )
    return [id for (id,) in rows.fetchall()]


# Applying: all at once


def _apply(store: Store, source: int, gone: set[str], vectors: Vectors, done: Imported) -> None:
    """Everything that waits becomes what is searched; what is gone leaves, unless it came back under another key."""
    rows = store.db.execute("SELECT key, id, hash FROM note WHERE source = ?", (source,)).fetchall()
    ids = {key: id for key, id, _ in rows}
    gone &= ids.keys()  # another import may have been quicker
    moved: dict[str, list[str]] = {}  # by text
    for key, _, hash in rows:
        if key in gone:
            moved.setdefault(hash[:TEXT], []).append(key)
    with progress("Indexing notes", _waits(store, source)) as tick:
        for some in _waiting(store, source):
            for draft, hash in some:
                before = draft.key if draft.key in ids else _renamed(draft, moved.get(hash[:TEXT], []))
                done.changed += before == draft.key
                done.renamed += before not in (None, draft.key)
                done.added += before is None
                parts = vectors.parts(draft.content, draft.title, _alike(store, source, draft.key, hash))
                store.put(source, draft, hash, parts, ids[before] if before else None)
                gone.discard(before or "")
            tick(len(some))
    store.db.execute("DELETE FROM incoming WHERE source = ? AND state = 'waiting'", (source,))
    for key in gone:
        store.remove(ids[key])
    done.removed = len(gone)


def _renamed(draft: Draft, candidates: list[str]) -> str | None:
    """The key that a note had before; `candidates` had its text. Notes without text are told apart by their names alone."""
    name = PurePosixPath(draft.key).name
    same = [key for key in candidates if PurePosixPath(key).name == name]
    found = next(iter(same or (candidates if draft.content.strip() else [])), None)
    if found:
        candidates.remove(found)
    return found


def _waits(store: Store, source: int | None = None) -> int:
    where, values = ("AND source = ?", (source,)) if source else ("", ())
    return int(store.db.execute(f"SELECT count(*) FROM incoming WHERE state = 'waiting' {where}", values).fetchone()[0])


def _set(store: Store, name: str, value: str) -> None:
    """An import that finds nothing new writes nothing."""
    if store.setting(name) != value:
        store.set(name, value)


def _count(store: Store, source: int) -> int:
    return int(
        store.db.execute("SELECT count(*) FROM note WHERE source = ? AND merged IS NULL", (source,)).fetchone()[0]
    )


def _failed(store: Store, source: int) -> dict[str, str]:
    rows = store.db.execute(
        "SELECT key, why FROM incoming WHERE source = ? AND state = 'failed' ORDER BY key", (source,)
    )
    return dict(rows.fetchall())


def _batches(items: Iterable[Found]) -> Iterator[list[Found]]:
    items = iter(items)
    while some := list(islice(items, BATCH)):
        yield some
