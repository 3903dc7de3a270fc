"""An export that does not do the job is stopped: planted faults are caught, and nothing is left that looks finished."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file, save_file

from pocketlm.core.config import load_config
from pocketlm.core.errors import GateFailed
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import Report, evaluate
from pocketlm.export import bundle
from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.train.run import Run, train_run

TOOLS = ToolSet.from_openai([{"name": "on"}, {"name": "off"}], "t")


@pytest.fixture(scope="module")
def trained(tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Run, list[CallRow], Report]:
    """A tiny model that has learnt two commands, so that there is something to lose."""
    rows = [CallRow((Message("user", f"{name} {i}"),), (Call(name, {}),)) for i in range(30) for name in ("on", "off")]
    settings = [
        f"base={tiny_llama}",
        "train.epochs=10",
        "train.batch_tokens=150",
        "train.lr=0.01",
        "train.compute=fp32",
    ]
    run = train_run(load_config(None, settings), TOOLS, rows, rows[:4], tmp_path_factory.mktemp("runs") / "r")
    report = evaluate(run.task, open_engine(str(run.folder)), rows, max_tokens=24)
    assert report.metrics["exact"] > 0.9
    return run, rows, report


def test_a_good_export_passes_and_is_reused(trained: Any) -> None:
    run, rows, report = trained
    made = bundle.export_run(run, rows, lambda: report, precision="f32")
    assert all(check.passed for check in made.checks)
    assert {path.name for path in made.folder.iterdir()} == {
        "model.gguf",
        "tools.json",
        "grammar.gbnf",
        "report.json",
        "manifest.json",
    }
    before = made.file.stat().st_mtime_ns
    again = bundle.export_run(run, rows, lambda: pytest.fail("made again"), precision="f32")
    assert again.file.stat().st_mtime_ns == before


def swap_two_tokens(folder: Path) -> None:
    """A tokenizer that differs in two ids only."""
    path = folder / "tokenizer.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    vocabulary = content["model"]["vocab"]
    vocabulary["a"], vocabulary["b"] = vocabulary["b"], vocabulary["a"]
    path.write_text(json.dumps(content), encoding="utf-8")


def flip_a_matrix(folder: Path) -> None:
    """Weights that are all there, in the wrong order."""
    tensors = load_file(folder / "model.safetensors")
    name = next(name for name in tensors if name.endswith("1.mlp.down_proj.weight"))
    save_file({**tensors, name: tensors[name].flip(0).contiguous()}, folder / "model.safetensors", {"format": "pt"})


@pytest.mark.parametrize(("plant", "check"), [(swap_two_tokens, "token ids"), (flip_a_matrix, "score")])
def test_a_planted_fault_stops_the_bundle(
    trained: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, plant: Any, check: str
) -> None:
    run, rows, report = trained
    export = bundle.export_gguf

    def broken(model: Path, out: Path, **options: Any) -> Any:
        copy = Path(shutil.copytree(model, tmp_path / "broken"))
        plant(copy)
        return export(copy, out, **options)

    monkeypatch.setattr(bundle, "export_gguf", broken)
    folder = run.folder / "exports" / "gguf"
    shutil.rmtree(folder, ignore_errors=True)
    with pytest.raises(GateFailed, match=f"does not do the job .*{check}"):
        bundle.export_run(run, rows, lambda: report, precision="f16")
    assert [path.name for path in folder.iterdir()] == ["rejected.gguf"]
