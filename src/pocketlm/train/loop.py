"""The training loop: batches in, loss down, a checkpoint now and then.

It knows losses and steps; nothing of tasks, prompts or files of rows. `train_steps` takes any objective, `fit` is its use
for the next token of packed rows. An interrupted loop goes on where its last checkpoint stood and ends with the same
weights.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from accelerate import Accelerator
from torch import Tensor, nn

from pocketlm.core.config import TrainConfig
from pocketlm.core.errors import InputError
from pocketlm.core.interrupt import interrupts_wait
from pocketlm.core.machine import memory_used
from pocketlm.core.progress import progress
from pocketlm.train.batches import Batch, Example, make_batch, plan_batches, shared_prefix
from pocketlm.train.checkpoint import Checkpoints
from pocketlm.train.optimizer import make_optimizer, schedule
from pocketlm.train.rounding import Grid


class Piece(Protocol):
    """Some rows that are computed at once, as a plan holds them: small, what the objective takes is made when it is due."""

    @property
    def count(self) -> int:
        """What their summed loss is a sum over: label tokens, pairs, texts."""
        ...

    @property
    def tokens(self) -> int:
        """Tokens that are read, for the speed."""
        ...

    def to(self, device: torch.device) -> Any:
        """What the objective takes, on a device."""
        ...


Step = Sequence[Piece]  # the pieces whose gradients one update adds up


@dataclass
class History:
    """What a run measured: one entry a logged step."""

    steps: list[dict[str, float]] = field(default_factory=list)
    seconds: float = 0.0  # training time, interruptions left out
    tokens: int = 0  # trained rows' own tokens, shared prefixes not counted
    valid_loss: float | None = None  # of the weights that are kept


def train_steps(
    objective: nn.Module,
    plan: Sequence[Step],
    settings: TrainConfig,
    *,
    seed: int,
    checkpoints: Checkpoints,
    log: Callable[[dict[str, float]], None],
    measure: Callable[[], float] | None = None,
    score: Callable[[], float] | None = None,
    team: Accelerator | None = None,
) -> History:
    """Train the parameters of `objective` that require gradients.

    Args:
        objective: gives a piece's summed loss.
        plan: the pieces of every step.
        checkpoints: hold the state across interruptions; resumed from where there are any, left for the caller to
            clear when the results are safe.
        log: called with {"step", "loss", "lr", "seconds", ...}; losses are means over what the pieces count.
        measure: the loss on rows held out.
        score: share of the task's rows that are right, to be watched instead of that loss.
        team: the processes that train together, each on its share of every step's pieces; alone where not given.

    Raises:
        InputError: nothing to train, or the loss is no longer finite.
    """
    team = team or Accelerator(cpu=True)
    rate = schedule(settings, len(plan))
    every = math.ceil(len(plan) / settings.validations)  # steps
    state = State(objective, settings, checkpoints)
    history = state.history
    shared = team.prepare_model(objective) if team.num_processes > 1 else objective
    objective.train()
    saved = time.monotonic()
    with progress("Training", len(plan)) as update, interrupts_wait() as asked:
        update(len(history.steps))
        while (step := len(history.steps)) < len(plan) and not state.is_stale:
            torch.manual_seed(seed + step)  # noise and dropout are the same however often a run was interrupted
            if step >= round((1 - settings.rounded) * len(plan)):
                state.stand_on_grid()
            entry = {"step": step + 1, "loss": 0.0, "lr": settings.lr * rate(step)}
            entry["loss"] = take_step(shared, plan[step], settings, state, entry["lr"], team)
            history.tokens += sum(piece.tokens for piece in plan[step])
            last = step + 1 == len(plan)
            if measure and (last or (step + 1) % every == 0):
                entry["valid_loss"] = measure()
                if score:
                    entry["valid_exact"] = score()
                state.compare(entry["valid_loss"], -entry.get("valid_exact", -entry["valid_loss"]))
            elapsed = state.seconds()
            entry |= {"seconds": round(elapsed, 2), "tokens_per_s": round(history.tokens / elapsed, 1)}
            history.steps.append(entry)
            log(entry)
            update(1, _note(history))
            stop = _any(team, asked())
            if stop or time.monotonic() - saved > settings.save_seconds:
                if team.is_main_process:
                    state.save()
                saved = time.monotonic()
            if stop:
                break
    if team.is_main_process:
        state.save()
    state.take_best()
    objective.eval()
    return history


def _any(team: Accelerator, flag: bool) -> bool:
    """Whether it holds in one of the processes; all must stop at the same step."""
    return flag if team.num_processes == 1 else bool(team.reduce(torch.tensor(float(flag)), "sum") > 0)


def _note(history: History) -> str:
    """What stands beside the bar."""
    last = history.steps[-1]
    valid = next((entry["valid_loss"] for entry in reversed(history.steps) if "valid_loss" in entry), None)
    watched = "" if valid is None else f" valid {valid:.3f}"
    return f"loss {last['loss']:.3f}{watched} {last['tokens_per_s']:.0f} tok/s {memory_used() / 1e9:.1f} GB"


class State:
    """What a training changes, and its checkpoint: weights, optimizer, history, and the best weights so far."""

    def __init__(self, objective: nn.Module, settings: TrainConfig, checkpoints: Checkpoints | None) -> None:
        self.weights: list[Tensor] = [weight for weight in objective.parameters() if weight.requires_grad]
        if not self.weights:
            raise InputError("no parameter of the model is trained; name layers in train.targets")
        self.device = self.weights[0].device
        self.optimizer = make_optimizer(self.weights, settings)
        self.history = History()
        self._checkpoints, self._since = checkpoints, time.perf_counter()
        self._patience = settings.patience
        self._best: dict[str, Any] = {"watched": math.inf, "stale": 0, "weights": []}  # stale: validations since
        self._grid: Grid | None = None
        if checkpoints and (kept := checkpoints.load()):
            self._resume(kept)

    def stand_on_grid(self) -> Grid:
        """From now on the matrices are rounded."""
        self._grid = self._grid or Grid(self.weights, self.optimizer)
        return self._grid

    def compare(self, loss: float, watched: float) -> None:
        """Note a validation loss; with patience, keep these weights if what is watched was never as low."""
        if self._patience is None:
            self.history.valid_loss = loss
        elif watched < self._best["watched"]:
            self._best = {"watched": watched, "stale": 0, "weights": [w.detach().clone() for w in self.weights]}
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
            "fine": self._grid and self._grid.fine,
        }
        if self._checkpoints:
            self._checkpoints.save(state, len(self.history.steps))

    def _resume(self, state: dict[str, Any]) -> None:
        self._put(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.history, self._best = History(**state["history"]), state["best"]
        if state.get("fine") is not None:
            self.stand_on_grid().take(state["fine"])

    @torch.no_grad()
    def _put(self, kept: Sequence[Tensor]) -> None:
        for weight, value in zip(self.weights, kept, strict=True):
            weight.copy_(value)


def take_step(
    objective: nn.Module, step: Step, settings: TrainConfig, state: State, rate: float, team: Accelerator
) -> float:
    """One update from this process's share of the pieces. Returns the loss of all, a mean over what they count."""
    count = sum(piece.count for piece in step)
    mine = step[team.process_index :: team.num_processes]
    weight = team.num_processes / count if mine else 0.0  # gradients of processes are averaged; none may be missing
    value = 0.0
    for place, piece in enumerate(mine or step[:1], 1):
        with nullcontext() if place == max(1, len(mine)) else team.no_sync(objective):
            loss = objective(piece.to(state.device)) * weight
            value += loss.item() / team.num_processes
            loss.backward()
    if team.num_processes > 1:
        value = float(team.reduce(torch.tensor(value), "sum"))
    if not math.isfinite(value):
        state.optimizer.zero_grad(set_to_none=True)
        raise InputError(f"train.lr: the loss became {value}; lower it (--set train.lr={rate / 3:.0e}) and run again")
    torch.nn.utils.clip_grad_norm_(state.weights, settings.clip)
    for group in state.optimizer.param_groups:
        group["lr"] = rate
    state.optimizer.step()
    state.optimizer.zero_grad(set_to_none=True)
    return value


def fit(
    objective: nn.Module,
    epochs: Sequence[Sequence[Example]],
    valid: Sequence[Example],
    settings: TrainConfig,
    *,
    seed: int,
    checkpoints: Checkpoints,
    log: Callable[[dict[str, float]], None],
    score: Callable[[], float] | None = None,
    team: Accelerator | None = None,
) -> History:
    """`train_steps` on the next tokens of packed rows.

    Args:
        objective: gives a batch's summed loss (`train/objective.py`).
        epochs: the training rows of each epoch; of the last, as much as `settings.epochs` asks for.

    Raises:
        InputError: as `train_steps`.
    """
    prefix = shared_prefix([*(example for rows in epochs for example in rows), *valid])
    team = team or Accelerator(cpu=True)
    plan = plan_steps(epochs, prefix, settings, seed, team.num_processes)
    size = settings.micro_tokens or settings.batch_tokens

    def measure() -> float:
        return mean_loss(objective, valid, prefix, size)

    return train_steps(
        objective, plan, settings, seed=seed, checkpoints=checkpoints, log=log, measure=measure if valid else None,
        score=score, team=team,
    )  # fmt: skip


@dataclass(frozen=True)
class Packed:
    """Rows that are packed into one batch when it is due.

    Attributes:
        prefix: tokens that all rows of the training share.
        size: own tokens up to which the batch is filled.
    """

    rows: Sequence[Example]
    prefix: int
    size: int

    @property
    def count(self) -> int:
        """Label tokens."""
        return sum(len(row.completion) for row in self.rows)

    @property
    def tokens(self) -> int:
        """The rows' own."""
        return sum(len(row) - self.prefix for row in self.rows)

    def to(self, device: torch.device) -> Batch:
        """The batch."""
        return make_batch(self.rows, self.prefix, self.size).to(device)


def mean_loss(objective: nn.Module, examples: Sequence[Example], prefix: int, tokens: int) -> float:
    """Cross-entropy in nats a label token."""
    was_training = objective.training
    objective.eval()
    total, labels = 0.0, 0
    device = next(objective.parameters()).device
    with torch.no_grad():
        for indices in plan_batches([len(e) - prefix for e in examples], tokens, 0):
            batch = make_batch([examples[i] for i in indices], prefix, tokens).to(device)
            total += objective(batch).item()
            labels += len(batch.label)
    objective.train(was_training)
    return total / labels


def plan_steps(
    epochs: Sequence[Sequence[Example]], prefix: int, settings: TrainConfig, seed: int, processes: int
) -> list[list[Packed]]:
    """The rows of every step, all epochs in a row; a part of an epoch takes its first batches."""
    plan: list[list[Packed]] = []
    together = settings.accumulate * processes
    for epoch, rows in enumerate(epochs):
        batches = plan_batches([len(row) - prefix for row in rows], settings.batch_tokens, seed + epoch)
        batches = batches[: max(1, round(min(1.0, settings.epochs - epoch) * len(batches)))]
        filled = [[rows[i] for i in batch] for batch in batches]
        steps = [filled[first : first + together] for first in range(0, len(filled), together)]
        plan += [[piece for batch in step for piece in _cut(batch, prefix, settings)] for step in steps]
    return plan


def _cut(batch: list[Example], prefix: int, settings: TrainConfig) -> list[Packed]:
    """A batch in pieces of like size that are computed one after another."""
    total, size = sum(len(row) - prefix for row in batch), settings.micro_tokens or settings.batch_tokens
    count = math.ceil(total / size) if len(batch) > 1 else 1
    pieces: list[list[Example]] = [[] for _ in range(count)]
    before = 0
    for row in batch:
        pieces[before * count // total].append(row)
        before += len(row) - prefix
    return [Packed(piece, prefix, size) for piece in pieces if piece]
