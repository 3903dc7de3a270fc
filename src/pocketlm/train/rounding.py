"""Training for the type that ships: matrices that stand on the grid of 4-bit blocks while they learn.

Rounding a finished model moves every weight at once, and the smaller the model the more that costs. Here each step reads the
rounded weights, and its update goes to finer ones kept beside them (straight-through estimator: Bengio et al. 2013,
arXiv:1308.3432; of whole models: Jacob et al. 2018, arXiv:1712.05877). What stands on the grid at the end is not moved by
being written in that type.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

BLOCK = 32  # weights that share a scale
LEVELS = 16


def to_q4_0(weight: Tensor) -> Tensor:
    """A matrix (rows, a multiple of 32) as llama.cpp's type Q4_0 gives it back: whole numbers -8 to 7 times a scale in fp16.

    The number farthest from zero becomes -8, so what stands on the grid already stays as it is.
    """
    blocks = weight.reshape(-1, BLOCK)
    low, high = blocks.amin(1, keepdim=True), blocks.amax(1, keepdim=True)
    scale = torch.where(high > -low, high, low).div_(-LEVELS // 2)
    inverse = torch.where(scale == 0, 0.0, 1 / scale)
    levels = (blocks * inverse).add_(LEVELS // 2 + 0.5).floor_().clamp_(max=LEVELS - 1).sub_(LEVELS // 2)
    return levels.mul_(scale.half().float()).view_as(weight)


class Grid:
    """An optimizer's matrices, rounded after each of its steps; the steps themselves are taken from the finer weights.

    Attributes:
        matrices: those that blocks of 32 can hold.
        fine: the weights they were rounded from.
    """

    def __init__(self, weights: Sequence[Tensor], optimizer: torch.optim.Optimizer) -> None:
        self.matrices = [weight for weight in weights if weight.dim() == 2 and weight.shape[1] % BLOCK == 0]
        self.fine = [weight.detach().clone() for weight in self.matrices]
        self._round()
        optimizer.register_step_pre_hook(lambda *_: self._loosen())
        optimizer.register_step_post_hook(lambda *_: self._keep())

    @torch.no_grad()
    def take(self, fine: Sequence[Tensor]) -> None:
        """Go on from other finer weights."""
        for own, value in zip(self.fine, fine, strict=True):
            own.copy_(value)
        self._round()

    @torch.no_grad()
    def _loosen(self) -> None:
        for matrix, fine in zip(self.matrices, self.fine, strict=True):
            matrix.copy_(fine)

    @torch.no_grad()
    def _keep(self) -> None:
        for matrix, fine in zip(self.matrices, self.fine, strict=True):
            fine.copy_(matrix)
        self._round()

    @torch.no_grad()
    def _round(self) -> None:
        for matrix, fine in zip(self.matrices, self.fine, strict=True):
            matrix.copy_(to_q4_0(fine))
