"""Rounding a matrix to few bits so that its products stay: block by block, column by column, each making up for the last.

A row is cut into blocks of (mostly) BLOCK weights, a weight stands for one of a few levels times its block's scale. GPTQ's way
(Frantar et al. 2022, arXiv:2210.17323), for any grid of levels, so that all formats share it.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.machine import cores

Floats = NDArray[np.float32]
Rounder = Callable[[Floats], Floats]
Rounded = tuple[NDArray[np.uint8], NDArray[np.float16]]  # places of levels, and scales

BLOCK = 32
DAMPED = 0.01  # of the mean square of the inputs, added to each, so that few texts do not say too much
LEAST = 1e-3  # importance of a weight, as a share of its block's mean
SHRUNK = (1.0, 0.92, 0.84, 0.76)  # of the scale that just holds a block's largest weight: cutting it refines the rest
PIECE = 1 << 13  # blocks rounded at once, so that all tries stay in the processor's cache
REFINED = 2  # times the best try's scale is refined


def round_in_turn(
    weight: Floats, moments: Floats, grid: Callable[[Floats, Floats], Rounder], size: int = BLOCK
) -> Floats:
    """`weight` (rows, columns) on a grid, chosen so that its products with the inputs stay, not its numbers.

    How a column's error is spread over those behind it follows from the Cholesky factor of the moments' inverse (algorithm 1).

    Args:
        moments: (columns, columns) mean products of the matrix's inputs.
        grid: of a block (rows, size), as the blocks before have moved it, and what an error in each column costs (size,): gives
            the function that rounds a column (rows,).
        size: columns of a block.
    """
    rows, columns = weight.shape
    products = moments.astype(np.float64)
    products[np.diag_indices(columns)] += max(DAMPED * float(products.diagonal().mean()), 1e-12)
    spread = np.linalg.cholesky(np.linalg.inv(products)).T.astype(np.float32)
    shares, left = shares_of(moments, size), np.ascontiguousarray(weight.T)  # (columns, rows)
    done = np.empty((columns, rows), np.float32)
    for share, start in zip(shares, range(0, columns, size), strict=True):
        end = start + size
        block, lost = left[start:end], np.empty((size, rows), np.float32)
        rounder = grid(np.ascontiguousarray(block.T), share)
        for i in range(size):
            done[start + i] = rounder(block[i])
            lost[i] = (block[i] - done[start + i]) / spread[start + i, start + i]
            block[i + 1 :] -= spread[start + i, start + i + 1 : end, None] * lost[i]
        left[end:] -= spread[start:end, end:].T @ lost
    return np.ascontiguousarray(done.T)


def shares_of(importance: Floats, size: int = BLOCK) -> Floats:
    """How much an error in a column costs, as a share of its block's mean, (blocks, size).

    Args:
        importance: mean squares of a matrix's inputs (columns,), or their mean products (columns, columns).
    """
    share = (importance.diagonal() if importance.ndim == 2 else importance).reshape(-1, size)
    share = share / np.maximum(share.mean(axis=1, keepdims=True), np.float32(1e-30))
    kept: Floats = np.clip(share, LEAST, None).astype(np.float32)
    return kept


def in_pieces(weight: Floats, size: int, convert: Callable[[Floats], Rounded]) -> Rounded:
    """Round the blocks of a matrix some rows at a time, on all cores: places (rows, columns) and scales (rows, blocks).

    Args:
        convert: of blocks (blocks, size): their places, and scales (blocks, 1).
    """
    rows, columns = weight.shape
    step = max(1, PIECE // (columns // size))

    def convert_rows(start: int) -> Rounded:
        return convert(np.ascontiguousarray(weight[start : start + step]).reshape(-1, size))

    with ThreadPoolExecutor(cores()) as pool:
        done = list(pool.map(convert_rows, range(0, rows, step)))
    places, scales = (np.concatenate(part) for part in zip(*done, strict=True))
    return places.reshape(weight.shape), scales.reshape(rows, -1)


def inverse(scales: NDArray[np.float16]) -> Floats:
    """One over the scales as they are stored; 0 for a block of nothing."""
    wide = scales.astype(np.float32)
    with np.errstate(divide="ignore"):
        return np.where(wide == 0, np.float32(0), np.float32(1) / wide)


@dataclass(frozen=True)
class Levels:
    """Whole numbers, ascending, that a block's weights are multiples of its scale by.

    Attributes:
        mirrored: whether a scale may be negative.
        brief: whether scales have eight significant bits, so that they are bfloat16 too.
        size: weights of a block.
    """

    numbers: tuple[int, ...]
    mirrored: bool = False
    brief: bool = False
    size: int = BLOCK

    @cached_property
    def _values(self) -> Floats:
        return np.array(self.numbers, np.float32)

    @cached_property
    def _nearest(self) -> NDArray[np.uint8]:
        """The place of the level that is nearest to each whole and half number from the first level on."""
        # edges are whole or half numbers, so that halves tell on which side a number lies
        edges = (self._values[1:] + self._values[:-1]) / 2
        halves = np.arange(2 * self.numbers[0], 2 * self.numbers[-1] + 1) / 2
        return np.searchsorted(edges, halves, side="right").astype(np.uint8)

    def places(self, numbers: Floats) -> NDArray[np.uint8]:
        """Which level is nearest to each number."""
        low, high = self.numbers[0], self.numbers[-1]
        halves = np.floor(2 * numbers.clip(low, high)).astype(np.int32) - 2 * low
        found: NDArray[np.uint8] = self._nearest[halves]
        return found

    def nearest(self, numbers: Floats) -> Floats:
        """The level nearest to each number."""
        values: Floats = self._values[self.places(numbers)]
        return values

    def _kept(self, scales: Floats) -> NDArray[np.float16]:
        """Scales as they are stored."""
        if self.brief:
            scales = ((scales.view(np.uint32) + np.uint32(1 << 15)) & np.uint32(0xFFFF0000)).view(np.float32)
        return scales.astype(np.float16)

    def scales(self, blocks: Floats, share: Floats) -> NDArray[np.float16]:
        """For each block (blocks, size) the scale (blocks, 1) of least squared error among several, refined.

        Args:
            share: what an error in each column costs, (size,) or as the blocks.
        """
        low, high = blocks.min(axis=1, keepdims=True), blocks.max(axis=1, keepdims=True)
        first, last = self.numbers[0], self.numbers[-1]
        fits = [np.maximum(low / first, high / last)]
        if self.mirrored:
            fits.append(np.minimum(high / first, low / last))
        best = np.full((len(blocks), 1), np.inf, np.float32)
        scales = np.zeros((len(blocks), 1), np.float16)

        def try_(scale: NDArray[np.float16]) -> None:
            """Keep these scales where they are better."""
            levels = self.nearest(blocks * inverse(scale))
            error = (share * np.square(levels * scale.astype(np.float32) - blocks)).sum(axis=1, keepdims=True)
            better = error < best
            np.copyto(best, error, where=better)
            np.copyto(scales, scale, where=better)

        for fit in fits:
            for shrunk in SHRUNK:
                try_(self._kept(fit * np.float32(shrunk)))
        for _ in range(REFINED):  # for these levels, the scale of least error
            levels = self.nearest(blocks * inverse(scales))
            power = np.maximum((share * levels * levels).sum(axis=1, keepdims=True), np.float32(1e-30))
            try_(self._kept((share * levels * blocks).sum(axis=1, keepdims=True) / power))
        return scales

    def round(self, weight: Floats, moments: Floats | None = None) -> Rounded:
        """A matrix (rows, columns) as places of levels and scales (rows, blocks).

        Args:
            moments: (columns, columns) mean products of the matrix's inputs, by which columns make up for each other; or their mean
                squares (columns,), by which each block is rounded for itself, as it is without either.
        """
        if moments is not None and moments.ndim == 2:
            return self._in_turn(weight, moments)
        share = shares_of(np.ones(weight.shape[1], np.float32) if moments is None else moments, self.size)

        def convert(blocks: Floats) -> Rounded:
            scales = self.scales(blocks, np.tile(share, (len(blocks) // len(share), 1)))
            return self.places(blocks * inverse(scales)), scales

        return in_pieces(weight, self.size, convert)

    def _in_turn(self, weight: Floats, moments: Floats) -> Rounded:
        scales: list[NDArray[np.float16]] = []

        def grid(block: Floats, share: Floats) -> Rounder:
            found = self.scales(block, share)
            scales.append(found)
            wide, narrow = found[:, 0].astype(np.float32), inverse(found)[:, 0]
            return lambda column: self.nearest(column * narrow) * wide

        done = round_in_turn(weight, moments, grid, self.size)
        kept = np.concatenate(scales, axis=1)
        blocks = done.reshape(len(weight), -1, self.size)
        return self.places(blocks * inverse(kept)[:, :, None]).reshape(weight.shape), kept

    def numbers_of(self, places: NDArray[np.uint8], scales: NDArray[np.float16]) -> Floats:
        """The matrix that places and scales stand for."""
        blocks = self._values[places].reshape(len(places), -1, self.size)
        matrix: Floats = (blocks * scales.astype(np.float32)[:, :, None]).reshape(places.shape)
        return matrix


SIGNED_4 = Levels(tuple(range(-8, 8)))
BRIEF_4 = replace(SIGNED_4, brief=True)  # XNNPACK, which runs LiteRT's, keeps scales of blocks in bfloat16
Q4_0 = replace(SIGNED_4, mirrored=True)
# ggml's table
IQ4_NL = Levels((-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113), mirrored=True)
