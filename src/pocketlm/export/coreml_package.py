"""Reading a .mlpackage without Core ML: its program's operations and constants, and every weight dequantized.

Apple publishes the format as protocol buffers (MIL.proto) and the weights' file as a C++ header (StorageFormat.hpp) in
the coremltools repository. Nothing of the converter is used here but those message classes, so what is read is what a
phone gets.
"""

from __future__ import annotations

import contextlib
import logging
import math
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need

Array = NDArray[Any]

BLOB = 64  # bytes of the table in front of each blob: sentinel, type, size, offset of the data
SENTINEL = 0xDEADBEEF
DTYPES = {
    "BOOL": np.bool_, "FLOAT16": np.float16, "FLOAT32": np.float32, "INT8": np.int8, "UINT8": np.uint8,
    "INT16": np.int16, "UINT16": np.uint16, "INT32": np.int32, "UINT32": np.uint32,
}  # fmt: skip
PACKED = {"INT4": 4, "UINT4": 4, "UINT1": 1, "UINT2": 2}  # bits of types that share bytes, the lowest bits first
QUANTIZED = ("constexpr_blockwise_shift_scale", "constexpr_lut_to_dense")


@dataclass(frozen=True)
class Constant:
    """A value that is stored in the program or in the weights' file.

    Attributes:
        raw: the value itself, or the bytes of it in the file, which stays on the disk until they are asked for.
    """

    dtype: str
    shape: tuple[int, ...]
    raw: Any
    packed: bool = False

    @property
    def value(self) -> Any:
        """Text, or an array of the shape."""
        return _unpack(self.raw, self.dtype, self.shape) if self.packed else self.raw

    @property
    def bits(self) -> int:
        """What it takes where it is stored."""
        return 8 * (len(self.raw) if isinstance(self.raw, str) else int(self.raw.nbytes))


@dataclass(frozen=True)
class Operation:
    """One operation: its inputs by name, each a list of values' names; its outputs' names and types."""

    kind: str
    inputs: Mapping[str, tuple[str, ...]]
    outputs: tuple[str, ...]
    dtypes: tuple[str, ...]


@dataclass(frozen=True)
class Stored:
    """A tensor of the model as the file holds it.

    Attributes:
        kind: the operation that gives it back, `const` where nothing was quantized; `dropped` for ones and zeros that the
            converter leaves out.
        parts: its stored constants: data and scale, or indices and lut.
    """

    kind: str
    parts: Mapping[str, Constant]

    @property
    def bits(self) -> int:
        """Of all parts together."""
        return sum(part.bits for part in self.parts.values())

    def dequantize(self) -> NDArray[np.float32]:
        """The tensor, as MIL's operations of these names define it: of float16 values."""
        if self.kind == "constexpr_blockwise_shift_scale":
            wide = shift_scale(**{name: part.value for name, part in self.parts.items()})
            return wide.astype(np.float16).astype(np.float32)
        if self.kind == "constexpr_lut_to_dense":
            return look_up(self.parts["indices"].value, self.parts["lut"].value)
        return np.array(self.parts["val"].value, np.float32)


@dataclass
class Package:
    """A .mlpackage.

    Attributes:
        spec: the Model message, for descriptions and metadata.
    """

    spec: Any
    operations: list[Operation]
    constants: dict[str, Constant]
    outputs: tuple[str, ...]
    metadata: dict[str, str] = field(default_factory=dict)

    @cached_property
    def stored(self) -> dict[str, Stored]:
        """Every tensor of the file by the name of its value."""
        found = {name: Stored("const", {"val": constant}) for name, constant in self.constants.items()}
        for operation in self.operations:
            if operation.kind in QUANTIZED:
                parts = {name: self.constants[value] for name, (value,) in operation.inputs.items()}
                found[operation.outputs[0]] = Stored(operation.kind, parts)
        return found


def read_package(folder: Path) -> Package:
    """Read the program and map the weights.

    Raises:
        InputError: not a .mlpackage of an ML program. EnvironmentLacks: coremltools is missing.
    """
    with quietly():
        messages = need("coremltools.proto.Model_pb2", "reading a .mlpackage", "coreml")
    data = folder / "Data" / "com.apple.CoreML"
    if not (data / "model.mlmodel").is_file():
        raise InputError(f"{folder}: not a .mlpackage (no Data/com.apple.CoreML/model.mlmodel)")
    spec = messages.Model()
    spec.ParseFromString((data / "model.mlmodel").read_bytes())
    function = spec.mlProgram.functions["main"]
    block = function.block_specializations[function.opset]
    file = data / "weights" / "weight.bin"
    weights = np.memmap(file, np.uint8, "r") if file.is_file() else np.zeros(0, np.uint8)
    constants: dict[str, Constant] = {}
    operations = []
    for message in block.operations:
        if message.type == "const":
            constants[message.outputs[0].name] = _constant(message.attributes["val"], weights)
        else:
            operations.append(_operation(message, constants, weights))
    metadata = dict(spec.description.metadata.userDefined)
    return Package(spec, operations, constants, tuple(block.outputs), metadata)


@contextlib.contextmanager
def quietly() -> Iterator[None]:
    """coremltools without the pages it prints: bars, and warnings of versions, which our own proofs settle.

    Raises:
        EnvironmentLacks: it is missing.
    """
    from functools import partialmethod

    from tqdm import tqdm

    disabled, original = logging.root.manager.disable, tqdm.__init__
    logging.disable(logging.WARNING)
    tqdm.__init__ = partialmethod(original, disable=True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            need("coremltools", "a Core ML export", "coreml")
            yield
    finally:
        logging.disable(disabled)
        tqdm.__init__ = original


def _operation(message: Any, constants: dict[str, Constant], weights: Array) -> Operation:
    inputs = {}
    for name, argument in message.inputs.items():
        names: list[str] = []
        for binding in argument.arguments:
            if binding.WhichOneof("binding") == "value":  # a constant without a name of its own
                inner = f"{message.outputs[0].name}.{name}.{len(names)}"
                constants[inner] = _constant(binding.value, weights)
                names.append(inner)
            else:
                names.append(binding.name)
        inputs[name] = tuple(names)
    for name, value in message.attributes.items():
        if name != "name":
            inner = f"{message.outputs[0].name}.{name}"
            constants[inner] = _constant(value, weights)
            inputs[name] = (inner,)
    outputs = tuple(output.name for output in message.outputs)
    return Operation(message.type, inputs, outputs, tuple(_dtype(output.type) for output in message.outputs))


def _dtype(kind: Any) -> str:
    messages = need("coremltools.proto.MIL_pb2", "reading a .mlpackage", "coreml")
    if kind.WhichOneof("type") != "tensorType":
        return str(kind.WhichOneof("type"))
    return str(messages.DataType.Name(kind.tensorType.dataType))


def _constant(message: Any, weights: Array) -> Constant:
    dtype = _dtype(message.type)
    shape = tuple(int(one.constant.size) for one in message.type.tensorType.dimensions)
    if message.WhichOneof("value") == "blobFileValue":
        return Constant(dtype, shape, _blob(weights, int(message.blobFileValue.offset)), packed=True)
    tensor = message.immediateValue.tensor
    kind = tensor.WhichOneof("value")
    if kind == "bytes":
        return Constant(dtype, shape, np.frombuffer(tensor.bytes.values, np.uint8), packed=True)
    values = list(getattr(tensor, kind).values) if kind else []
    if dtype == "STRING":
        return Constant(dtype, shape, values[0])
    return Constant(dtype, shape, np.array(values, DTYPES[dtype]).reshape(shape))


def _blob(weights: Array, at: int) -> Array:
    table = weights[at : at + BLOB]
    if len(table) < BLOB or int(table[:4].view(np.uint32)[0]) != SENTINEL:
        raise InputError(f"weight.bin: no blob at byte {at}; the package is damaged")
    size, start = (int(number) for number in table[8:24].view(np.uint64))
    if start + size > len(weights):
        raise InputError("weight.bin: truncated; copy or export the package again")
    return weights[start : start + size]


def _unpack(raw: Array, dtype: str, shape: tuple[int, ...]) -> Array:
    if dtype not in PACKED:
        return raw.view(DTYPES[dtype]).reshape(shape)
    bits = PACKED[dtype]
    places = np.arange(0, 8, bits, dtype=np.uint8)
    values = ((raw[:, None] >> places) & ((1 << bits) - 1)).reshape(-1)[: math.prod(shape)].reshape(shape)
    if dtype == "INT4":
        return (values ^ 8).astype(np.int8) - np.int8(8)
    return values


def shift_scale(data: Array, scale: Array, offset: Array | None = None) -> NDArray[np.float32]:
    """scale * (data - offset), each scale for a block of equal size along every axis."""
    rows, columns = scale.shape[0], scale.shape[-1]
    blocks = np.asarray(data, np.float32).reshape(rows, data.shape[0] // rows, columns, data.shape[1] // columns)
    wide = (rows, 1, columns, 1)
    if offset is not None:
        blocks = blocks - np.asarray(offset, np.float32).reshape(wide)
    dense: NDArray[np.float32] = (blocks * np.asarray(scale, np.float32).reshape(wide)).reshape(data.shape)
    return dense


def look_up(indices: Array, lut: Array) -> NDArray[np.float32]:
    """Each index's value in its group's table; lut is (row groups, column groups, values, 1)."""
    rows, columns, values, _ = lut.shape
    high, wide = indices.shape[0] // rows, indices.shape[1] // columns
    groups = indices.reshape(rows, high, columns, wide).transpose(0, 2, 1, 3).reshape(rows * columns, -1)
    dense = np.take_along_axis(np.asarray(lut, np.float32).reshape(rows * columns, values), groups.astype(np.intp), 1)
    return dense.reshape(rows, columns, high, wide).transpose(0, 2, 1, 3).reshape(indices.shape)
