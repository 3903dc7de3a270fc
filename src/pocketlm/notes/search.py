"""Search in notes: words and meaning together, with filters and dates; every hit says why it is there and where it stands."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.notes import words as by_words
from pocketlm.notes.dates import period_of
from pocketlm.notes.nearest import Ints, cosines, signs_of
from pocketlm.notes.note import Note, Span
from pocketlm.notes.notebook import ENCODER_SETTING, NO_ENCODER, Notebook
from pocketlm.notes.passages import Place
from pocketlm.notes.query import Filters, Query, day_span, parse, same

__all__ = ["Filters", "Hit", "Scored", "Why", "complete", "score", "search"]

WAYS = ("hybrid", "words", "meaning")
WEIGHT = 0.5  # of meaning, beside words
CANDIDATES = 300  # passages by words, and as many by the signs of their vectors, that are compared exactly
NEWEST = 400  # passages among which the best are shown while one types
GRAINS = (
    "day",
    "weekend",
    "week",
    "month",
    "season",
    "quarter",
    "year",
    "decade",
    "century",
)  # of times that are asked for
SURE = 0.4  # confidence from which an expression is taken for a time: "may" and bare numbers are below
SECOND = timedelta(seconds=1)


@dataclass(frozen=True)
class Why:
    """Why a hit is there.

    Attributes:
        kind: words, phrase, meaning, title, tag, link or date.
        told: a few words for people, such as the words that match, or "0.71 alike".
    """

    kind: str
    told: str


@dataclass(frozen=True)
class Hit:
    """A passage that was found.

    Attributes:
        score: 0 to about 1; of use to order the hits of one search, not to compare searches.
        words: where the words that were searched for stand, characters of the note.
    """

    note: Note
    span: Span
    text: str
    score: float
    why: tuple[Why, ...]
    words: tuple[Place, ...]


@dataclass(frozen=True)
class Scored:
    """A passage with what both ways to search say of it.

    Attributes:
        words: BM25, 0 where it has none of the rarer words; cosine: of its vector with the question's, None without a vector.
        score: both together, 0 to 1.
    """

    passage: int
    words: float
    cosine: float | None
    score: float


def search(
    book: Notebook,
    query: str,
    count: int = 10,
    filters: Filters | None = None,
    *,
    today: datetime | None = None,
    by: str = "hybrid",
    each: int = 1,
) -> list[Hit]:
    """The notes that fit a query best, each with its best passage.

    Args:
        query: as people type: words, "a phrase", -without, tag:, folder:, before:, after:, and dates such as "last spring".
        today: what "last spring" is meant from; now by default.
        by: hybrid, words or meaning.
        each: passages of one note at the most.

    Raises:
        InputError: an unknown way, a filter that is no date, or vectors of another encoder than the notebook's.
    """
    if by not in WAYS:
        raise InputError(f'no search by "{by}"; there are {", ".join(WAYS)}')
    with _reading(book.store.db):
        asked, period = _in_period(book, parse(query, filters), today or datetime.now())
        wrong = refused(book).get(same(query), set())
        hits = _hits(book, asked, _scored(book, asked, by), count + len(wrong), each)
        hits = sorted(hits, key=lambda hit: hit.note.id in wrong)[:count]  # what was marked as wrong comes last
    return (
        [replace(hit, why=(*hit.why, Why("date", f"written {hit.note.date}, {period}"))) for hit in hits]
        if period
        else hits
    )


def score(book: Notebook, question: str, count: int = 50, filters: Filters | None = None) -> list[Scored]:
    """The best passages of a question with what words and meaning say of each, the best first."""
    with _reading(book.store.db):
        return _scored(book, parse(question, filters), "hybrid")[:count]


def complete(book: Notebook, prefix: str, count: int = 8) -> list[Hit]:
    """Notes for what has been typed so far, the last word unfinished; by words only, in milliseconds."""
    db = book.store.db
    with _reading(db):
        asked = parse(prefix)
        if expression := by_words.begun(asked, prefix):
            allowed = _passages(db, _allowed(book, asked))
            many = by_words.held(db, expression, NEWEST) == NEWEST
            found = by_words.scored(db, expression, allowed, NEWEST, common=many)
        else:
            found = [(passage, 0.0) for passage in by_words.titled(db, prefix.strip(), count)] if prefix.strip() else []
        return _hits(book, asked, [Scored(passage, score, None, score) for passage, score in found], count, 1)


def _in_period(book: Notebook, asked: Query, today: datetime) -> tuple[Query, str]:
    """A search for a time ("the plague in summer 1665") among the notes of that time; as it is where there are none.

    Returns:
        The search, and the words that name the time, "" where none does.
    """
    if asked.filters.since or asked.filters.until:
        return asked, ""
    period = period_of(asked.text, today)
    if period is None or period.confidence < SURE or period.grain not in GRAINS:
        return asked, ""
    ends = (period.first, period.last and period.last - SECOND)
    since, until = (_short(moment) if moment else "" for moment in ends)
    within = "SELECT 1 FROM note WHERE date >= ? AND date <= ? AND date <> '' AND merged IS NULL LIMIT 1"
    if not book.store.db.execute(within, (since, until or "9")).fetchone():
        return asked, ""
    rest = " ".join((asked.text[: period.start] + asked.text[period.end :]).split())
    narrowed = parse(rest, replace(asked.filters, since=since, until=until))
    narrowed = replace(narrowed, phrases=asked.phrases, without=asked.without)
    allowed = _allowed(book, narrowed)
    return (narrowed, period.text) if allowed is not None and len(allowed) else (asked, "")


def _scored(book: Notebook, asked: Query, by: str) -> list[Scored]:
    notes = _allowed(book, asked)
    db = book.store.db
    only = _passages(db, notes)
    if not asked.text and only is not None:  # a time or a tag alone: what it holds, in order
        return [Scored(passage, 0.0, None, 0.0) for passage in only]
    # what has neither the best words nor the nearest meaning does not come first by both
    expression, common = by_words.expression_of(db, asked) if by != "meaning" else ("", False)
    found = dict(by_words.scored(db, expression, only, common=common)[:CANDIDATES])
    cosine: dict[int, float] = {}
    if by != "words" and asked.text and book.store.setting(ENCODER_SETTING) != NO_ENCODER:
        question = _vector(book, asked.text)
        near = signs_of(book).nearest(question, CANDIDATES, notes)
        cosine = cosines(db, list({*near, *found}), question)
    weight = {"words": 0.0, "meaning": 1.0}.get(by, fusion_weight(book))
    return fused(found, cosine, weight)


def fused(words: dict[int, float], cosine: dict[int, float], weight: float) -> list[Scored]:
    """Passages by what words and meaning say of each, the best first; `weight` is the share of meaning."""
    best_words, best_cosine = max(words.values(), default=0.0), max(cosine.values(), default=0.0)
    found = []
    for passage in {*words, *cosine}:
        one, other = words.get(passage, 0.0), cosine.get(passage)
        score = (1 - weight) * one / max(best_words, 1e-9) + weight * max(other or 0.0, 0.0) / max(best_cosine, 1e-9)
        found.append(Scored(passage, one, other, score))
    return sorted(found, key=lambda one: (-one.score, one.passage))


def fusion_weight(book: Notebook) -> float:
    """The share of meaning beside words: what was learnt from the user, otherwise half."""
    row = book.store.db.execute(
        "SELECT value FROM learnt WHERE name = 'fusion' AND used ORDER BY id DESC LIMIT 1"
    ).fetchone()
    return float(json.loads(row[0])["weight"]) if row else WEIGHT


def refused(book: Notebook) -> dict[str, set[int]]:
    """Search, in small letters -> the notes that the user marked as wrong for it and not as right since."""
    found: dict[str, set[int]] = {}
    for _, _, note, told in book.store.corrections("thumb"):
        notes = found.setdefault(same(str(told.get("query", ""))), set())
        if note is not None:
            (notes.discard if told.get("up") else notes.add)(note)
    return found


def _vector(book: Notebook, text: str) -> Any:
    made = book.store.setting(ENCODER_SETTING)
    if made and made != book.encoder_uri:
        raise InputError(
            f"{book.store.path}: its vectors are made by {made}, not by {book.encoder_uri}; import once with that encoder, or search by words"
        )
    return np.asarray(book.embedder.embed([text])[0], dtype=np.float32)


def _allowed(book: Notebook, asked: Query) -> Ints | None:
    """The notes that filters allow, merged ones never; None: all."""
    where, values = _conditions(asked.filters)
    if not where:
        merged = [row[0] for row in book.store.db.execute("SELECT id FROM note WHERE merged IS NOT NULL")]
        if not merged:
            return None
        where.append("merged IS NULL")
    sql = f"SELECT note.id FROM note WHERE {' AND '.join(where)}"
    return np.array([row[0] for row in book.store.db.execute(sql, values)], dtype=np.int64)


def _conditions(filters: Filters) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    if filters.since:
        where.append("note.date >= ?")
        values.append(_short(day_span(filters.since)[0]))
    if filters.until:
        where.append("note.date <> '' AND note.date < ?")
        values.append(_short(day_span(filters.until)[1]))
    for tag in filters.tags:
        where.append("note.id IN (SELECT note FROM tag WHERE name = ? AND origin <> 'model')")
        values.append(tag)
    if filters.folder:
        folder = filters.folder.strip("/")
        where.append("(note.folder = ? OR substr(note.folder, 1, ?) = ?)")
        values += [folder, len(folder) + 1, folder + "/"]
    if filters.source:
        where.append("note.source IN (SELECT id FROM source WHERE path = ?)")
        values.append(filters.source)
    return where + (["merged IS NULL"] if where else []), values


def _short(moment: datetime) -> str:
    """As the file's dates begin: a day where it is midnight."""
    return moment.isoformat().removesuffix("T00:00:00")


def _passages(db: Any, notes: Ints | None) -> list[int] | None:
    if notes is None:
        return None
    sql = "SELECT id FROM passage WHERE note IN (SELECT value FROM json_each(?)) ORDER BY note, start"
    return [row[0] for row in db.execute(sql, (by_words.json_list(notes.tolist()),))]


def _hits(book: Notebook, asked: Query, found: Sequence[Scored], count: int, each: int) -> list[Hit]:
    hits: list[Hit] = []
    had: dict[int, int] = {}
    for one in found:
        if len(hits) == count:
            break
        row = book.store.db.execute("SELECT note, start, stop FROM passage WHERE id = ?", (one.passage,)).fetchone()
        if had.get(row[0], 0) < each:
            had[row[0]] = had.get(row[0], 0) + 1
            hits.append(_hit(book, asked, one, Span(*row)))
    return hits


def _hit(book: Notebook, asked: Query, one: Scored, span: Span) -> Hit:
    note = book.store.note(span.note)
    text = note.content[span.start : span.stop]
    in_title, in_text = by_words.places(book.store.db, [*asked.words, *asked.phrases], one.passage)
    why = []
    if in_text:
        why.append(Why("words", ", ".join(dict.fromkeys(text[a:b].lower() for a, b in in_text))))
    if in_title:
        why.append(Why("title", ", ".join(dict.fromkeys(note.title[a:b].lower() for a, b in in_title))))
    if one.cosine is not None:
        why.append(Why("meaning", f"{one.cosine:.2f} alike"))
    places = tuple((span.start + a, span.start + b) for a, b in in_text)
    return Hit(note, span, text, one.score, tuple(why), places)


@contextmanager
def _reading(db: Any) -> Iterator[None]:
    """All that is read inside is of one state of the file."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("ROLLBACK")
