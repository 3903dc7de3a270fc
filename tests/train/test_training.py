"""Training is exact, resumes, and its adapters are PEFT's."""

from __future__ import annotations

import copy
import os
import signal
from pathlib import Path
from typing import Any

import pytest
import torch

from pocketlm.core.config import Config, TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.models.adapters import Adapter
from pocketlm.models.load import load_model
from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.train import loop, objective
from pocketlm.train.attention import use_packed_attention
from pocketlm.train.batches import Example, make_batch, plan_batches, shared_prefix
from pocketlm.train.checkpoint import Checkpoints
from pocketlm.train.fused import Block, fuse
from pocketlm.train.linear import Int8Product
from pocketlm.train.lora import adapter_state, add_lora, lora_layers, save_adapter
from pocketlm.train.objective import NextToken, _VocabularyLoss
from pocketlm.train.optimizer import schedule
from pocketlm.train.run import train_run

TARGETS = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


def examples(count: int, prefix: int = 0, seed: int = 0) -> list[Example]:
    generator = torch.Generator().manual_seed(seed)

    def tokens(n: int) -> list[int]:
        return torch.randint(3, 400, (n,), generator=generator).tolist()

    front = tokens(prefix)
    return [Example(front + tokens(3 + i % 4), tokens(2 + i % 5)) for i in range(count)]


def tuned(folder: Path, *, int8: bool = False, noise: float = 0.05) -> Any:
    torch.manual_seed(0)
    model = load_model(folder, torch.float32)
    add_lora(model, TARGETS, 4, 8.0, int8=int8)
    for _, layer in lora_layers(model):
        torch.nn.init.normal_(layer.lora_B, std=noise)
    use_packed_attention(model)
    return model


def loss_and_gradient(model: Any, batches: list[Any]) -> tuple[float, torch.Tensor]:
    model.zero_grad()
    total = sum(NextToken(model)(batch) for batch in batches)
    assert isinstance(total, torch.Tensor)
    total.backward()  # type: ignore[no-untyped-call]
    return total.item(), torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


@pytest.mark.parametrize("prefix", [0, 24])
def test_packed_equals_one_by_one(tiny_llama: Path, prefix: int) -> None:
    rows = examples(7, prefix)
    model = tuned(tiny_llama)
    assert shared_prefix(rows) == prefix
    alone = loss_and_gradient(model, [make_batch([row], 0) for row in rows])
    for tokens in (0, 150):  # fillers change nothing
        batch = make_batch(rows, prefix, tokens)
        assert batch.ids.shape[1] == prefix + tokens if tokens else batch.ids.shape[1] % 32 == 0
        packed = loss_and_gradient(model, [batch])
        assert packed[0] == pytest.approx(alone[0], rel=1e-5)
        assert (packed[1] - alone[1]).norm() / alone[1].norm() < 1e-5


NEEDS_BYTES = pytest.mark.skipif(not Int8Product.works(), reason="this CPU does not multiply bytes exactly (no VNNI)")


@pytest.mark.parametrize("int8", [False, pytest.param(True, marks=NEEDS_BYTES)])
def test_fused_modules_equal_those_they_replace(tiny_llama: Path, int8: bool) -> None:
    rows, results = examples(7), []
    for fused in (False, True):
        model = tuned(tiny_llama, int8=int8)
        model.train()
        before = [name for name, _ in lora_layers(model)]
        assert (fuse(model, int8=int8) if fused else 0) == (3 if fused else 0)  # both blocks and the last norm
        assert [name for name, _ in lora_layers(model)] == before
        results.append(loss_and_gradient(model, [make_batch(rows, 0)]))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    assert (results[1][1] - results[0][1]).norm() / results[0][1].norm() < (0.05 if int8 else 1e-5)


@pytest.mark.parametrize("targets", [["q_proj", "v_proj"], ["q_proj", "k_proj", "v_proj", "o_proj"]])
def test_blocks_that_are_adapted_in_part_are_fused_too(tiny_llama: Path, targets: list[str]) -> None:
    results = []
    for fused in (False, True):
        model = load_model(tiny_llama, torch.float32)
        torch.manual_seed(0)
        add_lora(model, targets, 4, 8.0, last_layers=1)
        for _, layer in lora_layers(model):
            torch.nn.init.normal_(layer.lora_B, std=0.05)
        use_packed_attention(model)
        assert not fused or fuse(model) == 3
        results.append(loss_and_gradient(model, [make_batch(examples(5), 0)]))
    assert results[1][0] == pytest.approx(results[0][0], rel=1e-5)
    assert (results[1][1] - results[0][1]).norm() / results[0][1].norm() < 1e-5


def test_a_run_trains_fused_blocks(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[Any] = []

    def stop(objective: NextToken, *_: Any, **__: Any) -> None:
        trained.append(objective.model)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "fit", stop)
    tools = ToolSet.from_openai([{"name": "stop"}], "t")
    rows = [CallRow((Message("user", "stop it"),), (Call("stop", {}),))]
    with pytest.raises(KeyboardInterrupt):
        train_run(Config(base=str(tiny_llama), train=TrainConfig(epochs=1)), tools, rows, rows, tmp_path / "run")
    assert all(isinstance(layer, Block) for layer in trained[0].model.layers)


def test_a_module_of_another_kind_keeps_its_place() -> None:
    class Gemma(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.variance_epsilon = torch.nn.Parameter(torch.randn(8), requires_grad=False), 1e-6

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * (x.pow(2).mean(-1, keepdim=True) + 1e-6).rsqrt() * (1 + self.weight)

    house = torch.nn.Module()
    house.model = torch.nn.Module()
    house.model.layers, house.model.norm = torch.nn.ModuleList(), Gemma()
    assert (fuse(house), type(house.model.norm)) == (0, Gemma)


def test_packed_equals_transformers_loss(tiny_llama: Path) -> None:
    row = examples(1)[0]
    model = load_model(tiny_llama, torch.float32)
    ids = torch.tensor([row.prompt + row.completion])
    labels = ids.clone()
    labels[:, : len(row.prompt)] = -100
    want = model(input_ids=ids, labels=labels).loss.item() * len(row.completion)
    use_packed_attention(model)
    assert NextToken(model)(make_batch([row], 0)).item() == pytest.approx(want, rel=1e-5)


@NEEDS_BYTES
def test_int8_products_are_close(tiny_llama: Path) -> None:
    rows = examples(6)
    exact, rounded = tuned(tiny_llama), tuned(tiny_llama, int8=True)
    rounded.load_state_dict(exact.state_dict())
    results = []
    for model in (exact, rounded):
        model.train()
        results.append(loss_and_gradient(model, [make_batch(rows, 0)]))
    assert results[1][0] == pytest.approx(results[0][0], rel=0.02)
    cosine = torch.nn.functional.cosine_similarity(results[0][1], results[1][1], dim=0)
    assert 0.99 < cosine < 1.0


def test_merged_model_equals_adapted_and_peft_reads_the_adapter(tiny_llama: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = tuned(tiny_llama)
    ids = torch.tensor([examples(1)[0].prompt])
    model.set_attn_implementation("sdpa")
    with torch.no_grad():
        want = model(input_ids=ids).logits
        save_adapter(model, tmp_path, base="base", rank=4, alpha=8.0)
        theirs = peft.PeftModel.from_pretrained(load_model(tiny_llama, torch.float32), tmp_path)
        torch.testing.assert_close(theirs(input_ids=ids).logits, want)
        merged = load_model(tiny_llama, torch.float32)
        Adapter.open(tmp_path).merge_into(merged)
        torch.testing.assert_close(merged(input_ids=ids).logits, want, rtol=1e-4, atol=1e-5)


def test_rank_stabilized_updates_count_more_and_peft_agrees(tiny_llama: Path, tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    torch.manual_seed(0)
    model = load_model(tiny_llama, torch.float32)
    add_lora(model, TARGETS, 4, 8.0, rank_stabilized=True)
    assert {layer.scale for _, layer in lora_layers(model)} == {4.0}
    for _, layer in lora_layers(model):
        torch.nn.init.normal_(layer.lora_B, std=0.05)
    ids = torch.tensor([examples(1)[0].prompt])
    with torch.no_grad():
        want = model(input_ids=ids).logits
        save_adapter(model, tmp_path, base="base", rank=4, alpha=8.0, rank_stabilized=True)
        theirs = peft.PeftModel.from_pretrained(load_model(tiny_llama, torch.float32), tmp_path)
        torch.testing.assert_close(theirs(input_ids=ids).logits, want)
        merged = load_model(tiny_llama, torch.float32)
        Adapter.open(tmp_path).merge_into(merged)
        torch.testing.assert_close(merged(input_ids=ids).logits, want, rtol=1e-4, atol=1e-5)


def test_unknown_target_names_the_known_ones(tiny_llama: Path) -> None:
    with pytest.raises(InputError, match="it has .*q_proj"):
        add_lora(load_model(tiny_llama, torch.float32), ["query"], 4, 8.0)


def fit(
    folder: Path, checkpoint: Path, *, stop_at: int | None = None, rows: list[Example] | None = None, **changes: Any
) -> tuple[Any, list[dict[str, float]]]:
    model = tuned(folder, noise=0.0)
    seen: list[dict[str, float]] = []

    def log(entry: dict[str, float]) -> None:
        seen.append(entry)
        if entry["step"] == stop_at:
            os.kill(os.getpid(), signal.SIGINT)

    settings = TrainConfig.model_validate({"epochs": 3, "batch_tokens": 40, "lr": 5e-3, **changes})
    epochs = [rows or examples(20)] * int(settings.epochs)
    checkpoints = Checkpoints(checkpoint.parent, checkpoint.stem)
    trained = NextToken(model, smoothing=settings.label_smoothing, noise=settings.neftune)
    loop.fit(trained, epochs, examples(4, seed=1), settings, seed=0, checkpoints=checkpoints, log=log)
    return model, seen


@pytest.mark.parametrize(
    "change",
    [
        {"schedule": "linear"}, {"schedule": "constant"}, {"schedule": "wsd"}, {"warmup": 0.5}, {"weight_decay": 0.5},
        {"accumulate": 2}, {"label_smoothing": 0.2}, {"neftune": 20.0}, {"clip": 0.01}, {"lr": 1e-3}, {"batch_tokens": 80},
        {"epochs": 2},
    ],
    ids=str,
)  # fmt: skip
def test_every_setting_of_the_loop_changes_the_weights(
    tiny_llama: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    usual, other = (
        adapter_state(fit(tiny_llama, tmp_path / f"{i}.pt", **settings)[0]) for i, settings in enumerate(({}, change))
    )
    assert not all(torch.equal(tensor, other[name]) for name, tensor in usual.items())


def test_accumulated_batches_have_the_gradient_of_one_large_batch(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, reached = examples(16), []

    def keep(optimizer: torch.optim.Optimizer, *_: Any) -> None:
        weights = [weight for group in optimizer.param_groups for weight in group["params"]]
        reached.append(torch.cat([weight.grad.flatten() for weight in weights]))

    monkeypatch.setattr(torch.optim.AdamW, "step", keep)
    for settings in ({"batch_tokens": 1000}, {"batch_tokens": 30, "accumulate": 100}):
        fit(tiny_llama, tmp_path / str(len(reached)), rows=rows, epochs=1, clip=1e6, **settings)
    assert len(reached) == 2
    torch.testing.assert_close(reached[1], reached[0], rtol=1e-4, atol=1e-7)
    assert reached[0].norm() > 0


def test_label_smoothing_is_that_of_torch(tiny_llama: Path) -> None:
    row, model = examples(1)[0], load_model(tiny_llama, torch.float32)
    with torch.no_grad():
        logits = model(torch.tensor([row.prompt + row.completion])).logits[0, len(row.prompt) - 1 : -1]
    want = torch.nn.functional.cross_entropy(logits, torch.tensor(row.completion), label_smoothing=0.1, reduction="sum")
    use_packed_attention(model)
    got = NextToken(model, smoothing=0.1)(make_batch([row], 0))
    assert got.item() == pytest.approx(want.item(), rel=1e-5)


def test_a_loss_in_bf16_is_never_below_zero() -> None:
    generator = torch.Generator().manual_seed(0)
    matrix = torch.randn(5000, 64, generator=generator).bfloat16()
    for label in torch.arange(20)[:, None]:
        hidden = matrix[label[0]][None].requires_grad_()  # the label's logit is far above all others
        loss = _VocabularyLoss.apply(hidden, matrix, label, 0.0)  # type: ignore[no-untyped-call]
        assert 0 <= loss.item() < 1e-3


def test_noise_is_bounded_by_the_length_of_the_row(tiny_llama: Path) -> None:
    model, rows = load_model(tiny_llama, torch.float32), examples(5, prefix=20)
    batch = make_batch(rows, 20)
    embedded = model.get_input_embeddings()(batch.ids)
    moved = (objective._shaken(embedded, batch, 5.0) - embedded)[0].abs()
    assert moved[:20].max() == 0
    for group in batch.groups:
        for places, real in zip(group.token, group.real, strict=True):
            bound = 5.0 / (int(real.sum()) * moved.shape[1]) ** 0.5
            assert 0.8 * bound < moved[places[real]].max() <= bound * 1.0001


def test_patience_stops_early_and_keeps_the_best_weights(tiny_llama: Path, tmp_path: Path) -> None:
    settings = {"patience": 2, "validations": 15, "lr": 0.3, "schedule": "constant"}
    model, seen = fit(tiny_llama, tmp_path / "c.pt", **settings)
    losses = [entry["valid_loss"] for entry in seen if "valid_loss" in entry]
    best = losses.index(min(losses))
    assert len(losses) == best + 3 and len(seen) < len(fit(tiny_llama, tmp_path / "d.pt")[1])
    assert loop.mean_loss(NextToken(model), examples(4, seed=1), 0, 40) == pytest.approx(min(losses), rel=1e-5)


@pytest.mark.parametrize("kind", ["cosine", "linear", "constant", "wsd"])
def test_a_schedule_rises_then_falls(kind: str) -> None:
    factor = schedule(TrainConfig.model_validate({"schedule": kind, "warmup": 0.1}), 100)
    factors = [factor(step) for step in range(100)]
    assert factors[0] == 0.1 and factors[9] == 1
    falling = factors[9:]
    assert falling == sorted(falling, reverse=True)
    assert {"cosine": 0.05, "linear": 0.02, "constant": 1, "wsd": 0.05}[kind] == pytest.approx(factors[-1], abs=0.02)
    assert factors[60] == 1 or kind in ("cosine", "linear")


def test_training_learns(tiny_llama: Path, tmp_path: Path) -> None:
    _, seen = fit(tiny_llama, tmp_path / "c.pt")
    assert sum(e["loss"] for e in seen[-4:]) < 0.97 * sum(e["loss"] for e in seen[:4])


@pytest.mark.parametrize(
    "settings", [{}, {"neftune": 5.0}, {"accumulate": 2}, {"patience": 3, "validations": 12, "lr": 0.3}], ids=str
)
def test_interrupted_and_resumed_ends_with_the_same_weights(
    tiny_llama: Path, tmp_path: Path, settings: dict[str, Any]
) -> None:
    whole, seen = fit(tiny_llama, tmp_path / "whole.pt", **settings)
    with pytest.raises(KeyboardInterrupt):
        fit(tiny_llama, tmp_path / "parts.pt", stop_at=len(seen) // 2, **settings)
    parts, rest = fit(tiny_llama, tmp_path / "parts.pt", **settings)
    assert rest[0]["step"] == len(seen) // 2 + 1
    assert rest[-1]["step"] == len(seen)
    want = adapter_state(whole)
    assert all(torch.equal(tensor, want[name]) for name, tensor in adapter_state(parts).items())


def test_an_interrupt_inside_a_step_keeps_the_last_whole_state(
    tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> float:
        raise KeyboardInterrupt

    settings = {"validations": 4, "save_seconds": 0.0}
    whole, seen = fit(tiny_llama, tmp_path / "whole.pt", **settings)
    with monkeypatch.context() as broken, pytest.raises(KeyboardInterrupt):
        broken.setattr(loop, "mean_loss", interrupted)  # the weights are new already
        fit(tiny_llama, tmp_path / "parts.pt", **settings)
    parts, rest = fit(tiny_llama, tmp_path / "parts.pt", **settings)
    assert 1 < rest[0]["step"] < len(seen)
    want = adapter_state(whole)
    assert all(torch.equal(tensor, want[name]) for name, tensor in adapter_state(parts).items())


def test_a_loss_that_is_not_finite_stops_with_advice(tiny_llama: Path, tmp_path: Path) -> None:
    model = tuned(tiny_llama)
    with torch.no_grad():
        next(iter(lora_layers(model)))[1].lora_A.fill_(float("nan"))
    with pytest.raises(InputError, match=r"train\.lr"):
        checkpoints = Checkpoints(tmp_path, "c")
        loop.fit(NextToken(model), [examples(4)], [], TrainConfig(), seed=0, checkpoints=checkpoints, log=print)


def test_batches_hold_every_row_once_and_respect_the_budget() -> None:
    lengths = [5, 30, 12, 90, 7, 7, 31]
    plan = plan_batches(lengths, 40, seed=3)
    assert sorted(i for batch in plan for i in batch) == list(range(len(lengths)))
    assert all(len(batch) == 1 or sum(lengths[i] for i in batch) <= 40 for batch in plan)


def test_same_seed_same_weights(tiny_llama: Path, tmp_path: Path) -> None:
    a, b = (copy.deepcopy(adapter_state(fit(tiny_llama, tmp_path / f"{i}.pt")[0])) for i in range(2))
    assert all(torch.equal(a[name], b[name]) for name in a)
