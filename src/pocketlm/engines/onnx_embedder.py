"""An ONNX file of a sentence encoder on ONNX Runtime: the vectors that a phone will make.

The graph gives a text's finished vector: states are pooled and made of length 1 inside the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.core.machine import cores
from pocketlm.engines.batching import by_length
from pocketlm.engines.onnx_engine import open_session
from pocketlm.models.tokens import TOKENIZER

TOKENS = 192  # of the texts that are read at once: what stays in a core's cache; in 8 bits they also share their scales


class OnnxEmbedder:
    """A file that turns texts into vectors on the CPU.

    Args:
        path: the .onnx file; beside it lie its weights and the tokenizer, which knows how long a text may be.
        threads: texts that are read side by side, each by one processor; by default one for each.

    Raises:
        InputError: the folder is not whole, or the file gives no vectors. EnvironmentLacks: onnxruntime is not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        path = Path(path)
        if not (path.parent / TOKENIZER).is_file():
            raise InputError(f"{path.parent}: has no tokenizer.json, which belongs beside {path.name}")
        self.uri = str(path)
        self._session = open_session(path, 1)
        (vector, *_) = self._session.get_outputs()
        if len(vector.shape) != 2 or not isinstance(vector.shape[1], int):
            raise InputError(f"{path}: gives no vector of a text; is it a file of an encoder?")
        self._width = vector.shape[1]
        self._folder = path.parent
        self._tokenizer = _tokenizer(path.parent)
        told = read_json(path.parent / "tokenizer_config.json")
        self._tokenizer.enable_truncation(int(told["model_max_length"]))
        self._pool = ThreadPoolExecutor(threads or cores())

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `embedder.Embedder`. A text longer than the model reads is cut."""
        vectors: NDArray[np.float32] = np.zeros((len(texts), self._width), np.float32)
        ids = [cut.ids for cut in self._tokenizer.encode_batch(list(texts))]

        def read(rows: list[int]) -> None:
            longest = max(len(ids[i]) for i in rows)
            tokens, real = np.zeros((len(rows), longest), np.int64), np.zeros((len(rows), longest), np.int64)
            for row, i in enumerate(rows):
                tokens[row, : len(ids[i])], real[row, : len(ids[i])] = ids[i], 1
            vectors[rows] = self._session.run(None, {"input_ids": tokens, "attention_mask": real})[0]

        list(self._pool.map(read, by_length([len(tokens) for tokens in ids], TOKENS)))
        return vectors

    def tokenize(self, text: str) -> list[int]:
        """Token ids with what the model wants around a text, uncut."""
        ids: list[int] = self._uncut.encode(text).ids
        return ids

    @cached_property
    def _uncut(self) -> Tokenizer:
        return _tokenizer(self._folder)

    def close(self) -> None:
        """Free the model."""
        self._pool.shutdown()
        del self._session


def _tokenizer(folder: Path) -> Tokenizer:
    """The folder's tokenizer without transformers, whose import takes longer than an embedding of a hundred texts."""
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
    tokenizer.no_padding()
    tokenizer.no_truncation()
    return tokenizer
