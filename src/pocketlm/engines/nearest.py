"""The text most like another by its words: TF-IDF and an inverted index, no model."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from collections.abc import Sequence

WORD = re.compile(r"\w+(?:[':]\w+)*|[^\w\s]")


def words(text: str) -> list[str]:
    """Words and marks of a text, in lower case."""
    return [word.lower() for word in WORD.findall(text)]


class Nearest:
    """Looks a text's nearest up among others (cosine of TF-IDF vectors; Salton and Buckley 1988)."""

    def __init__(self, texts: Sequence[str]) -> None:
        counts = [Counter(words(text)) for text in texts]
        frequency = Counter(word for count in counts for word in count)
        self.idf = {word: math.log(len(counts) / n) + 1 for word, n in frequency.items()}
        self._places: dict[str, list[tuple[int, float]]] = defaultdict(list)  # word -> (text, its weight there)
        for i, count in enumerate(counts):
            for word, weight in self._vector(count).items():
                self._places[word].append((i, weight))

    def find(self, text: str) -> int:
        """The place of the nearest text; the first where none has a word in common."""
        return self.nearest(text)[0]

    def nearest(self, text: str) -> tuple[int, float]:
        """The same, and how near it is: the cosine, 0 to 1."""
        likeness: dict[int, float] = defaultdict(float)
        for word, weight in self._vector(Counter(words(text))).items():
            for i, other in self._places.get(word, ()):
                likeness[i] += weight * other
        best = max(sorted(likeness), key=likeness.__getitem__, default=0)
        return best, likeness.get(best, 0.0)

    def _vector(self, count: Counter[str]) -> dict[str, float]:
        weights = {word: n * self.idf.get(word, 0.0) for word, n in count.items()}
        norm = math.sqrt(sum(weight * weight for weight in weights.values())) or 1.0
        return {word: weight / norm for word, weight in weights.items()}
