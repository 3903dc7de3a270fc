"""The command line: quick help, one-sentence errors, exit codes, and the main job on a tiny model."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from command import call
from safetensors.torch import load_file
from tiny import make_tiny_llama

from pocketlm.train.run import Run

TOOLS = [
    {"name": "open", "parameters": {"type": "object", "properties": {"app": {"type": "string"}}, "required": ["app"]}},
    {"name": "stop", "parameters": {"type": "object", "properties": {}}},
]


def test_help_is_quick_and_imports_no_torch() -> None:
    code = "import sys; sys.argv = ['pocketlm', '--help']\nfrom pocketlm.cli.main import main\ntry: main()\nexcept SystemExit: pass\n"
    code += "print('heavy:', [m for m in ('torch', 'transformers', 'numpy', 'pydantic') if m in sys.modules])"
    times = []
    for _ in range(3):
        start = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - start)
    assert "heavy: []" in done.stdout
    assert "train" in done.stdout
    assert min(times) < 2.0  # half a second on an idle machine; this bound only catches a heavy import


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["nonsense"], 1, "No such command"),
        (["train", "missing"], 1, "no such file; make a project with"),
        (["eval", "missing.gguf"], 1, "say which rows to score"),
        (["run", "runs/none", "hello"], 1, "no such run, model folder or exported file"),
        (["export", "runs/none"], 1, "not a finished run"),
        (["compare", "a.json", "b.json"], 1, "a.json: no such file"),
        (["init", "x", "--task", "paint"], 1, "--task paint: not known; there are call, instruct, classify, embed"),
    ],
)
def test_errors_are_one_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    arguments: list[str],
    code: int,
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    got, out, err = call(capsys, monkeypatch, *arguments)
    assert (got, out) == (code, "")
    assert err.startswith("error: ")
    assert says in err
    assert "Traceback" not in err
    got, out, _ = call(capsys, monkeypatch, *arguments, "--json")
    if arguments[0] != "nonsense":
        assert says in json.loads(out)["error"]


@pytest.fixture
def project(tmp_path: Path, tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project on the tiny model: 60 requests for two functions."""
    home = tmp_path / "mybot"
    rows: list[dict[str, Any]] = []
    for i in range(60):
        rows.append({"text": f"open app {i}", "calls": [{"name": "open", "arguments": {"app": f"app {i}"}}]})
        rows.append({"text": f"stop now {i}", "calls": [{"name": "stop", "arguments": {}}]})
    (home / "data" / "raw").mkdir(parents=True)
    (home / "tools.json").write_text(json.dumps(TOOLS))
    (home / "data" / "raw" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    (home / "pocketlm.yaml").write_text(
        f"base: {tiny_llama}\ntrain:\n  epochs: 4\n  batch_tokens: 400\n  rank: 4\n  lr: 0.01\n"
    )
    return home


def test_the_main_job(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    """train, eval, export and run, each on what the one before it wrote; then again, reusing it."""
    run = project / "runs" / "mybot"
    code, out, err = call(capsys, monkeypatch, "train", project, "--json")
    assert code == 0, err
    assert json.loads(out)["steps"] > 3
    code, out, err = call(capsys, monkeypatch, "eval", run, "--json", "--max-tokens", 24, "--save", project / "a.json")
    assert code == 0, err
    assert 0 <= json.loads(out)["metrics"]["exact"] <= 1
    code, out, err = call(capsys, monkeypatch, "export", run, "--json", "--precision", "f32")
    assert code == 0, err
    assert all(check["passed"] for check in json.loads(out)[0]["checks"])
    assert not (run / "exports" / "gguf" / "rejected.gguf").exists()
    for engine in (run, run / "exports" / "gguf" / "model.gguf"):
        code, out, err = call(capsys, monkeypatch, "run", engine, "open app 3", "--json")
        if code == 0:  # a random model may ramble inside a string until it is cut
            assert set(json.loads(out)) == {"request", "calls"}
        else:
            assert "cut" in err
    code, out, err = call(capsys, monkeypatch, "train", project)
    assert code == 0
    assert "reused" in err


def test_ctrl_c_then_again(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, project: Path) -> None:
    from pocketlm.train import loop

    step, calls = loop.take_step, [0]

    def interrupted(*arguments: Any) -> float:
        calls[0] += 1
        if calls[0] == 4:
            os.kill(os.getpid(), signal.SIGINT)
        return step(*arguments)

    monkeypatch.setattr(loop, "take_step", interrupted)
    code, _, err = call(capsys, monkeypatch, "train", project)
    assert code == 130
    assert "run the same command to go on" in err
    assert not (project / "runs" / "mybot" / "manifest.json").exists()
    code, _, err = call(capsys, monkeypatch, "eval", project / "runs" / "mybot")
    assert code == 1
    code, _, err = call(capsys, monkeypatch, "train", project)
    assert code == 0
    assert "interrupted training was found" in err


@pytest.mark.parametrize(
    ("yaml", "says"),
    [
        ("train:\n  learning_rate: 1\n", 'unknown key "train.learning_rate"'),
        ("bases: x\nseed: -1\n", 'did you mean "base"?'),
        ("train: [1", "not valid YAML"),
        ("train:\n  lr: fast\n", "train.lr:"),
        ("just text", "expected keys and values"),
    ],
)
def test_bad_settings(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, yaml: str, says: str
) -> None:
    (tmp_path / "pocketlm.yaml").write_text(yaml)
    code, _, err = call(capsys, monkeypatch, "train", tmp_path)
    assert code == 1
    assert says in err
    assert "pocketlm.yaml" in err


def test_init_makes_a_project_and_never_overwrites_one(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    code, _, _ = call(capsys, monkeypatch, "init", tmp_path / "bot", "--task", "call")
    assert code == 0
    code, _, err = call(capsys, monkeypatch, "train", tmp_path / "bot")
    assert (code, "data/raw" in err) == (1, True)
    code, _, err = call(capsys, monkeypatch, "init", tmp_path / "bot")
    assert (code, "project here already" in err) == (1, True)


def test_adapters_are_listed_merged_and_swapped(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    runs = project / "runs"
    for name in ("a", "b"):
        code, _, err = call(capsys, monkeypatch, "train", project, "--name", name, "--set", f"seed={ord(name)}")
        assert code == 0, err

    def weights(folder: Path) -> dict[str, Any]:
        return load_file(folder / "model.safetensors")

    def equal(one: dict[str, Any], other: dict[str, Any]) -> bool:
        return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)

    code, out, _ = call(capsys, monkeypatch, "adapters", "list", runs, "--json")
    assert code == 0
    assert [Path(found["folder"]) for found in json.loads(out)] == [runs / "a" / "adapter", runs / "b" / "adapter"]
    code, _, err = call(capsys, monkeypatch, "adapters", "merge", runs / "b", "--to", project / "merged")
    assert code == 0, err
    a, b = weights(runs / "a" / "model"), weights(runs / "b" / "model")
    assert equal(weights(project / "merged"), b)
    assert not equal(a, b)
    code, _, err = call(capsys, monkeypatch, "adapters", "merge", runs / "b", "--to", project / "merged")
    assert (code, "exists already" in err) == (1, True)

    identity = Run.open(runs / "a").identity
    code, _, err = call(capsys, monkeypatch, "adapters", "swap", runs / "a", runs / "b")
    assert code == 0, err
    assert equal(weights(runs / "a" / "model"), b)
    assert Run.open(runs / "a").identity != identity
    code, _, err = call(capsys, monkeypatch, "adapters", "swap", runs / "a", runs / "a")
    assert code == 0, err
    assert equal(weights(runs / "a" / "model"), a)
    assert Run.open(runs / "a").identity == identity


def test_an_adapter_of_another_kind_or_base_is_refused(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, project: Path, tmp_path: Path
) -> None:
    assert call(capsys, monkeypatch, "train", project)[0] == 0
    adapter = project / "runs" / "mybot" / "adapter"
    code, _, err = call(capsys, monkeypatch, "adapters", "merge", tmp_path, "--to", tmp_path / "out")
    assert (code, "holds no adapter" in err) == (1, True)
    config = json.loads((adapter / "adapter_config.json").read_text())
    other = make_tiny_llama(tmp_path / "other", width=96)
    code, _, err = call(capsys, monkeypatch, "adapters", "merge", adapter, "--to", tmp_path / "out", "--base", other)
    assert (code, "has no such layer" in err) == (1, True)
    (adapter / "adapter_config.json").write_text(json.dumps({**config, "rank_pattern": {"q_proj": 8}}))
    code, _, err = call(capsys, monkeypatch, "adapters", "merge", adapter, "--to", tmp_path / "out")
    assert (code, "rank_pattern" in err) == (1, True)
    assert not (tmp_path / "out").exists()


def test_two_rows_are_shown_as_they_are_trained(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, project: Path
) -> None:
    code, out, _ = call(capsys, monkeypatch, "train", project, "--show-batch")
    assert code == 0
    assert "of them learnt (green)" in out
    assert not (project / "runs" / "mybot" / "manifest.json").exists()
