"""Attention of a model to a text, cut to what can be drawn and read.

A head is a matrix: each token's row says how its look at the tokens up to itself is divided, and adds up to 1. Trained
models put much of it on the very first token, which says nothing of the text (a sink, arXiv:2309.17453): that token is
set apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Engine, Ids

Matrix: TypeAlias = NDArray[np.float32]
MOST_DRAWN = 160  # tokens; more cannot be told apart in a picture
NONE = "llama.cpp does not tell attention; to see it, explain the model folder that the file was made from."


@dataclass(frozen=True)
class Attention:
    """What the heads of a model look at.

    Attributes:
        weights: (layers, heads, tokens, 1 + tokens) of the drawn tokens; column 0 holds what goes to all that stands before
            them, the first token of the prompt at least.
        first: place of the first drawn token in prompt and answer together.
        head: the head to show, (layer, head) from 0; None for the average.
    """

    weights: Matrix
    first: int
    head: tuple[int, int] | None = None

    @property
    def name(self) -> str:
        """What `shown` is, in words."""
        if self.head:
            return head_name(*self.head)
        layers, heads = self.weights.shape[:2]
        return f"the average of {layers - layers // 2} x {heads} heads, the later half of the layers"

    @property
    def sink(self) -> str:
        """What is left out of `shown`, as the beginning of a sentence."""
        what = "The first token" if self.first == 1 else f"What comes before ({self.first} tokens)"
        return f"{what} is left out; it took {self.before:.0%} of the look"

    @property
    def shown(self) -> Matrix:
        """(tokens, tokens) of the chosen head or the average: row looks at column. What goes before them is left out."""
        return self._chosen[:, 1:]

    @property
    def before(self) -> float:
        """The share, 0..1, that goes before the drawn tokens on average."""
        return float(self._chosen[:, 0].mean())

    def of_place(self, place: int) -> Matrix | None:
        """(tokens,): where the model looked while it wrote the token at `place`: the row of the token before it."""
        row = place - 1 - self.first
        return self.shown[row] if 0 <= row < len(self.shown) else None

    def shares(self, places: Sequence[int], groups: Sequence[Sequence[int]]) -> tuple[float, ...]:
        """How the look at groups of places was divided among them while the tokens at `places` were written.

        Returns:
            One share a group, together 1; nothing where a place is not drawn.
        """
        rows = [row for place in places if (row := self.of_place(place)) is not None]
        if not rows or any(place < self.first for group in groups for place in group):
            return ()
        seen = np.sum(rows, 0)
        looked = [float(sum(seen[place - self.first] for place in group)) for group in groups]
        total = sum(looked)
        return tuple(one / total for one in looked) if total else ()

    def to_json(self) -> dict[str, Any]:
        """The shown matrix alone: all heads would be megabytes."""
        layers, heads = self.weights.shape[:2]
        rows = [[round(float(weight), 4) for weight in row] for row in self.shown]
        return {
            "layers": layers,
            "heads": heads,
            "first": self.first,
            "head": self.head,
            "before": self.before,
            "weights": rows,
        }

    @property
    def _chosen(self) -> Matrix:
        # Early layers look at what stands beside a token, later ones at what it is about: those are averaged.
        later = self.weights[len(self.weights) // 2 :]
        chosen: Matrix = self.weights[self.head] if self.head else later.mean((0, 1))
        return chosen


def head_name(layer: int, head: int) -> str:
    """A head in words."""
    return f"layer {layer}, head {head}"


def look(engine: Engine, ids: Ids, first: int, head: tuple[int, int] | None = None) -> tuple[Attention | None, str]:
    """The attention of `ids` from place `first` on, or None and the reason why there is none.

    Raises:
        InputError: there is no such head.
    """
    tell = getattr(engine, "attention", None)
    if tell is None:
        return None, NONE
    first = max(1, first, len(ids) - MOST_DRAWN)
    try:
        weights = tell(ids[:first], ids[first:])
    except InputError as error:
        return None, f"Attention is left out: {error}."
    layers, heads = weights.shape[:2]
    if head and not (0 <= head[0] < layers and 0 <= head[1] < heads):
        raise InputError(f"--head {head[0]}.{head[1]}: layers are 0 to {layers - 1}, heads 0 to {heads - 1}")
    before = weights[..., :first].sum(-1, keepdims=True)
    return Attention(np.concatenate([before, weights[..., first:]], -1), first, head), ""


def most_attended(row: Matrix, names: Sequence[str], many: int = 3) -> list[tuple[str, float]]:
    """The tokens a row looks at most, with their weights."""
    best = np.argsort(-row)[:many]
    return [(names[i], float(row[i])) for i in best if row[i] > 0]
