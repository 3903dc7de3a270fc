"""Vectors in bytes and bits find nearly what whole ones find, and what they cost is told."""

from __future__ import annotations

import numpy as np
import pytest

from pocketlm.core.errors import InputError
from pocketlm.models.vectors import KINDS, Bits, Bytes, build, compared, cut, kept


@pytest.fixture(scope="module")
def vectors() -> np.ndarray:
    """Some hundred texts around thirty meanings."""
    rng = np.random.default_rng(0)
    made = np.repeat(rng.normal(size=(30, 100)), 20, axis=0) + 0.8 * rng.normal(size=(600, 100))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize("kind", KINDS)
def test_a_vector_finds_itself_and_the_order_falls(vectors: np.ndarray, kind: str) -> None:
    places, likeness = build(vectors, kind).search(vectors[:50], 5)
    assert places.shape == (50, 5) and places[:, 0].tolist() == list(range(50))
    assert (np.diff(likeness, axis=1) <= 0).all() and likeness[:, 0] == pytest.approx(1, abs=0.02)


def test_bytes_and_bits_keep_most_of_the_nearest(vectors: np.ndarray) -> None:
    assert kept(build(vectors), vectors, vectors[:100]) == 1
    assert kept(build(vectors, "int8"), vectors, vectors[:100]) > 0.97
    assert kept(build(vectors, "binary"), vectors, vectors[:100]) > 0.9
    assert build(vectors, "int8").nbytes < 0.26 * vectors.nbytes
    assert build(vectors, "binary").nbytes == 600 * 16  # 100 bits in two words


def test_likeness_in_bytes_is_nearly_the_product(vectors: np.ndarray) -> None:
    index = Bytes(vectors)
    assert index.likeness(vectors[:3]) == pytest.approx(vectors[:3] @ vectors.T, abs=0.02)
    some = np.array([[5, 7], [1, 2], [0, 9]])
    assert index.likeness(vectors[:3], some) == pytest.approx(
        np.take_along_axis(index.likeness(vectors[:3]), some, 1), abs=1e-5
    )


def test_bits_count_differing_signs(vectors: np.ndarray) -> None:
    index = Bits(vectors)
    apart = (np.signbit(vectors) != np.signbit(vectors[:1])).sum(1)
    assert index._nearest(index.bits[0], 600).tolist() == np.argsort(apart, kind="stable").tolist()


def test_vectors_are_cut_to_their_first_numbers(vectors: np.ndarray) -> None:
    short = cut(vectors, 10)
    assert np.linalg.norm(short, axis=1) == pytest.approx(np.ones(600), abs=1e-5)
    places, _ = build(vectors, dims=10).search(vectors[:4], 3)
    assert places.tolist() == build(short).search(short[:4], 3)[0].tolist()


def test_what_each_way_costs_is_told(vectors: np.ndarray) -> None:
    found = compared(vectors, vectors[:50], dims=[50])
    assert [(one["kind"], one["dims"]) for one in found] == [(kind, dims) for dims in (100, 50) for kind in KINDS]
    assert found[0] == {"kind": "float", "dims": 100, "bytes": 400.0, "kept": 1.0}
    assert found[3]["kept"] < 1 and found[1]["bytes"] < found[0]["bytes"] / 3.9


def test_wrong_ways_are_named(vectors: np.ndarray) -> None:
    with pytest.raises(InputError, match="float, int8, binary"):
        build(vectors, "int4")
    with pytest.raises(InputError, match="cannot be kept"):
        build(vectors, dims=101)
    assert build(vectors[:0], "int8").search(vectors[:2], 3)[0].shape == (2, 0)
