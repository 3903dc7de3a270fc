"""Ways to order texts by a question that make no vectors, or not only: BM25, and BM25 together with an embedder.

A ranker has `index(texts)`, which gives a function from questions to the likeness (questions, texts) of every text.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.evaluate.retrieve import pool_of, ranked
from pocketlm.models.vectors import KINDS, build
from pocketlm.tasks.embed import NEAREST, EmbedRow, EmbedTask

Likeness = NDArray[np.float32]  # (questions, texts)
Rank = Callable[[Sequence[str]], Likeness]

RANK_OFFSET = 60  # of reciprocal rank fusion, as its authors chose it
WEIGHTS = tuple(step / 10 for step in range(11))  # of the vectors' share that are tried


class Ranker(Protocol):
    """See the module."""

    uri: str

    def index(self, texts: Sequence[str]) -> Rank:
        """Read the texts; the function that comes back is asked about them."""
        ...


class Bm25:
    """Words in common, rare ones the most (Robertson and Zaragoza 2009, doi:10.1561/1500000019), by the library bm25s.

    English words are cut to their stems where PyStemmer is installed.
    """

    uri = "rule: BM25"

    def __init__(self) -> None:
        """Raises EnvironmentLacks: bm25s is not installed."""
        self._library = need("bm25s", "searching by words", "embed")
        logging.getLogger("bm25s").setLevel(logging.WARNING)
        stemmer = need("Stemmer", "stems", "embed").Stemmer("english") if find_spec("Stemmer") else None
        self._options = {"stopwords": "en", "stemmer": stemmer, "return_ids": False, "show_progress": False}

    def index(self, texts: Sequence[str]) -> Rank:
        """See `Ranker`."""
        words = self._library.tokenize(list(texts), **self._options)
        if not any(words):
            return lambda questions: np.zeros((len(questions), len(texts)), dtype=np.float32)
        found = self._library.BM25()
        found.index(words, show_progress=False)

        def rank(questions: Sequence[str]) -> Likeness:
            asked = self._library.tokenize(list(questions), **self._options)
            nothing = np.zeros(len(texts), dtype=np.float32)
            return np.array([found.get_scores(one) if one else nothing for one in asked], dtype=np.float32)

        return rank


class Dense:
    """Cosine of an embedder's vectors. Texts that are indexed again are not embedded again."""

    def __init__(self, embedder: Any) -> None:
        self._embedder, self.uri = embedder, embedder.uri
        self._kept: tuple[list[str], Any] = ([], None)

    def index(self, texts: Sequence[str]) -> Rank:
        """See `Ranker`."""
        vectors = self.vectors(texts)
        return lambda questions: np.asarray(self.asked(questions) @ vectors.T)

    def vectors(self, texts: Sequence[str]) -> Likeness:
        """(texts, width)."""
        if self._kept[0] != list(texts):
            self._kept = list(texts), self.asked(texts)
        kept: Likeness = self._kept[1]
        return kept

    def asked(self, questions: Sequence[str]) -> Likeness:
        """(questions, width)."""
        return np.asarray(self._embedder.embed(list(questions)))


class Stored:
    """An embedder's vectors as they are kept smaller: see `models/vectors.py`.

    Args:
        name: float, int8 or binary, and behind a colon, where vectors are cut, to how many numbers, such as int8:128.

    Raises:
        InputError: it is not such a name.
    """

    def __init__(self, dense: Dense, name: str) -> None:
        self.kind, _, dims = name.partition(":")
        if self.kind not in KINDS or not (dims or "1").isdigit():
            raise InputError(f"--vectors {name}: write {', '.join(KINDS)}, or with a width such as int8:128")
        self._dense, self._dims, self.uri = dense, int(dims) if dims else None, f"vectors {name}"

    def index(self, texts: Sequence[str]) -> Rank:
        """See `Ranker`; what is not among the nearest is infinitely far."""
        found = build(self._dense.vectors(texts), self.kind, dims=self._dims)

        def rank(questions: Sequence[str]) -> Likeness:
            places, near = found.search(self._dense.asked(questions), NEAREST + 1)
            likeness = np.full((len(questions), len(texts)), -np.inf, dtype=np.float32)
            np.put_along_axis(likeness, places, near.astype(np.float32), axis=1)
            return likeness

        return rank


class Hybrid:
    """Two rankers' likeness joined.

    Args:
        weight: the share of the first in a sum, each question's likenesses brought into 0..1 before (convex combination:
            Bruch et al. 2023, doi:10.1145/3596512); None: the sum of 1 / (60 + place) (reciprocal rank fusion: Cormack et
            al. 2009, doi:10.1145/1571941.1572114), which needs no tuning.
    """

    def __init__(self, first: Ranker, second: Ranker, weight: float | None = 0.5) -> None:
        self.first, self.second, self.weight = first, second, weight
        how = "by places" if weight is None else f"{weight:.0%} vectors"
        self.uri = f"hybrid, {how}"

    def index(self, texts: Sequence[str]) -> Rank:
        """See `Ranker`."""
        first, second = self.first.index(texts), self.second.index(texts)

        def rank(questions: Sequence[str]) -> Likeness:
            return fused(first(questions), second(questions), self.weight)

        return rank


def fused(first: Likeness, second: Likeness, weight: float | None) -> Likeness:
    """Two likenesses (questions, texts) as one; see `Hybrid`."""
    if weight is None:
        places = _places(first), _places(second)
        joined: Likeness = np.sum([1 / (RANK_OFFSET + 1 + place) for place in places], axis=0, dtype=np.float32)
        return joined
    return weight * _scaled(first) + (1 - weight) * _scaled(second)


def tuned_weight(first: Ranker, second: Ranker, task: EmbedTask, rows: Sequence[EmbedRow]) -> float:
    """The weight of `WEIGHTS` that ranks best for rows with known answers, the one nearest to a half where several do."""
    pool = pool_of(task, rows)
    questions = [row.text for row in rows]
    one, other = (ranker.index(pool)(questions) for ranker in (first, second))
    scores = {weight: mean_gain(task, rows, pool, fused(one, other, weight)) for weight in WEIGHTS}
    return max(WEIGHTS, key=lambda weight: (scores[weight], -abs(weight - 0.5)))


def mean_gain(task: EmbedTask, rows: Sequence[EmbedRow], pool: Sequence[str], likeness: Likeness) -> float:
    """The mean nDCG@10 of rows."""
    gains = [
        task.score_ranking(row, ranked(row, pool, own)).numbers["ndcg_at_10"][0]
        for row, own in zip(rows, likeness, strict=True)
    ]
    return float(np.mean(gains))


def _scaled(likeness: Likeness) -> Likeness:
    low, high = likeness.min(1, keepdims=True), likeness.max(1, keepdims=True)
    scaled: Likeness = (likeness - low) / np.maximum(high - low, 1e-9)
    return scaled


def _places(likeness: Likeness) -> Likeness:
    """(questions, texts) of each text its place, from 0; ties in the order of the texts."""
    order = np.argsort(-likeness, axis=1, kind="stable")
    places = np.empty(likeness.shape, dtype=np.float32)
    np.put_along_axis(places, order, np.arange(likeness.shape[1], dtype=np.float32)[None], axis=1)
    return places
