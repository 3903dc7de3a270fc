"""From rows of tokens to packed batches: nothing padded, nothing computed twice.

Rows of one task often share a long prefix (the tools block). It stands once in front of the batch; each row adds only
what is its own.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

LIKE = 1.5  # how much longer than its shortest the longest row of a group may be
LOOKAHEAD = 32  # rows among which one is sought that fills a batch's last tokens
FULL = 32  # tokens of a batch are a multiple of this
STEP = 8  # lengths of groups are multiples of this: oneDNN compiles and keeps a product for every shape it meets
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
        token: (rows, longest) the token at each place; blank places repeat the row's last.
        real: (rows, longest) False for blank places.
    """

    token: Tensor
    real: Tensor


@dataclass(frozen=True)
class Layout:
    """How vectors of single heads move between tokens in a row and groups of rows side by side.

    Side by side stand, for the shared prefix (if any) and for each group: query (rows, heads, length), key and value
    (rows, kv heads, length).

    Attributes:
        sizes, shapes: of each of these parts.
        take: for each vector side by side the one it is among the tokens' query, key and value heads.
        back: the inverse; blank places are nobody's.
        out_take: for each of the tokens' heads its place among the queries side by side.
        out_back, blank: the inverse, and the queries that are blank.
    """

    sizes: list[int]
    shapes: list[tuple[int, int, int]]
    take: Tensor
    back: Tensor
    out_take: Tensor
    out_back: Tensor
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
        layouts: by (heads, kv heads), made when attention first asks.
        masks: by sliding window, for attention that takes one; likewise.
    """

    ids: Tensor
    positions: Tensor
    prefix: int
    groups: list[Group]
    labelled: Tensor
    label: Tensor
    layouts: dict[tuple[int, int], Layout] = field(default_factory=dict)
    masks: dict[int | None, Any] = field(default_factory=dict)

    def to(self, device: torch.device) -> Batch:
        """The batch on another device."""
        if self.ids.device == device:
            return self
        groups = [Group(group.token.to(device), group.real.to(device)) for group in self.groups]
        labelled, label = self.labelled.to(device), self.label.to(device)
        return Batch(self.ids.to(device), self.positions.to(device), self.prefix, groups, labelled, label)

    def rows(self) -> Tensor:
        """(tokens,) the row of each token; -1 for those of the prefix."""
        rows = torch.full((self.ids.shape[1],), -1, device=self.ids.device)
        first = 0
        for group in self.groups:
            index = torch.arange(first, first + len(group.token), device=rows.device)[:, None].expand_as(group.token)
            rows[group.token[group.real]] = index[group.real]
            first += len(group.token)
        return rows


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

    Where the next row no longer fits, the longest of the few behind it that does fills the gap. Rows are not sorted by
    length: short rows are often of one kind (no call), and batches of one kind train badly.
    """
    waiting = list(range(len(lengths)))
    random.Random(seed).shuffle(waiting)
    batches: list[list[int]] = []
    while waiting:
        batch, left = [waiting[0]], tokens - lengths[waiting.pop(0)]
        while fitting := [place for place, index in enumerate(waiting[:LOOKAHEAD]) if lengths[index] <= left]:
            place = fitting[0] if fitting[0] == 0 else max(fitting, key=lambda place: lengths[waiting[place]])
            left -= lengths[waiting[place]]
            batch.append(waiting.pop(place))
        batches.append(batch)
    return batches


def make_batch(examples: Sequence[Example], prefix: int, tokens: int = 0) -> Batch:
    """Pack examples whose first `prefix` tokens are equal.

    Rows without a label fill up to `tokens` own tokens (to a multiple of FULL where there are more): matrix products of
    odd heights take up to twice as long, and memory of one size is used again and again.
    """
    front = examples[0].prompt[:prefix]
    own = sum(len(example) - prefix for example in examples)
    missing = tokens - own if own <= tokens else -(prefix + own) % FULL
    fillers = [Example(front + [0] * min(FULL, missing - done), []) for done in range(0, missing, FULL)]
    examples = sorted([*examples, *fillers], key=len)
    ids, positions = front, list(range(prefix))
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
            start += sum(lengths[first:last])
            first = last
    return groups


def _side_by_side(lengths: Sequence[int], start: int) -> Group:
    own = torch.tensor(lengths)[:, None]
    longest = -(-max(lengths) // STEP) * STEP
    place = torch.arange(longest).expand(len(lengths), -1)
    first = own.cumsum(0) - own + start  # a row's first token
    return Group(first + torch.minimum(place, own - 1), place < own)


def make_layout(batch: Batch, heads: int, kv: int) -> Layout:
    """The layout of a batch's attention with `heads` query and `kv` key and value heads."""
    groups = batch.groups
    if batch.prefix:
        front = torch.arange(batch.prefix)[None]
        groups = [Group(front, torch.ones_like(front, dtype=torch.bool)), *groups]
    kinds = torch.arange(heads), torch.arange(heads, heads + kv), torch.arange(heads + kv, heads + 2 * kv)
    shapes = [(len(group.token), len(kind), group.token.shape[1]) for group in groups for kind in kinds]
    tokens, every = batch.ids.shape[1], heads + 2 * kv
    take, real = _heads(groups, kinds, every)
    out, out_real = _heads(groups, kinds[:1], heads)
    return Layout(
        [rows * count * length for rows, count, length in shapes], shapes, take, _inverse(take, real, tokens * every),
        _inverse(out, out_real, tokens * heads), out, (~out_real).nonzero()[:, 0],
    )  # fmt: skip


def _heads(groups: Sequence[Group], kinds: Sequence[Tensor], every: int) -> tuple[Tensor, Tensor]:
    """Index of each vector side by side among (tokens * every), and whether it is real; groups outside, kinds inside."""
    index, real = [], []
    for group in groups:
        for kind in kinds:
            place = group.token[:, None, :] * every + kind[:, None]  # (rows, heads of the kind, length)
            index.append(place.flatten())
            real.append(group.real[:, None, :].expand_as(place).flatten())
    return torch.cat(index), torch.cat(real)


def _inverse(take: Tensor, real: Tensor, size: int) -> Tensor:
    back = torch.empty(size, dtype=torch.long)
    back[take[real]] = torch.arange(len(take))[real]
    return back
