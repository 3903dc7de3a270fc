"""Columns that make up for each other: products stay better, what stands on a grid stays, formats store what was chosen."""

from __future__ import annotations

from dataclasses import replace

import gguf
import numpy as np
import pytest
from gguf import GGMLQuantizationType as Kind

from pocketlm.export.feedback import BRIEF_4, IQ4_NL, Q4_0, SIGNED_4, Floats, Levels, shares_of
from pocketlm.export.gguf_tensors import quantize
from pocketlm.export.litert_quantize import grid_scales

LEVELS = {"signed": SIGNED_4, "brief": BRIEF_4, "wide": replace(SIGNED_4, size=48), "q4_0": Q4_0, "iq4_nl": IQ4_NL}


@pytest.fixture(scope="module")
def inputs() -> Floats:
    """Inputs (tokens, 96) that speak together, one of them loudly."""
    draw = np.random.default_rng(0)
    found = draw.standard_normal((2000, 12)) @ draw.standard_normal((12, 96)) + 0.3 * draw.standard_normal((2000, 96))
    found[:, 7] *= 20
    return found.astype(np.float32)


@pytest.fixture(scope="module")
def weight() -> Floats:
    return (0.05 * np.random.default_rng(1).standard_t(4, (40, 96))).astype(np.float32)


def apart(inputs: Floats, a: Floats, b: Floats) -> float:
    """How far the products are apart, as a share."""
    return float(np.linalg.norm(inputs @ (a - b).T) / np.linalg.norm(inputs @ b.T))


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_products_stay_better_than_by_rounding_alone(levels: Levels, inputs: Floats, weight: Floats) -> None:
    moments = inputs.T @ inputs / len(inputs)
    alone = levels.numbers_of(*levels.round(weight, np.diag(moments.diagonal())))
    together = levels.numbers_of(*levels.round(weight, moments))
    assert apart(inputs, together, weight) < 0.5 * apart(inputs, alone, weight) < 0.1


@pytest.mark.parametrize("levels", LEVELS.values(), ids=LEVELS)
def test_the_nearest_level_is_found_at_every_edge(levels: Levels) -> None:
    numbers = np.arange(levels.numbers[0] - 3, levels.numbers[-1] + 3, 0.125, dtype=np.float32)
    table = np.array(levels.numbers, np.float32)
    wanted = np.abs(numbers[:, None] - table).min(1)
    assert np.array_equal(np.abs(levels.nearest(numbers) - numbers), wanted)
    assert np.array_equal(table[levels.places(numbers)], levels.nearest(numbers))


@pytest.mark.parametrize(("kind", "levels"), [(Kind.Q4_0, Q4_0), (Kind.IQ4_NL, IQ4_NL)])
def test_gguf_holds_what_was_chosen(kind: Kind, levels: Levels, inputs: Floats, weight: Floats) -> None:
    moments = inputs.T @ inputs / len(inputs)
    stored = gguf.dequantize(quantize(weight, kind, moments), kind)
    assert np.array_equal(stored, levels.numbers_of(*levels.round(weight, moments)))
    assert not np.array_equal(stored, gguf.dequantize(quantize(weight, kind), kind))


def test_a_matrix_on_the_grid_stays(inputs: Floats, weight: Floats) -> None:
    on = gguf.dequantize(gguf.quantize(weight, Kind.Q4_0), Kind.Q4_0)
    assert np.array_equal(gguf.dequantize(quantize(on, Kind.Q4_0, inputs.T @ inputs), Kind.Q4_0), on)


def test_blocks_of_nothing_and_silent_inputs(inputs: Floats, weight: Floats) -> None:
    silent, empty = inputs.copy(), weight.copy()
    silent[:, 40:] = 0
    empty[3, :32], empty[5] = 0, 0
    for levels in LEVELS.values():
        found = levels.numbers_of(*levels.round(empty, silent.T @ silent))
        assert np.isfinite(found).all() and not found[5].any()
        assert np.abs(found[:, 64:] - empty[:, 64:]).max() < 0.2 * np.abs(empty).max()


def test_scales_of_a_grid_are_found_again() -> None:
    draw = np.random.default_rng(2)
    scales = (0.01 * draw.random((500, 1)) + 1e-3).astype(np.float16).astype(np.float32)
    codes = draw.integers(-8, 8, (500, 32)).astype(np.float32)
    codes[1], codes[2], codes[3] = (
        0,
        [0, 2, 5, -2] * 8,
        [-8, *[1] * 31],
    )  # the least difference is no scale in the third
    codes[4], codes[5] = [3, -3] * 16, 7
    found = grid_scales(codes * scales)
    assert np.array_equal(found[6:], scales[6:])
    again = np.rint(codes * scales / np.maximum(found, 1e-30)).clip(-8, 7) * found
    assert np.array_equal(again, codes * scales)


def test_brief_scales_are_bfloat16(weight: Floats) -> None:
    scales = BRIEF_4.scales(weight.reshape(-1, 32), np.ones(32, np.float32)).astype(np.float32)
    assert not (scales.view(np.uint32) & 0xFFFF).any()
    assert len(np.unique(scales)) > 20


def test_other_blocks_get_the_best_scale() -> None:
    blocks = np.random.default_rng(3).standard_normal((50, 32)).astype(np.float32)
    found = grid_scales(blocks)
    assert np.array_equal(found, BRIEF_4.scales(blocks, np.ones(32, np.float32)).astype(np.float32))


def test_shares_of_squares_and_of_products_are_the_same(inputs: Floats) -> None:
    moments = inputs.T @ inputs
    assert np.array_equal(shares_of(moments), shares_of(np.ascontiguousarray(moments.diagonal())))
