"""`pocketlm notes facts` and `pocketlm notes timeline`: what stands in notes, and when it happened."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.cli.notes_common import DB, Db, NoteName, Password, other_than
from pocketlm.core.errors import InputError

SHOWN = 50  # events


def facts(
    note: NoteName,
    kind: Annotated[list[str] | None, typer.Option(help="Only facts of this kind, such as date or action.")] = None,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """List a note's key facts: dates, names, quantities, money, phones, emails, links and action items."""
    be_quiet(as_json)
    from pocketlm.notes.facts import KINDS, as_rows
    from pocketlm.notes.facts import facts as find
    from pocketlm.notes.known_names import known_names
    from pocketlm.notes.store import Store

    for one in kind or ():
        if one not in KINDS:
            raise InputError(f"--kind {one}: no such kind; there are {', '.join(KINDS)}")
    with Store(db, password=password, must_exist=True) as store:
        found = store.find(note)
        every = find(found.content, found.written, known=known_names(store))
    rows = [fact for fact in every if not kind or fact.kind in kind]
    lines = [f"{fact.kind:<13}{fact.confidence:>5.2f}  {' '.join(fact.text.split())}" for fact in rows]
    output(as_json, as_rows(rows), "\n".join(lines) or "no facts found")


def timeline(
    period: Annotated[str, typer.Argument(help='Only this period, in words: "May 1665", "since last spring".')] = "",
    same_day: Annotated[bool, typer.Option(help="Also what happened on the day of writing.")] = False,
    lasting: Annotated[
        bool, typer.Option(help='With a period: also what began before it and may last, "since 1661".')
    ] = False,
    least: Annotated[float, typer.Option(help="Leave out dates of less confidence.", min=0, max=1)] = 0.5,
    ics: Annotated[Path | None, typer.Option(help="Write a calendar file.")] = None,
    limit: Annotated[
        int | None, typer.Option(help="Print at most so many; by default 50, and all of them with --json.", min=1)
    ] = None,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """List what the notes tell of in the order in which it happened, not in that of writing."""
    be_quiet(as_json)
    other_than(db, ics)
    from pocketlm.core.files import atomic_path
    from pocketlm.notes.dates import period_of
    from pocketlm.notes.store import Store
    from pocketlm.notes.timeline import as_ics, as_rows, events, within

    asked = period_of(period, datetime.now()) if period else None
    if period and asked is None:
        raise InputError(f'"{period}": names no period; say it such as "May 1665", "2019" or "since last spring"')
    with Store(db, password=password, must_exist=True) as store:
        notes = ((note.id, note.content, note.written) for note in store.notes())
        found = events(notes, least=least, same_day=same_day)
    if asked:
        found = within(found, asked.first, asked.last, lasting=lasting)
    if ics:
        with atomic_path(ics) as aside:
            aside.write_bytes(as_ics(found))
    shown = found[: limit or (len(found) if as_json else SHOWN)]
    lines = [f"{_when(event.first, event.last, event.grain):<30} #{event.note}  {event.what[:90]}" for event in shown]
    if len(found) > len(shown):
        lines.append(f"... {len(found) - len(shown)} more; --limit shows them, --ics FILE writes all")
    output(as_json, as_rows(shown), "\n".join(lines) or "no events found")


def _when(first: datetime | None, last: datetime | None, grain: str) -> str:
    """A moment as exact as it is known."""
    if first is None:
        return f"before {last:%Y-%m-%d}"
    if last is None:
        return f"since {first:%Y-%m-%d}"
    if grain in ("hour", "minute"):
        return f"{first:%Y-%m-%d %H:%M} ({grain})"
    shown = {"year": "%Y", "month": "%Y-%m"}.get(grain, "%Y-%m-%d")
    begin, end = first.strftime(shown), (last - timedelta(minutes=1)).strftime(shown)
    return f"{begin if begin == end else f'{begin} to {end}'} ({grain})"
