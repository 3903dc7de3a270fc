"""From rows of tokens to batches: nothing padded that need not be, nothing computed twice.

Rows of one task often share a long prefix (the tools block). It is cut off here once and computed once a step; each
row keeps only what is its own. Rows of similar length share a batch, so that hardly any padding is computed.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MIN_PREFIX = 16  # a shorter shared prefix costs more in bookkeeping than it saves


@dataclass(frozen=True)
class Example:
    """One row as token ids: the prompt, and the completion with its stop token (what is trained on)."""

    prompt: list[int]
    completion: list[int]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.completion)


@dataclass(frozen=True)
class Batch:
    """Rows side by side.

    Attributes:
        prefix: token ids shared by all rows, (prefix,), may be empty.
        ids: (rows, length) the rows' own tokens, padded on the right.
        position: flat indices into (rows * length) whose next token is a label.
        label: the token ids to predict at those places.
    """

    prefix: Tensor
    ids: Tensor
    position: Tensor
    label: Tensor


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
    """Indices of the rows of each batch, at most `tokens` padded tokens a batch, in a shuffled order.

    Rows are sorted by length with a random tie-break, so batches differ between epochs.
    """
    rng = random.Random(seed)
    order = sorted(range(len(lengths)), key=lambda i: (lengths[i], rng.random()))
    batches: list[list[int]] = [[]]
    for index in order:
        if batches[-1] and lengths[index] * (len(batches[-1]) + 1) > tokens:
            batches.append([])
        batches[-1].append(index)
    rng.shuffle(batches)
    return batches


def make_batch(examples: Sequence[Example], prefix: int, pad: int) -> Batch:
    """Pack examples whose first `prefix` tokens are equal."""
    own = [(example.prompt + example.completion)[prefix:] for example in examples]
    length = max(map(len, own))
    ids = torch.full((len(own), length), pad, dtype=torch.long)
    position, label = [], []
    for row, (tokens, example) in enumerate(zip(own, examples, strict=True)):
        ids[row, : len(tokens)] = torch.tensor(tokens)
        start = row * length + len(example.prompt) - prefix - 1  # the place that predicts the first label
        position += range(start, start + len(example.completion))
        label += example.completion
    shared = torch.tensor(examples[0].prompt[:prefix], dtype=torch.long)
    return Batch(shared, ids, torch.tensor(position), torch.tensor(label))
