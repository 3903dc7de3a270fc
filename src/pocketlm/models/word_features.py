"""A text as hashed n-grams of its words and characters, weighted by TF-IDF: features without a model.

Words (1 and 2) catch what is said, characters (2 to 5) catch endings and slips of the pen. Hashing needs no vocabulary
(Weinberger et al. 2009, arXiv:0902.2206); of the 65,536 places only those that carry weight are kept. numpy only.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path

PLACES = 1 << 16
CHARACTERS = (2, 3, 4, 5)
WORD = re.compile(r"\w+|[^\w\s]")
MIX, FOLD = np.uint64(0x100000001B3), np.uint64(0x9E3779B97F4A7C15)  # of FNV; of the golden ratio
TOP = np.uint64(48)  # the 16 upper bits of 64 are the place
MOST = 4000  # characters of a text that are read
FILE = "words.safetensors"

Ints = NDArray[np.int64]
Floats = NDArray[np.float32]


def places(text: str) -> Ints:
    """Where the n-grams of a text fall, one entry each, 0 to 65,535."""
    words = WORD.findall(text[:MOST].casefold())
    pairs = [f"{a} {b}" for a, b in itertools.pairwise(words)]
    hashed = np.array([crc32(gram.encode("utf-8", "surrogatepass")) for gram in (*words, *pairs)], dtype=np.uint64)
    line = np.frombuffer(f" {' '.join(words)} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32).astype(np.uint64)
    found = [hashed * FOLD]
    for n in CHARACTERS:
        if len(line) >= n:
            gram = np.full(len(line) - n + 1, n, dtype=np.uint64)
            for k in range(n):
                gram = gram * MIX + line[k : len(line) - n + 1 + k]
            found.append(gram * FOLD)
    return (np.concatenate(found) >> TOP).astype(np.int64)


@dataclass(frozen=True)
class WordFeatures:
    """Texts -> the few places that are not zero, of length 1.

    Attributes:
        kept: the places that are columns, rising (columns,).
        idf: of each column, ln((1 + texts) / (1 + texts that have it)) + 1 (Salton and Buckley 1988).
    """

    kept: Ints
    idf: Floats

    def __post_init__(self) -> None:
        column = np.full(PLACES, -1, dtype=np.int64)
        column[self.kept] = np.arange(len(self.kept))
        object.__setattr__(self, "_column", column)

    @classmethod
    def learn(cls, texts: Sequence[str]) -> WordFeatures:
        """All places that texts have, with how rare they are."""
        counts = np.zeros(PLACES)
        for text in texts:
            counts[np.unique(places(text))] += 1
        kept = np.flatnonzero(counts)
        return cls(kept, (np.log((1 + len(texts)) / (1 + counts[kept])) + 1).astype(np.float32))

    def only(self, columns: Ints) -> WordFeatures:
        """With some of its columns, rising."""
        return WordFeatures(self.kept[columns], self.idf[columns])

    def of(self, text: str) -> tuple[Ints, Floats]:
        """(columns, values) of a text; both empty where it has nothing that is known."""
        column: Ints = self._column[places(text)]  # type: ignore[attr-defined]
        found, counts = np.unique(column[column >= 0], return_counts=True)
        values = (1 + np.log(counts)) * self.idf[found]
        return found, (values / max(float(np.sqrt(values @ values)), 1e-9)).astype(np.float32)

    def save(self, folder: Path) -> None:
        """Write `folder`/words.safetensors: places in 2 bytes, idf in 2."""
        with atomic_path(folder / FILE) as aside:
            save_file({"kept": self.kept.astype(np.uint16), "idf": self.idf.astype(np.float16)}, aside)

    @classmethod
    def load(cls, folder: Path) -> WordFeatures:
        """What `save` wrote.

        Raises:
            InputError: it is missing or damaged.
        """
        try:
            kept = load_file(folder / FILE)
            return cls(kept["kept"].astype(np.int64), kept["idf"].astype(np.float32))
        except FileNotFoundError:
            raise InputError(f"{folder / FILE}: no such file; train the classifier again") from None
        except (SafetensorError, KeyError) as error:
            raise InputError(f"{folder / FILE}: damaged ({error}); train the classifier again") from None
