"""Where in a few passages the answer to a question stands, and how sure it is that it stands there at all. No generator.

Two logistic regressions over a handful of features: one ranks the sentences of the passages, the other tells from the best
one whether the notes hold the answer. `benchmarks/notes_ask.py --fit` learns their weights from questions with passages.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pocketlm.engines.embedder import Embedder
from pocketlm.notes.figures import Figure, figures
from pocketlm.notes.note import Note, Passage, Span
from pocketlm.notes.passages import Place, sentences
from pocketlm.notes.terms import FUNCTION, WORD, fold, is_function, stem, stems

Numbers = NDArray[np.float64]
Rarity = Callable[[str], float]  # a word -> how rare it is among the passages, above 0

# of a sentence, in the order of the weights
RANKING = (
    "words here", "words here or beside", "words in the passage", "meaning here", "meaning of the passage", "names here",
    "names in the passage", "pairs here", "pairs in the passage", "lacks what is asked for", "length",
)  # fmt: skip
# of the best sentence, in the order of the weights; "score" is what the ranking gave it
HOLDING = ("score", "words here", "words in the passage", "meaning here", "pairs in the passage")
LONG = 45  # words of a sentence that is cut at its semicolons
FEW = 5  # words of a sentence that is not cited alone
MOST = 60  # words cited together
KINDS = (  # what a question asks for
    ("number", re.compile(r"\bhow (?:many|much|old|long|far|tall|high|large|big|often|deep|heavy)\b|\b(?:what|which) (?:number|percent\w*|amount|price|share)\b")),
    ("date", re.compile(r"\bwhen\b|\b(?:what|which) (?:year|date|day|month|century|decade|time)\b")),
    ("name", re.compile(r"\b(?:who|whose|whom|where)\b|\b(?:what|which) (?:city|country|state|place|town|region|person)\b")),
)  # fmt: skip


@dataclass(frozen=True)
class Weights:
    """Learnt numbers: a weight for each feature of `RANKING` and of `HOLDING`, each list with its constant behind.

    `threshold` is the confidence from which an answer counts as held by the notes; a sentence whose score is at most `near`
    lower than its neighbour's is cited with it.
    """

    ranking: tuple[float, ...]
    holding: tuple[float, ...]
    threshold: float
    near: float


# learnt on XQuAD's English passages and questions
WEIGHTS = Weights(
    ranking=(2.567, 2.198, 1.002, 9.377, -2.337, -1.463, 1.667, 5.584, -2.783, -1.502, 0.477, -9.722),
    holding=(0.3, -0.215, 4.76, 5.625, 2.691, -5.433),
    threshold=0.5927,
    near=5.0,
)


@dataclass(frozen=True)
class Reading:
    """The best place of one passage.

    Attributes:
        span: one sentence, or two or three short neighbours.
        score: of its best sentence, to compare places by.
        confidence: the chance, 0 to 1, that the notes hold the answer, judged by this place.
    """

    span: Span
    text: str
    score: float
    confidence: float


class Question:
    """What is asked, taken apart."""

    def __init__(self, text: str, rarity: Rarity, vector: NDArray[np.float32]) -> None:
        found = [match[0] for match in WORD.finditer(text)]
        asked = [word for word in found if not is_function(word)] or found
        weights = {stem(fold(word)): rarity(word) for word in asked}
        self.stems, self.weights = list(weights), np.array(list(weights.values()))
        first = found[0] if found else ""
        names = {stem(fold(w)) for w in asked if (w[0].isupper() and w is not first) or w[0].isdigit()}
        self.names = np.array([word in names for word in self.stems], dtype=bool)
        self.pairs = set(_pairs(text))
        self.kind = kind_of(text)
        self.vector = vector

    def share(self, held: set[str]) -> float:
        """The share of the question's words that are held, the rare ones counting more."""
        here = np.array([word in held for word in self.stems], dtype=bool)
        return float((here * self.weights).sum() / max(self.weights.sum(), 1e-9))

    def named(self, held: set[str]) -> float:
        """The share of its names and numbers that are held; 1 where it has none."""
        here = [word in held for word, is_name in zip(self.stems, self.names, strict=True) if is_name]
        return sum(here) / len(here) if here else 1.0

    def paired(self, held: set[tuple[str, str]]) -> float:
        """The share of its pairs of neighbouring words that are held."""
        return len(self.pairs & held) / max(1, len(self.pairs))


class Page:
    """A passage as it is read: its sentences, and what stands above it (title and date of its note, which may answer "when")."""

    def __init__(self, passage: Passage, head: str = "", is_dated: bool = False) -> None:
        self.passage, self.head, self.is_dated = passage, head, is_dated
        self.places = list(pieces(passage.text))

    @property
    def texts(self) -> list[str]:
        """Its sentences."""
        return [self.passage.text[start:stop] for start, stop in self.places]

    @cached_property
    def stems(self) -> list[set[str]]:
        """Of each sentence."""
        return [set(stems(text)) for text in self.texts]

    def features(self, question: Question, vectors: NDArray[np.float32]) -> Numbers:
        """(sentences, `RANKING`); `vectors` are those of its sentences."""
        every = set().union(*self.stems, stems(self.head))
        whole = vectors.sum(0)
        whole = whole / max(float(np.linalg.norm(whole)), 1e-9)
        pairs = [set(_pairs(text)) for text in self.texts]
        rows = []
        for at, (text, held) in enumerate(zip(self.texts, self.stems, strict=True)):
            rows.append([
                question.share(held), question.share(set().union(*self.stems[max(0, at - 1) : at + 2])), question.share(every),
                float(vectors[at] @ question.vector), float(whole @ question.vector), question.named(held), question.named(every),
                question.paired(pairs[at]), question.paired(set().union(*pairs)),
                float(_lacks(question, text, self.is_dated)), min(len(text.split()), LONG) / LONG,
            ])  # fmt: skip
        return np.array(rows, dtype=np.float64).reshape(-1, len(RANKING))


def read(
    question: str,
    pages: Sequence[Page],
    embedder: Embedder,
    rarity: Rarity,
    weights: Weights = WEIGHTS,
) -> list[Reading]:
    """The best place of each passage, the best first. Only the passages' sentences are embedded, all at once."""
    pages = [page for page in pages if page.places]
    vectors = embedder.embed([question, *(text for page in pages for text in page.texts)])
    asked, at = Question(question, rarity, vectors[0]), 1
    found = []
    for page in pages:
        features = page.features(asked, vectors[at : at + len(page.places)])
        at += len(page.places)
        found.append(_best(page, features, weights))
    return sorted(found, key=lambda reading: -reading.score)


def scores(features: Numbers, weights: Sequence[float]) -> Numbers:
    """Log-odds of rows of features; the last weight is the constant."""
    return np.asarray(features @ np.array(weights[:-1]) + weights[-1])


def holding(features: Numbers, score: Numbers) -> Numbers:
    """(rows, `HOLDING`) from (rows, `RANKING`) and their scores."""
    return np.column_stack([score, *(features[:, RANKING.index(name)] for name in HOLDING[1:])])


def cited(page: Page, score: Numbers, near: float) -> Place:
    """Characters of the passage that are cited: the best sentence, and neighbours that may hold the answer as well."""
    first = last = int(score.argmax())
    count = [len(text.split()) for text in page.texts]
    for _ in range(2):
        beside = [at for at in (first - 1, last + 1) if 0 <= at < len(count)]
        some = [at for at in beside if score[at] >= score.max() - near or sum(count[first : last + 1]) <= FEW]
        best = max(some, key=lambda at: score[at], default=None)
        if best is None or sum(count[first : last + 1]) + count[best] > MOST:
            break
        first, last = min(first, best), max(last, best)
    return page.places[first][0], page.places[last][1]


def above(note: Note) -> str:
    """What stands above a note's text: its title, and its date in words."""
    day = note.written
    return f"{note.title} {day:%A} {day.day} {day:%B %Y}" if day else note.title


def _best(page: Page, features: Numbers, weights: Weights) -> Reading:
    score = scores(features, weights.ranking)
    best = int(score.argmax())
    row = holding(features[best : best + 1], score[best : best + 1])
    chance = 1 / (1 + math.exp(-float(scores(row, weights.holding)[0])))
    start, stop = cited(page, score, weights.near)
    base = page.passage.span
    span = Span(base.note, base.start + start, base.start + stop)
    return Reading(span, page.passage.text[start:stop], float(score[best]), chance)


def pieces(text: str) -> Iterator[Place]:
    """Sentences, the longest of them cut behind semicolons."""
    for start, stop in sentences(text):
        if len(text[start:stop].split()) <= LONG:
            yield start, stop
            continue
        for piece in re.finditer(r"[^;]+;?", text[start:stop]):
            inner = piece[0].strip()
            begin = start + piece.start() + len(piece[0]) - len(piece[0].lstrip())
            if inner:
                yield begin, begin + len(inner)


def _pairs(text: str) -> Iterator[tuple[str, str]]:
    """Neighbouring stems, at least one of which means something."""
    found = [(fold(word), is_function(word)) for word in WORD.findall(text)]
    for (one, plain), (other, other_plain) in pairwise(found):
        if not (plain and other_plain):
            yield stem(one), stem(other)


def kind_of(question: str) -> str:
    """What a question asks for: "number", "date", "name", or "" where that is open."""
    return next((kind for kind, pattern in KINDS if pattern.search(question.lower())), "")


def _lacks(question: Question, text: str, is_dated: bool) -> bool:
    """Whether a sentence has none of the kind that is asked for: a number, a date, a new name."""
    if question.kind == "name":
        opened = re.sub(r"^\W*\w+", "", text)
        names = {stem(fold(word)) for word in WORD.findall(opened) if word[0].isupper() and fold(word) not in FUNCTION}
        return not names - set(question.stems)
    if not question.kind:
        return False
    found = figures(text)
    if question.kind == "number":
        return not any(figure.kind == "number" for figure in found)
    return not is_dated and not any(figure.kind in ("date", "time") or _may_be_year(figure) for figure in found)


def _may_be_year(figure: Figure) -> bool:
    return (
        isinstance(figure.value, Fraction) and 100 <= figure.value <= 2100 and figure.unit in ("", "decade", "century")
    )
