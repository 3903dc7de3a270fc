"""Ctrl-C waits until it is asked for, the second one does not."""

from __future__ import annotations

import os
import signal

import pytest

from pocketlm.core.interrupt import interrupts_wait


def test_an_interrupt_waits_for_the_check() -> None:
    before = signal.getsignal(signal.SIGINT)
    done = []
    with pytest.raises(KeyboardInterrupt), interrupts_wait() as check:
        check()
        os.kill(os.getpid(), signal.SIGINT)
        done.append("the step is finished")
        check()
        done.append("not reached")
    assert done == ["the step is finished"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_wait():
        for _ in range(2):
            os.kill(os.getpid(), signal.SIGINT)
        raise AssertionError("not reached")
