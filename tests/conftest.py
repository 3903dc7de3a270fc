"""Shared by all tests: no network but loopback, and a cache of its own where a test asks for one."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
import tiny

from pocketlm.core import progress

REPO = Path(__file__).parents[1]


@pytest.fixture(autouse=True)
def no_network(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A test that leaves this machine fails, unless it is marked to fetch a starter."""
    if "starter" in request.keywords:
        return
    monkeypatch.setenv("POCKETLM_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))
    connect = socket.socket.connect

    def guarded(self: socket.socket, address: Any) -> None:
        if isinstance(address, tuple) and not str(address[0]).startswith(("127.", "localhost", "::1")):
            raise AssertionError(f"a test tried to reach {address}")
        connect(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(scope="session")
def tiny_llama(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer Llama with a byte-level tokenizer."""
    return Path(tiny.make_tiny_llama(tmp_path_factory.mktemp("tiny") / "model"))


@pytest.fixture(autouse=True)
def as_talkative_as_at_first(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command with --json silenced speaks again in the next test."""
    monkeypatch.setattr(progress, "quiet", False)
