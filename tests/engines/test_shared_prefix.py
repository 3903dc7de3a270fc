"""Attention to a shared prefix gives what attention to everything at once gives."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch

from pocketlm.engines.shared_prefix import Shared, attention

ROWS, HEADS, KV, WIDTH, OWN = 3, 4, 2, 8, 5


@pytest.mark.parametrize("prefix", [0, 7])
@pytest.mark.parametrize("steps", [1, OWN])
@pytest.mark.parametrize("window", [None, 4, 100])
def test_equals_attention_over_prefix_and_own_tokens(prefix: int, steps: int, window: int | None) -> None:
    torch.manual_seed(0)
    query, key, value = (torch.randn(ROWS, heads, n, WIDTH) for heads, n in ((HEADS, steps), (KV, OWN), (KV, OWN)))
    front_k, front_v = torch.randn(2, KV, prefix, WIDTH)
    real = torch.ones(ROWS, OWN, dtype=torch.bool)
    real[0, :2] = False  # a shorter row, padded on the left
    place = prefix + (real.cumsum(1) - 1).clamp(min=0)
    shared = Shared([front_k], [front_v], place, real)
    got, _ = attention(
        SimpleNamespace(layer_idx=0), query, key, value, None, scaling=0.3, shared=shared, sliding_window=window
    )
    keys, values = (torch.cat([f.expand(ROWS, -1, -1, -1), own], 2) for f, own in ((front_k, key), (front_v, value)))
    keys, values = (x.repeat_interleave(HEADS // KV, 1) for x in (keys, values))
    where = torch.cat([torch.arange(prefix).expand(ROWS, -1), place], 1)[:, None]  # (rows, 1, prefix + own)
    now = place[:, -steps:, None]
    see = (where <= now) & torch.cat([torch.ones(ROWS, prefix, dtype=torch.bool), real], 1)[:, None]
    if window:
        see &= now - where < window
    want = torch.nn.functional.scaled_dot_product_attention(query, keys, values, see[:, None], scale=0.3)
    kept = real[:, -steps:]
    torch.testing.assert_close(got[kept], want.transpose(1, 2)[kept])
