"""From labelled texts to a classifier's run: what is learnt from, by which method, and what is then chosen on held-out rows."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from pocketlm.core.config import Config, check_method_of_task
from pocketlm.core.errors import InputError
from pocketlm.core.files import sha256_value, write_json, write_jsonl
from pocketlm.core.machine import describe, memory_peak
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.core.progress import say
from pocketlm.data.labelled import is_multi
from pocketlm.engines.classifier import Classifier
from pocketlm.evaluate.calibrate import KEPT as CALIBRATION
from pocketlm.evaluate.store import identity_of
from pocketlm.models.head import SETTINGS, Array, Head, log_loss, targets_of
from pocketlm.models.load import lineage
from pocketlm.tasks.labels import OUTSIDE, outside_of
from pocketlm.train.checkpoint import Checkpoints
from pocketlm.train.classifier_run import LADDER, ClassifierRun
from pocketlm.train.classify_methods import METHODS, Made, Material, Training
from pocketlm.train.linear_head import settled
from pocketlm.train.run import ASIDE
from pocketlm.train.teach import taught
from pocketlm.train.track import LIVE

STALE = (
    "manifest.json",
    LADDER,
    LIVE,
    CALIBRATION,
    SETTINGS,
)  # of an older training: they would speak of other weights
MOST_WEIGHT = 10.0  # that a row outside can get


def train_classifier(
    config: Config,
    train: Sequence[Any],
    valid: Sequence[Any],
    folder: Path,
    *,
    labels: Sequence[str] = (),
    unlabelled: Sequence[str] = (),
    must_resume: bool = False,
) -> ClassifierRun:
    """Train as `config` says and fill `folder`; reuse it when nothing changed, resume it when it was interrupted.

    Args:
        labels: of all splits, by which it will be scored; those of the training rows are learnt.
        unlabelled: texts on which a teacher teaches too.

    Raises:
        InputError: no rows, settings that do not fit them, or nothing to resume where that is asked. EnvironmentLacks: a package is missing.
    """
    folder = Path(folder)
    check_method_of_task(config)
    if not train:
        raise InputError("no training rows; add some to data.raw")
    key = run_key(config, train, valid, [*labels, *unlabelled])
    if (folder / "manifest.json").is_file() and read_manifest(folder).get("key") == key:
        say(f"{folder}: trained before with the same data and settings, reused")
        return ClassifierRun(folder)
    checkpoints = Checkpoints(folder, key, keep=config.train.save_total_limit)
    if must_resume and not checkpoints.files:
        raise InputError(f"{folder}: no interrupted training with these data and settings; start one without --resume")
    material = make_material(config, train, valid, labels)
    check_answer(config, material)
    began = time.perf_counter()
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.forget_others()
    learnt_from = taught(config, material, unlabelled) if config.train.method == "distill" else material
    method = config.classify.student if config.train.method == "distill" else config.train.method
    say(f"Training {method} on {len(learnt_from.texts)} texts, {len(material.blank.labels)} labels")
    made = METHODS[method](Training(config, learnt_from, folder, checkpoints))
    made = replace(made, head=_settle(made, material, config))
    seconds = made.seconds if made.seconds is not None else time.perf_counter() - began
    _write(folder, config, made)
    rows = {"train": len(train), "valid": len(valid)}
    facts = _facts(config, made, material, seconds)
    every = sorted({*labels, *material.blank.labels})
    write_manifest(folder, facts | {"key": key, "rows": rows, "labels": every, "outside": made.head.outside})
    checkpoints.clear()
    return ClassifierRun(folder)


def run_key(config: Config, train: Sequence[Any], valid: Sequence[Any], more: Sequence[str] = ()) -> str:
    """Hash of everything that decides the weights. `more`: further labels and texts."""
    rows = [[row.to_json() for row in part] for part in (train, valid)]
    settings = config.model_dump(exclude={"data": True, "cost": True, "train": ASIDE, "classify": {"enough", "rungs"}})
    engines = [config.base, *([str(config.classify.teacher)] if config.train.method == "distill" else [])]
    return sha256_value([settings, rows, list(more), *map(identity_of, engines)])


def make_material(config: Config, train: Sequence[Any], valid: Sequence[Any], labels: Sequence[str] = ()) -> Material:
    """Rows as texts, targets and weights."""
    known = sorted({label for row in train for label in row.answer})
    outside = outside_of(sorted({*known, *labels}))
    blank = Head(
        tuple(known), np.zeros((len(known), 0), np.float32), np.zeros(len(known), np.float32), is_multi(train),
        outside=outside, certain=config.classify.certain,
    )  # fmt: skip
    targets = targets_of([row.answer for row in train], known)
    answers = [list(row.answer) for row in valid]
    return Material(
        blank, [row.text for row in train], targets, row_weights(targets, blank, config.classify.balance),
        [row.text for row in valid], targets_of(answers, known), answers,
    )  # fmt: skip


def check_answer(config: Config, material: Material) -> None:
    """Settings of the answer that the rows give nothing to do.

    Raises:
        InputError: there is one.
    """
    settings, head = config.classify, material.blank
    if head.multi and (given := [key for key in ("certain", "outside_recall") if getattr(settings, key)]):
        raise InputError(
            f"classify.{given[0]}: is for rows of one label each, and here a text has several or none; take it out"
        )
    if settings.outside_recall and not any(head.outside in answer for answer in material.answers):
        raise InputError(
            f"classify.outside_recall: no validation row is labelled {', '.join(OUTSIDE)}; label some so, or take it out"
        )


def row_weights(targets: Array, head: Head, balance: bool) -> Array:
    """(rows,) with a mean near 1. Rows outside are seldom many: they are to count as much as a label's do on average."""
    counts = targets.sum(0)
    of_label = np.ones(len(counts), np.float32)
    if balance:
        of_label = (counts.mean() / np.maximum(counts, 1)).astype(np.float32)
    elif head.outside in head.labels and not head.multi:
        place = head.labels.index(str(head.outside))
        of_label[place] = np.clip(np.delete(counts, place).mean() / max(counts[place], 1), 1, MOST_WEIGHT)
    weights = (targets * of_label).sum(1) / np.maximum(targets.sum(1), 1)
    weights[targets.sum(1) == 0] = 1  # rows with no label at all
    return np.asarray(weights / weights.mean(), dtype=np.float32)


def _settle(made: Made, material: Material, config: Config) -> Head:
    """The head with what is chosen on validation rows."""
    if not material.valid:
        return made.head
    logits = made.features.logits(material.valid, made.head)
    return settled(made.head, logits, material.answers, material.valid_targets, config.classify.outside_recall)


def _write(folder: Path, config: Config, made: Made) -> None:
    """Fill a run's folder, all but its manifest."""
    for stale in STALE:
        (folder / stale).unlink(missing_ok=True)
    if made.described.get("uri") != "model":
        shutil.rmtree(folder / "model", ignore_errors=True)
    made.write(folder)
    made.head.save(folder, made.described, int8=made.shrunk)
    write_jsonl(folder / "metrics.jsonl", made.steps)
    write_json(folder / "config.json", config.model_dump())


def _facts(config: Config, made: Made, material: Material, seconds: float) -> dict[str, Any]:
    """What a run's manifest says of its training."""
    found: dict[str, Any] = {"valid_accuracy": None, "valid_loss": None}
    if material.valid:
        classifier = Classifier(made.head, made.features, "")
        odds = classifier.probabilities(material.valid)
        said = [sorted(one.labels) for one in made.head.predict(odds)]
        right = [labels == sorted(answer) for labels, answer in zip(said, material.answers, strict=True)]
        found = {
            "valid_accuracy": round(float(np.mean(right)), 4),
            "valid_loss": round(
                log_loss(odds[material.known], material.valid_targets[material.known], multi=made.head.multi), 4
            ),
        }
    needs_base = made.described.get("uri") == "model"
    return {
        "kind": "run",
        "task": "classify",
        "method": config.train.method,
        "features": made.described["kind"],
        "lineage": lineage(config.base if needs_base else made.described.get("uri", made.described["kind"])),
        "seed": config.seed,
        "machine": describe(),
        "metrics": {
            "train_seconds": round(seconds, 1),
            "steps": len(made.steps),
            **found,
            "memory_gb": round(memory_peak() / 1e9, 2),
            **config.cost.of(seconds),
        },
    }
