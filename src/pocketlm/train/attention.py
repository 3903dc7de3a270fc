"""Attention over packed rows, registered through transformers' attention interface.

All rows of a batch lie end to end in one sequence without padding, so projections and norms compute only real tokens
and rows of any length mix. Inside attention alone they are laid out side by side: causal per row, after the shared
prefix, whose keys and values are computed once. Positions continue after the prefix. This is the same mathematics as
one row at a time; losses and gradients agree to rounding.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface

from pocketlm.train.batches import Batch

NAME = "pocketlm_packed"


def packed_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: None, *, scaling: float, batch: Batch, **_: Any
) -> tuple[Tensor, None]:
    """One layer's attention.

    Args:
        query: (1, heads, tokens, head width); key and value with their own number of heads.
        batch: where each token stands (see `Batch`).

    Returns:
        (1, tokens, heads, head width), and no weights.
    """
    shared, heads, width = batch.prefix, query.shape[1], query.shape[3]
    front = (key[0, :, :shared], value[0, :, :shared]) if shared else None
    parts = []
    if shared:
        first = functional.scaled_dot_product_attention(
            query[:, :, :shared], key[:, :, :shared], value[:, :, :shared],
            is_causal=True, scale=scaling, enable_gqa=True,
        )  # fmt: skip
        parts.append(first[0].transpose(0, 1).flatten(0, 1))
    tokens = [(x.transpose(1, 2)[0], x.shape[1]) for x in (query * scaling, key, value)]
    for index, group in enumerate(batch.groups):
        q, k, v = (_lay_out(x[group.start : group.end], batch, index, count) for x, count in tokens)
        parts.append(_lay_back(_attend(q, k, v, front), batch, index))
    return torch.cat(parts).view(1, -1, heads, width), None


class _Take(torch.autograd.Function):
    """Rows of a matrix in another order. `back` undoes it; rows that no one takes from get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, take: Tensor, back: Tensor, blank: Tensor | None) -> Tensor:
        ctx.save_for_backward(back, blank)
        return x.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        back, blank = ctx.saved_tensors
        grad = grads[0].index_select(0, back)
        return grad if blank is None else grad.index_fill_(0, blank, 0.0), None, None, None


def _lay_out(x: Tensor, batch: Batch, index: int, heads: int) -> Tensor:
    """(tokens of a group, heads, width) -> (rows, heads, length, width)."""
    group = batch.groups[index]
    take, back, _ = _layout(batch, index, heads)
    laid: Tensor = _Take.apply(x.reshape(-1, x.shape[-1]), take, back, None)  # type: ignore[no-untyped-call]
    return laid.view(group.rows, heads, group.length, x.shape[-1])


def _lay_back(x: Tensor, batch: Batch, index: int) -> Tensor:
    """(rows, heads, length, width) -> (tokens of the group * heads, width)."""
    take, back, blank = _layout(batch, index, x.shape[1])
    out: Tensor = _Take.apply(x.flatten(0, 2), back, take, blank)  # type: ignore[no-untyped-call]
    return out


def _layout(batch: Batch, index: int, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """A group's `take`, `back` and `blank` for vectors of single heads instead of tokens; the same in every layer."""
    key = (index, heads)
    if key not in batch.layouts:
        group = batch.groups[index]
        head = torch.arange(heads, device=group.take.device)
        row, place = group.back // group.length, group.back % group.length
        take = group.take.view(group.rows, 1, -1) * heads + head[:, None]  # (rows, heads, length)
        back = (row[:, None] * heads + head) * group.length + place[:, None]  # (tokens, heads)
        row, place = group.blank // group.length, group.blank % group.length
        blank = (row[:, None] * heads + head) * group.length + place[:, None]
        batch.layouts[key] = take.flatten(), back.flatten(), blank.flatten()
    return batch.layouts[key]


def _attend(q: Tensor, k: Tensor, v: Tensor, front: tuple[Tensor, Tensor] | None) -> Tensor:
    """Causal attention of rows to their own tokens and to one prefix, in plain products.

    The fused kernel of torch's CPU backend takes five times as long on many short rows in bf16, nearly all of it in
    its backward.

    Args:
        q: (rows, heads, length, width), already scaled; k and v with their own number of heads.
        front: keys and values of the prefix, each (kv heads, prefix, width).

    Returns:
        (rows, heads, length, width).
    """
    rows, heads, length, width = q.shape
    kv = k.shape[1]
    queries = heads // kv * length  # a kv head's queries in a row
    q = q.reshape(rows, kv, queries, width)
    later = q.new_full((length, length), -torch.inf).triu(1)  # (length, length) added to the scores
    own = torch.baddbmm(
        later.repeat(heads // kv, 1)[None], q.flatten(0, 1), k.flatten(0, 1).transpose(1, 2)
    )  # (rows * kv, queries, length)
    if front is None:
        return torch.bmm(own.softmax(-1), v.flatten(0, 1)).view(rows, heads, length, width)
    front_k, front_v = front
    prefix = front_k.shape[1]
    flat = q.transpose(0, 1).reshape(kv, rows * queries, width)
    to_front = torch.bmm(flat, front_k.transpose(1, 2)).view(kv, rows, queries, prefix).transpose(0, 1)
    weights = torch.cat([to_front, own.view(rows, kv, queries, length)], dim=-1).softmax(-1)
    out = torch.bmm(weights[..., prefix:].flatten(0, 1), v.flatten(0, 1)).view(rows, kv, queries, width)
    mixed = torch.bmm(weights[..., :prefix].transpose(0, 1).reshape(kv, rows * queries, prefix), front_v)
    out = out + mixed.view(kv, rows, queries, width).transpose(0, 1)
    return out.reshape(rows, heads, length, width)


def use_packed_attention(model: Any) -> None:
    """Switch a Hugging Face model to packed attention; its forward then needs `batch=`."""
    AttentionInterface.register(NAME, packed_attention)
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    model.set_attn_implementation(NAME)
