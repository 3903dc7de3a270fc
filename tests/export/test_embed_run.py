"""Runs of the task embed as exported files: each finds the test rows' texts as the run itself does."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from families import make_tiny_bert

from pocketlm.cli.export import find_subject
from pocketlm.core.config import Config
from pocketlm.core.errors import GateFailed, InputError
from pocketlm.engines.embedder import open_embedder
from pocketlm.export import bundle, formats, verify
from pocketlm.train.embed import embed_project, train_embed

WORDS = ["milk", "bread", "noon", "kitchen", "alarm", "morning", "lights", "music", "weather", "monday", "paris", "mum"]


def trained(home: Path, base: Path, method: str = "full", count: int = 60) -> Path:
    rng = random.Random(0)
    some = [rng.sample(WORDS, 3) for _ in range(count)]
    rows = [
        {"anchor": f"play {a} {b}", "positive": f"{b} in the {a} and {c} at {n}"} for n, (a, b, c) in enumerate(some)
    ]
    (home / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    train = {"epochs": 2, "compute": "fp32", "lr": 1e-3, "method": method}
    data = {"raw": "rows.jsonl", "test_share": 0.3}
    config = Config.model_validate(
        {"task": "embed", "base": str(base), "data": data, "train": train, "embed": {"batch": 8, "width": 16}}
    )
    return train_embed(config, embed_project(home, config, method)[1], home / "runs" / method).folder


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("project")
    return trained(home, make_tiny_bert(home / "bert"))


@pytest.mark.parametrize("format", ["onnx", "gguf", "litert", "coreml"])
def test_an_exported_run_is_scored_on_its_test_rows(
    run: Path, format: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in (*formats.FORMATS[format].needs, *({"gguf": ("xllamacpp",)}.get(format, ()))):
        pytest.importorskip(package)
    monkeypatch.setattr(verify, "STRINGS", 200)
    subject = find_subject(str(run))
    made = bundle.export(subject, format, precision="fp16" if format == "coreml" else None, out=tmp_path / format)
    assert made.checks and all(check.passed for check in made.checks)
    runs = formats.find_format(format).executes
    scored = {name if runs else f"{name} of its weights on torch" for name in ("vectors", "score")}
    assert {check.name for check in made.checks} >= scored
    assert made.report and made.report.main == "ndcg_at_10" and len(made.report.rows) == len(subject.rows) > 5
    if not runs:
        return
    wanted = open_embedder(str(run)).embed(WORDS)
    assert (open_embedder(str(made.file)).embed(WORDS) * wanted).sum(1).min() > 0.99


def test_a_file_that_finds_less_is_rejected(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime", reason="needs pip install 'pocketlm[onnx]'")
    monkeypatch.setattr(verify, "STRINGS", 50)
    subject = find_subject(str(run))
    right = subject.reference()  # type: ignore[misc]
    rows = [row for row in right.rows if row.numbers["ndcg_at_10"][0] > 0]
    assert rows, "the run finds nothing, so nothing could get lost"
    monkeypatch.setattr("pocketlm.engines.onnx_embedder.OnnxEmbedder.embed", _backwards)
    with pytest.raises(GateFailed, match="vectors|score"):
        bundle.export(subject, "onnx", out=tmp_path / "onnx")


def _backwards(self: object, texts: list[str]) -> object:
    """Vectors of other texts."""
    return open_embedder("static").embed(texts)[:, :64]


def test_a_static_run_ships_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="ship the folder"):
        find_subject(str(trained(tmp_path, make_tiny_bert(tmp_path / "bert"), "static", 200)))
