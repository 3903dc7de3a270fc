"""A room that can be called: `pl.evaluate(...)` works although `pocketlm.evaluate` is a folder too."""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import Any


def callable_room(package: str, module: str, verb: str) -> None:
    """Let calls of a package go to a function in one of its modules, imported at the first call."""

    class Room(ModuleType):
        def __call__(self, *args: Any, **settings: Any) -> Any:
            return getattr(import_module(f"{package}.{module}"), verb)(*args, **settings)

    sys.modules[package].__class__ = Room
