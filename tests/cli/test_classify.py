"""The main job of a classifier on the command line: a project, a ladder, a score, an answer, an exported file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import command
import pytest
from families import make_tiny_encoder
from labelled import rows_of

from pocketlm.cli.export import find_subject
from pocketlm.engines.classifier import Classifier
from pocketlm.engines.open import open_engine

pytest.importorskip("sklearn", reason="needs pip install 'pocketlm[classify]'")

LABELS = ("alarm", "music", "weather")


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A command in a folder with a project `mine` -> exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    run = partial(command.call, capsys, monkeypatch)

    (tmp_path / "base").mkdir()
    make_tiny_encoder(tmp_path / "base")
    assert run("init", "mine", "--task", "classify")[0] == 0
    rows = [{"text": row.text, "label": row.answer[0]} for row in rows_of((*LABELS, "oos"), 30)]
    (tmp_path / "mine" / "data" / "raw" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return run


QUICK = ["--set", "base=base", "--set", "train.compute=fp32", "--set", "train.epochs=2", "--set", "train.lr=2e-3"]


def test_a_new_project_says_what_a_row_is(call: Any) -> None:
    assert '"label": "delivery"' in Path("mine/README.md").read_text()
    assert not Path("mine/tools.json").exists()
    assert "task: classify" in Path("mine/pocketlm.yaml").read_text()


def test_a_ladder_then_a_score_an_answer_and_a_history(call: Any) -> None:
    code, out, err = call("train", "mine", *QUICK, "--set", "classify.rungs=[majority,rules,tfidf]")
    assert code == 0, err
    assert "<- recommended" in out and "Next: pocketlm eval mine/runs/mine" in out
    code, out, err = call("eval", "mine/runs/mine", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["task"] == "classify" and found["metrics"]["accuracy"] > 0.8
    assert {"constant", "majority", "rule: label of the nearest example"} <= set(found["baselines"])
    code, out, _ = call("run", "mine/runs/mine", "play music")
    assert code == 0 and out.startswith("music  ") and "next: " in out
    told = json.loads(call("run", "mine/runs/mine", "play music", "--json")[1])
    assert told["labels"] == ["music"] and 0 < told["probability"] <= 1 and len(told["probabilities"]) == 4
    assert call("history", "mine/runs")[0] == 0
    code, out, err = call("eval", "mine/runs/mine/rungs/rules", "--no-baselines")  # on the run's own rows
    assert code == 0 and "task classify" in out, err
    code, out, err = call("compare", "mine/runs/mine/rungs/rules", "mine/runs/mine", "--data", "mine/runs/mine")
    assert code == 0 and "accuracy" in out, err
    code, out, err = call("eval", "mine/runs/mine", "--html", "page.html", "--latency", "--no-baselines")
    assert code == 0 and Path("page.html").is_file() and "p50" in out, err


def test_short_forms_are_the_settings(call: Any) -> None:
    code, out, err = call("train", "mine", "--method", "tfidf", "--json")
    assert code == 0, err
    assert json.loads(out)["method"] == "tfidf"
    code, out, err = call("train", "mine", "--enough", "0.1", "--json", *QUICK, "--name", "ladder")
    assert [rung["name"] for rung in json.loads(out)["ladder"]["rungs"]] == ["majority"], err
    assert "not for the task classify" in call("train", "mine", "--method", "qlora-4bit")[2]


def test_a_first_batch_is_shown_as_it_is_trained(call: Any) -> None:
    for method, says in (("ladder", "labels are learnt"), ("setfit", "texts of one label are brought near")):
        code, out, err = call("train", "mine", "--show-batch", "--method", method, "--set", "base=base")
        assert code == 0 and says in out.splitlines()[0], err
        shown = out.strip().split("\n\n")[1:]
        labels = [part.splitlines()[1] for part in shown]
        assert len(shown) == 2 and set(labels) <= {*LABELS, "oos"}
        assert len(set(labels)) == 1 or method == "ladder"
        assert not Path("mine/runs/mine/rungs").exists()
    code, _, err = call("train", "mine", "--show-batch", "--method", "tfidf")
    assert code == 1 and "--show-batch: tfidf learns from all rows at once" in err


def test_rows_of_one_s_own_are_scored_with_all_labels_known(call: Any) -> None:
    assert call("train", "mine", "--method", "tfidf")[0] == 0
    Path("own.csv").write_text("text,label\nplay music,music\ncall mum,music\n")
    code, out, err = call("eval", "mine/runs/mine", "own.csv", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert len(found["settings"]["labels"]) == 4 and found["metrics"]["valid"] == 1


def test_an_exported_file_does_what_the_run_does(call: Any) -> None:
    pytest.importorskip("onnxruntime", reason="needs pip install 'pocketlm[onnx]'")
    code, out, err = call("train", "mine", "--method", "full", *QUICK)
    assert code == 0, err
    assert find_subject("mine/runs/mine").tolerance == 0.005  # of the score that a file may lose
    code, out, err = call("export", "mine/runs/mine", "--to", "onnx,gguf", "--precision", "fp16", "--json")
    assert code == 0, err
    for bundle in json.loads(out):
        checks = {check["name"]: check for check in bundle["checks"]}
        assert checks["score"]["passed"] and "100.0% of " in checks["score"]["found"]
        assert bundle["comparison"]["verdict"] == "no difference shown"
        folder = Path("mine/runs/mine/exports") / bundle["format"]
        assert {"head.json", "head.safetensors", "MODEL_CARD.md"} <= {file.name for file in folder.iterdir()}
        assert "`inside_from`" in (folder / "MODEL_CARD.md").read_text()
        texts = [row.text for row in rows_of(LABELS, 5, 9)]
        engine: Any = open_engine(str(folder))
        assert isinstance(engine, Classifier)
        own = Classifier.open(Path("mine/runs/mine"))
        assert engine.probabilities(texts) == pytest.approx(own.probabilities(texts), abs=0.02)
        engine.close()
        code, out, err = call("run", folder / bundle["file"], "play music")
        assert code == 0 and out.startswith("music"), err


def test_a_calibrated_answer_tells_its_confidence(call: Any) -> None:
    assert call("train", "mine", "--method", "rules")[0] == 0
    Path("own.jsonl").write_text(Path("mine/runs/mine/data/train.jsonl").read_text())
    code, _, err = call("calibrate", "mine/runs/mine", "--data", "own.jsonl")
    assert code == 1 and "3 right and 3 wrong" in err  # a rule knows its own rows
    text = "".join(
        json.dumps({"text": f"play music {n}", "label": label}) + "\n" for n in range(12) for label in LABELS
    )
    Path("held.jsonl").write_text(text)
    code, _, err = call("calibrate", "mine/runs/mine", "--data", "held.jsonl", "--test", "held.jsonl")
    assert code == 0, err
    told = json.loads(call("run", "mine/runs/mine", "play music", "--json")[1])
    assert 0 < told["confidence"] < 1


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["export", "mine/runs/mine", "--to", "onnx"], "its features are words, so there is no model to convert"),
        (["shrink", "mine/runs/mine"], "a classifier's run; this is for runs that write"),
        (["plan", "mine"], "for classify try a tenth of an epoch"),
        (["explain", "mine/runs/mine", "play"], "a classifier"),
    ],
)
def test_what_a_classifier_cannot_do_is_one_sentence(call: Any, command: list[str], says: str) -> None:
    assert call("train", "mine", "--method", "tfidf")[0] == 0
    code, _, err = call(*command)
    assert code == 1 and says in err and "Traceback" not in err
