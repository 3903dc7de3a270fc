"""Adapters in PEFT's format: found, read, and added to the weights of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json

PEFT_PREFIX = "base_model.model."
CONFIG, WEIGHTS = "adapter_config.json", "adapter_model.safetensors"


@dataclass(frozen=True)
class Adapter:
    """A low-rank adapter's folder and what its configuration says."""

    folder: Path
    base: str
    rank: int
    scale: float
    modules: int
    size_mb: float

    @classmethod
    def open(cls, folder: Path) -> Adapter:
        """Read the configuration of the adapter in `folder`, or in `folder`/adapter.

        Raises:
            InputError: there is none, or one of a kind we cannot merge.
        """
        folder = Path(folder)
        if not (folder / CONFIG).is_file():
            folder = folder / "adapter"
        if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
            raise InputError(f"{folder.parent}: holds no adapter ({CONFIG} and {WEIGHTS})")
        config: dict[str, Any] = read_json(folder / CONFIG)
        unknown = [key for key in ("use_dora", "rank_pattern", "alpha_pattern", "modules_to_save") if config.get(key)]
        if config.get("peft_type") != "LORA" or unknown or config.get("bias", "none") != "none":
            what = ", ".join(unknown) or str(config.get("peft_type"))
            raise InputError(f"{folder}: an adapter with {what}; merge it with PEFT and give the merged folder instead")
        return cls(
            folder,
            str(config.get("base_model_name_or_path")),
            int(config["r"]),
            lora_scale(config["r"], config["lora_alpha"], bool(config.get("use_rslora"))),
            len(config["target_modules"]),
            (folder / WEIGHTS).stat().st_size / 1e6,
        )

    def merge_into(self, model: Any) -> None:
        """Add the update to the weights of a plain model, in place, computed in fp32.

        Raises:
            InputError: the model has no such layers, so it is not what the adapter was trained on.
        """
        import torch
        from safetensors.torch import load_file

        state = load_file(self.folder / WEIGHTS)
        with torch.no_grad():
            for key in (key for key in state if key.endswith(".lora_A.weight")):
                name = key.removeprefix(PEFT_PREFIX).removesuffix(".lora_A.weight")
                delta = self.scale * (state[key.replace(".lora_A.", ".lora_B.")].float() @ state[key].float())
                try:
                    weight = model.get_submodule(name).weight
                except AttributeError:
                    weight = None
                if weight is None or weight.shape != delta.shape:
                    raise InputError(f"{self.folder}: was made for {self.base}; this model has no such layer {name}")
                weight.copy_((weight.float() + delta).to(weight.dtype))


def find_adapters(folder: Path) -> Iterator[Adapter]:
    """The adapters below a folder, by path."""
    return (Adapter.open(config.parent) for config in sorted(Path(folder).rglob(CONFIG)))


def lora_scale(rank: int, alpha: float, rank_stabilized: bool) -> float:
    """What an update B A is multiplied by: alpha / rank, or alpha / sqrt(rank) (Kalajdzievski 2023, arXiv:2312.03732)."""
    return alpha / (math.sqrt(rank) if rank_stabilized else rank)
