"""Objectives of labels: their losses are those of the books, and their plans hold what they should."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from families import make_tiny_encoder
from torch.nn import functional

from pocketlm.core.config import TrainConfig
from pocketlm.train.encoder import Encoder
from pocketlm.train.label_objectives import Labelled, SameLabel, Sorting, plan_epochs, plan_pairs

TEXTS = ["play music", "call mum", "set an alarm for 7", "remind me at noon", "bread", "milk and bread"]


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    return Encoder.load(str(make_tiny_encoder(tmp_path_factory.mktemp("bert"))))


def labelled(encoder: Encoder, labels: list[int], weights: list[float] | None = None) -> Labelled:
    targets = np.eye(3, dtype=np.float32)[labels]
    return Labelled(encoder.tokens(TEXTS[: len(labels)]), targets, np.array(weights or [1] * len(labels), np.float32))


def head() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(3, 32)).astype(np.float32), rng.normal(size=3).astype(np.float32)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_one_label_is_cross_entropy(encoder: Encoder, smoothing: float) -> None:
    rows = labelled(encoder, [0, 1, 2, 1], [1, 2, 0.5, 1])
    objective = Sorting(encoder, *head(), multi=False, smoothing=smoothing)
    logits = encoder(rows.ids) @ torch.tensor(head()[0]).t() + torch.tensor(head()[1])
    wanted = functional.cross_entropy(logits, torch.tensor([0, 1, 2, 1]), reduction="none", label_smoothing=smoothing)
    assert objective(rows).item() == pytest.approx((wanted * torch.tensor([1, 2, 0.5, 1])).sum().item(), rel=1e-5)


def test_several_labels_are_binary_cross_entropy(encoder: Encoder) -> None:
    targets = np.array([[1, 0, 1], [0, 0, 0]], np.float32)
    rows = Labelled(encoder.tokens(TEXTS[:2]), targets, np.ones(2, np.float32))
    logits = encoder(rows.ids) @ torch.tensor(head()[0]).t() + torch.tensor(head()[1])
    wanted = functional.binary_cross_entropy_with_logits(logits, torch.tensor(targets), reduction="sum")
    assert Sorting(encoder, *head(), multi=True)(rows).item() == pytest.approx(wanted.item(), rel=1e-5)


def test_a_teachers_odds_are_targets_too_and_held_out_rows_are_not_smoothed(encoder: Encoder) -> None:
    odds = np.array([[0.7, 0.2, 0.1]], np.float32)
    rows = Labelled(encoder.tokens(TEXTS[:1]), odds, np.ones(1, np.float32))
    objective = Sorting(encoder, *head(), multi=False, smoothing=0.5)
    logits = (encoder(rows.ids) @ torch.tensor(head()[0]).t() + torch.tensor(head()[1]))[0]
    wanted = -(torch.tensor(odds[0]) * logits.log_softmax(0)).sum()
    assert objective.mean_loss(rows) == pytest.approx(wanted.item(), rel=1e-5)


def test_the_contrastive_loss_is_that_of_the_paper(encoder: Encoder) -> None:
    labels = [0, 0, 1, 1, 0, 2]
    rows, vectors = labelled(encoder, labels), encoder.embed(encoder.tokens(TEXTS))
    total = 0.0
    for i, label in enumerate(labels):
        others = [j for j in range(6) if j != i]
        same = [j for j in others if labels[j] == label]
        below = sum(np.exp(float(vectors[i] @ vectors[j]) / 0.1) for j in others)
        for j in same:
            total -= np.log(np.exp(float(vectors[i] @ vectors[j]) / 0.1) / below) / len(same)
    assert SameLabel(encoder)(rows).item() == pytest.approx(total, rel=1e-4)


def test_pairs_are_of_one_label_drawn_anew_and_labels_take_turns(encoder: Encoder) -> None:
    rows = labelled(encoder, [0, 0, 1, 1, 1, 2])
    plan = plan_pairs(rows, steps=6, pairs=3, seed=0)
    assert len(plan) == 6 and all(piece.count == 6 for (piece,) in plan)
    for (piece,) in plan:
        of = piece.targets.argmax(1)
        assert (of[::2] == of[1::2]).all() and set(of) == {0, 1, 2}
    assert len({str(piece.ids) for (piece,) in plan}) > 1
    again = plan_pairs(rows, steps=6, pairs=3, seed=0)
    assert [piece.ids for (piece,) in again] == [piece.ids for (piece,) in plan]


def test_epochs_hold_every_row_once_and_parts_of_them(encoder: Encoder) -> None:
    rows = labelled(encoder, [0, 1, 2, 0, 1, 2])
    plan = plan_epochs(rows, TrainConfig(epochs=2, batch_tokens=16), seed=0)
    ids = [str(row) for step in plan for piece in step for row in piece.ids]
    assert sorted(ids) == sorted([str(row) for row in rows.ids] * 2)
    half = plan_epochs(rows, TrainConfig(epochs=0.5, batch_tokens=16), seed=0)
    assert 0 < len(half) < len(plan) / 2
    joined = plan_epochs(rows, TrainConfig(epochs=2, batch_tokens=16, accumulate=2), seed=0)
    assert max(map(len, joined)) == 2 and sum(map(len, joined)) == len(plan)
