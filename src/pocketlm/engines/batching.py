"""Texts of like length together, so that little is padded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

BATCH = 32  # texts at once; on 2 cores larger batches are no faster


def by_length(lengths: Sequence[int], tokens: int | None = None) -> Iterator[list[int]]:
    """Indices of at most BATCH texts of like length, the shorter first; empty texts are left out.

    Args:
        tokens: at most so many at once, padding counted, where that is more than one text.
    """
    order = sorted((i for i, length in enumerate(lengths) if length), key=lambda i: lengths[i])
    some: list[int] = []
    for i in order:
        if some and (len(some) == BATCH or (tokens and (len(some) + 1) * lengths[i] > tokens)):
            yield some
            some = []
        some.append(i)
    if some:
        yield some
