"""What native code writes past Python is kept from the user, and told where something fails."""

from __future__ import annotations

import os
import sys

import pytest

from pocketlm.core.quiet import muted


def test_nothing_is_heard_and_all_is_as_before(capfd: pytest.CaptureFixture[str]) -> None:
    with muted():
        os.write(1, b"native")
        os.write(2, b"native")
    print("after")
    heard = capfd.readouterr()
    assert (heard.out, heard.err) == ("after\n", "")


@pytest.mark.skipif(sys.version_info < (3, 11), reason="notes of exceptions came with Python 3.11")
def test_an_error_carries_what_was_said() -> None:
    with pytest.raises(ValueError, match="broken") as caught, muted():
        os.write(2, b"the reason\n")
        raise ValueError("broken")
    assert caught.value.__notes__ == ["the reason"]
