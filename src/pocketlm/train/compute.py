"""Which arithmetic trains fastest on this machine: measured, not guessed."""

from __future__ import annotations

import time
from collections.abc import Callable

import torch


def choose_compute(setting: str) -> str:
    """`fp32`, `bf16` or `int8` for the frozen products: `setting` itself, or for "auto" the winner of a 0.1 s probe.

    int8 must be more than 2 x faster than the best float to pay for its rounding work, bf16 1.3 x.
    """
    if setting != "auto":
        return setting
    tokens, width = 512, 768
    x, w = torch.randn(tokens, width), torch.randn(width, width)
    xb, wb = x.bfloat16(), w.bfloat16()
    xi, wi = x.to(torch.int8), w.to(torch.int8)
    fp32 = _median_seconds(lambda: torch.nn.functional.linear(x, w))
    bf16 = _median_seconds(lambda: torch.nn.functional.linear(xb, wb))
    int8 = _median_seconds(lambda: torch._int_mm(xi, wi.t()))
    floats = "bf16" if bf16 * 1.3 < fp32 else "fp32"
    return "int8" if int8 * 2 < min(fp32, bf16) else floats


def _median_seconds(work: Callable[[], torch.Tensor], repeats: int = 7) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return sorted(times)[repeats // 2]
