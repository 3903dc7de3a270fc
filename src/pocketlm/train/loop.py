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
from pocketlm.train.objective import next_token_loss

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
    plan = _plan(epochs, prefix, settings, seed)
    rate = schedule(settings, len(plan))
    every = max(1, len(plan) // VALIDATIONS)  # steps
    history, step = _resume(checkpoint, weights, optimizer)
    model.train()
    since, saved = time.perf_counter(), time.monotonic()

    def save() -> None:
        nonlocal since
        history.seconds += time.perf_counter() - since
        since = time.perf_counter()
        _save(checkpoint, weights, optimizer, history, step)

    with progress("Training", len(plan)) as update:
        update(step)
        try:
            while step < len(plan):
                rows = plan[step]
                batch = make_batch(rows, prefix, settings.batch_tokens)
                loss = _step(model, batch, weights, optimizer, settings.lr * rate(step), settings.clip)
                step += 1
                history.tokens += sum(len(row) - prefix for row in rows)
                entry = {"step": step, "loss": loss, "lr": settings.lr * rate(step - 1)}
                if valid and (step == len(plan) or (step % every == 0 and len(plan) - step >= every)):
                    entry["valid_loss"] = mean_loss(model, valid, prefix, settings.batch_tokens)
                elapsed = history.seconds + time.perf_counter() - since
                entry |= {"seconds": round(elapsed, 2), "tokens_per_s": round(history.tokens / elapsed, 1)}
                history.steps.append(entry)
                log(entry)
                update(1, f"loss {loss:.3f}" + (f" valid {entry['valid_loss']:.3f}" if "valid_loss" in entry else ""))
                if time.monotonic() - saved > CHECKPOINT_SECONDS:
                    save()
                    saved = time.monotonic()
        except KeyboardInterrupt:
            save()
            raise
    save()
    model.eval()
    return history


def mean_loss(model: Any, examples: Sequence[Example], prefix: int, tokens: int) -> float:
    """Cross-entropy in nats a label token."""
    was_training = model.training
    model.eval()
    total, labels = 0.0, 0
    with torch.no_grad():
        for indices in plan_batches([len(e) - prefix for e in examples], tokens, 0):
            batch = make_batch([examples[i] for i in indices], prefix, tokens)
            total += next_token_loss(model, batch).item()
            labels += len(batch.label)
    model.train(was_training)
    return total / labels


def schedule(settings: TrainConfig, steps: int) -> Callable[[int], float]:
    """Linear warm-up, then a cosine down to a twentieth: step -> factor of the peak rate."""
    warm = max(1, round(settings.warmup * steps))

    def factor(step: int) -> float:
        if step < warm:
            return (step + 1) / warm
        done = (step - warm) / max(1, steps - warm)
        return 0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * done))

    return factor


def _plan(epochs: Sequence[Sequence[Example]], prefix: int, settings: TrainConfig, seed: int) -> list[list[Example]]:
    """The rows of every step, all epochs in a row; a part of an epoch takes its first batches."""
    plan: list[list[Example]] = []
    for epoch, rows in enumerate(epochs):
        batches = plan_batches([len(row) - prefix for row in rows], settings.batch_tokens, seed + epoch)
        share = min(1.0, settings.epochs - epoch)
        plan += [[rows[i] for i in batch] for batch in batches[: max(1, round(share * len(batches)))]]
    return plan


def _step(
    model: Any, batch: Batch, weights: list[Tensor], optimizer: torch.optim.Optimizer, rate: float, clip: float
) -> float:
    """One update. Returns the loss in nats a label token."""
    loss = next_token_loss(model, batch) / len(batch.label)
    value = loss.item()
    if not math.isfinite(value):
        raise InputError(f"train.lr: the loss became {value}; lower it (--set train.lr={rate / 3:.0e}) and run again")
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(weights, clip)
    for group in optimizer.param_groups:
        group["lr"] = rate
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return value


def _save(file: Path, weights: list[Tensor], optimizer: torch.optim.Optimizer, history: History, step: int) -> None:
    state = {
        "weights": [weight.detach() for weight in weights],
        "optimizer": optimizer.state_dict(),
        "history": vars(history),
        "step": step,
    }
    with atomic_path(file) as aside:
        torch.save(state, aside)


def _resume(file: Path, weights: list[Tensor], optimizer: torch.optim.Optimizer) -> tuple[History, int]:
    if not file.exists():
        return History(), 0
    state = torch.load(file, weights_only=True)
    with torch.no_grad():
        for weight, kept in zip(weights, state["weights"], strict=True):
            weight.copy_(kept)
    optimizer.load_state_dict(state["optimizer"])
    return History(**state["history"]), int(state["step"])
