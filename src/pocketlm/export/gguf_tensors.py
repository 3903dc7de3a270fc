"""The weights of a GGUF: read from safetensors, named and laid out as llama.cpp wants them, quantized, written.

Weights pass through one tensor at a time, so the largest tensor decides the memory.
"""

from __future__ import annotations

import json
import math
import re
import struct
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import LlamaFileType
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import read_json
from pocketlm.core.progress import progress
from pocketlm.export.feedback import IQ4_NL, Q4_0, Levels
from pocketlm.export.gguf_families import Config, Family, rope_factors
from pocketlm.export.importance import is_delicate

Weight = NDArray[np.float32]

PRECISIONS = {
    "f32": (Kind.F32, LlamaFileType.ALL_F32),
    "f16": (Kind.F16, LlamaFileType.MOSTLY_F16),
    "bf16": (Kind.BF16, LlamaFileType.MOSTLY_BF16),
    "q8_0": (Kind.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q6_k": (Kind.Q6_K, LlamaFileType.MOSTLY_Q6_K),
    "q5_k": (Kind.Q5_K, LlamaFileType.MOSTLY_Q5_K_S),
    "q5_1": (Kind.Q5_1, LlamaFileType.MOSTLY_Q5_1),
    "q5_0": (Kind.Q5_0, LlamaFileType.MOSTLY_Q5_0),
    "q4_k": (Kind.Q4_K, LlamaFileType.MOSTLY_Q4_K_S),
    "q4_1": (Kind.Q4_1, LlamaFileType.MOSTLY_Q4_1),
    "q4_0": (Kind.Q4_0, LlamaFileType.MOSTLY_Q4_0),
    "iq4_nl": (Kind.IQ4_NL, LlamaFileType.MOSTLY_IQ4_NL),
    "q3_k": (Kind.Q3_K, LlamaFileType.MOSTLY_Q3_K_S),
    "q2_k": (Kind.Q2_K, LlamaFileType.MOSTLY_Q2_K),
}
# what takes the place of a type whose blocks the rows do not fill, as llama-quantize chooses
FALLBACKS = {
    Kind.Q6_K: Kind.Q8_0,
    Kind.Q5_K: Kind.Q5_1,
    Kind.Q4_K: Kind.Q5_0,
    Kind.Q3_K: Kind.IQ4_NL,
    Kind.Q2_K: Kind.IQ4_NL,
}
NUMPY_KINDS = (Kind.Q5_1, Kind.Q5_0, Kind.Q4_1, Kind.Q4_0)  # the gguf package quantizes them itself, unweighted
IN_TURN = {Kind.Q4_0: Q4_0, Kind.IQ4_NL: IQ4_NL}  # whose columns can make up for each other, see feedback.py
WHOLE = ("F32", "F16", "BF16")
DEPTHS = ("early", "middle", "late")
GROUPS = ("embedding", *(f"{part}.{depth}" for part in ("attention", "mlp") for depth in DEPTHS))
# position and type vectors of encoders are added as they are, and are small
ALWAYS_F32 = ("position_embd.weight", "token_types.weight")
FLOOR = 1e-3  # of the mean importance: an input that was silent in the texts must not be free to go wrong


@dataclass(frozen=True)
class StoredTensor:
    """One tensor in a safetensors file."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self) -> Weight:
        """Its values in float32."""
        stored = np.fromfile(self.file, _DTYPES[self.dtype], math.prod(self.shape), offset=self.offset)
        if self.dtype == "BF16":  # the upper half of a float32
            stored = (stored.astype(np.uint32) << 16).view(np.float32)
        return stored.astype(np.float32, copy=False).reshape(self.shape)


@dataclass(frozen=True)
class MadeTensor:
    """A tensor that llama.cpp wants and the model's folder has not."""

    values: Weight

    @property
    def shape(self) -> tuple[int, ...]:
        """As of a stored one."""
        return self.values.shape

    def read(self) -> Weight:
        """As of a stored one."""
        return self.values


@dataclass(frozen=True)
class PlannedTensor:
    """One tensor of the file to be: where it comes from and what it becomes.

    Attributes:
        origin: its name in the model's folder.
        wanted: the type that was asked for; differs from `kind` where the rows do not fill its blocks.
        heads: so many heads' rows move to llama.cpp's rope layout; 0: they stay where they are.
        shift: added to every value.
    """

    name: str
    origin: str
    source: StoredTensor | MadeTensor
    kind: Kind
    wanted: Kind
    heads: int = 0
    shift: float = 0.0

    @property
    def bytes_shape(self) -> tuple[int, ...]:
        """The shape of its bytes."""
        shape: tuple[int, ...] = gguf.quant_shape_to_byte_shape(self.source.shape, self.kind)
        return shape

    def convert(self, importance: Mapping[str, Weight]) -> NDArray[Any]:
        """What is written."""
        weight = self.source.read()
        if self.shift:
            weight = weight + np.float32(self.shift)
        if self.heads:
            weight = permute(weight, self.heads)
        return quantize(weight, self.kind, importance.get(self.origin))


_DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def group_of(name: str, layers: int) -> str | None:
    """The one of GROUPS that a tensor of llama.cpp's name belongs to; None for norms and what else is never quantized."""
    if name in ("token_embd.weight", "output.weight"):
        return "embedding"
    match = re.fullmatch(r"blk\.(\d+)\.(attn|ffn)_(q|k|v|qkv|output|gate|up|down)\.weight", name)
    if not match:
        return None
    return f"{'attention' if match[2] == 'attn' else 'mlp'}.{DEPTHS[3 * int(match[1]) // layers]}"


def plan_tensors(
    folder: Path, config: Config, family: Family, precision: str, groups: Mapping[str, str]
) -> Iterator[PlannedTensor]:
    """Every tensor of the file to be, in the order of the model's files.

    Raises:
        InputError: a tensor that has no place in this family, or files that are not whole.
    """
    layers = config["num_hidden_layers"]
    names = gguf.get_tensor_name_map(family.arch, layers)
    if (factors := rope_factors(config)) is not None and not family.encoder:
        yield PlannedTensor("rope_freqs.weight", "", MadeTensor(factors), Kind.F32, Kind.F32)
    for source_name, source in stored_tensors(folder).items():
        if _is_left_out(source_name, config, family):
            continue
        name = names.get_name(source_name.removeprefix("bert."), try_suffixes=(".weight", ".bias"))
        if name is None:
            raise InputError(f"{folder}: tensor {source_name} has no place in a GGUF of this family")
        wanted = _wanted(name, source_name, source.shape, layers, precision, groups)
        heads = 0
        if family.permutes and ".attn_q." in name:
            heads = config["num_attention_heads"]
        elif family.permutes and ".attn_k." in name:
            heads = config.get("num_key_value_heads") or config["num_attention_heads"]
        shift = family.norm_shift if name.endswith("norm.weight") else 0.0
        yield PlannedTensor(name, source_name, source, fitting(wanted, source.shape), wanted, heads, shift)


def _is_left_out(name: str, config: Config, family: Family) -> bool:
    if family.encoder:  # heads of pre-training, of no use for a text's vector
        return name.removeprefix("bert.").startswith(("pooler.", "cls.", "embeddings.position_ids"))
    # llama.cpp uses the embedding where there is no output tensor
    return name == "lm_head.weight" and bool(config.get("tie_word_embeddings", config["model_type"] == "gemma3_text"))


def _wanted(
    name: str, origin: str, shape: tuple[int, ...], layers: int, precision: str, groups: Mapping[str, str]
) -> Kind:
    if len(shape) == 1 or name in ALWAYS_F32:
        return Kind.F32  # norms and biases: tiny, and llama.cpp adds them in float32
    group = group_of(name, layers) or ""
    for key in (group, group.partition(".")[0]):
        if key in groups:
            return PRECISIONS[groups[key]][0]
    kind = PRECISIONS[precision][0]
    if group == "embedding":
        return _for_embedding(kind, shape)
    return Kind.Q6_K if bits(kind) < 5 and find_spec("libgguf") and is_delicate(origin, layers) else kind


def _for_embedding(kind: Kind, shape: tuple[int, ...]) -> Kind:
    """Tokens are what small models can least afford to lose, and when tied they do both jobs: 8 bits beside 5 and 6, and
    6 or so beside 4 and fewer, as in llama-quantize's mixes."""
    if kind.name in (*WHOLE, "Q8_0"):
        return kind
    if bits(kind) > 5:
        return Kind.Q8_0
    return Kind.Q6_K if shape[-1] % gguf.GGML_QUANT_SIZES[Kind.Q6_K][0] == 0 and find_spec("libgguf") else Kind.Q5_0


def bits(kind: Kind) -> float:
    """Bits a weight of a type, scales included."""
    weights, size = gguf.GGML_QUANT_SIZES[kind]
    return 8.0 * float(size) / float(weights)


def fitting(kind: Kind, shape: tuple[int, ...]) -> Kind:
    """The type to store, whose blocks the rows fill."""
    while shape[-1] % gguf.GGML_QUANT_SIZES[kind][0]:
        kind = FALLBACKS.get(kind, Kind.F16)
    return kind


def stored_tensors(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of a model's folder by their names.

    Raises:
        InputError: files are missing or not whole, or hold types that are no floating point numbers.
    """
    index = folder / "model.safetensors.index.json"
    files = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else ["model.safetensors"]
    return {name: source for file in files for name, source in read_safetensors(folder / file)}


def read_safetensors(path: Path) -> Iterator[tuple[str, StoredTensor]]:
    """The table of a safetensors file: eight bytes of length, then JSON. Read here because numpy has no bfloat16.

    Raises:
        InputError: as `stored_tensors`.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; the model's weights belong there")
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
        size = path.stat().st_size
        if 8 + length > size:
            raise InputError(f"{path}: truncated; download or save it again")
        table = json.loads(file.read(length))
    for name, entry in table.items():
        if name == "__metadata__" or name.endswith(("rotary_emb.inv_freq", "position_ids")):
            continue
        start, end = entry["data_offsets"]
        if 8 + length + end > size:
            raise InputError(f"{path}: truncated; download or save it again")
        if entry["dtype"] not in _DTYPES:
            raise InputError(f"{path}: {name} is {entry['dtype']}; save the model as float32, float16 or bfloat16")
        yield name, StoredTensor(path, entry["dtype"], tuple(entry["shape"]), 8 + length + start)


def permute(weight: Weight, heads: int) -> Weight:
    """Hugging Face rotates the two halves of a head against each other, llama.cpp neighbours: interleave the halves."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def quantize(weight: Weight, kind: Kind, importance: Weight | None = None) -> NDArray[Any]:
    """Rows of blocks, as bytes; float32 and float16 as numbers.

    Args:
        importance: mean square of what each column is multiplied by (columns,), or mean product of what each two are
            (columns, columns). Blocks are then rounded so that the error of the products, not that of the weights, is least;
            with products, columns of Q4_0 and IQ4_NL also make up for each other. Q8_0 and whole numbers take no notice.

    Raises:
        EnvironmentLacks: the type needs libgguf; types that do not are rounded without importance where it is not here.
    """
    if kind is Kind.Q8_0:
        return _quantize_q8_0(weight)
    if importance is not None and importance.ndim == 2:
        if kind in IN_TURN:
            return _in_turn(weight, IN_TURN[kind], importance)
        importance = importance.diagonal()
    if kind is Kind.Q4_1:
        importance = None  # weighted by libgguf 0.2.2, a tuned SmolLM2-135M was off by 0.41 nats instead of 0.02
    if kind in NUMPY_KINDS and find_spec("libgguf") is None:
        importance = None  # rounded to the nearest instead
    if kind.name in WHOLE or (kind in NUMPY_KINDS and importance is None):
        plain: NDArray[Any] = gguf.quantize(weight, kind)
        return plain
    libgguf = need("libgguf", f"{kind.name.lower()}{' with importance' * (importance is not None)}", "gguf")
    if importance is not None:
        importance = importance + FLOOR * max(float(importance.mean()), 1e-12)
    blocks: NDArray[Any] = libgguf.quantize_rows(weight, int(kind), importance)
    return blocks


def _in_turn(weight: Weight, levels: Levels, moments: Weight) -> NDArray[np.uint8]:
    """Blocks of a float16 scale and 32 places of levels: in each byte one of the first half, and one of the second above it."""
    places, scales = levels.round(weight, moments)
    halves = places.reshape(*scales.shape, 2, 16)
    packed = halves[:, :, 0] | halves[:, :, 1] << np.uint8(4)
    blocks = np.concatenate([scales[:, :, None].view(np.uint8), packed], axis=2)
    return blocks.reshape(len(weight), -1)


def _quantize_q8_0(weight: Weight) -> NDArray[np.uint8]:
    """The bytes of gguf's own routine, several times as fast: one pass over cache-sized pieces."""
    blocks = weight.reshape(-1, 32)
    out = np.empty((len(blocks), 34), np.uint8)
    for start in range(0, len(blocks), 4096):
        piece = blocks[start : start + 4096]
        scale = np.abs(piece).max(axis=1, keepdims=True) / np.float32(127)
        with np.errstate(divide="ignore"):
            inverse = np.where(scale == 0, np.float32(0), np.float32(1) / scale)
        scaled = piece * inverse
        rounded = np.trunc(scaled + np.copysign(np.float32(0.5), scaled))  # halves away from zero, as in C
        out[start : start + 4096, :2] = scale.astype(np.float16).view(np.uint8)
        out[start : start + 4096, 2:] = rounded.astype(np.int8).view(np.uint8)
    return out.reshape(*weight.shape[:-1], -1)


def write_file(
    writer: gguf.GGUFWriter, path: Path, plan: list[PlannedTensor], importance: Mapping[str, Weight]
) -> None:
    """Header and tensors, one after the other."""
    for tensor in plan:
        shape = tensor.bytes_shape if tensor.kind not in (Kind.F32, Kind.F16) else tensor.source.shape
        dtype = np.dtype({Kind.F32: np.float32, Kind.F16: np.float16}.get(tensor.kind, np.uint8))
        writer.add_tensor_info(tensor.name, shape, dtype, math.prod(tensor.bytes_shape), raw_dtype=tensor.kind)
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        # one converts while the other is written; never the whole model in memory
        with ThreadPoolExecutor(2) as pool, progress("Writing", len(plan)) as update:
            waiting = [pool.submit(tensor.convert, importance) for tensor in plan[:2]]
            for following in [*plan[2:], None, None][: len(plan)]:
                writer.write_tensor_data(waiting.pop(0).result())
                update()
                if following:
                    waiting.append(pool.submit(following.convert, importance))
    finally:
        writer.close()
