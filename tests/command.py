"""A command of ours as one types it."""

from __future__ import annotations

import sys

import pytest

from pocketlm.cli import main as cli


def call(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: object
) -> tuple[int, str, str]:
    """Run `pocketlm ARGUMENTS` here -> exit code, output, errors."""
    monkeypatch.setattr(sys, "argv", ["pocketlm", *map(str, arguments)])
    capsys.readouterr()
    with pytest.raises(SystemExit) as left:
        cli.main()
    out, err = capsys.readouterr()
    return int(left.value.code or 0), out, err
