"""Static models: the mean of token vectors written out, kept whole or in bytes, read by model2vec as by us."""

from __future__ import annotations

import json
from pathlib import Path

import families
import numpy as np
import pytest
from tiny import TEXT
from tokenizers import Tokenizer

from pocketlm.core.errors import InputError
from pocketlm.engines.embedder import open_embedder
from pocketlm.export.strings import odd_strings
from pocketlm.models.static_model import BLOCK, StaticModel

TEXTS = ["play music", "", "Set an alarm for 7\nin the morning, please!", "\u0416", "milk and bread at noon " * 30]


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> StaticModel:
    folder = families.make_tiny_encoder(tmp_path_factory.mktemp("bert"))
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    rng, size = np.random.default_rng(0), tokenizer.get_vocab_size()
    vectors = rng.normal(size=(size, 16)).astype(np.float32)
    return StaticModel(vectors, rng.uniform(0.1, 1, size).astype(np.float32), tokenizer, longest=32)


def test_a_vector_is_the_weighted_mean_of_its_tokens(model: StaticModel) -> None:
    found = model.embed(TEXTS * BLOCK)
    assert found.shape == (len(TEXTS) * BLOCK, 16) and found.dtype == np.float32
    assert not found[[1, 3]].any()  # nothing is known of them
    for text, vector in zip(TEXTS, found, strict=False):
        ids = model.tokens([text])[0]
        assert len(ids) <= 32
        if ids:
            mean = (model.vectors[ids] * model.weights[ids, None]).mean(0)
            assert vector == pytest.approx(mean / np.linalg.norm(mean), abs=1e-5)


def test_words_tokenized_once_give_the_tokens_of_the_whole_text(model: StaticModel) -> None:
    texts = [*odd_strings(2000), TEXT, " ".join(odd_strings(50)), "a\tb\x1cc\u00a0d  e"]
    assert model._of_words(texts) == model._tokenized(texts)
    assert model._of_words(texts) == model._tokenized(texts)  # now all words are remembered


def test_a_folder_gives_the_same_vectors_again(model: StaticModel, tmp_path: Path) -> None:
    model.save(tmp_path / "model")
    again = open_embedder(str(tmp_path / "model"))
    assert again.embed(TEXTS) == pytest.approx(model.embed(TEXTS), abs=1e-6)
    library = pytest.importorskip("model2vec", reason="needs pip install model2vec")
    theirs = library.StaticModel.from_pretrained(str(tmp_path / "model"))
    texts = [TEXTS[0], TEXTS[2]]  # the long one they cut by its letters first
    assert theirs.encode(texts) == pytest.approx(model.embed(texts), abs=1e-5)


def test_bytes_take_a_quarter_and_point_the_same_way(model: StaticModel, tmp_path: Path) -> None:
    small = model.quantized()
    small.save(tmp_path / "small")
    model.save(tmp_path / "whole")
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("small", "whole")]
    assert sizes[0] < 0.4 * sizes[1]
    again = StaticModel.open(tmp_path / "small")
    assert again.vectors.dtype == np.int8
    known = [0, 2, 4]
    assert (again.embed(TEXTS) * model.embed(TEXTS)).sum(1)[known].min() > 0.999
    library = pytest.importorskip("model2vec", reason="needs pip install model2vec")
    theirs = library.StaticModel.from_pretrained(str(tmp_path / "small")).encode(TEXTS[:1])
    assert theirs == pytest.approx(again.embed(TEXTS[:1]), abs=1e-5)


def test_a_folder_of_model2vec_is_opened(tmp_path: Path, model: StaticModel) -> None:
    library = pytest.importorskip("model2vec", reason="needs pip install model2vec")
    theirs = library.StaticModel(model.vectors.astype(np.float16), model.tokenizer, weights=model.weights)
    theirs.save_pretrained(str(tmp_path / "theirs"))
    texts = [text for text in TEXTS if text]
    assert open_embedder(str(tmp_path / "theirs")).embed(texts[:2]) == pytest.approx(
        theirs.encode(texts[:2]) / np.linalg.norm(theirs.encode(texts[:2]), axis=1, keepdims=True), abs=1e-3
    )


@pytest.mark.parametrize(
    ("missing", "wrong"), [("tokenizer.json", "tokenizer.json is missing"), ("model.safetensors", "missing")]
)
def test_what_is_not_whole_is_named(model: StaticModel, tmp_path: Path, missing: str, wrong: str) -> None:
    model.save(tmp_path / "model")
    (tmp_path / "model" / missing).unlink()
    assert json.loads((tmp_path / "model" / "config.json").read_text())["model_type"] == "model2vec"
    with pytest.raises(InputError, match=wrong):
        open_embedder(str(tmp_path / "model"))
