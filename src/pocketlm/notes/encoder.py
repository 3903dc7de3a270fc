"""The encoder of a notes file: a small one that starts at once, in the file that a phone would run."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.files import atomic_dir
from pocketlm.core.machine import cache_dir
from pocketlm.core.progress import say
from pocketlm.engines.embedder import Embedder, open_embedder

DEFAULT = "minilm-int8"  # all-MiniLM-L6-v2 in 8 bits on ONNX Runtime
WITH_FORM = re.compile(rf"{DEFAULT}(-\d+)?")
BASE = "starter:minilm-l6"


class NoEncoder:
    """Vectors of no numbers: notes are found by their words alone, and no model is needed."""

    uri = "none"

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (texts, 0)."""
        return np.zeros((len(texts), 0), dtype=np.float32)

    def close(self) -> None:
        """Nothing is held."""


def named(uri: str) -> str:
    """An encoder's name as a notes file keeps it: the default's has the form of its file behind it, since vectors of two forms
    are those of two encoders. Of another form's name it is the name of the one at hand.
    """
    if not WITH_FORM.fullmatch(uri):
        return uri
    from pocketlm.export.onnx import OnnxFormat

    return f"{DEFAULT}-{OnnxFormat.form}"


def open_encoder(uri: str = DEFAULT) -> Embedder:
    """Open `minilm-int8` (also as `named`), which is exported once and kept, `none`, or whatever `open_embedder` opens, such as
    `static`.

    Raises:
        InputError: no such encoder. EnvironmentLacks: a package or a download is missing.
    """
    if uri == NoEncoder.uri:
        return NoEncoder()
    if not WITH_FORM.fullmatch(uri):
        return open_embedder(uri)
    embedder = open_embedder(str(_exported()))
    embedder.uri = named(DEFAULT)
    return embedder


def _exported() -> Path:
    """The ONNX file of the default encoder; made where it is not there yet."""
    folder = cache_dir() / "encoders" / named(DEFAULT)
    if not (folder / "model.onnx").is_file():
        from pocketlm.export.base import Source
        from pocketlm.export.onnx import OnnxFormat
        from pocketlm.models.load import lineage, resolve_encoder

        say("preparing the encoder of notes (once)")
        with atomic_dir(folder) as made:
            source = Source(resolve_encoder(BASE), "minilm-l6", "encoder", lineage=lineage(BASE))
            OnnxFormat().convert(source, made, "int8")
    return folder / "model.onnx"
