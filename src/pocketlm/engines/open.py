"""`open_engine(uri)`: one door to every engine. A new engine is one line in the function below."""

from __future__ import annotations

from pathlib import Path

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Engine


def open_engine(uri: str, *, threads: int | None = None) -> Engine:
    """Open what `uri` names.

    `runs/NAME`, a model folder, `hf:NAME`, `starter:NAME` -> torch; `FILE.gguf` -> llama.cpp.

    Raises:
        InputError: nothing there, or a kind we do not know. EnvironmentLacks: the engine's package is missing.
    """
    if uri.endswith(".gguf"):
        from pocketlm.engines.llamacpp import LlamaCppEngine

        return LlamaCppEngine(Path(uri), threads=threads)
    from pocketlm.engines.torch_engine import TorchEngine

    if uri.startswith(("starter:", "hf:")):
        from pocketlm.models.load import resolve_base

        return TorchEngine(resolve_base(uri), uri)
    folder = Path(uri)
    if not folder.is_dir():
        raise InputError(f"{uri}: no such run, model folder or .gguf file; starters are written starter:NAME")
    gguf = next(iter(sorted(folder.glob("*.gguf"))), None)
    if not (folder / "model").is_dir() and not (folder / "config.json").is_file() and gguf:
        return open_engine(str(gguf), threads=threads)
    return TorchEngine(folder / "model" if (folder / "model" / "config.json").is_file() else folder, uri)
