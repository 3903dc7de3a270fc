"""Large inputs moved into weights: what the model says stays, what its matrices read becomes more even."""

from __future__ import annotations

import copy
from pathlib import Path

import numpy as np
import pytest
import tiny
import torch
from families import CONFIGS, random_model

from pocketlm.export.importance import importance_of, moments_of
from pocketlm.export.litert_quantize import round_matrices
from pocketlm.export.smooth import multiplied, smooth
from pocketlm.models.load import load_model

IDS = torch.arange(5, 25)[None]
AXES = dict.fromkeys(("q_proj", "k_proj", "v_proj", "gate_proj", "down_proj"), (0,)) | {"up_proj": (0, 1)}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("qwen2", {"input_layernorm", "post_attention_layernorm", "q_proj", "k_proj", "v_proj", "gate_proj", "up_proj", "down_proj"}),
        ("gemma3", {"up_proj", "down_proj"}),
    ],
)  # fmt: skip
def test_what_a_model_says_stays(name: str, parts: set[str], tmp_path: Path) -> None:
    random_model(tmp_path, CONFIGS[name]())
    model = load_model(tmp_path, torch.float32)
    squares = {
        f"{layer}.weight": np.square(np.arange(1, one.in_features + 1, dtype=np.float32))
        for layer, one in model.named_modules()
        if isinstance(one, torch.nn.Linear)
    }
    with torch.no_grad():
        before, weights = model(IDS).logits, {key: value.clone() for key, value in model.named_parameters()}
        smooth(model, squares)
        changed = {
            key.split(".")[-2] for key, value in model.named_parameters() if not torch.equal(value, weights[key])
        }
        assert changed == parts
        told = {key.split(".")[-2]: axes for key, axes in multiplied(weights).items()}
        assert told == ({"up_proj": (1,), "down_proj": (0,)} if name == "gemma3" else AXES)
        assert torch.allclose(model(IDS).logits, before, atol=1e-4)


def _uneven(folder: Path) -> Path:
    """A tiny model one of whose inputs is far larger than the others."""
    tiny.make_tiny_llama(folder)
    model = load_model(folder, torch.float32)
    with torch.no_grad():
        model.model.layers[0].input_layernorm.weight[3] *= 50
    model.save_pretrained(folder)
    return folder


def test_inputs_become_more_even(tmp_path: Path) -> None:
    folder, name = _uneven(tmp_path), "model.layers.0.self_attn.q_proj.weight"
    moments, model = moments_of(folder), load_model(folder, torch.float32)
    before = moments[name].diagonal().copy()
    smooth(model, moments)
    model.save_pretrained(folder)
    after = importance_of(folder)[name]

    def unevenness(squares: np.ndarray) -> float:
        return float(squares.max() / squares.mean())

    assert unevenness(after) < 0.5 * unevenness(before)
    assert np.allclose(moments[name].diagonal(), after, rtol=1e-3)


def test_rows_of_8_bits_keep_their_products_better_than_the_nearest_numbers(tmp_path: Path) -> None:
    folder, name = _uneven(tmp_path), "model.layers.0.mlp.down_proj.weight"
    moments, exact, rounded = moments_of(folder), load_model(folder, torch.float32), load_model(folder, torch.float32)
    round_matrices(rounded, copy.deepcopy(dict(moments)), "int8")
    smooth(exact, moments)
    after = moments[name].astype(np.float64)
    wanted, got = (model.get_parameter(name).detach().numpy() for model in (exact, rounded))
    scales = np.abs(wanted).max(axis=1, keepdims=True) / 127
    assert np.allclose(np.abs(got).max(axis=1, keepdims=True), 127 * scales)  # by which the quantizer finds the scales
    assert np.allclose(got / scales, np.rint(got / scales), atol=1e-3)

    def lost(matrix: np.ndarray) -> float:
        return float(np.einsum("ij,jk,ik->", matrix - wanted, after, matrix - wanted))

    assert lost(got) < 0.9 * lost(np.rint(wanted / scales) * scales)
