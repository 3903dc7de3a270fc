"""The ladder: climbed from the cheapest up, reused, gone on with, and what it recommends is the run."""

from __future__ import annotations

import os
import shutil
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from families import make_tiny_encoder
from labelled import rows_of

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.engines.classifier import Classifier, is_classifier
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.train import ladder
from pocketlm.train.classifier_run import ClassifierRun
from pocketlm.train.ladder import Rung, choose, climb, ladder_of, ladder_text

pytest.importorskip("sklearn", reason="needs pip install 'pocketlm[classify]'")

LABELS = ("alarm", "music", "weather")
ROWS = [rows_of(LABELS, count, seed) for seed, count in enumerate((20, 12, 15))]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_tiny_encoder(tmp_path_factory.mktemp("bert")))


def config(base: str, **settings: Any) -> Config:
    rungs = ["majority", "tfidf", "embedding", "full"]
    train = {"method": "ladder", "epochs": 2, "batch_tokens": 128, "compute": "fp32"}
    return Config.model_validate(
        {"task": "classify", "base": base, "train": train, "classify": {"rungs": rungs, **settings}}
    )


def test_the_recommended_rung_is_the_run(base: str, tmp_path: Path) -> None:
    run = climb(config(base), *ROWS, tmp_path / "run")
    found = ladder_of(run.folder)
    assert found and [rung.name for rung in found.rungs] == ["majority", "tfidf", "embedding", "full"]
    assert found.chosen == run.manifest["method"] == "tfidf"
    verdicts = {rung.name: rung.verdict for rung in found.rungs}
    assert verdicts["majority"] == "worse" and verdicts["tfidf"] in ("best", "no difference shown")
    of_rung, own = Classifier.open(run.folder / "rungs" / "tfidf"), Classifier.open(run.folder)
    texts = [row.text for row in ROWS[2]]
    assert own.probabilities(texts) == pytest.approx(of_rung.probabilities(texts))
    tested = evaluate(run.task, open_engine(str(run.folder)), ROWS[2])
    rung = next(rung for rung in found.rungs if rung.name == "tfidf")
    assert rung.test == tested.value and (rung.low, rung.high) == tested.intervals["accuracy"]
    assert all(0 < rung.p50_ms <= rung.p95_ms and rung.size_mb > 0 for rung in found.rungs)
    assert rung.size_mb < next(rung for rung in found.rungs if rung.name == "full").size_mb
    assert "tfidf" in ladder_text(found) and "<- recommended" in ladder_text(found)
    assert run.model is None and run.config.train.method == "ladder"


def test_rungs_are_used_again_and_an_interrupted_ladder_goes_on(
    base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained: list[str] = []
    train = ladder.train_classifier

    def counted(config: Config, *rest: Any, **more: Any) -> ClassifierRun:
        if config.train.method == "embedding" and not trained.count("embedding"):
            trained.append("embedding")
            raise KeyboardInterrupt
        if not is_classifier(rest[2]):
            trained.append(config.train.method)
        return train(config, *rest, **more)

    monkeypatch.setattr(ladder, "train_classifier", counted)
    with pytest.raises(KeyboardInterrupt):
        climb(config(base), *ROWS, tmp_path / "run")
    assert not is_classifier(tmp_path / "run")
    first = climb(config(base), *ROWS, tmp_path / "run").manifest
    assert trained == ["majority", "tfidf", "embedding", "embedding", "full"]
    assert climb(config(base), *ROWS, tmp_path / "run").manifest == first
    assert len(trained) == 5


def test_it_stops_at_what_is_enough_and_says_what_was_left_out(base: str, tmp_path: Path) -> None:
    run = climb(config(base, enough=0.5), *ROWS, tmp_path / "run")
    found = ladder_of(run.folder)
    assert found and [rung.name for rung in found.rungs] == ["majority", "tfidf"]
    assert any("tfidf reaches 50.0%" in note for note in found.notes)
    assert any("only 36 validation rows" in note for note in found.notes)
    many = rows_of(("alarm", "music"), 100)
    again = climb(config(base, rungs=["majority", "setfit"]), many, ROWS[1][:12], [], tmp_path / "many")
    told = ladder_of(again.folder)
    assert told and any("setfit left out: 100 rows a label" in note for note in told.notes)
    assert told.rungs[0].test is None and "% - " not in ladder_text(told).splitlines()[1]


def test_what_a_static_classifier_is_opened_from_counts(base: str, tmp_path: Path) -> None:
    pytest.importorskip("wordllama", reason="needs pip install 'pocketlm[data]'")
    run = climb(config(base, rungs=["static"]), *ROWS, tmp_path / "run")
    found = ladder_of(run.folder)
    assert found and found.rungs[0].size_mb > 15


def test_another_recommendation_replaces_the_files(base: str, tmp_path: Path) -> None:
    climb(config(base, rungs=["embedding"]), *ROWS, tmp_path / "run")
    assert ClassifierRun.open(tmp_path / "run").model
    run = climb(config(base, rungs=["majority"]), *ROWS, tmp_path / "run")
    assert run.model is None and run.manifest["method"] == "majority"
    one = config(base).model_copy(update={"train": config(base).train.model_copy(update={"method": "tfidf"})})
    assert ladder_of(ladder.train_classifier(one, *ROWS[:2], tmp_path / "run").folder) is None


def _cut_short(monkeypatch: pytest.MonkeyPatch, module: Any, name: str, after: int, into: Path) -> None:
    """Let a function of a module do so many calls that write into a folder, and be killed at the next."""
    real, calls = getattr(module, name), [0]

    def killed(source: Any, target: Any, *rest: Any, **more: Any) -> Any:
        if Path(target).parent == into:
            calls[0] += 1
            if calls[0] > after:
                raise KeyboardInterrupt
        return real(source, target, *rest, **more)

    monkeypatch.setattr(module, name, killed)


@pytest.mark.parametrize("after", [0, 1])
def test_killed_while_a_rung_is_copied_the_older_run_stays(
    after: int, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, texts = tmp_path / "run", [row.text for row in ROWS[2]]
    before = climb(config(base, rungs=["embedding"]), *ROWS, folder).manifest
    answers, told = Classifier.open(folder).probabilities(texts), ladder_of(folder)
    copied: list[Any] = []
    real = shutil.copyfile

    def killed(source: Any, target: Any, **more: Any) -> Any:
        if folder / "rungs" / "tfidf" in Path(source).parents and len(copied) == after:
            raise KeyboardInterrupt
        copied.append(target)
        return real(source, target, **more)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(shutil, "copyfile", killed)
        climb(config(base, rungs=["tfidf"]), *ROWS, folder)
    assert ClassifierRun.open(folder).manifest == before and ladder_of(folder) == told
    assert Classifier.open(folder).probabilities(texts) == pytest.approx(answers)
    assert climb(config(base, rungs=["tfidf"]), *ROWS, folder).manifest["method"] == "tfidf"
    assert not list(folder.glob(".*")) and not (folder / ladder.TAKEN).exists()


@pytest.mark.parametrize("after", range(8))
def test_killed_while_a_rung_moves_in_nothing_half_written_opens(
    after: int, base: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "run"
    climb(config(base, rungs=["embedding"]), *ROWS, folder)
    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        _cut_short(patched, os, "replace", after, folder)
        climb(config(base, rungs=["tfidf"]), *ROWS, folder)
    if (folder / "manifest.json").is_file():
        made, told = ClassifierRun.open(folder).manifest, ladder_of(folder)
        assert told and told.chosen == made["method"]
        assert (folder / "model").is_dir() == (made["method"] == "embedding")
    elif is_classifier(folder):  # all that the answers need is there
        assert Classifier.open(folder).head.weight.shape[1] > 32
    else:
        with pytest.raises(InputError, match="did not finish"):
            ClassifierRun.open(folder)
    run = climb(config(base, rungs=["tfidf"]), *ROWS, folder)
    assert run.manifest["method"] == "tfidf" and run.model is None and not (folder / ladder.TAKEN).exists()


def _report(right: list[bool], rows: list[Any]) -> Any:
    class Said:
        uri, template = "said", "chatml"

        def prompt(self, row: Any) -> Any:
            return row

        def generate(self, prompts: list[Any], **_: Any) -> Any:
            from pocketlm.engines.base import Generation

            answers = [row.answer[0] if ok else "none of it" for row, ok in zip(prompts, right, strict=True)]
            return [Generation(text, 1, True, 0.0, 0.0) for text in answers]

    return evaluate(ClassifyTask(LABELS), Said(), rows)


def test_the_cheapest_that_is_not_shown_worse_is_chosen_paired() -> None:
    rows = rows_of(LABELS, 40)
    blank = Rung("", 1, 1, 1, 1, None, None, None, None)
    rights = {
        "cheap": [i % 4 != 1 for i in range(120)],
        "middle": [i % 30 != 29 for i in range(120)],
        "best": [i % 60 != 59 for i in range(120)],
    }
    found = choose([(replace(blank, name=name), _report(right, rows)) for name, right in rights.items()])
    assert [rung.verdict for rung in found.rungs] == ["worse", "no difference shown", "best"]
    assert found.chosen == "middle"
    few = choose([(replace(blank, name=name), _report(right[:6], rows[:6])) for name, right in rights.items()])
    assert few.rungs[0].verdict == "no difference shown" and few.chosen == "middle"  # 4 of 6 against 6 of 6


def test_without_validation_rows_nothing_can_be_chosen(base: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="chooses on validation rows"):
        climb(config(base), ROWS[0], [], ROWS[2], tmp_path / "run")
    with pytest.raises(InputError, match="nothing left to try"):
        climb(config(base, rungs=["setfit"]), rows_of(LABELS, 40), ROWS[1], [], tmp_path / "run")
