"""What this machine has and what this process uses of it."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from pathlib import Path

import psutil


def memory_used() -> int:
    """Bytes of memory this process holds now."""
    return int(psutil.Process().memory_info().rss)


def memory_peak() -> int:
    """The most bytes of memory this process has held."""
    try:
        import resource
    except ImportError:  # Windows
        return int(getattr(psutil.Process().memory_info(), "peak_wset", 0))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def memory_free() -> int:
    """Bytes that a new process could have."""
    return int(psutil.virtual_memory().available)


def disk_free(path: Path) -> int:
    """Bytes free where `path` is or will be."""
    path = Path(path).absolute()
    while not path.exists():
        path = path.parent
    return shutil.disk_usage(path).free


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
