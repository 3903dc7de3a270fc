"""A GGUF read back and held against the model it was made from: what can be proven without running it.

Written apart from the converter, and reading the source through transformers, so that a fault of the converter does not
excuse itself: it knows by its own formulas how llama.cpp lays weights out, and what a header must say. llama.cpp guesses
some things that a header leaves out (an end of turn by its name), so that a file can answer rightly and still be wrong.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from gguf import GGMLQuantizationType as Kind
from gguf import TokenType
from numpy.typing import NDArray

from pocketlm.core.progress import progress
from pocketlm.export.base import Check, Source
from pocketlm.export.gguf_families import FAMILIES, META, pooling_of
from pocketlm.export.gguf_tokenizer import chat_template_of
from pocketlm.models.gguf_header import check_gguf

Array = NDArray[np.float32]

# The error that a row of weights may have, as a part of its length. A block of 32 weights on a grid of 2^b steps errs by
# at most its longest weight / 2^(b - 1) * sqrt(32 / 12), were all others that long; rounding by importance may err more.
# A row that stands in the wrong place errs by 1.4.
ROW_BOUNDS = {
    Kind.F32: 1e-6, Kind.F16: 1e-3, Kind.BF16: 4e-3, Kind.Q8_0: 0.02, Kind.Q6_K: 0.1, Kind.Q5_K: 0.25, Kind.Q5_1: 0.25,
    Kind.Q5_0: 0.25, Kind.Q4_K: 0.4, Kind.Q4_1: 0.4, Kind.Q4_0: 0.4, Kind.IQ4_NL: 0.4, Kind.Q3_K: 0.6, Kind.Q2_K: 0.9,
}  # fmt: skip
SHORT = 1e-3  # of the longest row: shorter ones are held to this length, for the scales of their blocks are float16


def inspect_gguf(source: Source, file: Path, meta: Mapping[str, str]) -> list[Check]:
    """Hold a file against its source: weights, header, stop token, chat template, tokens.

    Args:
        meta: what the file must say of its origin, by export_gguf's names.

    Raises:
        InputError: the file is not whole.
    """
    from transformers import AutoConfig, AutoTokenizer

    metadata = check_gguf(file).metadata
    config = AutoConfig.from_pretrained(source.folder)
    tokenizer = AutoTokenizer.from_pretrained(source.folder)
    checks = [
        _check_weights(source.folder, config, file),
        _check_header(source.folder, config, metadata),
        _check_tokens(tokenizer, config.vocab_size, metadata),
        _check_merges(tokenizer, metadata),
        _check_origin(meta, metadata),
    ]
    if source.kind == "decoder":
        checks += [_check_stop(source, tokenizer, metadata), _check_template(source, metadata)]
    return checks


# Weights


def _check_weights(folder: Path, config: Any, file: Path) -> Check:
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(file).tensors}
    wrong, worst = [], (0.0, "")
    with progress("Reading the file back", len(stored)) as update:
        for name, true in _true_tensors(folder, config):
            update()
            tensor = stored.pop(name, None)
            if tensor is None or tuple(tensor.shape.tolist()[::-1]) != true.shape:
                shape = "missing" if tensor is None else f"of shape {tensor.shape.tolist()[::-1]}, not {true.shape}"
                wrong.append(f"{name} is {shape}")
                continue
            row, error = _worst_row(gguf.dequantize(tensor.data, tensor.tensor_type).reshape(true.shape), true)
            bound = ROW_BOUNDS[tensor.tensor_type]
            told = f"{name} row {row} ({tensor.tensor_type.name}) errs by {error:.2g} of its length, bound {bound:g}"
            worst = max(worst, (error / bound, told))
            if not error <= bound:  # also where it is no number
                wrong.append(told)
    wrong += [f"{name} is not of this model" for name in stored]
    return Check("weights", not wrong, "; ".join(wrong[:3]) or f"all there; nearest its bound: {worst[1] or 'none'}")


def _worst_row(stored: Array, true: Array) -> tuple[int, float]:
    stored, true = np.atleast_2d(stored), np.atleast_2d(true)
    lengths = np.linalg.norm(true, axis=1)
    errors = np.linalg.norm(stored - true, axis=1) / np.maximum(lengths, SHORT * lengths.max() + 1e-30)
    row = int(np.nan_to_num(errors, nan=np.inf).argmax())
    return row, float(errors[row])


def _true_tensors(folder: Path, config: Any) -> Iterator[tuple[str, Array]]:
    """What llama.cpp must compute with, by its names and in its layout, one tensor after the other."""
    from safetensors import safe_open

    family = FAMILIES[config.model_type]
    names = gguf.get_tensor_name_map(family.arch, config.num_hidden_layers)
    for part in sorted(folder.glob("*.safetensors")):
        with safe_open(part, "pt") as tensors:
            for key in tensors.keys():  # noqa: SIM118 - it is no mapping
                if _is_needless(key, config):
                    continue
                name = names.get_name(key.removeprefix("bert."), try_suffixes=(".weight", ".bias")) or key
                yield name, _as_llamacpp(name, tensors.get_tensor(key).float().numpy(), config)
    if (factors := _rope_factors(config)) is not None:
        yield "rope_freqs.weight", factors


def _is_needless(key: str, config: Any) -> bool:
    if config.model_type == "bert":
        return key.removeprefix("bert.").startswith(("pooler.", "cls.", "embeddings.position_ids"))
    return key.endswith("rotary_emb.inv_freq") or (key == "lm_head.weight" and config.tie_word_embeddings)


def _as_llamacpp(name: str, true: Array, config: Any) -> Array:
    """Row 2i of a head is dimension i of its first half and row 2i + 1 that of its second, where llama.cpp turns pairs."""
    if config.model_type == "gemma3_text" and name.endswith("norm.weight"):
        return true + 1
    heads = {"attn_q": config.num_attention_heads, "attn_k": getattr(config, "num_key_value_heads", None)}
    count = heads.get(name.split(".")[-2])
    if config.model_type not in ("llama", "mistral") or not count:
        return true
    width = true.shape[0] // count
    order = [
        head * width + half * (width // 2) + i for head in range(count) for i in range(width // 2) for half in (0, 1)
    ]
    return true[order]


def _rope_factors(config: Any) -> Array | None:
    """Llama 3's stretched frequencies, as transformers computes them, against plain ones."""
    if (getattr(config, "rope_parameters", None) or {}).get("rope_type") != "llama3":
        return None
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    stretched, _ = ROPE_INIT_FUNCTIONS["llama3"](config, "cpu")
    plain = config.rope_parameters["rope_theta"] ** -(np.arange(len(stretched)) / len(stretched))
    factors: Array = (plain / stretched.numpy()).astype(np.float32)
    return factors


# Header


def _check_header(folder: Path, config: Any, metadata: Mapping[str, Any]) -> Check:
    architecture = metadata.get("general.architecture")
    expected = _encoder_keys(folder, config) if config.model_type == "bert" else _decoder_keys(config)
    wrong = []
    for key, value in expected.items():
        found = metadata.get(f"{architecture}.{key}")
        same = found is not None and (found is value if isinstance(value, bool) else _is_near(found, value))
        if not same:
            wrong.append(f"{architecture}.{key} is {found}, not {value}")
    return Check("header", not wrong, "; ".join(wrong) or f"{len(expected)} keys as in config.json")


def _is_near(found: Any, value: Any) -> bool:
    return found == value if isinstance(value, str) else math.isclose(float(found), float(value), rel_tol=1e-6)


def _shared_keys(config: Any) -> dict[str, Any]:
    return {
        "vocab_size": config.vocab_size,
        "block_count": config.num_hidden_layers,
        "embedding_length": config.hidden_size,
        "feed_forward_length": config.intermediate_size,
        "attention.head_count": config.num_attention_heads,
    }


def _encoder_keys(folder: Path, config: Any) -> dict[str, Any]:
    return {
        **_shared_keys(config),
        "context_length": config.max_position_embeddings,
        "attention.layer_norm_epsilon": config.layer_norm_eps,
        "attention.causal": False,
        "pooling_type": {"mean": 1, "cls": 2}[pooling_of(folder)],
    }


def _decoder_keys(config: Any) -> dict[str, Any]:
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    rope, window = config.rope_parameters, getattr(config, "sliding_window", None)
    keys = {
        **_shared_keys(config),
        "context_length": config.max_position_embeddings,
        "attention.head_count_kv": config.num_key_value_heads,
        "attention.key_length": width,
        "attention.value_length": width,
        "attention.layer_norm_rms_epsilon": config.rms_norm_eps,
        "rope.dimension_count": width,
        "rope.freq_base": rope.get("full_attention", rope)["rope_theta"],
    }
    if rope.get("full_attention", rope).get("rope_type") == "linear":
        keys |= {"rope.scaling.type": "linear", "rope.scaling.factor": rope.get("full_attention", rope)["factor"]}
    if config.model_type == "mistral" and window:
        keys["context_length"] = min(window, config.max_position_embeddings)
    if config.model_type == "gemma3_text":
        whole = [i for i, kind in enumerate(config.layer_types, 1) if kind == "full_attention"]
        keys |= {
            "rope.freq_base_swa": rope["sliding_attention"]["rope_theta"],
            "attention.sliding_window": window,
            "attention.sliding_window_pattern": whole[0] if whole else config.num_hidden_layers + 1,
        }
        if config.final_logit_softcapping:
            keys["final_logit_softcapping"] = config.final_logit_softcapping
    return keys


# Tokens


def _check_stop(source: Source, tokenizer: Any, metadata: Mapping[str, Any]) -> Check:
    token = source.stop_token or tokenizer.eos_token
    expected, found = tokenizer.convert_tokens_to_ids(token), metadata.get("tokenizer.ggml.eos_token_id")
    added = [key for key in ("add_bos_token", "add_eos_token") if metadata.get(f"tokenizer.ggml.{key}", True)]
    told = f"{found} ends an answer" if found is not None else "nothing ends an answer"
    return Check(
        "stop token",
        found == expected and not added,
        f"{told}; {token} is {expected}" + (f"; and {added[0]} is on" if added else ""),
    )


def _check_template(source: Source, metadata: Mapping[str, Any]) -> Check:
    expected = (source.chat_template or chat_template_of(source.folder) or "").encode()
    found = str(metadata.get("tokenizer.chat_template", "")).encode()
    at = next((i for i, (one, other) in enumerate(zip(found, expected, strict=False)) if one != other), len(expected))
    same = found == expected
    return Check("chat template", same, f"{len(found)} bytes" + ("" if same else f", other than trained with at {at}"))


def _check_tokens(tokenizer: Any, rows: int, metadata: Mapping[str, Any]) -> Check:
    """Every row's token and type, and the ids of special tokens."""
    found = metadata.get("tokenizer.ggml.tokens", [])
    types = metadata.get("tokenizer.ggml.token_type", [])
    model = metadata.get("tokenizer.ggml.model")
    wrong = [] if len(found) == len(types) == rows else [f"{len(found)} tokens and {len(types)} types for {rows} rows"]
    for number in range(min(rows, len(found), len(types))):
        token, kind = _true_token(tokenizer, number, model)
        if types[number] != kind or (token is not None and found[number] != token):
            wrong.append(f"{number} is {found[number]!r} (type {types[number]}), not {token!r} (type {int(kind)})")
    for name, key in (("bos", "bos"), ("unk", "unknown"), ("pad", "padding")):
        id_, here = getattr(tokenizer, f"{name}_token_id"), metadata.get(f"tokenizer.ggml.{key}_token_id")
        if id_ != here and not (model == "bert" and name == "bos"):
            wrong.append(f"the {name} token is {here}, not {id_}")
    return Check("tokens", not wrong, "; ".join(wrong[:3]) or f"{rows} with their types")


def _true_token(tokenizer: Any, number: int, model: str | None) -> tuple[str | None, TokenType]:
    token = tokenizer.convert_ids_to_tokens(number)
    added = tokenizer.added_tokens_decoder.get(number)
    if token is None:
        return None, TokenType.UNUSED
    if model == "llama" and token == tokenizer.unk_token:
        return token, TokenType.UNKNOWN
    if added:
        return token, TokenType.CONTROL if added.special else TokenType.USER_DEFINED
    if model == "bert":
        return token[2:] if token.startswith("##") else f"▁{token}", TokenType.NORMAL
    is_byte = model == "llama" and len(token) == 6 and token.startswith("<0x")
    return token, TokenType.BYTE if is_byte else TokenType.NORMAL


def _check_merges(tokenizer: Any, metadata: Mapping[str, Any]) -> Check:
    """The order in which pieces of words are joined: a list, or scores of the joined tokens that fall."""
    model = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    pairs = [tuple(m.split(" ", 1)) if isinstance(m, str) else tuple(m) for m in model.get("merges", [])]
    if metadata.get("tokenizer.ggml.model") == "gpt2":
        same = metadata.get("tokenizer.ggml.merges") == [" ".join(pair) for pair in pairs]
    else:
        scores = metadata.get("tokenizer.ggml.scores", [])
        made = [scores[model["vocab"]["".join(pair)]] for pair in pairs] if scores else []
        same = len(made) == len(pairs) and all(a >= b for a, b in pairwise(made))
    return Check("merges", same, f"{len(pairs)}" + ("" if same else ", in another order in the file"))


def _check_origin(meta: Mapping[str, str], metadata: Mapping[str, Any]) -> Check:
    wrong = [f"{META[key]} is {metadata.get(META[key])!r}" for key in meta if metadata.get(META[key]) != meta[key]]
    return Check("origin", not wrong, "; ".join(wrong) or ", ".join(meta.values()) or "nothing is known of it")
