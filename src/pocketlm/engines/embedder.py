"""What an embedder is: anything that turns texts into vectors whose products say how alike their meanings are."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.engines.batching import by_length
from pocketlm.models.load import load_tokenizer, resolve_encoder
from pocketlm.models.static_model import StaticModel, is_static

Vectors = NDArray[np.float32]  # (texts, width)

PARTS = ("Transformer", "Pooling", "Normalize")  # of a sentence-transformers folder, those that are done here


class Embedder(Protocol):
    """One protocol for static word vectors and sentence encoders."""

    uri: str

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors (texts, width) in float32, each of length 1; all zeros for a text of which nothing is known."""
        ...

    def close(self) -> None:
        """Give memory and threads back."""
        ...


def open_embedder(uri: str, *, threads: int | None = None) -> Embedder:
    """Open what `uri` names: `static`, `starter:minilm-l6`, `hf:NAME`, a run's folder or one with an encoder's weights or
    a static model, or a GGUF, ONNX or TFLite file.

    Raises:
        InputError: nothing there, or a kind we do not know. EnvironmentLacks: a package or a download is missing.
    """
    if uri == "static":
        from pocketlm.models.static import StaticEmbedder

        return StaticEmbedder()
    if uri.endswith(".gguf"):
        from pocketlm.engines.llamacpp_embedder import LlamaCppEmbedder

        return LlamaCppEmbedder(Path(uri), threads=threads)
    if uri.endswith(".onnx"):
        from pocketlm.engines.onnx_embedder import OnnxEmbedder

        return OnnxEmbedder(Path(uri), threads=threads)
    if uri.endswith(".tflite"):
        from pocketlm.engines.litert_embedder import LitertEmbedder

        return LitertEmbedder(Path(uri), threads=threads)
    folder = Path(uri)
    if ":" in uri:
        folder = resolve_encoder(uri)
    elif (folder / "model" / "config.json").is_file():  # a run
        folder = folder / "model"
    elif not (folder / "config.json").is_file():
        raise InputError(
            f"{uri}: no encoder's folder (no config.json); write static, starter:minilm-l6 or such a folder"
        )
    return StaticModel.open(folder) if is_static(folder) else EncoderEmbedder(folder, uri)


class EncoderEmbedder:
    """A transformer that reads a text at once; the text's vector is the mean of its tokens' last states.

    Mean pooling as in Sentence-BERT (Reimers and Gurevych, 2019). Texts longer than the model reads are cut.

    Raises:
        InputError: a sentence-transformers folder whose vectors are made in another way.
    """

    def __init__(self, folder: Path, uri: str | None = None) -> None:
        import torch
        from transformers import AutoModel
        from transformers.utils import logging

        check_parts(folder)
        logging.disable_progress_bar()
        self.uri = uri or str(folder)
        self._model = AutoModel.from_pretrained(folder, dtype=torch.float32, local_files_only=True).eval()
        self._tokenizer = load_tokenizer(folder)
        self._longest = longest(folder, self._tokenizer, self._model.config)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """See `Embedder`."""
        import torch

        vectors = np.zeros((len(texts), self._model.config.get_text_config().hidden_size), dtype=np.float32)
        if not texts:
            return vectors
        ids: list[list[int]] = self._tokenizer(list(texts), truncation=True, max_length=self._longest)["input_ids"]
        with torch.inference_mode():
            for rows in by_length([len(tokens) for tokens in ids]):
                vectors[rows] = self._means([ids[i] for i in rows])
        return vectors

    def linears(self) -> Iterator[tuple[str, Any]]:
        """Name and module (torch.nn.Linear) of every matrix that reads states."""
        import torch

        return ((name, part) for name, part in self._model.named_modules() if isinstance(part, torch.nn.Linear))

    def close(self) -> None:
        """Drop the weights."""
        del self._model

    def _means(self, ids: list[list[int]]) -> Any:
        """The mean state of each row's tokens, of length 1 (rows, width)."""
        import torch

        longest = max(map(len, ids))
        tokens = torch.tensor([row + [0] * (longest - len(row)) for row in ids])
        real = torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in ids])
        states = self._model(input_ids=tokens, attention_mask=real).last_hidden_state
        # the length of a vector is lost anyway, so a sum does for a mean
        return torch.nn.functional.normalize((states * real[:, :, None]).sum(1), dim=1).numpy()


def longest(folder: Path, tokenizer: Any, config: Any) -> int:
    """Tokens of a text that are read: what sentence-transformers was told, else what the model can."""
    told = folder / "sentence_bert_config.json"
    limits = [tokenizer.model_max_length, getattr(config.get_text_config(), "max_position_embeddings", None)]
    limits += [read_json(told).get("max_seq_length")] if told.is_file() else []
    return min(int(limit) for limit in limits if limit)


def check_parts(folder: Path) -> None:
    """Refuse a sentence-transformers folder that pools in another way, has further layers, or puts words before every text."""
    modules, pooling = folder / "modules.json", folder / "1_Pooling" / "config.json"
    prompts = folder / "config_sentence_transformers.json"
    if modules.is_file():
        for module in read_json(modules):
            if not str(module.get("type", "")).endswith(PARTS):
                raise InputError(f"{modules}: has a part {module.get('type')}, known are {', '.join(PARTS)}")
    if pooling.is_file():
        told = read_json(pooling)
        if not (told.get("pooling_mode_mean_tokens") or told.get("pooling_mode") == "mean"):
            raise InputError(f"{pooling}: only the mean of the tokens (pooling_mode_mean_tokens) is known")
    if prompts.is_file() and (name := read_json(prompts).get("default_prompt_name")):
        raise InputError(
            f"{prompts}: the prompt {name} before every text is not known here; write it into your texts and set "
            "default_prompt_name to null"
        )
