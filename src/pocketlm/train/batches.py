"""From rows of tokens to packed batches: nothing padded, nothing computed twice.

Rows of one task often share a long prefix (the tools block). It stands once in front of the batch; each row adds only
what is its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

LIKE = 1.5  # how much longer than its shortest the longest row of a group may be
MIN_PREFIX = 16  # a shorter shared prefix costs more in bookkeeping than it saves


@dataclass(frozen=True)
class Example:
    """One row as token ids: the prompt, and the completion with its stop token (what is trained on)."""

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class Group:
    """Neighbouring rows of like length, which attention lays side by side.

    Attributes:
        start, end: the group's tokens in the batch.
        rows, length: number of rows, and own tokens of the longest.
        take: (rows * length,) for each place side by side its token, counted from `start`; blank places take the row's last.
        back: (end - start,) for each token its place side by side.
        blank: places without a token.
    """

    start: int
    end: int
    rows: int
    length: int
    take: Tensor
    back: Tensor
    blank: Tensor


@dataclass(frozen=True)
class Batch:
    """Rows packed end to end, the shorter first: the shared prefix once, then each row's own tokens.

    Attributes:
        ids, positions: (1, tokens); a row's positions continue after the prefix.
        prefix: number of shared tokens in front, may be 0.
        groups: the rows, by length.
        labelled: (labels,) indices of the tokens whose next token is a label.
        label: (labels,) the token ids to predict there.
        layouts: what attention works out once for a batch and uses in every layer.
    """

    ids: Tensor
    positions: Tensor
    prefix: int
    groups: list[Group]
    labelled: Tensor
    label: Tensor
    layouts: dict[tuple[int, int], tuple[Tensor, Tensor, Tensor]] = field(default_factory=dict)


def shared_prefix(examples: Sequence[Example]) -> int:
    """Length of the prompt prefix all examples share, 0 where it is too short to pay.

    The last prompt token always stays with the row: it predicts the first label.
    """
    first = examples[0].prompt
    length = min(len(example.prompt) - 1 for example in examples)
    for example in examples:
        while example.prompt[:length] != first[:length]:
            length = next(i for i in range(length) if example.prompt[i] != first[i])
    return length if length >= MIN_PREFIX else 0


def plan_batches(lengths: Sequence[int], tokens: int, seed: int) -> list[list[int]]:
    """Indices of the rows of each batch, at most `tokens` tokens a batch (or one longer row), in random order.

    Rows are not sorted by length: short rows are often of one kind (no call), and batches of one kind train badly.
    """
    order = list(range(len(lengths)))
    random.Random(seed).shuffle(order)
    batches: list[list[int]] = [[]]
    filled = 0
    for index in order:
        if batches[-1] and filled + lengths[index] > tokens:
            batches.append([])
            filled = 0
        batches[-1].append(index)
        filled += lengths[index]
    return batches


def make_batch(examples: Sequence[Example], prefix: int) -> Batch:
    """Pack examples whose first `prefix` tokens are equal."""
    examples = sorted(examples, key=len)
    ids, positions = examples[0].prompt[:prefix], list(range(prefix))
    labelled: list[int] = []
    for example in examples:
        first_label = len(ids) + len(example.prompt) - prefix
        labelled += range(first_label - 1, first_label - 1 + len(example.completion))
        positions += range(prefix, len(example))
        ids = ids + (example.prompt + example.completion)[prefix:]
    label = [token for example in examples for token in example.completion]
    groups = _group([len(example) - prefix for example in examples], prefix)
    return Batch(
        torch.tensor([ids]), torch.tensor([positions]), prefix, groups, torch.tensor(labelled), torch.tensor(label)
    )


def _group(lengths: Sequence[int], start: int) -> list[Group]:
    """Rows of rising length in groups whose longest row is at most LIKE times the shortest."""
    groups: list[Group] = []
    first = 0
    for last in range(1, len(lengths) + 1):
        if last == len(lengths) or lengths[last] > LIKE * lengths[first] + 4:
            groups.append(_side_by_side(lengths[first:last], start))
            first, start = last, groups[-1].end
    return groups


def _side_by_side(lengths: Sequence[int], start: int) -> Group:
    own, length = torch.tensor(lengths), max(lengths)
    first = own.cumsum(0) - own  # a row's first token, counted from the group's
    place = torch.arange(length).expand(len(lengths), -1)
    take = first[:, None] + torch.minimum(place, own[:, None] - 1)
    real = place < own[:, None]
    return Group(
        start, start + sum(lengths), len(lengths), length, take.flatten(),
        real.flatten().nonzero()[:, 0], (~real).flatten().nonzero()[:, 0],
    )  # fmt: skip
