"""The main job of an embedder on the command line: a project, a first look, a training, a score; and what it cannot do."""

from __future__ import annotations

import json
import random
from functools import partial
from pathlib import Path
from typing import Any

import command
import pytest
from families import make_tiny_encoder

WORDS = ["milk", "bread", "noon", "kitchen", "alarm", "morning", "lights", "music", "weather", "monday", "paris", "mum"]
QUICK = ["--set", "base=base", "--set", "train.compute=fp32", "--set", "embed.batch=8"]


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """A command in a folder with a project `mine` -> exit code, output, errors."""
    monkeypatch.chdir(tmp_path)

    run = partial(command.call, capsys, monkeypatch)

    (tmp_path / "base").mkdir()
    make_tiny_encoder(tmp_path / "base")
    assert run("init", "mine", "--task", "embed")[0] == 0
    rng = random.Random(0)
    some = [rng.sample(WORDS, 3) for _ in range(80)]
    rows = [
        {"anchor": f"play {a} {b}", "positive": f"{b} in the {a} and {c} at {n}", "negative": f"call {c}"}
        for n, (a, b, c) in enumerate(some)
    ]
    save("mine/data/raw/rows.jsonl", rows)
    save("scored.jsonl", [{"a": f"play {a}", "b": f"call {b} {c}", "score": 0.25} for a, b, c in some])
    save(
        "texts.jsonl",
        [{"text": f"play {a} and {b} at noon. call mum in the {c} {n}"} for n, (a, b, c) in enumerate(some)],
    )
    return run


def save(path: str, rows: list[dict[str, Any]]) -> None:
    Path(path).write_text("".join(json.dumps(row) + "\n" for row in rows))


def test_a_new_project_trains_and_is_scored(call: Any) -> None:
    assert "task: embed" in Path("mine/pocketlm.yaml").read_text() and '"anchor"' in Path("mine/README.md").read_text()
    code, out, err = call("train", "mine", *QUICK, "--set", "train.rank=4", "--json")
    assert code == 0, err
    found = json.loads(out)
    assert found["run"] == "mine/runs/mine" and {"before", "after", "kept"} == set(found["quality"])
    assert found["notes"] == ["train.rank: the method full does not read it"]
    code, out, err = call("eval", "mine/runs/mine", "--json")
    assert code == 0 and json.loads(out)["task"] == "embed", err


@pytest.mark.parametrize(
    ("more", "says", "shown"),
    [
        ([], "the second finds its first (green)", "not: "),
        (["--set", "embed.negatives=2"], "and 2 mined when training begins", "not: "),
        (["--set", "data.raw=../scored.jsonl"], "the score is learnt (green)", "0.25"),
        (["--set", "data.raw=../texts.jsonl", "--method", "adapt"], "the second finds its first (green)", ""),
    ],
)
def test_a_first_batch_is_shown_as_it_is_trained(call: Any, more: list[str], says: str, shown: str) -> None:
    code, out, err = call("train", "mine", "--show-batch", *QUICK, *more)
    assert code == 0 and says in out.splitlines()[0] and shown in out, err
    assert len(out.strip().split("\n\n")) == 3 and not Path("mine/runs/mine/model").exists()


@pytest.mark.parametrize(
    ("command", "says"),
    [
        (["run", "mine/runs/mine", "play"], "makes vectors and answers nothing"),
        (["run", "mine/runs/none", "play"], "mine/runs/none: no such run, model folder or exported file"),
        (["explain", "mine/runs/mine", "play"], "an embedder writes nothing to look into"),
        (["shrink", "mine/runs/mine"], "an embedder's run; this is for runs that write"),
        (["run", "base", "play"], "makes vectors and answers nothing"),
        (["plan", "mine"], "for embed try a tenth of an epoch"),
        (["train", "mine", "--show-batch", "--method", "static"], "--show-batch: static learns the encoder's vector"),
        (["train", "mine", "--method", "tfidf"], "train.method: tfidf is not for the task embed"),
        (["train", "mine", "--set", "data.raw=none"], "mine/none: no such file or folder"),
        (["train", "mine", "--set", "base=none"], "base none: not a folder with config.json"),
    ],
)
def test_what_an_embedder_cannot_do_is_one_sentence(call: Any, command: list[str], says: str) -> None:
    assert call("train", "mine", *QUICK, "--set", "train.epochs=0.2")[0] == 0
    code, _, err = call(*command)
    assert code == 1 and says in err and "Traceback" not in err
