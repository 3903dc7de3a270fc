"""Adapters in PEFT's format: found, read, and added to the weights of a model."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, read_json, sha256_file, write_json
from pocketlm.models.load import load_model, load_tokenizer

PEFT_PREFIX = "base_model.model."
LORA_A, LORA_B, MAGNITUDE = ".lora_A.weight", ".lora_B.weight", ".lora_magnitude_vector"
# of PEFT's options, those that change what an adapter does to the weights and that are not merged here
UNKNOWN = ("rank_pattern", "alpha_pattern", "modules_to_save", "fan_in_fan_out", "lora_bias")
CONFIG, WEIGHTS, TEMPLATE = "adapter_config.json", "adapter_model.safetensors", "chat_template.jinja"
STAMP = "pocketlm.json"  # in a merged model: which adapter is in it


@dataclass(frozen=True)
class Adapter:
    """A low-rank adapter's folder and what its configuration says."""

    folder: Path
    base: str
    rank: int
    scale: float
    layers: int
    size_mb: float
    template: str | None  # Jinja form of the chat template it was trained with, where it is told

    @classmethod
    def open(cls, folder: Path) -> Adapter:
        """Read the configuration of the adapter in `folder`, or in `folder`/adapter.

        Raises:
            InputError: there is none, or one of a kind we cannot merge.
        """
        given, folder = Path(folder), Path(folder)
        if not (folder / CONFIG).is_file():
            folder = folder / "adapter"
        if not (folder / CONFIG).is_file() or not (folder / WEIGHTS).is_file():
            raise InputError(f"{given}: holds no adapter ({CONFIG} and {WEIGHTS})")
        config: dict[str, Any] = read_json(folder / CONFIG)
        unknown = [key for key in UNKNOWN if config.get(key)]
        if config.get("peft_type") != "LORA" or unknown or config.get("bias", "none") != "none":
            what = ", ".join(unknown) or f"peft_type {config.get('peft_type')}, bias {config.get('bias')}"
            raise InputError(f"{folder}: an adapter with {what}; merge it with PEFT and give the merged folder instead")
        from safetensors import safe_open

        with safe_open(folder / WEIGHTS, "pt") as weights:
            names = list(weights.keys())
        strange = [name for name in names if not name.endswith((LORA_A, LORA_B, MAGNITUDE))]
        if strange or not names:
            raise InputError(f"{folder / WEIGHTS}: holds {strange[0] if strange else 'nothing'}, which is not LoRA")
        return cls(
            folder,
            str(config.get("base_model_name_or_path")),
            int(config["r"]),
            lora_scale(config["r"], config["lora_alpha"], bool(config.get("use_rslora"))),
            sum(name.endswith(LORA_A) for name in names),
            (folder / WEIGHTS).stat().st_size / 1e6,
            (folder / TEMPLATE).read_text(encoding="utf-8") if (folder / TEMPLATE).is_file() else None,
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
            for key in (key for key in state if key.endswith(LORA_A)):
                stem = key.removesuffix(LORA_A)
                name = stem.removeprefix(PEFT_PREFIX)
                delta = self.scale * (state[stem + LORA_B].float() @ state[key].float())
                try:
                    weight = model.get_submodule(name).weight
                except AttributeError:
                    weight = None
                if weight is None or weight.shape != delta.shape:
                    raise InputError(f"{self.folder}: was made for {self.base}; this model has no such layer {name}")
                merged = weight.float() + delta
                if stem + MAGNITUDE in state:  # DoRA: each output's direction, and its length apart (arXiv:2402.09353)
                    merged *= (state[stem + MAGNITUDE].float() / merged.norm(dim=1))[:, None]
                weight.copy_(merged.to(weight.dtype))


def write_merged(adapter: Adapter, base: Path, to: Path) -> None:
    """Write base and adapter as one model in fp32 with the adapter's chat template, whole or not at all.

    Raises:
        InputError: the adapter was made for another model.
    """
    import torch

    model = load_model(base, torch.float32)
    adapter.merge_into(model)
    write_model(model, load_tokenizer(base), to, jinja=adapter.template, adapter=adapter.folder / WEIGHTS)


def write_model(model: Any, tokenizer: Any, to: Path, *, jinja: str | None = None, adapter: Path | None = None) -> None:
    """Write a model's folder whole or not at all.

    Args:
        jinja: its chat template, the tokenizer's own where not given.
        adapter: the weights of the adapter that is in it, if any.
    """
    tokenizer.chat_template = jinja or tokenizer.chat_template
    with atomic_dir(to) as aside:
        model.save_pretrained(aside)
        tokenizer.save_pretrained(aside)
        write_json(aside / STAMP, {"adapter": sha256_file(adapter) if adapter else None})


def find_adapters(folder: Path) -> Iterator[Path]:
    """The folders of adapters below a folder, by path."""
    return (config.parent for config in sorted(Path(folder).rglob(CONFIG)))


def lora_scale(rank: int, alpha: float, rank_stabilized: bool) -> float:
    """What an update B A is multiplied by: alpha / rank, or alpha / sqrt(rank) (Kalajdzievski 2023, arXiv:2312.03732)."""
    return alpha / (math.sqrt(rank) if rank_stabilized else rank)
