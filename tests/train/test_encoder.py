"""Encoders that train: each architecture gives what its embedder gives, learns, and is read by others once saved."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import families
import pytest
import torch

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.engines.embedder import open_embedder
from pocketlm.train.encoder import AT_ONCE, Encoder, alike

TEXTS = [
    "play music",
    "Set an alarm for 7 in the morning, please!",
    "milk and bread at noon " * 30,
    "call mum",
    "turn off",
]
LORA = TrainConfig(method="lora", rank=4, alpha=8)


@pytest.fixture(scope="module", params=sorted(families.ENCODERS))
def base(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.make_tiny_encoder(tmp_path_factory.mktemp(request.param), request.param)


def pulled(encoder: Encoder, steps: int = 8) -> list[float]:
    """Losses of a few steps that pull the first text to the last."""
    weights = [weight for weight in encoder.parameters() if weight.requires_grad]
    optimizer, losses = torch.optim.AdamW(weights, lr=5e-3), []
    for _ in range(steps):
        vectors = encoder(encoder.tokens(TEXTS))
        loss = 1 - vectors[0] @ vectors[-1]
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


def test_vectors_are_those_of_the_embedder(base: Path) -> None:
    encoder = Encoder.load(str(base))
    vectors = encoder.embed(encoder.tokens(TEXTS))
    assert vectors.shape == (len(TEXTS), encoder.width) and vectors.dtype == torch.float32
    assert vectors.numpy() == pytest.approx(open_embedder(str(base)).embed(TEXTS), abs=1e-5)
    alone = torch.cat([encoder.embed(encoder.tokens([text])) for text in TEXTS])
    assert vectors.numpy() == pytest.approx(alone.numpy(), abs=1e-5)


@pytest.mark.parametrize("lora", [None, LORA, LORA.model_copy(update={"dora": True})], ids=["full", "lora", "dora"])
def test_what_was_learnt_is_saved(base: Path, tmp_path: Path, lora: TrainConfig | None) -> None:
    encoder = Encoder.load(str(base), lora=lora)
    losses = pulled(encoder)
    assert losses[-1] < 0.9 * losses[0]
    encoder.save(tmp_path / "model")
    encoder.save(tmp_path / "model")  # again: the adapters were merged in a copy
    wanted = encoder.embed(encoder.tokens(TEXTS)).numpy()
    assert open_embedder(str(tmp_path / "model")).embed(TEXTS) == pytest.approx(wanted, abs=1e-4)
    assert Encoder.load(str(tmp_path / "model")).longest == encoder.longest == 64


def test_sentence_transformers_reads_it(base: Path, tmp_path: Path) -> None:
    library = pytest.importorskip("sentence_transformers", reason="needs pip install sentence-transformers")
    encoder = Encoder.load(str(base))
    encoder.save(tmp_path / "model")
    read = library.SentenceTransformer(str(tmp_path / "model"), device="cpu")
    assert read.encode(TEXTS) == pytest.approx(encoder.embed(encoder.tokens(TEXTS)).numpy(), abs=1e-5)
    assert read.max_seq_length == 64


def test_an_adapter_is_all_that_trains(base: Path) -> None:
    encoder = Encoder.load(str(base), lora=LORA)
    trained = {name for name, weight in encoder.named_parameters() if weight.requires_grad}
    assert trained and all("lora_" in name and "pooler" not in name for name in trained)
    every = {name for name, weight in Encoder.load(str(base)).named_parameters() if not weight.requires_grad}
    assert all("pooler" in name for name in every)


def test_layers_can_be_named(tmp_path: Path) -> None:
    base = families.make_tiny_encoder(tmp_path)
    named = LORA.model_copy(update={"targets": ["query"]})
    trained = [
        name
        for name, w in Encoder.load(
            str(base), lora=TrainConfig(**{**dict(named), "targets": ["query"]})
        ).named_parameters()
        if w.requires_grad
    ]
    assert trained and all(".query." in name for name in trained)
    with pytest.raises(InputError, match=r"train\.targets.*query"):
        Encoder.load(str(base), lora=TrainConfig(targets=["nothing"]))


def test_texts_without_tokens_have_no_direction(tmp_path: Path) -> None:
    encoder = Encoder.load(str(families.make_tiny_encoder(tmp_path)))
    vectors = encoder.embed([[], [5, 6], []])
    assert vectors.norm(dim=1).tolist() == pytest.approx([0, 1, 0], abs=1e-6)
    assert encoder.embed([]).shape == (0, encoder.width) and encoder.tokens([]) == []


def test_groups_hold_like_lengths_and_few_tokens() -> None:
    lengths = [1, 300, 2, 280, 0, 3, 40, 290, *[200] * 60]
    groups = list(alike(lengths))
    assert sorted(i for group in groups for i in group) == list(range(len(lengths)))
    padded = sum(len(group) * max(lengths[i] for i in group) for group in groups)
    assert padded < 1.1 * sum(lengths) and max(len(g) * max(lengths[i] for i in g) for g in groups) <= AT_ONCE
    assert groups[0] == [4]


def test_gradients_are_those_of_texts_one_by_one(base: Path) -> None:
    encoder: Any = Encoder.load(str(base))
    ids, aim = encoder.tokens(TEXTS), torch.randn(len(TEXTS), encoder.width, generator=torch.manual_seed(1))
    (encoder(ids) * aim).sum().backward()
    together = [weight.grad.clone() for weight in encoder.parameters() if weight.grad is not None]
    encoder.zero_grad()
    for one, to in zip(ids, aim, strict=True):
        (encoder([one])[0] @ to).backward()
    alone = [weight.grad for weight in encoder.parameters() if weight.grad is not None]
    assert len(together) == len(alone)
    for a, b in zip(together, alone, strict=True):
        assert torch.allclose(a, b, atol=1e-4, rtol=1e-3)
