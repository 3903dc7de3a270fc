"""Encoders in GGUF: llama.cpp's vectors and token ids are transformers'."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from families import make_tiny_bert
from transformers import PreTrainedTokenizerFast

from pocketlm.core.errors import InputError
from pocketlm.engines.embedder import EncoderEmbedder
from pocketlm.engines.llamacpp_embedder import LlamaCppEmbedder
from pocketlm.export.base import Source
from pocketlm.export.gguf import GgufFormat
from pocketlm.models.gguf_header import check_gguf

pytest.importorskip("xllamacpp")

TEXTS = [
    "Set an alarm for 7!",
    "Play music, please. Turn the lights off",
    "kitchen",
    "Crème brûlée: naïve 漢字 a-b c_d",
    "😀 x",
]


def _vectors(embedder: Any) -> Any:
    try:
        return embedder.embed(TEXTS)
    finally:
        embedder.close()


@pytest.mark.parametrize("lowercase", [True, False])
def test_vectors_are_transformers(lowercase: bool, tmp_path: Path) -> None:
    folder = make_tiny_bert(tmp_path / "hf", lowercase=lowercase)
    form, source = GgufFormat(), Source(folder, "tiny", kind="encoder")
    notes = form.convert(source, tmp_path, "f32").notes
    assert ["Korean" in note for note in notes] == [True] * lowercase  # marks are stripped where letters are lowered
    expected = _vectors(EncoderEmbedder(folder))
    assert np.abs(_vectors(form.open(tmp_path, "encoder", threads=1)) - expected).max() < 1e-3
    assert abs(expected[0] @ expected[1]) < 0.98  # vectors that say something
    form.convert(source, tmp_path, "q8_0")
    cosines = (_vectors(form.open(tmp_path, "encoder", threads=1)) * expected).sum(1)
    assert cosines.min() > 0.999


def test_token_ids_are_the_tokenizers(tmp_path: Path) -> None:
    folder = make_tiny_bert(tmp_path / "hf")
    GgufFormat().convert(Source(folder, "tiny", kind="encoder"), tmp_path, "f16")
    reference = PreTrainedTokenizerFast.from_pretrained(folder)
    embedder = LlamaCppEmbedder(tmp_path / "model.gguf", threads=1)
    for text in TEXTS:
        assert embedder._tokenize(text) == reference(text).input_ids, text
    embedder.close()


@pytest.mark.parametrize(("mode", "number"), [("mean", 1), ("cls", 2)])
def test_pooling_is_told(mode: str, number: int, tmp_path: Path) -> None:
    folder = make_tiny_bert(tmp_path / "hf")
    (folder / "1_Pooling").mkdir()
    modes = {"pooling_mode_mean_tokens": mode == "mean", "pooling_mode_cls_token": mode == "cls"}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"word_embedding_dimension": 64, **modes}))
    GgufFormat().convert(Source(folder, "tiny", kind="encoder"), tmp_path, "f16")
    assert check_gguf(tmp_path / "model.gguf").metadata["bert.pooling_type"] == number


def test_what_llamacpp_cannot_compute_is_refused(tmp_path: Path) -> None:
    folder, source = make_tiny_bert(tmp_path / "hf"), Source(tmp_path / "hf", "tiny", kind="encoder")
    with pytest.raises(InputError, match="is no decoder"):
        GgufFormat().convert(Source(folder, "tiny"), tmp_path, "f16")
    with pytest.raises(InputError, match="q4_0"):
        GgufFormat().convert(source, tmp_path, "q4_0")
    (folder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Dense"}]))
    with pytest.raises(InputError, match="Dense"):
        GgufFormat().convert(source, tmp_path, "f16")
    assert not (tmp_path / "model.gguf").exists()
