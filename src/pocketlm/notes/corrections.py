"""What the user said of notes, as rows that name notes by their keys; said again of another notes file."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.data.sources import Source, read_source
from pocketlm.notes.duplicates import merge
from pocketlm.notes.learn import thumb
from pocketlm.notes.note import Note
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.related import link_notes
from pocketlm.notes.store import OWN, Store
from pocketlm.notes.tags import tag_note, untag_note

Row = dict[str, Any]
# kind -> its fields beside the note's, each with what it holds
FIELDS: dict[str, dict[str, type]] = {
    "tag": {"tag": str},
    "untag": {"tag": str},
    "link": {"other": str},
    "unlink": {"other": str},
    "merge": {"other": str, "made": str},
    "thumb": {"query": str, "up": bool},
}
NOTES = ("note", "other", "made")  # fields that name a note


@dataclass(frozen=True)
class Replayed:
    """What came of saying corrections again.

    Attributes:
        known: how many were said here already.
        failed: those that could not be applied, each with the reason.
    """

    applied: int
    known: int
    failed: tuple[tuple[Row, str], ...]


def corrections(store: Store) -> list[Row]:
    """All that the user said and did not take back, in order: at, kind, note, its source, and what a kind has beside it.

    A note is named by its key, one that is gone by its number: `#12`. Of a merge `note` is the one whose text was kept,
    `other` the one that went into it, `made` the new one.
    """
    keys = {
        id: (key, path)
        for id, key, path in store.db.execute(
            "SELECT note.id, key, path FROM note JOIN source ON source.id = note.source"
        )
    }
    at = dict(store.db.execute("SELECT id, at FROM correction").fetchall())
    rows = []
    for number, kind, note, told in store.corrections(*FIELDS):
        named: Row = {"note": note, **told}
        if kind == "merge":
            named = {"note": told["kept"], "other": told["gone"], "made": note}
        row: Row = {"at": at[number], "kind": kind}
        for name, value in named.items():
            key, source = keys.get(value, (f"#{value}", "")) if name in NOTES else (value, "")
            row |= {name: key, f"{name}_source": source} if source and name != "made" else {name: key}
        rows.append(row)
    return rows


def read_corrections(path: Path) -> list[Row]:
    """The rows of a file that `corrections` gave.

    Raises:
        InputError: no such file, or a line that is no correction.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; `pocketlm notes corrections --out {path}` writes one")
    rows: list[Row] = []
    for item in read_source(Source(path, "json")) if path.stat().st_size else ():  # where nothing was said it is empty
        row = item.value
        fields = {"note": str, **FIELDS.get(str(row.get("kind")), {})} if isinstance(row, dict) else {}
        wrong = [name for name, kind in fields.items() if not isinstance(row.get(name), kind)]
        if item.problem or len(fields) < 2 or wrong:
            why = f"lacks {', '.join(wrong)}" if wrong else f"is no correction; its kind is none of {', '.join(FIELDS)}"
            raise InputError(item.problem or f"{item.where}: {why}; nothing was applied")
        rows.append(row)
    return rows


def replay(book: Notebook, rows: Iterable[Row]) -> Replayed:
    """Say again what rows say, all in one transaction; a row that cannot be applied changes nothing, the others do."""
    made: dict[str, Note | None] = {}  # merges' notes, which may have other keys here; None: not made
    failed, applied, again = [], 0, 0
    with book.store.writing():
        known: dict[tuple[str, ...], dict[str, Row]] = {}  # what was said of -> what was said -> its row
        for row in corrections(book.store):
            known.setdefault(_said_of(row, made), {})[_word(row)] = row
        for row in rows:
            about = _said_of(row, made)
            if same := known.get(about, {}).get(_word(row)):
                again += 1
                if "made" in row:
                    made[row["made"]] = book.store.note(_note(book.store, same | {"made_source": OWN}, "made", {}))
                continue
            try:
                _apply(book, row, made)
            except InputError as error:
                failed.append((row, str(error)))
                if "made" in row:
                    made[row["made"]] = None
                continue
            applied += 1
            known.pop(about, None)  # the last word counts: what follows of the same has to be said again
    return Replayed(applied, again, tuple(failed))


def _said_of(row: Row, made: dict[str, Note | None]) -> tuple[str, ...]:
    """What a row speaks of, whenever, of whichever source, and whatever a merge's note is called."""
    kind, fields = row["kind"].removeprefix("un"), FIELDS[row["kind"]]
    keys = [row[name] for name in ("note", "other") if name in fields or name == "note"]
    notes = [note.key if (note := made.get(key)) else key for key in keys]
    beside = [row[name].casefold() if name == "tag" else row[name] for name in ("tag", "query") if name in fields]
    return (kind, *(sorted(notes) if kind == "link" else notes), *beside)


def _word(row: Row) -> str:
    """What a row says of that: that it fits, or that it does not."""
    return f"{row['kind']} {row.get('up', '')}"


def _apply(book: Notebook, row: Row, made: dict[str, Note | None]) -> None:
    """Raises InputError: a note is not here, or what is said does not fit it. Then nothing is changed."""
    kind, note = row["kind"], _note(book.store, row, "note", made)
    if kind == "tag":
        tag_note(book, note, row["tag"])
    elif kind == "untag":
        untag_note(book, note, row["tag"])
    elif kind == "thumb":
        thumb(book, note, row["query"], row["up"])
    elif kind == "merge":
        made[row["made"]] = book.store.note(merge(book, note, _note(book.store, row, "other", made)))
    else:
        link_notes(book, note, _note(book.store, row, "other", made), together=kind == "link")


def _note(store: Store, row: Row, field: str, made: dict[str, Note | None]) -> int:
    """The note of a row's key; of several sources that of its own. Raises InputError: none, or several."""
    key = row[field]
    if note := made.get(key):
        return note.id
    if key in made:
        raise InputError(f'"{key}" was made by a merge that could not be applied here')
    found = dict(
        store.db.execute(
            "SELECT path, note.id FROM source CROSS JOIN note ON note.source = source.id WHERE key = ?", (key,)
        ).fetchall()
    )
    own = found.get(row.get(f"{field}_source"))
    if own is not None or len(found) == 1:
        return int(own or next(iter(found.values())))
    if found:
        raise InputError(f'"{key}" is a note of several sources here: {", ".join(found)}')
    raise InputError(f'no note is called "{key}" here')
