"""A .tflite sentence encoder on LiteRT: the vectors that a phone will make.

The model's signatures `embed_N` read texts of up to N tokens, one text at a time; beside the model lies its tokenizer.json.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.engines.litert_runtime import LitertModel, read
from pocketlm.models.tokens import TOKENIZER


class LitertEmbedder:
    """A .tflite model that turns texts into vectors on the CPU. Texts longer than it reads are cut.

    Raises:
        InputError: the file, its tokenizer or its signatures are not there. EnvironmentLacks: LiteRT is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        from tokenizers import Tokenizer

        path = Path(path)
        words = path.with_name(TOKENIZER)
        for file in (path, words):
            if not file.is_file():
                raise InputError(f"{file}: no such file; a .tflite encoder needs its tokenizer.json beside it")
        self.uri = str(path)
        self._model = LitertModel(path.read_bytes(), self.uri, threads)
        names = [name for name in self._model.signatures if name.startswith("embed_")]
        if not names:
            raise InputError(f"{path}: has no signature embed_N; only encoders that pocketlm exported are opened here")
        self._feeds = {
            int(s[6:]): {n: self._model.buffer(s, n) for n in self._model.signatures[s]["inputs"]} for s in names
        }
        self._out = self._model.buffer(names[0], "vector")
        self._width = int(self._model.outputs(names[0])["vector"]["shape"][-1])
        self._tokenizer = Tokenizer.from_file(str(words))
        self._tokenizer.no_padding()
        self._tokenizer.enable_truncation(max(self._feeds))

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `embedder.Embedder`."""
        vectors = np.zeros((len(texts), self._width), dtype=np.float32)
        for row, text in enumerate(texts):
            if ids := self._tokenizer.encode(text).ids:
                vectors[row] = self._vector(ids)
        return vectors

    def close(self) -> None:
        """Free the model."""
        self._model.close()

    def _vector(self, ids: list[int]) -> NDArray[np.float32]:
        size = min(size for size in self._feeds if size >= len(ids))
        both = np.zeros((2, 1, size), np.int32)
        both[0, 0, : len(ids)], both[1, 0, : len(ids)] = ids, 1
        feed = self._feeds[size]
        feed["tokens"].write(both[0])
        feed["mask"].write(both[1])
        self._model.run(f"embed_{size}", feed, {"vector": self._out})
        return read(self._out, self._width)
