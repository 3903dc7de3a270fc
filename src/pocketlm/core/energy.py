"""Energy as the processor itself counts it (RAPL, on Intel's and AMD's), where Linux lets us read it: mostly as root only."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

POWERCAP = Path("/sys/class/powercap")


def energy_meter(root: Path = POWERCAP) -> Callable[[], float] | None:
    """Start counting: a function that tells the joules used since now, or None where nothing can be read.

    It counts whole processor packages, whatever runs on them, and neither screen nor disk. A counter is taken to start over
    at most once, which takes the better part of an hour at full power.

    Source: https://docs.kernel.org/power/powercap/powercap.html
    """
    try:
        packages = [
            zone for zone in sorted(root.glob("intel-rapl:*"))
            if (zone / "name").read_text().startswith("package")  # the others are parts of these, or hold these
        ]  # fmt: skip
        before = [_number(zone / "energy_uj") for zone in packages]
        ranges = [_number(zone / "max_energy_range_uj") + 1 for zone in packages]
    except (OSError, ValueError):
        return None

    def joules() -> float:
        now = [_number(zone / "energy_uj") for zone in packages]
        return sum((end - start) % span for end, start, span in zip(now, before, ranges, strict=True)) / 1e6

    return joules if packages else None


def _number(file: Path) -> int:
    return int(file.read_text())
