"""A classifier that learns from another: texts with a teacher's odds, be it a larger classifier or a language model.

Soft targets of a larger model teach a smaller one more than labels alone (Hinton et al. 2015, arXiv:1503.02531), and texts
without labels can be taught on too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.core.machine import cache_dir
from pocketlm.core.progress import progress, say
from pocketlm.engines.base import Engine
from pocketlm.engines.classifier import Classifier
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.evaluate.kept import Kept
from pocketlm.evaluate.remote import RemoteEngine, is_remote
from pocketlm.evaluate.scoring import Scoring
from pocketlm.evaluate.store import identity_of
from pocketlm.models.head import Array, Head, targets_of
from pocketlm.tasks.base import TextRow, ask
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.tasks.template import TEMPLATES
from pocketlm.train.classify_methods import Material

WEIGHED = 8  # labels at most of which a language model is asked for the odds of each; of more it writes one
TRUSTED = 0.6  # share of a labelled row's target that is the label; over a half, so that a teacher never overrules it


def taught(config: Config, material: Material, unlabelled: Sequence[str]) -> Material:
    """The material with a teacher's odds in its targets, and further texts whose targets are the teacher's alone.

    Raises:
        InputError: the teacher does not know the labels, or is behind a network.
    """
    known = set(material.texts) | set(material.valid)
    more = [text for text in unlabelled if text not in known]
    texts = [*material.texts, *more]
    odds = _asked(str(config.classify.teacher), texts, material, config.classify.teacher_prompt)
    count = len(material.texts)
    silent = odds.max(1) <= 0  # of these texts only the label is known, where there is one
    own = np.where(silent[:count, None], material.targets, TRUSTED * material.targets + (1 - TRUSTED) * odds[:count])
    told = ~silent[count:]
    texts = [*material.texts, *(text for text, is_told in zip(more, told, strict=True) if is_told)]
    targets = np.concatenate([own, odds[count:][told]])
    weights = np.concatenate([material.weights, np.ones(int(told.sum()), np.float32)])
    return replace(material, texts=texts, targets=targets.astype(np.float32), weights=weights)


def _asked(uri: str, texts: Sequence[str], material: Material, prompt: str | None) -> Array:
    """(texts, labels) what the teacher says; zeros where that is no label."""
    engine: Any = _open(uri)
    head = material.blank
    try:
        if isinstance(engine, Classifier):
            return _odds(engine, texts, head)
        if not isinstance(engine, RemoteEngine) and len(head.labels) <= WEIGHED and not head.multi:
            return _weighed(engine, texts, material, prompt)
        rows = [TextRow(ask(text), [head.labels[0]]) for text in texts]
        task = ClassifyTask(head.labels, head.outside)
        report = evaluate(task, engine, rows, constrain=True, title=f"Asking {uri}")
    finally:
        engine.close()
    answers = [_labels(row.answer, head) for row in report.rows]
    unknown = sum(not answer for answer in answers)
    if unknown:
        say(f"{uri}: {unknown} of {len(texts)} answers are no label; nothing is learnt from these")
    return targets_of(answers, head.labels)


def _open(uri: str) -> Any:
    if not is_remote(uri):
        return open_engine(uri)
    engine = RemoteEngine(uri, Scoring.ledger(uri))
    if engine.host:
        raise InputError(
            f"classify.teacher {uri}: the texts would leave this machine for {engine.host}; name a teacher on this machine, or "
            "have the texts labelled there first and train on these rows"
        )
    return engine


def _weighed(engine: Engine, texts: Sequence[str], material: Material, prompt: str | None = None) -> Array:
    """(texts, labels) how likely a language model goes on with each label behind a text: behind `prompt`, which holds {text}, or
    when it is asked to sort the text.

    What it makes of all texts on average is taken off, or it would prefer one label whatever the text (batch calibration, Zhou et
    al. 2023, arXiv:2309.17249); how often the labels are among the rows is put in its place.
    """
    head = material.blank
    if prompt:
        answers = [engine.tokenize(f" {label}") for label in head.labels]
        prompts = [engine.tokenize(prompt.replace("{text}", text)) for text in texts]
    else:
        task, template = ClassifyTask(head.labels, head.outside), TEMPLATES[engine.template]
        answers = [engine.tokenize(label + template.stop) for label in head.labels]
        prompts = [engine.tokenize(task.prompt(TextRow(ask(text), []), template)) for text in texts]
    pairs = [(prompt, answer) for prompt in prompts for answer in answers]
    # kept as they come: a training that is killed, and the next one with this teacher, ask nothing again
    identity = identity_of(engine.uri)
    kept = Kept(engine, cache_dir() / "taught" / f"{identity[:32]}.jsonl", identity)
    with progress(f"Asking {engine.uri}", len(pairs)) as tick:
        told = kept.odds(pairs, tick=tick)
    scores = np.array([sum(odds.logprob for odds in answer) for answer in told]).reshape(len(texts), -1)
    scores += np.log(material.targets.mean(0)) - scores.mean(0)
    odds = np.exp(scores - scores.max(1, keepdims=True))
    found: Array = (odds / odds.sum(1, keepdims=True)).astype(np.float32)
    return found


def _odds(teacher: Classifier, texts: Sequence[str], head: Head) -> Array:
    """Its probabilities, in the order of our labels."""
    missing = [label for label in head.labels if label not in teacher.head.labels]
    if missing or teacher.head.multi != head.multi:
        what = f"does not know the label {missing[0]}" if missing else "gives another number of labels a text"
        raise InputError(f"classify.teacher {teacher.uri}: {what}; train it on the same labels")
    found = teacher.probabilities(texts)[:, [teacher.head.labels.index(label) for label in head.labels]]
    return found if head.multi else found / np.maximum(found.sum(1, keepdims=True), 1e-9)


def _labels(text: str, head: Head) -> list[str]:
    known = {label.casefold(): label for label in head.labels}
    whole = known.get(text.strip().casefold())
    parts = [known.get(part.strip().casefold()) for part in text.split(",")]
    found = [whole] if whole else [part for part in parts if part]
    return found if head.multi else found[:1]
