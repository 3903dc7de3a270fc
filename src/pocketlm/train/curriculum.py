"""Which rows come when: epochs, their batches, and what an epoch may leave out because it is known already.

Late in a training most rows have next to no loss and hardly move a weight. From the second epoch on to the last but one,
a share of the rows whose last loss was below the mean is left out, another at each epoch, as in InfoBatch (Qin et al.
2024, arXiv:2303.04947); without its larger weights for those that stay, which would move as little.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from pocketlm.train.batches import Example, plan_batches


class Curriculum:
    """The batches of a training in order, and how far it has come.

    Args:
        epochs: the rows of each epoch, each time as many in the same order.
        length: how many epochs to train; the last may be a part.
        prefix: tokens that all rows share; they are not counted.
        tokens: of a batch.
        skip: share of the rows already learnt that an epoch in the middle leaves out.
    """

    def __init__(
        self, epochs: Sequence[Sequence[Example]], length: float, prefix: int, tokens: int, skip: float, seed: int
    ) -> None:
        self._epochs, self._length, self._prefix = epochs, length, prefix
        self._tokens, self._skip, self._seed = tokens, skip, seed
        self._epoch, self._place = 0, 0
        self._losses = torch.full((len(epochs[0]),), torch.inf)  # of each row when it was last trained, nats a label
        self._before = self._losses.clone()  # when this epoch began
        self._batches = self._plan()

    @property
    def done(self) -> bool:
        """Whether all batches were trained."""
        return self._epoch >= self._length

    @property
    def share(self) -> float:
        """How much of the training is behind, 0..1."""
        return (self._epoch + self._part * self._place / len(self._batches)) / self._length

    @property
    def middle(self) -> float:
        """`share` when half of the next batch is done."""
        return self.share + self._part / 2 / len(self._batches) / self._length

    @property
    def rows(self) -> list[Example]:
        """The next batch."""
        return [self._epochs[self._epoch][i] for i in self._batches[self._place]]

    def advance(self, losses: Tensor) -> None:
        """Go on to the next batch, given the loss of each row of this one."""
        self._losses[self._batches[self._place]] = losses
        self._place += 1
        if self._place == len(self._batches):
            self._epoch, self._place = self._epoch + 1, 0
            self._before = self._losses.clone()
            if not self.done:
                self._batches = self._plan()

    def state(self) -> dict[str, Any]:
        """Where it stands, for a checkpoint."""
        return {"epoch": self._epoch, "place": self._place, "losses": self._losses, "before": self._before}

    def resume(self, state: dict[str, Any]) -> None:
        """Go back to where `state` was taken."""
        self._epoch, self._place = state["epoch"], state["place"]
        self._losses, self._before = state["losses"], state["before"]
        if not self.done:
            self._batches = self._plan()

    @property
    def _part(self) -> float:
        """How much of this epoch is trained."""
        return min(1.0, self._length - self._epoch)

    def _plan(self) -> list[list[int]]:
        """Indices of the rows of each batch of this epoch."""
        rows, kept = self._epochs[self._epoch], self._kept()
        lengths = [len(rows[i]) - self._prefix for i in kept]
        batches = [[kept[i] for i in batch] for batch in plan_batches(lengths, self._tokens, self._seed + self._epoch)]
        return batches[: max(1, round(self._part * len(batches)))]

    def _kept(self) -> list[int]:
        """The rows of this epoch."""
        every = list(range(len(self._before)))
        if not self._skip or self._epoch == 0 or self._epoch == math.ceil(self._length) - 1:
            return every
        mean = self._before[self._before.isfinite()].mean()
        rng = random.Random(self._seed + self._epoch)
        return [i for i in every if self._before[i] >= mean or rng.random() >= self._skip]
