"""Free text as a task: the main path of a project whose rows are requests and answers."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import call

from pocketlm.data.labelled import prepare_labelled
from pocketlm.tasks.template import CHATML
from pocketlm.train.run import Run


@pytest.fixture
def project(tmp_path: Path, tiny_llama: Path) -> Path:
    """Sixty requests, half of them long, with one of three answers."""
    home = tmp_path / "echo"
    (home / "data" / "raw").mkdir(parents=True)
    rows = [
        {"instruction": f"Say {word} {i}.", "input": "", "output": f"{word} it is"}
        for word in ("yes", "no", "maybe")
        for i in range(20)
    ]
    (home / "data" / "raw" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = {"epochs": 30, "batch_tokens": 400, "rank": 8, "lr": 0.01, "compute": "fp32"}
    (home / "pocketlm.yaml").write_text(json.dumps({"task": "instruct", "base": str(tiny_llama), "train": settings}))
    return home


def test_the_main_path_of_free_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    """plan, train, eval, export and run; then again, reusing what is there."""
    run = project / "runs" / "echo"
    code, out, err = call(capsys, monkeypatch, "plan", project, "--json")
    assert code == 0, err
    assert json.loads(out)["steps"] > 3
    code, out, err = call(capsys, monkeypatch, "train", project, "--json")
    assert code == 0, err
    assert not (run / "tools.json").exists()
    assert Run.open(run).task.name == "instruct"
    assert Run.open(run).template is CHATML  # the base's own format
    code, out, err = call(capsys, monkeypatch, "eval", run, "--json", "--max-tokens", 12, "--alike", "none")
    assert code == 0, err
    assert json.loads(out)["metrics"]["exact"] >= 0.5  # one answer in three by chance
    code, out, err = call(capsys, monkeypatch, "export", run, "--json", "--precision", "f32")
    assert code in (0, 3), err
    file = next((run / "exports" / "gguf").glob("*.gguf"), None)
    assert file, err
    for engine in (run, file):
        code, out, err = call(capsys, monkeypatch, "run", engine, "Say yes 3.", "--max-tokens", 12, "--json")
        assert code == 0, err
        assert json.loads(out)["text"].strip()
    code, out, err = call(capsys, monkeypatch, "train", project)
    assert "reused" in err


def test_texts_that_are_asked_twice_are_told(tmp_path: Path) -> None:
    rows = [{"prompt": f"p {i}", "completion": f"c {i}"} for i in range(20)]
    rows += [rows[0], {"prompt": "p 1", "completion": "something else"}]
    (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    data = prepare_labelled(tmp_path / "rows.jsonl", tmp_path / "out", task="instruct")
    assert any("1 exact copies" in note for note in data.notes)
    assert any("labelled in more than one way" in note for note in data.notes)
    assert data.own_tools is None
    assert all(row.answer.startswith(("c ", "something")) for split in ("train", "test") for row in data.rows(split))
