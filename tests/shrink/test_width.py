"""Channels and heads: idle ones go first, and what is left does the work of what is gone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny_llama
from transformers import AutoConfig, AutoModelForCausalLM

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.models.load import load_model
from pocketlm.shrink.width import keep_channels, keep_heads, prune_width, refit
from pocketlm.train.batches import Example

CHANNELS = 128


def rows(count: int = 6) -> list[Example]:
    generator = torch.Generator().manual_seed(1)

    def tokens(n: int) -> list[int]:
        return torch.randint(3, 300, (n,), generator=generator).tolist()

    return [Example(tokens(4 + i), tokens(3 + i % 3)) for i in range(count)]


def logits(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = load_model(folder, torch.float32)(torch.tensor([rows()[5].prompt])).logits
    return out


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every second channel, and the second key and value head of two, add nothing."""
    path = make_tiny_llama(tmp_path_factory.mktemp("wide") / "model")
    model = load_model(path, torch.float32)
    with torch.no_grad():
        for block in model.model.layers:
            block.mlp.up_proj.weight[::2] = 0
            block.self_attn.v_proj.weight[16:] = 0
    model.save_pretrained(path)
    return path


def test_idle_channels_go_and_nothing_changes(folder: Path, tmp_path: Path) -> None:
    done = prune_width(folder, tmp_path / "new", rows(60), channels=CHANNELS // 2)
    assert read_json(tmp_path / "new" / "config.json")["intermediate_size"] == CHANNELS // 2
    torch.testing.assert_close(logits(tmp_path / "new"), logits(folder), rtol=1e-3, atol=1e-2)
    kept = load_model(tmp_path / "new", torch.float32).model.layers[0].mlp.up_proj.weight
    assert torch.equal(kept, load_model(folder, torch.float32).model.layers[0].mlp.up_proj.weight[1::2])
    assert done.before - done.after == 2 * 3 * 64 * CHANNELS // 2


def test_an_idle_head_goes_with_its_queries_and_nothing_changes(folder: Path, tmp_path: Path) -> None:
    prune_width(folder, tmp_path / "new", rows(60), kv_heads=1)
    config = read_json(tmp_path / "new" / "config.json")
    assert (config["num_attention_heads"], config["num_key_value_heads"], config["head_dim"]) == (2, 1, 16)
    torch.testing.assert_close(logits(tmp_path / "new"), logits(folder), rtol=1e-3, atol=1e-2)


def test_biases_go_with_their_heads_and_channels() -> None:
    model = _random("qwen2")
    with torch.no_grad():
        for block in model.model.layers:
            block.self_attn.v_proj.weight[:16] = block.self_attn.v_proj.bias[:16] = 0
            block.self_attn.q_proj.bias.normal_()
        ids = torch.tensor([rows()[5].prompt])
        before = model(ids).logits
        keep_heads(model, rows(60), 1)
        model.set_attn_implementation("sdpa")
        torch.testing.assert_close(model(ids).logits, before, rtol=1e-3, atol=1e-2)
    assert model.model.layers[0].self_attn.q_proj.bias.shape == (32,)


def test_blocks_of_another_make_are_named() -> None:
    with pytest.raises(InputError, match="phi3 models have no mlp.gate_proj"):
        keep_channels(_random("phi3"), rows(), 32)


def _random(family: str) -> Any:
    config = AutoConfig.for_model(
        family, vocab_size=300, hidden_size=64, intermediate_size=96, num_hidden_layers=2, num_attention_heads=4,
        num_key_value_heads=2, pad_token_id=0, initializer_range=0.1,
    )  # fmt: skip
    torch.manual_seed(0)
    return AutoModelForCausalLM.from_config(config).eval()  # type: ignore[no-untyped-call]


def test_what_is_left_does_the_work_of_what_is_gone() -> None:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(500, 8, generator=generator)
    x[:, 7] = 2 * x[:, 0] - x[:, 1]  # the others know it
    layer = torch.nn.Linear(8, 5, bias=False)
    before = layer(x)
    kept = refit(layer, x.t() @ x, torch.arange(8)[:, None], 7, at_once=1)
    assert len(kept) == 7 and not {0, 1, 7} <= set(kept.tolist())
    assert (layer(x[:, kept]) - before).norm() < 0.02 * before.norm()


def test_one_at_a_time_errs_less_than_all_at_once() -> None:
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(8, 32, generator=generator)
    x = torch.randn(500, 8, generator=generator) @ basis + 0.1 * torch.randn(500, 32, generator=generator)
    errors = []
    for at_once in (1, 24):
        layer = torch.nn.Linear(32, 16, bias=False)
        torch.nn.init.normal_(layer.weight, generator=torch.Generator().manual_seed(1))
        before = layer(x)
        kept = refit(layer, x.t() @ x, torch.arange(32)[:, None], 8, at_once=at_once)
        errors.append((layer(x[:, kept]) - before).norm().item())
    assert errors[0] < errors[1]


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"channels": 40}, "multiple of 32"), ({"channels": 256}, "up to 128"), ({"kv_heads": 3}, "1 to 2")],
)
def test_widths_that_cannot_be_are_named(folder: Path, tmp_path: Path, asked: dict[str, int], message: str) -> None:
    with pytest.raises(InputError, match=message):
        prune_width(folder, tmp_path / "new", rows(), **asked)
