"""Packages that only some commands need: imported when they do, named with their install line when missing."""

from __future__ import annotations

import importlib
from typing import Any

from pocketlm.core.errors import EnvironmentLacks


def need(module: str, what: str, extra: str, package: str = "") -> Any:
    """Import `module`, which `what` needs and our `extra` brings.

    Raises:
        EnvironmentLacks: it is not installed, with the line that installs it.
    """
    try:
        return importlib.import_module(module)
    except ImportError:
        name = package or module.partition(".")[0]
        raise EnvironmentLacks(f"{what} needs {name}: pip install 'pocketlm[{extra}]'") from None
