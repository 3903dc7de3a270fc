"""Every way to train a base, one row each: it learns, PEFT reads what it writes, and merging changes no answer."""

from __future__ import annotations

import random
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch

from pocketlm.core.config import Config, TrainConfig
from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.models.load import load_model
from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.train.batches import Example, make_batch
from pocketlm.train.compute import Compute
from pocketlm.train.method import check_method, load_trainable
from pocketlm.train.objective import NextToken
from pocketlm.train.run import Run, train_run

METHODS: dict[str, dict[str, Any]] = {
    "lora": {},
    "lora with dropout": {"dropout": 0.3},
    "dora": {"dora": True},
    "rank-stabilised dora": {"dora": True, "rank_stabilized": True},
    "lora on attention": {"targets": ["attention"], "last_layers": 1},
    "lora on all": {"targets": ["all"]},
    "full": {"method": "full", "lr": 2e-3},
    "qlora 8": {"method": "qlora-8bit"},
    "qlora 4": {"method": "qlora-4bit"},
}
TOOLS = ToolSet.from_openai(
    [{"name": "play", "parameters": {"type": "object", "properties": {"what": {"type": "string"}}}}], "t"
)
WORDS = ["milk", "bread", "noon", "kitchen", "alarm", "morning", "lights", "music"]


def rows(count: int) -> list[CallRow]:
    rng = random.Random(0)
    said = [" ".join(rng.choices(WORDS, k=2)) for _ in range(count)]
    return [CallRow((Message("user", f"play {text}"),), (Call("play", {"what": text}),)) for text in said]


def train(base: Path, folder: Path, settings: dict[str, Any]) -> Run:
    usual = {"epochs": 3, "batch_tokens": 96, "rank": 4, "alpha": 8, "lr": 1e-2, "compute": "fp32"}
    config = Config.model_validate({"base": str(base), "train": {**usual, **settings}})
    return train_run(config, TOOLS, rows(40), rows(4), folder)


@pytest.mark.parametrize("settings", METHODS.values(), ids=METHODS.keys())
def test_every_method_learns_and_what_it_writes_opens_elsewhere(
    tiny_llama: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    if settings.get("method", "").startswith("qlora") and not find_spec("bitsandbytes"):
        pytest.skip("bitsandbytes is not installed")
    run = train(tiny_llama, tmp_path, settings)
    history = run.history
    assert sum(entry["loss"] for entry in history[-3:]) < 0.95 * sum(entry["loss"] for entry in history[:3])
    merged, base = load_model(run.model, torch.float32), load_model(tiny_llama, torch.float32)
    ids = torch.tensor([[1, 40, 50, 60, 2]])
    with torch.no_grad():
        answer = merged(ids).logits
        assert not torch.allclose(answer, base(ids).logits, atol=1e-2)
        if settings.get("method") == "full":
            assert not (tmp_path / "adapter").exists() and not run.is_swapped
            return
        from peft import PeftModel

        theirs = PeftModel.from_pretrained(base, tmp_path / "adapter")
        torch.testing.assert_close(theirs(ids).logits, answer, rtol=1e-4, atol=1e-4)
        torch.testing.assert_close(theirs.merge_and_unload()(ids).logits, answer, rtol=1e-4, atol=1e-4)


def test_full_training_has_transformers_gradients(tiny_llama: Path) -> None:
    row = Example([5, 6, 7, 8, 9], [10, 11, 2])
    plain = load_model(tiny_llama, torch.float32).requires_grad_(True)
    ids = torch.tensor([row.prompt + row.completion])
    labels = ids.clone()
    labels[:, : len(row.prompt)] = -100
    want = plain(input_ids=ids, labels=labels).loss * len(row.completion)
    want.backward()
    ours = load_trainable(tiny_llama, TrainConfig(method="full"), Compute(torch.float32))
    loss = NextToken(ours)(make_batch([row], 0))
    loss.backward()
    assert loss.item() == pytest.approx(want.item(), rel=1e-5)
    grads = dict(ours.named_parameters())
    for name, parameter in plain.named_parameters():
        assert parameter.grad is not None and grads[name].grad is not None, name
        difference = (parameter.grad - grads[name].grad).norm() / parameter.grad.norm()
        assert difference < 1e-5, name


@pytest.mark.parametrize("settings", [{}, {"dora": True}, {"method": "full"}], ids=str)
def test_checkpointed_blocks_have_the_same_gradients_and_need_less_memory(
    tiny_llama: Path, settings: dict[str, Any]
) -> None:
    results = []
    for checkpointing in (False, True):
        torch.manual_seed(0)
        options = TrainConfig.model_validate({"rank": 4, "checkpointing": checkpointing, **settings})
        model = load_trainable(tiny_llama, options, Compute(torch.float32))
        for name, parameter in model.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(parameter, std=0.05)
        model.train()
        held = 0

        def keep(tensor: torch.Tensor) -> torch.Tensor:
            nonlocal held
            held += tensor.numel()
            return tensor

        batch = make_batch([Example([5 + i, 6, 7, 8, 9], [10, 11, 2]) for i in range(6)], 0)
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
            loss = NextToken(model)(batch)
        loss.backward()
        grads = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
        results.append((loss.item(), grads, held))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-6)
    torch.testing.assert_close(results[1][1], results[0][1], rtol=1e-4, atol=1e-6)
    assert results[1][2] < 0.8 * results[0][2]


def test_full_training_in_bf16_keeps_its_weights_in_fp32(tiny_llama: Path, tmp_path: Path) -> None:
    run = train(tiny_llama, tmp_path, {"method": "full", "compute": "bf16", "lr": 1e-3, "epochs": 1})
    kept = load_model(run.model, torch.float32).state_dict()
    assert any(not torch.equal(tensor, tensor.bfloat16().float()) for tensor in kept.values())


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"method": "full", "dora": True}, "full has no adapter"),
        ({"method": "full", "last_layers": 2}, "full has no adapter"),
        ({"method": "full", "compute": "int8+bf16"}, "is for the frozen layers"),
    ],
)
def test_contradicting_settings_are_told(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError, match=message):
        check_method(TrainConfig.model_validate(settings))


@pytest.mark.skipif(find_spec("bitsandbytes") is not None, reason="bitsandbytes is installed")
def test_a_missing_bitsandbytes_is_one_sentence(tiny_llama: Path, tmp_path: Path) -> None:
    with pytest.raises(EnvironmentLacks, match="needs bitsandbytes: pip install bitsandbytes"):
        train(tiny_llama, tmp_path, {"method": "qlora-4bit"})
    assert not list(tmp_path.iterdir())


def test_patience_may_watch_the_tasks_own_score(tiny_llama: Path, tmp_path: Path) -> None:
    run = train(tiny_llama, tmp_path, {"watch": "exact", "patience": 2, "validations": 6, "epochs": 6})
    scores = [entry["valid_exact"] for entry in run.history if "valid_exact" in entry]
    assert scores and all(0 <= score <= 1 for score in scores)
    best = scores.index(max(scores))
    assert len(scores) == 6 or len(scores) == best + 3
