"""Silence for native libraries that write their log straight to the process's outputs, past Python."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def muted() -> Iterator[None]:
    """Keep standard output and error of the whole process, native code included, to ourselves.

    An exception that leaves the block carries the last written lines as a note where Python knows notes (3.11).
    """
    with suppress(Exception):
        sys.stdout.flush()
        sys.stderr.flush()
    with tempfile.TemporaryFile() as heard:
        kept = [os.dup(1), os.dup(2)]
        try:
            os.dup2(heard.fileno(), 1)
            os.dup2(heard.fileno(), 2)
            yield
        except Exception as error:
            heard.seek(0)
            lines = heard.read().decode("utf-8", "replace").splitlines()
            if lines and hasattr(error, "add_note"):
                error.add_note("\n".join(lines[-20:]))
            raise
        finally:
            with suppress(Exception):
                sys.stdout.flush()
                sys.stderr.flush()
            for handle, old in enumerate(kept, start=1):
                os.dup2(old, handle)
                os.close(old)
