"""Texts that are nearly the same: candidates by MinHash and locality-sensitive hashing, then counted exactly.

Knows nothing of rows or files.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from pocketlm.core.extras import need

HASHES, BANDS = 120, 24  # finds 99.9 % of the pairs that share 0.8 of their shingles
LONG = 400  # characters from which a text is cut into pairs of words instead of stretches of letters
LETTERS = 5  # of a stretch
BATCH = 4096  # texts sketched at once


def shingles(text: str) -> set[str]:
    """The small pieces two near twins have in common; case and white space do not count."""
    words = text.casefold().split()
    if len(text) > LONG:
        return {f"{a} {b}" for a, b in itertools.pairwise(words)} or set(words)
    joined = " ".join(words)
    return {joined[at : at + LETTERS] for at in range(max(1, len(joined) - LETTERS + 1))}


def similarity(a: str, b: str) -> float:
    """Share of the pieces of both that either has too (Jaccard), 0 to 1."""
    left, right = shingles(a), shingles(b)
    return len(left & right) / (len(left | right) or 1)


class NearIndex:
    """Texts to look near twins up in (MinHash: Broder 1997; through the library rensa).

    Raises:
        EnvironmentLacks: rensa is not installed.
    """

    def __init__(self, threshold: float = 0.8) -> None:
        """`threshold`: the least share of pieces in common (Jaccard) that makes two texts twins."""
        rensa = need("rensa", "finding near duplicates", "data")
        self.threshold = threshold
        self.texts: list[str] = []
        self._sketch = rensa.RMinHash
        self._lsh = rensa.RMinHashLSH(threshold, HASHES, BANDS)

    def find(self, text: str) -> int | None:
        """Position of the nearest twin added before; None where there is none."""
        return self._nearest(text, self._lsh.query(self._sketches([text])[0]))

    def add(self, text: str) -> int:
        """Add a text; returns its position."""
        self._lsh.insert(len(self.texts), self._sketches([text])[0])
        self.texts.append(text)
        return len(self.texts) - 1

    def twins(self, texts: Iterable[str]) -> Iterator[int | None]:
        """Add many texts; for each the position of its nearest twin among those before it."""
        for some in _batches(texts, BATCH):
            for text, sketch in zip(some, self._sketches(some), strict=True):
                yield self._nearest(text, self._lsh.query(sketch))
                self._lsh.insert(len(self.texts), sketch)
                self.texts.append(text)

    def clusters(self, texts: Sequence[str]) -> list[int]:
        """For each text a number that it shares with all its near twins, and theirs."""
        roots = list(range(len(texts)))

        def root(at: int) -> int:
            while roots[at] != at:
                roots[at] = at = roots[roots[at]]
            return at

        for start in range(0, len(texts), BATCH):
            some = texts[start : start + BATCH]
            for at, (text, sketch) in enumerate(zip(some, self._sketches(some), strict=True), start):
                for other in self._lsh.query(sketch):
                    if root(other) != root(at) and similarity(text, texts[other]) >= self.threshold:
                        roots[root(at)] = root(other)
                self._lsh.insert(at, sketch)
        return [root(at) for at in range(len(texts))]

    def _sketches(self, texts: Sequence[str]) -> list[Any]:
        found: list[Any] = self._sketch.from_token_sets([list(shingles(text)) for text in texts], HASHES, 0)
        return found

    def _nearest(self, text: str, candidates: Sequence[int]) -> int | None:
        scored = [(similarity(text, self.texts[at]), -at) for at in candidates]
        best, at = max(scored, default=(0.0, 0))
        return -at if best >= self.threshold else None


def _batches(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    some: list[str] = []
    for text in texts:
        some.append(text)
        if len(some) == size:
            yield some
            some = []
    if some:
        yield some
