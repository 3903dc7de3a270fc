"""`pocketlm notes tag|untag|tags|dupes|mood|related|thumb|learn`: what notes have in common, and what the user says of it."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.cli.notes_common import DB, Db, NoteName, Password, opened, other_than
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.notes.notebook import Notebook

SHOWN = 20  # pairs
SENTENCE = 90  # characters


def tag(note: NoteName, name: str, db: Db = DB, password: Password = "", as_json: Json = False) -> None:
    """Give a note a tag; what fits other notes is learnt from it at once."""
    from pocketlm.notes.tags import tag_note

    be_quiet(as_json)
    with opened(db, password) as book:
        found = book.store.find(note)
        tag_note(book, found.id, name)
        output(
            as_json,
            {"note": found.id, "tags": book.store.tags(found.id)},
            f"#{found.id} {found.name}: {', '.join(book.store.tags(found.id))}",
        )


def untag(note: NoteName, name: str, db: Db = DB, password: Password = "", as_json: Json = False) -> None:
    """Take a tag from a note, or say that a proposed one does not fit."""
    from pocketlm.notes.tags import untag_note

    be_quiet(as_json)
    with opened(db, password) as book:
        found = book.store.find(note)
        untag_note(book, found.id, name)
        tags = book.store.tags(found.id)
        output(as_json, {"note": found.id, "tags": tags}, f"#{found.id} {found.name}: {', '.join(tags) or 'no tags'}")


def tags(
    note: Annotated[str, typer.Argument(help="A note, to propose tags for; without it all tags are listed.")] = "",
    propose_all: Annotated[
        bool, typer.Option("--all", help="Propose tags for every note and keep the proposals.")
    ] = False,
    suggest: Annotated[bool, typer.Option(help="Also suggest new tags, from the note's own words.")] = False,
    least: Annotated[
        float | None,
        typer.Option(help="Least confidence of a proposal; 0.6 unless `learn` chose another.", min=0, max=1),
    ] = None,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """List all tags, or propose the fitting ones of them for a note."""
    from pocketlm.notes.tags import propose_tags, store_proposals

    be_quiet(as_json)
    with opened(db, password) as book:
        if propose_all:
            count = store_proposals(book, least)
            output(as_json, {"proposals": count}, f"{count} proposals kept; `pocketlm notes tag` accepts one")
        elif not note:
            found = book.store.all_tags()
            output(as_json, found, "\n".join(f"{count:>6}  {name}" for name, count in found.items()) or "no tags")
        else:
            one = book.store.find(note)
            proposals = propose_tags(book, one.id, least, suggest=suggest)
            lines = [
                f"new: {p.name}"
                if p.is_new
                else f"{p.confidence:.0%}  {p.name}  as "
                + ", ".join(f"#{i} {book.store.note(i).name}" for i in p.because)
                for p in proposals
            ]
            shown = f"#{one.id} {one.name} has: {', '.join(book.store.tags(one.id)) or 'no tags'}"
            output(
                as_json,
                [asdict(p) for p in proposals],
                "\n".join([shown, *lines] if lines else [shown, "nothing to propose"]),
            )


def dupes(
    meaning: Annotated[bool, typer.Option(help="Also notes that say the same in other words.")] = False,
    least: Annotated[float, typer.Option(help="Least share of the smaller note in common.", min=0.1, max=1)] = 0.3,
    page: Annotated[Path | None, typer.Option(help="Write the pairs side by side as an HTML page.")] = None,
    merge: Annotated[
        tuple[str, str] | None,
        typer.Option(help="Merge two notes: the first one's text, then what only the second has."),
    ] = None,
    undo: Annotated[str, typer.Option(help="Take the merge back that made this note.")] = "",
    merges: Annotated[bool, typer.Option("--merges", help="List the merges that can be taken back.")] = False,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Find notes that are there twice; merge them, and take merges back."""
    from pocketlm.core.files import write_text
    from pocketlm.notes import duplicates as dup

    be_quiet(as_json)
    other_than(db, page)
    with opened(db, password) as book:
        if merge:
            made = dup.merge(book, book.store.find(merge[0]).id, book.store.find(merge[1]).id)
            output(as_json, {"merged": made}, f"merged into #{made}; take it back: pocketlm notes dupes --undo {made}")
        elif undo:
            both = dup.unmerge(book, book.store.find(undo).id)
            output(as_json, {"restored": both}, f"#{both[0]} and #{both[1]} are as they were")
        elif merges:
            told = [{"note": note, **value} for _, _, note, value in book.store.corrections("merge")]
            output(
                as_json,
                told,
                "\n".join(f"#{one['note']} of #{one['kept']} and #{one['gone']}" for one in told) or "no merges",
            )
        else:
            pairs = dup.duplicates(book, least, meaning=meaning)
            if page:
                write_text(page, dup.difference_page(book, pairs))
            lines = [
                f"{p.kind:<8}{p.score:>5.0%}  {_named(book, p.first)}  |  {_named(book, p.second)}"
                for p in pairs[:SHOWN]
            ]
            more = [f"and {len(pairs) - SHOWN} more"] if len(pairs) > SHOWN else []
            text = "\n".join([*lines, *more]) or "nothing is there twice"
            output(as_json, dup.as_rows(book, pairs) if as_json else [], text)


def mood(
    by: Annotated[str, typer.Option(help="day, week, month or year.")] = "month",
    since: Annotated[str, typer.Option(help="From this day on.")] = "",
    until: Annotated[str, typer.Option(help="Up to this day.")] = "",
    page: Annotated[Path | None, typer.Option(help="Write the curve as an HTML page.")] = None,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Mood over time with the sentences behind every point, and where it changed. A rough measure: see docs/notes.md."""
    from pocketlm.core.files import write_text
    from pocketlm.notes import mood as moods
    from pocketlm.notes.note import on_one_line

    be_quiet(as_json)
    other_than(db, page)
    with opened(db, password) as book:
        points = moods.mood(book, by, since, until)
        if not points:
            raise InputError(f"{db}: no note of that time has a date")
        found = moods.changes(points)
        if page:
            names = {m.span.note: book.store.note(m.span.note) for p in points for m in p.because}
            write_text(page, moods.mood_page(points, found, names))
        lines = [
            f"{p.first:%Y-%m-%d} {p.mood:+.2f} {_bar(p.mood)}  "
            + " · ".join(f"{on_one_line(m.text, SENTENCE)} #{m.span.note}" for m in p.because[:1])
            for p in points
        ]
        ends = [f"from {c.at:%Y-%m-%d}: {c.before:+.2f} -> {c.after:+.2f} (chance {c.chance:.3f})" for c in found] or [
            "no change of level"
        ]
        value = {
            "points": [asdict(p) | {"first": f"{p.first:%Y-%m-%d}"} for p in points],
            "changes": [asdict(c) | {"at": f"{c.at:%Y-%m-%d}"} for c in found],
        }
        output(as_json, value, "\n".join([*lines, "", *ends]))


def related(
    note: NoteName,
    count: Annotated[int, typer.Option(help="Notes to show.", min=1)] = 8,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Notes that belong to a note, with the reasons; and titles it names without linking them."""
    from pocketlm.notes.related import mentions
    from pocketlm.notes.related import related as find

    be_quiet(as_json)
    with opened(db, password) as book:
        own = book.store.find(note).id
        found, named = find(book, own, count), mentions(book, own)
    lines = [f"#{one.note.id} {one.note.name}: {'; '.join(one.why)}" for one in found]
    lines += [
        f"could be a link: “{one.text}” (characters {one.span.start}-{one.span.stop}) -> #{one.target.id} {one.target.name}"
        for one in named
    ]
    value = {
        "related": [{"note": one.note.id, "name": one.note.name, "score": one.score, "why": one.why} for one in found],
        "mentions": [
            {"text": one.text, "start": one.span.start, "stop": one.span.stop, "target": one.target.id} for one in named
        ],
    }
    output(as_json, value, "\n".join(lines) or "no note belongs to it")


def thumb(
    note: NoteName,
    query: Annotated[str, typer.Argument(help="What was searched for.")],
    down: Annotated[bool, typer.Option("--down", help="It is not what this search should find.")] = False,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Say that a note is, or is not, what a search should find; `pocketlm notes learn` learns from it."""
    from pocketlm.notes.learn import thumb as say

    be_quiet(as_json)
    with opened(db, password) as book:
        found = book.store.find(note)
        say(book, found.id, query, not down)
    output(as_json, {"note": found.id, "up": not down}, f"kept: {'not ' if down else ''}#{found.id} for “{query}”")


def learn(
    undo: Annotated[bool, typer.Option("--undo", help="Take back what was learnt last.")] = False,
    show: Annotated[bool, typer.Option("--list", help="List what was learnt.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be learnt, and keep nothing.")] = False,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Learn from what you said of search results and from your tags; kept only if it is better on what it did not learn from."""
    from pocketlm.notes import learn as learning

    be_quiet(as_json)
    with opened(db, password) as book:
        if undo:
            now = learning.undo(book)
            output(as_json, now, f"taken back: {now['name']} {_values(now['value'])} again")
        elif show:
            told = learning.history(book)
            lines = [
                f"{one['at']}  {one['name']} {_values(one['value'])}{'' if one['used'] else ' (taken back)'}"
                for one in told
            ]
            output(as_json, told, "\n".join(lines) or "nothing learnt yet")
        else:
            found = learning.learn(book, dry_run=dry_run)
            lines = [
                f"{one.name}: {'kept' if one.kept else 'not kept'}, {one.before:.3f} -> {one.after:.3f} at {_values(one.value)}; {one.why}"
                for one in found
            ]
            output(as_json, [asdict(one) for one in found], "\n".join(lines))


def _values(learnt: dict[str, float]) -> str:
    return ", ".join(f"{name} {value:g}" for name, value in learnt.items())


def _named(book: Notebook, note: int) -> str:
    one = book.store.note(note)
    return f"#{one.id} {one.name}"


def _bar(mood: float) -> str:
    size = min(10, round(abs(mood) * 10))
    return ("+" if mood >= 0 else "-") * size + " " * (10 - size)
