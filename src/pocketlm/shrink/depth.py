"""Whole decoder blocks taken out: which of them a model misses least, measured.

A block adds to the stream of states that runs through the model, so one whose addition is small or useless for the job can
go: without any repair, and better with some training behind (heal.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from pocketlm.core.errors import InputError
from pocketlm.core.progress import progress
from pocketlm.shrink.folder import Shrunk, blocks_of, operate
from pocketlm.train.attention import use_packed_attention
from pocketlm.train.batches import Example, make_batch, plan_batches, shared_prefix
from pocketlm.train.loop import mean_loss
from pocketlm.train.objective import NextToken

TOKENS = 2048  # that are measured at once
TRIED = 8  # blocks that are tried again each time one has gone


@dataclass(frozen=True)
class Effect:
    """What a block does.

    Attributes:
        loss: nats a label token, without it.
        influence: 1 - cosine between what goes in and what comes out, the mean over tokens: block influence (Men et al.
            2024, arXiv:2403.03853), which needs no trial.
    """

    block: int
    loss: float
    influence: float


def loss_of(model: Any, examples: Sequence[Example]) -> float:
    """Cross-entropy in nats a label token, on packed rows."""
    use_packed_attention(model)
    return mean_loss(NextToken(model), examples, shared_prefix(examples), TOKENS)


def block_effects(model: Any, examples: Sequence[Example]) -> list[Effect]:
    """What each block of a model does for these rows."""
    influences = _influences(model, examples)
    found = []
    with progress("Trying without each block", len(influences)) as update:
        for block, influence in enumerate(influences):
            with without(model, [block]):
                found.append(Effect(block, loss_of(model, examples), influence))
            update()
    return found


def choose_blocks(model: Any, examples: Sequence[Example], count: int, *, tried: int = TRIED) -> list[int]:
    """The blocks to drop, one after another: each time the one without which the loss is lowest, the others gone already.

    Args:
        tried: how many are tried each time, those without which the loss rose least the last time; the first time all.

    Returns:
        Indices in the order in which they go, so that the first few are the choice for fewer.

    Raises:
        InputError: more than there are.
    """
    depth = len(blocks_of(model))
    if not 0 <= count < depth:
        raise InputError(f"{count} blocks cannot be dropped, the model has {depth}")
    gone: list[int] = []
    before = loss_of(model, examples) if count else 0.0
    rises = dict.fromkeys(range(depth), -math.inf)  # of the loss when a block goes, as last measured
    with progress("Dropping blocks", count) as update:
        while len(gone) < count:
            likely = sorted(rises, key=lambda block: rises[block])[: tried if gone else depth]
            losses = {block: _loss_without(model, [*gone, block], examples) for block in likely}
            rises |= {block: loss - before for block, loss in losses.items()}
            gone.append(min(losses, key=lambda block: losses[block]))
            before = losses[gone[-1]]
            del rises[gone[-1]]
            update(1, f"loss {before:.3f}")
    return gone


def drop_blocks(model: Any, blocks: Sequence[int]) -> None:
    """Take blocks out of a model, in place.

    Raises:
        InputError: one that is not there, or all.
    """
    layers, config = blocks_of(model), model.config.get_text_config()
    kept = [layer for layer in range(len(layers)) if layer not in blocks]
    if not kept or not set(blocks) <= set(range(len(layers))):
        raise InputError(f"blocks {sorted(blocks)} cannot be dropped from a model that has {len(layers)}")
    model.model.layers = nn.ModuleList([layers[layer] for layer in kept])
    kinds = getattr(config, "layer_types", None)
    config.num_hidden_layers = len(kept)
    if kinds:
        config.layer_types = [kinds[layer] for layer in kept]
    for place, layer in enumerate(model.model.layers):
        for module in layer.modules():
            if hasattr(module, "layer_idx"):  # where its keys and values are kept
                module.layer_idx = place


def prune_depth(folder: Path, to: Path, blocks: Sequence[int]) -> Shrunk:
    """Write the model of `folder` to `to` without some blocks.

    Raises:
        InputError: as `operate` and `drop_blocks`.
    """

    def surgery(model: Any) -> dict[str, Any]:
        drop_blocks(model, blocks)
        return {"dropped_blocks": sorted(blocks)}

    return operate(folder, to, surgery)


@contextmanager
def without(model: Any, blocks: Sequence[int]) -> Iterator[None]:
    """The model without some of its blocks, for a while; not for generation, whose cache counts them."""
    layers, config = blocks_of(model), model.config.get_text_config()
    kept, kinds = [at for at in range(len(layers)) if at not in blocks], getattr(config, "layer_types", None)
    model.model.layers = nn.ModuleList([layers[at] for at in kept])
    if kinds:
        config.layer_types = [kinds[at] for at in kept]
    try:
        yield
    finally:
        model.model.layers = layers
        if kinds:
            config.layer_types = kinds


def _loss_without(model: Any, blocks: Sequence[int], examples: Sequence[Example]) -> float:
    with without(model, blocks):
        return loss_of(model, examples)


@torch.no_grad()
def _influences(model: Any, examples: Sequence[Example]) -> list[float]:
    """Block influence of each block."""
    layers = blocks_of(model)
    totals, count = torch.zeros(len(layers)), 0

    def watch(place: int) -> Any:
        def note(_: Any, args: tuple[Tensor, ...], out: Tensor) -> None:
            totals[place] += functional.cosine_similarity(args[0].float(), out.float(), dim=-1).sum()

        return note

    hooks = [layer.register_forward_hook(watch(place)) for place, layer in enumerate(layers)]
    try:
        count = sum(batch.ids.shape[1] for batch in run_packed(model, examples))
    finally:
        for hook in hooks:
            hook.remove()
    return [1 - total / count for total in totals.tolist()]


@torch.no_grad()
def run_packed(model: Any, examples: Sequence[Example]) -> Iterator[Any]:
    """Run a model over rows, without fillers, for what hooks see on the way; yields each batch when it is through."""
    use_packed_attention(model)
    prefix = shared_prefix(examples)
    lengths = [len(example) - prefix for example in examples]
    for rows in plan_batches(lengths, TOKENS, 0):
        batch = make_batch([examples[i] for i in rows], prefix, sum(lengths[i] for i in rows)).to(model.device)
        model.model(input_ids=batch.ids, position_ids=batch.positions, use_cache=False, batch=batch)
        yield batch
