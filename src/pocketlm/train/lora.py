"""LoRA: a low-rank update beside each frozen matrix, y = W x + (alpha / rank) B A x (Hu et al. 2021, arXiv:2106.09685).

The frozen product may run in 8 bits on CPUs whose byte instructions (VNNI) are faster than their float ones: weights
per output channel, activations and gradients per token, as in SwitchBack (Wortsman et al. 2023, arXiv:2304.13013). The trained matrices and their gradients stay in fp32. Adapters are written in PEFT's
format, so that every tool that reads PEFT reads them.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path, read_json, write_json

PEFT_PREFIX = "base_model.model."
INNER = 1536  # longest inner dimension: oneDNN's bf16 product over 3,072 takes 1.7 x as long as two over 1,536


class _LoraProduct(torch.autograd.Function):
    """Frozen product plus low-rank update as one node, so that nothing but x and Ax is kept for backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stack: LoraStack, *_: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])  # (tokens, in)
        y, low = stack.product(flat)
        ctx.save_for_backward(flat, low)
        ctx.stack = stack
        return y.view(*x.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        flat, low = ctx.saved_tensors
        grad = grads[0].reshape(-1, grads[0].shape[-1])  # (tokens, out)
        grad_x, grad_weights = ctx.stack.product_backward(flat, low, grad)
        return grad_x.view(*grads[0].shape[:-1], -1), None, *grad_weights


# Layers whose product may run in 8 bits forward too: with all of them the loss of SmolLM2's first batch rose by 5 % and its
# gradient was 28 % off; with these 1 % and 11 %, with bf16 alone 4 %. What the others read has outliers.
ROUNDED_FORWARD = ("o_proj", "gate_proj", "up_proj")


class Int8Product:
    """x @ weight.T with x rounded to 8 bits a row at a time and the weight an output at a time, in x's type.

    oneDNN multiplies unsigned by signed bytes, so x's are shifted by 128. Rounding x walks over it five times, which
    costs a fifth of what the product saves on CPUs with byte instructions (VNNI).

    Args:
        weight: (out, in); it is not kept.
    """

    def __init__(self, weight: Tensor) -> None:
        self.scale = weight.float().abs().amax(dim=1).clamp_(min=1e-12) / 127  # (out,)
        rounded = (weight.float() / self.scale[:, None]).round_().to(torch.int8).contiguous()
        self.packed = torch.ops.onednn.qlinear_prepack(rounded, None)
        self.zero = torch.zeros(len(weight), dtype=torch.int32)

    def __call__(self, x: Tensor) -> Tensor:
        """(tokens, in) -> (tokens, out)."""
        step = torch.abs(x).amax(dim=1, keepdim=True).clamp_(min=1e-12).mul_(1 / 126)  # 126: rounding up stays a byte
        rounded = torch.mul(x, step.reciprocal()).round_().to(torch.int8).view(torch.uint8).bitwise_xor_(128)
        y = torch.ops.onednn.qlinear_pointwise(
            rounded, 1.0, 128, self.packed, self.scale, self.zero, None, 1.0, 0, x.dtype, "none", [], ""
        )
        out: Tensor = y.mul_(step)
        return out

    @staticmethod
    def works() -> bool:
        """Whether this CPU multiplies bytes rightly; without VNNI, sums of two products may be cut off at 16 bits."""
        largest = torch.full((2, 64), 127.0)
        found = Int8Product(largest)(largest) / (64 * 127.0**2)
        return bool((found - 1).abs().max() < 1e-3)


class LoraLinear(nn.Module):
    """A frozen linear layer with a trainable low-rank update.

    Args:
        base: the layer to wrap; its weight is (out, in).
        rank, scale: size of the update, and what it is multiplied by; B starts at zero, so training starts from the base.
        forward_int8, backward_int8: run the frozen product, and its gradient, in 8 bits while training; elsewhere the
            exact weight is used.
    """

    def __init__(
        self, base: nn.Linear, rank: int, scale: float, *, forward_int8: bool = False, backward_int8: bool = False
    ) -> None:
        super().__init__()
        self.base = base
        self.base.requires_grad_(False)
        self.scale = scale
        weight = base.weight
        self.lora_A = nn.Parameter(torch.empty(rank, base.in_features, dtype=torch.float32, device=weight.device))
        self.lora_B = nn.Parameter(torch.zeros(base.out_features, rank, dtype=torch.float32, device=weight.device))
        nn.init.kaiming_uniform_(self.lora_A, a=math.sqrt(5))
        self.forward_int8, self.backward_int8 = forward_int8 and base.bias is None, backward_int8
        self._alone: LoraStack | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if self._alone is None:
            self._alone = LoraStack([self])
        out: Tensor = _LoraProduct.apply(x, self._alone, self.lora_A, self.lora_B)  # type: ignore[no-untyped-call]
        return out


class LoraStack:
    """Adapted layers that read the same input (query, key and value; gate and up; or one alone) as one product.

    Their frozen weights become one matrix, one below the other, of which each layer keeps a view; so do their A.
    `weights` are the trained matrices in the order in which gradients come back: A and B of the first layer, of the
    second, ...
    """

    def __init__(self, layers: Sequence[LoraLinear]) -> None:
        self.layers = list(layers)
        self.weights = [weight for layer in layers for weight in (layer.lora_A, layer.lora_B)]
        first = layers[0]
        self.scale, self.rank = first.scale, first.lora_A.shape[0]
        self.bias = first.base.bias if len(layers) == 1 else _stacked([layer.base.bias for layer in layers])
        self.frozen = first.base.weight.detach()  # (out of all, in)
        if len(layers) > 1:
            self.frozen = torch.cat([layer.base.weight.detach() for layer in layers])
            for layer, part in zip(layers, torch.split(self.frozen, self.widths), strict=True):
                layer.base.weight.data = part
        self.forward_int8 = Int8Product(self.frozen) if first.forward_int8 else None
        self.backward_int8 = Int8Product(self.frozen.t()) if first.backward_int8 else None
        self._cast: tuple[Tensor, list[Tensor]] | None = None

    @property
    def widths(self) -> list[int]:
        """Outputs of each layer."""
        return [layer.base.out_features for layer in self.layers]

    def product(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (tokens, in) -> y (tokens, out of all) and scale A x (tokens, ranks), outside of autograd."""
        a, bs = self._low_rank(x.dtype)
        low = (x @ a.t()).mul_(self.scale) if self.scale != 1 else x @ a.t()
        if self.forward_int8 and self.layers[0].training:
            y = self.forward_int8(x)
        elif self.bias is None:
            y = x @ self.frozen.t()
        else:
            y = torch.addmm(self.bias, x, self.frozen.t())
        for part, own, b in zip(y.split(self.widths, dim=1), low.split(self.rank, dim=1), bs, strict=True):
            part.addmm_(own, b.t())
        return y, low

    def product_backward(
        self, x: Tensor, low: Tensor, grad: Tensor, out: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Gradients of `product` for x (written to `out` where given) and for `weights`, from grad (tokens, out of all).

        The weights are still those of the last `product`.
        """
        assert self._cast is not None
        a, bs = self._cast  # of the forward pass
        parts = grad.split(self.widths, dim=1)
        grad_low = torch.empty_like(low)
        for into, part, b in zip(grad_low.split(self.rank, dim=1), parts, bs, strict=True):
            torch.mm(part, b, out=into)
        if self.scale != 1:
            grad_low.mul_(self.scale)
        grads = []
        for grad_a, part, own in zip(
            (grad_low.t() @ x).split(self.rank), parts, low.split(self.rank, dim=1), strict=True
        ):
            grads += [grad_a.float(), (part.t() @ own).float()]
        if self.backward_int8 and self.layers[0].training:
            grad_x = self.backward_int8(grad)
        else:
            first, *rest = zip(torch.split(grad, INNER, dim=1), torch.split(self.frozen, INNER), strict=True)
            grad_x = torch.mm(*first, out=out)
            for piece, weights in rest:
                grad_x.addmm_(piece, weights)
        return grad_x.addmm_(grad_low, a), grads

    def _low_rank(self, dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
        """All A (ranks, in) as one, and each B (out, rank), in the products' type."""
        if self._cast is None or self._cast[0].dtype != dtype:
            outs, ins = self.frozen.shape
            a = self.frozen.new_empty((self.rank * len(self.layers), ins), dtype=dtype)
            b = self.frozen.new_empty((outs, self.rank), dtype=dtype)
            self._cast = (a, list(b.split(self.widths)))
        a, bs = self._cast
        for i, (rows, b) in enumerate(zip(a.split(self.rank), bs, strict=True)):
            rows.copy_(self.weights[2 * i].detach())
            b.copy_(self.weights[2 * i + 1].detach())
        return a, bs


def _stacked(biases: Sequence[Tensor | None]) -> Tensor | None:
    """Biases end to end; None where there is none. Layers with and without cannot be stacked (see `can_stack`)."""
    present = [bias.detach() for bias in biases if bias is not None]
    return torch.cat(present) if present else None


def can_stack(layers: Sequence[nn.Module | None]) -> bool:
    """Whether these are adapted layers of one kind: same rank and scale, with biases all or none."""
    adapted = [layer for layer in layers if isinstance(layer, LoraLinear)]
    kinds = {(layer.scale, layer.lora_A.shape, layer.base.bias is None) for layer in adapted}
    return len(adapted) == len(layers) and len(kinds) == 1


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

    The update counts alpha / rank; rank-stabilized, alpha / sqrt(rank) (Kalajdzievski 2023, arXiv:2312.03732).

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
    scale = lora_scale(rank, alpha, rank_stabilized)
    for name in names:
        path, _, leaf = name.rpartition(".")
        parent = model.get_submodule(path)
        adapted = LoraLinear(
            getattr(parent, leaf), rank, scale, forward_int8=int8 and leaf in ROUNDED_FORWARD, backward_int8=int8
        )
        setattr(parent, leaf, adapted)
    return names


def lora_scale(rank: int, alpha: float, rank_stabilized: bool) -> float:
    """What an update B A is multiplied by."""
    return alpha / (math.sqrt(rank) if rank_stabilized else rank)


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


def save_adapter(
    model: nn.Module, folder: Path, *, base: str, rank: int, alpha: float, rank_stabilized: bool = False
) -> None:
    """Write `adapter_model.safetensors` and `adapter_config.json`, readable by PEFT."""
    names = [name for name, _ in lora_layers(model)]
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "use_rslora": rank_stabilized,
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
    scale = lora_scale(config["r"], config["lora_alpha"], bool(config.get("use_rslora")))
    with torch.no_grad():
        for key in (key for key in state if key.endswith(".lora_A.weight")):
            weight = model.get_submodule(key.removeprefix(PEFT_PREFIX).removesuffix(".lora_A.weight")).weight
            assert isinstance(weight, Tensor)
            delta = scale * (state[key.replace(".lora_A.", ".lora_B.")] @ state[key])
            weight.copy_((weight.float() + delta).to(weight.dtype))


def _layer_index(name: str) -> int:
    return next((int(part) for part in name.split(".") if part.isdigit()), 0)
