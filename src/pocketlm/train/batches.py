"""From rows of tokens to packed batches: nothing padded, nothing computed twice.

Rows of one task often share a long prefix (the tools block). It stands once in front of the batch; each row adds only
what is its own.
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
    """Rows packed end to end: the shared prefix once, then each row's own tokens.

    Attributes:
        ids, positions: (1, tokens); a row's positions continue after the prefix.
        prefix: number of shared tokens in front, may be 0.
        rows, length: number of rows, and own tokens of the longest.
        slot: (own tokens,) place of each own token in a (rows * length) layout side by side.
        labelled: (labels,) indices of the tokens whose next token is a label.
        label: (labels,) the token ids to predict there.
    """

    ids: Tensor
    positions: Tensor
    prefix: int
    rows: int
    length: int
    slot: Tensor
    labelled: Tensor
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
    ids, positions = examples[0].prompt[:prefix], list(range(prefix))
    slot: list[int] = []
    labelled: list[int] = []
    length = max(map(len, examples)) - prefix
    for row, example in enumerate(examples):
        first_label = len(ids) + len(example.prompt) - prefix
        labelled += range(first_label - 1, first_label - 1 + len(example.completion))
        own = (example.prompt + example.completion)[prefix:]
        slot += range(row * length, row * length + len(own))
        positions += range(prefix, prefix + len(own))
        ids = ids + own
    label = [token for example in examples for token in example.completion]
    return Batch(
        torch.tensor([ids]), torch.tensor([positions]), prefix, len(examples), length, torch.tensor(slot),
        torch.tensor(labelled), torch.tensor(label),
    )  # fmt: skip
