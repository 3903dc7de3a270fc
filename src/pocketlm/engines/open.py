"""`open_engine(uri)`: one door to every engine, and `open_teacher(uri)` to whatever answers dialogues."""

from __future__ import annotations

from pathlib import Path

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Engine
from pocketlm.engines.remote import OPENERS, OWN_KEY, OpenAITeacher
from pocketlm.engines.teacher import LocalTeacher, Teacher


def open_engine(uri: str, *, threads: int | None = None) -> Engine:
    """Open what `uri` names.

    `runs/NAME`, a model folder, `hf:NAME`, `starter:NAME` -> torch; `FILE.gguf` -> llama.cpp.

    Args:
        threads: processor threads for its arithmetic; by default what the engine thinks best. torch has one number
            for the whole process, so there it holds for all that follows.

    Raises:
        InputError: nothing there, or a kind we do not know. EnvironmentLacks: the engine's package is missing.
    """
    place = engine_path(uri)
    if place.suffix == ".gguf":
        from pocketlm.engines.llamacpp import LlamaCppEngine

        return LlamaCppEngine(place, threads=threads)
    from pocketlm.engines.torch_engine import TorchEngine

    return TorchEngine(place, uri, threads=threads)


def engine_path(uri: str) -> Path:
    """The GGUF file or the model folder that `open_engine` opens for `uri`; a starter is fetched if it is not here yet.

    Raises:
        InputError: nothing there. EnvironmentLacks: it cannot be fetched.
    """
    if uri.endswith(".gguf"):
        return Path(uri)
    if uri.startswith(("starter:", "hf:")):
        from pocketlm.models.load import resolve_base

        return resolve_base(uri)
    folder = Path(uri)
    if not folder.is_dir():
        raise InputError(f"{uri}: no such run, model folder or .gguf file; starters are written starter:NAME")
    gguf = next(iter(sorted(folder.glob("*.gguf"))), None)
    if not (folder / "model").is_dir() and not (folder / "config.json").is_file() and gguf:
        return gguf
    return folder / "model" if (folder / "model" / "config.json").is_file() else folder


def open_teacher(uri: str, *, threads: int | None = None) -> Teacher:
    """Open what `uri` names as a teacher: `anthropic:MODEL`, `openai:MODEL`, `google:MODEL`,
    `http://HOST/v1#MODEL` for a server that speaks as OpenAI's, or any engine of this machine.

    Raises:
        InputError: no model is named, or no such engine. EnvironmentLacks: a package or an API key is missing.
    """
    scheme, _, name = uri.partition(":")
    if scheme in OPENERS:
        if not name:
            raise InputError(f"{uri}: name a model, such as {scheme}:MODEL")
        opened: Teacher = OPENERS[scheme](uri, name)
        return opened
    if scheme in ("http", "https"):
        base, _, model = uri.partition("#")
        if not model:
            raise InputError(f"{uri}: name a model after a #, such as {uri}#MODEL")
        if "@" in base:
            raise InputError(f"{base.partition('@')[2]}: put no password into an address; give the key in {OWN_KEY}")
        return OpenAITeacher(uri, model)
    return LocalTeacher(open_engine(uri, threads=threads))
