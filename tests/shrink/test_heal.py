"""Healing brings a shrunk model nearer to the one it was cut from, goes on where it stopped, and ends as a run."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny_llama

from pocketlm.core.config import Config, TrainConfig
from pocketlm.core.files import read_json, sha256_file
from pocketlm.models.load import load_model, load_tokenizer
from pocketlm.shrink import heal as healing
from pocketlm.shrink.depth import prune_depth
from pocketlm.shrink.heal import counterparts, heal
from pocketlm.shrink.vocabulary import kept_ids, prune_vocabulary
from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.template import TERSE, Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.train import loop, probe
from pocketlm.train.run import Run, encode, train_run

TOOLS = ToolSet.from_openai([{"name": "stop"}, {"name": "play"}], "t")
ROWS = [
    CallRow((Message("user", f"{verb} the {thing}"),), (Call(verb, {}),))
    for verb in ("stop", "play")
    for thing in ("music", "alarm", "kitchen lights", "weather", "call", "milk", "noon bread", "monday")
]
TEXTS = [text for row in ROWS for text in (f"<|im_start|>{row.text}<|im_end|>", '[{"name":"stop","arguments":{}}]')]
SETTINGS = TrainConfig(
    method="full", lr=2e-3, epochs=8, batch_tokens=128, augment="none", compute="fp32", threads=1, validations=2,
    save_seconds=0,
)  # fmt: skip


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("teacher")
    base = make_tiny_llama(folder / "base", layers=3)
    config = Config(base=str(base), template="terse", train=SETTINGS.model_copy(update={"epochs": 4}))
    return train_run(config, TOOLS, ROWS, ROWS[:2], folder / "run")


@pytest.fixture(scope="module")
def student(teacher: Run) -> Path:
    folder = teacher.folder.parent
    prune_vocabulary(teacher.model, folder / "fewer", TEXTS, size=0)
    prune_depth(folder / "fewer", folder / "shallow", [1])
    return folder / "shallow"


def divergence(teacher: Run, folder: Path) -> float:
    """KL to the teacher in nats a label token, by plain logits."""
    batch = _examples(teacher, folder)
    models = [load_model(path, torch.float32) for path in (teacher.model, folder)]
    rows, total = torch.tensor(kept_ids(teacher.model, folder)), 0.0
    for example in batch:
        ids, start = torch.tensor(example.prompt + example.completion), len(example.prompt)
        with torch.no_grad():
            told = models[0](rows[ids][None]).logits[0, start - 1 : -1][:, rows].log_softmax(1)
            own = models[1](ids[None]).logits[0, start - 1 : -1].log_softmax(1)
        total += float((told.exp() * (told - own)).sum())
    return total / sum(len(example.completion) for example in batch)


def _examples(teacher: Run, folder: Path) -> list[Any]:
    return encode(teacher.task, ROWS, load_tokenizer(folder), TERSE, 100)


def healed(teacher: Run, student: Path, folder: Path, **more: Any) -> Run:
    return heal(student, teacher, ROWS, ROWS[:2], folder, **{"minutes": 1, "settings": SETTINGS, **more})


@pytest.fixture(scope="module")
def run(teacher: Run, student: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    return healed(teacher, student, tmp_path_factory.mktemp("healed") / "run")


def test_healing_brings_the_student_nearer_to_its_teacher(teacher: Run, student: Path, run: Run) -> None:
    assert divergence(teacher, run.model) < 0.5 * divergence(teacher, student)


def test_what_comes_out_is_a_run_that_names_its_origin(teacher: Run, student: Path, run: Run) -> None:
    opened = Run.open(run.folder)
    assert load_tokenizer(opened.model).chat_template == TERSE.jinja
    assert opened.task.tools.names == TOOLS.names
    assert opened.manifest["lineage"] == teacher.manifest["lineage"]
    shrunk = opened.manifest["shrunk"]
    assert shrunk["from"] == teacher.manifest["key"]
    assert [list(step) for step in shrunk["surgeries"]] == [["vocabulary", "of"], ["dropped_blocks"]]
    assert read_json(opened.model / "pocketlm.json") == {"adapter": None, "shrunk": shrunk["surgeries"]}
    assert read_json(opened.model / "config.json")["num_hidden_layers"] == 2
    assert opened.config.base == teacher.config.base, "what was cut is not kept"
    assert not list(run.folder.glob("checkpoint*"))


def test_it_is_reused_where_nothing_changed(teacher: Run, student: Path, run: Run) -> None:
    before = sha256_file(run.folder / "manifest.json")
    healed(teacher, student, run.folder)
    assert sha256_file(run.folder / "manifest.json") == before
    other = run.folder.parent / "other"
    healed(teacher, student, other, share=0.2)
    assert sha256_file(other / "model" / "model.safetensors") != sha256_file(run.model / "model.safetensors")


def test_an_interrupted_healing_goes_on_and_ends_with_the_same_weights(
    teacher: Run, student: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries: list[dict[str, float]] = []
    take = loop.take_step

    def stopping(*args: Any) -> float:
        entries.append({})
        if len(entries) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return take(*args)

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, "take_step", stopping)
        healed(teacher, student, tmp_path / "run")
    assert list((tmp_path / "run").glob("checkpoint*.pt"))
    again = healed(
        teacher, student, tmp_path / "run", minutes=0.001
    )  # what is left of the time decides nothing any more
    assert sha256_file(again.model / "model.safetensors") == sha256_file(run.model / "model.safetensors")


def test_few_minutes_are_fewer_epochs(
    teacher: Run, student: Path, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(probe, "probe", lambda *_, **__: probe.Probe(32, 100, 10.0, 0.0, 2))
    short = healed(teacher, student, tmp_path / "run")
    assert len(short.history) == round(6 / 32 * len(run.history))


def test_each_block_answers_for_those_that_are_gone_behind_it() -> None:
    assert counterparts([], 3) == (0, 1, 2)
    assert counterparts([{"vocabulary": 9}, {"dropped_blocks": [2, 4]}], 5) == (0, 2, 4)
    assert counterparts([{"dropped_blocks": [2]}, {"dropped_blocks": [1, 2]}], 5) == (3, 4), "counted in what was left"


def test_what_was_cut_and_healed_can_teach_a_smaller_one(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taught: list[tuple[int, ...]] = []

    def noting(*args: Any, **more: Any) -> Run:
        taught.append(more["teaching"].blocks)
        return train_run(*args, **more)

    monkeypatch.setattr(healing, "train_run", noting)
    shutil.copytree(run.model, tmp_path / "as it is")
    healed(run, tmp_path / "as it is", tmp_path / "same")
    prune_depth(run.model, tmp_path / "cut", [0])
    again = healed(run, tmp_path / "cut", tmp_path / "run")
    assert taught == [(0, 1), (1,)]
    assert [step.get("dropped_blocks") for step in again.manifest["shrunk"]["surgeries"]] == [None, [1], [0]]
