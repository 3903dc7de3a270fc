"""Objectives on an encoder: what belongs together comes near, what does not goes away.

They know tokens and vectors; where pairs come from (rows, texts without labels, mining) is embed.py's business.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional

from pocketlm.train.encoder import Encoder, Ids


@dataclass(frozen=True)
class Pairs:
    """Anchors with what belongs to them: a piece of a plan (see `train/loop.py`).

    Attributes:
        anchors, positives: tokens of texts, one positive an anchor.
        negatives: of each anchor, texts that do not belong to it; as many as there are.
        keys: of each positive and then each negative, in order, a number that is equal where the texts are.
        belongs: of each anchor, the keys of all texts known to belong to it.
    """

    anchors: Sequence[Ids]
    positives: Sequence[Ids]
    negatives: Sequence[Sequence[Ids]] = ()
    keys: Sequence[int] = ()
    belongs: Sequence[frozenset[int]] = ()

    @property
    def count(self) -> int:
        """Pairs."""
        return len(self.anchors)

    @property
    def tokens(self) -> int:
        """Of all texts."""
        every = [*self.anchors, *self.positives, *(ids for some in self.negatives for ids in some)]
        return sum(map(len, every))

    def to(self, device: torch.device) -> Pairs:
        """Itself: the encoder moves what it reads."""
        return self


@dataclass(frozen=True)
class Scored:
    """Pairs of texts and how alike they are: a piece of a plan."""

    left: Sequence[Ids]
    right: Sequence[Ids]
    scores: Sequence[float] = field(default=())

    @property
    def count(self) -> int:
        """Pairs."""
        return len(self.left)

    @property
    def tokens(self) -> int:
        """Of all texts."""
        return sum(map(len, [*self.left, *self.right]))

    def to(self, device: torch.device) -> Scored:
        """Itself: the encoder moves what it reads."""
        return self


class _OnVectors(nn.Module):
    """A loss of vectors, summed over their first `dims` numbers too.

    Args:
        dims: Matryoshka dimensions (Kusupati et al. 2022, arXiv:2205.13147): the loss is the mean of those of the first
            so many numbers of every vector, brought back to length 1, and of the whole; the vectors can then be cut there.
    """

    def __init__(self, encoder: Encoder, dims: Sequence[int] = ()) -> None:
        super().__init__()
        self.encoder, self.dims = encoder, sorted({*dims, encoder.width} if dims else {encoder.width}, reverse=True)

    def cuts(self, vectors: Tensor) -> list[Tensor]:
        """The vectors (texts, width) at each of the dimensions, the whole first."""
        return [
            functional.normalize(vectors[:, :dim], dim=1) if dim < vectors.shape[1] else vectors for dim in self.dims
        ]


class InBatch(_OnVectors):
    """Each anchor must find its positive among all positives and negatives of the batch: InfoNCE (van den Oord et al. 2018,
    arXiv:1807.03748), also called multiple negatives ranking.

    A text that is known to belong to an anchor, or equals one that does, is no negative of it.

    Args:
        temperature: by which cosines are divided.
        symmetric: each positive must find its anchor too; the loss is the mean of both.
    """

    def __init__(
        self, encoder: Encoder, *, temperature: float = 0.05, symmetric: bool = False, dims: Sequence[int] = ()
    ) -> None:
        super().__init__(encoder, dims)
        self.temperature, self.symmetric = temperature, symmetric

    def forward(self, pairs: Pairs) -> Tensor:
        """The summed loss in nats, a scalar."""
        hard = [ids for some in pairs.negatives for ids in some]
        vectors = self.encoder([*pairs.anchors, *pairs.positives, *hard])
        own = known(pairs).to(vectors.device)
        losses = [self._loss(cut, own, pairs.count) for cut in self.cuts(vectors)]
        return torch.stack(losses).mean()

    def _loss(self, vectors: Tensor, own: Tensor, count: int) -> Tensor:
        anchors, others = vectors[:count], vectors[count:]
        logits = (anchors @ others.t() / self.temperature).masked_fill(own, -math.inf)
        target = torch.arange(count, device=vectors.device)
        loss = functional.cross_entropy(logits, target, reduction="sum")
        if not self.symmetric:
            return loss
        back = functional.cross_entropy(logits[:, :count].t(), target, reduction="sum")
        return (loss + back) / 2


def known(pairs: Pairs) -> Tensor:
    """(anchors, positives and negatives) True where a text is no negative of an anchor, its own positive aside."""
    keys = torch.tensor(list(pairs.keys) or range(pairs.count + sum(map(len, pairs.negatives))))
    own = torch.zeros(pairs.count, len(keys), dtype=torch.bool)
    for row in range(pairs.count):
        belongs = pairs.belongs[row] if pairs.belongs else frozenset()
        own[row] = torch.isin(keys, torch.tensor([*belongs, int(keys[row])]))
    own[range(pairs.count), range(pairs.count)] = False
    return own


class Triplets(_OnVectors):
    """An anchor must be nearer to its positive than to each of its own negatives, by a margin of cosine (Schroff et al. 2015,
    arXiv:1503.03832)."""

    def __init__(self, encoder: Encoder, *, margin: float = 0.2, dims: Sequence[int] = ()) -> None:
        super().__init__(encoder, dims)
        self.margin = margin

    def forward(self, pairs: Pairs) -> Tensor:
        """The summed loss, a scalar; of an anchor, the mean over its negatives."""
        hard = [ids for some in pairs.negatives for ids in some]
        vectors = self.encoder([*pairs.anchors, *pairs.positives, *hard])
        count = pairs.count
        of = torch.tensor([row for row, some in enumerate(pairs.negatives) for _ in some]).long().to(vectors.device)
        share = torch.tensor([1 / len(some) for some in pairs.negatives for _ in some], device=vectors.device)
        losses = []
        for cut in self.cuts(vectors):
            near = (cut[:count] * cut[count : 2 * count]).sum(1)[of]
            far = (cut[:count][of] * cut[2 * count :]).sum(1)
            losses.append((functional.relu(far - near + self.margin) * share).sum())
        return torch.stack(losses).mean()


class CoSent(_OnVectors):
    """Pairs with a higher score must be nearer than those with a lower one: log(1 + sum of exp((cos_low - cos_high) /
    temperature)) over all such couples of pairs (CoSENT: Su 2022, kexue.fm/archives/8847; Huang et al. 2024,
    doi:10.1109/TASLP.2024.3402087).

    Only the order of scores counts, as in the rank correlation by which it is judged.
    """

    def __init__(self, encoder: Encoder, *, temperature: float = 0.05, dims: Sequence[int] = ()) -> None:
        super().__init__(encoder, dims)
        self.temperature = temperature

    def forward(self, pairs: Scored) -> Tensor:
        """The loss times the number of pairs, a scalar: it is one of the batch as a whole."""
        vectors = self.encoder([*pairs.left, *pairs.right])
        scores = torch.tensor(list(pairs.scores), device=vectors.device)
        lower = scores[:, None] < scores[None, :]
        losses = []
        for cut in self.cuts(vectors):
            cosine = (cut[: pairs.count] * cut[pairs.count :]).sum(1) / self.temperature
            apart = (cosine[:, None] - cosine[None, :])[lower]
            losses.append(torch.logsumexp(torch.cat([apart.new_zeros(1), apart]), 0) * pairs.count)
        return torch.stack(losses).mean()


class Cosine(_OnVectors):
    """The cosine of a pair must be its score: squared error. For scores whose height counts, such as 0 and 1 of duplicates."""

    def forward(self, pairs: Scored) -> Tensor:
        """The summed loss, a scalar."""
        vectors = self.encoder([*pairs.left, *pairs.right])
        scores = torch.tensor(list(pairs.scores), device=vectors.device)
        losses = [
            ((cut[: pairs.count] * cut[pairs.count :]).sum(1) - scores).square().sum() for cut in self.cuts(vectors)
        ]
        return torch.stack(losses).mean()
