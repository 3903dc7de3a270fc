"""A few real steps of a training, to foretell what all of it will take."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from accelerate import Accelerator
from torch import nn

from pocketlm.core.config import TrainConfig
from pocketlm.train.batches import Example, plan_batches, shared_prefix
from pocketlm.train.compute import choose_device
from pocketlm.train.loop import State, Step, mean_loss, plan_steps, take_step

PROBE_SECONDS = 6.0  # of training steps


@dataclass(frozen=True)
class Probe:
    """What a few real steps foretell of a training.

    Attributes:
        steps, tokens: of the whole training; tokens as in History.
        step_seconds, validation_seconds: of one step and one validation.
        validations: how many there will be.
    """

    steps: int
    tokens: int
    step_seconds: float
    validation_seconds: float
    validations: int

    @property
    def seconds(self) -> float:
        """Of the whole training."""
        return self.steps * self.step_seconds + self.validations * self.validation_seconds


def probe(
    objective: nn.Module,
    epochs: Sequence[Sequence[Example]],
    valid: Sequence[Example],
    settings: TrainConfig,
    *,
    seed: int,
    seconds: float,
) -> Probe:
    """Run a training's first steps for about so many seconds; what they did to the weights is of no use.

    Args:
        epochs: as many as are encoded; further ones are taken to be like the first.
    """
    prefix = shared_prefix([*(example for rows in epochs for example in rows), *valid])
    team = Accelerator(cpu=choose_device(settings.device).type == "cpu")
    plan = plan_steps(epochs, prefix, settings, seed, team.num_processes)
    steps = round(len(plan) * max(1.0, settings.epochs / len(epochs)))
    state = State(objective, settings, None)
    objective.train()
    times: list[float] = []
    start = time.perf_counter()
    for step in plan:
        before = time.perf_counter()
        take_step(objective, step, settings, state, settings.lr / 100, team)
        times.append(time.perf_counter() - before)
        if len(times) > 1 and time.perf_counter() - start + times[-1] > seconds:
            break
    usual = statistics.median(times[1:] or times)  # the first one also compiles and allocates
    if settings.rounded:
        usual += settings.rounded * (_rounded_seconds(objective, plan[0], settings, state, team) - usual)
    validation = _validation_seconds(objective, valid, prefix, settings.micro_tokens or settings.batch_tokens)
    tokens = sum(piece.tokens for step in plan for piece in step) * steps // len(plan)
    return Probe(
        steps,
        tokens,
        usual,
        validation,
        math.ceil(steps / math.ceil(steps / settings.validations)) if valid else 0,
    )


def _rounded_seconds(objective: nn.Module, step: Step, settings: TrainConfig, state: State, team: Accelerator) -> float:
    """Of a step whose matrices stand on a grid, the second one."""
    state.stand_on_grid()
    take_step(objective, step, settings, state, settings.lr / 100, team)
    before = time.perf_counter()
    take_step(objective, step, settings, state, settings.lr / 100, team)
    return time.perf_counter() - before


def _validation_seconds(objective: nn.Module, valid: Sequence[Example], prefix: int, size: int) -> float:
    """Of one validation: one batch of it is measured, once it is warm."""
    if not valid:
        return 0.0
    batches = plan_batches([len(row) - prefix for row in valid], size, 0)
    few = [valid[i] for i in batches[0]]
    mean_loss(objective, few, prefix, size)
    before = time.perf_counter()
    mean_loss(objective, few, prefix, size)
    return (time.perf_counter() - before) * len(batches)


def epochs_within(
    seconds: float,
    objective: nn.Module,
    epochs: Sequence[Sequence[Example]],
    valid: Sequence[Example],
    settings: TrainConfig,
    *,
    seed: int,
) -> float:
    """How many of these epochs take about so many seconds, at most as many as there are; the weights stay as they are."""
    weights = [weight for weight in objective.parameters() if weight.requires_grad]
    before = [weight.detach().clone() for weight in weights]
    found = probe(objective, epochs, valid, settings, seed=seed, seconds=min(PROBE_SECONDS, seconds / 10))
    with torch.no_grad():
        for weight, value in zip(weights, before, strict=True):
            weight.copy_(value)
    step = found.step_seconds + found.validations * found.validation_seconds / found.steps
    steps = min(found.steps, max(1.0, seconds / step))
    return round(settings.epochs * steps / found.steps, 3)
