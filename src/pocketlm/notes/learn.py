"""What the user said, learnt from: the weight between words and meaning in search. Tags learn at once, see tags.py.

A new weight is kept only if it finds what the user marked as right better in a part that was not learnt from, and may be
taken back.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.query import same
from pocketlm.notes.search import WEIGHT, Scored, fused, fusion_weight, refused, score

FEWEST = 8  # searches with a thumb before anything is learnt
HELD_OUT = 3  # every third of them judges
WEIGHTS = tuple(step / 10 for step in range(11))
DEPTH = 50  # passages among which an order is judged


@dataclass(frozen=True)
class Learnt:
    """What came of learning one thing.

    Attributes:
        name: fusion.
        before, after: how well the held-out searches are answered (mean reciprocal rank), by the old and the new value.
        value: the new value.
        kept: whether it counts from now on.
        why: in a sentence.
    """

    name: str
    before: float
    after: float
    value: float
    kept: bool
    why: str


def thumb(book: Notebook, note: int, query: str, up: bool = True) -> None:
    """The user says that a note is, or is not, what a search should find.

    Raises:
        InputError: no such note, or a search for nothing.
    """
    if not query.strip():
        raise InputError("say what was searched for")
    book.store.note(note)
    book.store.correct("thumb", note, {"query": query, "up": up})


def learn(book: Notebook, *, dry_run: bool = False) -> list[Learnt]:
    """Learn from all thumbs anew; what is better on the held-out third is kept. The same thumbs give the same."""
    said = _said(book)
    if len(said) < FEWEST:
        current = fusion_weight(book)
        why = f"not enough yet: {len(said)} of {FEWEST} searches have a note that was marked as right"
        return [Learnt("fusion", 0.0, 0.0, current, False, why)]
    scored = [(score(book, query, DEPTH), right) for query, right in said]
    owner = _owners(book, scored)
    learnt_from = [one for place, one in enumerate(scored) if place % HELD_OUT]
    held_out = [one for place, one in enumerate(scored) if not place % HELD_OUT]
    best = max(WEIGHTS, key=lambda weight: (_rank(learnt_from, owner, weight), -abs(weight - WEIGHT)))
    current = fusion_weight(book)
    before, after = (_rank(held_out, owner, weight) for weight in (current, best))
    kept = after > before
    why = f"{len(held_out)} searches that were not learnt from are answered {'better' if kept else 'no better'}"
    if kept and not dry_run:
        _keep(book, {"weight": best}, {"before": before, "after": after, "searches": len(said)})
    return [Learnt("fusion", round(before, 4), round(after, 4), best, kept and not dry_run, why)]


def undo(book: Notebook) -> dict[str, Any]:
    """Take back what was learnt last; returns what counts now.

    Raises:
        InputError: nothing was learnt.
    """
    with book.store.writing():
        row = book.store.db.execute("SELECT id, name FROM learnt WHERE used ORDER BY id DESC LIMIT 1").fetchone()
        if not row:
            raise InputError(f"{book.store.path}: nothing was learnt that could be taken back")
        book.store.db.execute("UPDATE learnt SET used = 0 WHERE id = ?", (row[0],))
    return {"name": row[1], "weight": fusion_weight(book)}


def history(book: Notebook) -> list[dict[str, Any]]:
    """All that was learnt, the oldest first."""
    rows = book.store.db.execute("SELECT at, name, value, score, used FROM learnt ORDER BY id")
    return [
        {"at": at, "name": name, "value": json.loads(value), "score": json.loads(told), "used": bool(used)}
        for at, name, value, told, used in rows
    ]


def _said(book: Notebook) -> list[tuple[str, set[int]]]:
    """Searches with the notes that were marked as right and not as wrong since, in order."""
    wrong, right = refused(book), dict[str, set[int]]()
    for _, _, note, told in book.store.corrections("thumb"):
        if told.get("up") and note is not None and note not in wrong.get(same(told["query"]), set()):
            right.setdefault(told["query"], set()).add(note)
    alive = {one for (one,) in book.store.db.execute("SELECT id FROM note WHERE merged IS NULL")}
    return [(query, notes & alive) for query, notes in right.items() if notes & alive]


def _owners(book: Notebook, scored: Sequence[tuple[list[Scored], set[int]]]) -> dict[int, int]:
    """Passage -> its note."""
    ids = {one.passage for some, _ in scored for one in some}
    rows = book.store.db.execute(
        "SELECT id, note FROM passage WHERE id IN (SELECT value FROM json_each(?))", (json.dumps(list(ids)),)
    )
    return dict(rows.fetchall())


def _rank(scored: Sequence[tuple[list[Scored], set[int]]], owner: dict[int, int], weight: float) -> float:
    """The mean reciprocal rank of the first right note."""
    found = []
    for some, right in scored:
        words = {one.passage: one.words for one in some}
        order = fused(words, {one.passage: one.cosine for one in some if one.cosine is not None}, weight)
        notes = list(dict.fromkeys(owner[one.passage] for one in order if one.passage in owner))
        place = next((place for place, note in enumerate(notes, 1) if note in right), 0)
        found.append(1 / place if place else 0.0)
    return float(np.mean(found)) if found else 0.0


def _keep(book: Notebook, value: dict[str, float], told: dict[str, float]) -> None:
    at = datetime.now(timezone.utc).isoformat(timespec="seconds")
    with book.store.writing():
        book.store.db.execute(
            "INSERT INTO learnt(at, name, value, score) VALUES(?, 'fusion', ?, ?)",
            (at, dump_compact(value), dump_compact(told)),
        )
