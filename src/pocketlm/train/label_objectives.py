"""Objectives that teach an encoder labels: a head's cross-entropy, and nearness of texts of one label.

They know tokens, vectors and targets; nothing of rows, of files, and of what labels are called.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from pocketlm.core.config import TrainConfig
from pocketlm.models.head import Array
from pocketlm.train.batches import plan_batches
from pocketlm.train.encoder import Encoder

TEMPERATURE = 0.1  # by which cosines are divided, as in the paper


@dataclass(frozen=True)
class Labelled:
    """Texts with their targets: a piece of a plan (see `train/loop.py`).

    Attributes:
        ids: tokens of each text.
        targets: (texts, labels), 1 where a label applies, or a teacher's odds.
        weights: (texts,) how much each counts.
    """

    ids: Sequence[list[int]]
    targets: Array
    weights: Array

    @property
    def count(self) -> int:
        """Texts."""
        return len(self.ids)

    @property
    def tokens(self) -> int:
        """Of all texts."""
        return sum(map(len, self.ids))

    def to(self, device: torch.device) -> Labelled:
        """Itself: the encoder moves what it reads."""
        return self


def chosen(rows: Labelled, places: Sequence[int]) -> Labelled:
    """Some of the rows."""
    at = list(places)
    return Labelled([rows.ids[i] for i in at], rows.targets[at], rows.weights[at])


class Sorting(nn.Module):
    """An encoder and a linear head on its vectors of length 1, trained together.

    The head starts from one fitted on the vectors as they are, and so keeps what the encoder knows (Kumar et al. 2022,
    arXiv:2202.10054); its weights hold the scale that vectors of length 1 need.

    Args:
        weight, bias: (labels, width), (labels,).
        multi: each label has odds of its own.
        smoothing: share of a row's target spread over all labels.
    """

    def __init__(self, encoder: Encoder, weight: Array, bias: Array, *, multi: bool, smoothing: float = 0.0) -> None:
        super().__init__()
        self.encoder, self.multi, self.smoothing = encoder, multi, smoothing
        self.weight, self.bias = (nn.Parameter(torch.tensor(part, device=encoder.device)) for part in (weight, bias))

    def forward(self, rows: Labelled) -> Tensor:
        """The summed loss in nats, a scalar; of several labels, the sum over them."""
        return self.loss(self.encoder(rows.ids), rows, self.smoothing)

    def loss(self, vectors: Tensor, rows: Labelled, smoothing: float = 0.0) -> Tensor:
        """The same, of vectors (texts, width)."""
        logits = functional.linear(vectors, self.weight, self.bias)
        targets = torch.tensor(rows.targets, device=logits.device)
        targets = targets * (1 - smoothing) + smoothing * (0.5 if self.multi else 1 / targets.shape[1])
        if self.multi:
            losses = functional.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(1)
        else:
            losses = -(targets * functional.log_softmax(logits, 1)).sum(1)
        return (losses * torch.tensor(rows.weights, device=logits.device)).sum()

    @torch.no_grad()
    def mean_loss(self, rows: Labelled) -> float:
        """Of rows held out, nats a text."""
        return float(self.loss(self.encoder.embed(rows.ids), rows)) / rows.count

    @torch.no_grad()
    def exact(self, rows: Labelled) -> float:
        """Share of rows held out whose labels are the likeliest; of several labels, those over one half."""
        logits = functional.linear(self.encoder.embed(rows.ids), self.weight, self.bias)
        targets = torch.tensor(rows.targets, device=logits.device)
        if self.multi:
            return float(((logits >= 0) == (targets >= 0.5)).all(1).float().mean())
        return float((logits.argmax(1) == targets.argmax(1)).float().mean())


class SameLabel(nn.Module):
    """Texts of one label come near, others go away: the supervised contrastive loss (Khosla et al. 2020, arXiv:2004.11362),
    as SetFit trains an encoder on few rows (Tunstall et al. 2022, arXiv:2209.11055).

    Texts that share any label belong together.
    """

    def __init__(self, encoder: Encoder, temperature: float = TEMPERATURE) -> None:
        super().__init__()
        self.encoder, self.temperature = encoder, temperature

    def forward(self, rows: Labelled) -> Tensor:
        """The summed loss in nats, a scalar; a text with no other of its labels in the batch adds nothing."""
        vectors = self.encoder(rows.ids)
        targets = torch.tensor(rows.targets, device=vectors.device)
        itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        same = (targets @ targets.t() > 0) & ~itself
        logits = (vectors @ vectors.t() / self.temperature).masked_fill(itself, -math.inf)
        logs = functional.log_softmax(logits, 1).masked_fill(itself, 0.0)
        return -((logs * same).sum(1) / same.sum(1).clamp(min=1)).sum()


def plan_epochs(rows: Labelled, settings: TrainConfig, seed: int) -> list[list[Labelled]]:
    """The pieces of every step of all epochs; a part of an epoch takes its first batches."""
    plan: list[list[Labelled]] = []
    lengths = [len(ids) for ids in rows.ids]
    for epoch in range(math.ceil(settings.epochs)):
        batches = plan_batches(lengths, settings.batch_tokens, seed + epoch)
        batches = batches[: max(1, round(min(1.0, settings.epochs - epoch) * len(batches)))]
        for start in range(0, len(batches), settings.accumulate):
            plan.append([chosen(rows, batch) for batch in batches[start : start + settings.accumulate]])
    return plan


def plan_pairs(rows: Labelled, steps: int, pairs: int, seed: int) -> list[list[Labelled]]:
    """So many steps of texts by chance, labels in turn, each with another one of the same label (or itself, of one alone).

    Not all pairs there are, whose number grows with the square of the rows: each step draws its own.
    """
    of_label = [[int(i) for i in places] for column in rows.targets.T if len(places := column.nonzero()[0])]
    rng = random.Random(seed)
    plan = []
    labels: list[list[int]] = []
    for _ in range(steps):
        drawn: list[int] = []
        while len(drawn) < 2 * pairs:
            if not labels:
                labels = rng.sample(of_label, len(of_label))
            members = labels.pop()
            first = rng.choice(members)
            others = [i for i in members if i != first] or [first]
            drawn += [first, rng.choice(others)]
        plan.append([chosen(rows, drawn)])
    return plan
