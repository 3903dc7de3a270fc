"""What a GGUF file says about itself, read without loading a weight, and the proof that the file is whole.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
import mmap
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from pocketlm.core.errors import InputError

MAGIC = b"GGUF"
VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says about itself.

    Attributes:
        metadata: every key with its value.
        tensors: name to (shape as stored, ggml type number).
        expected_bytes: the file's least length according to its tensor table.
    """

    version: int
    metadata: dict[str, Any]
    tensors: dict[str, tuple[tuple[int, ...], int]]
    expected_bytes: int


def check_gguf(path: Path) -> GgufHeader:
    """Read a GGUF file's header and prove the file whole, without loading a weight.

    Raises:
        InputError: missing, not GGUF, damaged or truncated.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    present = path.stat().st_size
    try:
        if not present:
            raise EOFError
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _read_header(_Cursor(data))
    except EOFError as error:
        raise InputError(
            f"{path}: truncated: {present / 1e6:.2f} MB present, not even the header is whole; "
            "export or download it again"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not a readable GGUF file ({error}); export or download it again") from error
    if present < header.expected_bytes:
        raise InputError(
            f"{path}: truncated: {present / 1e6:.2f} MB present, {header.expected_bytes / 1e6:.2f} MB expected; "
            "export or download it again"
        )
    return header


class _Cursor:
    """A place in the file's bytes that moves on with each value read; past the end it raises EOFError."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.size, self.at = data, len(data), 0

    def take(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        if self.at > self.size:
            raise EOFError
        return self.data[start : self.at]

    def unpack(self, layout: str) -> tuple[Any, ...]:
        try:
            size = struct.calcsize(f"<{layout}")
        except (struct.error, OverflowError) as error:
            raise ValueError("a length in its header is absurd") from error
        return struct.unpack(f"<{layout}", self.take(size))

    def string(self) -> str:
        return self.take(int.from_bytes(self.take(8), "little")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            item, count = self.unpack("IQ")
            if item in _SCALARS:
                return list(self.unpack(f"{count}{_SCALARS[item]}"))
            return [self.value(item) for _ in range(count)]
        if kind not in _SCALARS:
            raise ValueError(f"value type {kind} in its header")
        return self.unpack(_SCALARS[kind])[0]


def _read_header(cursor: _Cursor) -> GgufHeader:
    if cursor.take(4) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version, tensor_count, key_count = cursor.unpack("IQQ")
    if version not in VERSIONS:
        raise ValueError(f"version {version}, known are {VERSIONS}")
    metadata = {}
    for _ in range(key_count):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.unpack("I")[0])
    tensors, end = {}, 0
    for _ in range(tensor_count):
        name = cursor.string()
        shape = cursor.unpack(f"{cursor.unpack('I')[0]}Q")
        kind, offset = cursor.unpack("IQ")
        tensors[name] = (shape, kind)
        end = max(end, offset + _tensor_bytes(shape, kind))
    alignment = int(metadata.get("general.alignment", 32)) or 32
    data_start = -(-cursor.at // alignment) * alignment
    return GgufHeader(version, metadata, tensors, data_start + end)


def _tensor_bytes(shape: Sequence[int], kind: int) -> int:
    try:
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except ValueError:
        return 0  # a type newer than our table: its length is llama.cpp's to judge
    return int(math.prod(shape) // block * size)
