"""Decoders and encoders written so that coremltools can trace them: what a Core ML program computes, in torch.

A decoder's keys and values live in two buffers of fixed size that each call updates in place; coremltools turns them
into the program's state. Names of modules are those of transformers, so that a model folder's tensors load as they are,
and every stored weight can be held against its source by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.engines.coreml_engine import HIDDEN

DECODERS = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")
ACTIVATIONS = {"silu": "none", "gelu_pytorch_tanh": "tanh", "gelu": "none"}


class Decoder(nn.Module):
    """A causal language model with a cache of `context` places, one text at a time.

    Each call takes the tokens that are new, `input_ids` (1, new) int32, and a `causal_mask` (1, 1, new, total): 0 where a
    new token sees a place and HIDDEN where not; total counts the places already in the cache and the new ones. It writes
    the new keys and values into the cache and returns the logits of the last token (1, 1, vocabulary).

    Raises:
        InputError: a family or setting that is not written here.
    """

    keyCache: Tensor  # noqa: N815  (the state's name in the app)
    valueCache: Tensor  # noqa: N815

    def __init__(self, config: Any, context: int) -> None:
        super().__init__()
        check_decoder(config)
        self.model = Body(config, context)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)
        if config.tie_word_embeddings:
            self.lm_head.weight = self.model.embed_tokens.weight
        shape = (config.num_hidden_layers, kv_heads(config), context, head_dim(config))
        self.register_buffer("keyCache", torch.zeros(shape), persistent=False)
        self.register_buffer("valueCache", torch.zeros(shape), persistent=False)

    def forward(self, input_ids: Tensor, causal_mask: Tensor) -> Tensor:
        """Logits behind the last token."""
        states = self.model(input_ids, causal_mask, self.keyCache, self.valueCache)
        logits: Tensor = self.lm_head(states[:, -1:])
        return logits


class Body(nn.Module):
    """Embedding, layers and the last norm. Its tables: rope's cosines and signed sines for every place."""

    positions: Tensor

    def __init__(self, config: Any, context: int) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        self.scale = math.sqrt(config.hidden_size) if config.model_type == "gemma3_text" else None
        kinds = layer_kinds(config)
        self.layers = nn.ModuleList(Layer(config, index) for index in range(len(kinds)))
        self.norm = Norm(config.hidden_size, config.rms_norm_eps)
        self.kinds = kinds
        self.group = config.num_attention_heads // kv_heads(config)
        self.window = config.sliding_window if "sliding_attention" in kinds else context
        self.ropes = rope_names(config)
        for name in sorted(set(self.ropes.values())):
            cosines, sines = rope_tables(config, name, context)
            self.register_buffer(f"{name}_cosines", cosines, persistent=False)
            self.register_buffer(f"{name}_sines", sines, persistent=False)
        self.register_buffer("positions", torch.arange(context, dtype=torch.int32), persistent=False)
        self.context = context

    def forward(self, input_ids: Tensor, mask: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """States (1, new, width)."""
        mask = mask.to(self.norm.weight.dtype)
        end = mask.shape[-1]
        past = end - input_ids.shape[-1]
        states = self.embed_tokens(input_ids).float()
        if self.scale is not None:
            states = states * self.scale
        shared = {}
        for kind in sorted(set(self.kinds)):
            rope = [getattr(self, f"{self.ropes[kind]}_{part}")[past:end] for part in ("cosines", "sines")]
            seen = self._near(mask, past, end) if kind == "sliding_attention" else mask
            shared[kind] = (*rope, torch.cat([seen] * self.group, dim=2))  # once for every head of a group
        for index, (layer, kind) in enumerate(zip(self.layers, self.kinds, strict=True)):
            states = layer(states, shared[kind], (keys, values, index, past, end))
        normed: Tensor = self.norm(states)
        return normed

    def _near(self, mask: Tensor, past: int, end: int) -> Tensor:
        """The mask of a layer that looks back over `window` places, its own included."""
        if self.window >= self.context:
            return mask
        back = self.positions[past:end].reshape(-1, 1) - self.positions[:end].reshape(1, -1)
        return torch.where(back < self.window, mask, torch.full((1,), HIDDEN, dtype=mask.dtype))


class Norm(nn.Module):
    """Root mean square norm. `weight` is the whole factor: Gemma's 1 is added when it is loaded."""

    def __init__(self, width: int, eps: float) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.eps = eps

    def forward(self, states: Tensor) -> Tensor:
        """The states with a mean square of one, times the weight."""
        wide = states.float()  # squares leave the range of float16
        normed = wide * torch.rsqrt((wide * wide).mean(-1, keepdim=True) + self.eps)
        return normed.to(self.weight.dtype) * self.weight


class Layer(nn.Module):
    """Attention and feed-forward part, each behind a norm; in Gemma 3 also with a norm behind."""

    def __init__(self, config: Any, index: int) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.rms_norm_eps
        self.self_attn = Attention(config)
        self.mlp = FeedForward(config)
        self.input_layernorm = Norm(width, eps)
        self.post_attention_layernorm = Norm(width, eps)
        self.sandwich = config.model_type == "gemma3_text"
        if self.sandwich:
            self.pre_feedforward_layernorm = Norm(width, eps)
            self.post_feedforward_layernorm = Norm(width, eps)

    def forward(self, states: Tensor, shared: tuple[Tensor, ...], cache: tuple[Any, ...]) -> Tensor:
        """States (1, new, width) in and out, both float32: what the layers add up to leaves float16 in some families."""
        more: Tensor = self.self_attn(self.input_layernorm(states), shared, cache)
        if self.sandwich:
            states = states + self.post_attention_layernorm(more).float()
            more = self.post_feedforward_layernorm(self.mlp(self.pre_feedforward_layernorm(states)))
        else:
            states = states + more.float()
            more = self.mlp(self.post_attention_layernorm(states))
        return states + more.float()


class Attention(nn.Module):
    """Grouped attention over the cache. The heads that share keys stand below each other, so keys are never repeated."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width, size = config.hidden_size, head_dim(config)
        self.heads, self.kv, self.size = config.num_attention_heads, kv_heads(config), size
        bias = config.model_type == "qwen2" or bool(getattr(config, "attention_bias", False))
        self.q_proj = nn.Linear(width, self.heads * size, bias=bias)
        self.k_proj = nn.Linear(width, self.kv * size, bias=bias)
        self.v_proj = nn.Linear(width, self.kv * size, bias=bias)
        self.o_proj = nn.Linear(self.heads * size, width, bias=bias and config.model_type != "qwen2")
        self.normed = config.model_type in ("qwen3", "gemma3_text")
        if self.normed:
            self.q_norm, self.k_norm = Norm(size, config.rms_norm_eps), Norm(size, config.rms_norm_eps)
        # attention divides by the root of the head's size; what a family wants beside that stands in front
        wanted = getattr(config, "query_pre_attn_scalar", size)
        self.factor = None if wanted == size else math.sqrt(size / wanted)

    def forward(self, states: Tensor, shared: tuple[Tensor, ...], cache: tuple[Any, ...]) -> Tensor:
        """States (1, new, width) in and out; `shared`: cosines, sines (new, size), mask (1, 1, group x new, total)."""
        cosines, sines, mask = shared
        keys, values, index, past, end = cache
        q = self._split(self.q_proj(states), self.heads)
        k = self._split(self.k_proj(states), self.kv)
        v = self._split(self.v_proj(states), self.kv)
        if self.normed:
            q, k = self.q_norm(q), self.k_norm(k)
        q, k = rotate(q, cosines, sines), rotate(k, cosines, sines)
        keys[index : index + 1, :, past:end] = k
        values[index : index + 1, :, past:end] = v
        k = keys[index : index + 1, :, :end].to(v.dtype)
        v = values[index : index + 1, :, :end].to(v.dtype)
        if self.factor is not None:
            q = (q * self.factor).to(k.dtype)
        q = q.reshape(1, self.kv, -1, self.size)
        out = nn.functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        out = out.reshape(1, self.heads, -1, self.size).transpose(1, 2).reshape(1, -1, self.heads * self.size)
        projected: Tensor = self.o_proj(out)
        return projected

    def _split(self, states: Tensor, heads: int) -> Tensor:
        return states.reshape(1, -1, heads, self.size).transpose(1, 2)


class FeedForward(nn.Module):
    """A gated pair of matrices and one back."""

    def __init__(self, config: Any) -> None:
        super().__init__()
        width, inner, bias = config.hidden_size, config.intermediate_size, bool(getattr(config, "mlp_bias", False))
        self.gate_proj = nn.Linear(width, inner, bias=bias)
        self.up_proj = nn.Linear(width, inner, bias=bias)
        self.down_proj = nn.Linear(inner, width, bias=bias)
        self.activation = activation(config)

    def forward(self, states: Tensor) -> Tensor:
        """States (1, new, width) in and out."""
        gate = activate(self.gate_proj(states), self.activation)
        down: Tensor = self.down_proj(gate * self.up_proj(states))
        return down


def activate(states: Tensor, name: str) -> Tensor:
    """One of ACTIVATIONS."""
    if name == "silu":
        return nn.functional.silu(states)
    return nn.functional.gelu(states, approximate=ACTIVATIONS[name])


def rotate(heads: Tensor, cosines: Tensor, sines: Tensor) -> Tensor:
    """Rotary positions on (1, heads, new, size), the halves of a head turned against each other; sines carry the sign."""
    first, second = heads.chunk(2, dim=-1)
    return heads * cosines + torch.cat([second, first], dim=-1) * sines


def rope_tables(config: Any, name: str, context: int) -> tuple[Tensor, Tensor]:
    """Cosines and signed sines (context, head size) of rotary positions (Su et al., 2021), for one of `rope_names`.

    Raises:
        InputError: a kind of rope whose frequencies change with the length of the text.
    """
    from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

    rope = config.rope_parameters or {}
    rope = rope.get(name, rope)
    rule, size = rope.get("rope_type", "default"), head_dim(config)
    factor = 1.0
    if rule == "default":
        inverse = 1.0 / float(rope.get("rope_theta", 10000.0)) ** (torch.arange(0, size, 2).float() / size)
    elif rule in ("linear", "llama3"):
        told = {"layer_type": name} if name in config.rope_parameters else {}
        inverse, factor = ROPE_INIT_FUNCTIONS[rule](config, "cpu", **told)
    else:
        raise InputError(f"rope type {rule!r} is not exported to Core ML; default, linear and llama3 are")
    angles = torch.outer(torch.arange(context).float(), inverse)
    cosines, sines = angles.cos() * factor, angles.sin() * factor
    return torch.cat([cosines, cosines], dim=-1), torch.cat([-sines, sines], dim=-1)


def rope_names(config: Any) -> dict[str, str]:
    """For each kind of layer the name of its rope: its own where the config tells one for each kind (Gemma 3)."""
    told = config.rope_parameters or {}
    return {kind: kind if kind in told else "rope" for kind in sorted(set(layer_kinds(config)))}


def layer_kinds(config: Any) -> list[str]:
    """For every layer, `full_attention` or `sliding_attention`."""
    kinds = getattr(config, "layer_types", None)
    everywhere = "sliding_attention" if config.model_type == "mistral" and config.sliding_window else "full_attention"
    return list(kinds) if kinds else [everywhere] * int(config.num_hidden_layers)


def head_dim(config: Any) -> int:
    """Width of one head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def kv_heads(config: Any) -> int:
    """Heads of keys and values."""
    return int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)


def activation(config: Any) -> str:
    """Name of the feed-forward part's activation."""
    return str(getattr(config, "hidden_activation", None) or config.hidden_act)


def check_decoder(config: Any) -> None:
    """Refuse what would be computed wrongly.

    Raises:
        InputError: an unknown family, activation, capped scores or attention in both directions.
    """
    if config.model_type not in DECODERS:
        raise InputError(f"Core ML export knows the families {', '.join(DECODERS)}, not {config.model_type!r}")
    if activation(config) not in ACTIVATIONS:
        raise InputError(f"activation {activation(config)!r} is not exported; known are {', '.join(ACTIVATIONS)}")
    for name in ("attn_logit_softcapping", "final_logit_softcapping", "use_bidirectional_attention"):
        if getattr(config, name, None):
            raise InputError(f"Core ML export does not know {name}")


def load_decoder(config: Any, tensors: Mapping[str, Tensor], context: int) -> Decoder:
    """The decoder with a model folder's tensors, as float32.

    Raises:
        InputError: tensors are missing, too many, or of another shape.
    """
    decoder = Decoder(config, context).eval()
    state = prepare(config, tensors)
    if config.tie_word_embeddings:
        state["lm_head.weight"] = state["model.embed_tokens.weight"]
    load(decoder, state, config)
    return decoder


def prepare(config: Any, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """A model folder's tensors as they are used here, in float32, by this module's names.

    Gemma's norms are stored less one. BERT adds the same token type to every place: it is part of the places' table
    here. A pooler is left out, and an output matrix that is tied to the embedding.
    """
    if config.model_type == "bert":
        found = {
            name.removeprefix("bert."): tensor.float() for name, tensor in tensors.items() if "pooler." not in name
        }
        kind = found.pop("embeddings.token_type_embeddings.weight", torch.zeros(1))
        found["embeddings.position_embeddings.weight"] = found["embeddings.position_embeddings.weight"] + kind[:1]
        return {name: tensor for name, tensor in found.items() if not name.endswith("position_ids")}
    more = 1.0 if config.model_type == "gemma3_text" else 0.0
    tied = {"lm_head.weight"} if config.tie_word_embeddings else set()
    return {
        name: tensor.float() + more if more and name.endswith("norm.weight") else tensor.float()
        for name, tensor in tensors.items()
        if name not in tied
    }


def restore(config: Any, prepared: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The way back: tensors for transformers' model of this config."""
    found = dict(prepared)
    if config.model_type == "bert":
        found["embeddings.token_type_embeddings.weight"] = torch.zeros(config.type_vocab_size, config.hidden_size)
    elif config.model_type == "gemma3_text":
        found = {name: tensor - 1 if name.endswith("norm.weight") else tensor for name, tensor in found.items()}
    if getattr(config, "tie_word_embeddings", False) and "model.embed_tokens.weight" in found:
        found["lm_head.weight"] = found["model.embed_tokens.weight"]
    return found


def read_tensors(folder: Path) -> dict[str, Tensor]:
    """All tensors of a model folder's safetensors, by name; a rope's frequencies are left out, they follow from the config.

    Raises:
        InputError: weights are missing.
    """
    from safetensors.torch import load_file

    index = folder / "model.safetensors.index.json"
    files = sorted(set(read_json(index)["weight_map"].values())) if index.is_file() else ["model.safetensors"]
    if missing := [name for name in files if not (folder / name).is_file()]:
        raise InputError(f"{folder / missing[0]}: no such file; the model's weights belong there")
    tensors = {name: tensor for file in files for name, tensor in load_file(folder / file).items()}
    return {name: tensor for name, tensor in tensors.items() if not name.endswith("inv_freq")}


def causal_mask(new: int, total: int) -> Tensor:
    """What `Decoder` takes beside `new` tokens that end at place `total` (1, 1, new, total)."""
    hidden = torch.ones(new, total).triu(total - new + 1)
    return (hidden * HIDDEN).reshape(1, 1, new, total)


class Encoder(nn.Module):
    """A BERT encoder of one text: the mean of its tokens' last states, of length 1.

    Takes `input_ids` (1, tokens) int32, all of them real, and returns the vector (1, width) in float32.

    Raises:
        InputError: a family or setting that is not written here.
    """

    embeddings: Any
    encoder: Any

    def __init__(self, config: Any) -> None:
        super().__init__()
        known = config.model_type == "bert" and getattr(config, "position_embedding_type", "absolute") == "absolute"
        if not known or activation(config) not in ACTIVATIONS:
            raise InputError(f"Core ML export knows BERT encoders with absolute positions, not {config.model_type!r}")
        width, eps = config.hidden_size, config.layer_norm_eps
        tables = {"word": config.vocab_size, "position": config.max_position_embeddings}
        self.embeddings = nn.ModuleDict(
            {f"{name}_embeddings": nn.Embedding(size, width) for name, size in tables.items()}
        )
        self.embeddings["LayerNorm"] = nn.LayerNorm(width, eps)
        layers = nn.ModuleList(EncoderLayer(config) for _ in range(config.num_hidden_layers))
        self.encoder = nn.ModuleDict({"layer": layers})

    def forward(self, input_ids: Tensor) -> Tensor:
        """The text's vector."""
        states: Tensor = self.embeddings["word_embeddings"](input_ids)
        states = states + self.embeddings["position_embeddings"].weight[: input_ids.shape[-1]]
        states = self.embeddings["LayerNorm"](states)
        for layer in self.encoder["layer"]:
            states = layer(states)
        total = states.sum(1)  # a vector's length is lost anyway: a sum does for a mean
        return total * torch.rsqrt((total * total).sum(-1, keepdim=True))


class EncoderLayer(nn.Module):
    """Attention and feed-forward part, each with its norm behind the sum."""

    attention: Any
    intermediate: Any
    output: Any

    def __init__(self, config: Any) -> None:
        super().__init__()
        width, eps = config.hidden_size, config.layer_norm_eps
        self.heads, self.size = config.num_attention_heads, width // config.num_attention_heads
        self.activation = activation(config)
        own = nn.ModuleDict({name: nn.Linear(width, width) for name in ("query", "key", "value")})
        behind = nn.ModuleDict({"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, eps)})
        self.attention = nn.ModuleDict({"self": own, "output": behind})
        self.intermediate = nn.ModuleDict({"dense": nn.Linear(width, config.intermediate_size)})
        back = nn.Linear(config.intermediate_size, width)
        self.output = nn.ModuleDict({"dense": back, "LayerNorm": nn.LayerNorm(width, eps)})

    def forward(self, states: Tensor) -> Tensor:
        """States (1, tokens, width) in and out."""
        own, behind = self.attention["self"], self.attention["output"]
        q, k, v = (
            own[name](states).reshape(1, -1, self.heads, self.size).transpose(1, 2)
            for name in ("query", "key", "value")
        )
        out = nn.functional.scaled_dot_product_attention(q, k, v)
        out = out.transpose(1, 2).reshape(1, -1, self.heads * self.size)
        states = behind["LayerNorm"](behind["dense"](out) + states)
        inner = activate(self.intermediate["dense"](states), self.activation)
        summed: Tensor = self.output["LayerNorm"](self.output["dense"](inner) + states)
        return summed


def load_encoder(config: Any, tensors: Mapping[str, Tensor]) -> Encoder:
    """The encoder with a model folder's tensors, as float32.

    Raises:
        InputError: another family, or tensors are missing, too many, or of another shape.
    """
    encoder = Encoder(config).eval()
    load(encoder, prepare(config, tensors), config)
    return encoder


def load(module: nn.Module, state: Mapping[str, Tensor], config: Any) -> None:
    """Fill a module.

    Raises:
        InputError: tensors are missing, too many, or of another shape.
    """
    try:
        module.load_state_dict(state)
    except RuntimeError as error:
        raise InputError(f"the weights are not those of a {config.model_type} model of this config: {error}") from error
