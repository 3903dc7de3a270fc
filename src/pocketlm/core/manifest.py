"""The manifest.json of a stage's folder: what it was made from, by what, when. Knows nothing of any stage's content."""

from __future__ import annotations

import platform
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json, sha256_file, write_json

NAME = "manifest.json"
# The packages whose version can change a result.
WATCHED = ("torch", "transformers", "peft", "accelerate", "tokenizers", "safetensors", "gguf", "xllamacpp", "numpy")


def write_manifest(folder: Path, fields: Mapping[str, Any]) -> None:
    """Write `folder`/manifest.json: `fields` ("kind" among them, usually "inputs" too) with time, machine and versions."""
    about = {
        "kind": fields["kind"],
        "created": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "pocketlm": _version("pocketlm") or "unknown",
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": {name: found for name in WATCHED if (found := _version(name))},
        "inputs": {},
    }
    write_json(Path(folder) / NAME, {**about, **fields})


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a folder.

    Raises:
        InputError: there is none, or it is not the JSON we write.
    """
    path = Path(folder) / NAME
    if not path.is_file():
        raise InputError(
            f"{folder}: has no {NAME}; it is not a folder written by pocketlm, or its writing was cut short"
        )
    value = read_json(path)
    if not isinstance(value, dict) or "kind" not in value:
        raise InputError(f'{path}: expected an object with "kind"; delete the folder and make it again')
    return value


def hash_inputs(paths: Iterable[Path]) -> dict[str, str]:
    """Path -> SHA-256 of its bytes, as a manifest's "inputs"."""
    return {str(path): sha256_file(path) for path in paths}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
