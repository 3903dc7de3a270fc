"""Vectors kept small: cut to their first numbers, in bytes, or in bits; and the nearest among them. Numpy only.

What it costs is told by `kept`, on the user's own vectors. Knows nothing of texts.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError

Vectors = NDArray[np.float32]  # (texts, width) of length 1
KINDS = ("float", "int8", "binary")
OVERSAMPLE = 4  # of the texts that are sought, how many more are scored again after bits have chosen them
BLOCK = 4096  # vectors that are unpacked at once


class Index(Protocol):
    """Vectors to search in."""

    @property
    def nbytes(self) -> int:
        """What they take."""
        ...

    def search(self, questions: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
        """(questions, count) places of the nearest, the nearest first, and their likeness."""
        ...


def build(vectors: Vectors, kind: str = "float", *, dims: int | None = None) -> Index:
    """Vectors to search in.

    Args:
        kind: float, as they are; int8, a byte a number; binary, a bit a number, the best of which are scored again in bytes.
        dims: numbers that are kept of each (the first ones: for models trained for that, see `embed.dims`).

    Raises:
        InputError: an unknown kind, or more numbers than there are.
    """
    if kind not in KINDS:
        raise InputError(f'no vectors are kept as "{kind}"; there are {", ".join(KINDS)}')
    if dims is not None and not 0 < dims <= vectors.shape[1]:
        raise InputError(f"{dims} numbers cannot be kept of vectors of {vectors.shape[1]}")
    made = cut(vectors, dims) if dims else vectors
    kinds: dict[str, Callable[[Vectors], Index]] = {"float": Whole, "int8": Bytes, "binary": Bits}
    return kinds[kind](made)


def cut(vectors: Vectors, dims: int) -> Vectors:
    """The first numbers of each, brought back to length 1 (Matryoshka: Kusupati et al. 2022, arXiv:2205.13147)."""
    short = vectors[:, :dims]
    whole: Vectors = short / np.maximum(np.linalg.norm(short, axis=1, keepdims=True), 1e-9)
    return whole


@dataclass(frozen=True)
class Whole:
    """Vectors as they are."""

    vectors: Vectors

    @property
    def nbytes(self) -> int:
        """See `Index`."""
        return int(self.vectors.nbytes)

    def search(self, questions: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
        """See `Index`."""
        return best(_fit(questions, self.vectors.shape[1]) @ self.vectors.T, count)


class Bytes:
    """A byte a number, each dimension with a scale of its own: its largest number is 127."""

    def __init__(self, vectors: Vectors) -> None:
        self.scale = (np.maximum(np.abs(vectors).max(0, initial=0.0), 1e-9) / 127).astype(np.float32)
        self.codes = np.rint(vectors / self.scale).astype(np.int8)

    @property
    def nbytes(self) -> int:
        """See `Index`."""
        return int(self.codes.nbytes + self.scale.nbytes)

    def search(self, questions: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
        """See `Index`."""
        return best(self.likeness(questions), count)

    def likeness(self, questions: Vectors, places: NDArray[np.int64] | None = None) -> Vectors:
        """(questions, texts) products; with `places` (questions, n), those of each question's own texts only."""
        asked = _fit(questions, self.codes.shape[1]) * self.scale  # the scale goes to the few
        if places is not None:
            some: Vectors = np.einsum("qw,qnw->qn", asked, self.codes[places].astype(np.float32))
            return some
        blocks = [asked @ self.codes[at : at + BLOCK].astype(np.float32).T for at in range(0, len(self.codes), BLOCK)]
        return np.concatenate(blocks, axis=1) if blocks else np.zeros((len(asked), 0), dtype=np.float32)


class Bits:
    """A bit a number, its sign. The nearest by differing bits are scored again in bytes, since bits are coarse (as Yamada et
    al. 2021, arXiv:2106.00882, do with whole vectors). Of all vectors only the bits need be in memory."""

    def __init__(self, vectors: Vectors) -> None:
        self.width, self.bits, self.exact = vectors.shape[1], _packed(vectors), Bytes(vectors)

    @property
    def nbytes(self) -> int:
        """See `Index`; of the bits alone, which are what is searched through."""
        return int(self.bits.nbytes)

    def search(self, questions: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
        """See `Index`."""
        questions = _fit(questions, self.width)
        places = np.stack([self._nearest(bits, count * OVERSAMPLE) for bits in _packed(questions)])
        again, likeness = best(self.exact.likeness(questions, places), count)
        return np.take_along_axis(places, again, axis=1), likeness

    def _nearest(self, bits: NDArray[np.uint64], count: int) -> NDArray[np.int64]:
        apart = np.bitwise_count(self.bits ^ bits).sum(1, dtype=np.int64)
        return np.argsort(apart, kind="stable")[:count]


def _packed(vectors: Vectors) -> NDArray[np.uint64]:
    """(texts, words of 64 bits): 1 where a number is above 0."""
    bits = np.packbits(vectors > 0, axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)


def _fit(questions: Vectors, width: int) -> Vectors:
    """Questions as wide as what is kept."""
    return questions if questions.shape[1] == width else cut(questions, width)


def best(likeness: Vectors, count: int) -> tuple[NDArray[np.int64], Vectors]:
    """(questions, count) places of the highest, the highest first, ties in their order; and their likeness."""
    count = min(count, likeness.shape[1])
    order = np.argsort(-likeness, axis=1, kind="stable")[:, :count]
    return order, np.take_along_axis(likeness, order, axis=1)


def kept(index: Index, vectors: Vectors, questions: Vectors, count: int = 10) -> float:
    """The share of each question's `count` nearest, by the whole vectors, that an index finds too."""
    wanted, found = Whole(vectors).search(questions, count)[0], index.search(questions, count)[0]
    same = [len({*map(int, a)} & {*map(int, b)}) for a, b in zip(wanted, found, strict=True)]
    return sum(same) / max(1, wanted.size)


def compared(vectors: Vectors, questions: Vectors, dims: Sequence[int] = (), count: int = 10) -> list[dict[str, Any]]:
    """What each way of keeping vectors costs and saves: {"kind", "dims", "bytes" a vector, "kept"}."""
    found = []
    for width in (vectors.shape[1], *dims):
        for kind in KINDS:
            index = build(vectors, kind, dims=width)
            share = round(kept(index, vectors, questions, count), 4)
            found.append({"kind": kind, "dims": width, "bytes": round(index.nbytes / len(vectors), 1), "kept": share})
    return found
