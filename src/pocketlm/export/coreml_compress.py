"""A matrix in few bits, as Core ML stores it: whole numbers times a scale, or places in a table of sixteen values.

Data-free: each scale or table is the one with the least squared error on the weights themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

BLOCK = 32  # weights along a row that share a scale at int4
COLUMNS = 4  # columns that share a table at pal4: few, because what one input needs differs from the next most
TABLE = 16  # values of a table at 4 bits
BINS = 128  # of the histogram in which a table's values are looked for
SMALLEST = 2048  # weights; smaller matrices stay float16
CHUNK = 1 << 20  # weights at a time, so that the pieces stay in the processor's cache
SHRUNK = (1.0, 0.95, 0.9, 0.85, 0.8)  # of the largest value in a block, tried as what the largest number stands for


@dataclass(frozen=True)
class Compressed:
    """A matrix (rows, columns) in parts.

    Attributes:
        kind: `scaled` (data, scale) or `table` (data are indices into `scale`, the tables).
        data: int8 whole numbers, in int4's range where `bits` is 4; uint8 places for a table.
        scale: float16; (rows, blocks), or tables (1, column groups, TABLE, 1).
    """

    kind: str
    bits: int
    data: Tensor
    scale: Tensor


def compress(weight: Tensor, precision: str, *, vocabulary: bool = False) -> Compressed | None:
    """`weight` (rows, columns) at a precision; None where it stays float16.

    int8: a scale for each row. int4: a scale for each block of 32 along a row, int8 where rows are no multiple of that.
    pal4: a table for four columns, by k-means; int8 for an embedding or output matrix (`vocabulary`), which loses most:
    sixteen values for all rows alone cost SmolLM2-135M over a nat for each token.
    """
    if precision == "fp16" or weight.dim() != 2 or weight.numel() < SMALLEST:
        return None
    if precision == "pal4" and not vocabulary:
        return _table(weight)
    if precision == "int4" and weight.shape[1] % BLOCK == 0:
        return _scaled(weight, 4, BLOCK, SHRUNK)
    return _scaled(weight, 8, weight.shape[1], SHRUNK[:1])


def _scaled(weight: Tensor, bits: int, block: int, shrunk: tuple[float, ...]) -> Compressed:
    """Symmetric whole numbers of `bits`, the scale chosen by squared error among `shrunk`."""
    most = 2 ** (bits - 1) - 1
    data = torch.empty(weight.shape, dtype=torch.int8)
    scales = torch.empty(weight.shape[0], weight.shape[1] // block, dtype=torch.float16)
    rows = max(1, CHUNK // weight.shape[1])
    for start in range(0, len(weight), rows):
        piece = weight[start : start + rows].float()
        blocks = piece.reshape(len(piece), -1, block)
        scale = _best_scale(blocks, most, shrunk)
        numbers = (blocks / scale.float().unsqueeze(2)).round_().clamp_(-most - 1, most)
        data[start : start + rows] = numbers.reshape(piece.shape).to(torch.int8)
        scales[start : start + rows] = scale
    return Compressed("scaled", bits, data, scales)


def _best_scale(blocks: Tensor, most: int, shrunk: tuple[float, ...]) -> Tensor:
    """For each block of (rows, blocks, block) the float16 scale with the least squared error."""
    largest = blocks.abs().amax(2) / most
    tiny = torch.finfo(torch.float16).tiny
    scales = [(largest * factor).clamp_min(tiny).half() for factor in shrunk]
    if len(scales) == 1:
        return scales[0]
    errors = []
    for scale in scales:
        wide = scale.float().unsqueeze(2)
        errors.append(((blocks / wide).round_().clamp_(-most - 1, most) * wide - blocks).square_().sum(2))
    best = torch.stack(errors).argmin(0, keepdim=True)
    return torch.stack(scales).gather(0, best).squeeze(0)


def _table(weight: Tensor) -> Compressed:
    """Sixteen values for each group of columns: Lloyd's k-means on a fine histogram of the group's weights."""
    columns = next(size for size in range(COLUMNS, 0, -1) if weight.shape[1] % size == 0)
    groups = weight.t().reshape(weight.shape[1] // columns, -1)
    data = torch.empty(groups.shape, dtype=torch.uint8)
    tables = torch.empty(len(groups), TABLE, dtype=torch.float16)
    step = max(1, CHUNK // groups.shape[1])
    for start in range(0, len(groups), step):
        piece = groups[start : start + step].float()
        values = _means(piece).half()
        edges = (values[:, 1:].float() + values[:, :-1].float()) / 2
        data[start : start + step] = torch.searchsorted(edges.contiguous(), piece).to(torch.uint8)
        tables[start : start + step] = values
    places = data.reshape(weight.shape[1], weight.shape[0]).t().contiguous()
    return Compressed("table", 4, places, tables.reshape(1, -1, TABLE, 1))


def _means(groups: Tensor, rounds: int = 15) -> Tensor:
    """Ascending values (groups, TABLE) that the weights (groups, n) lie close to."""
    low, high = groups.amin(1, keepdim=True), groups.amax(1, keepdim=True)
    width = ((high - low) / BINS).clamp_min(1e-12)
    places = ((groups - low) / width).long().clamp_(0, BINS - 1)
    counts = torch.zeros(len(groups), BINS).scatter_add_(1, places, torch.ones_like(groups))
    centres = low + (torch.arange(BINS) + 0.5) * width
    # start where the cube root of the density would put them: near the best for squared error (Panter and Dite, 1951)
    share = counts.clamp_min(1e-6).pow(1 / 3).cumsum(1)
    wanted = (torch.arange(TABLE) + 0.5) / TABLE * share[:, -1:]
    values = centres.gather(1, torch.searchsorted(share, wanted.contiguous()).clamp_max(BINS - 1))
    for _ in range(rounds):
        edges = ((values[:, 1:] + values[:, :-1]) / 2).contiguous()
        owner = torch.searchsorted(edges, centres)
        weight = torch.zeros_like(values).scatter_add_(1, owner, counts)
        total = torch.zeros_like(values).scatter_add_(1, owner, counts * centres)
        values = torch.where(weight > 0, total / weight.clamp_min(1e-12), values)
    return values.sort(1).values
