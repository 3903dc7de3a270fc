"""The weights stored in a .tflite model, read back from its bytes: how many bits they take, and what numbers they stand for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.extras import need
from pocketlm.models.litert_file import EXTRA

FRONT = 16  # rows by which a stored matrix is recognised
FITTED = 3  # times columns and rows are fitted in turn, where both were multiplied


@dataclass(frozen=True, eq=False)
class Stored:
    """One constant of a model, however many tensors share it.

    Attributes:
        kind: FLOAT32, FLOAT16, INT8 or INT4.
        data: its bytes.
        scales: float32 numbers that the integers are multiplied with: one in all, one for each row, or (rows, blocks).
    """

    kind: str
    shape: tuple[int, ...]
    data: NDArray[np.uint8]
    scales: NDArray[np.float32] | None
    own_scales: bool  # kept with the tensor; those of blocks are constants of their own

    @property
    def bits(self) -> int:
        """Bits it takes, the scales included."""
        return 8 * self.data.size + (32 * self.scales.size if self.scales is not None and self.own_scales else 0)

    @property
    def numbers(self) -> NDArray[np.float32]:
        """What it stands for."""
        return self.rows(self.shape[0] if self.shape else 1)

    def rows(self, count: int) -> NDArray[np.float32]:
        """The first rows of what it stands for."""
        shape = (min(count, self.shape[0]), *self.shape[1:]) if self.shape else ()
        size = int(np.prod(shape))
        numbers = _unpack(self.kind, self.data, size).reshape(shape)
        if self.scales is None:
            return numbers
        if self.scales.ndim == 2:
            scales = np.repeat(self.scales[: shape[0]], shape[1] // self.scales.shape[1], axis=1)
        else:
            scales = self.scales[: shape[0], None] if self.scales.size > 1 else self.scales
        return numbers * scales


def _unpack(kind: str, data: NDArray[np.uint8], size: int) -> NDArray[np.float32]:
    if kind == "INT4":  # two in a byte, the lower half first
        packed = data[: (size + 1) // 2]
        both = np.stack([packed & 15, packed >> 4], axis=1).reshape(-1)[:size].astype(np.int8)
        return np.where(both > 7, both - 16, both).astype(np.float32)
    dtype = {"FLOAT32": np.float32, "FLOAT16": np.float16, "INT8": np.int8}[kind]
    return data.view(dtype)[:size].astype(np.float32)


def stored_weights(content: bytes) -> list[Stored]:
    """Every numeric constant of a .tflite model, each once."""
    need("ai_edge_litert.schema_py_generated", "reading a .tflite model", EXTRA, "ai-edge-litert")
    from ai_edge_litert import schema_py_generated as schema

    kinds = {getattr(schema.TensorType, name): name for name in ("FLOAT32", "FLOAT16", "INT8", "INT4")}
    model = schema.Model.GetRootAs(content, 0)
    found: dict[int, Stored] = {}
    for graph in (model.Subgraphs(i) for i in range(model.SubgraphsLength())):
        for tensor in (graph.Tensors(i) for i in range(graph.TensorsLength())):
            if tensor.Buffer() in found or tensor.Type() not in kinds:
                continue
            data = _data(content, model.Buffers(tensor.Buffer()))
            if data.size:
                shape = tuple(tensor.Shape(i) for i in range(tensor.ShapeLength()))
                scales, own = _scales(content, schema, model, graph, tensor)
                found[tensor.Buffer()] = Stored(kinds[tensor.Type()], shape, data, scales, own)
    return list(found.values())


def _data(content: bytes, buffer: Any) -> NDArray[np.uint8]:
    if buffer.DataLength():
        return np.asarray(buffer.DataAsNumpy())
    return np.frombuffer(content, np.uint8, buffer.Size(), buffer.Offset()) if buffer.Size() else np.empty(0, np.uint8)


def _scales(
    content: bytes, schema: Any, model: Any, graph: Any, tensor: Any
) -> tuple[NDArray[np.float32] | None, bool]:
    """The scales of a tensor, and whether they are kept with it."""
    told = tensor.Quantization()
    if told is None:
        return None, True
    if told.DetailsType() == schema.QuantizationDetails.BlockwiseQuantization:
        block = schema.BlockwiseQuantization()
        block.Init(told.Details().Bytes, told.Details().Pos)
        kept = graph.Tensors(block.Scales())
        numbers = _data(content, model.Buffers(kept.Buffer())).view(np.float16).astype(np.float32)
        return numbers.reshape(tensor.Shape(0), -1), False
    return (np.asarray(told.ScaleAsNumpy(), np.float32), True) if told.ScaleLength() else (None, True)


def bits(content: bytes) -> int:
    """Bits of all weights of a .tflite model, scales included."""
    return sum(one.bits for one in stored_weights(content))


def distances(wanted: Iterator[tuple[NDArray[np.float32], tuple[int, ...]]], stored: list[Stored]) -> Iterator[float]:
    """For each matrix its distance to what was stored of it: root of the mean square of the error over that of the matrix.

    The stored matrix is the nearest one of that shape among those not taken yet, by its first rows; infinite where none is left.

    Args:
        wanted: matrices, each with what is left out of account: what its columns (0), rows (1) or both were multiplied with.
            The converter moves a layer norm's weights into the linear layer behind it, and so do we large inputs (smooth.py).
    """
    free = [one for one in stored if len(one.shape) == 2]
    for matrix, multiplied in wanted:
        same = [one for one in free if one.shape == matrix.shape]
        if not same:
            yield float("inf")
            continue
        nearest = min(same, key=lambda one: _distance(matrix[:FRONT], one.rows(FRONT), multiplied))
        free.remove(nearest)
        yield _distance(matrix, nearest.numbers, multiplied)


def _distance(wanted: NDArray[np.float32], got: NDArray[np.float32], multiplied: tuple[int, ...]) -> float:
    for axis in multiplied * (1 if len(multiplied) < 2 else FITTED):
        power = np.square(wanted).sum(axis, keepdims=True)
        wanted = wanted * ((wanted * got).sum(axis, keepdims=True) / np.maximum(power, 1e-30))
    error, size = np.square(got - wanted, dtype=np.float64).sum(), np.square(wanted, dtype=np.float64).sum()
    return float(np.sqrt(error / max(float(size), 1e-30)))


def rope_bases(stored: list[Stored], width: int) -> list[float]:
    """Bases of the rotary positions that a model computes, from its constant of frequencies base^(-2i/width), i < width/2."""
    found = set()
    for one in stored:
        if one.kind == "FLOAT32" and one.data.size == 2 * width and one.shape[-1] == width // 2:
            numbers = one.numbers.reshape(-1)
            if numbers[0] == 1 and (np.diff(numbers) < 0).all() and numbers[-1] > 0:
                found.add(round(float(numbers[1]) ** (-width / 2)))
    return sorted(float(base) for base in found)
