"""The exported file against transformers: same answers, same token ids, true sizes, clear errors."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from families import CONFIGS, SHAPE, random_model
from tiny import make_tiny_llama, make_tiny_tokenizer
from transformers import AutoConfig, AutoModelForCausalLM, LlamaConfig, MistralConfig

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.engines.llamacpp import LlamaCppEngine
from pocketlm.export import gguf_tensors
from pocketlm.export.gguf import export_gguf
from pocketlm.export.gguf_tensors import PRECISIONS, group_of
from pocketlm.models.gguf_header import check_gguf

pytest.importorskip("xllamacpp")

PROMPT = "<|im_start|>user\nSet an alarm for 7<|im_end|>\n<|im_start|>assistant\n"


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny"))


def _torch_scores(folder: Path, prompt: list[int], completion: list[int]) -> list[float]:
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    with torch.no_grad():
        table = model(torch.tensor([prompt + completion])).logits[0].log_softmax(-1)
    return [table[len(prompt) + i - 1, token].item() for i, token in enumerate(completion)]


def _scores(gguf_path: Path, prompt: str, completion: str) -> list[float]:
    engine = LlamaCppEngine(gguf_path, threads=1, context=256, exact=True)
    try:
        return [odds.logprob for odds in engine.odds([(engine.tokenize(prompt), engine.tokenize(completion))])[0]]
    finally:
        engine.close()


def _ids(text: str) -> list[int]:
    return list(make_tiny_tokenizer()(text, add_special_tokens=False).input_ids)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_family_scores_as_in_transformers(name: str, tmp_path: Path) -> None:
    folder = random_model(tmp_path / "hf", CONFIGS[name]())
    info = export_gguf(folder, tmp_path / "m.gguf", precision="f32")
    completion = "call mum at noon<|im_end|>"
    expected = _torch_scores(folder, _ids(PROMPT), _ids(completion))
    # llama.cpp looks gelu up in a table of float16
    assert np.allclose(_scores(info.path, PROMPT, completion), expected, atol=1e-2 if name == "gemma3" else 1e-4)
    tied = AutoConfig.from_pretrained(folder).tie_word_embeddings
    assert ("output.weight" in check_gguf(info.path).tensors) == (not tied)


def test_unpermuted_attention_is_noticed(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _torch_scores(tiny, _ids(PROMPT), _ids("call mum"))
    right = export_gguf(tiny, tmp_path / "right.gguf", precision="f32").path
    monkeypatch.setattr(gguf_tensors, "permute", lambda weight, heads: weight)
    wrong = export_gguf(tiny, tmp_path / "wrong.gguf", precision="f32").path
    assert np.allclose(_scores(right, PROMPT, "call mum"), expected, atol=1e-4)
    assert not np.allclose(_scores(wrong, PROMPT, "call mum"), expected, atol=1e-2)


# rows of 64 do not fill K blocks of 256: these are the bits of what takes their place
BITS = {"f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "q5_1": 6, "q5_0": 5.5, "q4_1": 5, "q4_0": 4.5, "iq4_nl": 4.5}
BITS |= {"q6_k": 8.5, "q5_k": 6, "q4_k": 5.5, "q3_k": 4.5, "q2_k": 4.5}


@pytest.mark.parametrize("precision", PRECISIONS)
def test_bits_and_size_are_true(precision: str, tiny: Path, tmp_path: Path) -> None:
    if precision in ("iq4_nl", "q3_k", "q2_k"):
        pytest.importorskip("libgguf")
    info = export_gguf(tiny, tmp_path / "m.gguf", precision=precision)
    reader = gguf.GGUFReader(info.path)
    assert info.parameters == sum(int(tensor.n_elements) for tensor in reader.tensors)
    stored = sum(int(tensor.n_bytes) for tensor in reader.tensors)
    assert info.bits_per_weight == pytest.approx(8 * stored / info.parameters)
    assert info.size_mb == info.path.stat().st_size / 1e6
    assert sum(info.tensor_types.values()) == len(reader.tensors)
    matrix = next(tensor for tensor in reader.tensors if tensor.name == "blk.0.ffn_up.weight")
    assert 8 * matrix.n_bytes / matrix.n_elements == BITS[precision]
    norm = next(tensor for tensor in reader.tensors if tensor.name == "output_norm.weight")
    assert norm.tensor_type.name == "F32"


def test_q8_0_bytes_equal_the_reference() -> None:
    weight = np.random.default_rng(0).normal(size=(300, 96)).astype(np.float32)
    weight[0] = 0
    weight[1, :4] = [127, 0.5, -0.5, 2.5]  # ties round away from zero
    expected = gguf.quantize(weight, gguf.GGMLQuantizationType.Q8_0)
    assert np.array_equal(gguf_tensors._quantize_q8_0(weight), expected)


def test_rows_that_do_not_divide_fall_back_and_say_so(tmp_path: Path) -> None:
    config = LlamaConfig(**{**SHAPE, "hidden_size": 48, "num_attention_heads": 3, "num_key_value_heads": 3})
    info = export_gguf(random_model(tmp_path / "hf", config), tmp_path / "m.gguf", precision="q8_0")
    assert "blk.0.attn_q.weight" in info.fallbacks
    assert "blk.0.ffn_down.weight" not in info.fallbacks
    assert info.tensor_types["F16"] == len(info.fallbacks)


def test_bfloat16_weights_are_read(tiny: Path, tmp_path: Path) -> None:
    AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.bfloat16).save_pretrained(tmp_path / "hf")
    shutil.copy(tiny / "tokenizer.json", tmp_path / "hf")
    expected = AutoModelForCausalLM.from_pretrained(tmp_path / "hf", dtype=torch.float32).model.embed_tokens.weight
    info = export_gguf(tmp_path / "hf", tmp_path / "m.gguf", precision="f32")
    stored = next(t for t in gguf.GGUFReader(info.path).tensors if t.name == "token_embd.weight")
    assert np.array_equal(stored.data, expected.detach().numpy())


def test_metadata_is_complete(tiny: Path, tmp_path: Path) -> None:
    meta = {"name": "Tiny", "license": "apache-2.0", "base_name": "Base"}
    path = export_gguf(
        tiny, tmp_path / "m.gguf", chat_template="{{ messages }}", stop_token="<|endoftext|>", meta=meta
    ).path
    keys = check_gguf(path).metadata
    expected = {
        "general.name": "Tiny",
        "general.license": "apache-2.0",
        "general.base_model.count": 1,
        "general.base_model.0.name": "Base",
        "general.file_type": 7,
        "llama.attention.head_count": 4,
        "llama.attention.head_count_kv": 2,
        "llama.rope.dimension_count": 16,
        "llama.rope.freq_base": 10000.0,
        "llama.context_length": 1024,
        "tokenizer.chat_template": "{{ messages }}",
        "tokenizer.ggml.model": "gpt2",
        "tokenizer.ggml.bos_token_id": 1,
        "tokenizer.ggml.eos_token_id": 0,
        "tokenizer.ggml.padding_token_id": 0,
        "tokenizer.ggml.add_bos_token": False,
        "tokenizer.ggml.add_space_prefix": False,
    }
    assert {key: keys.get(key) for key in expected} == expected
    assert keys["tokenizer.ggml.token_type"][:4] == [3, 3, 3, 1]


def test_a_file_cut_anywhere_is_refused(tiny: Path, tmp_path: Path) -> None:
    whole = export_gguf(tiny, tmp_path / "m.gguf").path.read_bytes()
    for length in (0, 3, 11, 500, len(whole) // 2, len(whole) - 64):
        cut = tmp_path / "cut.gguf"
        cut.write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"cut\.gguf: truncated: .* MB present.*export or download it again"):
            check_gguf(cut)


def test_what_is_not_gguf_is_refused(tmp_path: Path) -> None:
    (tmp_path / "zip.gguf").write_bytes(b"PK\3\4" + bytes(100))
    (tmp_path / "noise.gguf").write_bytes(b"GGUF\3\0\0\0" + bytes(range(255, 0, -1)))
    for name in ("zip.gguf", "noise.gguf", "missing.gguf"):
        with pytest.raises(InputError, match=name):
            check_gguf(tmp_path / name)


def _edit(file: str, change: Callable[[dict[str, Any]], Any]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        value = json.loads((folder / file).read_text())
        change(value)
        (folder / file).write_text(json.dumps(value))

    return apply


def _half_the_weights(folder: Path) -> None:
    data = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(data[: len(data) // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_edit("config.json", lambda c: c.update(model_type="mamba")), "families llama.*not 'mamba'"),
        (_edit("config.json", lambda c: c.update(rope_parameters={"rope_type": "yarn"})), "rope type 'yarn'"),
        (
            _edit("tokenizer.json", lambda t: t.update(pre_tokenizer={"type": "Whitespace"})),
            "Whitespace.*unknown|unknown.*Whitespace",
        ),
        (_edit("tokenizer.json", lambda t: t.update(normalizer={"type": "Lowercase"})), "normalizer Lowercase"),
        (_edit("tokenizer.json", lambda t: t["model"].update(ignore_merges=True)), "unknown here"),
        (_edit("config.json", lambda c: c.update(vocab_size=100)), "100 embedding rows"),
        (_half_the_weights, "truncated"),
        (lambda folder: (folder / "model.safetensors").unlink(), "weights belong there"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
    ],
)
def test_a_faulty_folder_is_refused_and_nothing_written(
    damage: Callable[[Path], None], message: str, tiny: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(tiny, tmp_path / "hf")
    damage(folder)
    with pytest.raises(InputError, match=message):
        export_gguf(folder, tmp_path / "m.gguf")
    assert [file.name for file in tmp_path.iterdir()] == ["hf"]


def test_wrong_arguments_are_refused(tiny: Path, tmp_path: Path) -> None:
    for wrong in ({"precision": "q3"}, {"stop_token": "<nope>"}, {"meta": {"licence": "x"}}):
        with pytest.raises(InputError):
            export_gguf(tiny, tmp_path / "m.gguf", **wrong)


@pytest.fixture(scope="module")
def wide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its rows fill K blocks, but for those of the attention's output."""
    config = LlamaConfig(
        **{
            **SHAPE,
            "hidden_size": 256,
            "intermediate_size": 512,
            "head_dim": 32,
            "num_hidden_layers": 3,
            "initializer_range": 0.03,
        }
    )
    return random_model(tmp_path_factory.mktemp("wide"), config)


K_BITS = {"q6_k": 6.5625, "q5_k": 5.5, "q4_k": 4.5, "q3_k": 3.4375, "q2_k": 2.625}


@pytest.mark.parametrize("precision", K_BITS)
def test_k_quants_answer_and_say_what_did_not_fit(precision: str, wide: Path, tmp_path: Path) -> None:
    pytest.importorskip("libgguf")
    info = export_gguf(wide, tmp_path / "m.gguf", precision=precision)
    kinds = {tensor.name: tensor for tensor in gguf.GGUFReader(info.path).tensors}
    up = kinds["blk.0.ffn_up.weight"]
    assert 8 * up.n_bytes / up.n_elements == K_BITS[precision]
    assert kinds["blk.2.attn_k.weight"].tensor_type.name == ("Q6_K" if K_BITS[precision] < 5 else precision.upper())
    embedding = "Q8_0" if K_BITS[precision] > 5 else "Q6_K"
    assert kinds["token_embd.weight"].tensor_type.name == embedding
    assert info.fallbacks == tuple(f"blk.{layer}.attn_output.weight" for layer in range(3))
    fallback = kinds["blk.0.attn_output.weight"].tensor_type.name
    assert info.notes[1:] == (() if embedding == precision.upper() else (f"the embedding is {embedding}",))
    assert info.notes[:1] == (
        f"3 matrices are {fallback} and not {precision.upper()}: its blocks hold 256 weights, and rows of 128 do not fill them",
    )
    expected = _torch_scores(wide, _ids(PROMPT), _ids("call mum"))
    found = _scores(info.path, PROMPT, "call mum")
    assert np.allclose(found, expected, atol={"q6_k": 0.1, "q5_k": 0.15, "q4_k": 0.3}.get(precision, 1.0))


def test_without_libgguf_the_missing_extra_is_named(
    wide: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "libgguf", None)
    with pytest.raises(EnvironmentLacks, match=r"q4_k needs libgguf: pip install 'pocketlm\[gguf\]'"):
        export_gguf(wide, tmp_path / "m.gguf", precision="q4_k")
    assert not (tmp_path / "m.gguf").exists()
    export_gguf(wide, tmp_path / "m.gguf", precision="q4_0")


def test_groups_have_precisions_of_their_own(wide: Path, tmp_path: Path) -> None:
    groups = {"embedding": "q5_1", "mlp": "q8_0", "mlp.late": "f16", "attention.early": "q5_0"}
    info = export_gguf(wide, tmp_path / "m.gguf", precision="q4_0", groups=groups)
    kinds = {tensor.name: tensor.tensor_type.name for tensor in gguf.GGUFReader(info.path).tensors}
    expected = {
        "token_embd.weight": "Q5_1", "blk.0.attn_q.weight": "Q5_0", "blk.1.attn_q.weight": "Q4_0",
        "blk.2.attn_output.weight": "Q4_0", "blk.0.ffn_up.weight": "Q8_0", "blk.1.ffn_down.weight": "Q8_0",
        "blk.2.ffn_gate.weight": "F16", "blk.2.ffn_norm.weight": "F32",
    }  # fmt: skip
    assert {name: kinds[name] for name in expected} == expected
    for wrong in ({"heads": "q8_0"}, {"mlp": "q9"}):
        with pytest.raises(InputError, match="unknown"):
            export_gguf(wide, tmp_path / "m.gguf", groups=wrong)


def test_every_tensor_has_its_group() -> None:
    thirds = [group_of(f"blk.{layer}.attn_q.weight", 30) for layer in (0, 9, 10, 19, 20, 29)]
    assert thirds == [f"attention.{depth}" for depth in ("early", "early", "middle", "middle", "late", "late")]
    assert [group_of(name, 2) for name in ("token_embd.weight", "output.weight", "blk.1.ffn_down.weight")] == [
        "embedding", "embedding", "mlp.middle",
    ]  # fmt: skip
    assert [group_of(name, 2) for name in ("output_norm.weight", "blk.0.attn_q.bias", "rope_freqs.weight")] == [
        None
    ] * 3


def test_importance_changes_blocks_and_not_sizes(tiny: Path, tmp_path: Path) -> None:
    pytest.importorskip("libgguf")
    weights = {"model.layers.0.mlp.up_proj.weight": np.linspace(0, 9, 64, dtype=np.float32)}
    plain = export_gguf(tiny, tmp_path / "plain.gguf", precision="q4_0")
    weighted = export_gguf(tiny, tmp_path / "weighted.gguf", precision="q4_0", importance=weights)
    assert weighted.size_mb == plain.size_mb
    pairs = zip(gguf.GGUFReader(plain.path).tensors, gguf.GGUFReader(weighted.path).tensors, strict=True)
    assert [a.name for a, b in pairs if not np.array_equal(a.data, b.data)] == ["blk.0.ffn_up.weight"]


def test_a_name_that_llamacpp_takes_for_another_model_still_loads(tiny: Path, tmp_path: Path) -> None:
    info = export_gguf(tiny, tmp_path / "m.gguf", precision="f16", meta={"name": "my-Phi3-like"})
    LlamaCppEngine(info.path, threads=1, context=256).close()


def test_a_window_shortens_the_context_and_is_told(tmp_path: Path) -> None:
    folder = random_model(tmp_path / "hf", MistralConfig(**SHAPE, sliding_window=100))
    info = export_gguf(folder, tmp_path / "m.gguf", precision="f16")
    assert check_gguf(info.path).metadata["llama.context_length"] == 100
    assert "good for 100 tokens" in info.notes[0]
