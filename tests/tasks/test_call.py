"""The call task: text and back, the grammar, the strict and the lenient score."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pocketlm.tasks import compact, gemma
from pocketlm.tasks.call import Call, CallRow, CallTask
from pocketlm.tasks.grammar import integer_range
from pocketlm.tasks.template import CHATML, GEMMA, Message
from pocketlm.tasks.tools import ToolSet

PARAMETERS = {
    "type": "object",
    "properties": {
        "time": {"type": "string"},
        "day": {"type": "string"},
        "count": {"type": "integer", "minimum": 5, "maximum": 123},
        "tags": {"type": "array", "items": {"type": "string"}},
        "on": {"type": "boolean"},
    },
    "required": ["time"],
}
TOOLS = ToolSet.from_openai(
    [{"type": "function", "function": {"name": "set_alarm", "parameters": PARAMETERS}}, {"name": "stop"}], "t"
)
ROW = CallRow((Message("user", "wake me"),), (Call("set_alarm", {"time": "7 am", "count": 7}),))
TWO = [Call("set_alarm", {"time": 'seven "sharp"\n', "tags": ["a", "ü"], "on": True}), Call("stop", {})]


@pytest.mark.parametrize("form", [compact, gemma])
@pytest.mark.parametrize("calls", [[], TWO[1:], TWO])
def test_text_and_back(form: Any, calls: list[Call]) -> None:
    back = form.parse_calls(form.render_calls(calls))
    assert [(c.name, c.arguments) for c in back] == [(c.name, c.arguments) for c in calls]


def test_compact_text_is_short_and_keeps_letters() -> None:
    assert compact.render_calls([Call("f", {"a": "ü"}), Call("g", {})]) == '{"f":{"a":"ü"}}\n{"g":{}}'
    assert compact.render_calls([]) == "{}"


def test_longer_forms_are_understood() -> None:
    want = [("f", {"a": 1})]
    for text in (
        '[{"name":"f","arguments":{"a":1}}]',
        '{"name":"f","parameters":{"a":1}}',
        '{"function":{"name":"f","arguments":"{\\"a\\":1}"}}',
    ):
        assert [(c.name, c.arguments) for c in compact.parse_calls(text)] == want


@pytest.mark.parametrize("text", ["", "hello", '{"f":', '{"f":1}', "[1]", "null", '{"a":{}} x'])
def test_unreadable_answers_score_nothing(text: str) -> None:
    score = CallTask(TOOLS).score(CallRow(ROW.messages, ()), text, CHATML)
    assert (score["exact"], score["valid"], score["function"]) == (0, 0, 0)


@pytest.mark.parametrize(
    ("answer", "exact", "lenient"),
    [
        ('{"set_alarm":{"time":"7 am","count":7}}', True, True),
        ('{"set_alarm":{"count":7,"time":"7 am"}}', True, True),
        ('{"set_alarm":{"time":" 7  AM","count":"7"}}', False, True),
        ('{"set_alarm":{"time":"7 am","count":true}}', False, False),
        ('{"set_alarm":{"time":"7 am"}}', False, False),
        ('{"set_alarm":{"time":"7 am","count":7}}\n{"stop":{}}', False, False),
        ("{}", False, False),
    ],
)
def test_scores(answer: str, exact: bool, lenient: bool) -> None:
    score = CallTask(TOOLS).score(ROW, answer, CHATML)
    assert (score["exact"], score["lenient"]) == (exact, lenient)


def test_differences_name_the_argument() -> None:
    assert CallTask(TOOLS).score(ROW, '{"set_alarm":{"time":"8","day":"x"}}', CHATML).why == [
        "set_alarm.time wrong",
        "set_alarm.count missing",
        "set_alarm.day extra",
    ]


def test_tools_block_is_the_same_for_all_rows_and_comes_first() -> None:
    other = CallRow((Message("user", "stop it"),), ())
    task = CallTask(TOOLS, "full")
    a, b = task.prompt(ROW, CHATML), task.prompt(other, CHATML)
    assert a[: a.index("wake me")] == b[: b.index("stop it")]
    assert "set_alarm" in a[: a.index("wake me")]
    assert "set_alarm" not in CallTask(TOOLS, "none").prompt(ROW, CHATML)
    names = CallTask(TOOLS, "names").prompt(ROW, CHATML)
    assert "set_alarm, stop" in names
    assert "properties" not in names


def test_gemma_declares_with_upper_case_types_and_sorted_keys() -> None:
    prompt = CallTask(TOOLS, "full").prompt(ROW, GEMMA)
    assert "time:{type:<escape>STRING<escape>}" in prompt
    assert prompt.index("count:{") < prompt.index("day:{") < prompt.index("time:{")


@pytest.mark.parametrize(
    ("low", "high"), [(0, 100), (5, 123), (7, 7), (98, 1001), (-5, 12), (None, 3), (4, None), (-20, -3)]
)
def test_integer_ranges_are_exact(low: int | None, high: int | None) -> None:
    pattern = re.compile(integer_range(low, high).replace(" ", "").replace('"', ""))
    for value in range(-1200, 1200):
        inside = (low is None or value >= low) and (high is None or value <= high)
        assert bool(pattern.fullmatch(str(value))) == inside, value
