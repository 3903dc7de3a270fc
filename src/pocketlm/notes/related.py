"""Notes that belong together, each with the reasons: what the user said, links, tags, meaning, the day; and titles that are named
without a link."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import PurePosixPath

from pocketlm.core.errors import InputError
from pocketlm.notes.note import Note, Span
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.store import Store
from pocketlm.notes.vectors import nearest, note_vectors

NEAREST = 20  # notes by meaning that are looked at
ALIKE = 0.35  # cosine of vectors below which notes are not called alike
RARE = 20  # notes of a tag above which sharing it tells little
SHORTEST = 5  # letters of a title that is looked for in other notes
WEIGHTS = {"said": 2.0, "links to it": 1.0, "is linked from it": 1.0, "meaning": 1.0, "tag": 0.5, "same day": 0.3}


@dataclass(frozen=True)
class Related:
    """A note and why it belongs to another: each reason in a few words."""

    note: Note
    score: float
    why: tuple[str, ...]


@dataclass(frozen=True)
class Mention:
    """Where a note names another without a link."""

    span: Span
    text: str
    target: Note


def names_of(book: Notebook) -> dict[str, int]:
    """Everything that notes are linked by (title, key, file name, aliases; in lower case) -> their number."""
    found: dict[str, int] = {}
    for note in book.store.notes(order="note.id"):
        aliases = book.store.head(note.id).get("aliases") or []
        path = PurePosixPath(note.key)
        listed = [aliases] if isinstance(aliases, str) else aliases
        for name in (
            note.key,
            str(path.with_suffix("")) if path.suffix else note.key,
            path.stem,
            note.title,
            *map(str, listed),
        ):
            if name:
                found.setdefault(name.casefold(), note.id)
    return found


def target_of(written: str, names: dict[str, int], source: Note | None = None) -> int | None:
    """The note that a link's target means, heading and folder aside; None where it means none."""
    name = written.partition("#")[0].strip().removeprefix("./").casefold()
    beside = f"{source.folder}/{name}".casefold() if source and source.folder else name
    for one in (beside, name, name.removesuffix(".md"), PurePosixPath(name).stem if name else ""):
        if one in names:
            return names[one]
    return None


def related(book: Notebook, note: int, count: int = 8) -> list[Related]:
    """The notes that belong to one, those with the most reasons first; those never of which the user said that they do not.

    Raises:
        InputError: there is no such note.
    """
    store, own = book.store, book.store.note(note)
    why: dict[int, dict[str, str]] = defaultdict(dict)
    score: dict[int, float] = defaultdict(float)

    def add(other: int | None, kind: str, told: str, share: float = 1.0) -> None:
        if other is not None and other != note and kind not in why[other]:
            why[other][kind] = told
            score[other] += WEIGHTS[kind] * share

    said = links_said(store, note)
    for told in filter(said.get, said):
        add(told, "said", "you said that they belong together")
    names = names_of(book)
    for link in store.links(note):
        add(target_of(link.target, names, own), "is linked from it", "it is linked from here")
    for other, target in store.db.execute("SELECT note, target FROM link WHERE kind <> 'url'").fetchall():
        if other != note and target_of(target, names) == note:
            add(other, "links to it", "it links here")
    tags = store.all_tags()
    for name in store.tags(note):
        if tags.get(name, 0) <= RARE:
            for (other,) in store.db.execute(
                "SELECT note FROM tag WHERE name = ? AND origin <> 'model'", (name,)
            ).fetchall():
                add(other, "tag", f"both are tagged #{name}", 1 / max(1, tags.get(name, 1) - 1) ** 0.5)
    for other, cosine in _alike(book, note):
        add(other, "meaning", f"{cosine:.2f} alike in meaning", cosine)
    if len(own.date) >= 10:
        for other in store.notes("substr(note.date, 1, 10) = ?", (own.date[:10],)):
            add(other.id, "same day", "written on the same day")
    alive = {one for (one,) in store.db.execute("SELECT id FROM note WHERE merged IS NULL")}
    order = sorted((one for one in score if one in alive and said.get(one, True)), key=lambda one: (-score[one], one))[
        :count
    ]
    return [Related(store.note(one), round(score[one], 3), tuple(why[one].values())) for one in order]


def mentions(book: Notebook, note: int) -> list[Mention]:
    """Titles of other notes that a note names without linking them, with their places: what could be links.

    Raises:
        InputError: there is no such note.
    """
    own = book.store.note(note)
    linked = [(link.start, link.stop) for link in book.store.links(note)]
    said = links_said(book.store, note)
    titles: dict[str, Note] = {}
    for other in book.store.notes("note.title <> '' AND note.id <> ?", (note,), "note.id"):
        if said.get(other.id, True) and len(other.title) >= SHORTEST and other.title.casefold() != own.title.casefold():
            titles.setdefault(other.title.casefold(), other)
    text, found = own.content.casefold(), []
    for title, other in titles.items():
        if title not in text:
            continue
        match = re.search(rf"(?<!\w){re.escape(title)}(?!\w)", text)
        if match and not any(start < match.end() and match.start() < stop for start, stop in linked):
            span = Span(note, *match.span())
            found.append(Mention(span, own.content[span.start : span.stop], other))
    found.sort(key=lambda one: (one.span.start, -one.span.stop))
    inside = {
        id(b)
        for a in found
        for b in found
        if a is not b and a.span.start <= b.span.start and b.span.stop <= a.span.stop
    }
    return [one for one in found if id(one) not in inside]


# what the user says of two notes


def link_notes(book: Notebook, note: int, other: int, *, together: bool = True) -> None:
    """The user says that two notes belong together, or that they do not; the last word counts.

    Raises:
        InputError: no such notes, or the same one twice.
    """
    for one in (note, other):
        book.store.note(one)
    if note == other:
        raise InputError(f"#{note}: name two notes; this is the same one twice")
    book.store.correct("link" if together else "unlink", note, {"other": other})


def take_back_link(book: Notebook, note: int, other: int) -> None:
    """Take back what the user said last of two notes.

    Raises:
        InputError: nothing was said of them.
    """
    last = next((number for number, pair, _ in reversed(_links_said(book.store)) if pair == {note, other}), None)
    if last is None:
        raise InputError(f"#{note} and #{other}: nothing was said of them that could be taken back")
    book.store.take_back(last)


def links_said(store: Store, note: int) -> dict[int, bool]:
    """Other notes -> whether the user's last word was that they belong to this one."""
    return {(pair - {note}).pop(): together for _, pair, together in _links_said(store) if note in pair}


def _links_said(store: Store) -> list[tuple[int, set[int], bool]]:
    """(number, both notes, whether they belong together) of all that was said, in order; of a merged note by what stands for it."""
    into = dict(store.db.execute("SELECT id, merged FROM note WHERE merged IS NOT NULL").fetchall())

    def standing(note: int) -> int:
        while note in into:
            note = into[note]
        return note

    said = store.corrections("link", "unlink")
    pairs = [
        (number, {standing(note), standing(told["other"])}, kind == "link")
        for number, kind, note, told in said
        if note is not None
    ]
    return [one for one in pairs if len(one[1]) == 2]  # both may be in one note by now


def _alike(book: Notebook, note: int) -> list[tuple[int, float]]:
    known = note_vectors(book)
    at = known.place(note)
    if at is None:
        return []
    places, cosines = nearest(known.vectors, known.vectors[at : at + 1], NEAREST + 1)
    pairs = zip(places[0].tolist(), cosines[0].tolist(), strict=True)
    return [(int(known.ids[place]), cosine) for place, cosine in pairs if place != at and cosine >= ALIKE]
