"""The next-token objective: cross-entropy on the answer's tokens only, the vocabulary computed only where a label is."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from pocketlm.train.batches import Batch

LOGITS = 1 << 20  # logits that exist at the same time: few enough to stay in cache


def next_token_loss(model: Any, batch: Batch) -> Tensor:
    """Summed cross-entropy over a batch's labels, in nats.

    Args:
        model: a Hugging Face causal language model (`.model`, `.lm_head`) with packed attention.
    """
    hidden = model.model(input_ids=batch.ids, position_ids=batch.positions, use_cache=False, batch=batch)
    states = hidden.last_hidden_state[0, batch.labelled]
    loss: Tensor = _VocabularyLoss.apply(states, model.lm_head.weight, batch.label)  # type: ignore[no-untyped-call]
    return loss


class _VocabularyLoss(torch.autograd.Function):
    """Cross-entropy over a frozen vocabulary matrix, loss and gradient in one pass over its rows.

    The gradient with respect to a hidden state is the mean of the vocabulary's rows, weighted by their softmax, less the
    label's row: attention with the matrix as keys and values. So the running maximum and sum of flash attention (Dao et
    al. 2022, arXiv:2205.14135) serve here too: the logits of all labels never exist at once, and a slice of the matrix is
    read once while it is in cache.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, matrix: Tensor, label: Tensor) -> Tensor:
        """hidden (labels, width), matrix (vocabulary, width), label (labels,) -> the summed loss in fp32."""
        top = torch.full((len(label), 1), -torch.inf, device=hidden.device)
        total = torch.zeros_like(top)
        mean = torch.zeros(hidden.shape, device=hidden.device)
        size = max(512, LOGITS // len(label) // 512 * 512)  # round: odd inner sizes make the products slow
        products, logits = hidden.new_empty((len(label), size)), top.new_empty((len(label), size))
        for rows in torch.split(matrix, size):
            if len(rows) < size:  # the last slice
                products, logits = products[:, : len(rows)].contiguous(), logits[:, : len(rows)].contiguous()
            logits.copy_(torch.mm(hidden, rows.t(), out=products))
            higher = torch.maximum(top, logits.amax(1, keepdim=True))
            shrink = (top - higher).exp_()
            odds = logits.sub_(higher).exp_()
            total.mul_(shrink).add_(odds.sum(1, keepdim=True))
            mean.mul_(shrink).add_(products.copy_(odds) @ rows)
            top = higher
        right = matrix[label].float()
        ctx.save_for_backward((mean / total - right).to(hidden.dtype))
        score = (hidden.float() * right).sum(1)
        return (top + total.log()).sum() - score.sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = ctx.saved_tensors
        return grad * grads[0].to(grad.dtype), None, None
