"""Embedders: vectors of length 1, the same alone as in a batch, and those that sentence-transformers makes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch

from pocketlm.core.errors import InputError
from pocketlm.engines.batching import BATCH, by_length
from pocketlm.engines.embedder import open_embedder
from pocketlm.export.gguf import export_gguf
from pocketlm.models.starters import starter_encoder
from pocketlm.tasks.template import CHATML

TEXTS = ["play music", "", "Set an alarm for 7 in the morning, please!", "ü 😀", "milk and bread at noon " * 60]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random two-layer BERT."""
    from transformers import BertConfig, BertModel

    folder, tokenizer = tmp_path_factory.mktemp("bert"), tiny.make_tiny_tokenizer()
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=32, num_hidden_layers=2, num_attention_heads=4, intermediate_size=64,
        max_position_embeddings=64, initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    tokenizer.model_max_length = 64
    tokenizer.save_pretrained(folder)
    return folder


def test_a_batch_gives_what_each_text_gives_alone(encoder: Path) -> None:
    embedder = open_embedder(str(encoder))
    vectors = embedder.embed(TEXTS * BATCH)
    assert vectors.shape == (len(TEXTS) * BATCH, 32) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([float(bool(text)) for text in TEXTS * BATCH], abs=1e-5)
    for text, vector in zip(TEXTS, vectors, strict=False):
        assert embedder.embed([text])[0] == pytest.approx(vector, abs=1e-5)
    assert embedder.embed([]).shape == (0, 32)


def test_vectors_are_the_means_of_last_states(encoder: Path) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(encoder), AutoModel.from_pretrained(encoder)
    ids = tokenizer([TEXTS[2]], return_tensors="pt")["input_ids"]
    with torch.no_grad():
        mean = model(ids).last_hidden_state[0].mean(0).numpy()
    assert open_embedder(str(encoder)).embed([TEXTS[2]])[0] == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_vectors_are_those_of_sentence_transformers(encoder: Path) -> None:
    library = pytest.importorskip("sentence_transformers", reason="needs pip install sentence-transformers")
    from sentence_transformers.models import Normalize, Pooling, Transformer

    words = Transformer(str(encoder))
    pooled = library.SentenceTransformer(
        modules=[words, Pooling(words.get_embedding_dimension(), pooling_mode="mean"), Normalize()], device="cpu"
    )
    texts = [text for text in TEXTS if text]
    assert open_embedder(str(encoder)).embed(texts) == pytest.approx(pooled.encode(texts), abs=1e-5)


def test_other_ways_to_pool_are_refused(encoder: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cls"
    folder.mkdir()
    for file in encoder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_cls_token": True}))
    with pytest.raises(InputError, match="only the mean"):
        open_embedder(str(folder))
    (folder / "1_Pooling" / "config.json").unlink()
    prompts = folder / "config_sentence_transformers.json"
    prompts.write_text(json.dumps({"prompts": {"query": "query: "}, "default_prompt_name": "query"}))
    with pytest.raises(InputError, match="the prompt query before every text is not known"):
        open_embedder(str(folder))
    prompts.write_text(json.dumps({"prompts": {"query": "query: "}, "default_prompt_name": None}))
    assert open_embedder(str(folder)).embed(TEXTS).any()


def test_a_gguf_file_gives_the_vectors_of_its_folder(tiny_llama: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    export_gguf(tiny_llama, file, precision="f32", chat_template=CHATML.jinja, stop_token=CHATML.stop)
    embedder = open_embedder(str(file), threads=1)
    vectors = embedder.embed(TEXTS * 8)
    assert embedder.embed([TEXTS[-1] * 20]).any()  # longer than the model reads
    embedder.close()
    assert vectors.shape == (len(TEXTS) * 8, 64) and vectors.dtype == np.float32
    assert vectors == pytest.approx(open_embedder(str(tiny_llama)).embed(TEXTS * 8), abs=2e-3)


def test_static_vectors() -> None:
    pytest.importorskip("wordllama", reason="needs pip install 'pocketlm[data]'")
    vectors = open_embedder("static").embed(["play some music", "start the song", "tax return for 2024"])
    assert vectors.shape == (3, 256) and vectors.dtype == np.float32
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1, 1], abs=1e-5)
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2]


@pytest.mark.starter
def test_the_starter_is_the_model_of_sentence_transformers() -> None:
    library = pytest.importorskip("sentence_transformers", reason="needs pip install sentence-transformers")
    texts = [text for text in TEXTS if text]
    wanted = library.SentenceTransformer(str(starter_encoder("minilm-l6")), device="cpu").encode(texts)
    assert open_embedder("starter:minilm-l6").embed(texts) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(("uri", "wrong"), [("nowhere", "no encoder's folder"), ("starter:nothing", "minilm-l6")])
def test_what_cannot_be_opened_is_named(uri: str, wrong: str) -> None:
    with pytest.raises(InputError, match=wrong):
        open_embedder(uri)


def test_texts_are_put_together_by_length_and_within_a_budget_of_tokens() -> None:
    groups = list(by_length([5, 0, 90, 7, 100, 300], 192))
    assert groups == [[0, 3], [2], [4], [5]]  # 90 and 100 would be 200 with padding; a text alone may be longer
    assert [len(group) for group in by_length([3] * 70)] == [32, 32, 6]
