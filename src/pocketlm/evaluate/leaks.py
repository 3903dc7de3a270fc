"""Test rows that were trained on: their score says nothing of new ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pocketlm.core.errors import EnvironmentLacks
from pocketlm.core.text import folded
from pocketlm.data.near import NearIndex

MOST_FOR_NEAR = 50_000  # training rows that twins are looked for among


def leaks(rows: Sequence[Any], train: Sequence[Any]) -> list[str]:
    """Sentences on test rows whose text stands among the training rows, to the letter or nearly; none where none does."""
    if not train:
        return []
    known = {folded(row.text) for row in train}
    exact = [row for row in rows if folded(row.text) in known]
    notes = []
    if exact:
        notes.append(
            f"{len(exact)} of {len(rows)} rows stand in the training rows too, such as {exact[0].text!r:.60}: "
            "their score says nothing of new ones; take them out with `pocketlm data split`"
        )
    try:
        near = _near([row for row in rows if folded(row.text) not in known], train)
    except EnvironmentLacks:
        return [*notes, "near twins of training rows were not looked for: pip install 'pocketlm[data]'"]
    if near:
        notes.append(f"{near} more rows are nearly a training row's twin (4 of 5 stretches of letters in common)")
    return notes


def _near(rows: Sequence[Any], train: Sequence[Any]) -> int:
    index = NearIndex()
    for row in train[:MOST_FOR_NEAR]:
        index.add(row.text)
    return sum(index.find(row.text) is not None for row in rows)
