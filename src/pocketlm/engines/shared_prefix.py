"""Attention of many rows to one shared prefix and to their own tokens, without a copy of the prefix for each row.

The tools block of a prompt can be a thousand tokens long. Repeating its keys and values for every row of a batch moves
gigabytes a step; here every row's queries meet the one prefix in a single product.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface, AttentionMaskInterface

NAME = "pocketlm_shared_prefix"


@dataclass(frozen=True)
class Shared:
    """What attention needs to know of a step.

    Attributes:
        keys, values: per layer (kv heads, prefix, head width).
        place: (rows, own tokens so far) position of each own token.
        real: (rows, own tokens so far) False for padding.
    """

    keys: list[Tensor]
    values: list[Tensor]
    place: Tensor
    real: Tensor


def attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: None, *, scaling: float, shared: Shared,
    sliding_window: int | None = None, **_: Any,
) -> tuple[Tensor, None]:  # fmt: skip
    """One layer: query (rows, heads, steps, width), key and value (rows, kv heads, own tokens, width).

    Returns:
        (rows, steps, heads, width), and no weights.
    """
    rows, heads, steps, width = query.shape
    kv = key.shape[1]
    queries = heads // kv * steps  # a kv head's queries in a row
    q = query.reshape(rows, kv, queries, width) * scaling
    now = shared.place[:, -steps:, None]  # (rows, steps, 1)
    see = shared.real[:, None, :] & (shared.place[:, None, :] <= now)
    if sliding_window:
        see &= now - shared.place[:, None, :] < sliding_window
    own = (q @ key.transpose(2, 3)).view(rows, kv, -1, steps, key.shape[2])
    # padding queries see nothing, and must not be NaN
    own = own.masked_fill(~see[:, None, None], torch.finfo(own.dtype).min).view(rows, kv, queries, -1)
    out = own.softmax(-1) @ value
    front_k, front_v = shared.keys[module.layer_idx], shared.values[module.layer_idx]
    if front_k.shape[1]:
        far = None
        if sliding_window and int(now.max()) >= sliding_window:
            beyond = now - torch.arange(front_k.shape[1]) >= sliding_window  # (rows, steps, prefix)
            far = beyond[:, None].expand(-1, heads // kv, -1, -1).reshape(rows * queries, -1)
        flat = q.transpose(0, 1).reshape(kv, rows * queries, width)
        front_out, front_lse = _attend(flat, front_k, front_v, far)
        front_out = front_out.view(kv, rows, queries, width).transpose(0, 1)
        front_lse = front_lse.reshape(kv, rows, queries).transpose(0, 1)
        # two softmaxes over parts are one over all, weighted by their sums (flash attention, arXiv:2205.14135)
        share = torch.sigmoid(front_lse - own.logsumexp(-1))[..., None]
        out = out.lerp(front_out, share)
    return out.reshape(rows, heads, steps, width).transpose(1, 2), None


def _attend(query: Tensor, key: Tensor, value: Tensor, far: Tensor | None) -> tuple[Tensor, Tensor]:
    """Attention of (heads, queries, width) to all of (heads, prefix, width), and the log-sum-exp of its scores.

    Args:
        far: (queries, prefix) True where a query is too far away to see.
    """
    if far is None and query.device.type == "cpu":
        flash = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, lse = flash(query[None], key[None], value[None], scale=1.0)
        return out[0], lse[0]
    scores = query @ key.transpose(1, 2)
    if far is not None:
        scores = scores.masked_fill(far, torch.finfo(scores.dtype).min)
    return scores.softmax(-1) @ value, scores.logsumexp(-1)


def use(model: Any) -> None:
    """Switch a Hugging Face model to this attention; its forward then needs `shared=`."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    model.set_attn_implementation(NAME)
