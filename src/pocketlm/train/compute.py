"""Which arithmetic trains fastest on this machine: measured, not guessed."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch

from pocketlm.core.errors import InputError
from pocketlm.train.linear import Int8Product

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


@dataclass(frozen=True)
class Compute:
    """The arithmetic of a training: the type of weights and activations, and whether frozen products run in 8 bits."""

    dtype: torch.dtype
    int8: bool = False

    @property
    def setting(self) -> str:
        """The setting that asks for just this."""
        floats = "bf16" if self.dtype == torch.bfloat16 else "fp32"
        return f"int8+{floats}" if self.int8 else floats

    def autocast(self, method: str) -> torch.dtype | None:
        """What products run in where a method's weights stay in fp32; None: in the weights' own type."""
        return torch.bfloat16 if method == "full" and self.dtype == torch.bfloat16 else None

    def __str__(self) -> str:
        return self.setting.replace("+", " and ")


def choose_compute(setting: str) -> Compute:
    """What `train.compute` asks for; for "auto", and for the floats beside "int8", the winner of a 0.2 s probe.

    bf16 must be 1.3 x as fast as fp32, and int8, rounding included, 1.3 x as fast as the better of the two.

    Raises:
        InputError: "int8" where it does not work.
    """
    floats = {"fp32": torch.float32, "bf16": torch.bfloat16}
    if setting.removeprefix("int8+") in floats:
        return Compute(floats[setting.removeprefix("int8+")], setting.startswith("int8+"))
    x, weight = torch.randn(512, 768), torch.randn(1536, 768)
    short, short_weight = x.bfloat16(), weight.bfloat16()
    fp32 = _best_seconds(lambda: x @ weight.t())
    bf16 = _best_seconds(lambda: short @ short_weight.t())
    dtype = torch.bfloat16 if bf16 * 1.3 < fp32 else torch.float32
    if not Int8Product.works():
        if setting == "int8":
            raise InputError("train.compute: this machine or torch multiplies no bytes; set it to auto")
        return Compute(dtype)
    if setting == "auto":
        product, x = Int8Product(weight), x.to(dtype)
        if _best_seconds(lambda: product(x)) * 1.3 > min(fp32, bf16):
            return Compute(dtype)
    return Compute(dtype, int8=True)


def _best_seconds(work: Callable[[], torch.Tensor], repeats: int = 7) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)  # whatever else runs can only make a try slower
