"""A matrix in few bits, as Core ML stores it: whole numbers times a scale, or places in a table of sixteen values.

Each scale or table is the one with the least squared error on the weights themselves; where it is known what a matrix reads,
columns at int8 and int4 make up for each other as well, see feedback.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from pocketlm.export.feedback import BLOCK, SIGNED_4, Floats, round_in_turn

COLUMNS = 4  # columns that share a table at pal4: few, because what one input needs differs from the next most
TABLE = 16  # values of a table at 4 bits
BINS = 128  # of the histogram in which a table's values are looked for
SMALLEST = 2048  # weights; smaller matrices stay float16
CHUNK = 1 << 20  # weights at a time, so that the pieces stay in the processor's cache


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


def compress(
    weight: Tensor, precision: str, *, vocabulary: bool = False, moments: Floats | None = None
) -> Compressed | None:
    """`weight` (rows, columns) at a precision; None where it stays float16.

    int8: a scale for each row. int4: a scale for each block of 32 along a row, int8 where rows are no multiple of that.
    pal4: a table for four columns, by k-means; int8 for an embedding or output matrix (`vocabulary`), which loses most:
    sixteen values for all rows alone cost SmolLM2-135M over a nat for each token.

    Args:
        moments: (columns, columns) mean products of the matrix's inputs, see importance.moments_of, or only their mean squares
            (columns,); used at int8 and int4.
    """
    if precision == "fp16" or weight.dim() != 2 or weight.numel() < SMALLEST:
        return None
    if precision == "pal4" and not vocabulary:
        return _table(weight)
    if precision == "int4" and weight.shape[1] % BLOCK == 0:
        return _in_blocks(weight.float().numpy(), moments)
    return _in_rows(weight, moments)


def _in_rows(weight: Tensor, moments: Floats | None) -> Compressed:
    """Eight bits, the largest weight of a row at 127."""
    scales = (weight.abs().amax(1, keepdim=True).float() / 127).clamp_min(torch.finfo(torch.float16).tiny).half()
    if moments is not None and moments.ndim == 2 and weight.shape[1] % BLOCK == 0:
        data = _rows_in_turn(weight.float().numpy(), scales.float().numpy()[:, 0], moments)
        return Compressed("scaled", 8, data, scales)
    data = torch.empty(weight.shape, dtype=torch.int8)
    rows = max(1, CHUNK // weight.shape[1])
    for start in range(0, len(weight), rows):
        piece, scale = weight[start : start + rows].float(), scales[start : start + rows].float()
        data[start : start + rows] = (piece / scale).round_().clamp_(-128, 127).to(torch.int8)
    return Compressed("scaled", 8, data, scales)


def _rows_in_turn(weight: Floats, scales: Floats, moments: Floats) -> Tensor:
    """Whole numbers that are multiplied by a scale for each row, (rows,)."""

    def nearest(column: Floats) -> Floats:
        numbers: Floats = np.rint(column / scales).clip(-128, 127) * scales
        return numbers

    rounded = round_in_turn(weight, moments, lambda block, share: nearest)
    return torch.from_numpy(np.rint(rounded / scales[:, None]).astype(np.int8))


def _in_blocks(weight: Floats, moments: Floats | None) -> Compressed:
    """Four bits, -8 to 7 times a scale of float16."""
    places, scales = SIGNED_4.round(weight, moments)
    return Compressed("scaled", 4, torch.from_numpy(places.astype(np.int8) - 8), torch.from_numpy(scales))


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
