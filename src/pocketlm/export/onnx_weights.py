"""The weights of an ONNX export: read from safetensors, made into blocks of small integers, and back into numbers.

A row of a matrix is cut into blocks of BLOCK weights. A block is stored as one float16 scale and integers of `bits` bits:
weight = (integer - 2 ** (bits - 1)) * scale. That is the layout of ONNX Runtime's operators MatMulNBits and
GatherBlockQuantized. Encoders, which read many tokens at once, have one float32 scale a row instead.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.export.feedback import BLOCK, Q4_0, Floats, Rounded, in_pieces, inverse

LEVELS = replace(Q4_0, brief=True)  # at 4 bits; the runtime's kernels for Arm keep scales in bfloat16
# Of integers that are one scale a row. Processors without 8-bit dot products add two products of a byte and a signed byte in
# 16 bits: with 127 that overflows often enough to show (cosine 0.994 instead of 0.998), with 96 it does not.
LIMIT = 96
# how much of the inputs' sizes goes into the matrix: the first that is sound, for choosing the best on few texts overfits;
# on MiniLM 0.5 to 0.8 were tried
EVENED = (0.6, 0.45, 0.3)
ONE_SCALE = 0.1  # of a row's length: what evening may cost it, if rounding it as it is does not cost more


class Weights:
    """The tensors of a model folder, read one at a time.

    Raises:
        InputError: no weights there, or a damaged file.
    """

    def __init__(self, folder: Path) -> None:
        index = folder / "model.safetensors.index.json"
        names = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else ["model.safetensors"]
        self._files: dict[str, Any] = {}
        for file in (folder / name for name in names):
            opened = _open(file)
            self._files |= dict.fromkeys(opened.keys(), opened)

    def __contains__(self, name: str) -> bool:
        return name in self._files

    def __iter__(self) -> Iterator[str]:
        return iter(self._files)

    def shape(self, name: str) -> tuple[int, ...]:
        """The tensor's shape, without reading it; InputError where there is none."""
        return tuple(self._file(name).get_slice(name).get_shape())

    def read(self, name: str) -> Floats:
        """The tensor in float32; InputError where there is none."""
        values: Floats = self._file(name).get_tensor(name).float().numpy()
        return values

    def _file(self, name: str) -> Any:
        if name not in self._files:
            raise InputError(f"the model's weights have no tensor {name}")
        return self._files[name]


def _open(file: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    if not file.is_file():
        raise InputError(f"{file}: no such file; the model's weights belong there")
    try:
        return safe_open(file, framework="pt")
    except SafetensorError as error:
        raise InputError(f"{file}: damaged ({error}); download or save it again") from error


@dataclass(frozen=True)
class Blocks:
    """A matrix (rows, columns) in blocks.

    Attributes:
        codes: (rows, blocks, bytes) uint8; of two 4-bit integers in a byte the first is the lower.
        scales: (rows, blocks) float16.
    """

    bits: int
    codes: NDArray[np.uint8]
    scales: NDArray[np.float16]


def quantize(weight: Floats, bits: int, moments: Floats | None = None) -> Blocks:
    """A matrix whose columns divide into blocks, rounded to integers of `bits` (4 or 8) bits.

    At 8 bits the largest weight of a block decides its scale. At 4 bits each block takes, of several scales, the one of least
    squared error; and where the moments are known, columns make up for what the ones before them lost (GPTQ, arXiv:2210.17323).

    Args:
        moments: (columns, columns) mean products of the matrix's inputs, or only their mean squares (columns,); used at 4 bits.
    """
    codes, scales = LEVELS.round(weight, moments) if bits == 4 else in_pieces(weight, BLOCK, _round_8)
    return Blocks(bits, pack(codes.reshape(*scales.shape, BLOCK), bits), scales)


def quantize_rows(weight: Floats, inputs: Floats | None = None) -> tuple[NDArray[np.int8], Floats, Floats]:
    """A matrix (rows, columns) as DynamicQuantizeMatMul wants it, which rounds all of its inputs by one scale.

    So that a few large inputs do not cost the others their precision, inputs are made of like size and the matrix takes up
    what they lost (SmoothQuant, arXiv:2211.10438), as far as it makes the products of the known inputs better and costs no row
    of the matrix much: what is rare among these inputs may be common among others.

    Args:
        inputs: (tokens, columns) some of what the matrix reads.

    Returns:
        The integers (columns, rows), the scale of each row, and what each input is to be multiplied with.
    """
    best = np.ones(weight.shape[1], np.float32)
    if inputs is not None:
        limit = max(ONE_SCALE, _worst(weight, best))
        sound = next((wide for wide in _evened(weight, inputs) if _worst(weight, wide) <= limit), best)
        best = min(best, sound, key=lambda wide: _lost(weight, wide, inputs))
    codes, scales = _by_row(weight * best)
    return np.ascontiguousarray(codes.astype(np.int8).T), scales, np.float32(1) / best


def _by_row(weight: Floats) -> tuple[Floats, Floats]:
    scales: Floats = np.maximum(np.abs(weight).max(axis=1) / np.float32(LIMIT), np.float32(1e-30)).astype(np.float32)
    return np.rint(weight / scales[:, None]), scales


def _evened(weight: Floats, inputs: Floats) -> Iterator[Floats]:
    """What the columns may be multiplied with, the largest with 1."""
    reach, most = (np.maximum(np.abs(side).max(axis=0), np.float32(1e-6)) for side in (inputs, weight))
    for share in EVENED:
        wide = (reach**share / most ** (1 - share)).astype(np.float32)
        yield (wide / wide.max()).clip(1e-4)


def _worst(weight: Floats, wide: Floats) -> float:
    codes, scales = _by_row(weight * wide)
    return worst_row(codes * scales[:, None] / wide, weight)


def worst_row(found: Floats, expected: Floats) -> float:
    """The largest error of a row, as a share of the row's length; next to nothing is not taken for a row's length."""
    wrong = np.linalg.norm(np.atleast_2d(found - expected), axis=1)
    sizes = np.linalg.norm(np.atleast_2d(expected), axis=1)
    return float((wrong / np.maximum(sizes, max(1e-3 * float(sizes.mean()), 1e-12))).max())


def _lost(weight: Floats, wide: Floats, inputs: Floats) -> float:
    """The mean square of what rounding costs the products."""
    codes, scales = _by_row(weight * wide)
    even = inputs / wide
    step = (even.max() - even.min()) / np.float32(255)
    rounded = np.rint(even / step) * step
    return float(np.square(rounded @ (codes * scales[:, None]).T - inputs @ weight.T).mean())


def dequantize(blocks: Blocks) -> Floats:
    """The matrix that a runtime computes with."""
    codes = unpack(blocks.codes, blocks.bits).astype(np.float32)
    numbers = (codes - np.float32(2 ** (blocks.bits - 1))) * blocks.scales.astype(np.float32)[:, :, None]
    matrix: Floats = numbers.reshape(len(codes), -1)
    return matrix


def pack(values: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """Integers along the last axis, an even number of them, into bytes, the first in the lowest bits."""
    return values if bits == 8 else values[..., 0::2] | values[..., 1::2] << np.uint8(4)


def unpack(packed: NDArray[np.uint8], bits: int) -> NDArray[np.uint8]:
    """The reverse of `pack`."""
    if bits == 8:
        return packed
    return np.stack([packed & 15, packed >> 4], axis=-1).reshape(*packed.shape[:-1], -1)


def _round_8(blocks: Floats) -> Rounded:
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / np.float32(127)).astype(np.float16)
    codes = np.rint(blocks * inverse(scales)).clip(-127, 127) + 128
    return codes.astype(np.uint8), scales
