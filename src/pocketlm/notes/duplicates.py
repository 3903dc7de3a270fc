"""Notes that are there twice: to the letter, nearly, or in other words; how they differ, and merges that can be taken back."""

from __future__ import annotations

import difflib
import re
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.passages import sentences
from pocketlm.notes.vectors import nearest, note_vectors

RUN = 3  # words of a fingerprint
KEPT = 4  # of long notes one fingerprint in so many is looked at
LONG = 60  # words from which a note is long
COMMON = 12  # notes that share a fingerprint beyond which it tells nothing
NEAR = 0.3  # share of the smaller note's runs of words that the other has too ...
NEAR_SHORT = 0.6  # ... and where one is short: a few words are soon shared
SHORT = 8  # words below which a note must be the other's like to the letter
ALIKE = 0.9  # cosine from which notes are taken to say the same in other words
COMPARED = 100  # pairs whose differences are told
STEP = ("kind", "first", "second")  # of a difference
WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Pair:
    """Two notes that may be one.

    Attributes:
        first, second: their numbers, the first the smaller.
        kind: exact (the same words), near (much of the text), meaning (the same in other words).
        score: 0 to 1; of exact and near, the share of the smaller note's runs of three words that the other has; of meaning,
            the cosine.
    """

    first: int
    second: int
    kind: str
    score: float


def duplicates(book: Notebook, least: float = NEAR, *, meaning: bool = False) -> list[Pair]:
    """All pairs of notes that are there twice, the likest first.

    Candidates share some sampled runs of words (fingerprints: Manber 1994; Broder 1997); they are then counted exactly.

    Args:
        least: of the share of runs in common.
        meaning: also pairs that say the same in other words, by their vectors. These are guesses: look before you merge.
    """
    notes = [(note.id, note.content) for note in book.store.notes(order="note.id")]
    found = list(alike([content for _, content in notes], least))
    pairs = [
        Pair(notes[a][0], notes[b][0], "exact" if score == 1 and same else "near", score) for a, b, score, same in found
    ]
    if meaning:
        known = {(pair.first, pair.second) for pair in pairs}
        pairs += [pair for pair in _by_meaning(book) if (pair.first, pair.second) not in known]
    return sorted(pairs, key=lambda pair: (pair.kind == "meaning", -pair.score, pair.first, pair.second))


def alike(texts: Sequence[str], least: float = NEAR) -> Iterator[tuple[int, int, float, bool]]:
    """(place, place, share, whether the words are the same) of texts that have much in common."""
    words = [WORD.findall(text.casefold()) for text in texts]
    for first, second in _candidates(words):
        a, b = words[first], words[second]
        if a and a == b:
            yield first, second, 1.0, True
        elif (size := min(len(a), len(b))) >= SHORT:
            score = _shared(a, b)
            if score >= (least if size >= LONG else max(least, NEAR_SHORT)):
                yield first, second, score, False


def _shared(a: Sequence[str], b: Sequence[str]) -> float:
    """Share of the smaller one's runs that the other has."""
    one, other = (set(zip(*(words[i:] for i in range(RUN)), strict=False)) for words in (a, b))
    return len(one & other) / max(1, min(len(one), len(other)))


def _candidates(words: Sequence[Sequence[str]]) -> list[tuple[int, int]]:
    """Pairs of places with at least one telling fingerprint in common, two where both are long."""
    codes: list[NDArray[np.uint32]] = []
    for one in words:
        found = np.array([zlib.crc32(" ".join(run).encode()) for run in _runs(one)], np.uint32)
        codes.append(np.unique(found[found % KEPT == 0] if len(one) >= LONG else found))
    places = np.repeat(np.arange(len(words)), [len(found) for found in codes])
    joined = np.concatenate(codes) if codes else np.zeros(0, np.uint32)
    order = np.lexsort((places, joined))
    joined, places = joined[order], places[order]
    edges = np.flatnonzero(np.diff(joined)) + 1
    groups = [group for group in np.split(places, edges) if 1 < len(group) <= COMMON]
    pairs = [
        np.stack([group[i], group[j]]) for group in groups for i in range(len(group)) for j in range(i + 1, len(group))
    ]
    if not pairs:
        return []
    unique, counts = np.unique(np.array(pairs), axis=0, return_counts=True)
    wanted = [2 if len(words[a]) >= LONG and len(words[b]) >= LONG else 1 for a, b in unique]
    return [(int(a), int(b)) for (a, b), count, least in zip(unique, counts, wanted, strict=True) if count >= least]


def _runs(words: Sequence[str]) -> Iterator[Sequence[str]]:
    if len(words) <= RUN:
        yield words
    for at in range(len(words) - RUN + 1) if len(words) > RUN else ():
        yield words[at : at + RUN]


def _by_meaning(book: Notebook) -> Iterator[Pair]:
    known = note_vectors(book)
    places, cosines = nearest(known.vectors, known.vectors, 4)
    for row, (near, likeness) in enumerate(zip(places, cosines, strict=True)):
        for other, cosine in zip(near, likeness, strict=True):
            if cosine >= ALIKE and row < other:
                yield Pair(int(known.ids[row]), int(known.ids[other]), "meaning", round(float(cosine), 4))


# Seeing and merging


def difference(a: str, b: str) -> list[tuple[str, str, str]]:
    """What both have and what only one has, in order: ("same" | "first" | "second" | "changed", text of a, text of b)."""
    one, other = (re.findall(r"\s*\S+", text) for text in (a, b))
    names = {"equal": "same", "delete": "first", "insert": "second", "replace": "changed"}
    steps = difflib.SequenceMatcher(
        None, [w.strip() for w in one], [w.strip() for w in other], autojunk=False
    ).get_opcodes()
    return [(names[kind], "".join(one[a1:a2]), "".join(other[b1:b2])) for kind, a1, a2, b1, b2 in steps]


def as_rows(book: Notebook, pairs: Sequence[Pair]) -> list[dict[str, Any]]:
    """Pairs as JSON writes them, with the notes' keys and names, and of the first what only one of them has or both have otherwise."""
    rows = []
    for place, pair in enumerate(pairs):
        first, second = book.store.note(pair.first), book.store.note(pair.second)
        row = asdict(pair)
        for side, note in (("first", first), ("second", second)):
            row |= {f"{side}_key": note.key, f"{side}_name": note.name}
        steps = difference(first.content, second.content) if place < COMPARED else []
        rows.append(row | {"difference": [dict(zip(STEP, step, strict=True)) for step in steps if step[0] != "same"]})
    return rows


def difference_page(book: Notebook, pairs: Sequence[Pair]) -> str:
    """Pairs side by side as a page of HTML, not more than can be read; what only one has is marked."""
    from pocketlm.core import page

    parts = []
    for pair in pairs[:COMPARED]:
        first, second = book.store.note(pair.first), book.store.note(pair.second)
        sides = ["", ""]
        for kind, *texts in difference(first.content, second.content):
            for side, text in enumerate(texts):
                shown = page.escape(text)
                sides[side] += shown if kind == "same" or not text else f"<mark>{shown}</mark>"
        heads = [f"<h3>#{note.id} {page.escape(note.name)} {note.date}</h3>" for note in (first, second)]
        cells = "".join(f"<div>{head}<p>{text}</p></div>" for head, text in zip(heads, sides, strict=True))
        parts.append(page.section(f"{pair.kind}, {pair.score:.0%}", f'<div class="pair">{cells}</div>'))
    style = ".pair{display:grid;grid-template-columns:1fr 1fr;gap:2em}.pair p{white-space:pre-wrap}"
    return page.page("Notes that are there twice", f"{len(pairs)} pairs", parts, style)


def merge(book: Notebook, keep: int, gone: int) -> int:
    """One note in place of two: the text of `keep`, then what only `gone` says; its title, the tags of both. Returns its number.

    Both stay in the file, out of sight, until `unmerge`. The user's files are not touched.

    Raises:
        InputError: no such notes, the same one twice, or one that is merged already.
    """
    from pocketlm.notes.own import create_note

    store = book.store
    if keep == gone:
        raise InputError(f"#{keep}: a note cannot be merged with itself")
    with store.writing():  # from here on no other program merges either of them
        first, second = store.note(keep), store.note(gone)
        for note in (first, second):
            if store.db.execute("SELECT merged FROM note WHERE id = ?", (note.id,)).fetchone()[0]:
                raise InputError(f"#{note.id}: is merged already; take that back first")
        tags = list(dict.fromkeys([*store.tags(keep), *store.tags(gone)]))
        title = first.title or second.title or first.key
        made = create_note(book, union(first.content, second.content), title, tags, first.written)
        store.set_merged(keep, made.id)
        store.set_merged(gone, made.id)
        store.correct("merge", made.id, {"kept": keep, "gone": gone})
    return made.id


def unmerge(book: Notebook, made: int) -> tuple[int, int]:
    """Take a merge back; returns the numbers of both notes, which are as they were, with what was said of the merge's since.

    Raises:
        InputError: the note is not a merge's.
    """
    store = book.store
    found = [(id, told) for id, _, note, told in store.corrections("merge") if note == made]
    if not found:
        raise InputError(f"#{made}: was not made by a merge; `pocketlm notes dupes --merges` lists those that were")
    _, told = found[-1]
    store.end_merge(made)
    return int(told["kept"]), int(told["gone"])


def union(first: str, second: str) -> str:
    """The first text, and behind it the sentences of the second that it does not have."""
    had = {_plain(first[start:stop]) for start, stop in sentences(first)}
    new = [second[start:stop] for start, stop in sentences(second) if _plain(second[start:stop]) not in had]
    return first if not new else first.rstrip() + "\n\n" + "\n".join(new)


def _plain(text: str) -> str:
    return " ".join(WORD.findall(text.casefold()))
