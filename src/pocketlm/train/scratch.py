"""Memory for values that are read before the next call under the same name: it stays in the cache.

A fresh tensor of a megabyte costs the system's zeroing of its pages, several times what computing it costs.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

_kept: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}


def scratch(name: str, like: Tensor, dtype: torch.dtype | None = None, shape: Sequence[int] | None = None) -> Tensor:
    """A tensor of the dtype and shape of `like`, or of those given, whose content is whatever was there before."""
    shape = like.shape if shape is None else shape
    key, size = (name, dtype or like.dtype, like.device), math.prod(shape)
    kept = _kept.get(key)
    if kept is None or len(kept) < size:
        kept = _kept[key] = torch.empty(size, dtype=key[1], device=like.device)
    return kept[:size].view(*shape)
