"""Texts of like length together, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BATCH = 32  # texts at once; on 2 cores larger batches are no faster


def by_length(lengths: Sequence[int]) -> Iterator[list[int]]:
    """Indices of at most BATCH texts of like length, the shorter first; empty texts are left out."""
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: lengths[i])
    for start in range(0, len(order), BATCH):
        yield order[start : start + BATCH]
