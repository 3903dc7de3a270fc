"""A GGUF file of an encoder on llama.cpp: the vectors that a phone will make.

The vector of a text is pooled as the file says (`pooling_type`); a file that does not say is a language model, and the mean
of its tokens' last states is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.machine import cores
from pocketlm.engines.llamacpp_server import LlamaCppServer
from pocketlm.models.gguf_header import check_gguf

POOLINGS = {1: "mean", 2: "cls", 3: "last"}  # llama.cpp's numbers in a file's metadata
LONGEST = 2048  # tokens read of a text; an encoder computes all at once
BATCH = 32  # texts a request


class LlamaCppEmbedder:
    """A GGUF file that turns texts into vectors on the CPU.

    Raises:
        InputError: the file is damaged, or llama.cpp cannot load it.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        metadata = check_gguf(path).metadata
        kind = metadata.get("general.architecture")
        self.uri = str(path)
        self._longest = min(LONGEST, int(metadata.get(f"{kind}.context_length", LONGEST)))
        self._width = int(metadata.get(f"{kind}.embedding_length", 0))
        pooling = POOLINGS.get(metadata.get(f"{kind}.pooling_type", 1), "mean")
        self._server = LlamaCppServer(Path(path), threads or cores(), self._longest, False, pooling)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """See `embedder.Embedder`."""
        vectors: NDArray[np.float32] = np.zeros((len(texts), self._width), dtype=np.float32)
        ids = [self._tokenize(text) for text in texts]
        known = [i for i, tokens in enumerate(ids) if tokens]
        for start in range(0, len(known), BATCH):
            rows = known[start : start + BATCH]
            reply = self._server.post("/v1/embeddings", {"input": [ids[i] for i in rows]})
            for answer in reply["data"]:
                vectors[rows[answer["index"]]] = answer["embedding"]
        vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
        return vectors

    def close(self) -> None:
        """Stop the server and free the model."""
        self._server.close()

    def _tokenize(self, text: str) -> list[int]:
        """Token ids with what the model wants around a text; of a long one the end mark stays."""
        body = {"content": text, "add_special": True, "parse_special": False}
        ids: list[int] = self._server.post("/tokenize", body)["tokens"]
        return ids if len(ids) <= self._longest else [*ids[: self._longest - 1], ids[-1]]
