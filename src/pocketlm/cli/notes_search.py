"""`pocketlm notes search|complete|eval`: notes found, and how well they are found."""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.cli.notes_common import DB, Db, Folder, Password, Since, Until, opened, other_than
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.notes.search import Hit

SHOWN = 240  # characters of a passage


def search(
    query: Annotated[
        str, typer.Argument(help='Words, "a phrase", -without, tag:x, folder:x, and times such as "last spring".')
    ],
    count: Annotated[int, typer.Option(help="Notes to show.", min=1)] = 5,
    since: Since = "",
    until: Until = "",
    tag: Annotated[list[str] | None, typer.Option(help="With this tag; repeat for several.")] = None,
    folder: Folder = "",
    by: Annotated[str, typer.Option(help="hybrid, words or meaning.")] = "hybrid",
    today: Annotated[str, typer.Option(help='The day that "last spring" is meant from; now by default.')] = "",
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Find notes by words and meaning; each hit says why it is there and where."""
    be_quiet(as_json)
    from pocketlm.notes.query import Filters
    from pocketlm.notes.search import search as find

    filters = Filters(since, until, tuple(tag or ()), folder)
    with opened(db, password) as book:
        hits = find(book, query, count, filters, today=_day(today), by=by)
    output(as_json, [row_of(hit) for hit in hits], "\n\n".join(map(_told, hits)) or "nothing found")


def complete(
    typed: Annotated[str, typer.Argument(help="What has been typed so far.")],
    count: Annotated[int, typer.Option(help="Notes to show.", min=1)] = 8,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Notes for an unfinished word, as a search field shows them while one types."""
    be_quiet(as_json)
    from pocketlm.notes.search import complete as find

    with opened(db, password) as book:
        hits = find(book, typed, count)
    lines = [f"{_head(hit)}  {_reasons(hit)}".rstrip() for hit in hits]
    output(as_json, [row_of(hit) for hit in hits], "\n".join(lines) or "nothing found")


def evaluate(
    questions: Annotated[int, typer.Option(help="Of each kind.", min=4)] = 50,
    by: Annotated[list[str] | None, typer.Option(help="Ways to compare: hybrid, words, meaning.")] = None,
    seed: Annotated[int, typer.Option(help="Of the choice of notes.")] = 0,
    encoder: Annotated[
        list[str] | None, typer.Option(help="Another encoder to compare; the notes are encoded anew for it.")
    ] = None,
    answers: Annotated[bool, typer.Option(help="Ask questions too, with their note and without it.")] = True,
    file: Annotated[
        Path | None, typer.Option("--questions-file", help="Where the questions are kept for another run.")
    ] = None,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Make questions of your own notes and measure how well they are found, cited and refused."""
    be_quiet(as_json)
    other_than(db, file)
    from pocketlm.notes.evaluate import measure, table
    from pocketlm.notes.search import WAYS

    with opened(db, password) as book:
        found = measure(book, questions, by or WAYS, seed, answers=answers, encoders=encoder or (), file=file)
    output(as_json, found, table(found))


def row_of(hit: Hit) -> dict[str, Any]:
    """A hit for scripts."""
    return {
        "note": hit.note.id,
        "key": hit.note.key,
        "title": hit.note.title,
        "date": hit.note.date,
        "start": hit.span.start,
        "stop": hit.span.stop,
        "text": hit.text,
        "score": round(hit.score, 4),
        "why": [{"kind": why.kind, "told": why.told} for why in hit.why],
        "words": [list(place) for place in hit.words],
    }


def _day(told: str) -> datetime | None:
    if not told:
        return None
    try:
        return datetime.fromisoformat(told)
    except ValueError:
        raise InputError(f"--today {told}: write it as 2020-05-17") from None


def _told(hit: Hit) -> str:
    return f"{_head(hit)}\n  {_excerpt(hit)}\n  {_reasons(hit)}"


def _reasons(hit: Hit) -> str:
    return "; ".join(f"{why.kind}: {why.told}" for why in hit.why)


def _head(hit: Hit) -> str:
    where = f"characters {hit.span.start}-{hit.span.stop}"
    return "  ".join(filter(None, [f"#{hit.note.id} {hit.note.name}", hit.note.date, where]))


def _excerpt(hit: Hit) -> str:
    """The passage around its first found word, found words bright on a terminal."""
    first = min((start - hit.span.start for start, _ in hit.words), default=0)
    begin = max(0, min(first - SHOWN // 3, len(hit.text) - SHOWN))
    begin = hit.text.rfind(" ", 0, begin) + 1 if begin else 0
    parts, at = [], begin
    for start, stop in [(a - hit.span.start, b - hit.span.start) for a, b in hit.words] if sys.stdout.isatty() else []:
        if begin <= start and stop <= begin + SHOWN:
            parts += [hit.text[at:start], typer.style(hit.text[start:stop], bold=True)]
            at = stop
    text = "".join([*parts, hit.text[at : begin + SHOWN]])
    more = "…" if begin + SHOWN < len(hit.text) else ""
    return ("…" if begin else "") + " ".join(text.split()) + more
