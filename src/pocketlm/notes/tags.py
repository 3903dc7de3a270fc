"""Tags proposed from the user's own: what tagged notes are like, learnt in milliseconds from the vectors that are there."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.evaluate.calibrate import rising
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.store import Store
from pocketlm.notes.terms import is_function
from pocketlm.notes.vectors import NoteVectors, note_vectors

Floats = NDArray[np.float64]

FEWEST = 3  # notes of a tag before it is proposed
LEAST = 0.6  # confidence from which a tag is proposed
RIDGE = 1.0  # of 0.3 to 30 the best on a vault of 1,866 notes, with 5, 10 and all notes of a tag
REFUSED = 3  # how often a note counts from which the user took a tag
REASONS = 2  # notes that are named for a proposal
CACHE = "tag head"
LEARNT = "tags"  # name of what learn.py keeps


@dataclass(frozen=True)
class Proposal:
    """A tag that fits a note.

    Attributes:
        confidence: how likely a note of such a score has the tag, by the user's own notes, each scored without itself.
        because: the nearest notes that have it.
        is_new: not one of the user's tags, but words of the note.
    """

    name: str
    confidence: float
    because: tuple[int, ...] = ()
    is_new: bool = False


@dataclass(frozen=True)
class Head:
    """For every tag a direction, and how sure a score makes.

    Attributes:
        names: (tags,)
        weights: (width + 1, tags); the last row stands alone.
        curves: of each tag, points (score, chance that a note of that score has the tag).
        members: of each tag, the rows of the notes that have it.
    """

    names: tuple[str, ...]
    weights: Floats
    curves: tuple[list[tuple[float, float]], ...]
    members: tuple[NDArray[np.int64], ...]

    def scores(self, vectors: NDArray[np.float32]) -> Floats:
        """(notes, tags) of notes' vectors (notes, width)."""
        scores: Floats = np.column_stack([vectors, np.ones(len(vectors))]) @ self.weights
        return scores

    def chances(self, scores: Floats) -> Floats:
        """(notes, tags): how likely a note of such scores has each tag."""
        curves = [np.array(curve) for curve in self.curves]
        return np.column_stack([np.interp(scores[:, at], *curve.T) for at, curve in enumerate(curves)])


@dataclass(frozen=True)
class Examples:
    """What a head is learnt from: notes that have tags or lost them.

    Attributes:
        names: (tags,) those that enough notes have.
        rows: (notes,) their places among all notes' vectors, rising.
        vectors: (notes, width)
        wanted: (notes, tags) 1 where a note has the tag.
        weight: (notes,) how often a note counts.
    """

    names: tuple[str, ...]
    rows: NDArray[np.int64]
    vectors: NDArray[np.float32]
    wanted: Floats
    weight: Floats

    def part(self, kept: NDArray[np.bool_]) -> Examples:
        """Some of the notes."""
        return Examples(self.names, self.rows[kept], self.vectors[kept], self.wanted[kept], self.weight[kept])


class HeadSettings(NamedTuple):
    """How hard ridge regression pulls, and the confidence from which a tag is proposed."""

    ridge: float = RIDGE
    least: float = LEAST


def head_settings(store: Store) -> HeadSettings:
    """What was learnt (see learn.py), otherwise the defaults."""
    return HeadSettings(**store.learnt(LEARNT))


def tag_examples(book: Notebook) -> Examples:
    """All notes with tags, and those from which tags were taken away."""
    known, store = note_vectors(book), book.store
    rows = store.db.execute("SELECT name, note FROM tag WHERE origin <> 'model'").fetchall()
    tagged: dict[str, set[int]] = {}
    for name, note in rows:
        if (at := known.place(note)) is not None:
            tagged.setdefault(name.casefold(), set()).add(at)
    spelled = {name.casefold(): name for name, _ in rows}
    names = sorted(name for name, notes in tagged.items() if len(notes) >= FEWEST)
    refused = _refused(store.said_of_tags(), known, {name: place for place, name in enumerate(names)})
    any_tag = np.array(sorted({at for notes in tagged.values() for at in notes} | set(refused[:, 0])), np.int64)
    wanted = np.zeros((len(any_tag), len(names)))
    for place, name in enumerate(names):
        wanted[np.searchsorted(any_tag, sorted(tagged[name])), place] = 1
    weight = np.ones(len(any_tag))
    weight[np.searchsorted(any_tag, refused[:, 0])] = REFUSED
    return Examples(tuple(spelled[name] for name in names), any_tag, known.vectors[any_tag], wanted, weight)


def learn_head(found: Examples, ridge: float = RIDGE) -> tuple[Head, Floats]:
    """Ridge regression of every tag on the notes' vectors; and what each note scores without itself (notes, tags).

    That is had in closed form (the leave-one-out residual of ridge regression), so that the confidence is that of notes not
    yet seen. It takes milliseconds for thousands of notes.
    """
    if not found.names:
        return Head((), np.zeros((0, 0)), (), ()), np.zeros((len(found.rows), 0))
    weights, alone = _ridge(found.vectors, found.wanted, found.weight, ridge)
    curves = tuple(rising(alone[:, place], found.wanted[:, place]) for place in range(len(found.names)))
    members = tuple(found.rows[found.wanted[:, place] > 0] for place in range(len(found.names)))
    return Head(found.names, weights, curves, members), alone


def propose_tags(book: Notebook, note: int, least: float | None = None, *, suggest: bool = False) -> list[Proposal]:
    """The user's own tags that fit a note and that it does not have, the surest first.

    Args:
        least: the confidence from which a tag is proposed; by default what was learnt, see `head_settings`.
        suggest: also new ones, made of the note's own telling words.

    Raises:
        InputError: there is no such note.
    """
    book.store.note(note)
    known, head = note_vectors(book), _head(book)
    has = _settled(book, note, book.store.said_of_tags(note))
    found = _fitting(known, head, note, has, head_settings(book.store).least if least is None else least)
    return found + (_words_of(book, note, has | {name.casefold() for name in head.names}) if suggest else [])


def tag_note(book: Notebook, note: int, name: str) -> None:
    """The user gives a tag; from now on it is learnt from.

    Raises:
        InputError: no such note, or a tag of nothing.
    """
    name = name.strip().lstrip("#")
    if not name:
        raise InputError("a tag needs a name")
    with book.store.writing():
        book.store.note(note)
        book.store.tag(note, name)
        book.store.correct("tag", note, {"tag": name})


def untag_note(book: Notebook, note: int, name: str) -> None:
    """The user takes a tag away, or says that a proposed one does not fit."""
    name = name.strip().lstrip("#")
    with book.store.writing():
        book.store.note(note)
        book.store.untag(note, name)
        book.store.correct("untag", note, {"tag": name})


def store_proposals(book: Notebook, least: float | None = None) -> int:
    """Propose tags for every note and keep them as proposals; returns how many there are."""
    store, count = book.store, 0
    least = head_settings(store).least if least is None else least
    with store.writing():
        store.db.execute("DELETE FROM tag WHERE origin = 'model'")
        known, head, said = note_vectors(book), _head(book), store.said_of_tags()
        for note in [note.id for note in store.notes()]:
            for one in _fitting(known, head, note, _settled(book, note, said), least):
                store.tag(note, one.name, "model", one.confidence)
                count += 1
    return count


def _fitting(known: NoteVectors, head: Head, note: int, has: set[str], least: float) -> list[Proposal]:
    """The tags of a head that fit a note, the surest first, but for those in `has`."""
    at, found = known.place(note), []
    if at is not None and head.names:
        (sure,) = head.chances(head.scores(known.vectors[at : at + 1]))
        for place, name in enumerate(head.names):
            if sure[place] >= least and name.casefold() not in has:
                found.append(Proposal(name, round(float(sure[place]), 3), _nearest(known, at, head.members[place])))
    return sorted(found, key=lambda one: -one.confidence)


def _head(book: Notebook) -> Head:
    said = book.store.db.execute("SELECT count(*), max(rowid), sum(undone) FROM correction").fetchone()
    ridge = head_settings(book.store).ridge
    version = (book.store.version, *said, ridge)
    kept = book.caches.get(CACHE)
    if kept is None or kept[0] != version:
        kept = book.caches[CACHE] = (version, learn_head(tag_examples(book), ridge)[0])
    head: Head = kept[1]
    return head


def _ridge(vectors: NDArray[np.float32], wanted: Floats, weight: Floats, ridge: float) -> tuple[Floats, Floats]:
    """Weights (width + 1, tags), and what each note scores without itself (notes, tags)."""
    x = np.column_stack([vectors.astype(np.float64), np.ones(len(vectors))])
    pull = np.eye(x.shape[1]) * ridge
    pull[-1, -1] = 1e-6  # the place of the middle is free
    inverse = np.linalg.inv(x.T @ (weight[:, None] * x) + pull)
    weights: Floats = inverse @ (x.T @ (weight[:, None] * wanted))
    own = np.einsum("nw,wv,nv->n", x, inverse, x) * weight
    alone: Floats = (x @ weights - own[:, None] * wanted) / np.maximum(1 - own, 1e-6)[:, None]
    return weights, alone


def _refused(said: dict[tuple[int | None, str], bool], known: NoteVectors, places: dict[str, int]) -> NDArray[np.int64]:
    """(row, tag) of what the user took away and did not give again."""
    off = [(known.place(note or 0), places.get(name)) for (note, name), fits in said.items() if not fits]
    return np.array([pair for pair in off if None not in pair], np.int64).reshape(-1, 2)


def _settled(book: Notebook, note: int, said: dict[tuple[int | None, str], bool]) -> set[str]:
    """Tags that a note has, and those that the user said do not fit it."""
    off = {name for (own, name), fits in said.items() if own == note and not fits}
    return {name.casefold() for name in book.store.tags(note)} | off


def _nearest(known: NoteVectors, at: int, members: Sequence[int] | NDArray[np.int64]) -> tuple[int, ...]:
    others = np.array([member for member in members if member != at], np.int64)
    order = np.argsort(-(known.vectors[others] @ known.vectors[at]), kind="stable")[:REASONS]
    return tuple(int(known.ids[one]) for one in others[order])


def _words_of(book: Notebook, note: int, has: set[str]) -> list[Proposal]:
    """Words that the note says more than once and few other notes do."""
    text = book.store.note(note)
    words = re.findall(r"[^\W\d_]{4,}", f"{text.title} {text.content}".casefold())
    words = [word for word in words if not is_function(word)]
    total, scored = max(1, book.store.count()), []
    for word, times in Counter(words).most_common(30):
        if times < 2 or word in has:
            continue
        held = book.store.db.execute(
            "SELECT count(DISTINCT note) FROM words JOIN passage ON passage.id = words.rowid WHERE words MATCH ?",
            (f'"{word}"',),
        ).fetchone()[0]
        scored.append((times * np.log(total / max(1, held) + 1), word))
    return [Proposal(word, 0.0, is_new=True) for _, word in sorted(scored, reverse=True)[:3]]
