"""The optimizer and how its rate rises and falls."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from pocketlm.core.config import TrainConfig

FLOOR = 0.05  # of the peak, where a cosine ends
DECAY = 0.2  # share of the steps in which "wsd" falls


def make_optimizer(weights: Sequence[Tensor], settings: TrainConfig) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) with a memory that suits a few hundred steps."""
    return torch.optim.AdamW(weights, lr=settings.lr, weight_decay=settings.weight_decay, betas=(0.9, 0.99), fused=True)


def schedule(settings: TrainConfig, steps: int) -> Callable[[int], float]:
    """A linear warm-up, then what `settings.schedule` says: step -> factor of the peak rate.

    "wsd" stays at the peak and falls at the end (warm-up, stable, decay: Hu et al. 2024, arXiv:2404.06395).
    """
    warm = max(1, round(settings.warmup * steps))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        left = 1 - (step - warm) / max(1, steps - warm)
        match settings.schedule:
            case "constant":
                return 1.0
            case "linear":
                return left
            case "wsd":
                return min(1.0, (steps - step) / max(1.0, DECAY * steps))
            case "cosine":
                return FLOOR + (1 - FLOOR) * 0.5 * (1 - math.cos(math.pi * left))

    return factor
