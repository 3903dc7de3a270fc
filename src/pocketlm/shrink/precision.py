"""How many bits each part of a model needs: measured on the model itself, then spent where they are missed most.

Each group of tensors is rounded alone to each type, and what that does to the next-token odds is measured. Rounding errors
of different groups add up nearly, so the best mix for a size follows by taking bits away where a byte costs least.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import torch
from torch import Tensor

from pocketlm.core.progress import progress
from pocketlm.export.gguf import read_config
from pocketlm.export.gguf_families import family_of
from pocketlm.export.gguf_tensors import GROUPS, PRECISIONS, Weight, bits, fitting, group_of, quantize, stored_tensors
from pocketlm.models.load import load_model
from pocketlm.shrink.depth import run_packed
from pocketlm.train.batches import Example
from pocketlm.train.objective import LABELS

TYPES = ("q8_0", "q6_k", "q5_0", "iq4_nl", "q3_k", "q2_k")  # the most bits first
GRID_TYPES = ("q4_0", "q3_k", "q2_k")  # of a model that stands on the first one's grid: more bits are of no use to it
Mix = Mapping[str, str]  # group -> type


@dataclass(frozen=True)
class Point:
    """A mix of types.

    Attributes:
        cost: nats by which the odds are off, foretold.
        size: bytes of its tensors.
    """

    mix: Mix
    cost: float
    size: int

    def __str__(self) -> str:
        kinds = sorted(set(self.mix.values()), key=lambda kind: -bits(PRECISIONS[kind][0]))
        if len(kinds) == 1:
            return kinds[0]
        return ", ".join(f"{kind} {'+'.join(_short(self.mix, kind))}" for kind in kinds)


def _short(mix: Mix, kind: str) -> list[str]:
    """The groups of a type, all depths of one kind as one."""
    own = [group for group in GROUPS if mix.get(group) == kind]
    for part in ("attention", "mlp"):
        depths = [group for group in own if group.startswith(part)]
        if len(depths) == 3:
            own = [group for group in own if group not in depths] + [part]
    return own


def mixes(
    folder: Path, examples: Sequence[Example], importance: Mapping[str, Weight], types: Sequence[str] = TYPES
) -> list[Point]:
    """Mixes of types, from the most bits everywhere to the fewest, each smaller than the one before.

    Args:
        examples: rows whose odds are compared, tokens by the folder's tokenizer.
        importance: of each tensor's columns, by which they are rounded; may be empty.
        types: the most bits first.
    """
    parts = parts_of(folder)
    sizes = {(group, kind): sum(part.size(kind) for part in parts[group]) for group in GROUPS for kind in types}
    costs = _costs(folder, parts, sizes, examples, importance, types)
    point = Point(dict.fromkeys(GROUPS, types[0]), 0.0, sum(sizes[group, types[0]] for group in GROUPS))
    found = [point]
    while steps := [
        (group, kind) for group in GROUPS for kind in types[types.index(point.mix[group]) + 1 :]
        if (group, kind) in costs and sizes[group, kind] < sizes[group, point.mix[group]]
    ]:  # fmt: skip

        def price(step: tuple[str, str], point: Point = point) -> float:
            group = step[0]
            before = point.mix[group]
            return (costs[step] - costs.get((group, before), 0.0)) / (sizes[group, before] - sizes[step])

        group, kind = min(steps, key=price)
        mix = {**point.mix, group: kind}
        cost = sum(costs.get((name, held), 0.0) for name, held in mix.items())
        point = Point(mix, cost, point.size - sizes[group, point.mix[group]] + sizes[group, kind])
        found.append(point)
    return found


def _costs(
    folder: Path,
    parts: Mapping[str, Sequence[Part]],
    sizes: Mapping[tuple[str, str], int],
    examples: Sequence[Example],
    importance: Mapping[str, Weight],
    types: Sequence[str],
) -> dict[tuple[str, str], float]:
    """KL in nats, the mean over label tokens, of each group rounded alone to each type that makes it smaller."""
    model = load_model(folder, torch.float32)
    exact = _read(model, examples)
    tried = [
        (group, now) for group in GROUPS for before, now in pairwise(types) if sizes[group, now] < sizes[group, before]
    ]
    found = {}
    with progress("Rounding each part", len(tried)) as update:
        for group, kind in tried:
            with rounded(model, parts[group], kind, importance):
                found[group, kind] = max(0.0, _divergence(exact, _read(model, examples)))
            update()
    return found


@torch.no_grad()
def _read(model: Any, examples: Sequence[Example]) -> tuple[Tensor, Tensor]:
    """The last states at all label tokens (labels, width), and the matrix (vocabulary, width) that makes odds of them."""
    states: list[Tensor] = []
    hook = model.model.norm.register_forward_hook(lambda _, __, out: states.append(out))
    try:
        labelled = [batch.labelled for batch in run_packed(model, examples)]
    finally:
        hook.remove()
    read = torch.cat([out[0, own] for out, own in zip(states, labelled, strict=True)])
    return read, model.get_output_embeddings().weight.data


@torch.no_grad()
def _divergence(exact: tuple[Tensor, Tensor], other: tuple[Tensor, Tensor]) -> float:
    """KL in nats, the mean over label tokens; never the odds of more than LABELS at once."""
    total = 0.0
    for states, changed in zip(torch.split(exact[0], LABELS), torch.split(other[0], LABELS), strict=True):
        a, b = (states @ exact[1].t()).log_softmax(-1), (changed @ other[1].t()).log_softmax(-1)
        total += float((a.exp() * (a - b)).sum())
    return total / len(exact[0])


@contextmanager
def rounded(model: Any, parts: Sequence[Part], kind: str, importance: Mapping[str, Weight]) -> Iterator[None]:
    """The model with some weights as they come back from a file of that type, for a while."""
    weights = dict(model.named_parameters())
    kept = {part.name: weights[part.name].data for part in parts}
    try:
        for part in parts:
            stored = fitting(PRECISIONS[kind][0], part.shape)
            values = kept[part.name].numpy()
            back = gguf.dequantize(quantize(values, stored, importance.get(part.name)), stored)
            weights[part.name].data = torch.from_numpy(back.reshape(part.shape).copy())
        yield
    finally:
        for name, data in kept.items():
            weights[name].data = data


@dataclass(frozen=True)
class Part:
    """A matrix of a model's folder."""

    name: str
    shape: tuple[int, ...]

    def size(self, kind: str) -> int:
        """Bytes of it in a type, or in what takes that type's place where its rows do not fill the blocks."""
        stored = fitting(PRECISIONS[kind][0], self.shape)
        return math.prod(gguf.quant_shape_to_byte_shape(self.shape, stored))


def parts_of(folder: Path) -> dict[str, list[Part]]:
    """The matrices of each group of a model's folder."""
    config = read_config(folder)
    layers = config["num_hidden_layers"]
    names = gguf.get_tensor_name_map(family_of(folder, config).arch, layers)
    found: dict[str, list[Part]] = {group: [] for group in GROUPS}
    for name, tensor in stored_tensors(folder).items():
        written = names.get_name(name, try_suffixes=(".weight", ".bias")) or ""
        group = group_of(written, layers)
        if group and len(tensor.shape) == 2:
            found[group].append(Part(name, tensor.shape))
    return found
