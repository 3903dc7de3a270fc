"""Blocks: the useless one is found, and the model without it is the same."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny_llama
from transformers import AutoModelForCausalLM, Qwen2Config

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.models.load import load_model
from pocketlm.shrink import depth
from pocketlm.shrink.depth import block_effects, choose_blocks, drop_blocks, loss_of, prune_depth, without
from pocketlm.train.batches import Example

IDLE = 2


def rows(count: int = 6) -> list[Example]:
    generator = torch.Generator().manual_seed(1)

    def tokens(n: int) -> list[int]:
        return torch.randint(3, 300, (n,), generator=generator).tolist()

    return [Example(tokens(4 + i), tokens(3 + i % 3)) for i in range(count)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four blocks, one of which adds nothing."""
    path = make_tiny_llama(tmp_path_factory.mktemp("deep") / "model", layers=4)
    model = load_model(path, torch.float32)
    block = model.model.layers[IDLE]
    with torch.no_grad():
        block.self_attn.o_proj.weight.zero_()
        block.mlp.down_proj.weight.zero_()
    model.save_pretrained(path)
    return path


def logits(folder: Path) -> torch.Tensor:
    with torch.no_grad():
        out: torch.Tensor = load_model(folder, torch.float32)(torch.tensor([rows()[5].prompt])).logits
    return out


def test_an_idle_block_has_no_effect_and_goes_first(folder: Path) -> None:
    model, whole = load_model(folder, torch.float32), loss_of(load_model(folder, torch.float32), rows())
    effects = block_effects(model, rows())
    assert effects[IDLE].loss == pytest.approx(whole, rel=1e-5) and effects[IDLE].influence == pytest.approx(
        0, abs=1e-5
    )
    assert min(effects, key=lambda effect: effect.influence).block == IDLE
    assert all(abs(effect.loss - whole) > 1e-3 for effect in effects if effect.block != IDLE)
    assert len(model.model.layers) == 4


def test_blocks_go_one_after_another_by_their_loss(folder: Path) -> None:
    model = load_model(folder, torch.float32)
    gone = choose_blocks(model, rows(), 3)
    for count in range(1, 4):
        first, others = gone[:count], [block for block in range(4) if block not in gone[: count - 1]]
        losses = {}
        for block in others:
            with without(model, [*gone[: count - 1], block]):
                losses[block] = loss_of(model, rows())
        assert min(losses, key=lambda block: losses[block]) == first[-1]
    assert len(gone) == 3
    with pytest.raises(InputError, match="the model has 4"):
        choose_blocks(model, rows(), 4)


def test_only_blocks_that_were_tried_go(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a block cost while others were there says too little: 0 and 1 do the same, so that one of them must stay."""

    def loss(_: Any, blocks: list[int], __: Any) -> float:
        return sum([0.1, 0.2, 0.3, 0.9][block] for block in blocks) + 5.0 * ({0, 1} <= set(blocks))

    monkeypatch.setattr(depth, "_loss_without", loss)
    monkeypatch.setattr(depth, "loss_of", lambda *_: 0.0)
    assert choose_blocks(load_model(folder, torch.float32), rows(), 3, tried=2) == [0, 2, 3]


def test_the_folder_without_an_idle_block_answers_the_same(folder: Path, tmp_path: Path) -> None:
    done = prune_depth(folder, tmp_path / "new", [IDLE])
    assert read_json(tmp_path / "new" / "config.json")["num_hidden_layers"] == 3
    torch.testing.assert_close(logits(tmp_path / "new"), logits(folder))
    assert done.after < done.before and done.how == [{"dropped_blocks": [IDLE]}]
    prune_depth(folder, tmp_path / "other", [0])
    assert not torch.allclose(logits(tmp_path / "other"), logits(folder), atol=1e-2)


def test_generation_goes_on_with_fewer_blocks(folder: Path) -> None:
    model: Any = load_model(folder, torch.float32)
    drop_blocks(model, [0, IDLE])
    ids = torch.tensor([rows()[5].prompt])
    with torch.no_grad():
        cached = model.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=None)
        plain = model.generate(ids, max_new_tokens=8, do_sample=False, eos_token_id=None, use_cache=False)
    assert cached.tolist() == plain.tolist()


def test_kinds_of_blocks_stay_with_them(tmp_path: Path) -> None:
    config = Qwen2Config(
        vocab_size=300, hidden_size=32, intermediate_size=64, num_hidden_layers=4, num_attention_heads=2,
        num_key_value_heads=1, use_sliding_window=True, sliding_window=4, max_window_layers=2,
    )  # fmt: skip
    model = AutoModelForCausalLM.from_config(config)  # type: ignore[no-untyped-call]
    kinds = list(config.layer_types)
    drop_blocks(model, [0])
    model.save_pretrained(tmp_path)
    assert load_model(tmp_path, torch.float32).config.layer_types == kinds[1:] != kinds[:3]


@pytest.mark.parametrize("blocks", [[4], [0, 1, 2, 3]])
def test_blocks_that_are_not_there_are_named(folder: Path, tmp_path: Path, blocks: list[int]) -> None:
    with pytest.raises(InputError, match="cannot be dropped"):
        prune_depth(folder, tmp_path / "new", blocks)
    assert not (tmp_path / "new").exists()
