"""What llama.cpp must be told of each architecture: the keys of a GGUF's header, from a model's config.json.

A new family is one entry in FAMILIES and the function that names its keys; it is proven by a test that compares
llama.cpp's answers with transformers' on a small random model. What llama.cpp cannot compute is refused here, before
anything is written.

Keys: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gguf
import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json

Config = dict[str, Any]
Keys = dict[str, "int | float | bool | str"]  # written as uint32, float32, bool, string

META = {
    "name": "general.name",
    "license": "general.license",
    "description": "general.description",
    "author": "general.author",
    "version": "general.version",
    "base_name": "general.base_model.0.name",
    "base_url": "general.base_model.0.repo_url",
}
POOLINGS = {"mean": 1, "cls": 2}  # llama.cpp's numbers


@dataclass(frozen=True)
class Family:
    """What differs between architectures.

    Attributes:
        keys: the header's keys behind the architecture's name, from the configuration and the folder it lies in.
        permutes: rows of q and k move to llama.cpp's interleaved rope layout.
        norm_shift: what llama.cpp's norms have more than the stored ones: Gemma multiplies by 1 + weight.
        encoder: it turns texts into vectors.
    """

    arch: gguf.MODEL_ARCH
    keys: Callable[[Config, Path], Keys]
    permutes: bool = False
    norm_shift: float = 0.0
    encoder: bool = False


def family_of(folder: Path, config: Config) -> Family:
    """The family of a model's folder.

    Raises:
        InputError: an architecture that is not exported.
    """
    family = FAMILIES.get(config.get("model_type", ""))
    if family is None:
        raise InputError(
            f"{folder}: GGUF export knows the families {', '.join(FAMILIES)}, not {config.get('model_type')!r}"
        )
    return family


def rope_of(config: Config, layers: str = "full_attention") -> Mapping[str, Any]:
    """The settings of rotary positions, from the places where transformers 5 and earlier keep them.

    Args:
        layers: which layers' settings, where a model has those of two kinds.
    """
    rope: Mapping[str, Any] = config.get("rope_parameters") or config.get("rope_scaling") or {}
    rope = rope.get(layers) or rope
    kind = rope.get("rope_type") or rope.get("type") or "default"
    base = rope.get("rope_theta") or config.get("rope_theta") or 10_000.0
    return {**rope, "rope_type": kind, "rope_theta": float(base)}


def rope_factors(config: Config) -> NDArray[np.float32] | None:
    """By what llama.cpp divides each frequency under Llama 3's scaling (head_dim / 2); None for other kinds.

    Llama 3.1's rule: long waves are stretched by `factor`, short ones left alone, those between blended.
    """
    rope = rope_of(config)
    if rope["rope_type"] != "llama3":
        return None
    half = np.arange(0, head_dim(config), 2) / head_dim(config)
    waves = 2 * math.pi * rope["rope_theta"] ** half  # tokens a full turn takes
    low, high = rope["low_freq_factor"], rope["high_freq_factor"]
    turns = rope["original_max_position_embeddings"] / waves
    blend = np.clip((turns - low) / (high - low), 0, 1)
    factors: NDArray[np.float32] = (1 / ((1 - blend) / rope["factor"] + blend)).astype(np.float32)
    return factors


def head_dim(config: Config) -> int:
    """Width of one attention head."""
    return int(config.get("head_dim") or config["hidden_size"] // config["num_attention_heads"])


def _sizes(config: Config) -> Keys:
    """What all models have, under the same names."""
    return {
        "vocab_size": config["vocab_size"],
        "block_count": config["num_hidden_layers"],
        "context_length": config["max_position_embeddings"],
        "embedding_length": config["hidden_size"],
        "feed_forward_length": config["intermediate_size"],
        "attention.head_count": config["num_attention_heads"],
    }


def _decoder(config: Config, folder: Path) -> Keys:
    """What all decoders with RMS norms, gated feed-forward layers and rotary positions share."""
    heads, width = config["num_attention_heads"], head_dim(config)
    if (act := config.get("hidden_act", "silu")) != "silu":
        raise InputError(f"{folder}: hidden_act {act!r} is not exported; llama.cpp computes silu in this family")
    if config.get("use_sliding_window"):
        raise InputError(f"{folder}: sliding window attention is not exported; set use_sliding_window to false")
    return {
        **_sizes(config),
        "attention.head_count_kv": config.get("num_key_value_heads") or heads,
        "attention.key_length": width,
        "attention.value_length": width,
        "attention.layer_norm_rms_epsilon": float(config["rms_norm_eps"]),
        "rope.dimension_count": width,
        **_rope(config, folder),
    }


def _rope(config: Config, folder: Path) -> Keys:
    rope = rope_of(config)
    base: Keys = {"rope.freq_base": rope["rope_theta"]}
    if rope["rope_type"] == "linear":
        return {**base, "rope.scaling.type": "linear", "rope.scaling.factor": float(rope["factor"])}
    if rope["rope_type"] not in ("default", "llama3"):  # llama3 travels as a tensor, see rope_factors
        raise InputError(
            f"{folder}: rope type {rope['rope_type']!r} is not exported yet; known are default, linear, llama3"
        )
    return base


def _windowed(config: Config, folder: Path) -> Keys:
    """Mistral: llama.cpp has no window here, so the file is good for as many tokens as one window holds."""
    keys, window = _decoder(config, folder), config.get("sliding_window")
    return {**keys, "context_length": min(keys["context_length"], window)} if window else keys


def _gemma3(config: Config, folder: Path) -> Keys:
    config = {"head_dim": 256, "rms_norm_eps": 1e-6, "query_pre_attn_scalar": 256, **config}
    act = config.get("hidden_activation") or "gelu_pytorch_tanh"
    known = {"hidden_activation": act == "gelu_pytorch_tanh",
             "query_pre_attn_scalar": config["query_pre_attn_scalar"] == config["head_dim"],
             "attn_logit_softcapping": not config.get("attn_logit_softcapping"),
             "use_bidirectional_attention": not config.get("use_bidirectional_attention")}  # fmt: skip
    if wrong := [key for key, fits in known.items() if not fits]:
        raise InputError(f"{folder}: {wrong[0]} {config[wrong[0]]!r} is not what llama.cpp computes for Gemma 3")
    keys = _decoder({**config, "hidden_act": "silu"}, folder)  # it has a key of its own, just checked
    near = rope_of(config, "sliding_attention")
    if near["rope_type"] != "default":
        raise InputError(f"{folder}: rope type {near['rope_type']!r} in sliding layers is not exported")
    split = "sliding_attention" in (config.get("rope_parameters") or {})
    keys |= {
        "rope.freq_base_swa": near["rope_theta"] if split else float(config.get("rope_local_base_freq", 10_000.0)),
        "attention.sliding_window": config["sliding_window"],
        "attention.sliding_window_pattern": _period(config, folder),
    }
    if cap := config.get("final_logit_softcapping"):
        keys["final_logit_softcapping"] = float(cap)
    return keys


def _period(config: Config, folder: Path) -> int:
    """Of so many layers the last sees everything, the others a window."""
    layers: int = config["num_hidden_layers"]
    types = config.get("layer_types")
    if types is None:
        return int(config.get("sliding_window_pattern", 6))
    for period in range(1, layers + 2):
        if types == ["full_attention" if (i + 1) % period == 0 else "sliding_attention" for i in range(layers)]:
            return period
    raise InputError(f"{folder}: layer_types does not repeat, and llama.cpp knows only a period for Gemma 3")


def _bert(config: Config, folder: Path) -> Keys:
    for key, known in (("hidden_act", "gelu"), ("position_embedding_type", "absolute")):
        if config.get(key, known) != known:
            raise InputError(f"{folder}: {key} {config[key]!r} is not exported; llama.cpp computes {known}")
    return {
        **_sizes(config),
        "attention.layer_norm_epsilon": float(config.get("layer_norm_eps", 1e-12)),
        "attention.causal": False,
        "pooling_type": POOLINGS[pooling_of(folder)],
    }


def pooling_of(folder: Path) -> str:
    """How sentence-transformers makes a text's vector of its tokens': "mean", also where nothing is said, or "cls".

    Raises:
        InputError: in another way, or with further layers.
    """
    modules, pooling = folder / "modules.json", folder / "1_Pooling" / "config.json"
    if modules.is_file():
        for module in read_json(modules):
            if not str(module.get("type", "")).endswith(("Transformer", "Pooling", "Normalize")):
                raise InputError(f"{modules}: has a part {module.get('type')}, which llama.cpp does not compute")
    if not pooling.is_file():
        return "mean"
    told = read_json(pooling)
    modes = {key for key, on in told.items() if key.startswith("pooling_mode_") and on} or {told.get("pooling_mode")}
    names = {"pooling_mode_mean_tokens": "mean", "pooling_mode_cls_token": "cls", "mean": "mean", "cls": "cls"}
    if len(modes) != 1 or (mode := names.get(str(*modes))) is None:
        raise InputError(f"{pooling}: pools by {', '.join(map(str, modes))}; known are the mean and the first token")
    return mode


FAMILIES = {
    "llama": Family(gguf.MODEL_ARCH.LLAMA, _decoder, permutes=True),
    "mistral": Family(gguf.MODEL_ARCH.LLAMA, _windowed, permutes=True),
    "qwen2": Family(gguf.MODEL_ARCH.QWEN2, _decoder),
    "qwen3": Family(gguf.MODEL_ARCH.QWEN3, _decoder),
    "gemma3_text": Family(gguf.MODEL_ARCH.GEMMA3, _gemma3, norm_shift=1.0),
    "bert": Family(gguf.MODEL_ARCH.BERT, _bert, encoder=True),
}
