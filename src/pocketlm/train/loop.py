"""The training loop: batches in, loss down, a checkpoint now and then.

It knows tokens, losses and steps; nothing of tasks, prompts or files of rows. An interrupted loop goes on where its
last checkpoint stood and ends with the same weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path
from pocketlm.core.progress import progress
from pocketlm.train.batches import Batch, Example, make_batch, plan_batches, shared_prefix
from pocketlm.train.curriculum import Curriculum
from pocketlm.train.objective import next_token_losses

CHECKPOINT_SECONDS = 60.0
VALIDATIONS = 6  # in a training


@dataclass
class History:
    """What a run measured: one entry a logged step."""

    steps: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0  # training time, interruptions left out
    tokens: int = 0  # trained rows' own tokens, shared prefixes not counted


def fit(
    model: Any,
    epochs: Sequence[Sequence[Example]],
    valid: Sequence[Example],
    settings: TrainConfig,
    *,
    seed: int,
    checkpoint: Path,
    log: Callable[[dict[str, float]], None],
) -> History:
    """Train the parameters of `model` that require gradients.

    Args:
        model: with packed attention (`train/attention.py`).
        epochs: the training rows of each epoch; of the last, as much as `settings.epochs` asks for.
        checkpoint: file that holds the state across interruptions; resumed from when it exists, left for the caller
            to delete when the results are safe.
        log: called with {"step", "loss", "lr", "seconds", ...}; losses are nats a label token.

    Raises:
        InputError: nothing to train, or the loss is no longer finite.
    """
    weights = [parameter for parameter in model.parameters() if parameter.requires_grad]
    optimizer = torch.optim.AdamW(weights, lr=settings.lr, weight_decay=0.0, betas=(0.9, 0.99), fused=True)
    prefix = shared_prefix([*(example for rows in epochs for example in rows), *valid])
    course = Curriculum(epochs, settings.epochs, prefix, settings.batch_tokens, settings.skip_learnt, seed)
    rate = schedule(settings)
    history = _resume(checkpoint, weights, optimizer, course)
    model.train()
    since, saved = time.perf_counter(), time.monotonic()

    def save() -> None:
        nonlocal since
        history.seconds += time.perf_counter() - since
        since = time.perf_counter()
        _save(checkpoint, weights, optimizer, course, history)

    with progress("Training, %", 100) as update:
        update(100 * course.share)
        try:
            while not course.done:
                before, rows, now = course.share, course.rows, settings.lr * rate(course.middle)
                batch = make_batch(rows, prefix, settings.batch_tokens)
                losses = _step(model, batch, weights, optimizer, now, settings.clip)
                course.advance(batch.mean_by_row(losses))
                history.tokens += sum(len(row) - prefix for row in rows)
                entry = {"step": len(history.steps) + 1, "loss": losses.mean().item(), "lr": now}
                if valid and (course.done or _crossed(before, course.share)):
                    entry["valid_loss"] = mean_loss(model, valid, prefix, settings.batch_tokens)
                elapsed = history.seconds + time.perf_counter() - since
                entry |= {"seconds": round(elapsed, 2), "tokens_per_s": round(history.tokens / elapsed, 1)}
                history.steps.append(entry)
                log(entry)
                note = f"loss {entry['loss']:.3f}" + (f" valid {entry['valid_loss']:.3f}" if "valid_loss" in entry else "")
                update(100 * (course.share - before), note)
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            save()
            raise
    save()
    model.eval()
    return history


def _crossed(before: float, share: float) -> bool:
    """Whether a validation falls due between two shares of the training."""
    return int(VALIDATIONS * before) < int(VALIDATIONS * share)


def mean_loss(model: Any, examples: Sequence[Example], prefix: int, tokens: int) -> float:
    """Cross-entropy in nats a label token."""
    was_training = model.training
    model.eval()
    total, labels = 0.0, 0
    with torch.no_grad():
        for indices in plan_batches([len(e) - prefix for e in examples], tokens, 0):
            batch = make_batch([examples[i] for i in indices], prefix, tokens)
            total += next_token_losses(model, batch).sum().item()
            labels += len(batch.label)
    model.train(was_training)
    return total / labels


def schedule(settings: TrainConfig) -> Callable[[float], float]:
    """Linear warm-up, then a cosine down to a twentieth: share of the training -> factor of the peak rate."""

    def factor(share: float) -> float:
        if share < settings.warmup:
            return share / settings.warmup
        done = (share - settings.warmup) / (1 - settings.warmup)
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))

    return factor


def _step(
    model: Any, batch: Batch, weights: list[Tensor], optimizer: torch.optim.Optimizer, rate: float, clip: float
) -> Tensor:
    """One update. Returns the loss of each label in nats."""
    losses = next_token_losses(model, batch)
    loss = losses.mean()
    if not loss.isfinite():
        raise InputError(
            f"train.lr: the loss became {loss.item()}; lower it (--set train.lr={rate / 3:.0e}) and run again"
        )
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(weights, clip)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return losses.detach()


def _save(
    file: Path, weights: list[Tensor], optimizer: torch.optim.Optimizer, course: Curriculum, history: History
) -> None:
    state = {
        "weights": [weight.detach() for weight in weights],
        "optimizer": optimizer.state_dict(),
        "course": course.state(),
        "history": vars(history),
    }
    with atomic_path(file) as aside:
        torch.save(state, aside)


def _resume(file: Path, weights: list[Tensor], optimizer: torch.optim.Optimizer, course: Curriculum) -> History:
    if not file.exists():
        return History()
    state = torch.load(file, weights_only=True)
    with torch.no_grad():
        for weight, kept in zip(weights, state["weights"], strict=True):
            weight.copy_(kept)
    optimizer.load_state_dict(state["optimizer"])
    course.resume(state["course"])
    return History(**state["history"])
