"""What the user said, learnt from: the weight between words and meaning in search, and how tags are proposed.

What is new is kept only if it is better in a part that was not learnt from, and may be taken back. The tags themselves are
learnt at once, see tags.py; here is chosen how hard their regression pulls and from which confidence one is proposed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact
from pocketlm.notes import search, tags
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.query import same
from pocketlm.notes.search import WEIGHT, Scored, fused, fusion_weight, refused, score
from pocketlm.notes.tags import FEWEST as FEWEST_OF_A_TAG
from pocketlm.notes.tags import Examples, HeadSettings, head_settings, learn_head, tag_examples
from pocketlm.tasks.base import f1

FEWEST = 8  # searches with a thumb before anything is learnt
FEWEST_TAGGED = 30  # notes with tags before anything is learnt of them
HELD_OUT = 3  # every third of them judges
WEIGHTS = tuple(step / 10 for step in range(11))
RIDGES = (0.3, 1.0, 3.0, 10.0, 30.0)
LEASTS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8)
DEPTH = 50  # passages among which an order is judged


@dataclass(frozen=True)
class Learnt:
    """What came of learning one thing.

    Attributes:
        name: fusion or tags.
        before, after: how well the held-out part is answered by the old and the new value: of fusion the mean reciprocal rank
            of searches, of tags the F1 score of proposals.
        value: the new value, by its parts' names.
        kept: whether it counts from now on.
        why: in a sentence.
    """

    name: str
    before: float
    after: float
    value: dict[str, float]
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
    """Learn from all thumbs and tags anew; what is better on the held-out third is kept. The same words give the same."""
    return [_learn_fusion(book, dry_run), _learn_tags(book, dry_run)]


def _learn_fusion(book: Notebook, dry_run: bool) -> Learnt:
    """The weight that answers the searches with thumbs best."""
    said, current = _said(book), fusion_weight(book)
    if len(said) < FEWEST:
        why = f"not enough yet: {len(said)} of {FEWEST} searches have a note that was marked as right"
        return Learnt(search.LEARNT, 0.0, 0.0, {"weight": current}, False, why)
    scored = [(score(book, query, DEPTH), right) for query, right in said]
    owner = _owners(book, scored)
    learnt_from = [one for place, one in enumerate(scored) if place % HELD_OUT]
    held_out = [one for place, one in enumerate(scored) if not place % HELD_OUT]
    best = max(WEIGHTS, key=lambda weight: (_rank(learnt_from, owner, weight), -abs(weight - WEIGHT)))
    before, after = (_rank(held_out, owner, weight) for weight in (current, best))
    what = f"{len(held_out)} searches that were not learnt from are answered"
    return _judged(book, search.LEARNT, before, after, {"weight": best}, what, len(said), dry_run)


def _learn_tags(book: Notebook, dry_run: bool) -> Learnt:
    """The settings of the tags' head under which the proposals for notes are most like the user's own tags."""
    every, current = tag_examples(book), head_settings(book.store)
    count = len(every.rows)
    if count < FEWEST_TAGGED or not every.names:
        why = f"not enough yet: {count} of {FEWEST_TAGGED} notes with tags, {len(every.names)} tags that {FEWEST_OF_A_TAG} notes have"
        return Learnt(tags.LEARNT, 0.0, 0.0, current._asdict(), False, why)
    is_held_out = np.arange(count) % HELD_OUT == 0
    learnt_from, held_out = every.part(~is_held_out), every.part(is_held_out)
    default = HeadSettings()
    scored = {ridge: learn_head(learnt_from, ridge) for ridge in {*RIDGES, current.ridge}}

    def fit(one: HeadSettings) -> tuple[float, bool, bool]:
        head, alone = scored[one.ridge]
        near = (one.ridge == default.ridge, one.least == default.least)  # of equals the usual one
        return (_f1(head.chances(alone) >= one.least, learnt_from), *near)

    best = max((HeadSettings(ridge, least) for ridge in RIDGES for least in LEASTS), key=fit)
    before, after = (
        _f1(head.chances(head.scores(held_out.vectors)) >= one.least, held_out)
        for one, (head, _) in ((one, scored[one.ridge]) for one in (current, best))
    )
    what = f"the tags of {len(held_out.rows)} notes that were not learnt from are proposed"
    return _judged(book, tags.LEARNT, before, after, best._asdict(), what, count, dry_run)


def _judged(
    book: Notebook,
    name: str,
    before: float,
    after: float,
    value: dict[str, float],
    what: str,
    count: int,
    dry_run: bool,
) -> Learnt:
    """Keep a new value if it is better on what was held out."""
    kept = after > before and not dry_run
    if kept:
        at = datetime.now(timezone.utc).isoformat(timespec="seconds")
        told = {"before": before, "after": after, "of": count}
        with book.store.writing():
            book.store.db.execute(
                "INSERT INTO learnt(at, name, value, score) VALUES(?, ?, ?, ?)",
                (at, name, dump_compact(value), dump_compact(told)),
            )
    why = f"{what} {'better' if after > before else 'no better'}"
    return Learnt(name, round(before, 4), round(after, 4), value, kept, why)


def _f1(proposed: NDArray[np.bool_], found: Examples) -> float:
    """Of tags proposed against those that notes have: the harmonic mean of precision and recall over all."""
    counts = np.array([(proposed * found.wanted).sum(), proposed.sum(), found.wanted.sum()], np.float64)
    return float(np.nan_to_num(f1(counts)))


def undo(book: Notebook) -> dict[str, Any]:
    """Take back what was learnt last; returns its name and the value that counts now.

    Raises:
        InputError: nothing was learnt.
    """
    with book.store.writing():
        row = book.store.db.execute("SELECT id, name FROM learnt WHERE used ORDER BY id DESC LIMIT 1").fetchone()
        if not row:
            raise InputError(f"{book.store.path}: nothing was learnt that could be taken back")
        book.store.db.execute("UPDATE learnt SET used = 0 WHERE id = ?", (row[0],))
    now = {search.LEARNT: {"weight": fusion_weight(book)}, tags.LEARNT: head_settings(book.store)._asdict()}
    return {"name": row[1], "value": now[row[1]]}


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
