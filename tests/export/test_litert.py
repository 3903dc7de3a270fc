"""LiteRT: the file is the model, in its own runtimes, signature by signature and through LiteRT-LM."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import families
import numpy as np
import pytest
import tiny
import torch
from safetensors.torch import load_file, save_file

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json, write_json
from pocketlm.engines.embedder import open_embedder
from pocketlm.engines.torch_engine import TorchEngine
from pocketlm.export.base import Source
from pocketlm.export.importance import moments_of
from pocketlm.export.litert import DISTANCE, ROUNDED, LitertFormat, pack
from pocketlm.export.litert_quantize import round_matrices, slim
from pocketlm.export.litert_weights import Stored, bits, stored_weights
from pocketlm.models.litert_file import PARTS_TO_TEXT, exported_template, original_template, read_container
from pocketlm.models.load import load_model
from pocketlm.tasks.template import CHATML, GEMMA, TEMPLATES, Message, Template

for package in ("litert_torch", "ai_edge_quantizer", "litert_lm_builder", "ai_edge_litert"):
    pytest.importorskip(package, reason="needs the packages of LiteRT, see docs/export.md")

FORMAT = LitertFormat(prefills=(8, 32))
TEXT = "Set an alarm for 7 in the morning, please! What's the weather in Paris on Monday? ü 😀 She said: 'mine'."
SLOW = ("llama-untied-bias", "llama-wide-heads", "llama-rope-llama3", "qwen2", "mistral")
LENGTHS = (1, 7, 8, 9, 31, 33, 40, 72)  # of prompts: about the edges of the chunks they are taken in


def source_of(folder: Path, template: Template = CHATML) -> Source:
    return Source(folder, "tiny", chat_template=template.jinja, stop_token="<|im_end|>")


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """A tiny Llama with a context of 128 tokens and no row of zeros."""
    folder = Path(tiny.make_tiny_llama(tmp_path_factory.mktemp("source") / "model"))
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "max_position_embeddings": 128})
    return source_of(folder)


@pytest.fixture(scope="module")
def exact(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its float32 export."""
    out = tmp_path_factory.mktemp("exact")
    FORMAT.convert(source, out, "fp32")
    assert [file.name for file in out.iterdir()] == ["model.litertlm"]
    return out


def odds_apart(source: Source, folder: Path) -> float:
    """The largest difference of log-probabilities to torch, for completions behind prompts of several lengths."""
    engine, reference = FORMAT.open(folder, "decoder", threads=1), TorchEngine(source.folder)
    ids = reference.tokenize(f"<|im_start|>user\n{TEXT}<|im_end|>\n<|im_start|>assistant\n")
    pairs = [(ids[:length], ids[length : length + 4]) for length in LENGTHS if length + 4 <= len(ids)]
    pairs += [((ids * 9)[: engine.context - 7], ids[:7])]  # to the very end of the context
    wanted, got = reference.odds(pairs), engine.odds(pairs, top=3)
    engine.close()
    assert all(o.top[0][1] >= o.top[1][1] >= o.top[2][1] for row in got for o in row)
    return max(abs(a.logprob - b.logprob) for x, y in zip(wanted, got, strict=True) for a, b in zip(x, y, strict=True))


def test_odds_are_torch_s(source: Source, exact: Path) -> None:
    assert odds_apart(source, exact) < 1e-4


def test_what_was_seen_before_changes_nothing(exact: Path) -> None:
    prompts = [f"<|im_start|>user\n{text}<|im_end|>\n" for text in (TEXT, TEXT[:40], "hi", TEXT[:41])]
    warm, alone = FORMAT.open(exact, "decoder", threads=1), []
    together = warm.generate(prompts, max_tokens=6)
    for prompt in prompts:
        cold = FORMAT.open(exact, "decoder", threads=1)
        alone += cold.generate([prompt], max_tokens=6)
        cold.close()
    warm.close()
    assert [one.ids for one in together] == [one.ids for one in alone]
    assert [one.logprob for one in together] == pytest.approx([one.logprob for one in alone], abs=1e-4)


def test_a_prompt_that_does_not_fit_is_refused_and_an_answer_is_cut(exact: Path) -> None:
    engine = FORMAT.open(exact, "decoder", threads=1)
    assert engine.context == 128
    with pytest.raises(InputError, match="do not fit into its context of 128"):
        engine.generate(["hi" * 200])
    (answer,) = engine.generate(["<|im_start|>" * 120], max_tokens=50)
    assert answer.tokens == 8 and not answer.stopped
    engine.close()
    with pytest.raises(InputError, match="was closed"):
        engine.generate(["hi"])


def test_litert_lm_opens_it_and_answers_the_same(exact: Path) -> None:
    litert_lm = pytest.importorskip("litert_lm")
    prompts = [f"<|im_start|>{'x' * n}" for n in (0, 5, 6, 7, 8, 9, 30, 32, 50)]
    engine = FORMAT.open(exact, "decoder", threads=1)
    file = str(exact / "model.litertlm")
    with litert_lm.Engine(file, backend=litert_lm.Backend.CPU(thread_count=1), cache_dir=":nocache") as runtime:
        for prompt, answer in zip(prompts, engine.generate(prompts, max_tokens=10), strict=True):
            greedy = litert_lm.SamplerConfig(top_k=1)
            session = runtime.create_session(apply_prompt_template=False, sampler_config=greedy, max_output_tokens=10)
            session.run_prefill([prompt])
            assert session.run_decode().texts[0] == answer.text
            session.close()
        for text in (TEXT, "<|im_start|>a<|im_end|>", " a  b\n\n12"):
            assert runtime.tokenize(text) == engine.tokenize(text)
    engine.close()


def test_each_template_renders_the_same_bytes_everywhere(source: Source, exact: Path, tmp_path: Path) -> None:
    pytest.importorskip("litert_lm")
    from pocketlm.engines.litert_lm import ask

    model = tmp_path / "model.tflite"
    model.write_bytes(read_container(exact / "model.litertlm").model_bytes())
    for template in TEMPLATES.values():
        one, file = replace(source, chat_template=template.jinja), tmp_path / "model.litertlm"
        pack(one, model, file, 128)
        assert original_template(read_container(file).jinja) == template.jinja
        engine, messages = FORMAT.open(tmp_path, "decoder", threads=1), [Message("user", "hi 'there'")]
        wanted = template.render(messages)
        if template is GEMMA:  # its Jinja form writes the begin token out, which its tokenizer adds otherwise
            wanted = "<|im_start|>" + wanted
        assert engine.render(messages) == wanted
        assert engine.template == template.name
        assert ask(file, "hi 'there'", 5)[0] == engine.render(messages)
        engine.close()


def test_without_the_mending_litert_lm_refuses_every_message(source: Source, exact: Path, tmp_path: Path) -> None:
    """The day it does not, PARTS_TO_TEXT may go."""
    pytest.importorskip("litert_lm")
    from pocketlm.engines.litert_lm import ask

    content = (exact / "model.litertlm").read_bytes()
    mended = PARTS_TO_TEXT.encode()
    assert mended in content
    (tmp_path / "plain.litertlm").write_bytes(content.replace(mended, b"{#" + b" " * (len(mended) - 4) + b"#}"))
    with pytest.raises(InputError, match="LiteRT-LM does not answer"):
        ask(tmp_path / "plain.litertlm", "hi", 5)
    assert ask(exact / "model.litertlm", "hi", 5)[0].endswith("<|im_start|>assistant\n")


def test_named_tokens_are_written_into_the_template() -> None:
    jinja = exported_template(
        "{{ bos_token }}{{ x.get('a', 'b') }}{% generation %}", {"bos_token": "<s>", "eos_token": "</s>"}
    )
    assert jinja.startswith("{% set bos_token = '<s>' %}" + PARTS_TO_TEXT) and "eos_token" not in jinja
    assert jinja.endswith("{{ bos_token }}{{ x['a'] | default('b') }}")
    assert original_template(jinja) is None


@pytest.mark.parametrize("precision", ["int8", "int4", "fp16"])
def test_precisions_store_what_they_say(source: Source, precision: str, tmp_path: Path) -> None:
    made = FORMAT.convert(source, tmp_path, precision)
    assert made.size_mb == pytest.approx((tmp_path / "model.litertlm").stat().st_size / 1e6)
    low, high = {"int8": (8, 9), "int4": (4.5, 7), "fp16": (15.9, 17)}[precision]  # scales of narrow rows weigh
    assert low <= made.bits_per_weight < high
    checks = FORMAT.inspect(source, tmp_path, precision)
    assert {"weights", "rope in the graph", "stop in the file", "template in the file"} <= {one.name for one in checks}
    assert all(one.passed for one in checks), checks
    assert odds_apart(source, tmp_path) < {"int8": 0.5, "int4": 4, "fp16": 0.05}[precision]


def test_inspection_sees_another_model(source: Source, exact: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(source.folder, tmp_path / "other"))
    tensors = load_file(folder / "model.safetensors")
    name = "model.layers.1.mlp.down_proj.weight"
    save_file({**tensors, name: tensors[name].flip(0).contiguous()}, folder / "model.safetensors", {"format": "pt"})
    config = read_json(folder / "config.json")
    write_json(folder / "config.json", {**config, "rope_parameters": {"rope_type": "default", "rope_theta": 500.0}})
    other = replace(source, folder=folder, stop_token="<|endoftext|>", chat_template=GEMMA.jinja)
    failed = {one.name for one in FORMAT.inspect(other, exact, "fp32") if not one.passed}
    assert failed == {"weights", "rope in the graph", "stop in the file", "template in the file"}


def test_what_cannot_be_expressed_is_refused(source: Source, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="precision 'q4_0': LiteRT has int8, int4"):
        FORMAT.convert(source, tmp_path, "q4_0")
    with pytest.raises(InputError, match="the stop token '<nope>' is not in the vocabulary"):
        pack(replace(source, stop_token="<nope>"), tmp_path / "no.tflite", tmp_path / "no.litertlm", 8)
    folder = Path(shutil.copytree(source.folder, tmp_path / "far"))
    ropes = {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "rope_parameters": ropes})
    with pytest.raises(InputError, match="rope type 'dynamic' is not exported"):
        FORMAT.convert(replace(source, folder=folder), tmp_path, "fp32")


def test_damaged_files_are_named(exact: Path, tmp_path: Path) -> None:
    content = (exact / "model.litertlm").read_bytes()
    for name, part in (("half", content[: len(content) // 2]), ("text", b"no model"), ("empty", b"")):
        (tmp_path / f"{name}.litertlm").write_bytes(part)
        with pytest.raises(InputError, match=rf"{name}\.litertlm: (truncated|not a .litertlm file)"):
            read_container(tmp_path / f"{name}.litertlm")
    with pytest.raises(InputError, match="no such file"):
        read_container(tmp_path / "nowhere.litertlm")


def test_integers_are_read_back() -> None:
    four = Stored("INT4", (1, 4), np.array([0xF1, 0x78], np.uint8), np.array([[0.5, 2.0]], np.float32), False)
    assert four.numbers.tolist() == [[0.5, -0.5, -16.0, 14.0]] and four.bits == 16
    eight = Stored("INT8", (2, 1), np.array([255, 2], np.uint8), np.array([1.0, 0.5], np.float32), True)
    assert eight.numbers.tolist() == [[-1.0], [1.0]] and eight.bits == 80


@pytest.mark.parametrize("name", ["qwen3", "gemma3", *(pytest.param(one, marks=pytest.mark.slow) for one in SLOW)])
def test_other_families_are_torch_s_too(name: str, tmp_path: Path) -> None:
    source = source_of(families.random_model(tmp_path / "model", families.CONFIGS[name]()))
    (tmp_path / "out").mkdir()
    FORMAT.convert(source, tmp_path / "out", "fp32")
    checks = FORMAT.inspect(source, tmp_path / "out", "fp32")
    assert all(one.passed for one in checks), checks
    assert odds_apart(source, tmp_path / "out") < 1e-4


def test_an_encoder_gives_the_vectors_of_its_folder(tmp_path: Path) -> None:
    folder, out = families.make_tiny_bert(tmp_path / "bert"), tmp_path / "out"
    out.mkdir()
    source = Source(folder, "tiny", "encoder")
    made = FORMAT.convert(source, out, "int8")
    assert {file.name for file in out.iterdir()} == {"model.tflite", "tokenizer.json"}
    assert all(one.passed for one in FORMAT.inspect(source, out, "int8"))
    assert bits((out / "model.tflite").read_bytes()) == pytest.approx(made.bits_per_weight * made.parameters)
    texts = ["play music", "", "ü 😀", TEXT, TEXT * 5]
    wanted, embedder = open_embedder(str(folder)).embed(texts), FORMAT.open(out, "encoder", threads=1)
    got, none = embedder.embed(texts), embedder.embed([])
    embedder.close()
    assert got.shape == wanted.shape and got.dtype == np.float32 and none.shape == (0, 64)
    assert (got * wanted).sum(1) == pytest.approx([1] * 5, abs=1e-3)


def test_the_bounds_are_in_order() -> None:
    bounds = DISTANCE | ROUNDED
    assert sorted(bounds, key=bounds.__getitem__) == ["fp32", "fp16", "int8", "int4"]
    assert set(FORMAT.precisions["decoder"]) == set(bounds)
    assert set(FORMAT.precisions["encoder"]) <= set(DISTANCE)


def test_weights_of_all_signatures_are_stored_once(source: Source, exact: Path) -> None:
    stored = stored_weights(read_container(exact / "model.litertlm").model_bytes())
    wanted = 32 * sum(tensor.numel() for tensor in load_file(source.folder / "model.safetensors").values())
    assert sum(one.bits for one in stored) < 1.02 * wanted


@pytest.mark.parametrize(("precision", "kind"), [("int4", "INT4"), ("int8", "INT8")])
def test_few_bits_hold_what_was_chosen_before_the_trace(
    source: Source, precision: str, kind: str, tmp_path: Path
) -> None:
    FORMAT.convert(source, tmp_path, precision)
    model = load_model(source.folder, torch.float32)
    round_matrices(model, dict(moments_of(source.folder, source.texts)), precision, size=64)
    stored = stored_weights(read_container(tmp_path / "model.litertlm").model_bytes())
    found = [one.numbers for one in stored if one.kind == kind]
    wanted = [value.detach().numpy() for name, value in model.named_parameters() if "proj" in name]
    tables = 0 if precision == "int4" else 1  # the embedding, which is the output layer too
    assert len(found) - tables == len(wanted) > 6
    near = 0 if precision == "int4" else 1e-5  # a row's scale is a 127th of its largest weight, to rounding
    for matrix in wanted:
        assert any(one.shape == matrix.shape and np.allclose(one, matrix, rtol=near, atol=0) for one in found)
    assert odds_apart(source, tmp_path) < 1


def test_blocks_are_as_large_as_all_rows_let_them_be(source: Source, tmp_path: Path) -> None:
    narrow = source_of(families.random_model(tmp_path / "narrow", families.CONFIGS["qwen2"]()))  # 96 channels
    for size, one in ((64, source), (32, narrow)):
        out = tmp_path / str(size)
        out.mkdir()
        FORMAT.convert(one, out, "int4")
        stored = stored_weights(read_container(out / "model.litertlm").model_bytes())
        blocks = [kept for kept in stored if kept.kind == "INT4" and kept.scales is not None]
        assert {kept.shape[1] // kept.scales.shape[1] for kept in blocks} == {size}
        assert all(check.passed for check in FORMAT.inspect(one, out, "int4"))


def test_slim_says_nothing_twice(source: Source, exact: Path, tmp_path: Path) -> None:
    from pocketlm.export.litert_trace import trace_decoder

    file = tmp_path / "model.tflite"
    trace_decoder(source.folder, file, context=128, prefills=(8, 32))
    before = file.stat().st_size
    slim(file)
    once = file.read_bytes()
    assert len(once) < before
    assert once == read_container(exact / "model.litertlm").model_bytes()
    slim(file)
    assert len(file.read_bytes()) == len(once)
