"""Texts with labels that can be told apart by their words, for tests of classifiers."""

from __future__ import annotations

import random
from collections.abc import Sequence

from pocketlm.tasks.base import TextRow
from pocketlm.tasks.classify import ClassifyTask

WORDS = {
    "alarm": ["alarm", "morning", "noon", "remind"],
    "music": ["play", "music", "call", "mum"],
    "weather": ["weather", "Paris", "Monday", "lights"],
    "oos": ["kitchen", "bread", "milk", "buy"],
}
FILLERS = ["please", "in the", "at", "me", "my", "to", "turn", "off"]


def texts_of(label: str, count: int, seed: int = 0) -> list[str]:
    """So many different texts of a label."""
    rng = random.Random(f"{label}{seed}")
    found: dict[str, None] = {}
    while len(found) < count:
        words = [*rng.sample(WORDS[label], 2), *rng.sample(FILLERS, rng.randint(1, 3))]
        rng.shuffle(words)
        found[" ".join(words)] = None
    return list(found)


def rows_of(labels: Sequence[str], count: int, seed: int = 0) -> list[TextRow]:
    """Rows of one label each, in turn."""
    return [
        ClassifyTask.row({"text": text, "label": label}, f"rows:{i}")
        for i, pair in enumerate(zip(*(texts_of(label, count, seed) for label in labels), strict=True))
        for label, text in zip(labels, pair, strict=True)
    ]


def several_of(count: int, seed: int = 0) -> list[TextRow]:
    """Rows of none, one or two labels each."""
    rng, rows = random.Random(seed), []
    for i in range(count):
        labels = sorted(rng.sample(["alarm", "music", "weather"], i % 3))
        words = [word for label in labels for word in rng.sample(WORDS[label], 2)] + rng.sample(FILLERS, 2)
        rng.shuffle(words)
        rows.append(ClassifyTask.row({"text": " ".join(words), "label": labels}, f"rows:{i}"))
    return rows
