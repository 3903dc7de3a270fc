"""The head of a classifier: from a text's features to the odds of labels, and from these to an answer.

numpy only, so that it runs beside any runtime. It knows nothing of texts and of how features are made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path, read_json, write_json
from pocketlm.tasks.labels import nodes_of, tree_of

Array = NDArray[np.float32]
SETTINGS, WEIGHTS = "head.json", "head.safetensors"
SMALL = 1e-12  # under which a probability has no logarithm


@dataclass(frozen=True)
class Prediction:
    """An answer.

    Attributes:
        labels: one; of several labels a text, those that apply, which may be none.
        probability: that exactly this is right, as the model sees it.
        probabilities: of every label, of parents too where labels are `food/recipes`; the likeliest first.
    """

    labels: tuple[str, ...]
    probability: float
    probabilities: Mapping[str, float]


@dataclass(frozen=True)
class Head:
    """A linear layer on features and how its odds become an answer.

    Attributes:
        weight: (labels, width); bias: (labels,).
        multi: a text has any number of labels, each with odds of its own (sigmoid); else exactly one (softmax).
        temperature: by which scores are divided (Guo et al. 2017, arXiv:1706.04599).
        threshold: of several labels, those at least so likely are given.
        outside: the label of what fits no other, None where there is none.
        inside_from: a text whose likeliest other label is less likely than this gets `outside`.
        certain: of labels written `food/recipes`, the answer is the deepest node at least so likely; None: always a label.
    """

    labels: tuple[str, ...]
    weight: Array
    bias: Array
    multi: bool = False
    temperature: float = 1.0
    threshold: float = 0.5
    outside: str | None = None
    inside_from: float = 0.0
    certain: float | None = None

    def logits(self, features: Array) -> Array:
        """(texts, width) -> (texts, labels), the temperature left out."""
        return np.asarray(features @ self.weight.T + self.bias, dtype=np.float32)

    def probabilities(self, logits: Array) -> Array:
        """(texts, labels) logits -> probabilities."""
        scaled = logits.astype(np.float64) / self.temperature
        if self.multi:
            return np.asarray(1 / (1 + np.exp(-np.clip(scaled, -60, 60))), dtype=np.float32)
        odds = np.exp(scaled - scaled.max(axis=1, keepdims=True))
        return np.asarray(odds / odds.sum(axis=1, keepdims=True), dtype=np.float32)

    def sureness(self, probabilities: Array) -> Array:
        """(texts,) how likely the likeliest label is, `outside` left out."""
        inside = [i for i, label in enumerate(self.labels) if label != self.outside]
        return np.asarray(probabilities[:, inside].max(axis=1, initial=0.0))

    def predict(self, probabilities: Array) -> list[Prediction]:
        """(texts, labels) -> an answer each."""
        sure = self.sureness(probabilities)
        inner = _tree(self.labels)
        found = []
        for row, best in zip(probabilities, sure, strict=True):
            odds = dict(zip(self.labels, map(float, row), strict=True))
            every = odds | {node: sum(odds[label] for label in below) for node, below in inner.items()}
            labels, probability = self._several(odds) if self.multi else self._one(odds, every, float(best))
            ordered = dict(sorted(every.items(), key=lambda pair: -pair[1]))
            found.append(Prediction(labels, min(1.0, probability), ordered))
        return found

    def _one(self, odds: Mapping[str, float], every: Mapping[str, float], best: float) -> tuple[tuple[str], float]:
        top = max(odds, key=odds.__getitem__)
        if self.outside is not None and top != self.outside and best < self.inside_from:
            return (self.outside,), 1 - best
        if self.certain is None or top == self.outside:
            return (top,), odds[top]
        if found := _descend(odds, list(every), self.certain):
            return (found[0],), found[1]
        # not even a parent is certain
        return ((self.outside,), 1 - best) if self.outside is not None else ((top,), odds[top])

    def _several(self, odds: Mapping[str, float]) -> tuple[tuple[str, ...], float]:
        given = tuple(label for label, p in odds.items() if p >= self.threshold and label != self.outside)
        chance = float(np.prod([p if label in given else 1 - p for label, p in odds.items() if label != self.outside]))
        return (given, chance) if given or self.outside is None else ((self.outside,), chance)

    def folded(self) -> Head:
        """The same with the temperature in its weights."""
        return replace(self, weight=self.weight / self.temperature, bias=self.bias / self.temperature, temperature=1.0)

    def save(self, folder: Path, features: Mapping[str, Any], *, int8: bool = False) -> None:
        """Write `folder`/head.json and head.safetensors.

        Args:
            features: how features are made, for whoever opens it.
            int8: store weights in 8 bits, a scale a label.
        """
        tensors = {"bias": self.bias.astype(np.float32), "weight": np.ascontiguousarray(self.weight, dtype=np.float32)}
        if int8:
            scale = np.abs(self.weight).max(axis=1, initial=1e-9) / 127
            tensors |= {
                "weight": np.rint(self.weight / scale[:, None]).astype(np.int8), "scale": scale.astype(np.float32)
            }  # fmt: skip
        with atomic_path(folder / WEIGHTS) as aside:
            save_file(tensors, aside)
        plain = {name: value for name, value in vars(self).items() if name not in ("weight", "bias")}
        write_json(folder / SETTINGS, {"kind": "head", **plain, "features": dict(features)})

    @classmethod
    def load(cls, folder: Path) -> tuple[Head, dict[str, Any]]:
        """A saved head and how its features are made.

        Raises:
            InputError: a file is missing or damaged; the message names it.
        """
        kept = read_json(folder / SETTINGS)
        try:
            features = dict(kept.pop("features"))
            if kept.pop("kind") != "head":
                raise KeyError("kind")
            tensors = load_file(folder / WEIGHTS)
            weight, bias = tensors["weight"].astype(np.float32), tensors["bias"]
            if "scale" in tensors:
                weight = weight * tensors["scale"][:, None]
            made = cls(**{**kept, "labels": tuple(kept["labels"])}, weight=weight, bias=bias)
        except FileNotFoundError:
            raise InputError(f"{folder / WEIGHTS}: no such file; train the classifier again") from None
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise InputError(f"{folder / SETTINGS}: no head of a classifier ({error}); train it again") from None
        except SafetensorError as error:
            raise InputError(f"{folder / WEIGHTS}: damaged ({error}); train the classifier again") from None
        if made.weight.shape[:1] != (len(made.labels),) or made.bias.shape != (len(made.labels),):
            raise InputError(
                f"{folder / WEIGHTS}: weights of shape {made.weight.shape} do not fit the {len(made.labels)} labels of "
                f"{SETTINGS}; train the classifier again"
            )
        return made, features


_tree = lru_cache(maxsize=8)(tree_of)  # asked for with every text


def _descend(odds: Mapping[str, float], nodes: Sequence[str], certain: float) -> tuple[str, float] | None:
    """From the top the likeliest child, as long as it is at least so likely, itself and all under it; None where no top is."""
    mass = {node: sum(p for label, p in odds.items() if f"{label}/".startswith(f"{node}/")) for node in nodes}
    above = {node: next((up for up in nodes_of(node)[-2::-1] if up in mass), "") for node in nodes}
    found, parent = None, ""
    while children := [node for node in nodes if above[node] == parent]:
        best = max(children, key=mass.__getitem__)
        if mass[best] < certain:
            break
        found, parent = (best, mass[best]), best
    return found


def fit_temperature(logits: Array, targets: Array, *, multi: bool = False) -> float:
    """The temperature of the least log loss, on a fine grid.

    Args:
        logits, targets: (texts, labels); targets are 1 where a label applies, or odds.
    """
    head = Head(tuple(map(str, range(logits.shape[1]))), logits[:0], logits[:0], multi)
    even = 0.5 if multi else 1 / logits.shape[1]
    count = len(targets)
    blurred = ((targets * count + even) / (count + 1)).astype(
        np.float32
    )  # few rows show no certainty: one says nothing
    grid = np.exp(np.linspace(np.log(0.05), np.log(20), 120))
    losses = [log_loss(replace(head, temperature=float(t)).probabilities(logits), blurred, multi=multi) for t in grid]
    return float(grid[int(np.argmin(losses))])


def log_loss(probabilities: Array, targets: Array, *, multi: bool = False) -> float:
    """Mean cross-entropy in nats; of several labels, summed over them."""
    found = targets * np.log(np.maximum(probabilities, SMALL))
    if multi:
        found = found + (1 - targets) * np.log(np.maximum(1 - probabilities, SMALL))
    return float(-found.sum(axis=1).mean())


def targets_of(rows: Sequence[Sequence[str]], labels: Sequence[str]) -> Array:
    """(texts, labels): 1 where a text has a label; one that is not among `labels` is left out."""
    place = {label: i for i, label in enumerate(labels)}
    found = np.zeros((len(rows), len(labels)), dtype=np.float32)
    for i, row in enumerate(rows):
        for label in row:
            if label in place:
                found[i, place[label]] = 1
    return found
