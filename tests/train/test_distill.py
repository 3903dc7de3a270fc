"""The distillation's loss is what it says, and time is foretold without a trace."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.models.load import load_model
from pocketlm.train import probe
from pocketlm.train.attention import use_packed_attention
from pocketlm.train.batches import Example, make_batch
from pocketlm.train.compute import Compute
from pocketlm.train.distill import Distill, Distillation, listening, taught
from pocketlm.train.objective import NextToken


def examples() -> list[Example]:
    generator = torch.Generator().manual_seed(0)

    def tokens(n: int) -> list[int]:
        return torch.randint(3, 400, (n,), generator=generator).tolist()

    return [Example(tokens(3 + i), tokens(2 + i % 3)) for i in range(5)]


def test_the_loss_and_its_gradients_are_those_written_out(tiny_llama: Path) -> None:
    model, other = (load_model(tiny_llama, torch.float32).requires_grad_(True) for _ in range(2))
    torch.manual_seed(0)
    told = load_model(tiny_llama, torch.float32)
    for weight in told.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    for one in (model, told, other):
        use_packed_attention(one)
    batch, share, heat = make_batch(examples(), 0), 0.7, 2.0
    objective = Distill(NextToken(model), told, Distillation(tiny_llama, share=share, temperature=heat)).train()
    loss = objective(batch)
    loss.backward()

    def logits(one: Any) -> torch.Tensor:
        states = one.model(input_ids=batch.ids, position_ids=batch.positions, batch=batch).last_hidden_state
        return states[0, batch.labelled] @ one.lm_head.weight.t()  # type: ignore[no-any-return]

    own = logits(other)
    with torch.no_grad():
        goal = (logits(told) / heat).log_softmax(1)
    apart = torch.nn.functional.kl_div((own / heat).log_softmax(1), goal, log_target=True, reduction="sum")
    entropy = torch.nn.functional.cross_entropy(own, batch.label, reduction="sum")
    want = (1 - share) * entropy + share * heat**2 * apart
    want.backward()
    assert loss.item() == pytest.approx(want.item(), rel=1e-5)
    for (name, weight), theirs in zip(model.named_parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(weight.grad, theirs.grad, rtol=1e-3, atol=1e-4, msg=name)
    assert all(weight.grad is None for weight in told.parameters())
    assert objective.eval()(batch).item() == pytest.approx(entropy.item(), rel=1e-5)


def test_smoothed_labels_beside_a_teacher_are_refused(tiny_llama: Path) -> None:
    objective, settings = NextToken(load_model(tiny_llama, torch.float32)), TrainConfig(label_smoothing=0.1)
    with pytest.raises(InputError, match="label_smoothing"):
        taught(objective, Distillation(tiny_llama), tiny_llama, settings, Compute(torch.float32))


def test_states_are_compared_as_the_next_block_reads_them(tiny_llama: Path) -> None:
    model, told = (load_model(tiny_llama, torch.float32) for _ in range(2))
    model.requires_grad_(True)
    torch.manual_seed(0)
    for weight in told.parameters():
        weight.data += 0.05 * torch.randn_like(weight)
    for one in (model, told):
        use_packed_attention(one)
    batch = make_batch(examples(), 0)
    alone = Distill(NextToken(model), told, Distillation(tiny_llama, share=0.5)).train()(batch).item()
    how = Distillation(tiny_llama, share=0.5, blocks=(0, 1), states=3.0)
    loss = Distill(NextToken(model), told, how).train()(batch)
    loss.backward()
    norms, apart = [told.model.layers[1].input_layernorm, told.model.norm], []
    for example in examples():
        ids = torch.tensor([example.prompt + example.completion])
        with torch.no_grad(), listening(model, [0, 1]) as mine, listening(told, [0, 1]) as theirs:
            for one in (model, told):
                lone = make_batch([example], 0, ids.shape[1])
                one.model(input_ids=lone.ids, position_ids=lone.positions, use_cache=False, batch=lone)
        for norm, here, there in zip(norms, mine, theirs, strict=True):
            wanted = norm(there[0])
            apart.append((norm(here[0]) - wanted).square().sum(1) / wanted.square().sum(1))
    far = torch.cat(apart).mean().item()
    assert far > 0.01
    assert loss.item() == pytest.approx(alone + 3 * len(batch.label) * far, rel=1e-4)
    assert all(weight.grad is not None for weight in model.model.layers.parameters())


def test_time_is_foretold_and_the_weights_stay(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = load_model(tiny_llama, torch.float32).requires_grad_(True)
    use_packed_attention(model)
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    settings = TrainConfig(method="full", epochs=4, batch_tokens=32, lr=0.1)
    rows, valid = [examples() * 3] * 4, examples()
    taken = []
    take = probe.take_step
    monkeypatch.setattr(probe, "take_step", lambda *args: taken.append(take(*args)) or taken[-1])
    hours = probe.epochs_within(3600, NextToken(model), rows, valid, settings, seed=0)
    assert taken and all(torch.equal(weight, before[name]) for name, weight in model.state_dict().items())
    assert hours == 4
    monkeypatch.setattr(probe, "probe", lambda *_, **__: probe.Probe(40, 100, 2.0, 5.0, 4))
    assert probe.epochs_within(50, NextToken(model), rows, valid, settings, seed=0) == 2  # 20 steps and two validations
