"""The exported file against transformers: same answers, same token ids, true sizes, clear errors."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from tiny import make_tiny_llama, make_tiny_tokenizer
from transformers import AutoModelForCausalLM, LlamaConfig, PreTrainedTokenizerFast, Qwen2Config, Qwen3Config

from pocketlm.core.errors import InputError
from pocketlm.engines.llamacpp import LlamaCppEngine
from pocketlm.export import gguf as export
from pocketlm.export.gguf import export_gguf
from pocketlm.models.gguf_header import check_gguf

pytest.importorskip("xllamacpp")

PROMPT = "<|im_start|>user\nSet an alarm for 7<|im_end|>\n<|im_start|>assistant\n"
TEXTS = [
    "Set an alarm for 7, please!",
    PROMPT,
    "naïve café, Ünïcode; 東京 שלום مرحبا ½ ²",
    "😀👩‍👩‍👧 flags 🇩🇪",
    "  two\t\ttabs \n\n new  lines   12  345 \r\n end  ",
    "don't WE'LL o'clock isn’t",
    '{"name":"set_alarm","arguments":{"time":"07:30"}}',
]
SHAPE: dict[str, Any] = {
    "vocab_size": len(make_tiny_tokenizer()),
    "hidden_size": 64,
    "intermediate_size": 96,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 512,
    "initializer_range": 0.1,
    "bos_token_id": 1,
    "eos_token_id": 2,
}
CONFIGS: dict[str, Callable[[], Any]] = {
    "llama-untied-bias": lambda: LlamaConfig(**SHAPE, tie_word_embeddings=False, attention_bias=True),
    "llama-wide-heads": lambda: LlamaConfig(**SHAPE, tie_word_embeddings=True, head_dim=32),
    "qwen2": lambda: Qwen2Config(**SHAPE, tie_word_embeddings=True),
    "qwen3": lambda: Qwen3Config(**SHAPE, tie_word_embeddings=True, head_dim=32),
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny"))


def _random_model(folder: Path, config: Any) -> Path:
    """Norms and biases are made random too: a forgotten one must show."""
    torch.manual_seed(0)
    model = AutoModelForCausalLM.from_config(config).float()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight += 0.3 * torch.randn_like(weight)
    model.save_pretrained(folder)
    make_tiny_tokenizer().save_pretrained(folder)
    return folder


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
    folder = _random_model(tmp_path / "hf", CONFIGS[name]())
    info = export_gguf(folder, tmp_path / "m.gguf", precision="f32")
    completion = "call mum at noon<|im_end|>"
    expected = _torch_scores(folder, _ids(PROMPT), _ids(completion))
    assert np.allclose(_scores(info.path, PROMPT, completion), expected, atol=1e-4)
    assert "output.weight" not in check_gguf(info.path).tensors or name == "llama-untied-bias"


def test_unpermuted_attention_is_noticed(tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = _torch_scores(tiny, _ids(PROMPT), _ids("call mum"))
    right = export_gguf(tiny, tmp_path / "right.gguf", precision="f32").path
    monkeypatch.setattr(export, "_permute", lambda weight, heads: weight)
    wrong = export_gguf(tiny, tmp_path / "wrong.gguf", precision="f32").path
    assert np.allclose(_scores(right, PROMPT, "call mum"), expected, atol=1e-4)
    assert not np.allclose(_scores(wrong, PROMPT, "call mum"), expected, atol=1e-2)


def _splits(steps: tuple[str, ...]) -> dict[str, Any]:
    """The tokenizer.json form of the steps PRE_TOKENIZERS names."""

    def one(step: str) -> dict[str, Any]:
        if step == "digits":
            return {"type": "Digits", "individual_digits": True}
        if step in ("words", "bytes"):
            regex = step == "words"
            return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": regex}
        return {"type": "Split", "pattern": {"Regex": step}, "behavior": "Isolated", "invert": False}

    return {"type": "Sequence", "pretokenizers": [one(step) for step in steps]}


@pytest.mark.parametrize(("steps", "name"), export.PRE_TOKENIZERS.items(), ids=export.PRE_TOKENIZERS.values())
def test_token_ids_are_the_training_tokenizers(steps: tuple[str, ...], name: str, tiny: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny, tmp_path / "hf")
    table = json.loads((folder / "tokenizer.json").read_text())
    table["pre_tokenizer"] = _splits(steps)
    table["model"]["ignore_merges"] = name == "llama-bpe"
    (folder / "tokenizer.json").write_text(json.dumps(table))
    info = export_gguf(folder, tmp_path / "m.gguf", precision="f16")
    assert check_gguf(info.path).metadata["tokenizer.ggml.pre"] == name
    reference = PreTrainedTokenizerFast.from_pretrained(folder)
    engine = LlamaCppEngine(info.path, threads=1, context=256)
    letters = random.Random(0)
    alphabet = "ab Z9\n\t  '.,!{\"_-éßñ漢字かकि١٣½²😀👍🏽\u00a0\u200d"
    noise = ["".join(letters.choices(alphabet, k=30)) for _ in range(100)]
    for text in [*TEXTS, *noise]:
        assert engine.tokenize(text) == reference(text, add_special_tokens=False).input_ids, repr(text)
    engine.close()


BITS = {"f32": 32, "f16": 16, "bf16": 16, "q8_0": 8.5, "q5_1": 6, "q5_0": 5.5, "q4_1": 5, "q4_0": 4.5}


@pytest.mark.parametrize("precision", export.PRECISIONS)
def test_bits_and_size_are_true(precision: str, tiny: Path, tmp_path: Path) -> None:
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
    assert np.array_equal(export._quantize_q8_0(weight), expected)


def test_rows_that_do_not_divide_fall_back_and_say_so(tmp_path: Path) -> None:
    config = LlamaConfig(**{**SHAPE, "hidden_size": 48, "num_attention_heads": 3, "num_key_value_heads": 3})
    info = export_gguf(_random_model(tmp_path / "hf", config), tmp_path / "m.gguf", precision="q8_0")
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
