"""What a process says of its own memory."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pocketlm.core.machine import memory_peak

HELD = 300_000_000


def test_the_peak_is_of_this_process() -> None:
    held = b"\1" * HELD
    assert memory_peak() > HELD
    del held
    assert memory_peak() > HELD


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere the system counts otherwise")
def test_what_the_parent_held_does_not_count() -> None:
    held = b"\1" * HELD
    asked = [sys.executable, "-c", "from pocketlm.core.machine import memory_peak; print(memory_peak())"]
    told = subprocess.run(asked, check=True, capture_output=True, text=True).stdout
    assert len(held) == HELD and 1_000_000 < int(told) < 0.7 * HELD
