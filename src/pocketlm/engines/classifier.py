"""A classifier: features of a text and a linear head. Opened from a run's folder or an exported bundle.

Features are hashed n-grams, or an embedder's vectors (engines/embedder.py), of a model's folder or of an exported file:
the same head lies beside both. It answers as any engine does, so it is scored, compared and calibrated as one.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.core.files import write_jsonl
from pocketlm.engines.base import Generation, Tick
from pocketlm.engines.batching import BATCH
from pocketlm.engines.embedder import Embedder, open_embedder
from pocketlm.engines.nearest import Nearest
from pocketlm.models.head import SETTINGS, SMALL, Array, Head, Prediction, targets_of
from pocketlm.models.word_features import WordFeatures
from pocketlm.tasks.template import CHATML

EXAMPLES = "examples.jsonl"


class NoFeatures:
    """Nothing of a text is looked at: every text is as likely to be of a label as any other."""

    def vectors(self, texts: Sequence[str]) -> Array:
        """(texts, 0)."""
        return np.zeros((len(texts), 0), dtype=np.float32)

    def logits(self, texts: Sequence[str], head: Head) -> Array:
        """(texts, labels)."""
        return head.logits(self.vectors(texts))


class NearestFeatures:
    """The labels of the most like training text, as high as it is alike."""

    def __init__(self, texts: Sequence[str], answers: Sequence[Sequence[str]], labels: Sequence[str]) -> None:
        self._texts, self._answers = texts, answers
        self._targets, self._index = targets_of(answers, labels), Nearest(texts)

    def vectors(self, texts: Sequence[str]) -> Array:
        """(texts, labels)."""
        found = [self._index.nearest(text) for text in texts]
        return np.array([self._targets[i] * likeness for i, likeness in found], dtype=np.float32).reshape(
            len(texts), -1
        )

    def logits(self, texts: Sequence[str], head: Head) -> Array:
        """(texts, labels)."""
        return head.logits(self.vectors(texts))

    def save(self, folder: Path) -> None:
        """Write the texts and their labels."""
        rows = zip(self._texts, self._answers, strict=True)
        write_jsonl(folder / EXAMPLES, ({"text": text, "labels": list(labels)} for text, labels in rows))

    @classmethod
    def load(cls, folder: Path, labels: Sequence[str]) -> NearestFeatures:
        """What `save` wrote.

        Raises:
            InputError: it is missing or damaged.
        """
        import json

        path = folder / EXAMPLES
        try:
            with path.open(encoding="utf-8") as lines:  # other line ends, such as U+2028, may stand inside a text
                rows = [json.loads(line) for line in lines]
            return cls([row["text"] for row in rows], [row["labels"] for row in rows], labels)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise InputError(f"{path}: missing or damaged ({error}); train the classifier again") from None


class Words:
    """Hashed n-grams; of a text only the few that are there are multiplied."""

    def __init__(self, features: WordFeatures) -> None:
        self.features = features
        self._of, self._rows = np.zeros((0, 0), np.float32), np.zeros((0, 0), np.float32)

    def logits(self, texts: Sequence[str], head: Head) -> Array:
        """(texts, labels)."""
        if self._of is not head.weight:  # turned, so that the weights of a text's few columns lie together
            self._of, self._rows = head.weight, np.ascontiguousarray(head.weight.T)
        found = np.tile(head.bias, (len(texts), 1))
        for i, text in enumerate(texts):
            columns, values = self.features.of(text)
            found[i] += values @ self._rows[columns]
        return found


class Vectors:
    """An embedder's."""

    def __init__(self, embedder: Embedder) -> None:
        self.embedder = embedder

    def vectors(self, texts: Sequence[str]) -> Array:
        """(texts, width), each of length 1."""
        return self.embedder.embed(texts)

    def logits(self, texts: Sequence[str], head: Head) -> Array:
        """(texts, labels)."""
        return head.logits(self.vectors(texts))


class Classifier:
    """Texts -> labels with their probabilities."""

    template = CHATML.name  # nothing is written in it; reports name one

    def __init__(self, head: Head, features: Any, uri: str) -> None:
        self.head, self.features, self.uri = head, features, uri

    @classmethod
    def open(cls, folder: Path, uri: str = "", *, threads: int | None = None) -> Classifier:
        """A classifier from the folder that holds its head.json.

        Raises:
            InputError: a file is missing or damaged. EnvironmentLacks: the package of its features is not installed.
        """
        head, described = Head.load(folder)
        return cls(head, open_features(folder, described, head.labels, threads=threads), uri or str(folder))

    def probabilities(self, texts: Sequence[str]) -> Array:
        """(texts, labels)."""
        return self.head.probabilities(self.features.logits(texts, self.head))

    def predict(self, texts: Sequence[str]) -> list[Prediction]:
        """An answer each."""
        return self.head.predict(self.probabilities(texts)) if texts else []

    def prompt(self, row: Any) -> str:
        """A classifier is asked the text itself."""
        return str(row.text)

    def generate(self, prompts: Sequence[str], *, tick: Tick | None = None, **_: Any) -> list[Generation]:
        """Answers as written labels, as `Engine.generate`."""
        answers = []
        for start in range(0, len(prompts), 8 * BATCH):  # which the features then sort by length
            texts, began = prompts[start : start + 8 * BATCH], time.perf_counter()
            found = self.predict(texts)
            seconds = (time.perf_counter() - began) / len(texts)
            answers += [_written(one, seconds) for one in found]
            if tick:
                tick(len(texts))
        return answers

    def stream(self, prompt: str, **_: Any) -> Iterator[str]:
        """The answer, at once."""
        yield self.generate([prompt])[0].text

    def close(self) -> None:
        """Give back what the features hold."""
        if isinstance(self.features, Vectors):
            self.features.embedder.close()


def _written(found: Prediction, seconds: float) -> Generation:
    text, logprob = ", ".join(found.labels), math.log(max(found.probability, SMALL))
    return Generation(text, 1, True, logprob, seconds, (logprob,), (len(text),))


def is_classifier(folder: Path) -> bool:
    """Whether a folder holds one."""
    return (folder / SETTINGS).is_file()


def open_features(
    folder: Path, described: Mapping[str, Any], labels: Sequence[str], *, threads: int | None = None
) -> Any:
    """What makes the features that a head.json describes.

    Raises:
        InputError: a kind we do not know, or its files are missing. EnvironmentLacks: its package is not installed.
    """
    openers: dict[str, Callable[[], Any]] = {
        "none": NoFeatures,
        "nearest": lambda: NearestFeatures.load(folder, labels),
        "words": lambda: Words(WordFeatures.load(folder)),
        "embedder": lambda: Vectors(open_embedder(_place(folder, str(described.get("uri"))), threads=threads)),
    }
    kind = described.get("kind")
    if kind not in openers:
        raise InputError(
            f'{folder / SETTINGS}: features of the kind "{kind}" are not known; there are {", ".join(openers)}'
        )
    return openers[kind]()


def _place(folder: Path, uri: str) -> str:
    """An embedder's name; a file or folder is meant beside the head."""
    return uri if uri == "static" or ":" in uri else str(folder / uri)
