"""What an app must know beside a Core ML package, told by the model's folder: written at conversion, checked afterwards."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.export.base import Source


def context_of(config: Any, wanted: int) -> int:
    """Places of the cache: what is wanted, as far as the model can."""
    return min(wanted, int(config.get_text_config().max_position_embeddings))


def read_config(folder: Path) -> Any:
    """The transformers config of a model folder."""
    from transformers import AutoConfig

    return AutoConfig.from_pretrained(folder, local_files_only=True)


def places_of_encoder(folder: Path, config: Any) -> int:
    """Tokens of a text that an encoder reads."""
    told = folder / "sentence_bert_config.json"
    most = int(config.max_position_embeddings)
    return min(most, int(read_json(told).get("max_seq_length") or most)) if told.is_file() else most


def generation(source: Source, context: int) -> dict[str, Any]:
    """What an app needs beside the package to use it, as generation.json and the package's metadata hold it.

    Raises:
        InputError: the stop token is not in the vocabulary.
    """
    from pocketlm.models.load import load_tokenizer

    tokenizer, config = load_tokenizer(source.folder), read_config(source.folder)
    if source.kind == "encoder":
        return {"context": places_of_encoder(source.folder, config), "pooling": "mean", "normalized": True}
    stop = source.stop_token or tokenizer.eos_token
    ids = tokenizer.get_vocab()
    if stop not in ids:
        raise InputError(f"{source.folder}: the stop token {stop!r} is not in the vocabulary")
    begin = tokenizer.bos_token_id
    return {
        "context": context_of(config, context),
        "stop_token": stop,
        "stop_token_id": ids[stop],
        "begin_token_id": ids[stop] if begin is None else begin,
        "chat_template": source.chat_template or tokenizer.chat_template,
    }
