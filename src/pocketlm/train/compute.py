"""Which arithmetic trains fastest on this machine: measured, not guessed."""

from __future__ import annotations

import ctypes
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import psutil
import torch
from torch import nn

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.machine import remembered
from pocketlm.train.batches import Example, make_batch, plan_batches, shared_prefix
from pocketlm.train.linear import Int8Product

SMALL, LARGE = 1024, 8192  # tokens that never need to be cut into smaller pieces, and that always do
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


def choose_device(setting: str) -> torch.device:
    """What `train.device` asks for; for "auto" the accelerator that torch sees, else the processor.

    Raises:
        EnvironmentLacks: it is not there.
    """
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    name = next(kind for kind in ("cuda", "mps", "cpu") if there[kind]) if setting == "auto" else setting
    if not there[name]:
        raise EnvironmentLacks(
            f"train.device: torch sees no {name} here; write auto or cpu, or install a torch that does"
        )
    return torch.device(name)


def choose_compute(setting: str) -> Compute:
    """What `train.compute` asks for; for "auto", and for the floats beside "int8", the winner of a 0.2 s probe, once.

    bf16 must be 1.3 x as fast as fp32, and int8, rounding included, 1.3 x as fast as the better of the two.

    Raises:
        InputError: "int8" where it does not work.
    """
    if setting == "int8" and not Int8Product.works():
        raise InputError("train.compute: this machine or torch multiplies no bytes; set it to auto")
    if setting in ("auto", "int8"):
        setting = remembered(f"fastest arithmetic for {setting}, torch {torch.__version__}", lambda: _probe(setting))
    floats = torch.bfloat16 if setting.endswith("bf16") else torch.float32
    return Compute(floats, setting.startswith("int8"))


def _probe(setting: str) -> str:
    x, weight = torch.randn(512, 768), torch.randn(1536, 768)
    short, short_weight = x.bfloat16(), weight.bfloat16()
    fp32 = _best_seconds(lambda: x @ weight.t())
    bf16 = _best_seconds(lambda: short @ short_weight.t())
    name, dtype = ("bf16", torch.bfloat16) if bf16 * 1.3 < fp32 else ("fp32", torch.float32)
    if not Int8Product.works():
        return name
    if setting == "auto":
        product, x = Int8Product(weight), x.to(dtype)
        if _best_seconds(lambda: product(x)) * 1.3 > min(fp32, bf16):
            return name
    return f"int8+{name}"


def choose_threads(setting: int | None) -> int:
    """What `train.threads` asks for, else the faster of torch's own number and one a physical core."""
    torchs, cores = torch.get_num_threads(), psutil.cpu_count(logical=False)
    if setting or not cores or cores >= torchs:
        return setting or torchs
    return remembered(f"fastest of {cores} and {torchs} threads", lambda: _faster_threads(cores, torchs))


def _faster_threads(*counts: int) -> int:
    x, weight, before = torch.randn(512, 768), torch.randn(1536, 768), torch.get_num_threads()
    seconds = {}
    for count in counts:
        torch.set_num_threads(count)
        seconds[count] = _best_seconds(lambda: (x @ weight.t()).mul_(2))
    torch.set_num_threads(before)
    return min(seconds, key=lambda count: seconds[count])


def choose_micro(objective: nn.Module, rows: Sequence[Example], settings: TrainConfig, what: str) -> int:
    """What `train.micro_tokens` asks for, else the number of tokens that run fastest at once, measured on rows.

    Args:
        what: the model and what is trained, since the answer is kept for that.
    """
    if settings.micro_tokens or settings.batch_tokens <= SMALL:
        return settings.micro_tokens or settings.batch_tokens
    prefix, most = shared_prefix(rows), settings.batch_tokens
    # pieces of a batch are of like size: all of it, half, a quarter, ... and never more than LARGE
    sizes = sorted({-(-most // pieces) for pieces in (1, 2, 4, 8, 16, -(-most // LARGE))} - {0})
    sizes = [size for size in sizes if SMALL // 2 <= size <= LARGE]
    lengths = [len(row) - prefix for row in rows]
    device = next(objective.parameters()).device

    def measure() -> int:
        objective.train()
        seconds: dict[int, float] = {}
        for size in sizes:
            batch = make_batch([rows[i] for i in plan_batches(lengths, size, 0)[0]], prefix, size).to(device)
            once = _best_seconds(lambda batch=batch: objective(batch).backward(), repeats=2)  # type: ignore[misc]
            seconds[size] = once * most / size
            if seconds[size] > 1.1 * min(seconds.values()):
                break
        objective.zero_grad(set_to_none=True)
        good = 1.03 * min(seconds.values())  # of those, the smallest needs the least memory
        return next(size for size in sizes if seconds[size] <= good)

    again = ", blocks computed again" if settings.checkpointing else ""
    return remembered(f"fastest number of at most {most} tokens at once after {prefix} shared, {what}{again}", measure)


def _best_seconds(work: Callable[[], object], repeats: int = 7) -> float:
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times)  # whatever else runs can only make a try slower
