"""Static embeddings of texts: the mean of word vectors, 256 numbers a text, milliseconds for thousands of texts.

The vectors are WordLlama's, which come inside its package: nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pocketlm.core.extras import need


class StaticEmbedder:
    """Texts -> unit vectors (n, 256) in float32."""

    uri = "static"

    def __init__(self) -> None:
        """Raises EnvironmentLacks: the package is not installed."""
        self._model = _load()

    def embed(self, texts: Sequence[str]) -> Any:
        """Unit vectors of texts; a text without a known word is all zeros."""
        import numpy as np

        vectors = self._model.embed(list(texts), norm=False)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)

    def close(self) -> None:
        """Nothing to give back: the vectors are shared."""

    def encode(self, inputs: Sequence[Any], **_: Any) -> Any:
        """The same, as semhash calls it."""
        return self.embed(inputs)


def package_files() -> list[Path]:
    """Vectors and tokenizer inside the package, which whoever ships this embedder ships; none where it is not installed."""
    found = find_spec("wordllama")
    home = Path(found.origin).parent if found and found.origin else None
    return [*home.glob("weights/*.safetensors"), *home.glob("tokenizers/*.json")] if home else []


@lru_cache(maxsize=1)
def _load() -> Any:
    wordllama = need("wordllama", "embedding texts", "data")
    # Its own folder as its cache: there it finds the tokenizer it came with, which it otherwise would fetch.
    return wordllama.WordLlama.load(cache_dir=Path(wordllama.__file__).parent, disable_download=True)
