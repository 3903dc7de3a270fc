"""The notes file: one SQLite database that any program can read, changed in whole transactions only.

Readers see the last complete state while a writer works (write-ahead log). The tables are in schema.py.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.extras import need
from pocketlm.core.files import dump_compact
from pocketlm.notes.note import Draft, Link, Note, Passage, Span
from pocketlm.notes.schema import APPLICATION, MIGRATIONS

OWN = "own"  # the source of notes that are made here
WAIT_S = 30  # for another writer
COLUMNS = "note.id, note.key, note.content, note.title, note.date, note.folder, source.path"
NOTES = f"SELECT {COLUMNS} FROM note JOIN source ON source.id = note.source"
ALIVE = "note.merged IS NULL"
DIGITS = 19  # from which on a number may be too large for SQLite


class Busy(InputError):
    """Another program has been writing for too long."""


class Store:
    """An open notes file. One object belongs to one thread; several may be open at once.

    Args:
        path: the file; it is made where there is none.
        password: of an encrypted file (SQLCipher, through the library sqlcipher3).

    Raises:
        InputError: not a notes file, one of a newer version, or a wrong password. EnvironmentLacks: no FTS5, or no sqlcipher3.
    """

    def __init__(self, path: Path | str, *, password: str = "", must_exist: bool = False) -> None:
        self.path = Path(path)
        if must_exist and not self.path.is_file():
            raise InputError(
                f"{self.path}: no such notes file; make one: pocketlm notes import FOLDER --db {self.path}"
            )
        self.db: Any = _connect(self.path, password)
        try:
            _migrate(self.db, self.path)
        except BaseException:
            self.db.close()
            raise

    def __enter__(self) -> Store:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back."""
        self.db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All changes inside become visible together, or none does. Inside another `writing` it is part of that one.

        Raises:
            Busy: another program has been writing for half a minute.
        """
        if self.db.in_transaction:
            yield
            return
        _begin(self.db, self.path)
        try:
            yield
        except BaseException:
            self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    # settings

    def setting(self, name: str, default: str = "") -> str:
        """A setting's value."""
        row = self.db.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else default

    def set(self, name: str, value: str) -> None:
        """Change a setting."""
        with self.writing():
            self.db.execute("INSERT OR REPLACE INTO setting VALUES(?, ?)", (name, value))

    @property
    def version(self) -> int:
        """Grows with every change of notes or passages; whoever keeps an index beside the file compares it."""
        return int(self.setting("version", "0"))

    # reading

    def note(self, id: int) -> Note:
        """Raises InputError: there is no such note (any more)."""
        row = self.db.execute(f"{NOTES} WHERE note.id = ?", (id,)).fetchone()
        if not row:
            raise InputError(f"{self.path}: has no note {id}; it may have been deleted")
        return Note(*row)

    def find(self, name: str) -> Note:
        """The note that people name by its number (`#12` or `12`), key or title; of one that is merged, what stands for it.

        Raises:
            InputError: none is called so, or several.
        """
        number = name.removeprefix("#")
        if number.isdecimal() and len(number) < DIGITS and self._row("id = ?", int(number)):
            return self._standing(int(number))
        anyhow = "note.title = ?1 COLLATE NOCASE"  # which the index of titles has
        names = ("note.source IN (SELECT id FROM source) AND note.key = ?1", f"{anyhow} AND note.title = ?1", anyhow)
        for where in [*(f"{one} AND +{ALIVE}" for one in names), *names]:
            rows = self.db.execute(f"SELECT note.id FROM note WHERE {where} LIMIT 20", (name,)).fetchall()
            found = list({note.id: note for (id,) in rows if (note := self._standing(id))}.values())
            if len(found) == 1:
                return found[0]
            if found:
                shown = ", ".join(f"#{note.id} ({note.key})" for note in found[:3])
                raise InputError(
                    f'{self.path}: several notes are called "{name}", such as {shown}; name one by its number'
                )
        raise InputError(f'{self.path}: no note is called "{name}"; `pocketlm notes search` finds its number')

    def notes(self, where: str = "1", values: Sequence[Any] = (), order: str = "note.date, note.id") -> Iterator[Note]:
        """Notes that are not merged away. `where` is SQL over `note` and `source`, its values apart."""
        for row in self.db.execute(f"{NOTES} WHERE {ALIVE} AND ({where}) ORDER BY {order}", tuple(values)):
            yield Note(*row)

    def count(self) -> int:
        """Notes that are not merged away."""
        return int(self.db.execute(f"SELECT count(*) FROM note WHERE {ALIVE}").fetchone()[0])

    def head(self, id: int) -> dict[str, Any]:
        """What stood beside a note's text: frontmatter and further fields."""
        row = self._row("id = ?", id, "head")
        return dict(json.loads(row[0])) if row else {}

    def tags(self, id: int) -> list[str]:
        """A note's tags, those proposed by a model left out."""
        rows = self.db.execute("SELECT name FROM tag WHERE note = ? AND origin <> 'model' ORDER BY name", (id,))
        return [row[0] for row in rows]

    def all_tags(self) -> dict[str, int]:
        """Every tag, without proposed ones, with its number of notes, the commonest first."""
        rows = self.db.execute(
            f"SELECT name, count(*) FROM tag JOIN note ON note.id = tag.note WHERE {ALIVE} AND origin <> 'model'"
            " GROUP BY name ORDER BY 2 DESC, 1"
        )
        return dict(rows)

    def tag_names(self) -> list[str]:
        """The name of every tag, proposed ones too, by a step in the index for each: quick where many notes share few tags."""
        rows = self.db.execute(
            "WITH RECURSIVE one(name) AS (SELECT min(name) FROM tag UNION ALL"
            " SELECT (SELECT min(name) FROM tag WHERE tag.name > one.name) FROM one WHERE name IS NOT NULL)"
            " SELECT name FROM one WHERE name IS NOT NULL"
        )
        return [name for (name,) in rows]

    def folders(self) -> list[str]:
        """Every folder that notes are in, by name."""
        return [
            folder for (folder,) in self.db.execute("SELECT DISTINCT folder FROM note WHERE folder <> '' ORDER BY 1")
        ]

    def links(self, id: int) -> list[Link]:
        """The links in a note, in order."""
        rows = self.db.execute("SELECT kind, target, start, stop FROM link WHERE note = ? ORDER BY start", (id,))
        return [Link(*row) for row in rows]

    def passages(self, id: int) -> list[Passage]:
        """A note's passages, in order."""
        content = self.note(id).content
        rows = self.db.execute("SELECT id, start, stop FROM passage WHERE note = ? ORDER BY start", (id,))
        return [Passage(own, Span(id, start, stop), content[start:stop]) for own, start, stop in rows]

    def text(self, span: Span) -> str:
        """What stands there now. Raises InputError: the note is gone."""
        return self.note(span.note).content[span.start : span.stop]

    # changing

    def source(self, path: str, kind: str) -> int:
        """The number of a source, which is made where it is new."""
        with self.writing():
            self.db.execute("INSERT OR IGNORE INTO source(path, kind) VALUES(?, ?)", (path, kind))
        return int(self.db.execute("SELECT id FROM source WHERE path = ?", (path,)).fetchone()[0])

    def put(
        self,
        source: int,
        draft: Draft,
        hash: str,
        passages: Iterable[tuple[int, int, bytes | None]],
        id: int | None = None,
    ) -> int:
        """Store a note with its passages (start, stop, vector), new or in place of note `id`; returns its number.

        Tags that the user gave here stay; those of the source are replaced, but for those that the user took off. With another
        text than before, a note that was merged stands for itself again: what the merge made still says the old one.
        """
        row = (
            source,
            draft.key,
            draft.title,
            draft.content,
            draft.date,
            draft.folder,
            dump_compact(draft.head),
            hash,
            draft.stamp,
        )
        said: dict[tuple[int | None, str], bool] = {}  # of a note that is new nothing was said
        with self.writing():
            if id is None:
                marks = ", ".join("?" * len(row))
                added = self.db.execute(
                    f"INSERT INTO note(source, key, title, content, date, folder, head, hash, stamp) VALUES({marks})",
                    row,
                )
                id = int(added.lastrowid)
            else:
                if self.note(id).content != draft.content:
                    self._take_merges_back(id)
                said = self.said_of_tags(id) if draft.tags else {}
                self._drop_index(id)
                self.db.execute(
                    "UPDATE note SET source = ?, key = ?, title = ?, content = ?, date = ?, folder = ?, head = ?, hash = ?,"
                    " stamp = ? WHERE id = ?",
                    (*row, id),
                )
            tags = [tag for tag in draft.tags if said.get((id, tag.casefold()), True)]
            self._index(id, draft, tags, passages)
            self._changed()
        return id

    def move(self, id: int, key: str, folder: str, stamp: str, title: str | None = None) -> None:
        """The same text under another key: a renamed file."""
        with self.writing():
            self.db.execute("UPDATE note SET key = ?, folder = ?, stamp = ? WHERE id = ?", (key, folder, stamp, id))
            if title is not None and title != self.note(id).title:
                self._words("'delete', id", id)
                self.db.execute("UPDATE note SET title = ? WHERE id = ?", (title, id))
                self._words("NULL, id", id)
            self._changed()

    def remove(self, id: int) -> None:
        """Delete a note with all that is known of it, and what a merge made of it."""
        with self.writing():
            self._take_merges_back(id)
            self._drop_index(id)
            self.db.execute("UPDATE note SET merged = NULL WHERE merged = ?", (id,))
            self.db.execute("DELETE FROM tag WHERE note = ?", (id,))
            self.db.execute("DELETE FROM note WHERE id = ?", (id,))
            self._changed()

    def end_merge(self, made: int) -> None:
        """Remove the note that a merge made: those behind it stand for themselves again, with what the user said of it since."""
        with self.writing():
            self._pass_on(made)
            self.remove(made)
            self.db.execute("UPDATE correction SET undone = 1 WHERE kind = 'merge' AND note = ?", (made,))

    def set_merged(self, id: int, into: int | None) -> None:
        """Another note stands for this one from now on; None: it stands for itself again."""
        with self.writing():
            self.db.execute("UPDATE note SET merged = ? WHERE id = ?", (into, id))
            self._changed()

    def tag(self, id: int, name: str, origin: str = "user", confidence: float = 1.0) -> None:
        """Give a note a tag; the user's word stands above a model's."""
        with self.writing():
            self.db.execute(
                "INSERT INTO tag(note, name, origin, confidence) VALUES(?, ?, ?, ?) ON CONFLICT(note, name) DO UPDATE SET"
                " origin = excluded.origin, confidence = excluded.confidence WHERE tag.origin = 'model'",
                (id, name, origin, confidence),
            )

    def untag(self, id: int, name: str) -> None:
        """Take a tag from a note."""
        with self.writing():
            self.db.execute("DELETE FROM tag WHERE note = ? AND name = ?", (id, name))

    def correct(self, kind: str, note: int | None, value: dict[str, Any]) -> int:
        """Keep what the user said; returns its number."""
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        with self.writing():
            added = self.db.execute(
                "INSERT INTO correction(at, kind, note, value) VALUES(?, ?, ?, ?)",
                (at, kind, note, dump_compact(value)),
            )
        return int(added.lastrowid)

    def corrections(self, *kinds: str, note: int | None = None) -> list[tuple[int, str, int | None, dict[str, Any]]]:
        """(number, kind, note, value) of all that the user said and did not take back, in order.

        Args:
            kinds: only these.
            note: only of this note.
        """
        where = f"NOT undone AND (? IS NULL OR note = ?) AND (? OR kind IN ({', '.join('?' * len(kinds))}))"
        rows = self.db.execute(
            f"SELECT id, kind, note, value FROM correction WHERE {where} ORDER BY id", (note, note, not kinds, *kinds)
        )
        return [(id, told, note, json.loads(value)) for id, told, note, value in rows]

    def learnt(self, name: str) -> dict[str, float]:
        """What was learnt last under a name and counts; empty where nothing was."""
        row = self.db.execute(
            "SELECT value FROM learnt WHERE name = ? AND used ORDER BY id DESC LIMIT 1", (name,)
        ).fetchone()
        return dict(json.loads(row[0])) if row else {}

    def take_back(self, correction: int) -> None:
        """What the user said once no longer counts."""
        with self.writing():
            self.db.execute("UPDATE correction SET undone = 1 WHERE id = ?", (correction,))

    def said_of_tags(self, note: int | None = None) -> dict[tuple[int | None, str], bool]:
        """(note, tag in small letters) -> whether the user's last word, here, was that it fits; of one note or of all."""
        said = self.corrections("tag", "untag", note=note)
        return {(id, str(told.get("tag", "")).casefold()): kind == "tag" for _, kind, id, told in said}

    # inside

    def _standing(self, id: int) -> Note:
        """A note, or the one that stands for it since a merge."""
        while into := self._row("id = ?", id, "merged")[0]:
            id = into
        return self.note(id)

    def _row(self, where: str, value: Any, columns: str = "id") -> Any:
        return self.db.execute(f"SELECT {columns} FROM note WHERE {where}", (value,)).fetchone()

    def _index(
        self, id: int, draft: Draft, tags: Iterable[str], passages: Iterable[tuple[int, int, bytes | None]]
    ) -> None:
        self.db.executemany(
            "INSERT INTO passage(note, start, stop, vector) VALUES(?, ?, ?, ?)",
            [(id, *passage) for passage in passages],
        )
        self._words("NULL, id", id)
        self.db.executemany("INSERT OR IGNORE INTO tag(note, name) VALUES(?, ?)", [(id, tag) for tag in tags])
        links = [(id, link.kind, link.target, link.start, link.stop) for link in draft.links]
        self.db.executemany("INSERT OR IGNORE INTO link VALUES(?, ?, ?, ?, ?)", links)

    def _take_merges_back(self, id: int) -> None:
        """Remove the notes that merges made of this one; what else they stand for stands for itself again."""
        made = self._row("id = ?", id, "merged")[0]
        if made is not None:
            self.end_merge(made)

    def _pass_on(self, made: int) -> None:
        """What the user said of a merge's note is said of the notes behind it, in the same order."""
        parts = [id for (id,) in self.db.execute("SELECT id FROM note WHERE merged = ?", (made,)).fetchall()]
        for number, kind, note, told in self.corrections("tag", "untag", "link", "unlink", "thumb"):
            if made not in (note, told.get("other")):
                continue
            for part in parts:
                if kind in ("tag", "untag"):
                    (self.tag if kind == "tag" else self.untag)(part, told["tag"])
                if note == made:
                    self.correct(kind, part, told)
                else:
                    self.correct(kind, note, {**told, "other": part})
            self.take_back(number)

    def _drop_index(self, id: int) -> None:
        self._words("'delete', id", id)
        self.db.execute("DELETE FROM passage WHERE note = ?", (id,))
        self.db.execute("DELETE FROM link WHERE note = ?", (id,))
        self.db.execute("DELETE FROM tag WHERE note = ? AND origin = 'own'", (id,))

    def _words(self, what: str, id: int) -> None:
        """Put a note's passages into the index of words, or take them out."""
        self.db.execute(
            f"INSERT INTO words(words, rowid, title, text) SELECT {what}, title, text FROM passage_text"
            " WHERE id IN (SELECT id FROM passage WHERE note = ?)",
            (id,),
        )

    def touch(self) -> None:
        """Passages changed otherwise than by the methods above."""
        self._changed()

    def _changed(self) -> None:
        self.db.execute("INSERT OR REPLACE INTO setting VALUES('version', ?)", (str(self.version + 1),))


def _connect(path: Path, password: str) -> Any:
    library: Any = need("sqlcipher3", "an encrypted notes file", "notes").dbapi2 if password else sqlite3
    try:
        db = library.connect(str(path), timeout=WAIT_S, isolation_level=None)
    except library.OperationalError as error:
        raise InputError(f"{path}: cannot be opened ({error}); does its folder exist?") from None
    try:
        if password:
            db.execute("PRAGMA cipher_log_level = NONE")  # of a wrong password the error below tells
            db.execute(f"PRAGMA key = {quoted(password)}")
        db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = FULL")
        db.execute("PRAGMA foreign_keys = ON")
    except library.DatabaseError as error:
        db.close()
        if "locked" in str(error):
            raise InputError(f"{path}: another program holds it; try again when that is done") from None
        what = "the password is wrong" if password else "is it encrypted? then give --password"
        raise InputError(f"{path}: is no notes file, or {what}") from None
    return db


def _begin(db: Any, path: Path) -> None:
    """Become the one who writes. Raises Busy: another program did not end within `WAIT_S`."""
    try:
        db.execute("BEGIN IMMEDIATE")
    except db.OperationalError as error:
        if "locked" not in str(error):
            raise
        raise Busy(f"another program is writing to {path}; wait for it to end, or end it, and try again") from None


def quoted(text: str) -> str:
    """A text as SQL writes it, for what takes no parameters."""
    return "'" + text.replace("'", "''") + "'"


def _migrate(db: Any, path: Path) -> None:
    """Bring the tables to the newest version, each step whole or not at all."""
    (mark,), (version,) = (db.execute(f"PRAGMA {name}").fetchone() for name in ("application_id", "user_version"))
    if mark not in (0, APPLICATION) or (mark == 0 and db.execute("SELECT count(*) FROM sqlite_master").fetchone()[0]):
        raise InputError(f"{path}: is a database of another program, not a notes file; name another file with --db")
    if version > len(MIGRATIONS):
        raise InputError(
            f"{path}: was written by a newer PocketLM (tables {version}, known {len(MIGRATIONS)}); renew PocketLM"
        )
    if version == len(MIGRATIONS):
        return
    _begin(db, path)
    try:
        (version,) = db.execute("PRAGMA user_version").fetchone()  # another process may have been first
        for script in MIGRATIONS[version:]:
            for statement in _statements(script):
                db.execute(statement)
        db.execute(f"PRAGMA application_id = {APPLICATION}")
        db.execute(f"PRAGMA user_version = {len(MIGRATIONS)}")
        db.execute("COMMIT")
    except Exception as error:
        db.execute("ROLLBACK")
        if "fts5" in str(error):
            raise EnvironmentLacks(
                "this Python's SQLite has no FTS5; use a Python from python.org or your system"
            ) from None
        raise


def _statements(script: str) -> Iterator[str]:
    """executescript would commit on its own."""
    some = ""
    for line in script.splitlines(keepends=True):
        some += line
        if sqlite3.complete_statement(some):
            yield some
            some = ""
