"""Importance: the mean squares themselves, and products that err less for them."""

from __future__ import annotations

from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from tiny import make_tiny_llama, make_tiny_tokenizer
from transformers import AutoModelForCausalLM

from pocketlm.export.gguf_tensors import PRECISIONS, quantize
from pocketlm.export.importance import LOOKED_UP, importance_of, is_delicate, moments_of

TEXTS = ["<|im_start|>Set an alarm for 7<|im_end|>", "play music", "", "call mum at noon"]


def test_it_is_the_mean_square_of_each_input(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "hf")
    found = importance_of(folder, TEXTS)
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32), make_tiny_tokenizer()
    rows = [tokenizer(text, add_special_tokens=False).input_ids for text in TEXTS if text]
    with torch.no_grad():
        states = [model(torch.tensor([row]), output_hidden_states=True).hidden_states for row in rows]
        first = torch.cat([model.model.layers[0].input_layernorm(state[0][0]) for state in states])
        last = torch.cat([state[-1][0] for state in states])
    for name in ("q", "k", "v"):
        assert found[f"model.layers.0.self_attn.{name}_proj.weight"] == pytest.approx(
            first.square().mean(0).numpy(), rel=1e-4
        )
    assert found["model.embed_tokens.weight"] == pytest.approx(last.square().mean(0).numpy(), rel=1e-4)
    assert len(found) == 2 * 7 + 2  # a tied embedding stands under both names


def test_a_table_that_is_looked_up_minds_its_rows_too(tmp_path: Path) -> None:
    folder = make_tiny_llama(tmp_path / "hf")
    squares, products = importance_of(folder, TEXTS), moments_of(folder, TEXTS)
    table = products["model.embed_tokens.weight"]
    assert np.array_equal(table, products["lm_head.weight"])
    assert table.diagonal() == pytest.approx(squares["model.embed_tokens.weight"], rel=1e-4)
    engine = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    ids = [make_tiny_tokenizer()(text, add_special_tokens=False).input_ids for text in TEXTS if text]
    with torch.no_grad():
        read = torch.cat([engine.model(torch.tensor([row])).last_hidden_state[0] for row in ids]).numpy()
    apart = ~np.eye(len(table), dtype=bool)
    assert table[apart] == pytest.approx((1 - LOOKED_UP) * (read.T @ read / len(read))[apart], rel=1e-3, abs=1e-5)


def test_without_texts_plain_sentences_serve(tmp_path: Path) -> None:
    found = importance_of(make_tiny_llama(tmp_path / "hf"))
    assert len(found) == 2 * 7 + 2
    assert all(vector.min() >= 0 and vector.max() > 0 for vector in found.values())


def test_keys_values_and_the_ways_down_at_both_ends_are_delicate() -> None:
    parts = ("self_attn.q", "self_attn.k", "self_attn.v", "self_attn.o", "mlp.gate", "mlp.up", "mlp.down")
    names = {(layer, part): f"model.layers.{layer}.{part}_proj.weight" for layer in range(30) for part in parts}
    found = {place for place, name in names.items() if is_delicate(name, 30)}
    ends = {(layer, "mlp.down") for layer in (0, 1, 2, 27, 28, 29)}
    assert found == ends | {(layer, f"self_attn.{part}") for layer in range(30) for part in "kv"}
    others = ("model.embed_tokens.weight", "model.layers.1.mlp.down_proj.weight")
    assert not any(is_delicate(name, 7) for name in others)


SMALL = [name for name in PRECISIONS if PRECISIONS[name][0].name not in ("F32", "F16", "BF16", "Q8_0", "Q4_1")]


@pytest.mark.parametrize("precision", SMALL)
def test_products_err_less_with_importance(precision: str) -> None:
    pytest.importorskip("libgguf")
    random = np.random.default_rng(0)
    kind = PRECISIONS[precision][0]
    weight = random.standard_t(5, (96, 512)).astype(np.float32)
    inputs = (random.normal(size=(256, 512)) * np.exp(random.normal(size=512))).astype(np.float32)

    def error(blocks: np.ndarray) -> float:
        stored = gguf.dequantize(blocks, kind).reshape(weight.shape)
        return float(np.linalg.norm(inputs @ (stored - weight).T) / np.linalg.norm(inputs @ weight.T))

    weighted = error(quantize(weight, kind, np.square(inputs).mean(0)))
    assert weighted < 0.95 * error(quantize(weight, kind))
    silent = np.square(inputs).mean(0) * (np.arange(512) < 256)  # half of the inputs never spoke in the texts
    stored = gguf.dequantize(quantize(weight, kind, silent), kind).reshape(weight.shape)
    assert np.linalg.norm(stored - weight) < np.linalg.norm(weight)
