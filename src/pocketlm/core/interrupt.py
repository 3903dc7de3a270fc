"""Ctrl-C at a time of our choosing: between two steps, when what is saved fits together."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from pocketlm.core.progress import say


@contextmanager
def interrupts_wait() -> Iterator[Callable[[], bool]]:
    """Yield `asked()`: whether Ctrl-C was pressed. Pressed twice it interrupts at once, and at the latest at the end.

    Outside of the main thread Python delivers no signals, and nothing changes.
    """
    pressed = False

    def note(number: int, frame: FrameType | None) -> None:
        nonlocal pressed
        if pressed:
            raise KeyboardInterrupt
        pressed = True
        say("Stopping after what is under way; Ctrl-C again stops at once and loses that")

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    before = signal.signal(signal.SIGINT, note)
    try:
        yield lambda: pressed
    finally:
        signal.signal(signal.SIGINT, before or signal.SIG_DFL)
    if pressed:
        raise KeyboardInterrupt
