"""Classifiers as engines: opened by their folder, asked as any engine, and clear about what is missing."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from families import make_tiny_encoder
from labelled import rows_of

from pocketlm.core.errors import InputError
from pocketlm.engines.classifier import Classifier, NearestFeatures, NoFeatures, Words, is_classifier
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.calibrate import check, fit
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.evaluate.store import identity_of
from pocketlm.models.head import SETTINGS, Head
from pocketlm.models.word_features import WordFeatures
from pocketlm.tasks.classify import ClassifyTask

LABELS = ("alarm", "music", "weather")
TEXTS = ["play music", "", "Set an alarm for 7 in the morning, please!", "ü 😀", "milk and bread at noon " * 60]
KINDS = ["none", "nearest", "words", "embedder"]


def make(kind: str, folder: Path) -> Path:
    """A classifier's folder with features of a kind and random weights."""
    rng, rows = np.random.default_rng(0), rows_of(LABELS, 5)
    width, described = 0, {"kind": kind}
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "nearest":
        NearestFeatures([row.text for row in rows], [row.answer for row in rows], LABELS).save(folder)
        width = len(LABELS)
    if kind == "words":
        words = WordFeatures.learn([row.text for row in rows])
        words.save(folder)
        width = len(words.kept)
    if kind == "embedder":
        (folder / "model").mkdir()
        make_tiny_encoder(folder / "model")
        width, described = 32, {"kind": kind, "uri": "model"}
    weight = rng.normal(size=(3, width)).astype(np.float32)
    Head(LABELS, weight, rng.normal(size=3).astype(np.float32)).save(folder, described)
    return folder


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_gives_what_each_text_gives_alone(kind: str, tmp_path: Path) -> None:
    engine: Any = open_engine(str(make(kind, tmp_path / "run")))
    assert isinstance(engine, Classifier)
    texts, ticks = TEXTS * 60, []
    answers = engine.generate(texts, tick=ticks.append)
    assert sum(ticks) == len(texts) == len(answers)
    for text, answer in zip(TEXTS, answers, strict=False):
        (alone,) = engine.generate([text])
        assert answer.text == alone.text == next(engine.stream(text))
        assert answer.logprob == pytest.approx(alone.logprob, abs=1e-4)
        (told,) = engine.predict([text])
        assert answer.text == ", ".join(told.labels) and answer.logprob == pytest.approx(
            math.log(told.probability), abs=1e-4
        )
    assert engine.predict([]) == [] and engine.generate([]) == []
    engine.close()


def test_it_is_scored_compared_and_calibrated_as_any_engine(tmp_path: Path) -> None:
    engine = open_engine(str(make("words", tmp_path / "run")))
    report = evaluate(ClassifyTask(LABELS), engine, rows_of(LABELS, 20), constrain=True)
    assert 0 < report.value < 1 and report.metrics["valid"] == 1
    assert all(row.signals["answer"] <= 0 for row in report.rows)
    made = fit(report)
    assert check(report, made.chance).ece < 0.2


def test_nearest_features_are_labels_as_high_as_texts_are_alike() -> None:
    features = NearestFeatures(["play music", "set an alarm"], [["music"], ["alarm"]], LABELS)
    found = features.vectors(["play music", "an alarm please", "nothing like it"])
    assert found[0].tolist() == pytest.approx([0, 1, 0])
    assert 0 < found[1, 0] < 1 and found[2].max() == 0


def test_line_ends_inside_a_text_are_kept_with_the_examples(tmp_path: Path) -> None:
    NearestFeatures(["play\u2028music", "set\x85an alarm"], [["music"], ["alarm"]], LABELS).save(tmp_path)
    found = NearestFeatures.load(tmp_path, LABELS).vectors(["play\u2028music"])
    assert found[0].tolist() == pytest.approx([0, 1, 0])


def test_answers_without_features_are_those_of_the_bias() -> None:
    head = Head(LABELS, np.zeros((3, 0), np.float32), np.log(np.array([0.2, 0.5, 0.3], np.float32)))
    (found,) = Classifier(head, NoFeatures(), "majority").predict(["anything"])
    assert found.labels == ("music",) and found.probability == pytest.approx(0.5)


def test_words_of_a_text_that_has_none_leave_the_bias() -> None:
    head = Head(LABELS, np.ones((3, 2), np.float32), np.array([1, 2, 3], np.float32))
    features = Words(WordFeatures(np.array([3, 7]), np.ones(2, np.float32)))
    assert features.logits([""], head).tolist() == [[1, 2, 3]]
    words = Words(WordFeatures.learn(["play music"]))
    one, two = (Head(LABELS, np.full((3, len(words.features.kept)), w, np.float32), head.bias) for w in (1, 2))
    first, second = words.logits(["music"], one) - head.bias, words.logits(["music"], two) - head.bias
    assert second == pytest.approx(2 * first)  # each head its own weights


def test_a_head_decides_what_an_engine_is_known_by(tmp_path: Path) -> None:
    folder = make("embedder", tmp_path / "run")
    before = identity_of(str(folder))
    value = json.loads((folder / SETTINGS).read_text())
    (folder / SETTINGS).write_text(json.dumps({**value, "temperature": 2.0}))
    assert identity_of(str(folder)) != before
    (folder / "manifest.json").write_text("{}")
    assert identity_of(str(folder)) != before


@pytest.mark.parametrize(
    ("kind", "file", "says"),
    [
        ("words", "words.safetensors", "words.safetensors: no such file"),
        ("nearest", "examples.jsonl", "examples.jsonl: missing or damaged"),
        ("embedder", "model/config.json", "no encoder's folder"),
        ("none", "head.safetensors", "head.safetensors: no such file"),
    ],
)
def test_what_is_missing_is_named(kind: str, file: str, says: str, tmp_path: Path) -> None:
    folder = make(kind, tmp_path / "run")
    (folder / file).unlink()
    with pytest.raises(InputError, match=says):
        open_engine(str(folder))


def test_features_of_an_unknown_kind(tmp_path: Path) -> None:
    Head(LABELS, np.zeros((3, 0), np.float32), np.zeros(3, np.float32)).save(tmp_path, {"kind": "stars"})
    assert is_classifier(tmp_path)
    with pytest.raises(InputError, match='the kind "stars" are not known; there are none, nearest, words, embedder'):
        open_engine(str(tmp_path))


def test_a_file_beside_another_head_is_another_engine(tmp_path: Path) -> None:
    folder = make("embedder", tmp_path / "one")
    file = folder / "model" / "model.safetensors"
    (folder / "model.onnx").write_bytes(file.read_bytes())  # whatever holds the encoder
    before = identity_of(str(folder / "model.onnx"))
    assert before == identity_of(str(folder / "model.onnx"))
    head, described = Head.load(folder)
    Head(head.labels, head.weight + 1, head.bias, head.multi).save(folder, described)
    assert identity_of(str(folder / "model.onnx")) != before
