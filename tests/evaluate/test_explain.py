"""Looking inside an answer: the same on torch and llama.cpp, sources found where they are known, attention as transformers has it."""

from __future__ import annotations

import math
import re
import struct
import zlib
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Generation, Ids, Odds
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.attention import MOST_DRAWN, NONE, Attention
from pocketlm.evaluate.explain import MOST_WORDS, Choice, Explanation, Token, Word, ask, explain, split_words
from pocketlm.evaluate.explain_page import png, render_page
from pocketlm.evaluate.explain_text import chance, render_text, times, visible
from pocketlm.export.gguf import export_gguf
from pocketlm.tasks.call import Call, CallTask
from pocketlm.tasks.template import CHATML, GEMMA, TERSE, TWICE
from pocketlm.tasks.tools import ToolSet

TEXT = "Set an alarm for 7, ü 😀"
ALARM = {
    "name": "set_alarm",
    "parameters": {
        "type": "object",
        "properties": {"time": {"type": "string"}, "day": {"type": "string"}},
        "required": ["time"],
    },
}
TASK = CallTask(ToolSet.from_openai([ALARM], "t"), "full")


class Letters:
    """An engine whose tokens are letters. It always gives one answer, and holds a letter probable that its prompt's request has.

    What hangs on which word is known, so what is found can be checked.
    """

    uri, template = "letters", "chatml"

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def generate(self, prompts: Sequence[str], **_: Any) -> list[Generation]:
        ids = (*self.tokenize(self.answer), 0)
        ends = (*range(1, len(self.answer) + 1), len(self.answer))
        return [Generation(self.answer, len(ids), True, 0.0, 0.0, (0.0,) * len(ids), ends, ids) for _ in prompts]

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Any = None) -> list[list[Odds]]:
        found = []
        for prompt, completion in pairs:
            request = self.decode([*prompt, *completion]).rpartition("<|im_start|>user\n")[2].partition("<|im_end|>")[0]
            found.append(
                [Odds(i, -0.1 if chr(i) in request else -3.0, ((i, -0.1), (65, -2.0))[:top]) for i in completion]
            )
        return found

    def tokenize(self, text: str) -> list[int]:
        return [ord(letter) for letter in text.replace("<|im_end|>", "\0")]

    def decode(self, ids: Ids) -> str:
        return "".join(map(chr, ids)).replace("\0", "<|im_end|>")


@pytest.fixture(scope="module", params=["torch", "llamacpp"])
def engine(request: pytest.FixtureRequest, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    uri = str(tiny_llama)
    if request.param == "llamacpp":
        uri = str(tmp_path_factory.mktemp("gguf") / "tiny.gguf")
        export_gguf(tiny_llama, Path(uri), precision="f32", chat_template=CHATML.jinja, stop_token=CHATML.stop)
    opened = open_engine(uri)
    yield opened
    opened.close()


def test_tokens_are_the_prompt_and_the_answer_with_the_engines_own_odds(engine: Any) -> None:
    told = explain(engine, TEXT, max_tokens=8, top=3)
    question = ask(TEXT, CHATML, None)
    ids = engine.tokenize(question.text)
    assert [token.id for token in told.prompt] == ids
    assert (told.prompt[0].logprob, told.prompt[0].top, told.prompt[-1].end) == (None, (), len(question.text))
    assert engine.decode([token.id for token in told.written]).startswith(told.answer)
    (odds,) = engine.odds([(ids, [token.id for token in told.written])])
    assert [token.logprob for token in told.written] == pytest.approx([one.logprob for one in odds], abs=1e-2)
    for token in told.written:
        assert token.is_likeliest and len(token.top) == 3  # greedy and free
        assert token.top[0].text == token.text
    assert (told.words[0], told.words[-1].text) == (Word("Set", 0, 3), "😀")
    (origin,) = told.origins
    assert (origin.name, origin.value, len(origin.drops)) == ("answer", told.answer, len(told.words))
    assert told.notes[0].startswith("The answer was cut after 8 tokens") or told.written[-1].text == CHATML.stop


def test_attention_where_the_engine_tells_it(engine: Any) -> None:
    told = explain(engine, TEXT, max_tokens=8)
    if told.attention is None:
        assert engine.uri.endswith(".gguf") and told.notes[-1] == NONE
        assert told.origins[0].shares == ()
        return
    count = len(told.prompt) + len(told.written) - 1  # the first token is set apart
    assert told.attention.weights.shape == (2, 4, count, 1 + count)
    assert told.attention.weights.sum(-1) == pytest.approx(1, abs=1e-4)
    assert sum(told.origins[0].shares) == pytest.approx(1)
    assert told.to_json()["attention"]["heads"] == 4


def test_what_a_value_is_made_of_is_the_same_on_both_engines(tiny_llama: Path, tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    export_gguf(tiny_llama, file, precision="f32", chat_template=CHATML.jinja, stop_token=CHATML.stop)
    one, other = (explain(open_engine(str(uri)), TEXT, max_tokens=6, expected="7") for uri in (tiny_llama, file))
    assert one.answer == other.answer
    assert one.origins[0].drops == pytest.approx(other.origins[0].drops, abs=0.05)
    assert one.contrast and other.contrast
    assert one.contrast.logprob == pytest.approx(other.contrast.logprob, abs=0.05)


def test_attention_is_that_of_transformers_in_one_pass(tiny_llama: Path) -> None:
    engine: Any = open_engine(str(tiny_llama))
    ids = engine.tokenize(ask(TEXT, CHATML, None).text)
    split = engine.attention(ids[:5], ids[5:])
    engine.model.set_attn_implementation("eager")
    with torch.inference_mode():
        whole = torch.cat(engine.model(torch.tensor([ids]), output_attentions=True).attentions).numpy()
    assert split == pytest.approx(whole[:, :, 5:], abs=1e-5)
    assert explain(engine, TEXT, max_tokens=4).answer == explain(engine, TEXT, max_tokens=4).answer
    with pytest.raises(InputError, match="at least one token"):
        engine.attention([], ids)


def test_a_head_can_be_chosen(tiny_llama: Path) -> None:
    engine: Any = open_engine(str(tiny_llama))
    told = explain(engine, TEXT, max_tokens=4, head=(1, 3))
    assert told.attention and np.array_equal(told.attention.shown, told.attention.weights[1, 3, :, 1:])
    with pytest.raises(InputError, match=r"--head 2\.0: layers are 0 to 1, heads 0 to 3"):
        explain(engine, TEXT, max_tokens=4, head=(2, 0))


def test_of_a_long_text_the_end_is_drawn(tiny_llama: Path) -> None:
    told = explain(open_engine(str(tiny_llama)), "an alarm " * 90, max_tokens=3)
    assert told.attention and told.attention.first == len(told.prompt) + len(told.written) - MOST_DRAWN > 1
    assert told.attention.shown.shape == (MOST_DRAWN, MOST_DRAWN)
    assert told.origins[0].shares == ()  # not all of the request is drawn
    assert len(told.origins[0].drops) == len(told.words) <= MOST_WORDS
    assert "tokens) is left out" in render_text(told, attention=True).plain
    assert render_page(told).count("<img") == 2 * 4 + 1


def test_each_value_is_traced_to_its_word() -> None:
    told = explain(Letters('{"set_alarm":{"time":"7","day":"xyz"}}'), "wake me 7 on xyz", task=TASK)
    assert [origin.name for origin in told.origins] == ["set_alarm.time", "set_alarm.day"]
    assert [origin.value for origin in told.origins] == ["7", "xyz"]
    time, day = (origin.drops for origin in told.origins)
    assert time == pytest.approx([0, 0, 2.9, 0, 0])
    assert day == pytest.approx([0, 0, 0, 0, 3 * 2.9])
    assert told.hidden > 0 and told.prompt[0].text == "<"  # of <|im_start|>user; the system block is hidden
    whole = explain(Letters("{}"), "wake me", task=TASK, whole=True)
    assert (whole.hidden, whole.origins) == (0, ())


def test_an_answer_against_the_expected_one() -> None:
    engine = Letters('{"set_alarm":{"time":"7"}}')
    right = explain(engine, "wake me 7", task=TASK, expected=[Call("set_alarm", {"time": "7"})]).contrast
    assert right and (right.why, right.place) == ((), None) and right.given == right.logprob
    wrong = explain(engine, "wake me 7", task=TASK, expected=[Call("set_alarm", {"time": "8"})]).contrast
    assert wrong and wrong.why == ("set_alarm.time wrong",)
    assert wrong.wrote and wrong.instead and (wrong.wrote.text, wrong.instead.text) == ("7", "8")
    assert wrong.given - wrong.logprob == pytest.approx(2.9)
    assert wrong.place == len('{"set_alarm":{"time":"')
    assert "18x" in render_text(explain(engine, "wake 7", task=TASK, expected=[Call("set_alarm", {"time": "8"})])).plain
    longer = explain(engine, "wake me 7", raw=True, expected=engine.answer[:5]).contrast
    assert longer and longer.wrote and longer.instead is None


def test_the_same_text_in_other_tokens_does_not_part() -> None:
    class Pairs(Letters):
        """Its tokenizer joins `{"`, its answers do not."""

        def tokenize(self, text: str) -> list[int]:
            return super().tokenize(text.replace('{"', "\ue000"))

        def decode(self, ids: Ids) -> str:
            return super().decode(ids).replace("\ue000", '{"')

        def generate(self, prompts: Sequence[str], **more: Any) -> list[Generation]:
            return Letters(self.answer).generate(prompts, **more)

    engine = Pairs('{"set_alarm":{"time":"7"}}')
    same = explain(engine, "wake me 7", task=TASK, expected=[Call("set_alarm", {"time": "7"})]).contrast
    assert same and (same.place, same.logprob) == (None, same.given)
    other = explain(engine, "wake me 7", task=TASK, expected=[Call("set_alarm", {"time": "8"})]).contrast
    assert other and other.place == len('{"set_alarm":{"time":"')
    assert other.wrote and other.instead and (other.wrote.text, other.instead.text) == ("7", "8")


def test_an_answer_that_is_no_calls_is_told() -> None:
    told = explain(Letters('{"set_alarm":{"ti'), "wake me", task=TASK, expected=[])
    assert told.origins == () and "cannot be read as calls" in told.notes[0]
    assert told.contrast and "unreadable answer" in told.contrast.why[0]
    assert "cannot be read" in render_page(told)
    cut = explain(Letters('{"set_alarm":{"time":"7"}}\n{"set'), "wake me 7", task=TASK)
    assert [origin.value for origin in cut.origins] == ["7"] and cut.notes[0].startswith("The answer cannot be read")


@pytest.mark.parametrize("template", [CHATML, TERSE, TWICE, GEMMA])
@pytest.mark.parametrize("task", [None, TASK, CallTask(TASK.tools, "none")])
def test_a_prompt_is_what_the_task_makes_of_it(template: Any, task: CallTask | None) -> None:
    question = ask("say assistant user\n{content}", template, task)
    times = template.user.count("{content}")
    assert [question.text[-back:].startswith(question.request) for back in question.places] == [True] * times
    assert bool(question.system) == (task is TASK)
    assert (question.grammar is None) == (task is None)
    assert question.without(Word("assistant", 4, 13)) == question.text.replace("say assistant user", "say user")


def test_raw_text_is_the_prompt_itself(engine: Any) -> None:
    told = explain(engine, " Set an alarm", raw=True, task=TASK, max_tokens=4)
    assert "".join(token.text for token in told.prompt) == " Set an alarm"
    assert not told.constrained
    lone = explain(engine, "a", raw=True, max_tokens=2)
    assert lone.origins[0].drops == ()
    with pytest.raises(InputError, match="the text is empty"):
        explain(engine, " \n", raw=True)


def test_words_also_without_spaces_and_in_stretches() -> None:
    assert [word.text for word in split_words("7時に 起こして please")] == [*"7時に起こして", "please"]
    many = split_words(" ".join(f"w{i}" for i in range(100)))
    assert len(many) <= MOST_WORDS and many[0].text == "w0 w1 w2 w3"


def test_values_stand_where_they_are_said_to() -> None:
    told = [
        Call("set_alarm", {"time": "7 am", "day": "set_alarm", "loud": True}),
        Call("stop", {}),
        Call("go", {"a": [1, "b"]}),
    ]
    for template in (CHATML, GEMMA):
        text = CallTask._render(told, template).removesuffix(template.stop)
        spans = TASK.value_spans(text, template)
        named = {f"{span.function}.{span.argument}": text[span.start : span.end] for span in spans}
        lists = '[1,"b"]' if template is CHATML else "[1,<escape>b<escape>]"
        assert named == {
            "set_alarm.time": "7 am",
            "set_alarm.day": "set_alarm",
            "set_alarm.loud": "true",
            "go.a": lists,
        }
    loose = '[{"name": "go", "arguments": {"a" : "x\\"y", "b": ""}}]'
    assert [loose[span.start : span.end] for span in TASK.value_spans(loose, CHATML)] == ['x\\"y', '""']
    with pytest.raises(ValueError, match="Unterminated"):
        TASK.value_spans('{"a', CHATML)


# ------------------------------------------------------------------------------------------------- text and page


def test_numbers_as_they_are_read() -> None:
    assert [times(math.log(n)) for n in (1.5, 40, 4e6)] == ["1.5x", "40x", "10⁷x"]
    assert times(1e9).startswith("10⁴") and (chance(-1.0), chance(-23.03)) == ("36.8%", "10⁻¹⁰")
    assert visible("a b\n\x1b\u202e") == "a·b↵\\x1b\\u202e"


class Page(HTMLParser):
    """Tags in balance; what it links to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.links: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name in ("src", "href")]
        assert not any(name.startswith("on") or name == "style" for name, _ in attrs)
        if tag not in ("meta", "img", "br"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.links += [value or "" for name, value in attrs if name == "href"]

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_of_a_large_model_is_small_and_fetches_nothing() -> None:
    """As many heads as SmolLM2-135M has, 120 tokens, and weights without any pattern: the worst to pack."""
    count, evil = 120, '<script>alert("x")</script>&'
    random = np.random.default_rng(0)
    weights = np.tril(random.random((30, 9, count, count)) ** 8)
    weights = np.pad(weights / np.maximum(weights.sum(-1, keepdims=True), 1), [(0, 0), (0, 0), (0, 0), (1, 0)])
    token = Token(7, f"{evil}\n", 0, 9, -0.5, (Choice(7, evil, -0.5), Choice(8, "b", -2.0)))
    told = Explanation(
        engine="e", request=evil, answer=evil, constrained=True, hidden=0, prompt=(token,) * (count - 39),
        written=(token,) * 40, words=(Word(evil, 0, len(evil)),), origins=(), contrast=None,
        attention=Attention(weights.astype(np.float32), 1), notes=(evil,),
    )  # fmt: skip
    page = render_page(told)
    assert len(page) < 3_000_000
    assert evil not in page
    assert all(link.startswith(("data:image/png;base64,", "#")) for link in Page(page).links)
    assert page.count("<img") == 30 * 9 + 1


def test_the_page_of_an_answer(engine: Any) -> None:
    page = render_page(explain(engine, TEXT, max_tokens=6, expected="no"))
    Page(page)
    assert "Against the expected answer" in page
    assert ('<svg class="large"' in page) != engine.uri.endswith(".gguf")
    assert re.search(r"They part at token 1|Both are the same", page)


def test_the_picture_is_a_png_of_its_shades() -> None:
    shades = np.arange(15, dtype=np.uint8).reshape(3, 5)
    data = png(shades)
    chunks, at = {}, 8
    while at < len(data):
        size, kind = struct.unpack(">I4s", data[at : at + 8])
        content = data[at + 8 : at + 8 + size]
        assert struct.unpack(">I", data[at + 8 + size : at + 12 + size]) == (zlib.crc32(kind + content),)
        chunks[kind], at = content, at + 12 + size
    assert struct.unpack(">IIBBBBB", chunks[b"IHDR"]) == (5, 3, 4, 3, 0, 0, 0)
    rows = zlib.decompress(chunks[b"IDAT"])
    assert [rows[4 * i] for i in range(3)] == [0, 0, 0]  # no filter
    pixels = [[half for byte in rows[4 * i + 1 : 4 * i + 4] for half in (byte >> 4, byte & 15)][:5] for i in range(3)]
    assert pixels == shades.tolist()


@pytest.mark.starter
def test_the_real_starter_copies_the_name_it_was_told() -> None:
    told = explain(open_engine("starter:smollm2-135m"), "My name is Saoirse. What is my name? One word.", max_tokens=12)
    assert "Saoirse" in told.answer
    drops = {word.text: drop for word, drop in zip(told.words, told.origins[0].drops, strict=True)}
    assert max(drops, key=lambda word: drops[word]) == "Saoirse."
    assert told.attention and told.attention.weights.shape[:2] == (30, 9)
    assert len(render_page(told)) < 3_000_000
