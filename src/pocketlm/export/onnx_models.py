"""The models whose ONNX graphs are known: decoders with a key-value cache, and sentence encoders.

Own graphs instead of traced ones: they take seconds, need no model in memory, hold the names of the source's tensors, and
use the operators that ONNX Runtime has fast kernels for (GroupQueryAttention, MatMulNBits). Inputs and outputs are named
as onnxruntime-genai expects them.

A new family of decoders is a line in FAMILIES and what differs in `_layer`; a test holds each against torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.export.base import Source
from pocketlm.export.importance import is_delicate
from pocketlm.export.onnx_graph import RUNTIME, Graph

FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")
LONGEST = 8192  # tokens of context in a file at most; phones have no memory for more
EMBEDDING = "model.embed_tokens"
WORDS = "embeddings.word_embeddings"
VECTOR = "sentence_embedding"


def draw(source: Source, graph: Graph, config: Any) -> Any:
    """The graph (onnx.GraphProto) of a source.

    Raises:
        InputError: something in its configuration or among its weights has no place in an ONNX graph of ours.
    """
    try:
        return (encoder if source.kind == "encoder" else decoder)(graph, config)
    except InputError as error:
        raise InputError(f"{source.folder}: {error}") from error


# Decoders


def decoder(graph: Graph, config: Any) -> Any:
    """The graph (onnx.GraphProto) of a causal language model: token ids and cache in, logits of every token and cache out.

    Raises:
        InputError: something in the configuration or among the weights has no place in this graph.
    """
    check_decoder(config)
    tied = config.tie_word_embeddings or "lm_head.weight" not in graph.weights
    gemma = config.model_type == "gemma3_text"
    x = graph.lookup("input_ids", EMBEDDING)
    if gemma:
        x = graph.node("Mul", x, graph.constant("embedding_scale", np.sqrt(config.hidden_size), np.float32))
    lengths = _lengths(graph)
    for layer in range(config.num_hidden_layers):
        x = _layer(graph, config, layer, x, lengths)
    x = graph.norm(x, "model.norm.weight", config.rms_norm_eps, float(gemma))
    graph.linear(x, EMBEDDING if tied else "lm_head", outputs=["logits"])
    return graph.close(_decoder_inputs(config), _decoder_outputs(config), ["lm_head.weight"] if tied else [])


def check_decoder(config: Any) -> None:
    """Refuse what `decoder` has no operators for, with an InputError."""
    if config.model_type not in FAMILIES:
        raise InputError(f"ONNX export knows the families {', '.join(FAMILIES)}, not {config.model_type!r}")
    if _activation(config) not in ("silu", "gelu_pytorch_tanh"):
        raise InputError(f"ONNX export knows no activation {_activation(config)!r}")
    for key in ("final_logit_softcapping", "attn_logit_softcapping", "use_bidirectional_attention"):
        if getattr(config, key, None):
            raise InputError(f"ONNX export cannot express {key}")


def _activation(config: Any) -> str:
    return str(getattr(config, "hidden_activation", None) or config.hidden_act)


def head_width(config: Any) -> int:
    """Numbers of one attention head."""
    return int(getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads)


def kv_heads(config: Any) -> int:
    """Heads of keys and values; several query heads may share one."""
    return int(getattr(config, "num_key_value_heads", None) or config.num_attention_heads)


def context_of(config: Any) -> int:
    """Tokens of prompt and answer that the file takes."""
    return min(int(config.max_position_embeddings), LONGEST)


def layer_kind(config: Any, layer: int) -> str:
    """`full_attention`, or `sliding_attention` for a layer that sees the last `sliding_window` tokens only."""
    if kinds := getattr(config, "layer_types", None):
        return str(kinds[layer])
    return "sliding_attention" if getattr(config, "sliding_window", None) else "full_attention"  # Mistral: all or none


def rope_of(config: Any, kind: str) -> Mapping[str, Any]:
    """The parameters of a layer's rotary embedding; Gemma 3 has others in layers with a window."""
    rope: Mapping[str, Any] = config.rope_parameters
    found: Mapping[str, Any] = rope.get(kind, rope)
    return found


def frequencies(rope: Mapping[str, Any], width: int) -> NDArray[np.float32]:
    """Radians a token by which each pair of a head's numbers turns (RoFormer, arXiv:2104.09864), of shape (1, width / 2).

    Raises:
        InputError: a kind of rope that is not known here.
    """
    kind = rope.get("rope_type", "default")
    turns = 1 / float(rope["rope_theta"]) ** (np.arange(0, width, 2) / width)
    if kind == "linear":
        turns = turns / float(rope["factor"])
    elif kind == "llama3":  # slow pairs are slowed down, quick ones left, those between are mixed (Llama 3.1)
        low, high = float(rope["low_freq_factor"]), float(rope["high_freq_factor"])
        rounds = float(rope["original_max_position_embeddings"]) * turns / (2 * np.pi)
        share = ((rounds - low) / (high - low)).clip(0, 1)
        turns = turns * (share + (1 - share) / float(rope["factor"]))
    elif kind != "default":
        raise InputError(f"ONNX export knows the ropes default, linear and llama3, not {kind!r}")
    if float(rope.get("partial_rotary_factor") or 1) != 1:
        raise InputError("ONNX export cannot express a rope of a part of each head (partial_rotary_factor)")
    return turns[None].astype(np.float32)


def _lengths(graph: Graph) -> tuple[str, str]:
    """What GroupQueryAttention wants to know of a batch: each row's last place, and the longest row's length."""
    last = graph.node(
        "Sub",
        graph.node("ReduceSum", "attention_mask", graph.constant("one", [1]), keepdims=0),
        graph.constant("one", [1]),
    )
    width = graph.node("Gather", graph.node("Shape", "attention_mask"), graph.constant("second", 1))
    return graph.node("Cast", last, to=6), graph.node("Cast", width, to=6)


def _rope(graph: Graph, config: Any, kind: str) -> tuple[str, str]:
    """Cosines and sines of all places; they are constants, which the runtime makes once, when it loads."""
    names = (f"{kind}.cos", f"{kind}.sin")
    if all(names[0] not in node.output for node in graph.nodes):
        steps = (graph.constant(f"place.{i}", i, np.float32) for i in (0, context_of(config), 1))
        places = graph.node("Unsqueeze", graph.node("Range", *steps), graph.constant("one", [1]))
        turns = frequencies(rope_of(config, kind), head_width(config))
        angles = graph.node("Mul", places, graph.constant(f"{kind}.frequencies", turns, np.float32))
        graph.node("Cos", angles, outputs=names[:1])
        graph.node("Sin", angles, outputs=names[1:])
    return names


def _layer(graph: Graph, config: Any, layer: int, x: str, lengths: tuple[str, str]) -> str:
    """One layer: attention and the gated network, each added to the stream. Gemma normalizes what is added, too."""
    name, epsilon = f"model.layers.{layer}", config.rms_norm_eps
    gemma = config.model_type == "gemma3_text"
    before_network = "pre_feedforward_layernorm" if gemma else "post_attention_layernorm"

    added = _attention(
        graph, config, layer, graph.norm(x, f"{name}.input_layernorm.weight", epsilon, float(gemma)), lengths
    )
    if gemma:
        added = graph.norm(added, f"{name}.post_attention_layernorm.weight", epsilon, 1.0)
    x = graph.node("Add", x, added)
    inner = graph.norm(x, f"{name}.{before_network}.weight", epsilon, float(gemma))
    gate, up = graph.linear(inner, f"{name}.mlp.gate_proj"), graph.linear(inner, f"{name}.mlp.up_proj")
    if _activation(config) == "silu":
        gate = graph.node("Mul", gate, graph.node("Sigmoid", gate))
    else:
        gate = graph.node("Gelu", gate, approximate="tanh")
    added = _linear(graph, config, graph.node("Mul", gate, up), f"{name}.mlp.down_proj")
    if gemma:
        added = graph.norm(added, f"{name}.post_feedforward_layernorm.weight", epsilon, 1.0)
    return graph.node("Add", x, added)


def _attention(graph: Graph, config: Any, layer: int, x: str, lengths: tuple[str, str]) -> str:
    name, kind = f"model.layers.{layer}.self_attn", layer_kind(config, layer)
    query, key, value = (_linear(graph, config, x, f"{name}.{part}_proj") for part in "qkv")
    if f"{name}.q_norm.weight" in graph.weights:
        query, key = (
            _head_norm(graph, config, y, f"{name}.{part}_norm.weight") for y, part in ((query, "q"), (key, "k"))
        )
    window = config.sliding_window if kind == "sliding_attention" else -1
    scale = getattr(config, "query_pre_attn_scalar", None) or head_width(config)
    past = [f"past_key_values.{layer}.{part}" for part in ("key", "value")]
    out = graph.node(
        "GroupQueryAttention", query, key, value, *past, *lengths, *_rope(graph, config, kind), domain=RUNTIME,
        outputs=[f"{name}.out", f"present.{layer}.key", f"present.{layer}.value"],
        num_heads=config.num_attention_heads, kv_num_heads=kv_heads(config), local_window_size=window,
        scale=float(scale) ** -0.5, do_rotary=1, rotary_interleaved=0,
    )  # fmt: skip
    return graph.linear(out, f"{name}.o_proj")


def _linear(graph: Graph, config: Any, x: str, name: str) -> str:
    """A matrix that some precisions store finer than others."""
    return graph.linear(x, name, finer=is_delicate(f"{name}.weight", config.num_hidden_layers))


def _head_norm(graph: Graph, config: Any, x: str, name: str) -> str:
    """Each head normalized for itself (Qwen 3, Gemma 3)."""
    heads = graph.node("Reshape", x, graph.constant("heads", [0, 0, -1, head_width(config)]))
    normed = graph.norm(heads, name, config.rms_norm_eps, float(config.model_type == "gemma3_text"))
    return graph.node("Reshape", normed, graph.constant("joined", [0, 0, -1]))


def _decoder_inputs(config: Any) -> dict[str, tuple[int, list[Any]]]:
    """Name -> (element type, shape)."""
    inputs: dict[str, tuple[int, list[Any]]] = {
        "input_ids": (7, ["batch", "tokens"]),
        "attention_mask": (7, ["batch", "total"]),
    }
    return inputs | _cache(config, "past_key_values", "past")


def _decoder_outputs(config: Any) -> dict[str, tuple[int, list[Any]]]:
    outputs: dict[str, tuple[int, list[Any]]] = {"logits": (1, ["batch", "tokens", config.vocab_size])}
    return outputs | _cache(config, "present", "kept")


def _cache(config: Any, name: str, length: str) -> dict[str, tuple[int, list[Any]]]:
    shape = ["batch", kv_heads(config), length, head_width(config)]
    return {f"{name}.{i}.{part}": (1, shape) for i in range(config.num_hidden_layers) for part in ("key", "value")}


# Encoders


def encoder(graph: Graph, config: Any) -> Any:
    """The graph (onnx.GraphProto) of a BERT: token ids in, the texts' unit vectors out.

    A vector is the mean of its tokens' last states (Sentence-BERT, arXiv:1908.10084), of length 1.

    Raises:
        InputError: not a BERT, or one with parts that have no place in this graph.
    """
    if config.model_type != "bert" or config.hidden_act != "gelu":
        raise InputError(f"ONNX export of encoders knows the family bert with gelu, not {config.model_type!r}")
    front, epsilon = ("bert." if f"bert.{WORDS}.weight" in graph.weights else ""), config.layer_norm_eps
    length = graph.node("Gather", graph.node("Shape", "input_ids"), graph.constant("second", 1))
    places = graph.node("Range", graph.constant("zero", 0), length, graph.constant("step", 1))
    x = graph.lookup("input_ids", f"{front}{WORDS}")
    x = graph.node("Add", x, graph.lookup(places, f"{front}embeddings.position_embeddings"))
    kind = graph.vector(f"{front}embeddings.token_type_embeddings.weight")
    x = graph.node("Add", x, graph.node("Gather", kind, graph.constant("zero", 0)))
    x = graph.layer_norm(x, f"{front}embeddings.LayerNorm", epsilon)
    mask = graph.node("Cast", "attention_mask", to=6)
    for layer in range(config.num_hidden_layers):
        x = _encoder_layer(graph, config, f"{front}encoder.layer.{layer}", x, mask)
    _pool(graph, x)
    unused = {name for name in graph.weights if "pooler." in name or name.endswith("position_ids")}
    inputs = {name: (7, ["batch", "tokens"]) for name in ("input_ids", "attention_mask")}
    return graph.close(inputs, {VECTOR: (1, ["batch", config.hidden_size])}, unused)


def _encoder_layer(graph: Graph, config: Any, name: str, x: str, mask: str) -> str:
    parts = graph.linears(x, *(f"{name}.attention.self.{part}" for part in ("query", "key", "value")))
    seen = graph.node("MultiHeadAttention", *parts, "", mask, domain=RUNTIME, num_heads=config.num_attention_heads)
    x = graph.node("Add", x, *graph.linears(seen, f"{name}.attention.output.dense"))
    x = graph.layer_norm(x, f"{name}.attention.output.LayerNorm", config.layer_norm_eps)
    inner = graph.node("Gelu", *graph.linears(x, f"{name}.intermediate.dense"))
    x = graph.node("Add", x, *graph.linears(inner, f"{name}.output.dense"))
    return graph.layer_norm(x, f"{name}.output.LayerNorm", config.layer_norm_eps)


def _pool(graph: Graph, x: str) -> None:
    """The sum of the real tokens' states, of length 1: the mean's length would be lost anyway."""
    real = graph.node("Unsqueeze", graph.node("Cast", "attention_mask", to=1), graph.constant("last", [-1]))
    total = graph.node("ReduceSum", graph.node("Mul", x, real), graph.constant("one", [1]), keepdims=0)
    graph.node("LpNormalization", total, outputs=[VECTOR], axis=-1, p=2)
