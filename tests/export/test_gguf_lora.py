"""Adapters as files of their own: the base's file with one answers as the merged model, and they swap."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from families import CONFIGS, random_model
from safetensors.torch import save_file
from tiny import make_tiny_llama, make_tiny_tokenizer
from transformers import AutoModelForCausalLM

from pocketlm.core.errors import InputError
from pocketlm.engines.llamacpp import LlamaCppEngine
from pocketlm.export.gguf import export_gguf
from pocketlm.export.gguf_lora import export_lora_gguf
from pocketlm.models.adapters import Adapter, write_merged

pytest.importorskip("xllamacpp")

PROMPT = "<|im_start|>user\nSet an alarm for 7<|im_end|>\n<|im_start|>assistant\n"
COMPLETION = "call mum at noon<|im_end|>"
RANK = 4


def make_adapter(folder: Path, base: Path, seed: int, *, stabilized: bool = False, dora: bool = False) -> Path:
    """Save a random adapter on every linear layer, strong enough to change answers."""
    model = AutoModelForCausalLM.from_pretrained(base)
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, layer in model.named_modules():
        if isinstance(layer, torch.nn.Linear) and name != "lm_head":
            stem = f"base_model.model.{name}.lora_"
            state[f"{stem}A.weight"] = torch.randn(RANK, layer.in_features, generator=generator) * 0.2
            state[f"{stem}B.weight"] = torch.randn(layer.out_features, RANK, generator=generator) * 0.2
            if dora:
                state[f"{stem}magnitude_vector"] = layer.weight.detach().norm(dim=1)
    folder.mkdir(parents=True)
    save_file(state, folder / "adapter_model.safetensors")
    config = {"peft_type": "LORA", "r": RANK, "lora_alpha": 6, "use_rslora": stabilized, "base_model_name_or_path": "x"}
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def _torch_scores(folder: Path) -> list[float]:
    tokenizer, model = make_tiny_tokenizer(), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    prompt, answer = (tokenizer(text, add_special_tokens=False).input_ids for text in (PROMPT, COMPLETION))
    with torch.no_grad():
        table = model(torch.tensor([prompt + answer])).logits[0].log_softmax(-1)
    return [table[len(prompt) + i - 1, token].item() for i, token in enumerate(answer)]


def _scores(engine: LlamaCppEngine) -> list[float]:
    return [odds.logprob for odds in engine.odds([(engine.tokenize(PROMPT), engine.tokenize(COMPLETION))])[0]]


@pytest.mark.parametrize("family", ["llama-wide-heads", "qwen3"])
def test_base_and_adapter_answer_as_the_merged_model_and_swap(family: str, tmp_path: Path) -> None:
    base = random_model(tmp_path / "hf", CONFIGS[family]())
    adapters, merged = {}, {}
    for seed, name in enumerate(("calls", "notes")):
        folder = make_adapter(tmp_path / name, base, seed, stabilized=name == "notes")
        adapters[name] = export_lora_gguf(folder, base, tmp_path / f"{name}.gguf", precision="f32").path
        write_merged(Adapter.open(folder), base, tmp_path / f"{name}-merged")
        merged[name] = _torch_scores(tmp_path / f"{name}-merged")
    plain = _torch_scores(base)
    assert not np.allclose(merged["calls"], plain, atol=0.1)
    assert not np.allclose(merged["calls"], merged["notes"], atol=0.1)
    file = export_gguf(base, tmp_path / "m.gguf", precision="f32").path
    engine = LlamaCppEngine(file, threads=1, context=256, exact=True, adapters=adapters)
    try:
        assert np.allclose(_scores(engine), plain, atol=1e-3)
        for name in ("calls", "notes", None, "notes"):  # one prompt for all: nothing cached may survive the swap
            engine.use(name)
            assert np.allclose(_scores(engine), merged[name] if name else plain, atol=1e-3)
    finally:
        engine.close()


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny"))


@pytest.fixture
def engine(tiny: Path, tmp_path: Path) -> Iterator[LlamaCppEngine]:
    folder = make_adapter(tmp_path / "one", tiny, 0)
    adapters = {"one": export_lora_gguf(folder, tiny, tmp_path / "one.gguf").path}
    engine = LlamaCppEngine(export_gguf(tiny, tmp_path / "m.gguf").path, threads=1, context=256, adapters=adapters)
    yield engine
    engine.close()


def test_answers_and_streams_follow_the_swap(engine: LlamaCppEngine) -> None:
    def answer() -> str:
        return engine.generate([PROMPT], max_tokens=12)[0].text

    plain = answer()
    engine.use("one")
    adapted = answer()
    assert adapted != plain
    assert adapted.startswith("".join(engine.stream(PROMPT, max_tokens=12)))
    engine.use(None)
    assert answer() == plain
    with pytest.raises(InputError, match="no adapter 'two'; there are one"):
        engine.use("two")


def test_an_adapter_is_small_and_says_what_it_is(tiny: Path, tmp_path: Path) -> None:
    info = export_lora_gguf(make_adapter(tmp_path / "one", tiny, 0), tiny, tmp_path / "one.gguf")
    assert (
        info.parameters
        == sum(RANK * (a + b) for a, b in [(64, 64), (64, 32), (64, 32), (64, 64)] + 3 * [(64, 128)]) * 2
    )
    assert info.bits_per_weight == 16
    with pytest.raises(InputError, match="no LoRA adapter for llama but a model for llama"):
        file = export_gguf(tiny, tmp_path / "m.gguf").path
        LlamaCppEngine(file, threads=1, adapters={"self": file})


def test_what_cannot_be_added_is_refused(tiny: Path, tmp_path: Path) -> None:
    wide = make_tiny_llama(tmp_path / "wide", width=96)
    for adapter, base, said in (
        (make_adapter(tmp_path / "dora", tiny, 0, dora=True), tiny, "DoRA"),
        (make_adapter(tmp_path / "other", wide, 0), tiny, "has no such matrix"),
        (tiny, tiny, "holds no adapter"),
    ):
        with pytest.raises(InputError, match=said):
            export_lora_gguf(adapter, base, tmp_path / "out.gguf")
    assert not (tmp_path / "out.gguf").exists()
