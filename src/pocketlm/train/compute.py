"""Which arithmetic trains fastest on this machine: measured, not guessed."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable

import torch

TRIM_THRESHOLD, TOP_PAD, MMAP_MAX = -1, -2, -4  # mallopt's names, from glibc's malloc.h
HUGEPAGE, PAGE = 14, 2 << 20  # madvise's name for pages of 2 MB, from Linux's mman.h
RESERVE = 1900 << 20  # bytes of addresses for training; from 2 GB on glibc would return them


def keep_freed_memory() -> None:
    """Let the process keep what it frees, in large pages: the next step's tensors then need no fresh pages.

    glibc gives every tensor over some megabytes its own mapping and returns it at once; a product into fresh memory took
    twice as long as into used memory here. Large pages made a training step 8 % faster: fewer addresses to look up. To
    be called once the model is loaded: what loading frees would be holes that scatter training's memory (30 % slower
    after 400 steps). Other C libraries are left as they are.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None)
    if not all(hasattr(libc, name) for name in ("mallopt", "madvise")):
        return
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    libc.mallopt(MMAP_MAX, 0)
    libc.mallopt(TRIM_THRESHOLD, 2**31 - 1)
    libc.mallopt(TOP_PAD, 64 << 20)
    if reserve := libc.malloc(RESERVE):  # larger than any hole, so it moves the end of the heap
        start = -(-reserve // PAGE) * PAGE
        libc.madvise(start, reserve + RESERVE - start, HUGEPAGE)
        libc.free(reserve)


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
    fp32 = _best_seconds(lambda: torch.nn.functional.linear(x, w))
    bf16 = _best_seconds(lambda: torch.nn.functional.linear(xb, wb))
    int8 = _best_seconds(lambda: torch._int_mm(xi, wi.t()))
    floats = "bf16" if bf16 * 1.3 < fp32 else "fp32"
    return "int8" if int8 * 2 < min(fp32, bf16) else floats


def _best_seconds(work: Callable[[], torch.Tensor], repeats: int = 7) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)  # whatever else runs can only make a try slower
