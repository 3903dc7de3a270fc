"""Ctrl-C waits until the work is at a good place, the second one does not."""

from __future__ import annotations

import os
import signal

import pytest

from pocketlm.core.interrupt import interrupts_wait


def press() -> None:
    os.kill(os.getpid(), signal.SIGINT)


def test_an_interrupt_waits_until_asked_for_and_is_never_lost() -> None:
    before, done = signal.getsignal(signal.SIGINT), []
    with pytest.raises(KeyboardInterrupt), interrupts_wait() as asked:
        assert not asked()
        press()
        done.append("the step is finished")
        assert asked()
    assert done == ["the step is finished"]
    assert signal.getsignal(signal.SIGINT) is before


def test_a_second_interrupt_does_not_wait() -> None:
    with pytest.raises(KeyboardInterrupt), interrupts_wait():
        press()
        press()
        raise AssertionError("not reached")


def test_without_an_interrupt_nothing_happens() -> None:
    with interrupts_wait() as asked:
        pass
    assert not asked()
