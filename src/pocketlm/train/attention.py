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
    shared = batch.prefix
    q, k, v = (_side_by_side(x[0, :, shared:], batch) for x in (query, key, value))  # (rows, heads, length, width)
    rows, _heads, length, _width = q.shape
    see = None
    if shared:
        k, v = (torch.cat([x[:, :, :shared].expand(rows, -1, -1, -1), own], dim=2) for x, own in ((key, k), (value, v)))
        see = torch.ones(length, shared + length, dtype=torch.bool, device=q.device).tril(shared)
    out = functional.scaled_dot_product_attention(
        q, k, v, attn_mask=see, is_causal=see is None, scale=scaling, enable_gqa=True
    )
    out = out.transpose(1, 2).flatten(0, 1)[batch.slot]  # (own tokens, heads, width)
    if shared:
        front = functional.scaled_dot_product_attention(
            query[:, :, :shared],
            key[:, :, :shared],
            value[:, :, :shared],
            is_causal=True,
            scale=scaling,
            enable_gqa=True,
        )
        out = torch.cat([front[0].transpose(0, 1), out])
    return out[None], None


def use_packed_attention(model: Any) -> None:
    """Switch a Hugging Face model to packed attention; its forward then needs `batch=`."""
    AttentionInterface.register(NAME, packed_attention)
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    model.set_attn_implementation(NAME)


def _side_by_side(x: Tensor, batch: Batch) -> Tensor:
    """(heads, own tokens, width) -> (rows, heads, length, width), padded with zeros on the right."""
    heads, _tokens, width = x.shape
    padded = x.new_zeros(batch.rows * batch.length, heads, width).index_copy(0, batch.slot, x.transpose(0, 1))
    return padded.view(batch.rows, batch.length, heads, width).transpose(1, 2)
