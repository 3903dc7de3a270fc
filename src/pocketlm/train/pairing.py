"""From rows and texts to batches of pairs: keys by which duplicates are known, hard negatives, pseudo-queries of bare texts.

It knows texts and tokens; what is done with the pairs is contrastive.py's business.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor

from pocketlm.engines.nearest import Nearest, words
from pocketlm.tasks.embed import EmbedRow
from pocketlm.train.contrastive import Pairs, Scored
from pocketlm.train.encoder import Ids

SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
FEWEST = 4  # words of a sentence that can be a query
KEYWORDS = (3, 8)  # fewest and most words of a keyword query
BLOCK = 512  # anchors compared with all texts at once

Tokenize = Callable[[Sequence[str]], list[Ids]]


@dataclass(frozen=True)
class Pair:
    """An anchor with one of the texts that belong to it, its own negatives, and all that belongs to it."""

    anchor: str
    positive: str
    negatives: tuple[str, ...] = ()
    belongs: frozenset[str] = frozenset()


def pairs_of(rows: Iterable[EmbedRow]) -> list[Pair]:
    """One pair for each text that belongs to an anchor."""
    return [
        Pair(row.text, positive, row.negatives, frozenset((*row.others, row.text)))
        for row in rows
        if row.score is None
        for positive in row.others
    ]


def pair_plan(
    epochs: Sequence[Sequence[Pair]], batch: int, tokenize: Tokenize, seed: int, negatives: int | None = None
) -> list[Pairs]:
    """The batches of all epochs; the rest of an epoch that fills no batch alone joins its last one.

    Args:
        negatives: of each pair, at most so many, drawn anew each epoch; None: all.
    """
    batches = []
    for epoch, pairs in enumerate(epochs):
        rng = random.Random(f"{seed} {epoch}")
        order = rng.sample(range(len(pairs)), len(pairs))
        for some in dealt(order, batch):
            chosen = [pairs[i] for i in some]
            hard = [
                pair.negatives
                if negatives is None or len(pair.negatives) <= negatives
                else tuple(rng.sample(pair.negatives, negatives))
                for pair in chosen
            ]
            batches.append(make_pairs(chosen, hard, tokenize))
    return batches


def dealt(order: Sequence[int], batch: int) -> list[Sequence[int]]:
    """An order in batches of like size, none larger than `batch` unless there is only one too small for a second."""
    count = max(1, round(len(order) / batch))
    bounds = [len(order) * i // count for i in range(count + 1)]
    return [order[first:last] for first, last in pairwise(bounds)]


def make_pairs(pairs: Sequence[Pair], hard: Sequence[Sequence[str]], tokenize: Tokenize) -> Pairs:
    """A batch as tokens, each different text with a key of its own."""
    others = [pair.positive for pair in pairs] + [text for some in hard for text in some]
    place: dict[str, int] = {}
    keys = [place.setdefault(text, len(place)) for text in others]
    belongs = [frozenset(place[text] for text in pair.belongs if text in place) for pair in pairs]
    told = iter(tokenize([text for some in hard for text in some]))
    negatives = [[next(told) for _ in some] for some in hard]
    positives = tokenize([pair.positive for pair in pairs])
    return Pairs(tokenize([pair.anchor for pair in pairs]), positives, negatives, keys, belongs)


def scored_plan(rows: Sequence[EmbedRow], epochs: int, batch: int, tokenize: Tokenize, seed: int) -> list[Scored]:
    """The batches of all epochs of scored pairs, scores brought into 0..1."""
    scores = [float(row.score or 0) for row in rows]
    low, high = min(0.0, *scores), max(1.0, *scores)
    left, right = tokenize([row.text for row in rows]), tokenize([row.others[0] for row in rows])
    batches = []
    for epoch in range(epochs):
        order = random.Random(f"{seed} {epoch}").sample(range(len(rows)), len(rows))
        for some in dealt(order, batch):
            shares = [(scores[i] - low) / (high - low) for i in some]
            batches.append(Scored([left[i] for i in some], [right[i] for i in some], shares))
    return batches


def mined(anchors: Tensor, own: Sequence[Sequence[int]], texts: Tensor, count: int, margin: float) -> list[list[int]]:
    """For each anchor the nearest texts that are not its own, nearest first.

    Left out is what is nearly as near as the positive (within `margin`, a share of its cosine): often it answers
    too. Positive-aware mining: Moreira et al. 2024, arXiv:2407.15831.

    Args:
        anchors: (anchors, width) of length 1; own: of each, the places of its texts, the positive first; texts: (texts, width) of length 1.
    """
    found: list[list[int]] = []
    for start in range(0, len(anchors), BLOCK):
        likeness = anchors[start : start + BLOCK] @ texts.t()
        for row, mine in zip(likeness, own[start : start + BLOCK], strict=True):
            limit = row[mine[0]] - margin * row[mine[0]].abs()
            row[list(mine)] = -torch.inf
            row[row > limit] = -torch.inf
            near = row.topk(min(count, len(row)))
            found.append(
                [i for i, value in zip(near.indices.tolist(), near.values.tolist(), strict=True) if value > -1]
            )
    return found


class PseudoQueries:
    """Queries made from texts without labels, each with what it must find.

    Four kinds, drawn by chance: the title or first sentence and a random sentence, each for the rest of the text (inverse
    cloze task: Lee et al. 2019, arXiv:1906.00300); a stretch of words for the whole (crops: Izacard et al. 2022,
    arXiv:2112.09118); its weightiest words by TF-IDF for the whole.
    """

    KINDS = ("head", "sentence", "crop", "keywords")

    def __init__(self, texts: Sequence[str], titles: Sequence[str] = ()) -> None:
        self.texts, self.titles = texts, titles or [""] * len(texts)
        self.idf = Nearest(texts).idf

    def make(self, i: int, rng: random.Random, kinds: Sequence[str] = KINDS) -> tuple[str, str]:
        """A query and its text, of the text at place `i`."""
        text = self.texts[i]
        kind = rng.choice(list(kinds))
        parts = [part.strip() for part in SENTENCE.split(text) if part.strip()]
        if kind == "head":
            title = self.titles[i].strip() or parts[0] if parts else ""
            rest = text.replace(title, "", 1).strip() if title else ""
            if title and len(rest.split()) >= FEWEST:
                return title, rest
        if kind in ("head", "sentence"):
            places = [at for at, part in enumerate(parts) if len(part.split()) >= FEWEST]
            if len(parts) > 1 and places:
                at = rng.choice(places)
                return parts[at], " ".join(parts[:at] + parts[at + 1 :])
        if kind == "keywords":
            return self._keywords(text, rng), text
        return _crop(text, rng), text

    def _keywords(self, text: str, rng: random.Random) -> str:
        counts = Counter(word for word in words(_crop(text, rng, longest=60)) if word[0].isalnum())
        weight = {word: n**0.5 * self.idf.get(word, 0.0) for word, n in counts.items()}
        best = sorted(weight, key=lambda word: -weight[word])[: rng.randint(*KEYWORDS)]
        return " ".join(rng.sample(best, len(best))) or text


def _crop(text: str, rng: random.Random, longest: int = 16) -> str:
    """A stretch of a text's words, at most half of it."""
    every = text.split()
    length = min(longest, max(1, len(every) // 2), rng.randint(5, max(5, longest)))
    start = rng.randint(0, max(0, len(every) - length))
    return " ".join(every[start : start + length])
