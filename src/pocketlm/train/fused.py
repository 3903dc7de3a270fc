"""A decoder block of Llama's kind as two autograd nodes, one before attention and one behind it, and the norm as one.

Left to itself, autograd keeps every intermediate of a block and walks through memory once for each small operation; on
CPUs that takes longer than the large products. Here the gradients are written out, products of one input are stacked,
and what is read before the next block runs lives in memory that stays in the cache.

A module is replaced only where ours gives what it gives on a random probe, so that an architecture with a norm, gate or
rotation of its own simply keeps it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from pocketlm.train.attention import attend
from pocketlm.train.batches import Batch, Example, make_batch
from pocketlm.train.linear import ROUNDED_FORWARD, LoraLinear, Stack, can_stack
from pocketlm.train.scratch import scratch


def _warm_fp32(name: str, x: Tensor) -> Tensor:
    """`x` in fp32, in scratch memory."""
    return scratch(name, x, torch.float32).copy_(x)


class Norm(nn.Module):
    """x / rms(x) * weight over the last dimension (Zhang and Sennrich 2019, arXiv:1910.07467)."""

    def __init__(self, weight: nn.Parameter, epsilon: float) -> None:
        super().__init__()
        self.weight, self.epsilon = weight, epsilon

    def forward(self, x: Tensor) -> Tensor:
        """(..., width) -> (..., width)."""
        out: Tensor = _Norm.apply(x, self, *self.trained)  # type: ignore[no-untyped-call]
        return out

    @property
    def trained(self) -> list[nn.Parameter]:
        """The weight, where it is trained."""
        return [self.weight] if self.weight.requires_grad else []

    def normed(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The result, and 1 / rms (..., 1) in fp32, outside of autograd."""
        square = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32).square_()
        inverse = square.div_(x.shape[-1]).add_(self.epsilon).rsqrt_()
        return torch.empty_like(x).copy_(_warm_fp32("norm", x).mul_(inverse)).mul_(self.weight), inverse

    def backward(self, x: Tensor, inverse: Tensor, grad: Tensor) -> tuple[Tensor, list[Tensor]]:
        """Gradient for x, in fp32 scratch memory, and for `trained`."""
        grad, wide = _warm_fp32("norm grad", grad), _warm_fp32("norm", x)
        weights: list[Tensor] = []
        if self.weight.requires_grad:
            product = torch.mul(grad, wide, out=scratch("norm product", grad)).mul_(inverse)
            weights = [product.flatten(0, -2).sum(0).to(self.weight.dtype)]
        grad.mul_(self.weight)
        along = torch.mul(grad, wide, out=scratch("norm product", grad)).sum(-1, keepdim=True)
        along.mul_(inverse.pow(3)).div_(-x.shape[-1])
        return grad.mul_(inverse).addcmul_(wide, along), weights


class _Norm(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, norm: Norm, *_: Tensor) -> Tensor:
        out, inverse = norm.normed(x)
        ctx.save_for_backward(x, inverse)
        ctx.norm = norm
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad, weights = ctx.norm.backward(*ctx.saved_tensors, grads[0])
        return torch.empty_like(grads[0]).copy_(grad), None, *weights


ATTENTION = ("q_proj", "k_proj", "v_proj"), ("o_proj",)  # products of one input each
MLP = ("gate_proj", "up_proj"), ("down_proj",)


def _stack(owner: Any, names: Sequence[str], int8: bool) -> Stack:
    rounded = int8 and all(name in ROUNDED_FORWARD for name in names)
    return Stack([getattr(owner, name) for name in names], forward_int8=rounded, backward_int8=int8)


class Block(GradientCheckpointingLayer):  # type: ignore[misc]
    """A pre-norm decoder block with rotary positions, grouped attention and a gated MLP; its linear layers are frozen,
    adapted, some of both, or trained.

    It takes the place of a transformers layer and keeps that layer's modules under their names, so that adapters are
    saved and loaded as before.
    """

    def __init__(self, layer: Any, *, int8: bool = False) -> None:
        super().__init__()
        self.self_attn, self.mlp = layer.self_attn, layer.mlp
        self.input_layernorm = _norm_of(layer.input_layernorm)
        self.post_attention_layernorm = _norm_of(layer.post_attention_layernorm)
        attention, mlp = self.self_attn, self.mlp
        self.qkv, self.output = (_stack(attention, names, int8) for names in ATTENTION)
        self.halves, self.down = (_stack(mlp, names, int8) for names in MLP)
        self.width, self.scaling = attention.head_dim, attention.scaling  # of a head
        self.heads, self.kv_heads = (stack // self.width for stack in self.qkv.widths[:2])

    def forward(
        self, hidden_states: Tensor, *, position_embeddings: tuple[Tensor, Tensor], batch: Batch, **_: Any
    ) -> Tensor:
        """(1, tokens, width) -> (1, tokens, width)."""
        with torch.autocast(hidden_states.device.type, enabled=False):  # it casts what it must itself
            return self._forward(hidden_states[0], position_embeddings, batch)[None]

    def _forward(self, x: Tensor, position_embeddings: tuple[Tensor, Tensor], batch: Batch) -> Tensor:
        half = self.width // 2
        cos, sin = (table[0, :, None, :half] for table in position_embeddings)  # (tokens, 1, half), for all heads
        before = (*self.input_layernorm.trained, *self.qkv.weights)
        qkv = _BeforeAttention.apply(x, cos, sin, self, *before)  # type: ignore[no-untyped-call]
        mixed = attend(qkv, batch, self.heads, self.scaling).flatten(1)
        norm = self.post_attention_layernorm.trained
        behind = (*self.output.weights, *norm, *self.halves.weights, *self.down.weights)
        out: Tensor = _BehindAttention.apply(x, mixed, self, *behind)  # type: ignore[no-untyped-call]
        return out


class _BeforeAttention(torch.autograd.Function):
    """Norm, query, key and value, rotation: x (tokens, width) -> (tokens, heads + 2 kv heads, head width)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, cos: Tensor, sin: Tensor, block: Block, *_: Tensor) -> Tensor:
        normed, inverse = block.input_layernorm.normed(x)
        flat, low = block.qkv.product(normed)
        qkv = flat.view(len(x), -1, block.width)
        _rotate(qkv[:, : block.heads + block.kv_heads], cos, sin)
        ctx.save_for_backward(x, normed, inverse, low, cos, sin)
        ctx.block = block
        return qkv

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        x, normed, inverse, low, cos, sin = ctx.saved_tensors
        block, grad = ctx.block, grads[0].contiguous()  # ours alone: attention makes it for nobody else
        _rotate(grad[:, : block.heads + block.kv_heads], cos, -sin)
        grad_normed, weights = block.qkv.product_backward(normed, low, grad.flatten(1), out=scratch("grad normed", x))
        grad_x, norm = block.input_layernorm.backward(x, inverse, grad_normed)
        return torch.empty_like(x).copy_(grad_x), None, None, None, *norm, *weights


class _BehindAttention(torch.autograd.Function):
    """x + output product, and to that the gated MLP of its norm: x and attention's result -> (tokens, width)."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, mixed: Tensor, block: Block, *_: Tensor) -> Tensor:
        middle_x, low_output = block.output.product(mixed)
        middle_x.add_(x)
        normed, inverse = block.post_attention_layernorm.normed(middle_x)
        both, low_halves = block.halves.product(normed)
        gate, up = both.chunk(2, dim=-1)
        gated = torch.ops.aten.silu.out(gate, out=scratch("gated", gate)).mul_(up)
        out, low_down = block.down.product(gated)
        ctx.save_for_backward(mixed, low_output, middle_x, normed, inverse, both, low_halves, low_down)
        ctx.block = block
        return out.add_(middle_x)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        mixed, low_output, middle_x, normed, inverse, both, low_halves, low_down = ctx.saved_tensors
        block, grad = ctx.block, grads[0]
        gate, up = both.chunk(2, dim=-1)
        silu = torch.ops.aten.silu.out(gate, out=scratch("silu", gate))
        gated = torch.mul(silu, up, out=scratch("gated", gate))
        grad_gated, down = block.down.product_backward(gated, low_down, grad, out=scratch("grad gated", gate))
        grad_both = scratch("grad both", both)
        grad_gate, grad_up = grad_both.chunk(2, dim=-1)
        torch.mul(grad_gated, silu, out=grad_up)
        torch.ops.aten.silu_backward.grad_input(grad_gated.mul_(up), gate, grad_input=grad_gate)
        grad_normed, halves = block.halves.product_backward(
            normed, low_halves, grad_both, out=scratch("grad normed", middle_x)
        )
        wide, norm = block.post_attention_layernorm.backward(middle_x, inverse, grad_normed)
        grad_x = torch.empty_like(grad).copy_(wide.add_(grad))
        grad_mixed, output = block.output.product_backward(mixed, low_output, grad_x)
        return grad_x, grad_mixed, None, *output, *norm, *halves, *down


def _rotate(x: Tensor, cos: Tensor, sin: Tensor) -> None:
    """Turn the pairs (i, i + half) of each head by their position's angles, in place (Su et al. 2021, arXiv:2104.09864).

    Args:
        x: (tokens, heads, head width), contiguous in its last dimension; cos and sin (tokens, 1, half).
    """
    first, second = x.chunk(2, dim=-1)
    before = scratch("first", first).copy_(first)
    first.mul_(cos).addcmul_(second, sin, value=-1)
    second.mul_(cos).addcmul_(before, sin)


def fuse(model: Any, *, int8: bool = False) -> int:
    """Replace blocks and norms by ours. Returns how many were replaced.

    The model has packed attention, is where it will train, and its adapters are in place. `int8`: frozen products in
    8 bits.
    """
    was_training, replaced = model.training, 0
    model.eval()  # exact products: in 8 bits the probes would compare rounding
    layers = model.model.layers
    for index, layer in enumerate(layers):
        if _is_block(layer) and _same_block(layer, ours := Block(layer, int8=int8), model.model.rotary_emb):
            layers[index] = ours
            replaced += 1
            for adapted in (module for module in ours.modules() if isinstance(module, LoraLinear)):
                adapted.forget()  # what the probe made
    for name, module in list(model.named_modules()):
        if not isinstance(module, Norm) and _is_norm(module) and _same_norm(module, _norm_of(module)):
            path, _, leaf = name.rpartition(".")
            setattr(model.get_submodule(path), leaf, _norm_of(module))
            replaced += 1
    model.train(was_training)
    return replaced


def _window(attention: Any) -> int | None:
    """The sliding window of an attention module: its own where it has one, else the model's, as in transformers."""
    own = getattr(attention, "config", None)
    found: int | None = getattr(attention, "sliding_window", getattr(own, "sliding_window", None))
    return found


def _is_norm(module: Any) -> bool:
    weight, epsilon = getattr(module, "weight", None), getattr(module, "variance_epsilon", None)
    return isinstance(weight, nn.Parameter) and weight.dim() == 1 and epsilon is not None


def _norm_of(module: Any) -> Norm:
    return Norm(module.weight, float(module.variance_epsilon))


def _is_block(layer: Any) -> bool:
    """Whether a layer has the parts of a Block and no others; whether they do the same is for the probe."""
    parts = {"self_attn", "mlp", "input_layernorm", "post_attention_layernorm"}
    if {name for name, _ in layer.named_children()} != parts or not getattr(layer.self_attn, "head_dim", 0):
        return False
    if _window(layer.self_attn) is not None:
        return False
    for owner, names in ((layer.self_attn, ATTENTION), (layer.mlp, MLP)):
        known = [[getattr(owner, name, None) for name in stack] for stack in names]
        others = [child for child in owner.children() if all(child not in stack for stack in known)]
        if any(True for child in others for _ in child.parameters()) or not all(can_stack(stack) for stack in known):
            return False
    return _is_norm(layer.input_layernorm) and _is_norm(layer.post_attention_layernorm)


@torch.no_grad()
def _same_norm(theirs: nn.Module, ours: Norm) -> bool:
    probe = torch.randn(4, len(ours.weight), generator=torch.Generator().manual_seed(0))
    probe = probe.to(ours.weight.device, ours.weight.dtype)
    return _close(theirs(probe), ours(probe))


@torch.no_grad()
def _same_block(theirs: Any, ours: Block, rotary: Any) -> bool:
    batch = make_batch([Example([0] * 3, [0] * 2), Example([0] * 4, [0] * 3)], 0)
    weight = ours.qkv.matrix
    probe = torch.randn(1, batch.ids.shape[1], weight.shape[1], generator=torch.Generator().manual_seed(0))
    probe = probe.to(weight.device, weight.dtype)
    more = {"position_embeddings": rotary(probe, batch.positions), "batch": batch}
    want = theirs(probe, attention_mask=None, position_ids=batch.positions, **more)
    return _close(want, ours(probe, **more))


def _close(want: Tensor, got: Tensor) -> bool:
    tolerance = 2e-2 if want.dtype == torch.bfloat16 else 1e-5
    return bool((want.float() - got.float()).norm() <= tolerance * want.float().norm())
