"""Channels of the gated MLPs, and groups of attention heads, taken out, and what is left refitted to do their work.

Each is the input of a linear layer: a channel one column of the MLP's down product, the heads that share a key and value
head some columns of attention's output product. Of a layer y = W x what is lost without some inputs, the others' weights
refitted by least squares, follows from the inputs' second moments H = sum of x xT over calibration rows (optimal brain
surgeon: Hassibi and Stork 1993; of whole structures: Kurtic et al. 2023, arXiv:2302.04089): with S the columns that go, the
squared error grows by tr(W_S ((H^-1)_SS)^-1 W_ST).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pocketlm.core.errors import InputError
from pocketlm.core.progress import progress
from pocketlm.shrink.depth import run_packed
from pocketlm.shrink.folder import Shrunk, blocks_of, keep, operate
from pocketlm.train.batches import Example

MULTIPLE = 32  # of channels: the blocks of quantized weights
MEMORY = 1 << 30  # bytes of second moments held at once
DAMPING = 0.01  # of their mean diagonal: inputs that calibration rows never use are not refitted to noise


def prune_width(
    folder: Path, to: Path, examples: Sequence[Example], *, channels: int | None = None, kv_heads: int | None = None
) -> Shrunk:
    """Write the model of `folder` to `to` with so many channels in each MLP and so many key and value heads.

    Args:
        examples: calibration rows, tokens by the folder's tokenizer; ten times as many tokens as channels are enough.
        channels: a multiple of 32; kv_heads: each with its query heads. None: all.

    Raises:
        InputError: as `operate`, or more than there are.
    """

    def surgery(model: Any) -> dict[str, Any]:
        if channels is not None:
            keep_channels(model, examples, channels)
        if kv_heads is not None:
            keep_heads(model, examples, kv_heads)
        return {"channels": channels, "kv_heads": kv_heads}

    return operate(folder, to, surgery)


def keep_channels(model: Any, examples: Sequence[Example], channels: int) -> None:
    """Leave each block the channels of its MLP that are missed least when the others go, in place.

    Raises:
        InputError: not a multiple of 32, or more than there are.
    """
    config = model.config.get_text_config()
    _check(model, "mlp", ("gate_proj", "up_proj", "down_proj"))
    if channels % MULTIPLE or not 0 < channels <= config.intermediate_size:
        raise InputError(f"{channels} channels: give a multiple of {MULTIPLE} up to {config.intermediate_size}")

    def cut(block: Any, moments: Tensor) -> None:
        mlp = block.mlp
        singles = torch.arange(moments.shape[0])[:, None]
        kept = refit(mlp.down_proj, moments, singles, channels, at_once=MULTIPLE)
        for name in ("gate_proj", "up_proj"):
            keep(getattr(mlp, name), rows=kept)
        mlp.intermediate_size = channels

    _each(model, examples, lambda block: block.mlp.down_proj, cut, "Cutting channels")
    config.intermediate_size = channels


def keep_heads(model: Any, examples: Sequence[Example], kv_heads: int) -> None:
    """Leave each block so many key and value heads with their query heads, in place.

    Raises:
        InputError: more than there are, or none.
    """
    config = model.config.get_text_config()
    _check(model, "self_attn", ("q_proj", "k_proj", "v_proj", "o_proj"))
    first: Any = blocks_of(model)[0]
    before, width = config.num_key_value_heads, first.self_attn.head_dim
    if not 0 < kv_heads <= before:
        raise InputError(f"{kv_heads} key and value heads: give 1 to {before}")
    queries = config.num_attention_heads // before  # of each key and value head

    def cut(block: Any, moments: Tensor) -> None:
        attention = block.self_attn
        groups = torch.arange(moments.shape[0]).view(before, queries * width)
        kept = refit(attention.o_proj, moments, groups, kv_heads, at_once=1)
        keep(attention.q_proj, rows=kept)
        own = kept.view(kv_heads, queries * width)[:, 0] // (queries * width)
        rows = (own[:, None] * width + torch.arange(width)).flatten()
        for name in ("k_proj", "v_proj"):
            keep(getattr(attention, name), rows=rows)

    _each(model, examples, lambda block: block.self_attn.o_proj, cut, "Cutting heads")
    config.num_attention_heads, config.num_key_value_heads, config.head_dim = kv_heads * queries, kv_heads, width


@torch.no_grad()
def refit(layer: Any, moments: Tensor, groups: Tensor, count: int, *, at_once: int) -> Tensor:
    """Leave a linear layer `count` groups of its inputs, in place, those that are left refitted.

    Args:
        moments: (inputs, inputs), the sum of x xT.
        groups: (groups, inputs of each), indices.
        at_once: groups that go in one step, as if they were independent.

    Returns:
        (inputs left,) which they are, rising.
    """
    weight = layer.weight.detach().to(torch.float64)
    moments = moments.to(torch.float64)
    damped = moments + torch.eye(len(moments)) * (DAMPING * moments.diagonal().mean()).clamp(min=1e-12)
    inverse = torch.cholesky_inverse(torch.linalg.cholesky(damped))
    left = torch.arange(len(groups))
    while len(left) > count:
        costs = _costs(weight, inverse, groups[left])
        going = costs.argsort()[: min(at_once, len(left) - count)]
        columns = groups[left[going]].flatten()
        solved = _solve(inverse[columns][:, columns], inverse[columns])  # (going, inputs)
        weight -= weight[:, columns] @ solved
        inverse -= inverse[:, columns] @ solved
        staying = torch.ones(len(left), dtype=torch.bool)
        staying[going] = False
        left = left[staying]
    kept = groups[left].flatten()
    layer.weight.copy_(weight)
    keep(layer, columns=kept)
    return kept


def _costs(weight: Tensor, inverse: Tensor, groups: Tensor) -> Tensor:
    """(groups,) how much the squared error grows without each."""
    own: Tensor = inverse[groups[:, :, None], groups[:, None, :]]  # (groups, inputs, inputs)
    columns = weight.t()[groups]  # (groups, inputs, outputs)
    costs: Tensor = (columns * _solve(own, columns)).sum((1, 2))
    return costs


def _solve(matrix: Tensor, right: Tensor) -> Tensor:
    """x of matrix x = right, both (..., n, n or more), for a symmetric, positive definite matrix.

    Not by its LU decomposition: MKL's, of several matrices on several threads, once lost its pivots in a process that had
    llama.cpp's OpenMP loaded beside torch's.
    """
    return torch.cholesky_solve(right, torch.linalg.cholesky(matrix))


def _check(model: Any, part: str, layers: Sequence[str]) -> None:
    """Whether the blocks are made as Llama's.

    Raises:
        InputError: they are not.
    """
    first = blocks_of(model)[0]
    if missing := [name for name in layers if not hasattr(getattr(first, part, None), name)]:
        raise InputError(f"{model.config.model_type} models have no {part}.{missing[0]}, so their width stays as it is")


def _each(
    model: Any, examples: Sequence[Example], layer: Callable[[Any], Any], cut: Callable[[Any, Tensor], None], title: str
) -> None:
    """Cut every block, given the second moments of the inputs of one of its layers.

    Some blocks at a time: the later ones are cut for what those before them, already cut, give them.
    """
    blocks = list(blocks_of(model))
    with progress(title, len(blocks)) as update:
        for some in _portions(blocks, layer):
            for block, moments in zip(some, _moments(model, examples, [layer(block) for block in some]), strict=True):
                cut(block, moments)
                update()


def _portions(blocks: Sequence[Any], layer: Callable[[Any], Any]) -> Iterator[Sequence[Any]]:
    """Blocks whose moments fit into memory together."""
    count = max(1, MEMORY // (4 * layer(blocks[0]).in_features ** 2))
    for first in range(0, len(blocks), count):
        yield blocks[first : first + count]


def _moments(model: Any, examples: Sequence[Example], layers: Sequence[Any]) -> list[Tensor]:
    """(inputs, inputs) for each layer: the sum of x xT over all tokens of the rows."""
    totals = [torch.zeros(layer.in_features, layer.in_features) for layer in layers]

    def watch(place: int) -> Any:
        def note(_: Any, args: tuple[Tensor, ...]) -> None:
            x = args[0].flatten(0, -2).float()
            totals[place].addmm_(x.t(), x)

        return note

    hooks = [layer.register_forward_pre_hook(watch(place)) for place, layer in enumerate(layers)]
    try:
        for _ in run_packed(model, examples):
            pass
    finally:
        for hook in hooks:
            hook.remove()
    return totals
