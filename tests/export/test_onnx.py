"""The ONNX file against torch: every family answers the same, sizes are true, what cannot be expressed is refused."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from families import CONFIGS, SHAPE, make_tiny_bert, random_model
from transformers import AutoModelForCausalLM, Gemma3TextConfig, LlamaConfig, MistralConfig, Qwen2Config

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.engines import onnx_engine
from pocketlm.engines.embedder import open_embedder
from pocketlm.engines.onnx_engine import CHUNK, OnnxEngine
from pocketlm.engines.open import open_engine
from pocketlm.engines.torch_engine import TorchEngine
from pocketlm.export.base import Converted, Source
from pocketlm.export.feedback import BLOCK, Floats
from pocketlm.export.onnx import OnnxFormat
from pocketlm.export.onnx_inspect import _misrounded
from pocketlm.export.onnx_weights import LIMIT, ONE_SCALE, dequantize, quantize, quantize_rows, worst_row
from pocketlm.tasks.template import CHATML, Message

pytest.importorskip("onnx", reason="needs pip install 'pocketlm[onnx]'")
pytest.importorskip("onnxruntime", reason="needs pip install 'pocketlm[onnx]'")

TEXTS = ["Set an alarm for 7", "play music in the kitchen ü", "1 2 3 " * 40]
WINDOW = {"sliding_window": 16, "tie_word_embeddings": False}
MORE: dict[str, Callable[[], Any]] = {
    "llama-all-biases": lambda: LlamaConfig(**SHAPE, attention_bias=True, mlp_bias=True),
    "mistral-window": lambda: MistralConfig(**SHAPE, **WINDOW),
    "qwen2-window": lambda: Qwen2Config(**SHAPE, **WINDOW, use_sliding_window=True, max_window_layers=1),
    "gemma3-scaled": lambda: Gemma3TextConfig(
        **SHAPE, head_dim=32, query_pre_attn_scalar=24, sliding_window=16,
        layer_types=["sliding_attention", "full_attention"],
        rope_parameters={
            "sliding_attention": {"rope_type": "default", "rope_theta": 700.0},
            "full_attention": {"rope_type": "linear", "rope_theta": 50000.0, "factor": 8.0},
        },
    ),
}  # fmt: skip


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """On models this small, threads wait for one another longer than they compute."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def prompt(text: str) -> str:
    return CHATML.render([Message("user", text)])


def convert(source: Source, out: Path, precision: str) -> Converted:
    out.mkdir()
    return OnnxFormat().convert(source, out, precision)


def source_of(folder: Path, kind: Any = "decoder") -> Source:
    if kind == "encoder":
        return Source(folder, "tiny", "encoder")
    return Source(folder, "tiny", chat_template=CHATML.jinja, stop_token=CHATML.stop, lineage={"licence": "MIT"})


@pytest.fixture(scope="module")
def qwen3(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return source_of(random_model(tmp_path_factory.mktemp("hf") / "qwen3", CONFIGS["qwen3"]()))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return source_of(make_tiny_bert(tmp_path_factory.mktemp("hf") / "bert"), "encoder")


@pytest.mark.parametrize("name", [*CONFIGS, *MORE])
def test_every_family_answers_as_in_torch(name: str, tmp_path: Path) -> None:
    source = source_of(random_model(tmp_path / "hf", (CONFIGS | MORE)[name]()))
    convert(source, tmp_path / "out", "fp32")
    checks = OnnxFormat().inspect(source, tmp_path / "out", "fp32")
    assert [check for check in checks if not check.passed] == []
    ours, reference = OnnxEngine(tmp_path / "out" / "model.onnx", threads=1), TorchEngine(source.folder)
    prompts = [prompt(text) for text in TEXTS]
    for a, b in zip(ours.generate(prompts, max_tokens=40), reference.generate(prompts, max_tokens=40), strict=True):
        assert (a.text, a.ids, a.stopped) == (b.text, b.ids, b.stopped)
        assert a.logprobs == pytest.approx(b.logprobs, abs=1e-3)
    long = ours.tokenize(TEXTS[2] * 2)
    assert CHUNK < len(long) < 512
    pairs = [(long[:1], long[1:]), (long[:200], long[200:])]
    for x, y in zip(ours.odds(pairs, top=3), reference.odds(pairs, top=3), strict=True):
        assert [odds.logprob for odds in x] == pytest.approx([odds.logprob for odds in y], abs=1e-3)
        assert [odds.top[0][0] for odds in x] == [odds.top[0][0] for odds in y]


BITS = {"fp32": 32, "fp16": 16, "int8": 8.5, "int4": 5.1}  # of the tiny models, with what else is stored


@pytest.mark.parametrize("precision", OnnxFormat.precisions["decoder"])
def test_sizes_and_bits_are_true(precision: str, qwen3: Source, tmp_path: Path) -> None:
    made = convert(qwen3, tmp_path / "out", precision)
    assert made.size_mb == sum(file.stat().st_size for file in (tmp_path / "out").iterdir()) / 1e6
    model = AutoModelForCausalLM.from_pretrained(qwen3.folder)
    assert made.parameters == sum(weight.numel() for weight in model.parameters())
    data = (tmp_path / "out" / "model.onnx.data").stat().st_size  # a tied matrix is there once
    assert made.bits_per_weight == pytest.approx(8 * data / made.parameters, rel=0.02)
    assert made.bits_per_weight == pytest.approx(BITS[precision], rel=0.06)
    assert made.notes == ()
    assert all(check.passed for check in OnnxFormat().inspect(qwen3, tmp_path / "out", precision))


def test_eight_bits_stay_near_and_four_answer(qwen3: Source, tmp_path: Path) -> None:
    reference = TorchEngine(qwen3.folder)
    ids = reference.tokenize(TEXTS[2])
    (wanted,) = reference.odds([(ids[:1], ids[1:])], top=1)
    away = {}
    for precision in ("int8", "int4"):
        convert(qwen3, tmp_path / precision, precision)
        (got,) = OnnxEngine(tmp_path / precision / "model.onnx", threads=1).odds([(ids[:1], ids[1:])], top=1)
        away[precision] = np.mean([abs(a.logprob - b.logprob) for a, b in zip(got, wanted, strict=True)])
    assert away["int8"] < 0.1 < away["int4"] < 1.5


def test_blocks_round_to_the_nearest() -> None:
    weight = np.random.default_rng(0).normal(size=(50, 3 * BLOCK)).astype(np.float32)
    weight[0] = 0
    weight[1] = np.abs(weight[1]) + 1  # all on one side of zero
    for bits, most in ((8, 0.006), (4, 0.1)):
        blocks = quantize(weight, bits)
        found = dequantize(blocks)
        assert np.linalg.norm(found - weight) / np.linalg.norm(weight) < most
        assert not found[0].any()
        again = dequantize(quantize(found, bits))
        assert np.linalg.norm(again - found) / np.linalg.norm(found) < (0.001 if bits == 8 else 0.05)


def test_what_inputs_say_together_spares_the_product() -> None:
    random = np.random.default_rng(0)
    weight = random.normal(size=(64, 4 * BLOCK)).astype(np.float32)
    loud = np.exp(random.normal(size=(4 * BLOCK)))
    inputs = (random.normal(size=(500, 40)) @ random.normal(size=(40, 4 * BLOCK)) * loud).astype(np.float32)
    moments = inputs.T @ inputs / len(inputs)

    def error(known: Floats | None = None) -> float:
        return float(np.linalg.norm(inputs @ (dequantize(quantize(weight, 4, known)) - weight).T))

    alone, weighed, in_turn = error(), error(moments.diagonal()), error(moments)
    assert in_turn < 0.6 * weighed < 0.6 * alone


def test_rows_that_do_not_divide_stay_at_16_bits_and_say_so(tmp_path: Path) -> None:
    config = LlamaConfig(**{**SHAPE, "intermediate_size": 100})
    source = source_of(random_model(tmp_path / "hf", config))
    made = convert(source, tmp_path / "out", "int4")
    assert made.notes == ("2 matrices stayed at 16 bits: their rows do not divide into 32",)
    assert all(check.passed for check in OnnxFormat().inspect(source, tmp_path / "out", "int4"))
    assert open_engine(str(tmp_path / "out"), threads=1).generate([prompt("hi")], max_tokens=3)[0].tokens


def test_what_the_source_says_travels(qwen3: Source, tmp_path: Path) -> None:
    said = replace(qwen3, chat_template="{{ messages[0]['content'] }}é", stop_token="<|endoftext|>")
    convert(said, tmp_path / "out", "int8")
    assert (tmp_path / "out" / "chat_template.jinja").read_bytes() == "{{ messages[0]['content'] }}é".encode()
    assert json.loads((tmp_path / "out" / "genai_config.json").read_text())["model"]["eos_token_id"] == 0
    engine = open_engine(str(tmp_path / "out" / "model.onnx"), threads=1)
    assert isinstance(engine, OnnxEngine)
    assert engine.render([Message("user", "hi")]) == "hié"


def test_the_bundle_s_template_renders_the_prompts_of_training(qwen3: Source, tmp_path: Path) -> None:
    convert(qwen3, tmp_path / "out", "int8")
    engine = OnnxEngine(tmp_path / "out" / "model.onnx", threads=1)
    messages = [Message("system", "Be brief."), Message("user", "hi"), Message("assistant", "ho"), Message("user", "?")]
    assert engine.render(messages) == CHATML.render(messages)


def test_the_context_is_kept(qwen3: Source, tmp_path: Path) -> None:
    convert(qwen3, tmp_path / "out", "fp32")
    engine = OnnxEngine(tmp_path / "out" / "model.onnx", threads=1)
    assert engine.context == 512
    ids = engine.tokenize("a b " * 400)[:510]
    (answer,) = engine.generate([engine.decode(ids)], max_tokens=40)
    assert answer.tokens <= 3
    with pytest.raises(InputError, match="600 tokens do not fit"):
        engine.odds([([5] * 600, [5])])
    engine.close()
    with pytest.raises(InputError, match="was closed"):
        engine.odds([([5], [5])])


def test_buffers_grow_and_keep_what_they_hold(qwen3: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(qwen3, tmp_path / "out", "fp32")
    prompts = [prompt(text) for text in TEXTS]
    wanted = OnnxEngine(tmp_path / "out" / "model.onnx", threads=1).generate(prompts, max_tokens=12)
    monkeypatch.setattr(onnx_engine, "ROOM", 8)
    got = OnnxEngine(tmp_path / "out" / "model.onnx", threads=1).generate(prompts, max_tokens=12)
    for a, b in zip(got, wanted, strict=True):
        assert a.ids == b.ids and a.logprobs == pytest.approx(b.logprobs, abs=1e-4)


def test_onnxruntime_genai_runs_the_folder(qwen3: Source, tmp_path: Path) -> None:
    genai = pytest.importorskip("onnxruntime_genai", reason="needs pip install onnxruntime-genai")
    convert(qwen3, tmp_path / "out", "int8")
    engine = OnnxEngine(tmp_path / "out" / "model.onnx", threads=1)
    (answer,) = engine.generate([prompt(TEXTS[0])], max_tokens=20)
    model = genai.Model(str(tmp_path / "out"))
    settings = genai.GeneratorParams(model)
    ids = genai.Tokenizer(model).encode(prompt(TEXTS[0]))
    assert list(ids) == engine.tokenize(prompt(TEXTS[0]))
    settings.set_search_options(max_length=len(ids) + answer.tokens, do_sample=False)
    generator = genai.Generator(model, settings)
    generator.append_tokens(ids)
    while not generator.is_done():
        generator.generate_next_token()
    assert list(generator.get_sequence(0))[len(ids) :] == list(answer.ids)


# Planted faults: what a converter may do wrong, found without running the file


def _tensors(change: Callable[[dict[str, torch.Tensor]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        tensors = load_file(folder / "model.safetensors")
        change(tensors)
        save_file({k: v.contiguous() for k, v in tensors.items()}, folder / "model.safetensors", {"format": "pt"})

    return apply


def _json(file: str, change: Callable[[dict[str, Any]], None]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        content = json.loads((folder / file).read_text(encoding="utf-8"))
        change(content)
        (folder / file).write_text(json.dumps(content), encoding="utf-8")

    return apply


ATTENTION = "model.layers.0.self_attn"
DOWN, QUERY, KEY = "model.layers.1.mlp.down_proj.weight", f"{ATTENTION}.q_proj.weight", f"{ATTENTION}.k_proj.weight"


def _other_rope_layout(tensors: dict[str, torch.Tensor]) -> None:
    tensors[QUERY] = tensors[QUERY].view(-1, 2, 16, 64).transpose(1, 2).reshape(128, 64)


def _swap_two_tokens(content: dict[str, Any]) -> None:
    ids = content["model"]["vocab"]
    ids["a"], ids["b"] = ids["b"], ids["a"]


FAULTS: dict[str, tuple[str, Callable[[Path], None]]] = {
    "a row": ("weights", _tensors(lambda t: t[DOWN][5].mul_(1.5))),
    "flipped": ("weights", _tensors(lambda t: t.update({DOWN: t[DOWN].flip(0)}))),
    "permuted": ("weights", _tensors(_other_rope_layout)),
    "a norm": ("weights", _tensors(lambda t: t["model.norm.weight"].add_(0.1))),
    "rope": ("rope", _json("config.json", lambda c: c["rope_parameters"].update(rope_theta=500.0))),
    "epsilon": ("graph", _json("config.json", lambda c: c.update(rms_norm_eps=1e-3))),
    "activation": ("graph", _json("config.json", lambda c: c.update(hidden_act="gelu_pytorch_tanh"))),
    "tokens": ("vocabulary", _json("tokenizer.json", _swap_two_tokens)),
}


@pytest.mark.parametrize("precision", ["fp32", "int4"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found_without_running(fault: str, precision: str, qwen3: Source, tmp_path: Path) -> None:
    name, plant = FAULTS[fault]
    copy = replace(qwen3, folder=Path(shutil.copytree(qwen3.folder, tmp_path / "copy")))
    plant(copy.folder)
    convert(copy, tmp_path / "out", precision)
    assert name in [c.name for c in OnnxFormat().inspect(qwen3, tmp_path / "out", precision) if not c.passed]
    assert all(c.passed for c in OnnxFormat().inspect(copy, tmp_path / "out", precision))


def test_a_wrong_stop_token_and_template_are_found(qwen3: Source, tmp_path: Path) -> None:
    convert(replace(qwen3, stop_token="<|endoftext|>", chat_template=CHATML.jinja + " "), tmp_path / "out", "int8")
    failed = [check.name for check in OnnxFormat().inspect(qwen3, tmp_path / "out", "int8") if not check.passed]
    assert failed == ["stop token", "chat template"]


def test_a_file_cut_short_is_refused(qwen3: Source, tmp_path: Path) -> None:
    convert(qwen3, tmp_path / "out", "int8")
    data = tmp_path / "out" / "model.onnx.data"
    data.write_bytes(data.read_bytes()[:-1000])
    with pytest.raises(InputError, match="truncated"):
        OnnxFormat().inspect(qwen3, tmp_path / "out", "int8")
    with pytest.raises(InputError, match="ONNX Runtime cannot open it"):
        OnnxEngine(tmp_path / "out" / "model.onnx")


def test_a_context_too_long_for_phones_is_cut_and_said(tmp_path: Path) -> None:
    long = LlamaConfig(**{**SHAPE, "max_position_embeddings": 131072})
    made = convert(source_of(random_model(tmp_path / "hf", long)), tmp_path / "out", "int8")
    assert made.notes == ("context of 8192 of the model's 131072 tokens",)
    assert open_engine(str(tmp_path / "out"), threads=1).context == 8192


# Encoders


@pytest.mark.parametrize(("precision", "cosine"), [("fp32", 0.99999), ("fp16", 0.9999), ("int8", 0.995)])
def test_an_encoder_gives_the_vectors_of_its_folder(
    precision: str, cosine: float, bert: Source, tmp_path: Path
) -> None:
    made = convert(bert, tmp_path / "out", precision)
    assert made.bits_per_weight == pytest.approx(BITS[precision], rel=0.1)
    checks = OnnxFormat().inspect(bert, tmp_path / "out", precision)
    assert [check for check in checks if not check.passed] == []
    embedder = open_embedder(str(tmp_path / "out" / "model.onnx"), threads=1)
    texts = [*TEXTS, "", "so"] * 20  # the third is longer than the model reads
    vectors, wanted = embedder.embed(texts), open_embedder(str(bert.folder)).embed(texts)
    assert vectors.shape == wanted.shape == (100, 64)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(np.linalg.norm(wanted, axis=1), abs=1e-5)
    real = np.linalg.norm(wanted, axis=1) > 0
    assert (vectors * wanted).sum(1)[real].min() > cosine
    assert embedder.embed([]).shape == (0, 64)
    embedder.close()


def test_a_decoder_s_file_is_no_embedder(qwen3: Source, tmp_path: Path) -> None:
    convert(qwen3, tmp_path / "out", "int8")
    with pytest.raises(InputError, match="no vector"):
        open_embedder(str(tmp_path / "out" / "model.onnx"))


# What is refused


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_json("config.json", lambda c: c.update(model_type="gpt2")), "families llama.*not 'gpt2'"),
        (_json("config.json", lambda c: c.update(model_type="no-such")), "families llama.*not 'no-such'"),
        (_json("config.json", lambda c: c.update(hidden_act="relu")), "activation 'relu'"),
        (_json("config.json", lambda c: c["rope_parameters"].update(rope_type="yarn", factor=2.0)), "not 'yarn'"),
        (_tensors(lambda t: t.update(extra=torch.ones(3))), "tensor extra has no place"),
        (_tensors(lambda t: t.__delitem__(KEY)), "have no tensor"),
        (lambda folder: (folder / "model.safetensors").write_bytes(b"12345678"), "damaged"),
        (lambda folder: (folder / "model.safetensors").unlink(), "weights belong there"),
        (lambda folder: (folder / "config.json").unlink(), "no config.json"),
        (lambda folder: (folder / "tokenizer.json").unlink(), "no tokenizer.json"),
    ],
)
def test_a_faulty_folder_is_refused(
    damage: Callable[[Path], None], message: str, qwen3: Source, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(qwen3.folder, tmp_path / "hf"))
    damage(folder)
    with pytest.raises(InputError, match=message):
        convert(replace(qwen3, folder=folder), tmp_path / "out", "int8")


def test_wrong_arguments_and_files_are_refused(qwen3: Source, bert: Source, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="int8, int4, fp16, fp32"):
        convert(qwen3, tmp_path / "a", "q8_0")
    with pytest.raises(InputError, match="<nope>.*not in the vocabulary"):
        convert(replace(qwen3, stop_token="<nope>"), tmp_path / "b", "int8")
    with pytest.raises(InputError, match="family bert"):
        convert(replace(qwen3, kind="encoder"), tmp_path / "c", "int8")
    with pytest.raises(InputError, match=r"no genai_config\.json"):
        OnnxEngine(tmp_path / "model.onnx")
    convert(qwen3, tmp_path / "d", "int8")
    (tmp_path / "d" / "model.onnx").write_bytes(b"noise")
    with pytest.raises(InputError, match="ONNX Runtime cannot open it"):
        OnnxEngine(tmp_path / "d" / "model.onnx")


def test_a_missing_package_is_one_line(qwen3: Source, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    convert(qwen3, tmp_path / "out", "int8")
    monkeypatch.setitem(sys.modules, "onnx", None)
    with pytest.raises(EnvironmentLacks, match=r"^ONNX export needs onnx: pip install 'pocketlm\[onnx\]'$"):
        convert(qwen3, tmp_path / "b", "int8")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(
        EnvironmentLacks, match=r"^opening model.onnx needs onnxruntime: pip install 'pocketlm\[onnx\]'$"
    ):
        OnnxEngine(tmp_path / "out" / "model.onnx")


def test_a_row_with_one_scale_minds_the_inputs_that_stand_out() -> None:
    rng = np.random.default_rng(0)
    inputs = rng.standard_normal((200, 64)).astype(np.float32)
    inputs[:, 3] *= 60  # one channel as encoders have them: rounding all by its scale would drown the others
    weight = rng.standard_normal((16, 64)).astype(np.float32)

    def error(known: Any) -> float:
        codes, scales, even = quantize_rows(weight, known)
        step = np.ptp(inputs * even) / 255
        product = np.rint(inputs * even / step) * step @ (codes.T * scales[:, None]).T
        return float(np.abs(product - inputs @ weight.T).mean())

    codes, *_ = quantize_rows(weight, inputs)
    assert codes.shape == (64, 16) and np.abs(codes.astype(int)).max() <= LIMIT
    assert error(inputs) < 0.5 * error(None)


def test_evening_costs_no_row_much() -> None:
    rng = np.random.default_rng(1)
    inputs = rng.standard_normal((200, 64)).astype(np.float32)
    inputs[:, 5] *= (
        1e-4  # a channel that these texts leave empty and others may not: evened out, its weights would be lost
    )
    weight = rng.standard_normal((16, 64)).astype(np.float32)
    weight[0] *= 0.01
    weight[0, 5] = 1
    codes, scales, even = quantize_rows(weight, inputs)
    assert worst_row(codes.T * scales[:, None] * even, weight) <= max(ONE_SCALE, worst_row(_rounded(weight), weight))


def _rounded(weight: Any) -> Any:
    codes, scales, _ = quantize_rows(weight)
    return codes.T * scales[:, None]


def test_rows_of_one_scale_are_proven_weight_by_weight() -> None:
    weight = np.random.default_rng(2).standard_normal((8, 64)).astype(np.float32)
    codes, scales, even = quantize_rows(weight)
    found, steps = codes.T * scales[:, None] * even, scales[:, None] * even
    assert _misrounded(found, weight, steps) == ""
    wrong = found.copy()
    wrong[3, 7] += steps[3, 7]
    assert _misrounded(wrong, weight, steps) == "1 of 512 weights are not rounded to the nearest integer"
    assert "not rounded" in _misrounded(found[::-1], weight, steps[::-1])
    coarse = np.rint(weight / (2 * steps)) * 2 * steps
    assert _misrounded(coarse, weight, 2 * steps) == "8 rows have a larger scale than they need"
