"""LoRA: a low-rank update beside each frozen matrix, y = W x + (alpha / rank) B A x (Hu et al. 2021, arXiv:2106.09685).

The frozen product may run in 8 bits on CPUs whose int8 instructions are several times faster than their fp32 ones
(AVX-512 VNNI, ARM i8mm): weights per output channel, activations and gradients per token, as in SwitchBack (Wortsman
et al. 2023, arXiv:2304.13013). The trained matrices and their gradients stay in fp32. Adapters are written in PEFT's
format, so that every tool that reads PEFT reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path, read_json, write_json

PEFT_PREFIX = "base_model.model."


class _LoraProduct(torch.autograd.Function):
    """Frozen product plus low-rank update as one node, so that nothing but x and Ax is kept for backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, a: Tensor, b: Tensor, layer: LoraLinear) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])  # (tokens, in)
        y, low = layer.product(flat)
        ctx.save_for_backward(flat, low)
        ctx.layer = layer
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        flat, low = ctx.saved_tensors
        grad = grads[0].reshape(-1, grads[0].shape[-1])  # (tokens, out)
        grad_x, grad_a, grad_b = ctx.layer.product_backward(flat, low, grad)
        return grad_x.view(*grads[0].shape[:-1], -1), grad_a, grad_b, None


def _int8_rows(x: Tensor, weight: Tensor) -> Tensor:
    """x @ weight with x (tokens, k) rounded to int8 a row at a time; weight is int8 (k, n). Returns fp32."""
    step = x.abs().amax(dim=1, keepdim=True).clamp_(min=1e-20).mul_(1 / 127)
    rounded = (x / step).round_().to(torch.int8)
    return torch._int_mm(rounded, weight) * step


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank update.

    Args:
        base: the layer to wrap; its weight is (out, in).
        rank, alpha: size and scale of the update; B starts at zero, so training starts from the base.
        int8: run the frozen product in 8 bits while training; elsewhere the exact weight is used.
    """

    step: Tensor  # (out,) scale of each row of `rounded`, with int8
    rounded: Tensor  # (out, in) the frozen weight in int8

    def __init__(self, base: nn.Linear, rank: int, alpha: float, *, int8: bool = False) -> None:
        super().__init__()
        self.base = base
        self.base.requires_grad_(False)
        self.scale = alpha / rank
        weight = base.weight
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features, dtype=torch.float32, device=weight.device))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, dtype=torch.float32, device=weight.device))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.int8 = int8 and base.bias is None
        if self.int8:
            step = weight.detach().float().abs().amax(dim=1).clamp(min=1e-12) / 127  # (out,)
            self.register_buffer("step", step, persistent=False)
            rounded = (weight.detach().float() / step[:, None]).round().to(torch.int8)
            self.register_buffer("rounded", rounded, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        out: Tensor = _LoraProduct.apply(x, self.lora_A, self.lora_B, self)  # type: ignore[no-untyped-call]
        return out

    def product(self, x: Tensor, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """x (tokens, in) -> y (tokens, out; written to `out` where given) and A x (tokens, rank), outside of autograd."""
        low = x @ self.lora_A.to(x.dtype).t()
        if self.int8 and self.training:
            y = _int8_rows(x, self.rounded.t()).mul_(self.step)
        elif self.base.bias is None:
            y = torch.mm(x, self.base.weight.t(), out=out)
        else:
            y = torch.addmm(self.base.bias, x, self.base.weight.t(), out=out)
        return y.addmm_(low, self.lora_B.to(x.dtype).t(), alpha=self.scale), low

    def product_backward(
        self, x: Tensor, low: Tensor, grad: Tensor, out: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of `product` for x (written to `out` where given), A and B, from grad (tokens, out)."""
        a, b = self.lora_A.to(grad.dtype), self.lora_B.to(grad.dtype)
        grad_low = (grad @ b).mul_(self.scale)  # (tokens, rank)
        grad_a = (grad_low.t() @ x).to(self.lora_A.dtype)
        grad_b = (grad.t() @ low).to(self.lora_B.dtype).mul_(self.scale)
        if self.int8 and self.training:
            # the channel scales belong to the summed dimension here, so they go into the gradient before rounding
            grad_x = _int8_rows(grad * self.step, self.rounded)
        else:
            grad_x = torch.mm(grad, self.base.weight, out=out)
        return grad_x.addmm_(grad_low, a), grad_a, grad_b


def add_lora(
    model: nn.Module, targets: list[str], rank: int, alpha: float, *, last_layers: int | None = None, int8: bool = False
) -> list[str]:
    """Wrap the linear layers whose last name is in `targets`; everything else is frozen. Returns the wrapped names.

    Raises:
        InputError: no layer matches.
    """
    model.requires_grad_(False)
    names = [
        name
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.split(".")[-1] in targets
    ]
    if last_layers:
        depth = 1 + max((_layer_index(name) for name in names), default=-1)
        names = [name for name in names if _layer_index(name) >= depth - last_layers]
    if not names:
        known = sorted({n.split(".")[-1] for n, m in model.named_modules() if isinstance(m, nn.Linear)})
        raise InputError(
            f"train.targets: no layer of the base is named {', '.join(targets)}; it has {', '.join(known)}"
        )
    for name in names:
        path, _, leaf = name.rpartition(".")
        parent = model.get_submodule(path)
        setattr(parent, leaf, LoraLinear(getattr(parent, leaf), rank, alpha, int8=int8))
    return names


def lora_layers(model: nn.Module) -> Iterator[tuple[str, LoraLinear]]:
    """(name, layer) of every wrapped layer."""
    return ((name, module) for name, module in model.named_modules() if isinstance(module, LoraLinear))


def adapter_state(model: nn.Module) -> dict[str, Tensor]:
    """The trained tensors under PEFT's names."""
    return {
        f"{PEFT_PREFIX}{name}.lora_{part}.weight": getattr(layer, f"lora_{part}").detach().contiguous()
        for name, layer in lora_layers(model)
        for part in "AB"
    }


def save_adapter(model: nn.Module, folder: Path, *, base: str, rank: int, alpha: float) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json`, readable by PEFT."""
    names = [name for name, _ in lora_layers(model)]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "bias": "none",
        "target_modules": names,
        "inference_mode": True,
        "fan_in_fan_out": False,
    }
    with atomic_path(folder / "adapter_model.safetensors") as aside:
        save_file(adapter_state(model), aside)
    write_json(folder / "adapter_config.json", config)


def merge_adapter(model: nn.Module, folder: Path) -> None:
    """Add the update of an adapter in PEFT's format to the weights of a plain model, in place, computed in fp32."""
    config = read_json(folder / "adapter_config.json")
    state = load_file(folder / "adapter_model.safetensors")
    scale = config["lora_alpha"] / config["r"]
    with torch.no_grad():
        for key in (key for key in state if key.endswith(".lora_A.weight")):
            weight = model.get_submodule(key.removeprefix(PEFT_PREFIX).removesuffix(".lora_A.weight")).weight
            assert isinstance(weight, Tensor)
            delta = scale * (state[key.replace(".lora_A.", ".lora_B.")] @ state[key])
            weight.copy_((weight.float() + delta).to(weight.dtype))


def _layer_index(name: str) -> int:
    return next((int(part) for part in name.split(".") if part.isdigit()), 0)
