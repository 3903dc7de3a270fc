"""`pocketlm notes link|unlink|corrections`: which notes belong together, and all that the user said, listed and said again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.cli.notes_common import DB, Db, NoteName, Password, opened, other_than
from pocketlm.core.errors import InputError

Other = Annotated[str, typer.Argument(help="The other note.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take back what was said last of these two notes.")]


def link(
    note: NoteName, other: Other, undo: Undo = False, db: Db = DB, password: Password = "", as_json: Json = False
) -> None:
    """Say that two notes belong together: `related` tells it first."""
    _say(note, other, True, undo, db, password, as_json)


def unlink(
    note: NoteName, other: Other, undo: Undo = False, db: Db = DB, password: Password = "", as_json: Json = False
) -> None:
    """Say that two notes do not belong together: `related` no longer tells either of the other."""
    _say(note, other, False, undo, db, password, as_json)


def corrections(
    out: Annotated[Path | None, typer.Option(help="Write them to this file, as JSON lines.")] = None,
    replay: Annotated[
        Path | None, typer.Option(help="Say again what such a file says, of the notes of the same keys.")
    ] = None,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """List all that you said of notes: tags, links, merges and thumbs; keep it in a file, or say it again of another notes file."""
    be_quiet(as_json)
    other_than(db, out)
    from pocketlm.core.files import write_jsonl
    from pocketlm.notes import corrections as said

    if out and replay:
        raise InputError("--out and --replay: one at a time")
    with opened(db, password) as book:
        if replay:
            did = said.replay(book, said.read_corrections(replay))
            failed = [{**row, "why": why} for row, why in did.failed]
            counts = f"{did.applied} applied, {did.known} said here already, {len(failed)} could not be applied"
            lines = [f"  {_told(row)}: {why}" for row, why in did.failed]
            output(
                as_json,
                {"applied": did.applied, "known": did.known, "failed": failed},
                "\n".join([counts, *lines]),
            )
            return
        rows = said.corrections(book.store)
    if out:
        write_jsonl(out, rows)
        output(as_json, {"corrections": len(rows), "file": str(out)}, f"{out}: {len(rows)} corrections")
    else:
        output(as_json, rows, "\n".join(f"{row['at']}  {_told(row)}" for row in rows) or "no corrections")


def _say(note: str, other: str, together: bool, undo: bool, db: Path, password: str, as_json: bool) -> None:
    from pocketlm.notes.related import link_notes, links_said, take_back_link

    be_quiet(as_json)
    with opened(db, password) as book:
        first, second = book.store.find(note), book.store.find(other)
        if undo:
            take_back_link(book, first.id, second.id)
        else:
            link_notes(book, first.id, second.id, together=together)
        now = links_said(book.store, first.id).get(second.id)
    told = {True: "belong together", False: "do not belong together", None: "nothing is said of them"}[now]
    text = f"#{first.id} {first.name} and #{second.id} {second.name}: {told}"
    output(as_json, {"notes": [first.id, second.id], "together": now}, text)


def _told(row: dict[str, Any]) -> str:
    """A correction on a line."""
    if row["kind"] == "thumb":
        return f"thumb {'up' if row['up'] else 'down'}  {row['note']}  for “{row['query']}”"
    beside = f"#{row['tag']}" if "tag" in row else row["other"]
    return f"{row['kind']}  {row['note']}  {beside}" + (f"  -> {row['made']}" if "made" in row else "")
