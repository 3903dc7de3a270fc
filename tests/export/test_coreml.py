"""Core ML packages: what is written is read back, and the very program is interpreted beside transformers."""

from __future__ import annotations

import json
import py_compile
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tiny
import torch

pytest.importorskip("coremltools")

from safetensors.torch import load_file, save_file
from transformers import (
    AutoModelForCausalLM,
    BertConfig,
    BertModel,
    Gemma3TextConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
    Qwen3Config,
)

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.engines.coreml_engine import HIDDEN, PACKAGE
from pocketlm.export import coreml_graph, verify_on_mac
from pocketlm.export.base import Case, Check, Source
from pocketlm.export.coreml import CoreMlFormat
from pocketlm.export.coreml_check import stored_tensors
from pocketlm.export.coreml_compress import compress
from pocketlm.export.coreml_facts import generation
from pocketlm.export.coreml_interpret import OPERATIONS, Interpreter
from pocketlm.export.coreml_mac import mac_check
from pocketlm.export.coreml_package import look_up, read_package, shift_scale
from pocketlm.export.importance import is_delicate, moments_of

CONTEXT = 64
FORMAT = CoreMlFormat(context=CONTEXT)
SHAPE = {
    "hidden_size": 64, "intermediate_size": 96, "num_hidden_layers": 3, "num_attention_heads": 4, "head_dim": 16,
    "num_key_value_heads": 2, "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "initializer_range": 0.2,
}  # fmt: skip
LAYERS = {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]}
GEMMA = {"sliding_window": 8, **LAYERS, "query_pre_attn_scalar": 32}
LLAMA3 = {
    "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}  # fmt: skip
FAMILIES: dict[str, tuple[Any, dict[str, Any]]] = {
    "llama": (LlamaConfig, {"tie_word_embeddings": True}),
    "llama with biases": (LlamaConfig, {"attention_bias": True, "mlp_bias": True}),
    "llama 3's rope": (LlamaConfig, {"rope_parameters": LLAMA3}),
    "mistral": (MistralConfig, {"sliding_window": 8}),
    "qwen2": (Qwen2Config, {}),
    "qwen2 with a window": (Qwen2Config, {"sliding_window": 8, "use_sliding_window": True, "max_window_layers": 1}),
    "qwen3": (Qwen3Config, {"tie_word_embeddings": True}),
    "gemma3": (Gemma3TextConfig, GEMMA),
}


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def model_of(family: str) -> Any:
    kind, more = FAMILIES[family]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        config = kind(vocab_size=len(tiny.make_tiny_tokenizer()), **SHAPE, **more)
        model = AutoModelForCausalLM.from_config(config, attn_implementation="eager").float().eval()
        for weight in model.parameters():
            if weight.dim() == 1:  # norms start as ones and biases as zeros, where a mistake would hide
                weight.data += 0.3 * torch.randn_like(weight)
    return model


def save(family: str, folder: Path) -> Path:
    model_of(family).save_pretrained(folder)
    tiny.make_tiny_tokenizer().save_pretrained(folder)
    return folder


def source_of(folder: Path, **more: Any) -> Source:
    lineage = {"licence": "Apache-2.0", "title": "Tiny"}
    return Source(folder, "tiny", chat_template="{{ messages }}", lineage=lineage, **more)


def converted(source: Source, out: Path, precision: str = "fp16") -> Any:
    out.mkdir(parents=True)
    return FORMAT.convert(source, out, precision)


@pytest.fixture(scope="module")
def gemma(tmp_path_factory: pytest.TempPathFactory) -> tuple[Source, Path]:
    """The family with everything: two ropes, windows, norms everywhere, tied. Converted at fp16."""
    folder = tmp_path_factory.mktemp("gemma")
    source = source_of(save("gemma3", folder / "model"))
    converted(source, folder / "out")
    return source, folder / "out"


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Source:
    folder = tmp_path_factory.mktemp("bert")
    config = BertConfig(
        vocab_size=480, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
        max_position_embeddings=48, initializer_range=0.2,
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        BertModel(config).save_pretrained(folder)
    tiny.make_tiny_tokenizer().save_pretrained(folder)
    return Source(folder, "tiny", kind="encoder")


def failed(checks: list[Check]) -> set[str]:
    return {check.name for check in checks if not check.passed}


def ids_of(count: int) -> torch.Tensor:
    return torch.randint(3, 300, (1, count), generator=torch.Generator().manual_seed(1), dtype=torch.int32)


# The rewritten models


@pytest.mark.parametrize("prompt", [1, 5, 20])
@pytest.mark.parametrize("family", FAMILIES)
def test_the_traced_decoder_equals_transformers(family: str, prompt: int) -> None:
    model = model_of(family)
    decoder = coreml_graph.load_decoder(model.config, model.state_dict(), CONTEXT)
    ids = ids_of(24)
    with torch.no_grad():
        want = model(input_ids=ids.long()).logits[0]
        ends = [prompt, *range(prompt + 1, 25)]
        for begin, end in zip([0, *ends], ends, strict=False):
            found = decoder(ids[:, begin:end], coreml_graph.causal_mask(end - begin, end))[0, 0]
            assert (found - want[end - 1]).abs().max() < 1e-4


def test_tensors_come_back_as_transformers_names_them() -> None:
    model = model_of("gemma3")
    tensors = model.state_dict()
    back = coreml_graph.restore(model.config, coreml_graph.prepare(model.config, tensors))
    assert back.keys() == tensors.keys()
    assert all(torch.allclose(back[name], tensors[name], atol=1e-6) for name in tensors)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"model_type": "gpt_neox"}, "knows the families llama"),
        ({"hidden_act": "relu"}, "'relu' is not exported"),
        (
            {"rope_parameters": {"rope_type": "dynamic", "rope_theta": 10000.0, "factor": 2.0}},
            "'dynamic' is not exported",
        ),
    ],
)
def test_what_is_not_known_is_refused(tiny_llama: Path, tmp_path: Path, change: dict[str, Any], told: str) -> None:
    folder = shutil.copytree(tiny_llama, tmp_path / "model")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | change))
    with pytest.raises(InputError, match=told):
        converted(source_of(folder), tmp_path / "out")


def test_settings_that_are_wrong_are_named(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="'q4_0' is unknown; choose one of int8"):
        FORMAT.convert(source_of(tiny_llama), tmp_path, "q4_0")
    with pytest.raises(InputError, match="no config.json"):
        FORMAT.convert(source_of(tmp_path), tmp_path, "int8")
    with pytest.raises(InputError, match="'<stop>' is not in the vocabulary"):
        generation(source_of(tiny_llama, stop_token="<stop>"), CONTEXT)
    monkeypatch.setitem(sys.modules, "coremltools", None)
    with pytest.raises(EnvironmentLacks, match=r"pip install 'pocketlm\[coreml\]'"):
        FORMAT.convert(source_of(tiny_llama), tmp_path, "int8")


# Packages


@pytest.mark.parametrize("family", ["llama", "llama with biases", "mistral", "qwen2 with a window", "qwen3"])
def test_a_family_passes_every_check(family: str, tmp_path: Path) -> None:
    source = source_of(save(family, tmp_path / "model"))
    converted(source, tmp_path / "out")
    checks = FORMAT.inspect(source, tmp_path / "out", "fp16")
    assert not failed(checks), checks


def test_gemma_passes_every_check(gemma: tuple[Source, Path]) -> None:
    source, out = gemma
    checks = FORMAT.inspect(source, out, "fp16")
    assert not failed(checks), checks
    assert {"files", "stop token", "chat template", "inputs", "state", "rope", "weights", "program"} <= {
        check.name for check in checks
    }


@pytest.mark.parametrize(("precision", "least", "most"), [("int8", 8, 8.5), ("int4", 4.4, 4.8), ("pal4", 5.2, 6.2)])
def test_low_bits_are_what_is_stored(
    tiny_llama: Path, tmp_path: Path, precision: str, least: float, most: float
) -> None:
    source = source_of(tiny_llama)
    info = converted(source, tmp_path / "out", precision)
    assert least < info.bits_per_weight < most
    assert info.parameters == sum(tensor.numel() for tensor in load_file(tiny_llama / "model.safetensors").values())
    checks = FORMAT.inspect(source, tmp_path / "out", precision)
    assert not failed(checks), checks
    package = read_package(tmp_path / "out" / PACKAGE)
    moments = {} if precision == "pal4" else moments_of(tiny_llama, source.texts)  # tables mind the weights alone
    for name, (tensor, stored) in stored_tensors(source, package).items():
        stored_in = "int8" if precision == "int4" and is_delicate(name, 2) else precision
        want = compress(tensor.half(), stored_in, vocabulary="embed" in name, moments=moments.get(name))
        if want is not None:  # what is in the file is bit for bit what was chosen
            data, scale = want.data.numpy(), want.scale.numpy()
            dense = look_up(data, scale) if want.kind == "table" else shift_scale(data, scale)
            assert stored is not None and np.array_equal(stored.dequantize(), dense.astype(np.float16)), name


@pytest.mark.parametrize("precision", ["int8", "int4"])
def test_columns_make_up_for_each_other(precision: str) -> None:
    rng = np.random.default_rng(0)
    weight = torch.from_numpy(rng.normal(size=(96, 64)).astype(np.float32)).half()
    inputs = (rng.normal(size=(400, 8)) @ rng.normal(size=(8, 64)) + 0.1 * rng.normal(size=(400, 64))).astype(
        np.float32
    )

    def lost(moments: np.ndarray | None) -> float:
        found = compress(weight, precision, moments=moments)
        assert found
        numbers = shift_scale(found.data.numpy(), found.scale.numpy()).astype(np.float32)
        return float(np.linalg.norm(inputs @ (numbers - weight.float().numpy()).T))

    assert lost(inputs.T @ inputs / len(inputs)) < 0.6 * lost(None)


def test_a_tied_embedding_is_stored_once(gemma: tuple[Source, Path], tmp_path: Path) -> None:
    source, out = gemma
    shape = tuple(load_file(source.folder / "model.safetensors")["model.embed_tokens.weight"].shape)
    assert sum(constant.shape == shape for constant in read_package(out / PACKAGE).constants.values()) == 1


@pytest.mark.parametrize("precision", ["fp16", "int8", "int4", "pal4"])
def test_an_encoder_gives_vectors_of_length_one(bert: Source, tmp_path: Path, precision: str) -> None:
    converted(bert, tmp_path / "out", precision)
    checks = FORMAT.inspect(bert, tmp_path / "out", precision)
    assert not failed(checks), checks
    predict = Interpreter(read_package(tmp_path / "out" / PACKAGE)).predict
    for count in (1, 48):
        vector = predict({"inputIds": ids_of(count).numpy()})["embedding"]
        assert vector.shape == (1, 64) and np.linalg.norm(vector) == pytest.approx(1, abs=1e-3)


def test_metadata_travels_in_the_package_and_beside_it(gemma: tuple[Source, Path]) -> None:
    _, out = gemma
    package = read_package(out / PACKAGE)
    assert package.spec.description.metadata.license == "Apache-2.0"
    assert package.metadata["pocketlm.base"] == "Tiny"
    assert package.metadata["pocketlm.stop_token_id"] == "2"
    assert package.metadata["pocketlm.chat_template"] == "{{ messages }}"
    beside = json.loads((out / "generation.json").read_text())
    assert beside["stop_token"] == "<|im_end|>" and beside["begin_token_id"] == 1 and beside["context"] == CONTEXT


# Faults are found


def change_config(folder: Path, **values: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | values))


def change_tensor(folder: Path, name: str, change: Callable[[torch.Tensor], torch.Tensor]) -> None:
    tensors = load_file(folder / "model.safetensors")
    tensors[name] = change(tensors[name]).contiguous()
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def swap_heads(weight: torch.Tensor) -> torch.Tensor:
    return torch.cat([weight[16:32], weight[:16], weight[32:]])


def interleave(weight: torch.Tensor) -> torch.Tensor:
    return weight.reshape(4, 2, 8, -1).transpose(1, 2).reshape(weight.shape)


QUERY = "model.layers.1.self_attn.q_proj.weight"
FAULTS: dict[str, tuple[Callable[[Path], None], str]] = {
    "rope base": (lambda f: change_config(f, rope_parameters={"rope_type": "default", "rope_theta": 9000.0}), "rope"),
    "swapped heads": (lambda f: change_tensor(f, QUERY, swap_heads), "weights"),
    "another layout of rotary halves": (lambda f: change_tensor(f, QUERY, interleave), "weights"),
    "a norm's weight": (lambda f: change_tensor(f, "model.norm.weight", lambda w: w * 1.05), "weights"),
    "norm epsilon": (lambda f: change_config(f, rms_norm_eps=0.1), "program"),
    "activation": (lambda f: change_config(f, hidden_act="gelu"), "program"),
}


@pytest.mark.parametrize("precision", ["fp16", "int4"])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(tiny_llama: Path, tmp_path: Path, fault: str, precision: str) -> None:
    plant, check = FAULTS[fault]
    folder = shutil.copytree(tiny_llama, tmp_path / "model")
    plant(folder)
    converted(source_of(folder), tmp_path / "out", precision)
    assert check in failed(FORMAT.inspect(source_of(tiny_llama), tmp_path / "out", precision))


def test_a_dropped_stop_token_and_a_changed_template_are_found(gemma: tuple[Source, Path]) -> None:
    source, out = gemma
    assert failed(FORMAT.inspect(replace(source, stop_token="<|endoftext|>"), out, "fp16")) == {
        "stop token",
        "stop token id",
    }
    assert failed(FORMAT.inspect(replace(source, chat_template="{{ messages }} "), out, "fp16")) == {"chat template"}


def test_another_tokenizer_beside_the_package_is_found(gemma: tuple[Source, Path], tmp_path: Path) -> None:
    source, out = gemma
    copy = shutil.copytree(out, tmp_path / "out")
    (copy / "tokenizer.json").write_text("{}")
    assert failed(FORMAT.inspect(source, copy, "fp16")) == {"files"}


@pytest.mark.parametrize("wrong", ["rope", "window", "mask"])
def test_a_program_that_computes_something_else_is_found(
    gemma: tuple[Source, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wrong: str
) -> None:
    """Weights and tables are right; only running the program tells."""
    source, _ = gemma
    rotate, attend = coreml_graph.rotate, torch.nn.functional.scaled_dot_product_attention
    with monkeypatch.context() as patch:
        if wrong == "rope":
            patch.setattr(coreml_graph, "rotate", lambda heads, cosines, sines: rotate(heads, cosines, -sines))
        elif wrong == "window":
            patch.setattr(coreml_graph.Body, "_near", lambda self, mask, past, end: mask)
        else:
            patch.setattr(
                torch.nn.functional,
                "scaled_dot_product_attention",
                lambda q, k, v, attn_mask: attend(q, k, v, attn_mask=attn_mask * 0),
            )
        converted(source, tmp_path / "out")
    wrong_checks = failed(FORMAT.inspect(source, tmp_path / "out", "fp16"))
    assert "program" in wrong_checks and not wrong_checks & {"weights", "rope", "state"}


def test_damaged_packages_are_named(gemma: tuple[Source, Path], tmp_path: Path) -> None:
    _, out = gemma
    copy = shutil.copytree(out / PACKAGE, tmp_path / PACKAGE)
    weights = copy / "Data" / "com.apple.CoreML" / "weights" / "weight.bin"
    weights.write_bytes(weights.read_bytes()[:-500])
    with pytest.raises(InputError, match="truncated"):
        read_package(copy)
    with pytest.raises(InputError, match="not a .mlpackage"):
        read_package(tmp_path)


def test_an_operation_that_is_not_known_is_an_error(
    gemma: tuple[Source, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(OPERATIONS, "gelu")
    package = read_package(gemma[1] / PACKAGE)
    mask = coreml_graph.causal_mask(1, 1).numpy()
    with pytest.raises(InputError, match="operation gelu that is not known"):
        Interpreter(package).predict({"inputIds": np.array([[5]], np.int32), "causalMask": mask})


# The script for a Mac


def predictor(out: Path) -> Any:
    """The package behind coremltools' interface: predict(inputs, state) and make_state()."""
    package = read_package(out / PACKAGE)

    def make_state() -> Interpreter:
        return Interpreter(package)

    def predict(inputs: dict[str, Any], state: Interpreter) -> Any:
        return state.predict(inputs)

    return verify_on_mac.open_decoder(predict, make_state)


def cases_of(source: Source) -> list[Case]:
    """Greedy answers of transformers."""
    model = AutoModelForCausalLM.from_pretrained(source.folder, dtype=torch.float32).eval()
    tokenizer = tiny.make_tiny_tokenizer()
    cases = []
    for text in ("<|im_start|>Set an alarm", "play music", "What's the weather in Paris on Monday?"):
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        told = model.generate(torch.tensor([ids]), max_new_tokens=6, do_sample=False)[0, len(ids) :].tolist()
        odds = model(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1).topk(5)
        cases.append(Case(text, ids, told, list(zip(odds.indices.tolist(), odds.values.tolist(), strict=True))))
    return cases


def test_the_script_for_a_mac_tells_right_from_wrong(
    gemma: tuple[Source, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, converted_to = gemma
    out = shutil.copytree(converted_to, tmp_path / "out")
    with torch.no_grad():
        mac_check(out, cases_of(source))
    py_compile.compile(str(out / "verify_on_mac.py"), doraise=True)
    kept = json.loads((out / "prompts.json").read_text())
    decoder, stop = predictor(out), kept["stop_token_id"]

    def run() -> int:
        return verify_on_mac.verdict(kept, *verify_on_mac.check_answers(decoder, kept["cases"], stop), [])

    assert run() == 0 and "3 of 3 agree" in capsys.readouterr().out
    kept["cases"][0]["answer"][0] += 1
    assert run() == 3 and "2 of 3 agree" in capsys.readouterr().out
    kept["cases"][0]["answer"][0] -= 1
    kept["cases"][1]["top"][0][1] -= 1.0  # nats
    assert run() == 3 and "off by 1.0" in capsys.readouterr().out


def test_the_script_checks_the_tokenizer_and_its_system() -> None:
    assert verify_on_mac.HIDDEN == HIDDEN  # the script stands alone, so this number stands twice
    cases = [{"text": "play music", "prompt": [1, 2]}, {"text": "", "prompt": [3]}]
    assert verify_on_mac.check_tokens(lambda text: [1, 2], cases) == []
    assert verify_on_mac.check_tokens(lambda text: [1, 9], cases) == [1]
    assert verify_on_mac.verdict({"cases": [0], "least": 0.9}, 1, ["1: agrees"], [1]) == 3
    if sys.platform != "darwin":
        assert verify_on_mac.main() == 2
        assert not FORMAT.executes


def test_vectors_are_checked_on_a_mac(bert: Source, tmp_path: Path) -> None:
    (tmp_path / "generation.json").write_text(json.dumps(generation(bert, CONTEXT)))
    mac_check(tmp_path, [Case("", [1, 2, 3], vector=[0.6, 0.8])])
    kept = json.loads((tmp_path / "prompts.json").read_text())
    assert kept["kind"] == "encoder"
    assert verify_on_mac.check_vectors(lambda ids: [0.6, 0.8], kept["cases"])[0] == 1
    assert verify_on_mac.check_vectors(lambda ids: [0.8, -0.6], kept["cases"])[0] == 0


def test_cases_that_prove_nothing_are_refused(gemma: tuple[Source, Path], tmp_path: Path) -> None:
    out = shutil.copytree(gemma[1], tmp_path / "out")
    for cases, told in (
        ([], "no prompts"),
        ([Case("", [1])], "case 1: it needs a prompt and an answer"),
        ([Case("", [1] * CONTEXT, [2])], "longer than the 64 tokens"),
    ):
        with pytest.raises(InputError, match=told):
            mac_check(out, cases)
