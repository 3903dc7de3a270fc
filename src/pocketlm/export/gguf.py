"""A Hugging Face folder into one GGUF file, for llama.cpp and everything built on it.

Reads the folder's files and nothing else: refuses to know torch and transformers, how the model was trained and
whether it is any good. Weights pass through one tensor at a time, so the largest tensor decides the memory.

A new family is one entry in FAMILIES, a new pre-tokenizer one in PRE_TOKENIZERS; each is proven by a test that
compares llama.cpp's answers and token ids with transformers' on a small random model.
"""

from __future__ import annotations

import json
import math
import struct
from collections import Counter
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import LlamaFileType, TokenType
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path, read_json

PRECISIONS = {
    "f32": (Kind.F32, LlamaFileType.ALL_F32),
    "f16": (Kind.F16, LlamaFileType.MOSTLY_F16),
    "bf16": (Kind.BF16, LlamaFileType.MOSTLY_BF16),
    "q8_0": (Kind.Q8_0, LlamaFileType.MOSTLY_Q8_0),
    "q5_1": (Kind.Q5_1, LlamaFileType.MOSTLY_Q5_1),
    "q5_0": (Kind.Q5_0, LlamaFileType.MOSTLY_Q5_0),
    "q4_1": (Kind.Q4_1, LlamaFileType.MOSTLY_Q4_1),
    "q4_0": (Kind.Q4_0, LlamaFileType.MOSTLY_Q4_0),
}


@dataclass(frozen=True)
class Family:
    """What differs between architectures. `permutes`: q and k rows move to llama.cpp's interleaved rope layout."""

    arch: gguf.MODEL_ARCH
    permutes: bool


FAMILIES = {
    "llama": Family(gguf.MODEL_ARCH.LLAMA, permutes=True),
    "qwen2": Family(gguf.MODEL_ARCH.QWEN2, permutes=False),
    "qwen3": Family(gguf.MODEL_ARCH.QWEN3, permutes=False),
}

_WORDS = "{0}|[^\\r\\n\\p{{L}}\\p{{N}}]?\\p{{L}}+|{1}| ?[^\\s\\p{{L}}\\p{{N}}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
_CLITICS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
# The steps of tokenizer.json's pre_tokenizer, as _steps names them, to the id under which llama.cpp knows the same
# splitting. qwen2's NFC normalizer has no counterpart there: text that is not composed gets other ids.
PRE_TOKENIZERS = {
    ("words",): "gpt-2",
    ("digits", "words"): "smollm",
    (_WORDS.format(_CLITICS, "\\p{N}{1,3}"), "bytes"): "llama-bpe",
    (_WORDS.format(_CLITICS, "\\p{N}"), "bytes"): "qwen2",
}
META = {
    "name": "general.name",
    "license": "general.license",
    "description": "general.description",
    "author": "general.author",
    "version": "general.version",
    "base_name": "general.base_model.0.name",
    "base_url": "general.base_model.0.repo_url",
}


@dataclass(frozen=True)
class GgufInfo:
    """What was written.

    Attributes:
        size_mb: the file's size in 10^6 bytes.
        bits_per_weight: bits of all tensors over all parameters: what was stored, not what was asked for.
        tensor_types: number of tensors of each ggml type.
        fallbacks: tensors kept at F16 because their rows are no multiple of the precision's block.
    """

    path: Path
    precision: str
    size_mb: float
    bits_per_weight: float
    tensor_types: dict[str, int]
    parameters: int
    fallbacks: tuple[str, ...]


def export_gguf(
    model_dir: Path,
    out: Path,
    *,
    precision: str = "q8_0",
    chat_template: str | None = None,
    stop_token: str | None = None,
    meta: Mapping[str, str] | None = None,
) -> GgufInfo:
    """Write the model of `model_dir` (config.json, safetensors, tokenizer.json) to one GGUF file, atomically.

    Args:
        precision: a key of PRECISIONS. Below 8 bits the embedding and output matrices stay Q8_0: they are what small
            models can least afford to lose, and when tied they do both jobs.
        chat_template: Jinja text that travels in the file; default: the folder's own.
        stop_token: the token that ends an answer; llama.cpp stops there. Default: the tokenizer's end token.
        meta: keys of META, such as license and base_name.

    Raises:
        InputError: an unknown precision, family, pre-tokenizer or rope, or a folder that is not whole.
    """
    model_dir, out = Path(model_dir), Path(out)
    if precision not in PRECISIONS:
        raise InputError(f"precision {precision!r} is unknown; choose one of {', '.join(PRECISIONS)}")
    if not (model_dir / "config.json").is_file():
        hint = "merge the adapter first" if (model_dir / "adapter_config.json").is_file() else "not a model folder"
        raise InputError(f"{model_dir}: no config.json ({hint})")
    config = read_json(model_dir / "config.json")
    family = FAMILIES.get(config.get("model_type"))
    if family is None:
        raise InputError(
            f"{model_dir}: GGUF export knows the families {', '.join(FAMILIES)}, not {config.get('model_type')!r}"
        )
    plan = list(_plan(model_dir, config, family, precision))
    with atomic_path(out) as aside:
        writer = gguf.GGUFWriter(None, gguf.MODEL_ARCH_NAMES[family.arch])
        _add_model(writer, model_dir, config, precision, plan, meta or {})
        _add_tokenizer(writer, model_dir, config["vocab_size"], chat_template, stop_token)
        _write(writer, aside, plan)
    return _info(out, precision, plan)


# Tensors


@dataclass(frozen=True)
class _Source:
    """One tensor in a safetensors file."""

    file: Path
    dtype: str
    shape: tuple[int, ...]
    offset: int

    def read(self) -> NDArray[np.float32]:
        stored = np.fromfile(self.file, _DTYPES[self.dtype], math.prod(self.shape), offset=self.offset)
        if self.dtype == "BF16":  # the upper half of a float32
            stored = (stored.astype(np.uint32) << 16).view(np.float32)
        return stored.astype(np.float32, copy=False).reshape(self.shape)


@dataclass(frozen=True)
class _Tensor:
    """One tensor of the file to be: where it comes from and what it becomes."""

    name: str
    source: _Source
    kind: Kind
    heads: int  # 0: rows stay where they are
    fallback: bool

    @property
    def bytes_shape(self) -> tuple[int, ...]:
        shape: tuple[int, ...] = gguf.quant_shape_to_byte_shape(self.source.shape, self.kind)
        return shape


_DTYPES = {"F32": np.float32, "F16": np.float16, "BF16": np.uint16}


def _plan(folder: Path, config: dict[str, Any], family: Family, precision: str) -> Iterator[_Tensor]:
    names = gguf.get_tensor_name_map(family.arch, config["num_hidden_layers"])
    for source_name, source in _sources(folder).items():
        if source_name == "lm_head.weight" and config.get("tie_word_embeddings"):
            continue  # llama.cpp uses the embedding where there is no output tensor
        name = names.get_name(source_name, try_suffixes=(".weight", ".bias"))
        if name is None:
            raise InputError(f"{folder}: tensor {source_name} has no place in a GGUF of this family")
        kind = _kind(name, source.shape, precision)
        heads = 0
        if family.permutes and ".attn_q." in name:
            heads = config["num_attention_heads"]
        elif family.permutes and ".attn_k." in name:
            heads = config.get("num_key_value_heads") or config["num_attention_heads"]
        yield _Tensor(name, source, Kind.F16 if kind is None else kind, heads, fallback=kind is None)


def _kind(name: str, shape: tuple[int, ...], precision: str) -> Kind | None:
    """The type to store; None where the rows do not divide into blocks."""
    kind = PRECISIONS[precision][0]
    if len(shape) == 1:
        return Kind.F32  # norms and biases: tiny, and llama.cpp adds them in float32
    if precision[:2] in ("q4", "q5") and name in ("token_embd.weight", "output.weight"):
        kind = Kind.Q8_0
    return kind if shape[-1] % gguf.GGML_QUANT_SIZES[kind][0] == 0 else None


def _sources(folder: Path) -> dict[str, _Source]:
    index = folder / "model.safetensors.index.json"
    files = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else ["model.safetensors"]
    return {name: source for file in files for name, source in _safetensors(folder / file)}


def _safetensors(path: Path) -> Iterator[tuple[str, _Source]]:
    """The table of a safetensors file: eight bytes of length, then JSON. Read here because numpy has no bfloat16."""
    if not path.is_file():
        raise InputError(f"{path}: no such file; the model's weights belong there")
    with path.open("rb") as file:
        length = struct.unpack("<Q", file.read(8).ljust(8, b"\0"))[0]
        size = path.stat().st_size
        if 8 + length > size:
            raise InputError(f"{path}: truncated; download or save it again")
        table = json.loads(file.read(length))
    for name, entry in table.items():
        if name == "__metadata__" or name.endswith("rotary_emb.inv_freq"):
            continue
        start, end = entry["data_offsets"]
        if 8 + length + end > size:
            raise InputError(f"{path}: truncated; download or save it again")
        if entry["dtype"] not in _DTYPES:
            raise InputError(f"{path}: {name} is {entry['dtype']}; save the model as float32, float16 or bfloat16")
        yield name, _Source(path, entry["dtype"], tuple(entry["shape"]), 8 + length + start)


def _permute(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Hugging Face rotates the two halves of a head against each other, llama.cpp neighbours: interleave the halves."""
    halves = weight.reshape(heads, 2, weight.shape[0] // heads // 2, *weight.shape[1:])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def _convert(tensor: _Tensor) -> NDArray[Any]:
    weight = tensor.source.read()
    if tensor.heads:
        weight = _permute(weight, tensor.heads)
    return _quantize(weight, tensor.kind)


def _quantize(weight: NDArray[np.float32], kind: Kind) -> NDArray[Any]:
    if kind is Kind.Q8_0:
        return _quantize_q8_0(weight)
    quantized: np.ndarray[Any, Any] = gguf.quantize(weight, kind)
    return quantized


def _quantize_q8_0(weight: NDArray[np.float32]) -> NDArray[np.uint8]:
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


def _write(writer: gguf.GGUFWriter, path: Path, plan: list[_Tensor]) -> None:
    for tensor in plan:
        shape = tensor.bytes_shape if tensor.kind not in (Kind.F32, Kind.F16) else tensor.source.shape
        dtype = np.dtype({Kind.F32: np.float32, Kind.F16: np.float16}.get(tensor.kind, np.uint8))
        writer.add_tensor_info(tensor.name, shape, dtype, math.prod(tensor.bytes_shape), raw_dtype=tensor.kind)
    try:
        writer.write_header_to_file(path)
        writer.write_kv_data_to_file()
        writer.write_ti_data_to_file()
        with ThreadPoolExecutor(2) as pool:  # one converts while the other is written; never the whole model in memory
            waiting = [pool.submit(_convert, tensor) for tensor in plan[:2]]
            for following in [*plan[2:], None, None]:
                writer.write_tensor_data(waiting.pop(0).result())
                if following:
                    waiting.append(pool.submit(_convert, following))
    finally:
        writer.close()


def _info(path: Path, precision: str, plan: list[_Tensor]) -> GgufInfo:
    parameters = sum(math.prod(tensor.source.shape) for tensor in plan)
    stored = sum(math.prod(tensor.bytes_shape) for tensor in plan)
    return GgufInfo(
        path=path,
        precision=precision,
        size_mb=path.stat().st_size / 1e6,
        bits_per_weight=8 * stored / parameters,
        tensor_types=dict(Counter(tensor.kind.name for tensor in plan)),
        parameters=parameters,
        fallbacks=tuple(tensor.name for tensor in plan if tensor.fallback),
    )


# Metadata


def _add_model(
    writer: gguf.GGUFWriter,
    folder: Path,
    config: dict[str, Any],
    precision: str,
    plan: list[_Tensor],
    meta: Mapping[str, str],
) -> None:
    if unknown := set(meta) - set(META):
        raise InputError(f"meta key {min(unknown)!r} is unknown; known are {', '.join(META)}")
    heads = config["num_attention_heads"]
    head_dim = config.get("head_dim") or config["hidden_size"] // heads
    writer.add_type("model")
    writer.add_name(meta.get("name") or folder.resolve().name)
    for key in meta.keys() - {"name"}:
        writer.add_string(META[key], meta[key])
    if "base_name" in meta or "base_url" in meta:
        writer.add_base_model_count(1)
    writer.add_size_label(f"{sum(math.prod(tensor.source.shape) for tensor in plan) / 1e6:.0f}M")
    writer.add_file_type(PRECISIONS[precision][1])
    if precision.startswith("q"):
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)
    writer.add_vocab_size(config["vocab_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config.get("num_key_value_heads") or heads)
    writer.add_key_length(head_dim)
    writer.add_value_length(head_dim)
    writer.add_rope_dimension_count(head_dim)
    writer.add_rope_freq_base(_rope_base(folder, config))
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def _rope_base(folder: Path, config: dict[str, Any]) -> float:
    """The rope's base, from the places where transformers 5 and earlier keep it."""
    rope = config.get("rope_parameters") or config.get("rope_scaling") or {}
    kind = rope.get("rope_type") or rope.get("type") or "default"
    if kind != "default":
        raise InputError(f"{folder}: rope type {kind!r} is not exported yet; only 'default' is")
    if config.get("use_sliding_window"):
        raise InputError(f"{folder}: sliding window attention is not exported; set use_sliding_window to false")
    return float(rope.get("rope_theta") or config.get("rope_theta") or 10000.0)


# Tokenizer


def _add_tokenizer(
    writer: gguf.GGUFWriter, folder: Path, rows: int, chat_template: str | None, stop_token: str | None
) -> None:
    path = folder / "tokenizer.json"
    tokenizer = read_json(path)
    settings = read_json(folder / "tokenizer_config.json") if (folder / "tokenizer_config.json").is_file() else {}
    tokens, types = _vocabulary(path, tokenizer, rows)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(_pre_tokenizer(path, tokenizer))
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    writer.add_token_merges([m if isinstance(m, str) else " ".join(m) for m in tokenizer["model"]["merges"]])
    ids = {token: number for number, token in enumerate(tokens)}
    if stop_token is not None and stop_token not in ids:
        raise InputError(f"{path}: the stop token {stop_token!r} is not in the vocabulary")
    for token, add in (
        (_text(settings.get("bos_token")), writer.add_bos_token_id),
        (stop_token or _text(settings.get("eos_token")), writer.add_eos_token_id),
        (_text(settings.get("unk_token")), writer.add_unk_token_id),
        (_text(settings.get("pad_token")), writer.add_pad_token_id),
    ):
        if token in ids:
            add(ids[token])
    writer.add_add_bos_token(False)  # our prompts are whole: what they lack, training lacked too
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    template_file = folder / "chat_template.jinja"
    template = chat_template or (
        template_file.read_text(encoding="utf-8") if template_file.is_file() else settings.get("chat_template")
    )
    if template:
        writer.add_chat_template(template)


def _text(token: Any) -> str:
    """A special token in tokenizer_config.json: text, a table with content, or nothing."""
    return str((token.get("content") if isinstance(token, dict) else token) or "")


def _vocabulary(path: Path, tokenizer: dict[str, Any], rows: int) -> tuple[list[str], list[TokenType]]:
    """Every row of the embedding gets a token; rows beyond the tokenizer get a name llama.cpp never matches."""
    tokens = [f"[PAD{number}]" for number in range(rows)]
    types = [TokenType.UNUSED] * rows
    known = [(number, token, TokenType.NORMAL) for token, number in tokenizer["model"]["vocab"].items()]
    added = [
        (entry["id"], entry["content"], TokenType.CONTROL if entry["special"] else TokenType.USER_DEFINED)
        for entry in tokenizer.get("added_tokens", [])
    ]
    for number, token, kind in [*known, *added]:  # added last: they also stand in the vocabulary
        if number >= rows:
            raise InputError(f"{path}: token {token!r} has id {number}, but the model has {rows} embedding rows")
        tokens[number], types[number] = token, kind
    return tokens, types


def _pre_tokenizer(path: Path, tokenizer: dict[str, Any]) -> str:
    model, steps = tokenizer["model"], _steps(tokenizer.get("pre_tokenizer"))
    normalizer = (tokenizer.get("normalizer") or {}).get("type")
    name = PRE_TOKENIZERS.get(steps)
    # llama.cpp takes whole words from the vocabulary before merging for llama-bpe alone, and never normalizes
    same_merging = bool(model.get("ignore_merges")) == (name == "llama-bpe") and not model.get("byte_fallback")
    same_text = normalizer is None or (normalizer, name) == ("NFC", "qwen2")
    if model.get("type") != "BPE" or name is None or not same_merging or not same_text:
        raise InputError(
            f"{path}: llama.cpp's name for this pre-tokenizer is unknown here (model {model.get('type')}, normalizer "
            f"{normalizer}, steps {list(steps)}); known are {', '.join(PRE_TOKENIZERS.values())}. A wrong name gives "
            "wrong tokens silently, so nothing was written"
        )
    return name


def _steps(step: dict[str, Any] | None) -> tuple[str, ...]:
    """A pre_tokenizer as a tuple of names; whatever is not exactly known keeps its own type's name."""
    match step:
        case None:
            return ()
        case {"type": "Sequence", "pretokenizers": parts}:
            return tuple(name for part in parts for name in _steps(part))
        case {"type": "Digits", "individual_digits": True}:
            return ("digits",)
        case {"type": "ByteLevel", "add_prefix_space": False, "use_regex": use_regex}:
            return ("words" if use_regex else "bytes",)
        case {"type": "Split", "pattern": {"Regex": pattern}, "behavior": "Isolated", "invert": False}:
            return (str(pattern),)
        case _:
            return (str(step.get("type")),)
