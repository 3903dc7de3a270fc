"""Packed training equals training row by row with each family's own attention, sliding windows included."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.train import attention
from pocketlm.train.attention import check_packing, use_packed_attention
from pocketlm.train.batches import Example, make_batch
from pocketlm.train.compute import choose_device
from pocketlm.train.fused import Block, fuse
from pocketlm.train.lora import add_lora, lora_layers
from pocketlm.train.objective import NextToken

SHAPE = {
    "vocab_size": 300, "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
SLIDING = {"sliding_window": 8}
FAMILIES: dict[str, tuple[Any, dict[str, Any], list[str], int]] = {  # config, its own keys, targets, fused blocks
    "llama": (LlamaConfig, {}, ["q_proj", "v_proj", "down_proj"], 2),
    "qwen2": (Qwen2Config, {}, ["q_proj", "v_proj", "down_proj"], 2),
    "qwen2 with a window": (
        Qwen2Config, {**SLIDING, "use_sliding_window": True, "max_window_layers": 1}, ["q_proj", "v_proj"], 1,
    ),
    "qwen3": (Qwen3Config, {}, ["q_proj", "v_proj", "down_proj"], 0),
    "gemma3": (Gemma3TextConfig, {**SLIDING, "layer_types": ["sliding_attention", "full_attention"]}, ["q_proj", "up_proj"], 0),
    "mistral": (MistralConfig, SLIDING, ["q_proj", "o_proj"], 0),
    "phi3": (Phi3Config, SLIDING, ["qkv_proj", "down_proj"], 0),
}  # fmt: skip


def model_of(family: str) -> Any:
    kind, more, targets, _ = FAMILIES[family]
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(kind(**SHAPE, **more), attn_implementation="eager").eval()
    add_lora(model, targets, 4, 8.0)
    for _, layer in lora_layers(model):
        torch.nn.init.normal_(layer.lora_B, std=0.05)
    return model


def rows(prefix: int) -> list[Example]:
    generator = torch.Generator().manual_seed(1)

    def tokens(count: int) -> list[int]:
        return torch.randint(3, 300, (count,), generator=generator).tolist()

    front = tokens(prefix)
    return [Example(front + tokens(3 + 4 * i), tokens(2 + i)) for i in range(5)]


def gradient(model: Any) -> torch.Tensor:
    return torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def one_by_one(model: Any, examples: list[Example]) -> tuple[float, torch.Tensor]:
    total = torch.zeros(())
    for row in examples:
        ids = torch.tensor([row.prompt + row.completion])
        logits = model(input_ids=ids).logits[0, len(row.prompt) - 1 : -1]
        total = total + torch.nn.functional.cross_entropy(logits, torch.tensor(row.completion), reduction="sum")
    total.backward()
    return total.item(), gradient(model)


@pytest.mark.parametrize("prefix", [0, 20])
@pytest.mark.parametrize("family", FAMILIES)
def test_loss_and_gradient_equal_those_of_transformers(family: str, prefix: int) -> None:
    examples = rows(prefix)
    want = one_by_one(model_of(family), examples)
    model = model_of(family)
    use_packed_attention(model)
    fuse(model)
    assert sum(isinstance(layer, Block) for layer in model.model.layers) == FAMILIES[family][3]
    loss = NextToken(model)(make_batch(examples, prefix))
    loss.backward()
    assert loss.item() == pytest.approx(want[0], rel=1e-5)
    assert (gradient(model) - want[1]).norm() / want[1].norm() < 1e-5


@pytest.mark.parametrize("prefix", [0, 20])
@pytest.mark.parametrize("family", FAMILIES)
def test_attention_under_a_mask_gives_the_same(family: str, prefix: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What devices with kernels of their own run, run here: fused attention with gradients, flex attention without."""
    examples = rows(prefix)
    want = one_by_one(model_of(family), examples)
    monkeypatch.setitem(attention.BY_MASK, "cpu", attention.attend_masked)
    model = model_of(family)
    use_packed_attention(model)
    loss = NextToken(model)(make_batch(examples, prefix))
    loss.backward()
    assert loss.item() == pytest.approx(want[0], rel=1e-5)
    assert (gradient(model) - want[1]).norm() / want[1].norm() < 1e-5
    monkeypatch.setitem(attention.BY_MASK, "cpu", attention.attend_flex)
    with torch.no_grad():
        assert NextToken(model)(make_batch(examples, prefix)).item() == pytest.approx(want[0], rel=1e-5)


def test_a_device_that_is_not_there_is_named() -> None:
    missing = next(name for name in ("cuda", "mps") if choose_device("auto").type != name)
    with pytest.raises(EnvironmentLacks, match=f"torch sees no {missing} here"):
        choose_device(missing)


@pytest.mark.parametrize("family", FAMILIES)
def test_known_families_pass_the_check(family: str) -> None:
    model = model_of(family)
    use_packed_attention(model)
    check_packing(model)
    assert NextToken(model)(make_batch(rows(0), 0)).item() > 0  # packed attention is back in its place


def test_a_family_with_capped_scores_is_refused() -> None:
    torch.manual_seed(0)
    capped = {"final_logit_softcapping": None, "attn_logit_softcapping": 0.01}
    model = AutoModelForCausalLM.from_config(Gemma2Config(**SHAPE, **capped, initializer_range=0.5))
    use_packed_attention(model)
    with pytest.raises(InputError, match="gemma2 models cannot be trained"):
        check_packing(model)
