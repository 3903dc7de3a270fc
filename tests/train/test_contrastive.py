"""Objectives on vectors: each equals its formula written out, and duplicates are no negatives."""

from __future__ import annotations

import math
from pathlib import Path

import families
import pytest
import torch
from torch.nn import functional

from pocketlm.train.contrastive import CoSent, Cosine, InBatch, Pairs, Scored, Triplets
from pocketlm.train.encoder import Encoder

A = ["play music", "set an alarm", "call mum"]
B = ["turn the music on", "wake me in the morning", "ring her at noon"]
HARD = [["milk and bread"], ["lights off", "buy milk"], []]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.load(str(families.make_tiny_encoder(tmp_path_factory.mktemp("bert"))))


def pairs(encoder: Encoder, hard: list[list[str]] = HARD, **more: object) -> Pairs:
    return Pairs(encoder.tokens(A), encoder.tokens(B), [encoder.tokens(some) for some in hard], **more)  # type: ignore[arg-type]


def test_in_batch_negatives_are_written_out(encoder: Encoder) -> None:
    a, b = encoder.embed(encoder.tokens(A)), encoder.embed(encoder.tokens(B))
    n = encoder.embed(encoder.tokens([text for some in HARD for text in some]))
    logits = a @ torch.cat([b, n]).t() / 0.1
    want = functional.cross_entropy(logits, torch.arange(3), reduction="sum").item()
    assert InBatch(encoder, temperature=0.1)(pairs(encoder)).item() == pytest.approx(want, rel=1e-4)
    back = functional.cross_entropy(logits[:, :3].t(), torch.arange(3), reduction="sum").item()
    both = InBatch(encoder, temperature=0.1, symmetric=True)(pairs(encoder)).item()
    assert both == pytest.approx((want + back) / 2, rel=1e-4)


@pytest.mark.parametrize("symmetric", [False, True])
def test_what_belongs_to_an_anchor_is_no_negative(encoder: Encoder, symmetric: bool) -> None:
    loss = InBatch(encoder, symmetric=symmetric)
    twice = Pairs(encoder.tokens([A[0], A[0]]), encoder.tokens([B[0], B[0]]), keys=[7, 7])
    assert loss(twice).item() == pytest.approx(0, abs=1e-6)  # nothing to tell apart
    other = Pairs(
        encoder.tokens([A[0], A[0]]), encoder.tokens([B[0], B[1]]), keys=[7, 8], belongs=[frozenset({7, 8})] * 2
    )
    assert loss(other).item() == pytest.approx(0, abs=1e-6)
    assert loss(Pairs(other.anchors, other.positives)).item() > 0.1


def test_triplets_are_written_out(encoder: Encoder) -> None:
    a, b = encoder.embed(encoder.tokens(A)), encoder.embed(encoder.tokens(B))
    want = 0.0
    for row, some in enumerate(HARD):
        for vector in encoder.embed(encoder.tokens(some)):
            want += max(0.0, float(a[row] @ vector - a[row] @ b[row]) + 0.7) / len(some)
    assert Triplets(encoder, margin=0.7)(pairs(encoder)).item() == pytest.approx(want, abs=1e-4)


def test_scored_pairs_are_written_out(encoder: Encoder) -> None:
    scores = [0.9, 0.1, 0.5]
    cosine = (encoder.embed(encoder.tokens(A)) * encoder.embed(encoder.tokens(B))).sum(1).tolist()
    scored = Scored(encoder.tokens(A), encoder.tokens(B), scores)
    apart = sum(
        math.exp((cosine[low] - cosine[high]) / 0.1)
        for low in range(3)
        for high in range(3)
        if scores[low] < scores[high]
    )
    assert CoSent(encoder, temperature=0.1)(scored).item() == pytest.approx(3 * math.log(1 + apart), rel=1e-3)
    want = sum((c - s) ** 2 for c, s in zip(cosine, scores, strict=True))
    assert Cosine(encoder)(scored).item() == pytest.approx(want, rel=1e-4)


def test_matryoshka_is_the_mean_over_cut_vectors(encoder: Encoder) -> None:
    whole, both = InBatch(encoder)(pairs(encoder)), InBatch(encoder, dims=[8])(pairs(encoder))
    a, b = encoder.embed(encoder.tokens(A)), encoder.embed(encoder.tokens(B))
    n = encoder.embed(encoder.tokens([text for some in HARD for text in some]))
    a, others = functional.normalize(a[:, :8], dim=1), functional.normalize(torch.cat([b, n])[:, :8], dim=1)
    cut = functional.cross_entropy(a @ others.t() / 0.05, torch.arange(3), reduction="sum")
    assert both.item() == pytest.approx((whole + cut).item() / 2, rel=1e-4)


def test_training_brings_pairs_together(tmp_path: Path) -> None:
    encoder = Encoder.load(str(families.make_tiny_encoder(tmp_path)))
    loss = InBatch(encoder)
    optimizer = torch.optim.AdamW([w for w in encoder.parameters() if w.requires_grad], lr=2e-3)
    before = loss(pairs(encoder)).item()
    for _ in range(20):
        loss(pairs(encoder)).backward()
        optimizer.step()
        optimizer.zero_grad()
    assert loss(pairs(encoder)).item() < 0.5 * before
    likeness = encoder.embed(encoder.tokens(A)) @ encoder.embed(encoder.tokens(B)).t()
    assert likeness.argmax(1).tolist() == [0, 1, 2]


def test_cut_vectors_tell_pairs_apart_where_they_were_trained_to(tmp_path: Path) -> None:
    base = str(families.make_tiny_encoder(tmp_path))

    def loss_of_cut(dims: list[int]) -> float:
        encoder = Encoder.load(base)
        loss = InBatch(encoder, dims=dims)
        optimizer = torch.optim.AdamW([w for w in encoder.parameters() if w.requires_grad], lr=1e-3)
        for _ in range(30):
            loss(pairs(encoder)).backward()
            optimizer.step()
            optimizer.zero_grad()
        a, b = (functional.normalize(encoder.embed(encoder.tokens(texts))[:, :4], dim=1) for texts in (A, B))
        return functional.cross_entropy(a @ b.t() / 0.05, torch.arange(3)).item()

    assert loss_of_cut([4]) < 0.5 * loss_of_cut([])
