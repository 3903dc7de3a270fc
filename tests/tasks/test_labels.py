"""What labels say by how they are written."""

from __future__ import annotations

from pocketlm.tasks.labels import nodes_of, outside_of, tree_of


def test_nodes_are_all_that_a_label_stands_under() -> None:
    assert nodes_of("a/b/c") == ["a", "a/b", "a/b/c"]
    assert nodes_of("plain") == ["plain"]


def test_a_parent_unites_several_labels_at_any_depth() -> None:
    labels = ["a/b/c", "a/b/d", "a/e", "n/a", "tcp/ip", "x", "x/y", "x/z"]
    assert tree_of(labels) == {"a": ["a/b/c", "a/b/d", "a/e"], "a/b": ["a/b/c", "a/b/d"]}


def test_the_usual_names_of_none_of_these() -> None:
    assert outside_of(["music", "other", "oos"]) == "oos"
    assert outside_of(["music"]) is None
