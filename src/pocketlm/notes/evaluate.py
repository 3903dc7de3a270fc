"""How well a person's own notes are found, cited and refused: questions are made of the notes themselves, then asked.

Four kinds: known (a note's rarest words), paraphrase (a sentence of it without its rarest words), date (what was written on a
day), and unanswerable (of a note that is left out while they are asked).
"""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.core.progress import progress
from pocketlm.evaluate.statistics import interval_of_share
from pocketlm.notes.ask import ask
from pocketlm.notes.note import Note
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.passages import sentences
from pocketlm.notes.query import STOP
from pocketlm.notes.search import search
from pocketlm.notes.words import held, quoted

KINDS = ("known", "paraphrase", "date")
DEPTH = 10
FEWEST = 8  # words of a sentence that becomes a question
RAREST = 3  # words that a paraphrase lacks and a known-item question keeps


@dataclass(frozen=True)
class Asked:
    """A question and the note that it was made of."""

    kind: str
    text: str
    note: int


def questions(book: Notebook, count: int, seed: int = 0) -> list[Asked]:
    """`count` questions of each kind, the same for the same notes and seed.

    Raises:
        InputError: the notes have too few sentences to make any.
    """
    notes = [note for note in book.store.notes(order="note.id") if len(note.content.split()) >= FEWEST]
    random.Random(seed).shuffle(notes)
    found: dict[str, list[Asked]] = {kind: [] for kind in KINDS}
    for note in notes:
        if all(len(some) >= count for some in found.values()):
            break
        for one in _of_note(book, note):
            if len(found[one.kind]) < count:
                found[one.kind].append(one)
    if not found["known"]:
        raise InputError(f"{book.store.path}: the notes have no sentence of {FEWEST} words to make a question of")
    return [one for some in found.values() for one in some]


def measure(
    book: Notebook,
    count: int = 50,
    ways: Sequence[str] = ("hybrid", "words", "meaning"),
    seed: int = 0,
    *,
    answers: bool = True,
) -> dict[str, Any]:
    """Recall, nDCG and time of every way to search, on the same questions; and of answers, how many are cited and refused.

    Returns:
        {"questions", "search": {way: {kind: figures}}, "answers": figures}
    """
    asked = questions(book, count, seed)
    steps = len(asked) * len(ways) + (2 * count if answers else 0)
    found: dict[str, Any] = {"questions": len(asked), "notes": book.store.count(), "search": {}}
    found["size_mb"] = round(book.store.path.stat().st_size / 1e6, 2)
    with progress("Asking", steps) as tick:
        for way in ways:
            ranks: dict[str, list[int]] = {kind: [] for kind in KINDS}
            began = time.perf_counter()
            for one in asked:
                ids = [hit.note.id for hit in search(book, one.text, DEPTH, by=way)]
                ranks[one.kind].append(ids.index(one.note) + 1 if one.note in ids else 0)
                tick()
            each = 1000 * (time.perf_counter() - began) / len(asked)
            found["search"][way] = {kind: _figures(some) for kind, some in ranks.items() if some} | {
                "ms": round(each, 2)
            }
        if answers:
            found["answers"] = _answers(book, [one for one in asked if one.kind == "paraphrase"], tick)
    return found


def table(found: dict[str, Any]) -> str:
    """The figures as text."""
    lines = [f"{found['questions']} questions made of {found['notes']} notes ({found['size_mb']} MB)"]
    lines.append(f"{'':<10}{'':<12}{'found 1st':>10}{'in 10':>8}  {'95 %':<14}{'nDCG@10':>8}{'ms':>8}")
    for way, kinds in found["search"].items():
        for kind, one in kinds.items():
            if kind == "ms":
                continue
            low, high = one["recall_at_10_interval"]
            lines.append(
                f"{way:<10}{kind:<12}{one['recall_at_1']:>10.1%}{one['recall_at_10']:>8.1%}  {f'{low:.0%} - {high:.0%}':<14}"
                f"{one['ndcg_at_10']:>8.3f}{kinds['ms']:>8.1f}"
            )
    if told := found.get("answers"):
        lines.append(
            f"answers: {told['answered']:.1%} of what the notes hold is answered, {told['cited']:.1%} of these cite the right note; "
            f"of what they do not hold, {told['false_answers']:.1%} is answered all the same"
        )
        shown = ", ".join(f"{one['coverage']:.0%}: {one['risk']:.0%}" for one in told["risk_coverage"])
        lines.append(f"wrong among the surest (coverage: risk): {shown}")
    return "\n".join(lines)


def _of_note(book: Notebook, note: Note) -> Iterator[Asked]:
    places = sentences(note.content)
    some = [note.content[start:stop] for start, stop in places]
    whole = [text for text in some if FEWEST <= len(text.split()) <= 40]
    if not whole:
        return
    rare = _rarest(book, note.content)
    if len(rare) == RAREST:
        yield Asked("known", " ".join(rare), note.id)
    text = max(whole, key=lambda one: len(one.split()))
    gone = set(_rarest(book, text))
    kept = [word for word in text.split() if re.sub(r"\W", "", word).casefold() not in gone]
    if len(kept) >= FEWEST // 2:
        yield Asked("paraphrase", " ".join(kept), note.id)
    if note.written and len(note.date) >= 10:
        day = f"{note.written.day} {note.written:%B} {note.written.year}"
        words = [word for word in re.findall(r"\w+", text.casefold()) if word not in STOP and len(word) > 3][:2]
        yield Asked("date", f"{' '.join(words)} on {day}", note.id)


def _rarest(book: Notebook, text: str) -> list[str]:
    words = list(dict.fromkeys(word for word in re.findall(r"[^\W\d_]{4,}", text.casefold()) if word not in STOP))
    counts = {word: held(book.store.db, quoted(word), 500) for word in words[:60]}
    return sorted(counts, key=lambda word: (counts[word], word))[:RAREST]


def _figures(ranks: Sequence[int]) -> dict[str, Any]:
    first, ten = (sum(0 < rank <= most for rank in ranks) for most in (1, DEPTH))
    return {
        "recall_at_1": round(first / len(ranks), 4),
        "recall_at_10": round(ten / len(ranks), 4),
        "recall_at_10_interval": [round(end, 4) for end in interval_of_share(ten, len(ranks))],
        "ndcg_at_10": round(float(np.mean([1 / np.log2(rank + 1) if rank else 0.0 for rank in ranks])), 4),
        "mrr": round(float(np.mean([1 / rank if rank else 0.0 for rank in ranks])), 4),
        "rows": len(ranks),
    }


def _answers(book: Notebook, asked: Sequence[Asked], tick: Any) -> dict[str, Any]:
    """The questions asked with their note, and without it."""
    surest: list[tuple[float, bool]] = []
    answered = cited = false = 0
    for one in asked:
        told = ask(book, one.text, generate=False)
        right = any(citation.note.id == one.note for citation in told.citations)
        answered += not told.refused
        cited += not told.refused and right
        surest.append((told.confidence, right))
        with _without(book, one.note):
            false += not ask(book, one.text, generate=False).refused
        tick(2)
    surest.sort(key=lambda pair: -pair[0])
    curve = [
        {
            "coverage": share / 5,
            "risk": round(1 - float(np.mean([right for _, right in surest[: max(1, len(surest) * share // 5)]])), 4),
        }
        for share in range(1, 6)
    ]
    return {
        "answered": round(answered / max(1, len(asked)), 4),
        "cited": round(cited / max(1, answered), 4),
        "false_answers": round(false / max(1, len(asked)), 4),
        "risk_coverage": curve,
        "rows": len(asked),
    }


@contextmanager
def _without(book: Notebook, note: int) -> Iterator[None]:
    """A note out of sight; nothing of it is written for others to see."""
    book.store.db.execute("BEGIN IMMEDIATE")
    try:
        book.store.set_merged(note, note)
        yield
    finally:
        book.store.db.execute("ROLLBACK")
        book.caches.clear()  # which were built without it
