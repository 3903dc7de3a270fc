"""An ONNX file of a sentence encoder on ONNX Runtime: the vectors that a phone will make.

The graph gives a text's finished vector: states are pooled and made of length 1 inside the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.engines.batching import by_length
from pocketlm.engines.onnx_engine import open_session
from pocketlm.models.load import load_tokenizer


class OnnxEmbedder:
    """A file that turns texts into vectors on the CPU.

    Args:
        path: the .onnx file; beside it lie its weights and the tokenizer, which knows how long a text may be.

    Raises:
        InputError: the folder is not whole, or the file gives no vectors. EnvironmentLacks: onnxruntime is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        path = Path(path)
        if not (path.parent / "tokenizer.json").is_file():
            raise InputError(f"{path.parent}: has no tokenizer.json, which belongs beside {path.name}")
        self.uri = str(path)
        self._session = open_session(path, threads)
        (vector, *_) = self._session.get_outputs()
        if len(vector.shape) != 2 or not isinstance(vector.shape[1], int):
            raise InputError(f"{path}: gives no vector of a text; is it a file of an encoder?")
        self._width = vector.shape[1]
        self._tokenizer = load_tokenizer(path.parent)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `embedder.Embedder`. A text longer than the model reads is cut."""
        vectors: NDArray[np.float32] = np.zeros((len(texts), self._width), np.float32)
        if not texts:
            return vectors
        cut = self._tokenizer(list(texts), truncation=True, max_length=self._tokenizer.model_max_length)
        ids: list[list[int]] = cut["input_ids"]
        for rows in by_length([len(tokens) for tokens in ids]):
            longest = max(len(ids[i]) for i in rows)
            tokens, real = np.zeros((len(rows), longest), np.int64), np.zeros((len(rows), longest), np.int64)
            for row, i in enumerate(rows):
                tokens[row, : len(ids[i])], real[row, : len(ids[i])] = ids[i], 1
            vectors[rows] = self._session.run(None, {"input_ids": tokens, "attention_mask": real})[0]
        return vectors

    def tokenize(self, text: str) -> list[int]:
        """Token ids with what the model wants around a text, uncut."""
        ids: list[int] = self._tokenizer(text)["input_ids"]
        return ids

    def close(self) -> None:
        """Free the model."""
        del self._session
