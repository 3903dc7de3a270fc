"""Attention over packed rows, registered through transformers' attention interface.

All rows of a batch lie end to end in one sequence without padding, so projections and norms compute only real tokens
and rows of any length mix. Inside attention alone they are laid out side by side: causal per row, after the shared
prefix, whose keys and values are computed once. Positions continue after the prefix. This is the same mathematics as
one row at a time; losses and gradients agree to rounding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import AttentionInterface, AttentionMaskInterface

from pocketlm.core.errors import InputError
from pocketlm.train.batches import Batch, Example, Layout, make_batch, make_layout
from pocketlm.train.scratch import scratch

NAME = "pocketlm_packed"
TILE = 1024  # queries whose scores to the prefix are held at once
LARGEST_SUM = 1e20  # of weights that are taken without their largest; far enough from the 3e38 of fp32 and bf16


def packed_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    mask: None,
    *,
    scaling: float,
    batch: Batch,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """One layer's attention, as transformers calls it.

    Args:
        query: (1, heads, tokens, head width); key and value with their own number of heads.
        batch: where each token stands (see `Batch`).
        sliding_window: how many tokens, itself included, a query sees.

    Returns:
        (1, tokens, heads, head width), and no weights.
    """
    window = _reaching(batch, sliding_window)
    if other := BY_MASK.get(query.device.type):
        return other(query, key, value, batch, scaling, window).transpose(1, 2), None
    qkv = torch.cat([query, key, value], dim=1)[0].transpose(0, 1).contiguous()
    return attend(qkv, batch, query.shape[1], scaling, window)[None], None


def _reaching(batch: Batch, window: int | None) -> int | None:
    """The window, None where nobody reaches beyond it."""
    longest = batch.prefix + max(group.token.shape[1] for group in batch.groups)
    return None if window is None or window >= longest else window


def attend_flex(query: Tensor, key: Tensor, value: Tensor, batch: Batch, scaling: float, window: int | None) -> Tensor:
    """Attention of a whole batch by torch's flex attention, which skips the blocks of tokens that see nothing of each other.

    Args:
        query: (1, heads, tokens, width); key and value with their own number of heads.
    """
    from torch.nn.attention.flex_attention import create_block_mask, flex_attention

    if window not in batch.masks:
        count, sees = query.shape[2], _sees(batch, window)
        batch.masks[window] = create_block_mask(
            lambda b, h, q, k: sees(q, k), None, None, count, count, device=query.device.type
        )
    run = _compiled(flex_attention) if query.is_cuda else flex_attention
    out: Tensor = run(query, key, value, block_mask=batch.masks[window], scale=scaling, enable_gqa=True)
    return out


def attend_masked(
    query: Tensor, key: Tensor, value: Tensor, batch: Batch, scaling: float, window: int | None
) -> Tensor:
    """As `attend_flex`, by torch's fused attention under a whole mask, for devices without flex attention."""
    if window not in batch.masks:
        place = torch.arange(query.shape[2], device=query.device)
        batch.masks[window] = _sees(batch, window)(place[:, None], place)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask=batch.masks[window], scale=scaling, enable_gqa=True
    )


def _sees(batch: Batch, window: int | None) -> Callable[[Tensor, Tensor], Tensor]:
    """Whether a query sees a key, by their places in the batch: its own row's and the prefix's, up to itself."""
    rows, positions = batch.rows(), batch.positions[0]

    def sees(q: Tensor, k: Tensor) -> Tensor:
        behind = positions[q] - positions[k]
        seen = ((rows[q] == rows[k]) | (rows[k] < 0)) & (behind >= 0)
        return seen if window is None else seen & (behind < window)

    return sees


@lru_cache(maxsize=1)
def _compiled(function: Any) -> Any:
    return torch.compile(function, dynamic=True)


BY_MASK = {"cuda": attend_flex, "mps": attend_masked}  # devices whose kernels beat plain products


def attend(qkv: Tensor, batch: Batch, heads: int, scaling: float, window: int | None = None) -> Tensor:
    """Attention of a whole batch.

    Args:
        qkv: (tokens, heads + kv heads + kv heads, head width): query, key and value.
        window: how many tokens, itself included, a query sees; None: all.

    Returns:
        (tokens, heads, head width).
    """
    tokens, all_heads, width = qkv.shape
    layout = _layout(batch, heads, (all_heads - heads) // 2)
    laid: Tensor = _Take.apply(qkv.view(-1, width), layout.take, layout.back, None)  # type: ignore[no-untyped-call]
    parts = [
        part.view(*shape, width) for part, shape in zip(torch.split(laid, layout.sizes), layout.shapes, strict=True)
    ]
    front, out = None, []
    for q, k, v in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
        if batch.prefix and front is None:
            front = (k[0], v[0])
            mixed = _attend_own(q, k, v, scaling, window)
        else:
            mixed = _attend(q, k, v, front, scaling, window)
        out.append(mixed.reshape(-1, width))
    back: Tensor = _Take.apply(torch.cat(out), layout.out_take, layout.out_back, layout.blank)  # type: ignore[no-untyped-call]
    return back.view(tokens, heads, width)


class _Take(torch.autograd.Function):
    """Rows of a matrix in another order. `back` undoes it; rows that no one takes from (`blank`) get no gradient."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, take: Tensor, back: Tensor, blank: Tensor | None) -> Tensor:
        ctx.save_for_backward(back, blank)
        return x.index_select(0, take)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        back, blank = ctx.saved_tensors
        grad = grads[0].index_select(0, back)
        return grad if blank is None else grad.index_fill_(0, blank, 0.0), None, None, None


def _layout(batch: Batch, heads: int, kv: int) -> Layout:
    """Made once for a batch: it is the same in every layer."""
    key = (heads, kv)
    if key not in batch.layouts:
        batch.layouts[key] = make_layout(batch, heads, kv)
    return batch.layouts[key]


def _attend(
    q: Tensor, k: Tensor, v: Tensor, front: tuple[Tensor, Tensor] | None, scaling: float, window: int | None = None
) -> Tensor:
    """Causal attention of rows to their own tokens and to one prefix, in plain products.

    The fused kernel of torch's CPU backend takes five times as long on many short rows in bf16, nearly all of it in
    its backward.

    Args:
        q: (rows, heads, length, width); k and v with their own number of heads.
        front: keys, and values, of the prefix, each (kv heads, prefix, width).
        window: as in `attend`.

    Returns:
        (rows, heads, length, width).
    """
    if front is None:
        return _attend_own(q, k, v, scaling, window)
    parts = [q, k, v, *front]
    device = q.device.type
    if torch.is_autocast_enabled(device):
        parts = [part.to(torch.get_autocast_dtype(device)) for part in parts]
    with torch.autocast(device, enabled=False):
        out: Tensor = _AttendFront.apply(*parts, scaling, window)  # type: ignore[no-untyped-call]
    return out


def _attend_own(q: Tensor, k: Tensor, v: Tensor, scaling: float, window: int | None) -> Tensor:
    """`_attend` without a prefix: the weights are few, so autograd keeps them."""
    case = _Case(q, k, 0, scaling, window)
    weights = case.own_scores(q * scaling, k).softmax(-1)
    return torch.bmm(weights, v.flatten(0, 1)).view(q.shape)


class _AttendFront(torch.autograd.Function):
    """Attention to a prefix and to the own tokens, as sums of exp(score) and of exp(score) * value over both, divided at the end.

    Of the many weights to the prefix nothing is kept: the gradient makes them again, a tile at a time in memory that stays
    in the cache, as FlashAttention does (Dao et al. 2022, arXiv:2205.14135). The exponents are taken as they are, without
    looking for each query's largest score first, which costs as much as the products; where scores are so far from zero
    that this would leave the floats' range, each query's largest is subtracted after all.
    """

    @staticmethod
    def forward(
        ctx: Any, q: Tensor, k: Tensor, v: Tensor, front_k: Tensor, front_v: Tensor, scaling: float, window: int | None
    ) -> Tensor:
        case = _Case(q, k, front_k.shape[1], scaling, window)
        scaled = q * scaling
        weights, total, mixed = case.sums_of(scaled, k, v, front_k, front_v)
        if not case.in_range(total):
            case.highest = case.highest_scores(scaled, k, front_k)
            weights, total, mixed = case.sums_of(scaled, k, v, front_k, front_v)
        share = total.reciprocal_().to(q.dtype)
        out = mixed.mul_(share).view(q.shape)
        ctx.save_for_backward(scaled, k, v, front_k, front_v, weights, share, out)
        ctx.case = case
        return out

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        scaled, k, v, front_k, front_v, weights, share, out = ctx.saved_tensors
        case = ctx.case
        grad = grads[0].contiguous().view(case.shape)
        along = (grad * out.view(case.shape)).sum(-1, keepdim=True, dtype=torch.float32).to(grad.dtype)
        grad, along = grad * share, along.mul_(share)  # the division, once for all weights of a query
        grad_q, grad_k, grad_v = case.own_backward(scaled, k, v, weights, grad, along)
        more = case.front_backward(scaled, front_k, front_v, grad, along)
        grad_q = grad_q.add_(more[0]).mul_(case.scaling).view(out.shape)
        return grad_q, grad_k, grad_v, more[1], more[2], None, None


class _Case:
    """The shapes of one call, and the work on its two parts.

    Queries of the heads that share keys lie side by side: (rows, kv heads, queries, width). They come scaled.
    """

    def __init__(self, q: Tensor, k: Tensor, prefix: int, scaling: float, window: int | None) -> None:
        self.rows, heads, self.length, self.width = q.shape
        self.kv = k.shape[1]
        self.repeats = heads // self.kv
        self.queries = self.repeats * self.length
        self.prefix, self.scaling, self.window = prefix, scaling, window
        self.shape = (self.rows, self.kv, self.queries, self.width)
        self.highest: Tensor | None = None  # (rows, kv heads, queries, 1), to be subtracted from scores

    def own_scores(self, q: Tensor, k: Tensor) -> Tensor:
        """(rows * kv heads, queries, length), what is not seen at minus infinity."""
        later = _unseen(self.length, self.length, 0, self.repeats, self.window, q.dtype, q.device)
        flat = q.view(-1, self.queries, self.width)
        return torch.baddbmm(later, flat, k.flatten(0, 1).transpose(1, 2))

    def sums_of(
        self, q: Tensor, k: Tensor, v: Tensor, front_k: Tensor, front_v: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The own part's weights, all weights' sum in fp32, and the values weighted by them; none divided by the sum yet."""
        scores = self.own_scores(q, k)
        weights = (scores if self.highest is None else scores.sub_(self.highest.flatten(0, 1))).exp_()
        mixed, total = self._to_front(q, front_k, front_v)
        total += weights.sum(-1, keepdim=True, dtype=torch.float32).view(total.shape)
        return weights, total, mixed.add_(torch.bmm(weights, v.flatten(0, 1)).view(self.shape))

    @staticmethod
    def in_range(total: Tensor) -> bool:
        """Whether the weights' sums (..., 1) are so far from the floats' ends that gradients divided by them stay floats."""
        low, high = torch.aminmax(total)
        return bool((low > 1 / LARGEST_SUM) & (high < LARGEST_SUM))

    def highest_scores(self, q: Tensor, k: Tensor, front_k: Tensor) -> Tensor:
        """Each query's largest score, (rows, kv heads, queries, 1)."""
        flat, own = self._by_head(q), self.own_scores(q, k).amax(-1, keepdim=True).view(*self.shape[:3], 1)
        tiles = [self._front_scores(flat, front_k, tile).amax(-1, keepdim=True) for tile in self._tiles()]
        return torch.maximum(own, self._by_row(torch.cat(tiles, dim=1)))

    def own_backward(
        self, q: Tensor, k: Tensor, v: Tensor, weights: Tensor, grad: Tensor, along: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of scaled q, of k and v by the own part."""
        flat, flat_grad = q.view(-1, self.queries, self.width), grad.view(-1, self.queries, self.width)
        grad_scores = torch.bmm(flat_grad, v.flatten(0, 1).transpose(1, 2)).sub_(along.flatten(0, 1)).mul_(weights)
        grad_v = torch.bmm(weights.transpose(1, 2), flat_grad).view(v.shape)
        grad_k = torch.bmm(grad_scores.transpose(1, 2), flat).view(k.shape)
        return torch.bmm(grad_scores, k.flatten(0, 1)).view(self.shape), grad_k, grad_v

    def _to_front(self, q: Tensor, front_k: Tensor, front_v: Tensor) -> tuple[Tensor, Tensor]:
        """The prefix's values weighted, (rows, kv heads, queries, width), and the sums of the weights in fp32."""
        flat, highest = self._by_head(q), self._highest_by_head()
        out = torch.empty_like(flat)
        total = torch.empty(*flat.shape[:2], 1, dtype=torch.float32, device=q.device)
        for tile in self._tiles():
            weights = self._front_weights(flat, front_k, tile, highest)
            torch.sum(weights, -1, keepdim=True, dtype=torch.float32, out=total[:, tile])
            out[:, tile] = torch.bmm(weights, front_v)
        return self._by_row(out), self._by_row(total)

    def front_backward(
        self, q: Tensor, front_k: Tensor, front_v: Tensor, grad: Tensor, along: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Gradients of scaled q and of the prefix's keys and values."""
        highest = self._highest_by_head()
        flat, grad, along = (self._by_head(x) for x in (q, grad, along))
        grad_q = torch.empty_like(flat)
        grad_k, grad_v = (torch.zeros(front_k.shape, device=q.device) for _ in range(2))
        backwards = front_v.transpose(1, 2)
        for tile in self._tiles():
            weights = self._front_weights(flat, front_k, tile, highest)
            grad_scores = torch.bmm(grad[:, tile], backwards, out=scratch("attention grad", weights))
            grad_scores.sub_(along[:, tile]).mul_(weights)
            grad_v.add_(torch.bmm(weights.transpose(1, 2), grad[:, tile]))
            grad_k.add_(torch.bmm(grad_scores.transpose(1, 2), flat[:, tile]))
            grad_q[:, tile] = torch.bmm(grad_scores, front_k)
        return self._by_row(grad_q), grad_k.to(front_k.dtype), grad_v.to(front_v.dtype)

    def _front_weights(self, flat: Tensor, front_k: Tensor, tile: slice, highest: Tensor | None) -> Tensor:
        """exp of the scores, less each query's highest where given: (kv heads, tile, prefix) in scratch memory."""
        scores = self._front_scores(flat, front_k, tile)
        return (scores if highest is None else scores.sub_(highest[:, tile])).exp_()

    def _highest_by_head(self) -> Tensor | None:
        return None if self.highest is None else self._by_head(self.highest)

    def _front_scores(self, flat: Tensor, front_k: Tensor, tile: slice) -> Tensor:
        """(kv heads, tile, prefix) in scratch memory."""
        part = flat[:, tile]
        out = scratch("attention scores", flat, shape=(self.kv, part.shape[1], self.prefix))
        torch.bmm(part, front_k.transpose(1, 2), out=out)
        if self.window is not None:
            hidden = _unseen(self.length, self.prefix, self.prefix, self.repeats, self.window, flat.dtype, flat.device)
            out.view(self.kv, -1, self.queries, self.prefix).add_(hidden)
        return out

    def _tiles(self) -> Iterator[slice]:
        """Stretches of whole rows' queries, about `TILE` at once."""
        step = max(1, TILE // self.queries) * self.queries
        yield from (slice(start, start + step) for start in range(0, self.rows * self.queries, step))

    def _by_head(self, x: Tensor) -> Tensor:
        """(kv heads, rows * queries, ...)."""
        return x.view(*self.shape[:3], -1).transpose(0, 1).reshape(self.kv, self.rows * self.queries, -1)

    def _by_row(self, x: Tensor) -> Tensor:
        """(rows, kv heads, queries, ...)."""
        return x.view(self.kv, self.rows, self.queries, -1).transpose(0, 1).contiguous()


@lru_cache(maxsize=64)
def _unseen(
    length: int, keys: int, start: int, repeats: int, window: int | None, dtype: torch.dtype, device: torch.device
) -> Tensor:
    """What is added to scores so that no query sees a later key or one beyond its window: (1, repeats * length, keys).

    The first query stands `start` tokens behind the first key.
    """
    behind = torch.arange(length)[:, None] + start - torch.arange(keys)  # how far a key lies behind a query
    hidden = behind < 0 if window is None else (behind < 0) | (behind >= window)
    scores = torch.zeros(length, keys, dtype=dtype, device=device).masked_fill_(hidden.to(device), -torch.inf)
    return scores.repeat(repeats, 1)[None]


def use_packed_attention(model: Any) -> None:
    """Switch a Hugging Face model to packed attention; its forward then needs `batch=`."""
    AttentionInterface.register(NAME, packed_attention)
    AttentionMaskInterface.register(NAME, lambda *_, **__: None)
    model.set_attn_implementation(NAME)


@torch.no_grad()
def check_packing(model: Any) -> None:
    """Prove that rows side by side give what each gives alone with the model's own attention.

    It tells models with other mathematics (capped scores, convolutions that read the neighbouring row) from those we know.

    Raises:
        InputError: they do not.
    """
    device, known = model.device, len(model.get_input_embeddings().weight)
    # spread over the vocabulary: special tokens lie together, and what a model makes of them drowns in bf16's rounding
    ids = [[(known // 7 + 3 * row + known // 9 * place) % known for place in range(8)] for row in range(3)]
    rows = [Example(row[:4], row[4:]) for row in ids]
    batch = make_batch(rows, 0).to(device)
    packed = model.model(input_ids=batch.ids, position_ids=batch.positions, use_cache=False, batch=batch)
    model.set_attn_implementation("eager")
    alone = [model(torch.tensor([row.prompt + row.completion], device=device)).logits[0, 3:-1] for row in rows]
    use_packed_attention(model)
    got = model.lm_head(packed.last_hidden_state[0, batch.labelled])
    want = torch.cat(alone)
    off = (got - want).float().norm() / want.float().norm()
    if off > (0.05 if want.dtype == torch.bfloat16 else 1e-3):
        raise InputError(
            f"base: {model.config.model_type} models cannot be trained on packed rows (answers differ by {off:.0%}); "
            "choose a base of the Llama, Qwen, Gemma 3 or Phi-3 families"
        )
