"""What a method of the task `embed` hands to the run that carries it out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketlm.tasks.embed import EmbedRow, EmbedTask

if TYPE_CHECKING:
    from torch import nn

    from pocketlm.train.loop import Step

JUDGED, POOL = 500, 5000  # rows and texts by which weights are judged before and after


@dataclass
class Job:
    """One method's part of a run.

    Attributes:
        objective, plan: see `train_steps`.
        measure: the loss on what is held out, None where nothing is.
        embed: texts -> vectors (texts, width) of what is trained, as it is now.
        judged: by which rows, and among which texts, it is judged before and after.
        save: fills a folder.
        finish: what is done to the weights once they are trained.
        keeps_base: weights that came out worse than the base's are not kept.
    """

    objective: nn.Module
    plan: Sequence[Step]
    measure: Callable[[], float] | None
    embed: Callable[[Sequence[str]], Any]
    judged: tuple[EmbedTask, list[EmbedRow]]
    save: Callable[[Path], None]
    keeps_base: bool = False
    finish: Callable[[], None] = lambda: None
