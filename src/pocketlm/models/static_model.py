"""A static embedding model: one vector and one weight a token, a text's vector their weighted mean. Numpy only.

The folder is model2vec's (Minish Lab, github.com/MinishLab/model2vec): model.safetensors with `embeddings` and `weights`,
tokenizer.json, config.json; either library opens what the other wrote. How such a model is made is train's business.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, atomic_path, read_json, write_json
from pocketlm.models.tokens import TOKENIZER

KIND = "model2vec"
BLOCK = 64  # texts summed at once; their counts of different tokens stay in the cache
REMEMBERED = 1 << 18  # different words whose tokens are kept
BY_WORDS = ("BertNormalizer", "BertPreTokenizer")  # a text's tokens are those of its words, one behind the other


class StaticModel:
    """Texts -> unit vectors (texts, width) in float32.

    Attributes:
        vectors: (vocabulary, width) in float32, float16 or int8; what a row is multiplied with stands in `weights`.
        weights: (vocabulary,) what a token counts in the mean.
        longest: tokens of a text that are read, None for all.
    """

    def __init__(
        self,
        vectors: NDArray[Any],
        weights: NDArray[np.float32],
        tokenizer: Any,
        *,
        longest: int | None = None,
        uri: str = "",
    ) -> None:
        self.vectors, self.weights, self.tokenizer, self.longest, self.uri = vectors, weights, tokenizer, longest, uri
        unknown = getattr(tokenizer.model, "unk_token", None)
        self._unknown = tokenizer.token_to_id(unknown) if unknown else None
        tokenizer.no_padding()
        tokenizer.no_truncation()
        parts = (tokenizer.normalizer, tokenizer.pre_tokenizer)
        self._by_words = tuple(type(part).__name__ for part in parts) == BY_WORDS
        self._words: dict[str, list[int]] = {}

    @property
    def width(self) -> int:
        """Numbers of a vector."""
        return int(self.vectors.shape[1])

    @classmethod
    def open(cls, folder: Path) -> StaticModel:
        """Open a folder that `save` or model2vec wrote.

        Raises:
            InputError: a file is missing, or it is a kind that is not known here.
        """
        from safetensors.numpy import load_file
        from tokenizers import Tokenizer

        folder = Path(folder)
        missing = [name for name in ("model.safetensors", TOKENIZER) if not (folder / name).is_file()]
        if missing:
            raise InputError(f"{folder}: {missing[0]} is missing; it is not the whole folder of a static model")
        held = load_file(folder / "model.safetensors")
        vectors = held.get("embeddings")
        if vectors is None:
            raise InputError(f"{folder}/model.safetensors: holds no embeddings; it is not a static model")
        weights = held.get("weights", np.ones(len(vectors), dtype=np.float32)).astype(np.float32)
        if "mapping" in held:  # tokens that share a vector
            vectors = vectors[held["mapping"]]
        longest = read_json(folder / "config.json").get("max_length")
        tokenizer = Tokenizer.from_file(str(folder / TOKENIZER))
        return cls(vectors, weights, tokenizer, longest=longest, uri=str(folder))

    def tokens(self, texts: Sequence[str]) -> list[list[int]]:
        """Texts as token ids; unknown tokens are left out."""
        rows = self._of_words(texts) if self._by_words else self._tokenized(texts)
        return [row[: self.longest] for row in rows] if self.longest else rows

    def _of_words(self, texts: Sequence[str]) -> list[list[int]]:
        """As `_tokenized`, where each word is tokenized only once."""
        split = [text.replace("\n", " ").split(" ") for text in texts]
        known = self._words
        if new := list({word for words in split for word in words if word not in known}):
            if len(known) > REMEMBERED:
                known.clear()
                new = list({word for words in split for word in words})
            known |= zip(new, self._tokenized(new), strict=True)
        return [[i for word in words for i in known[word]] for words in split]

    def _tokenized(self, texts: Sequence[str]) -> list[list[int]]:
        ids = [one.ids for one in self.tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]
        if self._unknown is None:
            return ids
        return [[i for i in row if i != self._unknown] if self._unknown in row else row for row in ids]

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Unit vectors; a text without a known token is all zeros."""
        found = np.zeros((len(texts), self.width), dtype=np.float32)
        for start in range(0, len(texts), BLOCK):
            rows = self.tokens(texts[start : start + BLOCK])
            some = [place for place, row in enumerate(rows) if row]
            if some:
                found[[start + place for place in some]] = self._sums([rows[place] for place in some])
        # the length of a vector is lost anyway, so a sum does for a mean
        found /= np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)
        return found

    def close(self) -> None:
        """Nothing to give back."""

    def encode(self, inputs: Sequence[Any], **_: Any) -> Any:
        """The same, as libraries call it."""
        return self.embed(inputs)

    def save(self, folder: Path) -> None:
        """Write the folder, as a whole."""
        from safetensors.numpy import save_file

        config = {
            "model_type": KIND,
            "architectures": ["StaticModel"],
            "normalize": True,
            "hidden_dim": self.width,
            "max_length": self.longest,
            "embedding_dtype": self.vectors.dtype.name,
        }
        kinds = ["StaticEmbedding", "Normalize"]
        with atomic_dir(folder) as aside:
            with atomic_path(aside / "model.safetensors") as file:
                save_file({"embeddings": np.ascontiguousarray(self.vectors), "weights": self.weights}, file)
            self.tokenizer.save(str(aside / TOKENIZER))
            write_json(aside / "config.json", config)
            modules = [
                {
                    "idx": i,
                    "name": str(i),
                    "path": "" if not i else "1_Normalize",
                    "type": f"sentence_transformers.models.{kind}",
                }
                for i, kind in enumerate(kinds)
            ]
            write_json(aside / "modules.json", modules)

    def quantized(self) -> StaticModel:
        """The same with vectors in int8, each scaled by its largest number; the scale goes into its weight."""
        highest = np.maximum(np.abs(self.vectors.astype(np.float32)).max(1), 1e-9)
        rows = np.rint(self.vectors.astype(np.float32) / highest[:, None] * 127).astype(np.int8)
        weights = (self.weights * highest / 127).astype(np.float32)
        return StaticModel(rows, weights, self.tokenizer, longest=self.longest, uri=self.uri)

    def _sums(self, rows: Sequence[list[int]]) -> NDArray[np.float32]:
        """The weighted sum of each row's token vectors: how often it has each token, times their vectors."""
        flat = np.fromiter((i for row in rows for i in row), dtype=np.int64)
        different, place = np.unique(flat, return_inverse=True)
        of_row = np.repeat(np.arange(len(rows)), [len(row) for row in rows]) * len(different)
        counts = np.bincount(of_row + place, minlength=len(rows) * len(different)).astype(np.float32)
        table = self.vectors[different].astype(np.float32) * self.weights[different, None]
        sums: NDArray[np.float32] = counts.reshape(len(rows), -1) @ table
        return sums


def is_static(folder: Path) -> bool:
    """Whether a folder holds a static model."""
    config, modules = Path(folder) / "config.json", Path(folder) / "modules.json"
    if config.is_file() and read_json(config).get("model_type") == KIND:
        return True
    return modules.is_file() and str(read_json(modules)[0].get("type", "")).endswith("StaticEmbedding")
