"""A Hugging Face model as a .tflite model of float32 weights: traced by torch.export, lowered by litert-torch.

Decoders get the signatures that LiteRT-LM runs: `prefill_N` takes N tokens of a prompt and gives their keys and values,
`decode` takes one token and also gives the logits. Inputs are tokens (1, N) int32, input_pos (N,) int32, mask (1, 1, N,
context) float32 added to the scores of attention, and the cache: kv_cache_k_L (1, kv heads, context, width) and kv_cache_v_L
(1, kv heads, width, context), transposed so that both products of attention run over contiguous rows.

Neither tensorflow nor litert-torch's own `export_hf` is needed: the model zoo is transformers', of which only attention and
cache are replaced, through its registry.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.quiet import muted
from pocketlm.models.litert_file import EXTRA
from pocketlm.models.load import load_model

NAME = "pocketlm_litert"
PACKAGES = "litert-torch==0.10.0 litert-converter==0.5.0"
FAMILIES = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")
ENCODERS = ("bert", "distilbert", "roberta", "xlm-roberta", "mpnet")
ROPES = ("default", "linear", "llama3", "yarn")  # whose frequencies do not depend on the text's length


def trace_decoder(
    folder: Path, out: Path, *, context: int, prefills: tuple[int, ...], change: Callable[[Any], None] | None = None
) -> None:
    """Write the float32 .tflite model of a decoder.

    Args:
        context: tokens of prompt and answer together, the length of the cache.
        prefills: numbers of tokens that a prompt is taken in.
        change: what is done to the loaded model before.

    Raises:
        InputError: a family or rope that is not exported. EnvironmentLacks: litert-torch is not installed.
    """
    litert_torch = _library("a .litertlm export")
    model = _load(folder, context)
    if change:
        change(model)
    converter, config = litert_torch.Converter(), model.config.get_text_config()
    for size in prefills:
        converter.add_signature(f"prefill_{size}", _Prefill(model).eval(), sample_kwargs=_sample(config, size, context))
    converter.add_signature("decode", _Decode(model).eval(), sample_kwargs=_sample(config, 1, context))
    _write(converter, out)


def trace_encoder(folder: Path, out: Path, *, lengths: tuple[int, ...]) -> None:
    """Write the float32 .tflite model of a sentence encoder: signatures `embed_N` from tokens (1, N) and mask (1, N), int32,
    to `vector` (1, width), the mean of the tokens' last states, of length 1.

    Raises:
        InputError: a family that is not exported. EnvironmentLacks: litert-torch is not installed.
    """
    litert_torch = _library("a .tflite export")
    from transformers import AutoModel
    from transformers.utils import logging

    logging.disable_progress_bar()
    model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True, attn_implementation="eager")
    if model.config.model_type not in ENCODERS:
        raise InputError(
            f"{folder}: LiteRT export knows the encoders {', '.join(ENCODERS)}, not {model.config.model_type!r}"
        )
    converter = litert_torch.Converter()
    for length in lengths:
        feed = {name: torch.ones((1, length), dtype=torch.int32) for name in ("tokens", "mask")}
        converter.add_signature(f"embed_{length}", _Embed(model).eval(), sample_kwargs=feed)
    _write(converter, out)


class _Cache:
    """Keys and values of past tokens as tensors that come in and go out, in the shape of transformers' caches."""

    is_compileable = True

    def __init__(self, tensors: dict[str, Tensor], start: Tensor) -> None:
        self.tensors, self._start = dict(tensors), start

    def update(self, keys: Tensor, values: Tensor, layer: int, *_: Any, **__: Any) -> tuple[Tensor, Tensor]:
        """Put new keys and values (1, kv heads, steps, width) at their place; all keys and (transposed) values."""
        from litert_torch.generative.custom_ops.dynamic_update_slice import dynamic_update_slice

        zero, start = torch.zeros_like(self._start), self._start
        k, v = f"k_{layer}", f"v_{layer}"
        self.tensors[k] = dynamic_update_slice(self.tensors[k], keys, [zero, zero, start, zero])
        self.tensors[v] = dynamic_update_slice(self.tensors[v], values.transpose(2, 3), [zero, zero, zero, start])
        return self.tensors[k], self.tensors[v]

    def get_seq_length(self, *_: Any) -> int:
        """Asked by transformers, of no use where positions are given."""
        return 0


def attention(
    module: Any, query: Tensor, keys: Tensor, values: Tensor, mask: Tensor, *, scaling: float,
    softcap: float | None = None, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """One layer: query (1, heads, steps, width), keys (1, kv heads, context, width), values (1, kv heads, width, context).

    Query heads of one key head are its rows, so that keys are not repeated.

    Returns:
        (1, steps, heads, width), and no weights.
    """
    from litert_torch.generative.custom_ops.bmm_4d import bmm_4d

    heads, steps, width = query.shape[1:]
    groups = heads // keys.shape[1]
    scores = bmm_4d((query * scaling).reshape(1, heads // groups, groups * steps, width), keys)
    if softcap:
        scores = (scores / softcap).tanh() * softcap
    weights = (scores + torch.cat([mask] * groups, 2)).softmax(-1)
    return bmm_4d(weights, values).reshape(1, heads, steps, width).transpose(1, 2), None


class _Step(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def _feed(self, tokens: Tensor, input_pos: Tensor, mask: Tensor, cache: _Cache) -> dict[str, Any]:
        config = self.model.config.get_text_config()
        masks: Any = mask
        if "sliding_attention" in (getattr(config, "layer_types", None) or ()):
            far = input_pos[:, None] - torch.arange(mask.shape[-1], dtype=torch.int32) >= config.sliding_window
            masks = {"full_attention": mask, "sliding_attention": mask + far * -1e9}
        place = input_pos[None]
        return {
            "input_ids": tokens, "position_ids": place, "attention_mask": masks, "past_key_values": cache,
            "use_cache": True,
        }  # fmt: skip


class _Prefill(_Step):
    def forward(self, tokens: Tensor, input_pos: Tensor, mask: Tensor, kv_cache: dict[str, Tensor]) -> dict[str, Any]:
        cache = _Cache(kv_cache, input_pos[0])
        self.model.base_model(**self._feed(tokens, input_pos, mask, cache))
        return {"kv_cache": cache.tensors}


class _Decode(_Step):
    def forward(self, tokens: Tensor, input_pos: Tensor, mask: Tensor, kv_cache: dict[str, Tensor]) -> dict[str, Any]:
        cache = _Cache(kv_cache, input_pos[0])
        logits = self.model(**self._feed(tokens, input_pos, mask, cache)).logits
        return {"logits": logits, "kv_cache": cache.tensors}


class _Embed(nn.Module):
    def __init__(self, model: Any) -> None:
        super().__init__()
        self.model = model

    def forward(self, tokens: Tensor, mask: Tensor) -> dict[str, Tensor]:
        states = self.model(input_ids=tokens, attention_mask=mask).last_hidden_state
        # the length of a vector is lost anyway, so a sum does for a mean
        total = (states * mask[:, :, None].float()).sum(1)
        return {"vector": total * torch.rsqrt((total * total).sum(-1, keepdim=True) + 1e-20)}


def _library(what: str) -> Any:
    """litert-torch. It and its compiler name a package (xdsl 0.28) that nothing here uses and that cannot be installed beside
    newer ones of ours, so they are installed without what they name."""
    try:
        with muted():  # its libraries tell of hardware that is not there
            return import_module("litert_torch")
    except ImportError as error:
        raise EnvironmentLacks(
            f"{what} needs litert-torch ({error}): pip install 'pocketlm[{EXTRA}]' && pip install --no-deps {PACKAGES}"
        ) from error


def _load(folder: Path, context: int) -> Any:
    from transformers import AttentionInterface, AttentionMaskInterface

    model = load_model(folder, torch.float32)
    config = model.config.get_text_config()
    if config.model_type not in FAMILIES:
        raise InputError(f"{folder}: LiteRT export knows the families {', '.join(FAMILIES)}, not {config.model_type!r}")
    ropes = getattr(config, "rope_parameters", None) or {}
    for rope in ropes.values() if "rope_type" not in ropes else [ropes]:
        if rope and rope.get("rope_type", "default") not in ROPES:
            raise InputError(f"{folder}: rope type {rope['rope_type']!r} is not exported; {', '.join(ROPES)} are")
    window = getattr(config, "sliding_window", None)
    if config.model_type == "mistral" and window and window < context:  # the same for all layers, which are not named
        raise InputError(f"{folder}: its sliding window of {window} is shorter than the context of {context}")
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, lambda *_, attention_mask=None, **__: attention_mask)
    model.set_attn_implementation(NAME)
    return model.requires_grad_(False)


def _sample(config: Any, steps: int, context: int) -> dict[str, Any]:
    """Inputs of one signature, whose shapes are traced."""
    heads = config.num_key_value_heads
    width = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    cache = {}
    for layer in range(config.num_hidden_layers):
        cache[f"k_{layer}"] = torch.zeros(1, heads, context, width)
        cache[f"v_{layer}"] = torch.zeros(1, heads, width, context)
    tokens, place = torch.zeros((1, steps), dtype=torch.int32), torch.arange(steps, dtype=torch.int32)
    return {"tokens": tokens, "input_pos": place, "mask": torch.zeros(1, 1, steps, context), "kv_cache": cache}


def _write(converter: Any, out: Path) -> None:
    with _silent(), torch.no_grad():
        try:
            converter.convert(strict_export=False).export(str(out))
        except Exception as error:  # torch.export's and the compiler's are many
            raise InputError(
                f"the model cannot be converted for LiteRT: {str(error).strip().splitlines()[0]}"
            ) from error


@contextmanager
def _silent() -> Iterator[None]:
    import warnings

    import litert_torch

    shown, litert_torch.config.show_progress = litert_torch.config.show_progress, False
    try:
        with muted(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        litert_torch.config.show_progress = shown
