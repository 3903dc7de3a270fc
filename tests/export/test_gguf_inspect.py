"""What inspection proves: a right file passes, and each planted fault is named."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from families import CONFIGS, make_tiny_bert, random_model
from safetensors.torch import load_file, save_file
from tiny import make_tiny_llama

from pocketlm.export.base import Check, Source
from pocketlm.export.gguf import GgufFormat
from pocketlm.tasks.template import CHATML, TERSE

FORMAT = GgufFormat()
LINEAGE = {"base": "starter:x", "title": "Base", "licence": "Apache-2.0", "source": "somewhere", "sha256": "0"}


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = make_tiny_llama(tmp_path_factory.mktemp("tiny"))
    return Source(folder, "tiny", chat_template=TERSE.jinja, stop_token="<|im_end|>", lineage=LINEAGE)


def _failed(checks: list[Check]) -> dict[str, str]:
    return {check.name: check.found for check in checks if not check.passed}


@pytest.mark.parametrize("precision", GgufFormat.precisions["decoder"])
def test_a_right_file_passes(precision: str, source: Source, tmp_path: Path) -> None:
    if precision.endswith("_k") or precision == "iq4_nl":
        pytest.importorskip("libgguf")
    converted = FORMAT.convert(source, tmp_path, precision)
    assert converted.file == "model.gguf"
    checks = FORMAT.inspect(source, tmp_path, precision)
    assert _failed(checks) == {}
    assert {check.name for check in checks} == {
        "weights", "header", "tokens", "merges", "stop token", "chat template", "origin",
    }  # fmt: skip


@pytest.mark.parametrize("name", CONFIGS)
def test_every_family_passes(name: str, tmp_path: Path) -> None:
    source = Source(random_model(tmp_path / "hf", CONFIGS[name]()), name)
    FORMAT.convert(source, tmp_path, "f32")
    assert _failed(FORMAT.inspect(source, tmp_path, "f32")) == {}


def test_an_encoder_passes(tmp_path: Path) -> None:
    source = Source(make_tiny_bert(tmp_path / "hf"), "tiny", kind="encoder")
    FORMAT.convert(source, tmp_path, "q8_0")
    assert _failed(FORMAT.inspect(source, tmp_path, "q8_0")) == {}


def _config(**changes: Any) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        config = json.loads((folder / "config.json").read_text())
        (folder / "config.json").write_text(json.dumps({**config, **changes}))

    return apply


def _weights(key: str, change: Callable[[torch.Tensor], torch.Tensor]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        state = load_file(folder / "model.safetensors")
        state[key] = change(state[key]).contiguous()
        save_file(state, folder / "model.safetensors", {"format": "pt"})

    return apply


def _unpermuted_head(weight: torch.Tensor) -> torch.Tensor:
    """The second of four heads stored so that the converter's interleaving gives transformers' own order."""
    head = weight[16:32].reshape(8, 2, -1).transpose(0, 1).reshape(16, -1)
    return torch.cat([weight[:16], head, weight[32:]])


def _swapped_tokens(folder: Path) -> None:
    table = json.loads((folder / "tokenizer.json").read_text())
    vocab = table["model"]["vocab"]
    vocab["a"], vocab["b"] = vocab["b"], vocab["a"]
    (folder / "tokenizer.json").write_text(json.dumps(table))


def _swapped_merges(folder: Path) -> None:
    table = json.loads((folder / "tokenizer.json").read_text())
    merges = table["model"]["merges"]
    merges[0], merges[1] = merges[1], merges[0]
    (folder / "tokenizer.json").write_text(json.dumps(table))


LAYER = "model.layers.1.self_attn."
FAULTS: dict[str, tuple[str, str, Callable[[Path], None]]] = {
    "rope-base": ("header", "rope.freq_base", _config(rope_parameters={"rope_type": "default", "rope_theta": 9e3})),
    "norm-epsilon": ("header", "rms_epsilon", _config(rms_norm_eps=1e-6)),
    "context": ("header", "context_length", _config(max_position_embeddings=512)),
    "unpermuted-head": ("weights", "blk.1.attn_q.weight", _weights(f"{LAYER}q_proj.weight", _unpermuted_head)),
    "flipped-matrix": ("weights", "blk.1.attn_output.weight", _weights(f"{LAYER}o_proj.weight", lambda w: w.T)),
    "one-row": ("weights", "token_embd.weight row 99", _weights("model.embed_tokens.weight", lambda w: torch.cat([w[:99], w[:1], w[100:]]))),
    "not-a-number": ("weights", "output_norm", _weights("model.norm.weight", lambda w: w * float("nan"))),
    "swapped-tokens": ("tokens", "is 'b' (type 1), not 'a'", _swapped_tokens),
    "swapped-merges": ("merges", "another order", _swapped_merges),
}  # fmt: skip


@pytest.mark.parametrize("precision", ["f32", "q8_0", "q4_0", "q2_k"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_named(fault: str, precision: str, source: Source, tmp_path: Path) -> None:
    if precision == "q2_k":
        pytest.importorskip("libgguf")
    check, said, plant = FAULTS[fault]
    folder = shutil.copytree(source.folder, tmp_path / "hf")
    plant(folder)
    FORMAT.convert(replace(source, folder=folder), tmp_path, precision)
    failed = _failed(FORMAT.inspect(source, tmp_path, precision))
    assert list(failed) == [check]
    assert said in failed[check]


def test_a_dropped_stop_token_is_named(source: Source, tmp_path: Path) -> None:
    FORMAT.convert(replace(source, stop_token="<|endoftext|>"), tmp_path, "f16")
    failed = _failed(FORMAT.inspect(source, tmp_path, "f16"))
    assert failed == {"stop token": "0 ends an answer; <|im_end|> is 2"}


@pytest.mark.parametrize("template", [None, CHATML.jinja, TERSE.jinja + "\n"])
def test_a_changed_template_is_named(template: str | None, source: Source, tmp_path: Path) -> None:
    FORMAT.convert(replace(source, chat_template=template), tmp_path, "f16")
    assert list(_failed(FORMAT.inspect(source, tmp_path, "f16"))) == ["chat template"]


def test_another_licence_is_named(source: Source, tmp_path: Path) -> None:
    FORMAT.convert(replace(source, lineage={**LINEAGE, "licence": "MIT"}), tmp_path, "f16")
    assert list(_failed(FORMAT.inspect(source, tmp_path, "f16"))) == ["origin"]
