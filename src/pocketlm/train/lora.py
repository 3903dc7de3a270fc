"""LoRA: a low-rank update beside each frozen matrix, y = W x + (alpha / rank) B A x (Hu et al. 2021, arXiv:2106.09685).

Adapters are written in PEFT's format, so that every tool that reads PEFT reads them. The products are in linear.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from safetensors.torch import save_file
from torch import Tensor, nn

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path, write_json
from pocketlm.models.adapters import CONFIG, LORA_A, PEFT_PREFIX, WEIGHTS, lora_scale
from pocketlm.train.linear import ROUNDED_FORWARD, LoraLinear

SETS = {
    "attention": ["q_proj", "k_proj", "v_proj", "o_proj", "qkv_proj"],
    "mlp": ["gate_proj", "up_proj", "down_proj", "gate_up_proj"],
}


def add_lora(
    model: nn.Module,
    targets: list[str],
    rank: int,
    alpha: float,
    *,
    last_layers: int | None = None,
    rank_stabilized: bool = False,
    int8: bool = False,
) -> list[str]:
    """Wrap the linear layers whose last name is in `targets`; everything else is frozen. Returns the wrapped names.

    Raises:
        InputError: no layer matches.
    """
    model.requires_grad_(False)
    names = target_layers(model, targets, last_layers)
    scale = lora_scale(rank, alpha, rank_stabilized)
    for name in names:
        path, _, leaf = name.rpartition(".")
        parent = model.get_submodule(path)
        adapted = LoraLinear(
            getattr(parent, leaf), rank, scale, forward_int8=int8 and leaf in ROUNDED_FORWARD, backward_int8=int8
        )
        setattr(parent, leaf, adapted)
    return names


def add_peft(model: nn.Module, names: list[str], settings: TrainConfig, task_type: str | None = None) -> None:
    """Put PEFT's own layers beside the linear layers of these names; everything else is frozen."""
    from peft import LoraConfig, inject_adapter_in_model

    model.requires_grad_(False)
    config = LoraConfig(
        r=settings.rank,
        lora_alpha=settings.alpha,  # type: ignore[arg-type]  # any number does
        lora_dropout=settings.dropout,
        use_rslora=settings.rank_stabilized,
        use_dora=settings.dora,
        target_modules=names,
        task_type=task_type,
    )
    inject_adapter_in_model(config, model)


def target_layers(model: nn.Module, targets: list[str], last_layers: int | None = None) -> list[str]:
    """Names of the linear layers whose last part is in `targets` (or all but the vocabulary's for the set "all",
    attention's for "attention", the MLP's for "mlp"), of the last blocks only where asked.

    Raises:
        InputError: there is none.
    """
    linears = [name for name, module in model.named_modules() if isinstance(module, nn.Linear)]
    every = {name.split(".")[-1] for name in linears} - {"lm_head"}
    wanted = {leaf for target in targets for leaf in (every if target == "all" else SETS.get(target, [target]))}
    names = [name for name in linears if name.split(".")[-1] in wanted & every]
    if last_layers:
        depth = 1 + max((_layer_index(name) for name in names), default=-1)
        names = [name for name in names if _layer_index(name) >= depth - last_layers]
    if not names:
        known = sorted(every)
        raise InputError(
            f"train.targets: no layer of the base is named {', '.join(targets)}; it has {', '.join(known)}, "
            f"and there are the sets all, {', '.join(SETS)}"
        )
    return names


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """(name, layer) of every wrapped layer."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLinear))


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """The trained tensors under PEFT's names, of our layers or of PEFT's own."""
    if hasattr(model, "peft_config"):
        from peft import get_peft_model_state_dict

        return {
            f"{PEFT_PREFIX}{name}": tensor.contiguous() for name, tensor in get_peft_model_state_dict(model).items()
        }
    return {
        f"{PEFT_PREFIX}{name}.lora_{part}.weight": getattr(layer, f"lora_{part}").detach().contiguous()
        for name, layer in lora_layers(model)
        for part in "AB"
    }


def save_adapter(
    model: nn.Module,
    folder: Path,
    *,
    base: str,
    rank: int,
    alpha: float,
    rank_stabilized: bool = False,
    dropout: float = 0.0,
    dora: bool = False,
) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json`, readable by PEFT."""
    state = adapter_state(model)
    names = [key.removeprefix(PEFT_PREFIX).removesuffix(LORA_A) for key in state if key.endswith(LORA_A)]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "use_rslora": rank_stabilized,
        "use_dora": dora,
        "lora_dropout": dropout,
        "bias": "none",
        "target_modules": names,
        "inference_mode": True,
        "fan_in_fan_out": False,
    }
    with atomic_path(folder / WEIGHTS) as aside:
        save_file(state, aside)
    write_json(folder / CONFIG, config)


def _layer_index(name: str) -> int:
    return next((int(part) for part in name.split(".") if part.isdigit()), 0)
