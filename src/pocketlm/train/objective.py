"""Objectives: modules that give a batch's loss. One stands here: the next token, on the answers' tokens only.

The vocabulary is computed only where a label is.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from pocketlm.train.batches import Batch

LOGITS = 1 << 20  # logits that exist at the same time: few enough to stay in cache
LABELS = 256  # labels whose logits exist at the same time where the vocabulary's matrix is trained


class NextToken(nn.Module):
    """Summed cross-entropy over a batch's labels, in nats.

    Args:
        model: a Hugging Face causal language model (`.model`, `.lm_head`) with packed attention.
        smoothing: share of a label's odds that is spread over the whole vocabulary in training (Szegedy et al. 2016,
            arXiv:1512.00567).
        noise: alpha of NEFTune (Jain et al. 2024, arXiv:2310.05914): in training each row's embeddings are moved by up to
            alpha / sqrt(tokens of the row x width) in every direction.
        autocast: the type of products where the weights themselves are in another.
    """

    def __init__(
        self, model: Any, *, smoothing: float = 0.0, noise: float = 0.0, autocast: torch.dtype | None = None
    ) -> None:
        super().__init__()
        self.model, self.smoothing, self.noise, self.autocast = model, smoothing, noise, autocast

    def forward(self, batch: Batch) -> Tensor:
        """The loss, a scalar in fp32."""
        states, matrix = self.states(batch)
        smoothing = self.smoothing if self.training else 0.0
        vocabulary = _TrainedVocabularyLoss if matrix.requires_grad else _VocabularyLoss
        loss: Tensor = vocabulary.apply(states, matrix, batch.label, smoothing)  # type: ignore[no-untyped-call]
        return loss

    def states(self, batch: Batch) -> tuple[Tensor, Tensor]:
        """(labels, width) the last states where a label is, and the vocabulary's (tokens, width)."""
        noise = self.noise if self.training else 0.0
        rounded = self.autocast is not None and torch.is_grad_enabled()  # measuring is exact
        with torch.autocast(batch.ids.device.type, self.autocast, enabled=rounded):
            embedded = self.model.get_input_embeddings()(batch.ids)
            embedded = embedded.to(self.autocast) if rounded else embedded
            embedded = _shaken(embedded, batch, noise) if noise else embedded
            hidden = self.model.model(
                inputs_embeds=embedded, position_ids=batch.positions, use_cache=False, batch=batch
            )
            states = hidden.last_hidden_state[0, batch.labelled]
        return states.to(self.autocast) if rounded else states, self.model.lm_head.weight


class _TrainedVocabularyLoss(torch.autograd.Function):
    """Cross-entropy over a vocabulary matrix that is trained too; the gradients are made with the loss, some labels at a time."""

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, matrix: Tensor, label: Tensor, smoothing: float) -> Tensor:
        """hidden (labels, width), matrix (vocabulary, width), label (labels,) -> the summed loss in fp32."""
        wanted = ctx.needs_input_grad[0]
        rows = matrix.to(hidden.dtype)
        total = torch.zeros((), device=hidden.device)
        grad_hidden, grad_matrix = torch.empty_like(hidden), torch.zeros_like(matrix) if wanted else None
        for part in torch.split(torch.arange(len(label), device=label.device), LABELS):
            states, right = hidden[part], label[part][:, None]
            logs = (states @ rows.t()).float().log_softmax(1)
            total -= (1 - smoothing) * logs.gather(1, right).sum() + smoothing * logs.mean(1).sum()
            if grad_matrix is None:
                continue
            grad = logs.exp_().sub_(smoothing / logs.shape[1])
            grad.scatter_add_(1, right, torch.full_like(right, smoothing - 1, dtype=grad.dtype))
            rounded = grad.to(hidden.dtype)
            grad_hidden[part] = rounded @ rows
            grad_matrix += rounded.t() @ states
        ctx.save_for_backward(grad_hidden, grad_matrix)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_matrix = ctx.saved_tensors
        # in place: fresh tensors of the vocabulary's size scatter the heap, which then grows with every step
        return grad_hidden * grads[0].to(grad_hidden.dtype), grad_matrix.mul_(grads[0]), None, None


def _shaken(embedded: Tensor, batch: Batch, alpha: float) -> Tensor:
    """The embeddings of a batch with noise on the rows' own tokens."""
    size = torch.zeros((*embedded.shape[:2], 1), dtype=embedded.dtype, device=embedded.device)
    for group in batch.groups:
        lengths = group.real.sum(1, keepdim=True).expand_as(group.real)
        size[0, group.token[group.real], 0] = alpha / (lengths[group.real] * embedded.shape[-1]).sqrt().to(size.dtype)
    return embedded + torch.empty_like(embedded).uniform_(-1, 1) * size


class _VocabularyLoss(torch.autograd.Function):
    """Cross-entropy over a frozen vocabulary matrix, loss and gradient in one pass over its rows.

    The gradient with respect to a hidden state is the mean of the vocabulary's rows, weighted by their softmax, less the
    label's row: attention with the matrix as keys and values. So the running maximum and sum of flash attention (Dao et
    al. 2022, arXiv:2205.14135) serve here too: the logits of all labels never exist at once, and a slice of the matrix is
    read once while it is in cache.
    """

    @staticmethod
    def forward(ctx: Any, hidden: Tensor, matrix: Tensor, label: Tensor, smoothing: float) -> Tensor:
        """hidden (labels, width), matrix (vocabulary, width), label (labels,) -> the summed loss in fp32."""
        if not ctx.needs_input_grad[0]:  # measuring: bf16 logits are off by hundredths, as much as a small loss
            hidden, matrix = hidden.float(), matrix.float()
        top = torch.full((len(label), 1), -torch.inf, device=hidden.device)
        total, own = torch.zeros_like(top), torch.zeros_like(top)
        mean = torch.zeros(hidden.shape, device=hidden.device)
        size = max(512, LOGITS // len(label) // 512 * 512)  # round: odd inner sizes make the products slow
        products, logits = hidden.new_empty((len(label), size)), top.new_empty((len(label), size))
        for start, rows in zip(range(0, len(matrix), size), torch.split(matrix, size), strict=True):
            if len(rows) < size:  # the last slice
                products, logits = products[:, : len(rows)].contiguous(), logits[:, : len(rows)].contiguous()
            logits.copy_(torch.mm(hidden, rows.t(), out=products))
            here = ((label >= start) & (label < start + len(rows))).nonzero()[:, 0]
            own[here, 0] = logits[here, label[here] - start]  # rounded as the others are: no loss falls below zero
            higher = torch.maximum(top, logits.amax(1, keepdim=True))
            shrink = (top - higher).exp_()
            odds = logits.sub_(higher).exp_()
            total.mul_(shrink).add_(odds.sum(1, keepdim=True))
            mean.mul_(shrink).add_(products.copy_(odds) @ rows)
            top = higher
        right, score = matrix[label].float(), own[:, 0]
        if smoothing:  # all logits' mean is the logit of all rows' mean
            even = matrix.mean(0, dtype=torch.float32)
            right.mul_(1 - smoothing).add_(even, alpha=smoothing)
            score = score.mul(1 - smoothing).add_(hidden.float() @ even, alpha=smoothing)
        ctx.save_for_backward((mean / total - right).to(hidden.dtype))
        return (top + total.log()).sum() - score.sum()

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        (grad,) = ctx.saved_tensors
        return grad * grads[0].to(grad.dtype), None, None, None
