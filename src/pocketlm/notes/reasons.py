"""What else speaks for a passage that was found: the whole query stands in it, its note bears such a tag, another hit links to it.

These only move hits that words or meaning have found already, and each is told to the person.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import PurePosixPath
from typing import Any

from pocketlm.notes.query import Query
from pocketlm.notes.terms import stem
from pocketlm.notes.words import json_list

LOOKED_AT = 40  # passages, the best ones
# what each adds to a score of 0 to 1; of a link this share of the linking hit's score
PHRASE, TITLE, TAG, LINK = 0.05, 0.2, 0.1, 0.05


@dataclass(frozen=True)
class Why:
    """Why a hit is there.

    Attributes:
        kind: words, phrase, meaning, title, tag, folder, link or date; missed: no note is of the time that was named.
        told: a few words for people, such as the words that match, or "0.71 alike".
    """

    kind: str
    told: str


@dataclass(frozen=True)
class Scored:
    """A passage with what both ways to search say of it.

    Attributes:
        words: BM25, 0 where it has none of the rarer words; cosine: of its vector with the question's, None without a vector.
        score: both together, 0 to 1, and a little more for further reasons.
        why: the further reasons.
    """

    passage: int
    words: float
    cosine: float | None
    score: float
    why: tuple[Why, ...] = ()


@dataclass(frozen=True)
class _Seen:
    """A found passage as far as it is looked at."""

    note: int
    key: str
    title: str
    text: str

    @property
    def name(self) -> str:
        return self.title or self.key

    @property
    def names(self) -> set[str]:
        """By what a link may call the note."""
        path = PurePosixPath(self.key)
        return {one.casefold() for one in (self.key, str(path.with_suffix("")), path.stem, self.title) if one}


def with_reasons(db: Any, asked: Query, found: Sequence[Scored]) -> list[Scored]:
    """The same passages, the best of them moved by further reasons."""
    top = found[:LOOKED_AT]
    seen = _seen(db, [one.passage for one in top])
    linked, tagged = _linked(db, seen, top), _tagged(db, seen, asked)
    moved = []
    for one in top:
        note = seen[one.passage]
        add, why = 0.0, list[Why]()
        if _holds(note.text, asked.text):
            add, why = add + PHRASE, [*why, Why("phrase", f"“{asked.text}”")]
        if note.title and plain(note.title) == plain(asked.text):
            add += TITLE  # told with the words of the title
        for tag in tagged[note.note]:
            add, why = add + TAG, [*why, Why("tag", f"#{tag}")]
        for name, score in linked[note.note].items():
            add, why = add + LINK * score, [*why, Why("link", f"linked from “{name}”")]
        moved.append(replace(one, score=one.score + add, why=tuple(why)))
    return sorted(moved, key=lambda one: (-one.score, one.passage)) + list(found[LOOKED_AT:])


def plain(text: str) -> str:
    """Small letters, one space between words, no punctuation around them."""
    return " ".join(re.findall(r"[\w'’-]+", text.casefold()))


def _holds(text: str, query: str) -> bool:
    """Whether all of a query of two words or more stands in a text as it was typed."""
    wanted = plain(query)
    return " " in wanted and f" {wanted} " in f" {plain(text)} "


def _seen(db: Any, passages: Sequence[int]) -> dict[int, _Seen]:
    rows = db.execute(
        "SELECT passage.id, note.id, note.key, note.title, substr(note.content, start + 1, stop - start)"
        " FROM passage JOIN note ON note.id = passage.note WHERE passage.id IN (SELECT value FROM json_each(?))",
        (json_list(passages),),
    )
    return {passage: _Seen(*told) for passage, *told in rows}


def _linked(db: Any, seen: dict[int, _Seen], found: Sequence[Scored]) -> dict[int, dict[str, float]]:
    """Note -> name and score of each other hit that links to it."""
    best: dict[int, tuple[float, str]] = {}
    named: dict[str, int] = {}
    for one in found:
        note = seen[one.passage]
        best.setdefault(note.note, (one.score, note.name))
        for name in note.names:
            named.setdefault(name, note.note)
    rows = db.execute(
        "SELECT DISTINCT note, target FROM link WHERE kind <> 'url' AND note IN (SELECT value FROM json_each(?))",
        (json_list(list(best)),),
    )
    linked: dict[int, dict[str, float]] = defaultdict(dict)
    for source, target in rows:
        called = target.partition("#")[0].strip().casefold()
        to = named.get(called) or named.get(PurePosixPath(called).stem)
        if to and to != source:
            score, name = best[source]
            linked[to][name] = score
    return linked


def _tagged(db: Any, seen: dict[int, _Seen], asked: Query) -> dict[int, list[str]]:
    """Note -> its tags that are among the words searched for."""
    rows = db.execute(
        "SELECT note, name FROM tag WHERE origin <> 'model' AND note IN (SELECT value FROM json_each(?))",
        (json_list([note.note for note in seen.values()]),),
    )
    words = {stem(word) for word in asked.words}
    tagged: dict[int, list[str]] = defaultdict(list)
    for note, name in rows:
        if stem(name.casefold()) in words:
            tagged[note].append(name)
    return tagged
