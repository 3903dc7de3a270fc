"""llama.cpp through its engine: the protocol's promises, checked against transformers on a tiny model."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import make_tiny_llama, make_tiny_tokenizer
from transformers import AutoModelForCausalLM

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.engines.base import Engine
from pocketlm.engines.llamacpp import LlamaCppEngine
from pocketlm.export.gguf import export_gguf
from pocketlm.tasks.template import CHATML, TERSE, TWICE, Message, Template

pytest.importorskip("xllamacpp")

PROMPTS = [
    f"<|im_start|>user\n{ask}<|im_end|>\n<|im_start|>assistant\n" for ask in ("Set an alarm", "Play music", "naïve 😀?")
]


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_tiny_llama(tmp_path_factory.mktemp("tiny"))


@pytest.fixture(scope="module")
def file(tiny: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_gguf(tiny, tmp_path_factory.mktemp("gguf") / "tiny.gguf", precision="f32").path


@pytest.fixture(scope="module")
def engine(file: Path) -> Iterator[LlamaCppEngine]:
    engine = LlamaCppEngine(file, threads=1, context=512, exact=True)
    yield engine
    engine.close()


@pytest.fixture(scope="module")
def model(tiny: Path) -> Any:
    return AutoModelForCausalLM.from_pretrained(tiny, dtype=torch.float32).eval()  # type: ignore[no-untyped-call]


def _torch_answer(model: Any, prompt: str, max_tokens: int) -> list[int]:
    ids = torch.tensor([make_tiny_tokenizer()(prompt, add_special_tokens=False).input_ids])
    out = model.generate(ids, max_new_tokens=max_tokens, do_sample=False)
    return list(out[0, ids.shape[1] :].tolist())


def _logprobs(engine: LlamaCppEngine, prompt: str, completion: str) -> list[float]:
    (odds,) = engine.odds([(engine.tokenize(prompt), engine.tokenize(completion))])
    return [one.logprob for one in odds]


def test_it_is_an_engine(engine: LlamaCppEngine, file: Path) -> None:
    checked: Engine = engine
    assert (checked.uri, checked.template) == (str(file), "chatml")


def test_greedy_answers_are_transformers(engine: LlamaCppEngine, model: Any) -> None:
    seen: list[int] = []
    answers = engine.generate(PROMPTS, max_tokens=24, tick=seen.append)
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        expected = _torch_answer(model, prompt, 24)
        assert answer.text == make_tiny_tokenizer().decode(expected, skip_special_tokens=True)
        assert answer.tokens == len(expected)
    assert seen == [1, 1, 1]


def test_logprobs_match_torch(engine: LlamaCppEngine, model: Any) -> None:
    tokenizer = make_tiny_tokenizer()
    completion = "call mum<|im_end|>\nand 😀é"  # goes on after a stop token; ends with characters of several tokens
    prompt_ids, ids = (tokenizer(text, add_special_tokens=False).input_ids for text in (PROMPTS[0], completion))
    with torch.no_grad():
        table = model(torch.tensor([prompt_ids + ids])).logits[0].log_softmax(-1)
    expected = [table[len(prompt_ids) + i - 1, token].item() for i, token in enumerate(ids)]
    assert _logprobs(engine, PROMPTS[0], completion) == pytest.approx(expected, abs=1e-4)


def test_an_answers_logprob_is_its_tokens_sum(engine: LlamaCppEngine) -> None:
    for text in ("call mum", "nö😀"):  # llama.cpp reports no token that ends inside a character
        answer = engine.generate([PROMPTS[1]], max_tokens=40, grammar=f'root ::= "{text}"')[0]
        assert answer.text == text
        assert answer.stopped
        ids = engine._complete(
            engine.tokenize(PROMPTS[1]), 40, grammar=f'root ::= "{text}"', verbose=True, return_tokens=True
        )["__verbose"]["tokens"]
        assert len(ids) == answer.tokens
        (odds,) = engine.odds([(engine.tokenize(PROMPTS[1]), ids)])
        assert answer.logprobs == pytest.approx([one.logprob for one in odds], abs=1e-4)


def test_ordinary_rounding_stays_small(engine: LlamaCppEngine, file: Path) -> None:
    ordinary = LlamaCppEngine(file, threads=1, context=512)
    scores = _logprobs(ordinary, PROMPTS[0], "call mum at noon")
    ordinary.close()
    assert scores == pytest.approx(_logprobs(engine, PROMPTS[0], "call mum at noon"), abs=5e-3)


def test_tokens_have_nothing_added(engine: LlamaCppEngine) -> None:
    assert engine.tokenize("<|im_start|>") == [1]
    assert engine.tokenize("") == []
    for text in PROMPTS:
        assert engine.tokenize(text) == make_tiny_tokenizer()(text, add_special_tokens=False).input_ids


def test_the_stop_token_ends_an_answer(tiny: Path, engine: LlamaCppEngine, model: Any, tmp_path: Path) -> None:
    third = _torch_answer(model, PROMPTS[0], 12)[2]  # what the model says third becomes the stop token
    token = str(make_tiny_tokenizer().convert_ids_to_tokens(third))
    stopping = LlamaCppEngine(export_gguf(tiny, tmp_path / "m.gguf", precision="f32", stop_token=token).path, threads=1)
    answer, free = (e.generate([PROMPTS[0]], max_tokens=12)[0] for e in (stopping, engine))
    stopping.close()
    assert answer.stopped
    assert not free.stopped
    assert answer.tokens <= 3
    assert free.text.startswith(answer.text)
    assert free.tokens == 12


def test_a_grammar_constrains(engine: LlamaCppEngine) -> None:
    grammar = 'root ::= "{\\"n\\":" [0-9] "}" | "nö😀"'
    for answer in engine.generate(PROMPTS, max_tokens=40, grammar=grammar):
        assert answer.stopped
        assert answer.text == "nö😀" or (answer.text[:5], answer.text[6:]) == ('{"n":', "}")
    with pytest.raises(InputError, match="grammar"):
        engine.generate(PROMPTS, grammar='root ::= "a" missing')
    with pytest.raises(InputError, match="grammar"):
        list(engine.stream(PROMPTS[0], grammar="root ::= ("))


def test_the_stream_is_the_answer(engine: LlamaCppEngine) -> None:
    pieces = list(engine.stream(PROMPTS[0], max_tokens=24))
    assert len(pieces) > 2
    whole = engine.generate([PROMPTS[0]], max_tokens=24)[0].text
    streamed = "".join(pieces)
    assert whole.startswith(streamed)
    assert not whole[len(streamed) :].strip("\ufffd")


def test_a_stream_left_early_frees_the_engine(engine: LlamaCppEngine) -> None:
    stream = engine.stream(PROMPTS[0], max_tokens=400, grammar="root ::= [a-z]+")
    assert next(stream)
    stream.close()  # type: ignore[attr-defined]
    assert engine.generate([PROMPTS[0]], max_tokens=2)[0].tokens == 2


def test_too_long_a_prompt_is_refused(engine: LlamaCppEngine) -> None:
    with pytest.raises(InputError, match="context"):
        engine.generate(["hello " * 600])
    with pytest.raises(InputError, match="max_tokens"):
        engine.generate(PROMPTS, max_tokens=0)


def test_the_terminal_stays_quiet(file: Path, capfd: pytest.CaptureFixture[str]) -> None:
    engine = LlamaCppEngine(file, threads=1, context=256)
    engine.generate(PROMPTS, max_tokens=3)
    engine.close()
    engine.close()
    assert capfd.readouterr() == ("", "")
    with pytest.raises(InputError, match="closed"):
        engine.tokenize("a")


def test_damaged_files_are_refused(file: Path, tmp_path: Path) -> None:
    half = tmp_path / "half.gguf"
    half.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(InputError, match=r"half\.gguf: truncated"):
        LlamaCppEngine(half)
    with pytest.raises(InputError, match="no such file"):
        LlamaCppEngine(tmp_path / "none.gguf")


def test_an_architecture_llamacpp_does_not_know_is_refused(file: Path, tmp_path: Path) -> None:
    alien = Path(shutil.copy(file, tmp_path / "alien.gguf"))
    alien.write_bytes(file.read_bytes().replace(b"\5\0\0\0\0\0\0\0llama", b"\5\0\0\0\0\0\0\0alien"))
    with pytest.raises(InputError, match=r"alien\.gguf: llama\.cpp cannot load"):
        LlamaCppEngine(alien)


def test_a_server_that_dies_is_an_error_and_not_our_end(file: Path) -> None:
    engine = LlamaCppEngine(file, threads=1, context=256)
    server = engine._running()
    server._process.kill()
    server._process.wait()
    with pytest.raises(InputError, match=r"tiny\.gguf: llama\.cpp ended"):
        engine.generate(PROMPTS)
    engine.close()


def test_the_server_ends_with_its_parent(file: Path) -> None:
    """Also where the parent is killed and closes nothing."""
    code = (
        "import pathlib, sys, time; from pocketlm.engines.llamacpp import LlamaCppEngine;"
        f"engine = LlamaCppEngine(pathlib.Path({str(file)!r}), threads=1, context=256);"
        "print(engine._running()._process.pid, flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(parent.stdout.readline())
        os.kill(child, 0)  # alive
        parent.kill()
    for _ in range(100):
        if not _alive(child):
            return
        time.sleep(0.05)
    pytest.fail("the server outlived its parent")


def _alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    status = Path(f"/proc/{process}/status")  # an orphan nobody waits for stays as a zombie
    return "zombie" not in status.read_text() if status.exists() else True


def test_without_xllamacpp_the_install_line_is_told(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pocketlm.engines.llamacpp_server.find_spec", lambda _: None)
    with pytest.raises(EnvironmentLacks, match="pip install xllamacpp"):
        LlamaCppEngine(file)


@pytest.mark.parametrize("template", [CHATML, TERSE, TWICE], ids=["chatml", "terse", "twice"])
def test_llamacpp_renders_the_prompts_we_train_on(template: Template, tiny: Path, tmp_path: Path) -> None:
    engine = LlamaCppEngine(export_gguf(tiny, tmp_path / "m.gguf", chat_template=template.jinja).path, threads=1)
    turns = [
        Message("system", " Be é,\n{x} "),
        Message("user", "hi\n"),
        Message("assistant", "😀"),
        Message("user", "a<|im_end|>"),
    ]
    for messages in (turns, turns[:2], turns[1:2]):
        assert engine.render(messages).encode() == template.render(messages).encode()
    engine.close()
