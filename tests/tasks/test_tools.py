"""Tools: what is read, what is refused, and how a call is checked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import InputError
from pocketlm.tasks.tools import Call, ToolSet


def tool(name: str = "set_alarm", **properties: Any) -> dict[str, Any]:
    required = [key for key in properties if key == "time"]
    parameters = {"type": "object", "properties": properties, "required": required}
    return {"type": "function", "function": {"name": name, "description": "d", "parameters": parameters}}


ALARM = tool(time={"type": "string"}, hours={"type": "integer", "minimum": 0, "maximum": 23}, mode={"enum": ["a", "b"]})


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (Call("set_alarm", {"time": "7"}), None),
        (Call("set_alrm", {"time": "7"}), 'did you mean "set_alarm"?'),
        (Call("set_alarm", {}), '"time" is missing'),
        (Call("set_alarm", {"time": 7}), "expected string, got integer"),
        (Call("set_alarm", {"time": "7", "tim": "8"}), 'unknown argument "tim"; did you mean "time"?'),
        (Call("set_alarm", {"time": "7", "hours": 24}), "over the maximum 23"),
        (Call("set_alarm", {"time": "7", "hours": True}), "expected integer, got boolean"),
        (Call("set_alarm", {"time": "7", "mode": "c"}), "is not one of 'a', 'b'"),
    ],
)
def test_check_call(call: Call, says: str | None) -> None:
    problems = ToolSet.from_openai([ALARM], "t").check_call(call)
    assert (problems == []) if says is None else (len(problems) == 1 and says in problems[0])


@pytest.mark.parametrize(
    ("schema", "says"),
    [
        ({"type": "string", "pattern": "a+"}, '"pattern" is not supported'),
        ({"type": "string", "format": "date"}, '"format" is not supported'),
        ({"type": "dict"}, 'write "object"'),
        ({"type": "float"}, 'write "number"'),
        ({"description": "x"}, 'says no "type"'),
        ({"type": "array"}, 'needs "items"'),
        ({"type": "number", "minimum": 1}, "kept for integers only"),
        ({"type": "object", "properties": {"a": {"oneOf": []}}}, '"oneOf" is not supported'),
        ({"type": "object", "properties": {}, "additionalProperties": True}, "can only be false"),
    ],
)
def test_keywords_we_cannot_keep_are_errors(schema: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match="set_alarm.x") as caught:
        ToolSet.from_openai([tool(x=schema)], "tools.json")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("{", "tools.json:1:2: not valid JSON"),
        ("", "the file is empty"),
        ("[]", "non-empty list"),
        ('[{"type": "function"}]', "tool 1: expected"),
        (json.dumps([ALARM, ALARM]), 'two functions are named "set_alarm"'),
    ],
)
def test_bad_files(tmp_path: Path, text: str, says: str) -> None:
    path = tmp_path / "tools.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(InputError) as caught:
        ToolSet.load(path)
    assert says in str(caught.value)


def test_all_problems_are_told_at_once() -> None:
    with pytest.raises(InputError) as caught:
        ToolSet.from_openai([tool("a", x={"type": "dict"}), tool("b", y={"type": "float"})], "tools.json")
    assert "a.x" in str(caught.value)
    assert "b.y" in str(caught.value)


def test_byte_order_mark_and_windows_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "tools.json"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps([ALARM], indent=1).replace("\n", "\r\n").encode())
    assert ToolSet.load(path).names == ["set_alarm"]


@pytest.mark.parametrize(
    ("beside", "confirm"),
    [
        ({}, None),
        ({"x-confirm": True}, True),
        ({"x-confirm": "yes"}, None),
        ({"annotations": {"destructiveHint": True}}, True),
        ({"annotations": {"destructiveHint": True, "readOnlyHint": True}}, False),
        ({"annotations": {"destructiveHint": True}, "x-confirm": False}, False),
        ({"annotations": []}, None),
    ],
)
def test_confirmation_travels_and_no_prompt_shows_it(beside: dict[str, Any], confirm: bool | None) -> None:
    plain = ToolSet.from_openai([{"function": {"name": "f"}}], "t")
    for item in ({"function": {"name": "f"}, **beside}, {"function": {"name": "f", **beside}}):
        tools = ToolSet.from_openai([item], "t")
        assert tools["f"].confirm is confirm
        assert ToolSet.from_openai(tools.to_openai(), "t")["f"].confirm is confirm
        assert tools.sha256 == plain.sha256
        assert tools.to_openai()[0]["function"] == plain.to_openai()[0]["function"]


@pytest.mark.parametrize(
    "schema", [{"const": True}, {"enum": [True, 7]}, {"enum": [0, 2], "type": ["integer", "boolean"]}]
)
def test_true_is_not_one(schema: dict[str, Any]) -> None:
    tools = ToolSet.from_openai([{"name": "f", "parameters": {"type": "object", "properties": {"x": schema}}}], "t")
    right, wrong = (True, 1) if True in schema.get("enum", [True]) else (0, False)
    assert not tools.check_call(Call("f", {"x": right}))
    assert tools.check_call(Call("f", {"x": wrong}))
