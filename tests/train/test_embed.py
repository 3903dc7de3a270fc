"""Runs of the task embed: what is trained finds more than before, goes on after an interrupt, and is read again."""

from __future__ import annotations

import json
import os
import random
import signal
from pathlib import Path
from typing import Any

import families
import pytest
import torch

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.data.load import load_rows
from pocketlm.engines.embedder import open_embedder
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.tasks.embed import EmbedRow
from pocketlm.train import loop
from pocketlm.train.embed import derived, embed_project, train_embed
from pocketlm.train.pairing import PseudoQueries, dealt, make_pairs, mined, pair_plan, pairs_of
from pocketlm.train.run import Run

WORDS = ["milk", "bread", "noon", "kitchen", "alarm", "morning", "lights", "music", "weather", "monday", "paris", "mum"]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return families.make_tiny_encoder(tmp_path_factory.mktemp("bert"))


def pairs(count: int = 80) -> list[dict[str, Any]]:
    rng = random.Random(0)
    some = [rng.sample(WORDS, 3) for _ in range(count)]
    return [
        {"anchor": f"play {a} {b}", "positive": f"{b} in the {a} and {c} at {n}"} for n, (a, b, c) in enumerate(some)
    ]


def project(folder: Path, base: Path, rows: list[dict[str, Any]], train: dict[str, Any], **embed: Any) -> Config:
    (folder / "data" / "raw").mkdir(parents=True, exist_ok=True)
    (folder / "data" / "raw" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    values = {"epochs": 3, "compute": "fp32", "lr": 3e-3, **train}
    data = {"valid_share": 0.2, "test_share": 0.2}
    return Config.model_validate(
        {"task": "embed", "base": str(base), "train": values, "data": data, "embed": {"batch": 8, **embed}}
    )


def trained(folder: Path, config: Config, **more: Any) -> Run:
    run, data = embed_project(folder, config)
    return train_embed(config, data, run, **more)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_pairs_are_found_better_than_before(base: Path, tmp_path: Path, method: str) -> None:
    settings = {"method": method, "epochs": 8, "lr": 3e-3 if method == "full" else 1e-2}
    run = trained(tmp_path, project(tmp_path, base, pairs(), settings, negatives=1))
    assert run.manifest["quality"]["after"]["ndcg_at_10"] > 0 and run.manifest["kind"] == "run"
    assert [entry["step"] for entry in run.history] == list(range(1, len(run.history) + 1))
    task, rows = load_rows(run.folder)
    assert task.name == "embed" and len(set(task.pool)) == 80 and 8 <= len(rows) <= 24
    task, learnt = load_rows(run.folder, split="train")
    before, after = (evaluate(task, open_embedder(str(one)), learnt) for one in (base, run.folder))
    assert after.main == "ndcg_at_10" and after.value > before.value + 0.1


def test_scored_pairs_are_put_in_order(base: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    rows = []
    for n in range(60):
        a, b, c = rng.sample(WORDS, 3)
        rows += [
            {"a": f"play {a} {n}", "b": f"call {a} at {b}", "score": 1},
            {"a": f"play {a} {n} ", "b": f"call {c} at {b}", "score": 0},
        ]
    for objective in ("cosent", "cosine"):
        folder = tmp_path / objective
        run = trained(folder, project(folder, base, rows, {"epochs": 10}, objective=objective))
        assert set(run.manifest["quality"]["after"]) == {"spearman"}
        task, learnt = load_rows(run.folder, split="train")
        before, after = (evaluate(task, open_embedder(str(one)), learnt).value for one in (base, run.folder))
        assert after > before + 0.2


def test_an_unchanged_run_is_reused_and_a_changed_one_is_not(base: Path, tmp_path: Path) -> None:
    config = project(tmp_path, base, pairs(), {"epochs": 1})
    first = trained(tmp_path, config).manifest
    assert trained(tmp_path, config).manifest == first
    other = config.model_copy(update={"embed": config.embed.model_copy(update={"temperature": 0.1})})
    assert trained(tmp_path, other).manifest["key"] != first["key"]


def test_nothing_of_a_classifier_that_was_trained_there_stays(base: Path, tmp_path: Path) -> None:
    config = project(tmp_path, base, pairs(), {"epochs": 1})
    folder, _ = embed_project(tmp_path, config)
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("head.json", "ladder.json"):
        (folder / name).write_text("{}")
    assert Run.open(trained(tmp_path, config).folder).manifest["task"] == "embed"


def test_an_interrupted_run_goes_on_to_the_same_weights(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(tmp_path / "a", project(tmp_path / "a", base, pairs(), {"save_seconds": 0}, negatives=2))
    take, calls = loop.take_step, [0]

    def stopping(*args: Any) -> float:
        calls[0] += 1
        if calls[0] == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return take(*args)

    config = project(tmp_path / "b", base, pairs(), {"save_seconds": 0}, negatives=2)
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(loop, "take_step", stopping)
        trained(tmp_path / "b", config)
    parts = trained(tmp_path / "b", config, must_resume=True)
    assert (whole.model / "model.safetensors").read_bytes() == (parts.model / "model.safetensors").read_bytes()
    assert [entry["loss"] for entry in whole.history] == [entry["loss"] for entry in parts.history]
    assert not list(parts.folder.glob("checkpoint-*"))
    with pytest.raises(InputError, match="without --resume"):
        trained(tmp_path / "c", project(tmp_path / "c", base, pairs(), {}), must_resume=True)


def test_bare_texts_adapt_an_encoder_or_leave_it(base: Path, tmp_path: Path) -> None:
    rng = random.Random(0)
    texts = [" ".join(rng.choices(WORDS, k=6)) + ". " + " ".join(rng.choices(WORDS, k=9)) + "." for _ in range(120)]
    rows = [{"text": f"{text} {text.partition('.')[0]} again."} for text in texts]
    good = trained(tmp_path / "a", project(tmp_path / "a", base, rows, {"method": "adapt", "epochs": 6}, negatives=1))
    quality = good.manifest["quality"]
    assert quality["kept"] and quality["after"]["ndcg_at_10"] > quality["before"]["ndcg_at_10"]
    config = project(tmp_path / "b", good.model, rows, {"method": "adapt", "lr": 0.9, "clip": 1e6})
    bad = trained(tmp_path / "b", config)
    assert not bad.manifest["quality"]["kept"]
    wanted = open_embedder(str(good.folder)).embed(texts)
    assert open_embedder(str(bad.folder)).embed(texts) == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ("train", "embed", "wrong"),
    [
        ({"method": "qlora-4bit"}, {}, "not for the task embed"),
        ({}, {"objective": "cosent"}, "not for pairs without scores"),
        ({}, {"objective": "triplet"}, "triplet needs negatives"),
        ({}, {"dims": [64]}, "no width below"),
        ({"method": "static"}, {"width": 64}, "more than the base's 32"),
        ({}, {"objective": "triplet", "symmetric": True}, "embed.symmetric: the objective triplet does not read it"),
        ({}, {"margin": 0.2}, "embed.margin: says which texts are hard negatives"),
    ],
)
def test_settings_that_do_not_fit_are_named(
    base: Path, tmp_path: Path, train: dict[str, Any], embed: dict[str, Any], wrong: str
) -> None:
    with pytest.raises(InputError, match=wrong):
        trained(tmp_path, project(tmp_path, base, pairs(), train, **embed))


def test_scored_pairs_refuse_what_is_for_pairs_without(base: Path, tmp_path: Path) -> None:
    rows = [{"a": f"play {n}", "b": f"call {n}", "score": n % 2} for n in range(20)]
    with pytest.raises(InputError, match="embed.negatives: the objective cosent does not read it"):
        trained(tmp_path, project(tmp_path, base, rows, {}, negatives=2))


def test_defaults_are_the_methods_own() -> None:
    config = derived(Config(task="embed"))
    assert (config.base, config.train.method) == ("starter:minilm-l6", "full") and config.train.lr < 1e-4
    told = derived(Config.model_validate({"task": "embed", "train": {"method": "lora", "lr": 0.01}}))
    assert told.train.lr == 0.01 and told.train.rank == 16


def test_hard_negatives_are_near_but_not_too_near() -> None:
    texts = torch.nn.functional.normalize(torch.tensor([[1, 0], [0.99, 0.1], [0.8, 0.6], [0.0, 1.0]]), dim=1)
    anchor = torch.tensor([[1.0, 0.0]])
    assert mined(anchor, [[0]], texts, 2, 0.05) == [[2, 3]]  # the second is as good as the first
    assert mined(anchor, [[0]], texts, 2, 0.0) == [[1, 2]]
    assert mined(anchor, [[0, 2]], texts, 9, 0.05) == [[3]]


def test_batches_know_what_belongs_together() -> None:
    rows = [EmbedRow("q", ("x", "y")), EmbedRow("r", ("x",), negatives=("z", "q"))]
    made = make_pairs(pairs_of(rows), [(), (), ("z", "q")], lambda texts: [[len(text)] for text in texts])
    assert list(made.keys) == [0, 1, 0, 2, 3]
    assert [set(keys) for keys in made.belongs] == [{0, 1, 3}, {0, 1, 3}, {0}]
    plan = pair_plan([pairs_of(rows)] * 2, 2, lambda texts: [[1] for _ in texts], 0)
    assert sum(piece.count for piece in plan) == 6
    assert [len(some) for some in dealt(range(17), 8)] == [8, 9]


def test_queries_are_made_of_a_text_and_do_not_stand_in_what_is_sought() -> None:
    text = "The first sentence says it. A second one adds more to it. The third ends this text."
    queries = PseudoQueries([text, "milk and bread"], ["", ""])
    head, rest = queries.make(0, random.Random(0), ["head"])
    assert head == "The first sentence says it." and rest == text[len(head) + 1 :]
    sentence, rest = queries.make(0, random.Random(1), ["sentence"])
    assert sentence in text and sentence not in rest
    crop, whole = queries.make(1, random.Random(0), ["sentence"])  # too short for two sentences
    assert crop in whole == "milk and bread" and crop != whole
    keywords, whole = queries.make(0, random.Random(0), ["keywords"])
    assert whole == text and set(keywords.split()) <= set(text.lower().replace(".", "").split())


def test_triplets_are_trained_with_negatives_that_are_mined(base: Path, tmp_path: Path) -> None:
    config = project(tmp_path, base, pairs(), {"method": "full", "patience": 2}, objective="triplet", negatives=1)
    run = trained(tmp_path, config)
    assert run.manifest["metrics"]["valid_loss"] > 0 and len(run.history) > 3


def test_another_share_held_out_is_another_training(base: Path, tmp_path: Path) -> None:
    config = project(tmp_path, base, pairs(), {"method": "full", "epochs": 1})
    key = trained(tmp_path, config).manifest["key"]
    other = config.model_copy(update={"data": config.data.model_copy(update={"valid_share": 0.3})})
    assert trained(tmp_path, other).manifest["key"] != key
