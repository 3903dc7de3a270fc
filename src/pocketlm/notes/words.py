"""Passages by the words they share with a search: BM25 of SQLite's FTS5, kept quick where words are common."""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.notes.passages import Place
from pocketlm.notes.query import Query
from pocketlm.notes.terms import STOP

TITLE_WEIGHT = 1.5  # of a word in a title, beside one in the text
MOST = 2000  # passages that are scored: a few microseconds each
COMMON = 10_000  # passages up to which a word is counted; BM25 would read the whole list of one that is in more
SHORTEST = 3  # letters of an unfinished word that is looked up
STARTS = {word[:SHORTEST] for word in STOP}
MARKS = "\ue000", "\ue001"  # around found words; from Unicode's private part


@dataclass(frozen=True)
class Term:
    """A word or phrase as FTS5 reads it, and how many passages have it (at most `COMMON` are counted)."""

    text: str
    held: int


def quoted(text: str) -> str:
    """A word or phrase that FTS5 takes literally."""
    return '"' + text.replace('"', " ").replace("\0", " ") + '"'


def any_of(texts: Sequence[str]) -> str:
    """An expression for passages with any of them."""
    return "(" + " OR ".join(map(quoted, texts)) + ")"


def every(texts: Sequence[str]) -> str:
    """An expression for passages with all of them."""
    return "(" + " AND ".join(map(quoted, texts)) + ")"


def held(db: Any, expression: str, most: int = COMMON) -> int:
    """How many passages an expression finds, counted up to `most`."""
    row = db.execute(
        "SELECT count(*) FROM (SELECT 1 FROM words WHERE words MATCH ? LIMIT ?)", (expression, most)
    ).fetchone()
    return int(row[0])


def terms_of(db: Any, query: Query) -> list[Term]:
    """A search's words that occur at all, the rarest first."""
    terms = [Term(word, held(db, quoted(word))) for word in query.words]
    return sorted((term for term in terms if term.held), key=lambda term: term.held)


def expression_of(db: Any, query: Query, among: int | None = None, most: int = MOST) -> tuple[str, bool]:
    """The expression for FTS5 that finds the passages worth scoring, about `most` at the most, empty where none is; and
    whether all of its words are common. `among`: passages that filters leave; of few, any word finds some.

    Where all passages with any of the words are too many, only those with a rare word are taken, and of common words alone
    those that have them all: less common words still count for the score, and what they miss is left to meaning.
    """
    terms = terms_of(db, query)
    words = [term.text for term in terms]
    common = False
    if query.phrases:
        wanted = every(query.phrases)
        expression = f"{wanted} AND ({wanted} OR {any_of(words)})" if words else wanted
    elif not terms:
        return "", False
    elif among is not None and among <= most:
        expression = any_of([term.text for term in terms if term.held < COMMON] or words)
    else:
        sums = list(itertools.accumulate(term.held for term in terms))
        rare = words[: sum(total <= most for total in sums)]
        telling = [term.text for term in terms if term.held < COMMON]
        if rare:
            expression = f"{any_of(rare)} AND {any_of(telling)}" if len(telling) > len(rare) else any_of(rare)
        else:
            common = not telling
            expression = every(words) if held(db, every(words), 1) else quoted(words[0])
    return (f"({expression}) NOT {any_of(query.without)}" if query.without else expression), common


def begun(query: Query, typed: str) -> str:
    """The expression for what is being typed: all of its words, the last one perhaps unfinished; empty where that is too little.

    Without an index of beginnings, which would take a fifth of the file, the beginnings of common words are slow to look up.
    """
    last = re.split(r"[^\w'’]+", typed.casefold())[-1]
    words = [word for word in query.words if word != last and word not in STOP]
    too_little = len(last) < SHORTEST or last in STOP or (len(last) == SHORTEST and last in STARTS)
    beginning = [] if too_little else [f"{quoted(last)} *"]
    return " AND ".join([*map(quoted, [*words, *query.phrases]), *beginning])


def titled(db: Any, beginning: str, most: int) -> list[int]:
    """The first passages of notes of which a word of the title begins so, by title."""
    like = beginning.replace("%", "").replace("_", "")
    titles = (
        "SELECT id FROM note WHERE title <> '' AND (title LIKE ? OR title LIKE ?) ORDER BY title COLLATE NOCASE LIMIT ?"
    )
    notes = [row[0] for row in db.execute(titles, (f"{like}%", f"% {like}%", most))]
    rows = db.execute(
        "SELECT min(passage.id) FROM passage JOIN note ON note.id = passage.note WHERE note.merged IS NULL"
        " AND note.id IN (SELECT value FROM json_each(?)) GROUP BY note.id ORDER BY note.title COLLATE NOCASE",
        (json_list(notes),),
    )
    return [row[0] for row in rows]


def scored(
    db: Any, expression: str, only: NDArray[np.int64] | None = None, most: int = MOST, *, common: bool = False
) -> list[tuple[int, float]]:
    """(passage, BM25) of the passages that an expression finds, the best first; of more than `most` the newest.

    Args:
        only: passages among which is searched, rising.
        common: all of its words are common ones, which tell nothing apart: nothing is scored, all get 0.
    """
    if not expression or (only is not None and not len(only)):
        return []
    ranked = 0.0 if common else f"-bm25(words, {TITLE_WEIGHT}, 1.0)"
    within = ""
    values: list[Any] = [expression]
    if only is not None:  # a table of many numbers would take longer to fill than it saves
        wanted = np.zeros(int(only[-1]) + 1, dtype=np.bool_)
        wanted[only] = True
        db.create_function("is_wanted", 1, wanted.tobytes().__getitem__, deterministic=True)
        within = " AND rowid BETWEEN ? AND ? AND is_wanted(rowid)"
        values += [int(only[0]), int(only[-1])]
    sql = f"SELECT rowid, {ranked} FROM words WHERE words MATCH ?{within} ORDER BY rowid DESC LIMIT ?"
    rows = db.execute(sql, (*values, most))
    return sorted(rows.fetchall(), key=lambda row: (-row[1], row[0]))


def places(db: Any, words: Sequence[str], passage: int) -> tuple[list[Place], list[Place]]:
    """Where words and phrases stand in a passage's title and in its text (characters of each)."""
    if not words:
        return [], []
    row = db.execute(
        "SELECT highlight(words, 0, ?, ?), highlight(words, 1, ?, ?) FROM words WHERE words MATCH ? AND rowid = ?",
        (*MARKS, *MARKS, any_of(words), passage),
    ).fetchone()
    return (_marked(row[0]), _marked(row[1])) if row else ([], [])


def json_list(numbers: Sequence[int]) -> str:
    """Numbers for SQLite's json_each: one value instead of thousands of question marks."""
    return "[" + ",".join(map(str, numbers)) + "]"


def _marked(text: str) -> list[Place]:
    found, start, at = [], 0, 0
    for piece in text.replace(MARKS[0], f"\0{MARKS[0]}").replace(MARKS[1], f"\0{MARKS[1]}").split("\0"):
        if piece.startswith(MARKS[0]):
            start = at
        elif piece.startswith(MARKS[1]):
            found.append((start, at))
        at += len(piece) - piece.startswith(MARKS)
    return found
