"""Distilled tables of token vectors: nearer to the encoder than before training, in folders that others open."""

from __future__ import annotations

import json
import random
from pathlib import Path

import families
import numpy as np
import pytest
import torch

from pocketlm.core.config import Config
from pocketlm.engines.embedder import open_embedder
from pocketlm.train.embed import embed_project, train_embed
from pocketlm.train.encoder import Encoder
from pocketlm.train.static import Lesson, Table, initial, lessons, principal

WORDS = ["milk", "bread", "noon", "kitchen", "alarm", "morning", "lights", "music", "weather", "monday", "paris", "mum"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.make_tiny_encoder(tmp_path_factory.mktemp("bert"))


def said(count: int, seed: int) -> list[str]:
    rng = random.Random(seed)
    return [" ".join(rng.choices(WORDS, k=rng.randint(4, 9))) for _ in range(count)]


def test_a_table_sees_texts_as_its_encoder_does(base: Path, tmp_path: Path) -> None:
    (tmp_path / "texts.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in said(800, 0)))
    settings = {"method": "static", "epochs": 40, "compute": "fp32", "lr": 1e-2}
    config = Config.model_validate(
        {"task": "embed", "base": str(base), "data": {"raw": "texts.jsonl"}, "train": settings, "embed": {"width": 24}}
    )
    run = train_embed(config, embed_project(tmp_path, config, "s")[1], tmp_path / "runs" / "s")
    assert run.manifest["method"] == "static" and run.history[-1]["loss"] < 0.7 * run.history[0]["loss"]
    teacher, student, others = open_embedder(str(base)), open_embedder(str(run.folder)), said(60, 1)
    assert student.embed(others).shape == (60, 24)
    told, got = (embedder.embed(others) for embedder in (teacher, student))
    alike = np.corrcoef((told @ told.T)[np.triu_indices(60, 1)], (got @ got.T)[np.triu_indices(60, 1)])[0, 1]
    assert alike > 0.6
    assert (
        train_embed(config, embed_project(tmp_path, config, "s")[1], tmp_path / "runs" / "s").manifest == run.manifest
    )


def test_the_loss_is_written_out() -> None:
    vectors = torch.randn(6, 4, generator=torch.manual_seed(0))
    targets = torch.nn.functional.normalize(torch.randn(3, 4, generator=torch.manual_seed(1)), dim=1)
    lesson = Lesson([[0, 1], [2, 2, 3], [5]], targets, [0, 1, 2])
    own = torch.stack([vectors[ids].sum(0) for ids in lesson.ids])
    own = own / own.norm(dim=1, keepdim=True)
    want = float((1 - (own * targets).sum(1)).sum())
    for row in range(3):
        others = [i for i in range(3) if i != row]
        p, q = (((v[row] @ v[others].T) / 0.05).softmax(0) for v in (targets, own))
        want += float((p * (p / q).log()).sum())
    got = Table(vectors)(lesson.to(torch.device("cpu")))
    assert got.item() == pytest.approx(want, rel=1e-3) and (lesson.count, lesson.tokens) == (3, 6)


def test_principal_directions_keep_products() -> None:
    vectors = torch.randn(200, 3, generator=torch.manual_seed(0)) @ torch.randn(3, 10, generator=torch.manual_seed(1))
    cut = vectors @ principal(vectors, 3)
    assert torch.allclose(cut @ cut.t(), vectors @ vectors.t(), atol=1e-2)


def test_rare_tokens_weigh_more_before_training(base: Path) -> None:
    encoder = Encoder.load(str(base))
    basis = principal(torch.randn(50, encoder.width, generator=torch.manual_seed(0)), 8)
    lengths = initial(encoder, basis, [[10] * 50 + [11]] * 4).norm(dim=1)
    assert lengths[10] < lengths[11] <= lengths[12] <= 1


def test_texts_are_learnt_whole_and_by_sentence() -> None:
    found = lessons(["One sentence stands here. Another one stands there.", "short. no"])
    assert found == [
        "One sentence stands here. Another one stands there.", "short. no", "One sentence stands here.",
        "Another one stands there.",
    ]  # fmt: skip
