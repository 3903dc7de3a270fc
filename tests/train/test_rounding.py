"""What a rounded training ends with is what a 4-bit file holds, and a stop loses none of the finer weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.models.load import load_model
from pocketlm.train.attention import use_packed_attention
from pocketlm.train.batches import Example
from pocketlm.train.checkpoint import Checkpoints
from pocketlm.train.loop import fit
from pocketlm.train.method import check_method
from pocketlm.train.objective import NextToken
from pocketlm.train.rounding import to_q4_0

SETTINGS = TrainConfig(method="full", epochs=4, lr=3e-3, batch_tokens=64, rounded=0.5, validations=2, save_seconds=0)
MATRIX = torch.randn(24, 96, generator=torch.Generator().manual_seed(0)) * 0.05


def shipped(matrix: torch.Tensor) -> torch.Tensor:
    """A matrix as a file of type Q4_0 gives it back, by the format's own package."""
    kind = gguf.GGMLQuantizationType.Q4_0
    return torch.from_numpy(gguf.dequantize(gguf.quantize(matrix.numpy(), kind), kind))


def test_it_rounds_as_the_file_format_does() -> None:
    theirs, ours = shipped(MATRIX), to_q4_0(MATRIX)
    assert (theirs - ours).abs().max() < 1e-7
    assert torch.equal(to_q4_0(ours), ours), "what stands on the grid stays"
    assert torch.equal(shipped(ours), ours), "and a file holds it without a change"
    assert len(torch.unique(ours.view(-1, 32)[0])) <= 16


@pytest.mark.parametrize("matrix", [torch.zeros(2, 32), torch.eye(32), -torch.ones(1, 64)])
def test_blocks_of_zeros_and_of_one_value_stay(matrix: torch.Tensor) -> None:
    assert torch.equal(to_q4_0(matrix), matrix)


def rows() -> list[Example]:
    rng = np.random.default_rng(0)
    return [Example(rng.integers(3, 400, 6).tolist(), [7, 8, 9]) for _ in range(12)]


def trained(base: Path, folder: Path, settings: TrainConfig = SETTINGS, **more: Any) -> dict[str, torch.Tensor]:
    model = load_model(base, torch.float32).requires_grad_(True)
    use_packed_attention(model)
    log = more.pop("log", lambda _: None)
    fit(NextToken(model), [rows()] * 4, rows()[:3], settings, seed=0, checkpoints=Checkpoints(folder, "k"), log=log)
    return dict(model.state_dict())


def test_a_rounded_training_ends_on_the_grid_and_learns_there(tiny_llama: Path, tmp_path: Path) -> None:
    losses: list[dict[str, float]] = []
    weights = trained(tiny_llama, tmp_path / "a", log=losses.append)
    matrices = {name: weight for name, weight in weights.items() if weight.dim() == 2 and weight.shape[1] % 32 == 0}
    assert len(matrices) > 10
    assert all(torch.equal(shipped(weight), weight) for weight in matrices.values())
    half = next(at for at, entry in enumerate(losses) if "valid_loss" in entry)
    assert losses[-1]["valid_loss"] < losses[half]["valid_loss"] < losses[0]["loss"]
    plain = trained(tiny_llama, tmp_path / "b", SETTINGS.model_copy(update={"rounded": 0.0}))
    assert not any(torch.equal(to_q4_0(plain[name]), plain[name]) for name in matrices)


def test_an_interrupted_one_ends_with_the_same_weights(tiny_llama: Path, tmp_path: Path) -> None:
    whole, steps = trained(tiny_llama, tmp_path / "a"), list[dict[str, float]]()

    def stopping(entry: dict[str, float]) -> None:
        steps.append(entry)
        if len(steps) == 7:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        trained(tiny_llama, tmp_path / "b", log=stopping)
    again = trained(tiny_llama, tmp_path / "b", log=steps.append)
    assert len(steps) > 7 and steps[7]["step"] > 6
    assert all(torch.equal(again[name], weight) for name, weight in whole.items())


def test_an_adapter_cannot_be_rounded() -> None:
    with pytest.raises(InputError, match="method full"):
        check_method(TrainConfig(rounded=0.3))


def test_patience_would_end_before_the_grid() -> None:
    with pytest.raises(InputError, match=r"train\.rounded begins"):
        check_method(TrainConfig(method="full", rounded=0.3, patience=2))
