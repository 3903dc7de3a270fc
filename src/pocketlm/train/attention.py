"""Attention over packed rows, registered through transformers' attention interface.

All rows of a batch lie end to end in one sequence without padding, so projections and norms compute only real tokens
and rows of any length mix. Inside attention alone they are laid out side by side: causal per row, after the shared
prefix, whose keys and values are computed once. Positions continue after the prefix. This is the same mathematics as
one row at a time; losses and gradients agree to rounding.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface

from pocketlm.core.errors import InputError
from pocketlm.train.batches import Batch, Example, Layout, make_batch, make_layout

NAME = "pocketlm_packed"


def packed_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: None,
    *,
    scaling: float,
    batch: Batch,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """One layer's attention, as transformers calls it.

    Args:
        query: (1, heads, tokens, head width); key and value with their own number of heads.
        batch: where each token stands (see `Batch`).
        sliding_window: how many tokens, itself included, a query sees.

    Returns:
        (1, tokens, heads, head width), and no weights.
    """
    qkv = torch.cat([query, key, value], dim=1)[0].transpose(0, 1).contiguous()
    return attend(qkv, batch, query.shape[1], scaling, sliding_window)[None], None


def attend(qkv: Tensor, batch: Batch, heads: int, scaling: float, window: int | None = None) -> Tensor:
    """Attention of a whole batch.

    Args:
        qkv: (tokens, heads + kv heads + kv heads, head width): query, key and value.
        window: how many tokens, itself included, a query sees; None: all.

    Returns:
        (tokens, heads, head width).
    """
    tokens, all_heads, width = qkv.shape
    layout = _layout(batch, heads, (all_heads - heads) // 2)
    laid: Tensor = _Take.apply(qkv.view(-1, width), layout.take, layout.back, None)  # type: ignore[no-untyped-call]
    parts = [
        part.view(*shape, width) for part, shape in zip(torch.split(laid, layout.sizes), layout.shapes, strict=True)
    ]
    if window is not None and window >= batch.prefix + max(group.token.shape[1] for group in batch.groups):
        window = None  # nobody reaches beyond it
    front, out = None, []
    for q, k, v in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if batch.prefix and front is None:
            front = (k[0] * scaling, v[0])
            mixed = _attend_prefix(q, k, v, scaling, window)
        else:
            mixed = _attend(q, k, v, front, scaling, window)
        out.append(mixed.reshape(-1, width))
    back: Tensor = _Take.apply(torch.cat(out), layout.out_take, layout.out_back, layout.blank)  # type: ignore[no-untyped-call]
    return back.view(tokens, heads, width)


class _Take(torch.autograd.Function):
    """Rows of a matrix in another order. `back` undoes it; rows that no one takes from (`blank`) get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, take: Tensor, back: Tensor, blank: Tensor | None) -> Tensor:
        ctx.save_for_backward(back, blank)
        return x.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        back, blank = ctx.saved_tensors
        grad = grads[0].index_select(0, back)
        return grad if blank is None else grad.index_fill_(0, blank, 0.0), None, None, None


def _layout(batch: Batch, heads: int, kv: int) -> Layout:
    """Made once for a batch: it is the same in every layer."""
    key = (heads, kv)
    if key not in batch.layouts:
        batch.layouts[key] = make_layout(batch, heads, kv)
    return batch.layouts[key]


def _attend_prefix(q: Tensor, k: Tensor, v: Tensor, scaling: float, window: int | None) -> Tensor:
    """Causal attention of one long row."""
    if window is not None:
        return _attend(q, k, v, None, scaling, window)
    return functional.scaled_dot_product_attention(q, k, v, is_causal=True, scale=scaling, enable_gqa=True)


def _attend(
    q: Tensor, k: Tensor, v: Tensor, front: tuple[Tensor, Tensor] | None, scaling: float, window: int | None = None
) -> Tensor:
    """Causal attention of rows to their own tokens and to one prefix, in plain products.

    The fused kernel of torch's CPU backend takes five times as long on many short rows in bf16, nearly all of it in
    its backward.

    Args:
        q: (rows, heads, length, width); k and v with their own number of heads.
        front: scaled keys, and values, of the prefix, each (kv heads, prefix, width).
        window: as in `attend`.

    Returns:
        (rows, heads, length, width).
    """
    rows, heads, length, width = q.shape
    kv = k.shape[1]
    queries = heads // kv * length  # a kv head's queries in a row
    q = q.view(rows, kv, queries, width)
    later = _unseen(length, length, 0, heads // kv, window, q.dtype, q.device)
    # (rows * kv, queries, length)
    own = torch.baddbmm(later, q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2), alpha=scaling)
    if front is None:
        return torch.bmm(own.softmax(-1), v.flatten(0, 1)).view(rows, heads, length, width)
    front_k, front_v = front
    prefix = front_k.shape[1]
    flat = q.transpose(0, 1).reshape(kv, rows * queries, width)
    to_front = torch.bmm(flat, front_k.transpose(1, 2)).view(kv, rows, queries, prefix).transpose(0, 1)
    if window is not None:
        to_front = to_front + _unseen(length, prefix, prefix, heads // kv, window, q.dtype, q.device)
    weights = torch.cat([to_front, own.view(rows, kv, queries, length)], dim=-1).softmax(-1)
    out = torch.bmm(weights[..., prefix:].flatten(0, 1), v.flatten(0, 1)).view(rows, kv, queries, width)
    mixed = torch.bmm(weights[..., :prefix].transpose(0, 1).reshape(kv, rows * queries, prefix), front_v)
    out = out + mixed.view(kv, rows, queries, width).transpose(0, 1)
    return out.reshape(rows, heads, length, width)


@lru_cache(maxsize=64)
def _unseen(
    length: int, keys: int, start: int, repeats: int, window: int | None, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """What is added to scores so that no query sees a later key or one beyond its window: (1, repeats * length, keys).

    The first query stands `start` tokens behind the first key.
    """
    behind = torch.arange(length)[:, None] + start - torch.arange(keys)  # how far a key lies behind a query
    hidden = behind < 0 if window is None else (behind < 0) | (behind >= window)
    scores = torch.zeros(length, keys, dtype=dtype, device=device).masked_fill_(hidden.to(device), -torch.inf)
    return scores.repeat(repeats, 1)[None]


def use_packed_attention(model: Any) -> None:
    """Switch a Hugging Face model to packed attention; its forward then needs `batch=`."""
    AttentionInterface.register(NAME, packed_attention)
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    model.set_attn_implementation(NAME)


@torch.no_grad()
def check_packing(model: Any) -> None:
    """Prove that rows side by side give what each gives alone with the model's own attention.

    It tells models with other mathematics (capped scores, convolutions that read the neighbouring row) from those we know.

    Raises:
        InputError: they do not.
    """
    rows = [Example([5 + i, 9, 7 + i, 6], [8, 7 + i, 5, 9]) for i in range(3)]
    batch = make_batch(rows, 0)
    packed = model.model(input_ids=batch.ids, position_ids=batch.positions, use_cache=False, batch=batch)
    model.set_attn_implementation("eager")
    alone = [model(torch.tensor([row.prompt + row.completion])).logits[0, 3:-1] for row in rows]
    use_packed_attention(model)
    got = model.lm_head(packed.last_hidden_state[0, batch.labelled])
    want = torch.cat(alone)
    off = (got - want).float().norm() / want.float().norm()
    if off > (0.05 if want.dtype == torch.bfloat16 else 1e-3):
        raise InputError(
            f"base: {model.config.model_type} models cannot be trained on packed rows (answers differ by {off:.0%}); "
            "choose a base of the Llama, Qwen, Gemma 3 or Phi-3 families"
        )
