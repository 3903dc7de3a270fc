"""Linear layers for training: frozen, with a low-rank update, or trained; several of one input as one product.

Frozen ones maybe in 8 bits. The gradients are written out, so that nothing but x and A x is kept for them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from pocketlm.train.scratch import scratch

INNER = 1536  # longest inner dimension: oneDNN's bf16 product over 3,072 takes 1.7 x as long as two over 1,536


class _LoraProduct(torch.autograd.Function):
    """Frozen product plus low-rank update as one node, so that nothing but x and Ax is kept for backward."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, stack: Stack, *_: Tensor) -> Tensor:
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
ROUNDED_FORWARD = ("o_proj", "gate_proj", "up_proj", "gate_up_proj")


class Int8Product:
    """x @ weight.T with x rounded to 8 bits a row at a time and the weight an output at a time, in x's type.

    As in SwitchBack (Wortsman et al. 2023, arXiv:2304.13013); the trained matrices and their gradients stay in floats.

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
        warm = scratch("rounded", x)  # fresh memory of x's size takes longer than all of the rounding
        step = torch.abs(x, out=warm).amax(dim=1, keepdim=True).clamp_(min=1e-12)
        step.mul_(1 / 126)  # 126: rounding up stays a byte
        whole = torch.mul(x, step.reciprocal(), out=warm).round_()
        rounded = scratch("bytes", x, torch.int8).copy_(whole).view(torch.uint8).bitwise_xor_(128)
        y = torch.ops.onednn.qlinear_pointwise(
            rounded, 1.0, 128, self.packed, self.scale, self.zero, None, 1.0, 0, x.dtype, "none", [], ""
        )
        out: Tensor = y.mul_(step)
        return out

    @staticmethod
    def works() -> bool:
        """Whether this CPU multiplies bytes rightly; without VNNI, sums of two products may be cut off at 16 bits."""
        largest = torch.full((2, 64), 127.0)
        try:
            found = Int8Product(largest)(largest) / (64 * 127.0**2)
        except (AttributeError, NotImplementedError, RuntimeError):  # torch without oneDNN
            return False
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
        self.forward_int8, self.backward_int8 = forward_int8, backward_int8
        self._alone: Stack | None = None  # made where the layer is not part of a larger stack

    def forward(self, x: Tensor) -> Tensor:
        """(..., in) -> (..., out)."""
        if self._alone is None:
            self._alone = Stack([self], forward_int8=self.forward_int8, backward_int8=self.backward_int8)
        out: Tensor = _LoraProduct.apply(x, self._alone, self.lora_A, self.lora_B)  # type: ignore[no-untyped-call]
        return out

    def forget(self) -> None:
        """Drop what `forward` made; it is made again when needed."""
        self._alone = None


class Stack:
    """Layers that read the same input (query, key and value; gate and up; or one alone) as one product.

    Their weights become one matrix, one below the other, of which each layer keeps a view; so do the A of those that are
    adapted. `weights` are the trained matrices in the order in which gradients come back: A and B of the first adapted
    layer, of the second, ...; or, where the layers themselves are trained, each one's weight.
    """

    def __init__(self, layers: Sequence[nn.Module], *, forward_int8: bool = False, backward_int8: bool = False) -> None:
        linears = [linear_of(layer) for layer in layers]
        self.widths = [linear.out_features for linear in linears]
        places = zip(_places(self.widths), layers, strict=True)
        self.adapted = [(place, layer) for place, layer in places if isinstance(layer, LoraLinear)]
        self.weights: list[Tensor] = [w for _, layer in self.adapted for w in (layer.lora_A, layer.lora_B)]
        self.trained = linears[0].weight.requires_grad  # all of them or none: see `can_stack`
        if self.trained:
            self.weights = [linear.weight for linear in linears]
        self.scale = self.adapted[0][1].scale if self.adapted else 1.0
        self.rank = len(self.weights[0]) if self.adapted else 0
        self.bias = linears[0].bias if len(layers) == 1 else _stacked([linear.bias for linear in linears])
        self.matrix = linears[0].weight.detach()  # (out of all, in)
        if len(layers) > 1:
            self.matrix = torch.cat([linear.weight.detach() for linear in linears])
            for linear, part in zip(linears, torch.split(self.matrix, self.widths), strict=True):
                linear.weight.data = part
        self._forward_int8, self._backward_int8 = forward_int8 and self.bias is None, backward_int8
        self._module = linears[0]  # knows whether the model trains
        self._cast: tuple[Tensor, list[Tensor]] | None = None
        self._rounded_matrix: Tensor | None = None  # of a trained matrix, in the products' type

    def product(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """x (tokens, in) -> y (tokens, out of all) and scale A x (tokens, ranks), outside of autograd."""
        if self._forward_int8 and self._module.training:
            y = self._rounded(x)
        elif self.bias is None:
            y = x @ self._matrix(x.dtype).t()
        else:
            y = torch.addmm(self.bias, x, self.matrix.t())
        if not self.adapted:
            return y, x.new_empty(0)
        a, bs = self._low_rank(x.dtype)
        low = (x @ a.t()).mul_(self.scale) if self.scale != 1 else x @ a.t()
        for (place, _), own, b in zip(self.adapted, torch.split(low, self.rank, dim=1), bs, strict=True):
            y[:, place].addmm_(own, b.t())
        return y, low

    def product_backward(
        self, x: Tensor, low: Tensor, grad: Tensor, out: Tensor | None = None
    ) -> tuple[Tensor, list[Tensor]]:
        """Gradients of `product` for x (written to `out` where given) and for `weights`, from grad (tokens, out of all).

        The weights are still those of the last `product`.
        """
        if self._backward_int8 and self._module.training:
            grad_x = self._rounded_back(grad)
        else:
            matrix = self.matrix if self._rounded_matrix is None else self._rounded_matrix
            first, *rest = zip(torch.split(grad, INNER, dim=1), torch.split(matrix, INNER), strict=True)
            grad_x = torch.mm(*first, out=out)
            for piece, weights in rest:
                grad_x.addmm_(piece, weights)
        if self.trained:
            return grad_x, list(torch.split((grad.t() @ x).to(self.matrix.dtype), self.widths))
        if not self.adapted:
            return grad_x, []
        assert self._cast is not None
        a, bs = self._cast  # of the forward pass
        parts = [grad[:, place] for place, _ in self.adapted]
        grad_low = torch.empty_like(low)
        for into, part, b in zip(torch.split(grad_low, self.rank, dim=1), parts, bs, strict=True):
            torch.mm(part, b, out=into)
        if self.scale != 1:
            grad_low.mul_(self.scale)
        grads = []
        for grad_a, part, own in zip(
            torch.split(grad_low.t() @ x, self.rank), parts, torch.split(low, self.rank, dim=1), strict=True
        ):
            grads += [grad_a.float(), (part.t() @ own).float()]
        return grad_x.addmm_(grad_low, a), grads

    @cached_property
    def _rounded(self) -> Int8Product:
        return Int8Product(self.matrix)

    @cached_property
    def _rounded_back(self) -> Int8Product:
        return Int8Product(self.matrix.t())

    def _matrix(self, dtype: torch.dtype) -> Tensor:
        """The matrix in the products' type; a trained one is kept in fp32 and rounded at every product."""
        if self.matrix.dtype == dtype:
            return self.matrix
        if self._rounded_matrix is None:
            self._rounded_matrix = torch.empty_like(self.matrix, dtype=dtype)
        return self._rounded_matrix.copy_(self.matrix)

    def _low_rank(self, dtype: torch.dtype) -> tuple[Tensor, list[Tensor]]:
        """All A (ranks, in) as one, and each B (out, rank), in the products' type."""
        if self._cast is None or self._cast[0].dtype != dtype:
            a = self.matrix.new_empty((self.rank * len(self.adapted), self.matrix.shape[1]), dtype=dtype)
            self._cast = (a, [torch.empty_like(layer.lora_B, dtype=dtype) for _, layer in self.adapted])
        a, bs = self._cast
        for rows, b, (_, layer) in zip(torch.split(a, self.rank), bs, self.adapted, strict=True):
            rows.copy_(layer.lora_A.detach())
            b.copy_(layer.lora_B.detach())
        return a, bs


def linear_of(layer: nn.Module) -> nn.Linear:
    """The frozen layer itself or the one below an update."""
    linear = layer.base if isinstance(layer, LoraLinear) else layer
    assert isinstance(linear, nn.Linear)
    return linear


def _places(widths: Sequence[int]) -> list[slice]:
    """Where each of neighbouring parts lies."""
    ends = [sum(widths[: i + 1]) for i in range(len(widths))]
    return [slice(end - width, end) for end, width in zip(ends, widths, strict=True)]


def _stacked(biases: Sequence[Tensor | None]) -> Tensor | None:
    """Biases end to end; None where there is none. Layers with and without cannot be stacked (see `can_stack`)."""
    present = [bias.detach() for bias in biases if bias is not None]
    return torch.cat(present) if present else None


def can_stack(layers: Sequence[nn.Module | None]) -> bool:
    """Whether these are frozen or adapted layers of one kind (equal rank and scale, with biases all or none), or all are
    trained and without bias.
    """
    known = [layer for layer in layers if isinstance(layer, LoraLinear) or type(layer) is nn.Linear]
    if len(known) < len(layers):
        return False
    if any(linear_of(layer).weight.requires_grad for layer in known):
        return all(
            isinstance(layer, nn.Linear) and layer.weight.requires_grad and layer.bias is None for layer in known
        )
    updates = {(layer.scale, layer.lora_A.shape) for layer in known if isinstance(layer, LoraLinear)}
    return len(updates) <= 1 and len({linear_of(layer).bias is None for layer in known}) == 1
