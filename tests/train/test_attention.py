"""Attention behind a shared prefix, beside softmax written out: values and gradients, near zero and far from it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from pocketlm.train.attention import _attend

ROWS, HEADS, KV, LENGTH, PREFIX, WIDTH, SCALING = 40, 6, 2, 9, 33, 16, 0.3


def plainly(q: Tensor, k: Tensor, v: Tensor, front_k: Tensor, front_v: Tensor, window: int | None) -> Tensor:
    keys, values = (
        torch.cat([front.expand(ROWS, -1, -1, -1), own], dim=2).repeat_interleave(HEADS // KV, dim=1)
        for front, own in ((front_k, k), (front_v, v))
    )
    behind = torch.arange(LENGTH)[:, None] + PREFIX - torch.arange(PREFIX + LENGTH)
    hidden = (behind < 0) if window is None else (behind < 0) | (behind >= window)
    return (q @ keys.transpose(-1, -2) * SCALING).masked_fill(hidden, -torch.inf).softmax(-1) @ values


def tensors(size: float) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = (ROWS, HEADS, LENGTH), (ROWS, KV, LENGTH), (ROWS, KV, LENGTH), (KV, PREFIX), (KV, PREFIX)
    made = [torch.randn(*shape, WIDTH, generator=generator, dtype=torch.float64) for shape in shapes]
    return [made[0] * size, *made[1:]]


@pytest.mark.parametrize("window", [None, 12, 4])
# scores of a few units, and of hundreds, where exponents leave the floats
@pytest.mark.parametrize("size", [1.0, 60.0])
def test_is_softmax_over_the_prefix_and_the_own_tokens(size: float, window: int | None) -> None:
    mine, theirs = ([x.clone().requires_grad_() for x in tensors(size)] for _ in range(2))
    q, k, v, *front = mine
    got, want = _attend(q, k, v, (front[0], front[1]), SCALING, window), plainly(*theirs, window)
    along = torch.randn(want.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    got.backward(along)
    want.backward(along)
    torch.testing.assert_close(got, want, rtol=1e-5, atol=1e-5)
    for one, other in zip(mine, theirs, strict=True):
        assert (one.grad - other.grad).norm() <= 1e-5 * other.grad.norm()


def test_scores_below_the_floats_are_weighed_too() -> None:
    """Where every key looks away from a query, its largest score still counts."""
    q, k, v, front_k, front_v = (x.abs().float() for x in tensors(1.0))
    got = _attend(-q * 200, k, v, (front_k, front_v), SCALING)
    want = plainly(-q.double() * 200, k.double(), v.double(), front_k.double(), front_v.double(), None)
    torch.testing.assert_close(got.double(), want, rtol=1e-3, atol=1e-3)
