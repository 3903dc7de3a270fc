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
    front_k, front_v = shared.keys[module.layer_idx], shared.values[module.layer_idx]
    kv, prefix = front_k.shape[:2]
    group = heads // kv
    queries = group * steps  # a kv head's queries in a row
    q = query.reshape(rows, kv, queries, width) * scaling
    flat = q.transpose(0, 1).reshape(kv, rows * queries, width)  # (kv, rows * queries, width)
    front = (flat @ front_k.transpose(1, 2)).view(kv, rows, group, steps, prefix).transpose(0, 1)
    own = (q @ key.transpose(2, 3)).view(rows, kv, group, steps, key.shape[2])
    now = shared.place[:, -steps:, None]  # (rows, steps, 1)
    see = shared.real[:, None, :] & (shared.place[:, None, :] <= now)
    if sliding_window:
        see &= now - shared.place[:, None, :] < sliding_window
        far = now - torch.arange(prefix) >= sliding_window  # (rows, steps, prefix)
        front = front.masked_fill(far[:, None, None], -torch.inf)
    own = own.masked_fill(
        ~see[:, None, None], torch.finfo(own.dtype).min
    )  # padding queries see nothing, and must not be NaN
    weights = torch.cat([front, own], dim=-1).softmax(-1)
    to_front = weights[..., :prefix].transpose(0, 1).reshape(kv, rows * queries, prefix)
    out = (to_front @ front_v).view(kv, rows, queries, width).transpose(0, 1)
    out = out + weights[..., prefix:].reshape(rows, kv, queries, key.shape[2]) @ value
    return out.reshape(rows, heads, steps, width).transpose(1, 2), None


def use(model: Any) -> None:
    """Switch a Hugging Face model to this attention; its forward then needs `shared=`."""
    AttentionInterface.register(NAME, attention)
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    model.set_attn_implementation(NAME)
