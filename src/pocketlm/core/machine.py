"""What this machine has and what this process uses of it."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import psutil

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.files import existing_parent, read_json, write_json
from pocketlm.core.progress import say

T = TypeVar("T")


def memory_used() -> int:
    """Bytes of memory this process holds now."""
    return int(psutil.Process().memory_info().rss)


def memory_peak() -> int:
    """The most bytes of memory this process has held."""
    status = Path("/proc/self/status")  # Linux's getrusage begins with what the parent held
    if status.is_file() and (found := re.search(r"^VmHWM:\s*(\d+) kB", status.read_text(), re.MULTILINE)):
        return int(found[1]) * 1024
    try:
        import resource
    except ImportError:  # Windows
        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def cores() -> int:
    """Processors that this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def busy(seconds: float = 0.5) -> float:
    """Share of the processors that was in use during so many seconds from now, 0..1."""
    return float(psutil.cpu_percent(interval=seconds)) / 100


def memory_free() -> int:
    """Bytes that a new process could have."""
    return int(psutil.virtual_memory().available)


def disk_free(path: Path) -> int:
    """Bytes free where `path` is or will be."""
    return shutil.disk_usage(existing_parent(path)).free


def cache_dir() -> Path:
    """Where models and measurements are kept: $POCKETLM_CACHE, or the user's cache folder."""
    default = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache")) / "pocketlm"
    return Path(os.environ.get("POCKETLM_CACHE", default))


def remembered(what: str, measure: Callable[[], T]) -> T:
    """What was measured on this machine before, or what `measure` finds now (a JSON value).

    Kept in the cache's measured.json; delete it to measure anew.
    """
    file, key = cache_dir() / "measured.json", f"{what}; {describe()}"
    try:
        known = read_json(file)
    except InputError:  # none yet, or damaged
        known = {}
    if key not in known:
        known[key] = measure()
        say(f"Measured: {what}: {known[key]} (kept in {file}; delete it to measure anew)")
        with suppress(EnvironmentLacks):  # no room or permission: then it is measured each time
            write_json(file, known)
    found: T = known[key]
    return found


def describe() -> str:
    """The machine in a few words: processor, cores, memory."""
    memory = psutil.virtual_memory().total / 2**30
    return f"{_processor()}, {os.cpu_count()} cores, {memory:.0f} GB, {platform.system()}"


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        names = [
            line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")
        ]
        if names:
            return names[0]
    return platform.processor() or platform.machine()
