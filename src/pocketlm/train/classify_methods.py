"""The ways to a classifier, one function each: features, and a head learnt on them. METHODS is their list."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir
from pocketlm.core.progress import say
from pocketlm.engines.classifier import NearestFeatures, NoFeatures, Vectors, Words
from pocketlm.engines.embedder import open_embedder
from pocketlm.models.head import Array, Head
from pocketlm.models.load import resolve_encoder
from pocketlm.train.linear_head import Learnt, fit_head, fit_words
from pocketlm.train.track import LIVE

if TYPE_CHECKING:
    from pocketlm.train.checkpoint import Checkpoints
    from pocketlm.train.encoder import Encoder
    from pocketlm.train.label_objectives import Labelled
    from pocketlm.train.loop import History


@dataclass(frozen=True)
class Material:
    """What a training reads.

    Attributes:
        blank: a head without weights, for its labels.
        targets, valid_targets: (rows, labels), 1 where a label applies; of a teacher, odds.
        weights: (rows,) how much each counts.
        answers: labels of the validation rows.
    """

    blank: Head
    texts: list[str]
    targets: Array
    weights: Array
    valid: list[str]
    valid_targets: Array
    answers: list[list[str]]

    def learnt(self, vectors: Any) -> Learnt:
        """The training rows, given their features."""
        return Learnt(vectors, self.targets, self.weights)

    def held(self, vectors: Any) -> Learnt | None:
        """The validation rows, given their features; without those whose label is not learnt, which say nothing of it."""
        known = self.known
        return Learnt(vectors[known], self.valid_targets[known], np.ones(0, np.float32)) if known.any() else None

    @property
    def known(self) -> Any:
        """(validation rows,) whether a row's label is among those that are learnt."""
        return self.valid_targets.any(1) | self.blank.multi


@dataclass(frozen=True)
class Made:
    """What a method made: a classifier, how head.json describes its features, and what was measured on the way.

    Attributes:
        write: puts what the features need into the run's folder.
        shrunk: the head is kept in 8 bits.
    """

    head: Head
    features: Any
    described: dict[str, Any]
    steps: list[dict[str, float]] = field(default_factory=list)
    write: Callable[[Path], None] = lambda folder: None
    shrunk: bool = False
    seconds: float | None = None  # of a training with checkpoints, all its parts


@dataclass(frozen=True)
class Training:
    """What a method is given. `folder`: the run's, where a training that takes long keeps its checkpoints."""

    config: Config
    material: Material
    folder: Path
    checkpoints: Checkpoints

    @property
    def adapts(self) -> bool:
        """Whether an encoder is trained by adapters only."""
        method = self.config.train.method
        return "lora" in (method, self.config.classify.student if method == "distill" else method)


def _majority(task: Training) -> Made:
    """Every text is of the label most rows have."""
    material = task.material
    share = np.clip(material.targets.mean(0), 1e-6, 1 - 1e-6)
    bias = np.log(share / (1 - share)) if material.blank.multi else np.log(share)
    return Made(replace(material.blank, bias=bias.astype(np.float32)), NoFeatures(), {"kind": "none"})


def _rules(task: Training) -> Made:
    """The label of the training text with most words in common."""
    material = task.material
    labels = material.blank.labels
    answers = [[labels[i] for i in np.flatnonzero(row >= 0.5)] for row in material.targets]
    features = NearestFeatures(material.texts, answers, labels)
    shift = -2.5 if material.blank.multi else 0.0  # half of the scale: what is half alike is undecided
    head = replace(
        material.blank, weight=5 * np.eye(len(labels), dtype=np.float32), bias=np.full(len(labels), shift, np.float32)
    )
    return Made(head, features, {"kind": "nearest"}, write=features.save)


def _tfidf(task: Training) -> Made:
    """Hashed n-grams and a linear support vector machine a label."""
    material = task.material
    head, words, tried = fit_words(
        material.blank, material.texts, (material.targets, material.weights),
        [text for text, known in zip(material.valid, material.known, strict=True) if known],
        material.valid_targets[material.known],
        seed=task.config.seed,
    )  # fmt: skip
    return Made(head, Words(words), {"kind": "words"}, tried, words.save, shrunk=True)


def _static(task: Training) -> Made:
    """Means of word vectors, and logistic regression on them."""
    return _frozen(task, "static", {"kind": "embedder", "uri": "static"})


def _embedding(task: Training) -> Made:
    """The base's vectors as they are, and logistic regression on them."""
    base = resolve_encoder(task.config.base)

    def write(folder: Path) -> None:
        with atomic_dir(folder / "model") as aside:
            shutil.copytree(base, aside, dirs_exist_ok=True)

    return _frozen(task, str(base), {"kind": "embedder", "uri": "model"}, write)


def _frozen(
    task: Training, uri: str, described: dict[str, Any], write: Callable[[Path], None] = lambda folder: None
) -> Made:
    material, embedder = task.material, open_embedder(uri)
    vectors, held = embedder.embed(material.texts), embedder.embed(material.valid)
    head, tried = fit_head(
        material.blank, material.learnt(vectors), material.held(held), "vectors", seed=task.config.seed
    )
    return Made(head, Vectors(embedder), described, tried, write)


def _setfit(task: Training) -> Made:
    """Texts of one label come near, then logistic regression on their vectors: for a few rows a label."""
    from pocketlm.train.label_objectives import SameLabel, plan_pairs

    config = task.config
    encoder = _load(task)
    rows, _ = _tokens(task.material, encoder)
    plan = plan_pairs(rows, config.classify.steps, config.classify.pairs, config.seed)
    history = _train(task, SameLabel(encoder), plan)
    material = task.material
    vectors, held = _vectors(encoder, material.texts), _vectors(encoder, material.valid)
    head, _ = fit_head(material.blank, material.learnt(vectors), material.held(held), "vectors", seed=config.seed)
    return _of_encoder(head, encoder, history)


def _full(task: Training) -> Made:
    """Encoder and head together, every weight; `lora`: of the encoder, adapters only."""
    from pocketlm.train.label_objectives import Sorting, plan_epochs

    config, material = task.config, task.material
    encoder = _load(task)
    start, _ = fit_head(
        material.blank, material.learnt(_vectors(encoder, material.texts)),
        material.held(_vectors(encoder, material.valid)), "vectors", seed=config.seed,
    )  # fmt: skip
    rows, held = _tokens(material, encoder)
    objective = Sorting(encoder, start.weight, start.bias, multi=start.multi, smoothing=config.train.label_smoothing)
    measure = (lambda: objective.mean_loss(held)) if held.ids else None
    score = (lambda: objective.exact(held)) if config.train.watch == "exact" and material.valid else None
    history = _train(task, objective, plan_epochs(rows, config.train, config.seed), measure, score)
    weight, bias = (part.detach().cpu().numpy() for part in (objective.weight, objective.bias))
    return _of_encoder(replace(start, weight=weight, bias=bias), encoder, history)


METHODS: dict[str, Callable[[Training], Made]] = {
    "majority": _majority,
    "rules": _rules,
    "tfidf": _tfidf,
    "static": _static,
    "embedding": _embedding,
    "setfit": _setfit,
    "full": _full,
    "lora": _full,
}


def _load(task: Training) -> Encoder:
    """The base, ready to train, in the arithmetic that an interrupted training chose."""
    import torch

    from pocketlm.train.compute import choose_threads
    from pocketlm.train.embed import choose_float
    from pocketlm.train.embed_jobs import load_encoder

    method = "lora" if task.adapts else "full"
    settings = task.config.train.model_copy(update={"method": method})
    config = task.config.model_copy(update={"train": settings})
    torch.set_flush_denormal(True)
    chosen = task.checkpoints.choices or {"threads": choose_threads(settings.threads), "floats": choose_float(config)}
    torch.set_num_threads(chosen["threads"])
    task.checkpoints.choices = chosen
    torch.manual_seed(config.seed)  # after the probes, which draw random numbers where nothing is remembered
    return load_encoder(config, chosen["floats"])


def _tokens(material: Material, encoder: Encoder) -> tuple[Labelled, Labelled]:
    """Training and validation rows as tokens."""
    from pocketlm.train.label_objectives import Labelled

    known = material.known
    held = [text for text, is_known in zip(material.valid, known, strict=True) if is_known]
    return (
        Labelled(encoder.tokens(material.texts), material.targets, material.weights),
        Labelled(encoder.tokens(held), material.valid_targets[known], np.ones(len(held), np.float32)),
    )


def _vectors(encoder: Encoder, texts: Sequence[str]) -> Array:
    """(texts, width) of an encoder as it stands."""
    found: Array = encoder.embed(encoder.tokens(texts)).cpu().numpy()
    return found


def _train(
    task: Training, objective: Any, plan: Sequence[Any], measure: Callable[[], float] | None = None,
    score: Callable[[], float] | None = None,
) -> History:  # fmt: skip
    """Train with checkpoints in the run's folder."""
    from pocketlm.train.loop import train_steps
    from pocketlm.train.track import tracked

    checkpoints, folder, settings = task.checkpoints, task.folder, task.config.train
    if settings.patience and not measure:
        raise InputError("train.patience: there is nothing held out to watch; give data.valid or leave it out")
    if checkpoints.files:
        say(f"{folder}: an interrupted training was found, going on")
    checkpoints.forget_others()
    if not checkpoints.files:
        (folder / LIVE).unlink(missing_ok=True)  # of a training that was given up
    with tracked(settings.track, folder, task.config) as log:
        return train_steps(
            objective, plan, settings, seed=task.config.seed, checkpoints=checkpoints, log=log, measure=measure,
            score=score,
        )  # fmt: skip


def _of_encoder(head: Head, encoder: Encoder, history: History) -> Made:
    return Made(
        head, _Trained(encoder), {"kind": "embedder", "uri": "model"}, history.steps,
        lambda folder: encoder.save(folder / "model"), seconds=history.seconds,
    )  # fmt: skip


@dataclass(frozen=True)
class _Trained:
    """The features of an encoder that is still in memory."""

    encoder: Encoder

    def logits(self, texts: Sequence[str], head: Head) -> Array:
        return head.logits(_vectors(self.encoder, texts))
