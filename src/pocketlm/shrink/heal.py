"""A shrunk model trained again, for a short time, to answer as the model it was cut from: distillation on the task's rows.

The training is train's own, with a teacher beside it; the result is a run, as any other.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pocketlm.core.config import TrainConfig
from pocketlm.core.files import read_json, write_json
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.models.adapters import STAMP
from pocketlm.shrink.vocabulary import kept_ids
from pocketlm.tasks.call import CallRow
from pocketlm.train.distill import Distillation
from pocketlm.train.run import Run, train_run

# On the grid of 4-bit blocks in the last third, so that the smallest files lose nothing by being rounded.
HEALING = TrainConfig(method="full", lr=6e-4, batch_tokens=1024, validations=2, rounded=0.35)
ROWS = 100_000  # read in all, at most: more than an hour's worth
LONGER = 2  # times as many tokens may a row have: a text is more of them where fewer are known


def heal(
    student: Path,
    teacher: Run,
    train: Sequence[CallRow],
    valid: Sequence[CallRow],
    folder: Path,
    *,
    minutes: float,
    settings: TrainConfig | None = None,
    share: float = 0.9,
    temperature: float = 1.0,
    states: float = 1.0,
) -> Run:
    """Train the shrunk model in `student` on the rows that its teacher was trained on, and make `folder` a run of it.

    An interrupted healing goes on when it is called again; one that is through is reused.

    Args:
        teacher: the run that the student was cut from.
        train, valid: the task's rows.
        minutes: about how long to train.
        settings: how; by default all weights, since too much is missing for an adapter, on rows said otherwise in each
            epoch as they were for the teacher.
        share, temperature, states: see `Distillation`.

    Raises:
        InputError: as `train_run`, or a student whose vocabulary was not cut from the teacher's.
    """
    made = teacher.config
    epochs = min(100.0, math.ceil(ROWS / len(train)))
    own = {"augment": made.train.augment, "max_tokens": LONGER * made.train.max_tokens, "epochs": epochs}
    config = made.model_copy(update={"base": str(student), "train": settings or HEALING.model_copy(update=own)})
    rows = tuple(kept_ids(teacher.model, student))
    since = _surgeries(student)[len(_surgeries(teacher.model)) :]  # the teacher may have been cut itself
    blocks = counterparts(since, read_json(teacher.model / "config.json")["num_hidden_layers"])
    how = Distillation(teacher.model, rows, share, temperature, blocks, states)
    run = train_run(config, teacher.tools, train, valid, folder, teaching=how, minutes=minutes)
    _tell_origin(run, teacher, student)
    return run


def _tell_origin(run: Run, teacher: Run, student: Path) -> None:
    """Let the run name what it was made from: the teacher and its base in the manifest, the surgeries in both."""
    told, stamp = read_manifest(run.folder), read_json(run.model / STAMP)
    surgeries = _surgeries(student)
    shrunk = {"from": teacher.manifest["key"], "surgeries": surgeries}
    if told.get("shrunk") != shrunk:
        settings = run.folder / "config.json"
        write_json(settings, read_json(settings) | {"base": teacher.config.base})  # the student is not kept
        write_json(run.model / STAMP, stamp | {"shrunk": surgeries})
        write_manifest(run.folder, told | {"lineage": teacher.manifest["lineage"], "shrunk": shrunk})


def counterparts(surgeries: Sequence[Mapping[str, Any]], count: int) -> tuple[int, ...]:
    """For each block that surgeries left of `count`, the last one whose work it does: itself, or what is gone behind it."""
    left = list(range(count))
    for surgery in surgeries:
        gone = surgery.get("dropped_blocks", ())
        left = [block for place, block in enumerate(left) if place not in gone]
    return tuple(after - 1 for after in [*left[1:], count])


def _surgeries(folder: Path) -> list[dict[str, Any]]:
    """What was cut from a model since it was a base."""
    stamp = read_json(folder / STAMP) if (folder / STAMP).is_file() else {}
    found: list[dict[str, Any]] = stamp.get("shrunk", [])
    return found
