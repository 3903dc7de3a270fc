"""`open_engine(uri)`: one door to every engine, and `open_teacher(uri)` to whatever answers dialogues."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import cast

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Engine
from pocketlm.engines.classifier import Classifier, is_classifier
from pocketlm.engines.remote import OPENERS, OWN_KEY, OpenAITeacher
from pocketlm.engines.teacher import LocalTeacher, Teacher

# an exported file's ending -> the engine of its runtime
EXPORTED = {
    ".gguf": "pocketlm.engines.llamacpp:LlamaCppEngine",
    ".onnx": "pocketlm.engines.onnx_engine:OnnxEngine",
    ".litertlm": "pocketlm.engines.litert_engine:LitertEngine",
}


def open_engine(uri: str, *, threads: int | None = None) -> Engine:
    """Open what `uri` names.

    `runs/NAME`, a model folder, `hf:NAME`, `starter:NAME` -> torch; an exported file or the bundle that holds it -> its runtime;
    a folder with a classifier's head, or an exported file beside one -> the classifier.

    Args:
        threads: processor threads for its arithmetic; by default what the engine thinks best. torch has one number
            for the whole process, so there it holds for all that follows.

    Raises:
        InputError: nothing there, or a kind we do not know. EnvironmentLacks: the engine's package is missing.
    """
    if is_classifier(home_of(uri)):
        return cast(Engine, Classifier.open(home_of(uri), uri, threads=threads))
    place = engine_path(uri)
    if place.suffix in EXPORTED:
        module, _, made = EXPORTED[place.suffix].partition(":")
        opened: Engine = getattr(import_module(module), made)(place, threads=threads)
        return opened
    from pocketlm.engines.torch_engine import TorchEngine

    return TorchEngine(place, uri, threads=threads)


def engine_path(uri: str) -> Path:
    """The exported file or the model folder that `open_engine` opens for `uri`; a starter is fetched if it is not here yet.

    Raises:
        InputError: nothing there. EnvironmentLacks: it cannot be fetched.
    """
    if is_exported(uri):
        return Path(uri)
    if uri.startswith(("starter:", "hf:")):
        from pocketlm.models.load import resolve_base

        return resolve_base(uri)
    folder = Path(uri)
    if not folder.is_dir():
        raise InputError(f"{uri}: no such run, model folder or exported file; starters are written starter:NAME")
    if (folder / "model" / "config.json").is_file():
        return folder / "model"
    files = [file for ending in EXPORTED for file in sorted(folder.glob(f"*{ending}"))]
    return files[0] if files else folder


def files_of(exported: Path) -> list[Path]:
    """The files of an exported file: itself, and what holds its weights beside it, such as model.onnx.data."""
    beside = exported.with_name(f"{exported.name}.data")
    return [exported, beside] if beside.is_file() else [exported]


def is_exported(uri: str) -> bool:
    """Whether a name is that of an exported file."""
    return uri.endswith(tuple(EXPORTED))


def home_of(uri: str) -> Path:
    """The folder that holds what belongs to an engine, such as its tools and its calibration."""
    return Path(uri).parent if is_exported(uri) or uri.endswith(".tflite") else Path(uri)


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
