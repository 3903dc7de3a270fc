"""The parts of a block between its large products, each as one autograd node.

Left to itself, autograd keeps every intermediate of a norm or a gated MLP and walks through memory once for each small
operation; on CPUs that takes longer than the products. Here a norm keeps its input and one number a token, an MLP its
input and one low-rank product.

A module is replaced only where ours gives what it gives on a random probe, so that an architecture with a norm or gate
of its own simply keeps it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from pocketlm.train.lora import LoraLinear


def scratch(name: str, like: Tensor, dtype: torch.dtype | None = None, width: int | None = None) -> Tensor:
    """A tensor for values that are read before the next call under this name: memory that stays in the cache.

    It is shaped as `like`, its last dimension `width` where given. A fresh tensor of a megabyte costs the system's
    zeroing of its pages, several times what computing it costs.
    """
    key = (name, dtype or like.dtype, like.device)
    shape = (*like.shape[:-1], width or like.shape[-1])
    size = math.prod(shape)
    kept = _kept.get(key)
    if kept is None or len(kept) < size:
        kept = _kept[key] = torch.empty(size, dtype=key[1], device=like.device)
    return kept[:size].view(shape)


_kept: dict[tuple[str, torch.dtype, torch.device], Tensor] = {}


def _warm_fp32(name: str, x: Tensor) -> Tensor:
    """`x` in fp32, in scratch memory."""
    return scratch(name, x, torch.float32).copy_(x)


class _Norm(torch.autograd.Function):
    """x / rms(x) * weight with a frozen weight (Zhang and Sennrich 2019, arXiv:1910.07467)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, epsilon: float) -> Tensor:
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
        inverse = square.div_(x.shape[-1]).add_(epsilon).rsqrt_()  # (..., 1) in fp32
        ctx.save_for_backward(x, weight, inverse)
        return torch.empty_like(x).copy_(_warm_fp32("norm", x).mul_(inverse)).mul_(weight)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, weight, inverse = ctx.saved_tensors
        grad, wide = _warm_fp32("norm grad", grads[0]).mul_(weight), _warm_fp32("norm", x)
        along = torch.mul(grad, wide, out=scratch("norm product", grad)).sum(-1, keepdim=True)
        along.mul_(inverse.pow(3)).div_(-x.shape[-1])
        return torch.empty_like(x).copy_(grad.mul_(inverse).addcmul_(wide, along)), None, None


class Norm(nn.Module):
    """RMS norm over the last dimension; the weight is frozen."""

    def __init__(self, weight: nn.Parameter, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = weight, epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        out: Tensor = _Norm.apply(x, self.weight, self.epsilon)  # type: ignore[no-untyped-call]
        return out


class _GatedMlp(torch.autograd.Function):
    """down(silu(gate(x)) * up(x)) with adapted layers.

    The two halves are computed again for the backward pass: into memory that is warm, that takes no longer than writing
    them to fresh memory and reading them back, and it more than halves what a block keeps.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, mlp: GatedMlp, *_: Tensor) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        gate, up, _low_gate, _low_up = mlp.halves(flat)
        middle = torch.ops.aten.silu.out(gate, out=gate).mul_(up)
        out, low_down = mlp.down_proj.product(middle)
        ctx.save_for_backward(flat, low_down)
        ctx.mlp = mlp
        return out.view(x.shape)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, low_down = ctx.saved_tensors
        mlp, grad = ctx.mlp, grads[0].reshape(x.shape)
        gate, up, low_gate, low_up = mlp.halves(x)
        silu = torch.ops.aten.silu.out(gate, out=scratch("silu", gate))
        middle = torch.mul(silu, up, out=scratch("middle", gate))
        grad_mid, *grads_down = mlp.down_proj.product_backward(middle, low_down, grad, out=scratch("grad_mid", gate))
        grad_gate = torch.mul(grad_mid, up, out=up)
        torch.ops.aten.silu_backward.grad_input(grad_gate, gate, grad_input=grad_gate)
        grad_up = torch.mul(grad_mid, silu, out=grad_mid)
        x_gate, *grads_gate = mlp.gate_proj.product_backward(x, low_gate, grad_gate)
        x_up, *grads_up = mlp.up_proj.product_backward(x, low_up, grad_up, out=scratch("x_up", x))
        return x_gate.add_(x_up).view(grads[0].shape), None, *grads_gate, *grads_up, *grads_down


class GatedMlp(nn.Module):
    """The MLP of Llama and its kin; the names are theirs, so that adapters keep their place."""

    def __init__(self, gate_proj: LoraLinear, up_proj: LoraLinear, down_proj: LoraLinear) -> None:
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = gate_proj, up_proj, down_proj

    def halves(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """gate(x) and up(x) in scratch memory, and their low-rank products; x is (tokens, width)."""
        width = self.gate_proj.base.out_features
        gate, low_gate = self.gate_proj.product(x, out=scratch("gate", x, width=width))
        up, low_up = self.up_proj.product(x, out=scratch("up", x, width=width))
        return gate, up, low_gate, low_up

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        layers = (self.gate_proj, self.up_proj, self.down_proj)
        out: Tensor = _GatedMlp.apply(  # type: ignore[no-untyped-call]
            x, self, *(weight for layer in layers for weight in (layer.lora_A, layer.lora_B))
        )
        return out


def fuse(model: nn.Module) -> int:
    """Replace norms and MLPs whose weights are frozen by single-node ones. Returns how many were replaced."""
    replaced = 0
    for name, module in list(model.named_modules()):
        ours = _norm_like(module) or _mlp_like(module)
        if ours is not None and _same(module, ours):
            path, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(path), leaf, ours)
            replaced += 1
    return replaced


def _norm_like(module: nn.Module) -> nn.Module | None:
    weight, epsilon = getattr(module, "weight", None), getattr(module, "variance_epsilon", None)
    if isinstance(weight, nn.Parameter) and weight.dim() == 1 and not weight.requires_grad and epsilon is not None:
        return Norm(weight, float(epsilon))
    return None


def _mlp_like(module: nn.Module) -> nn.Module | None:
    layers = [getattr(module, name, None) for name in ("gate_proj", "up_proj", "down_proj")]
    if isinstance(module, GatedMlp):
        return None
    gate, up, down = layers
    if isinstance(gate, LoraLinear) and isinstance(up, LoraLinear) and isinstance(down, LoraLinear):
        return GatedMlp(gate, up, down)
    return None


@torch.no_grad()
def _same(theirs: nn.Module, ours: nn.Module) -> bool:
    """Whether both give the same on a random probe, to rounding."""
    weight = next(ours.parameters())
    width = ours.gate_proj.base.in_features if isinstance(ours, GatedMlp) else weight.shape[0]
    dtype = ours.gate_proj.base.weight.dtype if isinstance(ours, GatedMlp) else weight.dtype
    probe = torch.randn(4, width, generator=torch.Generator().manual_seed(0)).to(weight.device, dtype)
    want, got = theirs(probe).float(), ours(probe).float()
    return bool((want - got).norm() <= (2e-2 if dtype == torch.bfloat16 else 1e-5) * want.norm())
