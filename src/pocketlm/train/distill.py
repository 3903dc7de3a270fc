"""Distillation: learning what a teacher thinks of every next token, not only which one was right.

Teacher and pupil have the same vocabulary and read the same packed batches.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.core.files import sha256_file
from pocketlm.train.batches import Batch
from pocketlm.train.compute import Compute
from pocketlm.train.method import load_frozen
from pocketlm.train.objective import LABELS, NextToken


@dataclass(frozen=True)
class Distillation:
    """How a training is taught.

    Attributes:
        teacher: folder of the model whose odds are learnt.
        rows: of the teacher's vocabulary, those of the pupil's tokens, by their ids; None: they are the same.
        share: of the loss that is the teacher's; the rest is the rows' own tokens'.
        temperature: by which the logits of both are divided where they are compared, so that unlikely tokens count more.
    """

    teacher: Path
    rows: tuple[int, ...] | None = None
    share: float = 0.9
    temperature: float = 1.0

    def identity(self, pupil: Path) -> list[Any]:
        """What decides the weights besides the settings: the teacher, how it teaches, and the folder that is taught."""
        weights = [file for folder in (self.teacher, pupil) for file in sorted(folder.glob("*.safetensors"))]
        return [[sha256_file(file) for file in weights], self.rows, self.share, self.temperature]


class Distill(NextToken):
    """Summed over a batch's labels, in nats: (1 - share) cross-entropy + share T^2 KL(teacher || pupil) at temperature T.

    Hinton et al. 2015, arXiv:1503.02531. Outside of training it is the cross-entropy, as for any other objective.

    Args:
        objective: the pupil.
        teacher: a frozen model with packed attention and the pupil's vocabulary.
    """

    def __init__(self, objective: NextToken, teacher: Any, *, share: float, temperature: float) -> None:
        super().__init__(objective.model, noise=objective.noise, autocast=objective.autocast)
        self.teacher, self.share, self.temperature = teacher.requires_grad_(False).eval(), share, temperature

    def train(self, mode: bool = True) -> Distill:
        """The teacher never trains."""
        super().train(mode)
        self.teacher.eval()
        return self

    def forward(self, batch: Batch) -> Tensor:
        """The loss, a scalar in fp32."""
        if not self.training:
            return super().forward(batch)
        with torch.no_grad():  # first, since the fused blocks of both share scratch memory
            told = self.teacher.model(
                input_ids=batch.ids, position_ids=batch.positions, use_cache=False, batch=batch
            ).last_hidden_state[0, batch.labelled]
        states, matrix = self.states(batch)
        settings = (batch.label, self.share, self.temperature)
        loss: Tensor = _DistillLoss.apply(states, matrix, told, self.teacher.lm_head.weight, *settings)  # type: ignore[no-untyped-call]
        return loss

    @torch.no_grad()
    def divergence(self, batch: Batch) -> Tensor:
        """KL(teacher || pupil), summed over a batch's labels, in nats, a scalar."""
        logits = []
        for model in (self.teacher, self.model):
            hidden = model.model(input_ids=batch.ids, position_ids=batch.positions, use_cache=False, batch=batch)
            logits.append(hidden.last_hidden_state[0, batch.labelled].float() @ model.lm_head.weight.float().t())
        told, own = (scores.log_softmax(1) for scores in logits)
        apart: Tensor = (told.exp() * (told - own)).sum()
        return apart


class _DistillLoss(torch.autograd.Function):
    """The loss of `Distill` and its gradients in one pass, some labels at a time: the logits of all never exist at once."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, matrix: Tensor, told: Tensor, theirs: Tensor, label: Tensor, share: float, temperature: float
    ) -> Tensor:  # fmt: skip
        """hidden and told (labels, width), matrix and theirs (vocabulary, width), label (labels,) -> the loss in fp32."""
        rows, wanted = matrix.to(hidden.dtype), ctx.needs_input_grad[1]
        total = torch.zeros((), device=hidden.device)
        grad_hidden, grad_matrix = torch.empty_like(hidden), torch.zeros_like(matrix) if wanted else None
        for part in torch.split(torch.arange(len(label), device=label.device), LABELS):
            states, right = hidden[part], label[part][:, None]
            logits = (states @ rows.t()).float()
            logs, soft = logits.log_softmax(1), (logits / temperature).log_softmax(1)
            odds = (told[part] @ theirs.t()).float().div_(temperature).log_softmax(1)
            likely = odds.exp()
            total -= (1 - share) * logs.gather(1, right).sum()
            total += share * temperature**2 * (likely * odds.sub_(soft)).sum()
            grad = logs.exp_().scatter_add_(1, right, torch.full_like(right, -1, dtype=logs.dtype)).mul_(1 - share)
            grad.add_(soft.exp_().sub_(likely), alpha=share * temperature)
            rounded = grad.to(hidden.dtype)
            grad_hidden[part] = rounded @ rows
            if grad_matrix is not None:
                grad_matrix += rounded.t() @ states
        ctx.save_for_backward(grad_hidden, grad_matrix)
        return total

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        grad_hidden, grad_matrix = ctx.saved_tensors
        by_matrix = None if grad_matrix is None else grad_matrix * grads[0]
        return grad_hidden * grads[0].to(grad_hidden.dtype), by_matrix, None, None, None, None, None


def taught(objective: NextToken, how: Distillation, settings: TrainConfig, compute: Compute) -> Distill:
    """An objective with a teacher beside it.

    Raises:
        InputError: the teacher is no model that reads packed rows, or smoothed labels are asked for too.
    """
    if settings.label_smoothing:
        raise InputError("train.label_smoothing: a teacher's odds take its place; set it to 0")
    teacher = load_frozen(how.teacher, settings, compute, how.rows)
    return Distill(objective, teacher, share=how.share, temperature=how.temperature)
