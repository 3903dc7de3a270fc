"""Labels of labels: `food/recipes` stands under `food`, and what else labels say by how they are written."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

OUTSIDE = ("oos", "out_of_scope", "none", "other")  # usual names of "none of these"


def nodes_of(label: str) -> list[str]:
    """A label and all that it stands under, from the top: a, a/b, a/b/c."""
    parts = label.split("/")
    return ["/".join(parts[: i + 1]) for i in range(len(parts))]


def tree_of(labels: Sequence[str]) -> dict[str, list[str]]:
    """Parent -> the labels at any depth under it.

    Only what unites several labels is a parent: a lone `n/a` or `tcp/ip` has a stroke in its name and no more.
    """
    below: dict[str, list[str]] = defaultdict(list)
    for label in labels:
        for node in nodes_of(label)[:-1]:
            if node not in labels:
                below[node].append(label)
    return {node: found for node, found in below.items() if len(found) > 1}


def outside_of(labels: Sequence[str]) -> str | None:
    """The label of what fits no other, by its usual names."""
    return next((name for name in OUTSIDE if name in labels), None)
