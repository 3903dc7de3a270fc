"""Distillation: learning what a teacher thinks of every next token, and what it makes of every token on the way there.

The pupil reads packed batches; a teacher with a larger vocabulary reads the same rows in its own tokens (retell.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.core.files import sha256_file
from pocketlm.models.load import load_tokenizer
from pocketlm.train.batches import Batch
from pocketlm.train.compute import Compute
from pocketlm.train.method import load_frozen
from pocketlm.train.objective import LABELS, NextToken
from pocketlm.train.retell import Retelling, Retold, retold_alike


@dataclass(frozen=True)
class Distillation:
    """How a training is taught.

    Attributes:
        teacher: folder of the model whose odds are learnt.
        rows: of the teacher's vocabulary, those of the pupil's tokens, by their ids; None: they are the same.
        share: of the loss that is the teacher's; the rest is the rows' own tokens'.
        temperature: by which the logits of both are divided where they are compared, so that unlikely tokens count more.
        blocks: of the teacher, those behind which its states are compared with the states behind the pupil's blocks, one for
            each of these; none: no states are compared.
        states: what their distance counts, beside a label's nats.
    """

    teacher: Path
    rows: tuple[int, ...] | None = None
    share: float = 0.9
    temperature: float = 1.0
    blocks: tuple[int, ...] = ()
    states: float = 1.0

    def identity(self, pupil: Path) -> list[Any]:
        """What decides the weights besides the settings: the teacher, how it teaches, and the folder that is taught."""
        weights = [file for folder in (self.teacher, pupil) for file in sorted(folder.glob("*.safetensors"))]
        how = [self.rows, self.share, self.temperature, self.blocks, self.states]
        return [[sha256_file(file) for file in weights], *how]


class Distill(NextToken):
    """Summed over a batch's labels, in nats: (1 - share) cross-entropy + share T^2 KL(teacher || pupil) at temperature T,
    + states x the mean distance of what both make of each token behind each block.

    The odds: Hinton et al. 2015, arXiv:1503.02531; a label that the teacher cuts otherwise has its cross-entropy alone. The
    states: as TinyBERT's (Jiao et al. 2020, arXiv:1909.10351), but each as the teacher's next norm gives it to the next block,
    so that the few huge dimensions of a stream do not count for all, and relative to the teacher's length: |x - y|^2 / |y|^2.
    Outside of training it is the cross-entropy, as for any other objective.

    Args:
        objective: the pupil.
        teacher: a frozen model with packed attention.
        how: it teaches.
        retell: gives a batch as the teacher reads it.
    """

    def __init__(
        self, objective: NextToken, teacher: Any, how: Distillation, retell: Callable[[Batch], Retold] = retold_alike
    ) -> None:
        super().__init__(objective.model, noise=objective.noise, autocast=objective.autocast)
        self.teacher, self.how, self.retell = teacher.requires_grad_(False).eval(), how, retell
        matrix = teacher.lm_head.weight.detach()
        self.matrix = matrix if how.rows is None else matrix[list(how.rows)]
        layers = teacher.model.layers
        following = [*(layer.input_layernorm for layer in layers[1:]), teacher.model.norm] if how.blocks else []
        self.norms = [following[block] for block in how.blocks]  # the teacher's behind each of the pupil's blocks

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
            retold = self.retell(batch)
            told, theirs = self._read(retold)
        with listening(self.model, range(len(self.norms))) as mine:
            states, matrix = self.states(batch)
        settings = (retold.told >= 0, batch.label, self.how.share, self.how.temperature)
        loss: Tensor = _DistillLoss.apply(states, matrix, told, self.matrix, *settings)  # type: ignore[no-untyped-call]
        if self.norms and len(retold.here):
            apart = [
                _distance(norm, here[0, retold.here], there)
                for norm, here, there in zip(self.norms, mine, theirs, strict=True)
            ]
            loss = loss + self.how.states * len(batch.label) * torch.stack(apart).mean()
        return loss

    def _read(self, retold: Retold) -> tuple[Tensor, list[Tensor]]:
        """The teacher's last states where it tells of a label, and those behind its blocks where both end a token."""
        batch = retold.batch
        with listening(self.teacher, self.how.blocks) as states:
            last = self.teacher.model(
                input_ids=batch.ids, position_ids=batch.positions, use_cache=False, batch=batch
            ).last_hidden_state[0]
        return last[retold.told], [norm(one[0, retold.there]) for norm, one in zip(self.norms, states, strict=True)]


@contextmanager
def listening(model: Any, blocks: Sequence[int]) -> Iterator[list[Tensor]]:
    """The states behind some blocks, in their order, of what runs meanwhile."""
    heard: list[Tensor] = []
    hooks = [model.model.layers[block].register_forward_hook(lambda _, __, out: heard.append(out)) for block in blocks]
    try:
        yield heard
    finally:
        for hook in hooks:
            hook.remove()


def _distance(norm: nn.Module, states: Tensor, told: Tensor) -> Tensor:
    """Mean over places of |norm(states) - told|^2 / |told|^2, both (places, width)."""
    told = told.float()
    apart: Tensor = ((norm(states).float() - told).square().sum(1) / told.square().sum(1)).mean()
    return apart


class _DistillLoss(torch.autograd.Function):
    """The loss of `Distill` and its gradients in one pass, some labels at a time: the logits of all never exist at once."""

    @staticmethod
    def forward(
        ctx: Any, hidden: Tensor, matrix: Tensor, told: Tensor, theirs: Tensor, taught: Tensor, label: Tensor, share: float,
        temperature: float,
    ) -> Tensor:  # fmt: skip
        """hidden and told (labels, width), matrix and theirs (vocabulary, width), taught and label (labels,) -> the loss in fp32."""
        rows, wanted = matrix.to(hidden.dtype), ctx.needs_input_grad[1]
        total = torch.zeros((), device=hidden.device)
        grad_hidden, grad_matrix = torch.empty_like(hidden), torch.zeros_like(matrix) if wanted else None
        for part in torch.split(torch.arange(len(label), device=label.device), LABELS):
            states, right = hidden[part], label[part][:, None]
            weight = share * taught[part][:, None]  # of the teacher, label by label
            logits = (states @ rows.t()).float()
            logs, soft = logits.log_softmax(1), (logits / temperature).log_softmax(1)
            odds = (told[part] @ theirs.t()).float().div_(temperature).log_softmax(1)
            likely = odds.exp()
            total -= ((1 - weight) * logs.gather(1, right)).sum()
            total += temperature**2 * (weight * (likely * odds.sub_(soft))).sum()
            grad = logs.exp_().scatter_add_(1, right, torch.full_like(right, -1, dtype=logs.dtype)).mul_(1 - weight)
            grad.add_(soft.exp_().sub_(likely).mul_(weight), alpha=temperature)
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
        return grad_hidden * grads[0].to(grad_hidden.dtype), by_matrix, None, None, None, None, None, None


def taught(objective: NextToken, how: Distillation, pupil: Path, settings: TrainConfig, compute: Compute) -> Distill:
    """An objective with a teacher beside it.

    Args:
        pupil: the folder that the objective's model came from.

    Raises:
        InputError: the teacher is no model that reads packed rows, or smoothed labels are asked for too.
    """
    if settings.label_smoothing:
        raise InputError("train.label_smoothing: a teacher's odds take its place; set it to 0")
    teacher = load_frozen(how.teacher, settings, compute)
    if how.rows is None:
        return Distill(objective, teacher, how)
    return Distill(objective, teacher, how, Retelling(load_tokenizer(pupil), load_tokenizer(how.teacher), how.rows))
