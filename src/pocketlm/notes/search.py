"""Search in notes: words and meaning together, with filters and dates; every hit says why it is there and where it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact
from pocketlm.notes import words as by_words
from pocketlm.notes.dates import period_of
from pocketlm.notes.nearest import Ints, cosines, signs_of
from pocketlm.notes.note import Note, Span
from pocketlm.notes.notebook import ENCODER_SETTING, NO_ENCODER, Notebook
from pocketlm.notes.passages import Place
from pocketlm.notes.query import Filters, Query, day_span, parse, same
from pocketlm.notes.reasons import Scored, Why, with_reasons
from pocketlm.notes.store import ALIVE

__all__ = ["Filters", "Hit", "Scored", "Why", "complete", "score", "search"]

WAYS = ("hybrid", "words", "meaning")
WEIGHT = 0.5  # of meaning, beside words
LEARNT = "fusion"  # name of what learn.py keeps
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
LISTED = 200  # notes of a time or a tag alone
NEAR = 0.5  # likeness of names from which one is told for another
SHOWN = 5  # names that are told where none is near
FOLDERS = "folders"  # among the caches
TAGGED = "tag.name IN (SELECT value FROM json_each(?)) AND tag.origin <> 'model'"  # as a list of names says
SURE = 0.4  # confidence from which an expression is taken for a time: "may" and bare numbers are below
SECOND = timedelta(seconds=1)


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
        InputError: an unknown way, a filter that is no date, a tag or folder that no note has, or vectors of another encoder
            than the notebook's.
    """
    if by not in WAYS:
        raise InputError(f'no search by "{by}"; there are {", ".join(WAYS)}')
    with _reading(book.store.db):
        asked, period = _in_period(book, parse(query, filters), today or datetime.now())
        wrong = refused(book).get(same(query), set())
        hits = _hits(book, asked, _scored(book, asked, by), count + len(wrong), each)
        hits = sorted(hits, key=lambda hit: hit.note.id in wrong)[:count]  # what was marked as wrong comes last
    if period and asked.filters.since == asked.filters.until == "":
        missed = Why("missed", f"no note is of the time “{period}”, so it was left out")
        return [replace(hit, why=(*hit.why, missed)) for hit in hits]
    if period:
        return [replace(hit, why=(*hit.why, Why("date", f"written {hit.note.date}, {period}"))) for hit in hits]
    return [hit if hit.why else replace(hit, why=_filtered(hit.note, asked.filters)) for hit in hits]


def score(book: Notebook, question: str, count: int = 50, filters: Filters | None = None) -> list[Scored]:
    """The best passages of a question with what words and meaning say of each, the best first."""
    with _reading(book.store.db):
        return _scored(book, parse(question, filters), "hybrid")[:count]


def complete(book: Notebook, prefix: str, count: int = 8) -> list[Hit]:
    """Notes for what has been typed so far, the last word unfinished; by words only, in milliseconds.

    A short beginning is looked for in titles alone: in the words of 100,000 notes it would take seconds.
    """
    db = book.store.db
    with _reading(db):
        asked = parse(prefix)
        if expression := by_words.begun(asked, prefix):
            many = by_words.held(db, expression, NEWEST) == NEWEST
            found = by_words.scored(db, expression, _among(book, asked.filters).passages, NEWEST, common=many)
        else:
            found = [(passage, 0.0) for passage in by_words.titled(db, prefix.strip(), count)] if prefix.strip() else []
        return _hits(book, asked, [Scored(passage, score, None, score) for passage, score in found], count, 1)


def _in_period(book: Notebook, asked: Query, today: datetime) -> tuple[Query, str]:
    """A search for a time ("the plague in summer 1665") among the notes of that time; as it is where there are none.

    Returns:
        The search, narrowed or not, and the words that name the time, "" where none does.
    """
    if asked.filters.since or asked.filters.until:
        return asked, ""
    period = period_of(asked.text, today)
    if period is None or period.confidence < SURE or period.grain not in GRAINS:
        return asked, ""
    since, until = (
        moment.isoformat() if moment else "" for moment in (period.first, period.last and period.last - SECOND)
    )
    rest = " ".join((asked.text[: period.start] + asked.text[period.end :]).split())
    narrowed = parse(rest, replace(asked.filters, since=since, until=until))
    narrowed = replace(narrowed, phrases=asked.phrases, without=asked.without)
    where, values = _conditions(book, narrowed.filters)
    sql = f"SELECT 1 FROM note WHERE merged IS NULL AND {' AND '.join(where)} LIMIT 1"
    return (narrowed if book.store.db.execute(sql, values).fetchone() else asked), period.text


def _scored(book: Notebook, asked: Query, by: str) -> list[Scored]:
    _check_known(book, asked.filters)
    db, among = book.store.db, _among(book, asked.filters)
    if not asked.text:
        return [Scored(passage, 0.0, None, 0.0) for passage in _listed(book, asked.filters)] if asked.filters else []
    # what has neither the best words nor the nearest meaning does not come first by both
    left = None if among.passages is None else len(among.passages)
    expression, common = by_words.expression_of(db, asked, left) if by != "meaning" else ("", False)
    found = dict(by_words.scored(db, expression, among.passages, common=common)[:CANDIDATES])
    cosine: dict[int, float] = {}
    if by != "words" and book.store.setting(ENCODER_SETTING) != NO_ENCODER:
        question = _vector(book, asked.text)
        near = signs_of(book).nearest(question, CANDIDATES, among.mask)
        cosine = cosines(db, list({*near, *found}), question)
    weight = {"words": 0.0, "meaning": 1.0}.get(by, fusion_weight(book))
    return with_reasons(db, asked, fused(found, cosine, weight))


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
    return book.store.learnt(LEARNT).get("weight", WEIGHT)


def refused(book: Notebook) -> dict[str, set[int]]:
    """Search, in small letters -> the notes that the user marked as wrong for it and not as right since."""
    found: dict[str, set[int]] = {}
    for _, _, note, told in book.store.corrections("thumb"):
        notes = found.setdefault(same(str(told.get("query", ""))), set())
        if note is not None:
            (notes.discard if told.get("up") else notes.add)(note)
    return found


def _vector(book: Notebook, text: str) -> Any:
    book.check_encoder()
    return np.asarray(book.embedder.embed([text])[0], dtype=np.float32)


@dataclass(frozen=True)
class _Among:
    """The passages that may be found; None: all.

    Attributes:
        passages: their numbers, rising.
        mask: which of the signs' passages they are.
    """

    passages: Ints | None = None
    mask: NDArray[np.bool_] | None = None


def _among(book: Notebook, filters: Filters) -> _Among:
    where, values = _conditions(book, filters)
    db = book.store.db
    barred = [row[0] for row in db.execute("SELECT id FROM note WHERE merged IS NOT NULL")] + list(filters.without)
    if not where and not barred:
        return _Among()
    signs = signs_of(book)
    mask = ~np.isin(signs.notes, np.array(barred, dtype=np.int64))
    if where:
        found = [row[0] for row in db.execute(f"SELECT id FROM note WHERE {' AND '.join(where)}", values)]
        mask &= np.isin(signs.notes, np.array(found, dtype=np.int64))
    return _Among(signs.ids[mask], mask)


def _listed(book: Notebook, filters: Filters) -> list[int]:
    """The first passages of the notes that filters leave, in order of writing: what a time or a tag alone finds."""
    where, values = _conditions(book, filters)
    where += ["merged IS NULL", "id NOT IN (SELECT value FROM json_each(?))"]
    chosen = f"SELECT id FROM note WHERE {' AND '.join(where)} ORDER BY date, id LIMIT {LISTED}"
    rows = book.store.db.execute(
        "SELECT min(passage.id) FROM passage JOIN note ON note.id = passage.note"
        f" WHERE note.id IN ({chosen}) GROUP BY note.id ORDER BY note.date, note.id",
        (*values, by_words.json_list(filters.without)),
    )
    return [row[0] for row in rows]


def _conditions(book: Notebook, filters: Filters) -> tuple[list[str], list[Any]]:
    where: list[str] = []
    values: list[Any] = []
    if filters.since:
        where.append("note.date >= ?")
        values.append(_short(day_span(filters.since)[0]))
    if filters.until:
        where.append("note.date <> '' AND note.date < ?")
        values.append(_short(day_span(filters.until)[1]))
    for tag in filters.tags:
        where.append(f"note.id IN (SELECT note FROM tag WHERE {TAGGED})")
        values.append(dump_compact(_nested(book.store.tag_names(), tag)))
    if filters.folder:
        where.append("note.folder IN (SELECT value FROM json_each(?))")
        values.append(dump_compact(_nested(["", *_folders(book)], filters.folder.strip("/"))))
    if filters.source:
        where.append("note.source IN (SELECT id FROM source WHERE path = ?)")
        values.append(filters.source)
    return where, values


def _nested(known: Iterable[str], asked: str) -> list[str]:
    """Of names those that are called so, or are nested in what is; case does not count."""
    plain = asked.casefold()
    return [name for name in known if (one := name.casefold()) == plain or one.startswith(f"{plain}/")]


def _folders(book: Notebook) -> list[str]:
    """Every folder; no index has them, so they are kept."""
    kept = book.caches.get(FOLDERS)
    if kept is None or kept[0] != book.store.version:
        kept = book.caches[FOLDERS] = (book.store.version, book.store.folders())
    return list(kept[1])


def _check_known(book: Notebook, filters: Filters) -> None:
    """Raises InputError: no note has a tag, or is in a folder, of that name."""
    store, folder = book.store, filters.folder.strip("/")
    for tag in filters.tags:
        sql = f"SELECT 1 FROM tag JOIN note ON note.id = tag.note WHERE {TAGGED} AND +{ALIVE} LIMIT 1"
        if not store.db.execute(sql, (dump_compact(_nested(store.tag_names(), tag)),)).fetchone():
            raise _unknown("tagged", tag, list(store.all_tags()))
    if folder and not _nested(_folders(book), folder):
        raise _unknown("in the folder", folder, _folders(book))


def _unknown(what: str, asked: str, known: Sequence[str]) -> InputError:
    plain = {name.casefold(): name for name in known}
    near = get_close_matches(asked.casefold(), plain, 1, NEAR)
    hint = f"; the nearest is {plain[near[0]]}" if near else f"; there are {', '.join(known[:SHOWN]) or 'none'}"
    return InputError(f'no note is {what} "{asked}"{hint}')


def _filtered(note: Note, filters: Filters) -> tuple[Why, ...]:
    """Why a note is there that filters alone have found."""
    tags = [Why("tag", f"#{tag}") for tag in filters.tags]
    folder = [Why("folder", note.folder)] if filters.folder else []
    date = [Why("date", f"written {note.date}")] if filters.since or filters.until else []
    return (*tags, *folder, *date)


def _short(moment: datetime) -> str:
    """As the file's dates begin: a day where it is midnight."""
    return moment.isoformat().removesuffix("T00:00:00")


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
    why += one.why
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
