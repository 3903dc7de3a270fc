"""One contract for all engines: a new engine is a row of ENGINES."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import InputError
from pocketlm.engines.open import open_engine
from pocketlm.engines.rules import RulesEngine
from pocketlm.engines.torch_engine import WORTH_SHARING
from pocketlm.export.base import Source
from pocketlm.export.gguf import export_gguf
from pocketlm.export.litert import LitertFormat
from pocketlm.export.onnx import OnnxFormat
from pocketlm.tasks.call import Call, CallRow, CallTask, Grounding
from pocketlm.tasks.grammar import is_span
from pocketlm.tasks.template import CHATML, Message
from pocketlm.tasks.tools import ToolSet

ENGINES = ["torch", "llamacpp", "onnx", "litert"]
SHARED = "<|im_start|>system\nA block that all prompts share, word for word, so that it is computed once.<|im_end|>\n"
PROMPTS = [
    f"{SHARED}<|im_start|>user\n{text}<|im_end|>\n<|im_start|>assistant\n"
    for text in ("hi", "a longer request, ü", "1 2 3")
]
GRAMMAR = 'root ::= "yes" | "no" [a-c]\n'


@pytest.fixture(scope="module", params=ENGINES)
def engine(request: pytest.FixtureRequest, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    uri = str(tiny_llama)
    if request.param == "llamacpp":
        uri = str(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
        export_gguf(tiny_llama, Path(uri), precision="f32", chat_template=CHATML.jinja, stop_token=CHATML.stop)
    if request.param == "onnx":
        pytest.importorskip("onnxruntime", reason="needs pip install 'pocketlm[onnx]'")
        source = Source(tiny_llama, "tiny", chat_template=CHATML.jinja, stop_token=CHATML.stop)
        uri = str(tmp_path_factory.mktemp("onnx"))
        OnnxFormat().convert(source, Path(uri), "fp32")
    if request.param == "litert":
        for package in ("litert_torch", "ai_edge_litert", "litert_lm_builder"):
            pytest.importorskip(package)
        source = Source(tiny_llama, "tiny", chat_template=CHATML.jinja, stop_token=CHATML.stop)
        uri = str(tmp_path_factory.mktemp("litert"))
        LitertFormat(prefills=(32,)).convert(source, Path(uri), "fp32")
    opened = open_engine(uri)
    yield opened
    opened.close()


def test_a_batch_gives_what_each_prompt_gives_alone(engine: Any) -> None:
    ticks: list[int] = []
    together = engine.generate(PROMPTS, max_tokens=10, tick=ticks.append)
    assert sum(ticks) == len(PROMPTS)
    for prompt, answer in zip(PROMPTS, together, strict=True):
        alone = engine.generate([prompt], max_tokens=10)[0]
        assert (answer.text, answer.tokens, answer.stopped) == (alone.text, alone.tokens, alone.stopped)
        assert answer.logprob == pytest.approx(alone.logprob, abs=1e-2)


def test_the_stream_is_the_answer(engine: Any) -> None:
    answer = engine.generate(PROMPTS[:1], max_tokens=10)[0]
    pieces = list(engine.stream(PROMPTS[0], max_tokens=10))
    assert answer.text.startswith("".join(pieces)) or "".join(pieces) == answer.text


def test_only_what_the_grammar_allows(engine: Any) -> None:
    answers = engine.generate(PROMPTS, max_tokens=10, grammar=GRAMMAR)
    assert {answer.text for answer in answers} <= {"yes", "noa", "nob", "noc"}
    assert all(answer.stopped for answer in answers)
    assert "".join(engine.stream(PROMPTS[0], max_tokens=10, grammar=GRAMMAR)) == answers[0].text


def test_a_grammar_for_each_prompt_and_free_strings_from_the_request_only(engine: Any) -> None:
    schema = {"type": "object", "properties": {"app": {"type": "string"}}, "required": ["app"]}
    task = CallTask(
        ToolSet.from_openai([{"name": "open", "parameters": schema}], "t"), grounding=Grounding(copied=True)
    )
    rows = [CallRow((Message("user", text),), ()) for text in ('open "Maps", now', "öffne   die Karte")]
    grammars = [
        re.sub("^root ::= .*", "root ::= call", task.grammar(CHATML, row)) for row in rows
    ]  # one call, not more
    answers = engine.generate([task.prompt(row, CHATML) for row in rows], max_tokens=60, grammar=grammars)
    for row, answer in zip(rows, answers, strict=True):
        assert answer.stopped
        (call,) = task.parse(answer.text, CHATML)
        assert is_span(call.arguments["app"], row.request)


def test_every_token_of_an_answer_has_its_logprob_and_its_end(engine: Any) -> None:
    for answer in engine.generate([*PROMPTS, PROMPTS[1].replace("ü", "😀 ü")], max_tokens=12):
        assert len(answer.logprobs) == len(answer.ends) == answer.tokens
        assert sum(answer.logprobs) == pytest.approx(answer.logprob, abs=1e-4)
        assert list(answer.ends) == sorted(answer.ends)
        assert len(answer.ids) == answer.tokens
        assert engine.decode(answer.ids).removesuffix(CHATML.stop) == answer.text
        assert answer.ends[-1] == len(answer.text.rstrip("\ufffd"))


def test_odds_of_an_answer_are_those_it_was_made_with(engine: Any) -> None:
    answer = engine.generate(PROMPTS[:1], max_tokens=6)[0]
    prompt, ids = engine.tokenize(PROMPTS[0]), engine.tokenize(answer.text)
    if answer.stopped or len(ids) != answer.tokens:
        pytest.skip("this random model's answer does not tokenize back to itself")
    (odds,) = engine.odds([(prompt, ids)], top=3)
    assert [one.logprob for one in odds] == pytest.approx(answer.logprobs, abs=1e-2)
    assert [one.id for one in odds] == [one.top[0][0] for one in odds] == ids  # greedy
    assert all(len(one.top) == 3 and one.top[0][1] >= one.top[1][1] >= one.top[2][1] for one in odds)
    assert engine.decode(ids) == answer.text


def test_odds_of_a_batch_are_those_of_each_alone(engine: Any) -> None:
    pairs = [
        (engine.tokenize(prompt), engine.tokenize(text))
        for prompt, text in zip(PROMPTS, ("a", "ü 7", "1 2 3 4 5"), strict=True)
    ]
    together = engine.odds(pairs)
    assert engine.tokenize(SHARED) == pairs[0][0][: len(engine.tokenize(SHARED))]
    assert len(engine.tokenize(SHARED)) > WORTH_SHARING  # so that they are computed once
    for pair, odds in zip(pairs, together, strict=True):
        assert [o.logprob for o in odds] == pytest.approx(
            [o.logprob for o in engine.odds([pair])[0]], abs=1e-3
        )  # llama.cpp keeps keys in 16 bits


def test_odds_need_something_in_front(engine: Any) -> None:
    with pytest.raises(InputError, match="at least one token"):
        engine.odds([([], [5])])


def test_begin_token_and_context_are_the_model_s(engine: Any) -> None:
    assert engine.decode([engine.begin]) == "<|im_start|>"
    assert engine.context == 1024


def test_special_tokens_are_recognised_and_nothing_is_added(engine: Any) -> None:
    ids = engine.tokenize("<|im_start|>a<|im_end|>")
    assert (ids[0], ids[-1], len(ids)) == (1, 2, 3)


def test_rules_fill_in_the_new_value() -> None:
    schema = {"type": "object", "properties": {"app": {"type": "string"}}, "required": ["app"]}
    task = CallTask(ToolSet.from_openai([{"name": "open", "parameters": schema}, {"name": "stop"}], "t"))
    rows = [
        CallRow((Message("user", "please open Maps now"),), (Call("open", {"app": "Maps"}),)),
        CallRow((Message("user", "halt everything"),), (Call("stop", {}),)),
    ]
    rules = RulesEngine(task, rows)
    answers = rules.generate(["please open Photos now", "halt it"])
    assert [answer.text for answer in answers] == ['{"open":{"app":"Photos"}}', '{"stop":{}}']
