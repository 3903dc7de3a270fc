"""Classifiers of every method: they learn, open again as they were, resume, and say what does not fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from families import make_tiny_encoder
from labelled import rows_of, several_of

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.engines.base import Odds
from pocketlm.engines.classifier import Classifier
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.train import label_objectives, teach
from pocketlm.train.classifier_run import ClassifierRun, open_run
from pocketlm.train.classify import make_material, row_weights, train_classifier
from pocketlm.train.teach import taught

pytest.importorskip("sklearn", reason="needs pip install 'pocketlm[classify]'")

LABELS = ("alarm", "music", "weather")
METHODS = ["majority", "rules", "tfidf", "static", "embedding", "setfit", "full", "lora"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_encoder(tmp_path_factory.mktemp("bert")))


def config(base: str, method: str, train: dict[str, Any] | None = None, **settings: Any) -> Config:
    quick = {"method": method, "epochs": 8, "lr": 2e-3, "batch_tokens": 64, "compute": "fp32", "rank": 8, "alpha": 8}
    return Config.model_validate(
        {"task": "classify", "base": base, "train": {**quick, **(train or {})}, "classify": {"steps": 20, **settings}}
    )


def accuracy(run: ClassifierRun, rows: list[Any]) -> float:
    return float(evaluate(run.task, open_engine(str(run.folder)), rows).value)


@pytest.mark.parametrize("method", METHODS)
def test_every_method_learns_and_opens_again(method: str, base: str, tmp_path: Path) -> None:
    if method == "static":
        pytest.importorskip("wordllama", reason="needs pip install 'pocketlm[data]'")
    train, valid, test = (rows_of(LABELS, count, seed) for seed, count in enumerate((30, 10, 20)))
    settings = config(base, method, {"lr": 1e-2} if method == "lora" else {})
    run = train_classifier(settings, train, valid, tmp_path / "run")
    assert accuracy(run, test) > {"majority": 0.3, "embedding": 0.6}.get(method, 0.85)
    made = run.manifest
    assert made["task"] == "classify" and made["method"] == method and made["labels"] == sorted(LABELS)
    assert made["metrics"]["train_seconds"] >= 0 and 0 <= made["metrics"]["valid_accuracy"] <= 1
    assert (run.model is not None) == (method in ("embedding", "setfit", "full", "lora"))
    assert open_run(run.folder) == run and run.config.train.method == method
    assert not list(run.folder.glob("checkpoint*")) and not list(run.folder.glob(".*"))
    told = Classifier.open(run.folder).predict(["play music", ""])
    assert all(sum(one.probabilities.values()) == pytest.approx(1, abs=1e-4) for one in told)


def test_full_training_moves_the_encoder_and_beats_the_frozen_one(base: str, tmp_path: Path) -> None:
    train, valid, test = (rows_of(LABELS, count, seed) for seed, count in enumerate((30, 10, 30)))
    frozen = train_classifier(config(base, "embedding"), train, valid, tmp_path / "frozen")
    full = train_classifier(config(base, "full"), train, valid, tmp_path / "full")
    assert accuracy(full, test) >= accuracy(frozen, test)
    losses = [entry["valid_loss"] for entry in full.history if "valid_loss" in entry]
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("method", ["rules", "tfidf", "full"])
def test_several_labels_a_text(method: str, base: str, tmp_path: Path) -> None:
    train, valid, test = (several_of(count, seed) for seed, count in enumerate((150, 45, 45)))
    run = train_classifier(config(base, method), train, valid, tmp_path / "run")
    report = evaluate(run.task, open_engine(str(run.folder)), test)
    assert report.value > 0.5 and report.metrics["f1"] > 0.75
    assert [] in [list(one.labels) for one in Classifier.open(run.folder).predict([row.text for row in test])]


def test_what_is_outside_is_recognised_though_no_training_row_says_so(tmp_path: Path, base: str) -> None:
    train, valid, test = rows_of(LABELS, 40), rows_of((*LABELS, "oos"), 12, 1), rows_of((*LABELS, "oos"), 12, 2)
    run = train_classifier(config(base, "tfidf"), train, valid, tmp_path / "run", labels=[*LABELS, "oos"])
    report = evaluate(run.task, open_engine(str(run.folder)), test)
    assert run.manifest["outside"] == "oos" and "oos" not in Classifier.open(run.folder).head.labels
    assert report.metrics["outside_recall"] > 0.7 and report.metrics["inside_accuracy"] > 0.7


def test_a_floor_for_what_is_outside_is_kept_on_validation_rows(tmp_path: Path, base: str) -> None:
    train, valid = rows_of(LABELS, 20), rows_of((*LABELS, "oos"), 12, 1)
    run = train_classifier(config(base, "tfidf", outside_recall=1.0), train, valid, tmp_path / "run", labels=["oos"])
    report = evaluate(run.task, open_engine(str(run.folder)), valid)
    assert report.metrics["outside_recall"] == 1


def test_few_rows_outside_weigh_as_much_as_a_label_and_balance_makes_all_labels_equal(base: str) -> None:
    rows = [*rows_of(LABELS, 20), *rows_of(("oos",), 5)]
    material = make_material(config(base, "tfidf"), rows, [])
    of_label = {label: [w for w, t in zip(material.weights, material.targets, strict=True) if t[i]] for i, label in enumerate(material.blank.labels)}  # fmt: skip
    assert sum(of_label["oos"]) == pytest.approx(sum(of_label["alarm"]))
    skewed = [*rows_of(("alarm",), 20), *rows_of(("music",), 5)]
    plain, balanced = (make_material(config(base, "tfidf", balance=b), skewed, []).weights for b in (False, True))
    assert plain == pytest.approx(np.ones(25))
    assert balanced[:20].sum() == pytest.approx(balanced[20:].sum(), rel=1e-5)
    assert row_weights(np.zeros((2, 3), np.float32), material.blank, False).tolist() == [1, 1]


def test_trees_of_labels_back_off_to_a_parent(base: str, tmp_path: Path) -> None:
    names = {"alarm": "home/alarm", "music": "home/music", "weather": "out/weather", "oos": "out/shop"}

    def rows(count: int, seed: int) -> list[Any]:
        return [
            ClassifyTask.row({"text": row.text, "label": names[row.answer[0]]})
            for row in rows_of(tuple(names), count, seed)
        ]

    run = train_classifier(config(base, "tfidf", certain=0.9), rows(20, 0), rows(10, 1), tmp_path / "run")
    (sure, unsure) = Classifier.open(run.folder).predict(["play music", "music alarm"])
    assert sure.labels == ("home/music",)
    assert unsure.labels == ("home",) and unsure.probability > 0.9
    report = evaluate(run.task, open_engine(str(run.folder)), rows(10, 2))
    assert report.metrics["path_f1"] >= report.value


def test_what_did_not_change_is_used_again(base: str, tmp_path: Path) -> None:
    train, valid = rows_of(LABELS, 10), rows_of(LABELS, 5, 1)
    first = train_classifier(config(base, "tfidf"), train, valid, tmp_path / "run").manifest
    assert train_classifier(config(base, "tfidf"), train, valid, tmp_path / "run").manifest == first
    other = train_classifier(config(base, "tfidf", balance=True), train, valid, tmp_path / "run").manifest
    assert other["key"] != first["key"]


def test_another_method_leaves_nothing_behind(base: str, tmp_path: Path) -> None:
    train, valid = rows_of(LABELS, 10), rows_of(LABELS, 5, 1)
    train_classifier(config(base, "embedding"), train, valid, tmp_path / "run")
    run = train_classifier(config(base, "majority"), train, valid, tmp_path / "run")
    assert run.model is None and Classifier.open(run.folder).head.weight.shape == (3, 0)


@pytest.mark.parametrize("method", ["setfit", "full"])
def test_an_interrupted_training_ends_as_an_uninterrupted_one(
    method: str, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    train, valid = rows_of(LABELS, 10), rows_of(LABELS, 5, 1)
    settings = config(base, method, {"save_seconds": 0, "epochs": 2, "batch_tokens": 64})
    whole = train_classifier(settings, train, valid, tmp_path / "whole")
    kind = {"setfit": label_objectives.SameLabel, "full": label_objectives.Sorting}[method]
    forward, calls = kind.forward, [0]

    def failing(self: Any, rows: Any) -> Any:
        calls[0] += 1
        if calls[0] == 4:
            raise RuntimeError("pulled plug")
        return forward(self, rows)

    monkeypatch.setattr(kind, "forward", failing)
    with pytest.raises(RuntimeError, match="pulled plug"):
        train_classifier(settings, train, valid, tmp_path / "cut")
    with pytest.raises(InputError, match="did not finish"):
        ClassifierRun.open(tmp_path / "cut")
    resumed = train_classifier(settings, train, valid, tmp_path / "cut", must_resume=True)
    texts = [row.text for row in valid]
    assert Classifier.open(resumed.folder).probabilities(texts) == pytest.approx(
        Classifier.open(whole.folder).probabilities(texts), abs=1e-6
    )
    assert len(resumed.history) == len(whole.history)


def test_a_teacher_teaches_on_texts_without_labels(base: str, tmp_path: Path) -> None:
    train, valid, test = (rows_of(LABELS, count, seed) for seed, count in enumerate((40, 10, 30)))
    teacher = train_classifier(config(base, "tfidf"), train, valid, tmp_path / "teacher")
    few, more = train[:3], [row.text for row in train[3:]]
    alone = train_classifier(config(base, "tfidf"), few, valid, tmp_path / "alone")
    settings = config(base, "distill", teacher=str(teacher.folder), student="tfidf")
    taught = train_classifier(settings, few, valid, tmp_path / "taught", unlabelled=more)
    assert accuracy(taught, test) > accuracy(alone, test)
    soft = config(base, "distill", teacher=str(teacher.folder), student="full")
    assert accuracy(train_classifier(soft, few, valid, tmp_path / "soft", unlabelled=more), test) > 0.8


def test_a_language_model_teaches_by_the_odds_of_the_labels(base: str, tiny_llama: Path, tmp_path: Path) -> None:
    train, valid = rows_of(LABELS, 6), rows_of(LABELS, 3, 1)
    settings = config(base, "distill", teacher=str(tiny_llama), student="tfidf")
    material = make_material(settings, train, valid)
    learnt = taught(settings, material, ["play bread", "alarm"])
    assert learnt.texts[-2:] == ["play bread", "alarm"] and learnt.targets[-2:].sum(1).tolist() == [1, 1]
    # a teacher never overrules a row's own label
    assert (learnt.targets[:18].argmax(1) == material.targets.argmax(1)).all()
    run = train_classifier(settings, train, valid, tmp_path / "run", unlabelled=["play bread", "alarm"])
    assert run.manifest["method"] == "distill"


class Biased:
    """An engine that hears what a text is about, but likes one label best whatever the text."""

    uri, template = "biased", "chatml"

    def tokenize(self, text: str) -> list[int]:
        return list(text.encode())

    def odds(self, pairs: list[Any], *, top: int, tick: Any) -> list[list[Odds]]:
        told = []
        for prompt, answer in pairs:
            text, label = bytes(prompt).decode().rpartition("user")[2], bytes(answer).decode()
            told.append([Odds(0, (1.0 if label[:4] in text else 0.0) + (5.0 if label.startswith("music") else 0.0))])
        return told


def test_a_language_model_that_likes_one_label_is_calibrated(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POCKETLM_CACHE", str(tmp_path))
    train = rows_of(LABELS, 4)
    material = make_material(config(base, "distill", teacher="any", student="tfidf"), train, [])
    texts = [f"the {label} please" for label in sorted(LABELS)] * 2
    odds = teach._weighed(Biased(), texts, material)  # type: ignore[arg-type]
    assert odds.argmax(1).tolist() == [0, 1, 2] * 2
    assert odds.sum(1) == pytest.approx(1) and odds.mean(0) == pytest.approx(1 / 3, abs=1e-6)
    (kept,) = (tmp_path / "taught").iterdir()
    kept.write_text(kept.read_text()[:-9])  # killed in the middle of a line: that answer is asked again, no other one
    asked: list[int] = []

    def counted(self: Biased, pairs: list[Any], **_: Any) -> list[list[Odds]]:
        asked.append(len(pairs))
        return [[Odds(0, 1.0)] for _ in pairs]

    monkeypatch.setattr(Biased, "odds", counted)
    again = teach._weighed(Biased(), texts, material)  # type: ignore[arg-type]
    assert again.shape == odds.shape
    prompted = teach._weighed(Biased(), texts[:1], material, "user {text}")  # type: ignore[arg-type]
    assert prompted.shape == (1, 3) and asked == [1, 3]


def test_what_a_teacher_says_that_is_no_label_teaches_nothing(base: str, monkeypatch: pytest.MonkeyPatch) -> None:
    train = rows_of(LABELS, 6)
    settings = config(base, "distill", teacher="any", student="tfidf")
    material = make_material(settings, train, [])
    said = np.zeros((len(train) + 2, len(LABELS)), np.float32)
    said[-1, 1] = 1
    monkeypatch.setattr(teach, "_asked", lambda *_: said)
    learnt = taught(settings, material, ["silence", "an answer"])
    assert learnt.texts[len(train) :] == ["an answer"] and len(learnt.weights) == len(train) + 1
    assert (learnt.targets[: len(train)] == material.targets).all()


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"train": {"method": "qlora-4bit"}}, "not for the task classify"),
        ({"train": {"method": "distill"}}, "needs classify.teacher"),
        ({"train": {"method": "distill"}, "classify": {"teacher": "openai:gpt"}}, "would leave this machine"),
        ({"train": {"method": "distill"}, "classify": {"teacher": "OTHER"}}, "does not know the label weather"),
    ],
)
def test_what_does_not_fit_is_named(settings: dict[str, Any], says: str, base: str, tmp_path: Path) -> None:
    rows = rows_of(LABELS, 4)
    other = train_classifier(config(base, "majority"), rows_of(LABELS[:2], 4), [], tmp_path / "other")
    settings = json.loads(json.dumps(settings).replace("OTHER", str(other.folder)))
    with pytest.raises(InputError, match=says):
        train_classifier(
            Config.model_validate({"task": "classify", "base": base, **settings}), rows, [], tmp_path / "run"
        )


def test_an_answer_s_settings_that_rows_give_nothing_to_do_are_named(base: str, tmp_path: Path) -> None:
    rows, held = rows_of(LABELS, 4), rows_of(LABELS, 2, 1)
    with pytest.raises(InputError, match="classify.outside_recall: no validation row is labelled oos, "):
        train_classifier(config(base, "majority", outside_recall=0.9), rows, held, tmp_path / "run")
    with pytest.raises(InputError, match="classify.certain: is for rows of one label each"):
        train_classifier(config(base, "majority", certain=0.9), several_of(9), several_of(6, 1), tmp_path / "run")


def test_nothing_to_train_on_and_nothing_to_resume(base: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no training rows"):
        train_classifier(config(base, "tfidf"), [], [], tmp_path / "run")
    with pytest.raises(InputError, match="no interrupted training"):
        train_classifier(config(base, "full"), rows_of(LABELS, 3), [], tmp_path / "run", must_resume=True)
