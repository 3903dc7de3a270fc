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
from pocketlm.core.interrupt import interrupts_wait
from pocketlm.core.progress import progress
from pocketlm.train.batches import Example, make_batch, plan_batches, shared_prefix
from pocketlm.train.objective import next_token_loss
from pocketlm.train.optimizer import make_optimizer, schedule

CHECKPOINT_SECONDS = 60.0


@dataclass
class History:
    """What a run measured: one entry a logged step."""

    steps: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0  # training time, interruptions left out
    tokens: int = 0  # trained rows' own tokens, shared prefixes not counted
    valid_loss: float | None = None  # of the weights that are kept


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
    prefix = shared_prefix([*(example for rows in epochs for example in rows), *valid])
    plan = _plan(epochs, prefix, settings, seed)
    rate = schedule(settings, len(plan))
    every = max(1, len(plan) // settings.validations)  # steps
    state = _State(model, settings, checkpoint)
    history = state.history
    model.train()
    saved = time.monotonic()
    with progress("Training", len(plan)) as update, interrupts_wait() as asked:
        update(len(history.steps))
        while (step := len(history.steps)) < len(plan) and not state.is_stale:
            torch.manual_seed(seed + step)  # noise and dropout are the same however often a run was interrupted
            entry = {"step": step + 1, "loss": 0.0, "lr": settings.lr * rate(step)}
            entry["loss"] = _step(model, plan[step], prefix, settings, state, entry["lr"])
            history.tokens += sum(len(row) - prefix for rows in plan[step] for row in rows)
            last = step + 1 == len(plan)
            if valid and (last or ((step + 1) % every == 0 and len(plan) - step > every)):
                entry["valid_loss"] = mean_loss(model, valid, prefix, settings.batch_tokens)
                state.compare(entry["valid_loss"])
            elapsed = state.seconds()
            entry |= {"seconds": round(elapsed, 2), "tokens_per_s": round(history.tokens / elapsed, 1)}
            history.steps.append(entry)
            log(entry)
            note = f" valid {entry['valid_loss']:.3f}" if "valid_loss" in entry else ""
            update(1, f"loss {entry['loss']:.3f}{note}")
            if asked() or time.monotonic() - saved > CHECKPOINT_SECONDS:
                state.save()
                saved = time.monotonic()
            if asked():
                break
    state.save()
    state.take_best()
    model.eval()
    return history


class _State:
    """What a training changes, and its checkpoint: weights, optimizer, history, and the best weights so far."""

    def __init__(self, model: Any, settings: TrainConfig, file: Path) -> None:
        self.weights: list[Tensor] = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not self.weights:
            raise InputError("no parameter of the model is trained; name layers in train.targets")
        self.optimizer = make_optimizer(self.weights, settings)
        self.history = History()
        self._file, self._since = file, time.perf_counter()
        self._patience = settings.patience
        self._best: dict[str, Any] = {"loss": math.inf, "stale": 0, "weights": []}  # stale: validations since
        if file.exists():
            self._resume()

    def compare(self, loss: float) -> None:
        """Note a validation loss; with patience, keep these weights if they are the best so far."""
        if self._patience is None:
            self.history.valid_loss = loss
        elif loss < self._best["loss"]:
            self._best = {"loss": loss, "stale": 0, "weights": [weight.detach().clone() for weight in self.weights]}
            self.history.valid_loss = loss
        else:
            self._best["stale"] += 1

    @property
    def is_stale(self) -> bool:
        """Whether to stop early."""
        return self._patience is not None and self._best["stale"] >= self._patience

    def take_best(self) -> None:
        """Put the best weights back, where they were kept."""
        if self._best["weights"]:
            self._put(self._best["weights"])

    def seconds(self) -> float:
        """Training time so far."""
        return self.history.seconds + time.perf_counter() - self._since

    def save(self) -> None:
        """Write the checkpoint."""
        self.history.seconds, self._since = self.seconds(), time.perf_counter()
        state = {
            "weights": [weight.detach() for weight in self.weights],
            "optimizer": self.optimizer.state_dict(),
            "history": vars(self.history),
            "best": self._best,
        }
        with atomic_path(self._file) as aside:
            torch.save(state, aside)

    def _resume(self) -> None:
        state = torch.load(self._file, weights_only=True)
        self._put(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self._best = History(**state["history"]), state["best"]

    @torch.no_grad()
    def _put(self, kept: Sequence[Tensor]) -> None:
        for weight, value in zip(self.weights, kept, strict=True):
            weight.copy_(value)


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


Step = list[list[Example]]  # the batches whose gradients one update adds up


def _plan(epochs: Sequence[Sequence[Example]], prefix: int, settings: TrainConfig, seed: int) -> list[Step]:
    """The rows of every step, all epochs in a row; a part of an epoch takes its first batches."""
    plan: list[Step] = []
    for epoch, rows in enumerate(epochs):
        batches = plan_batches([len(row) - prefix for row in rows], settings.batch_tokens, seed + epoch)
        batches = batches[: max(1, round(min(1.0, settings.epochs - epoch) * len(batches)))]
        filled = [[rows[i] for i in batch] for batch in batches]
        plan += [filled[first : first + settings.accumulate] for first in range(0, len(filled), settings.accumulate)]
    return plan


def _step(model: Any, step: Step, prefix: int, settings: TrainConfig, state: _State, rate: float) -> float:
    """One update. Returns the loss in nats a label token."""
    batches = [make_batch(rows, prefix, settings.batch_tokens) for rows in step]
    labels, value = sum(len(batch.label) for batch in batches), 0.0
    for batch in batches:
        loss = next_token_loss(model, batch, smoothing=settings.label_smoothing, noise=settings.neftune) / labels
        value += loss.item()
        if not math.isfinite(value):
            state.optimizer.zero_grad(set_to_none=True)
            raise InputError(
                f"train.lr: the loss became {value}; lower it (--set train.lr={rate / 3:.0e}) and run again"
            )
        loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(state.weights, settings.clip)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    return value
