"""Calls in Gemma's function format, for Gemma bases.

`<start_function_call>call:set_alarm{time:<escape>7 am<escape>}<end_function_call>`: keys in alphabetical order, strings
between `<escape>` marks, types in upper case, as the FunctionGemma model card describes. No call is an empty answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Container, Sequence
from typing import Any

from pocketlm.core.files import dump_compact
from pocketlm.tasks.grammar import GrammarBuilder, add_spans, literal
from pocketlm.tasks.tools import Call, Schema, ToolSet, ValueSpan

INSTRUCTION = "You are a model that can do function calling with the following functions"
OPEN, CLOSE, ESCAPE = "<start_function_call>", "<end_function_call>", "<escape>"
_CALL = re.compile(rf"\s*{OPEN}call:([^{{\s]+)(\{{.*?\}}){CLOSE}\s*", re.DOTALL)
_TOKEN = re.compile(rf"{ESCAPE}(.*?){ESCAPE}|([{{}}\[\],:])|([^{{}}\[\],:<]+)", re.DOTALL)


def render_tools(tools: ToolSet) -> str:
    """The tools block: one declaration a function."""
    return "".join(
        f"<start_function_declaration>declaration:{tool.name}"
        f"{_value({'description': tool.description, 'parameters': _declared(tool.parameters)})}"
        "<end_function_declaration>"
        for tool in tools
    )


def render_calls(calls: Sequence[Call]) -> str:
    """The text a model is trained to write."""
    return "".join(f"{OPEN}call:{call.name}{_value(call.arguments)}{CLOSE}" for call in calls)


def parse_calls(text: str) -> list[Call]:
    """Calls from a model's text.

    Raises:
        ValueError: something other than calls stands in the text.
    """
    calls, position = [], 0
    while position < len(text) and text[position:].strip():
        match = _CALL.match(text, position)
        if not match:
            raise ValueError(f"expected {OPEN}, got {text[position : position + 40]!r}")
        calls.append(Call(match[1], _parse_object(match[2])))
        position = match.end()
    return calls


def value_spans(text: str) -> list[ValueSpan]:
    """Where the values of the arguments stand in a model's text, in their order.

    Raises:
        ValueError: something other than calls stands in the text.
    """
    parse_calls(text)
    found = []
    for match in _CALL.finditer(text):
        tokens, at, offset = list(_TOKEN.finditer(match[2])), 1, match.start(2)
        while tokens[at][2] != "}":
            _, behind = _parse(tokens, at + 2)
            first, last = tokens[at + 2], tokens[behind - 1]
            start, end = first.span(1) if first[1] else (first.start(), last.end())
            found.append(ValueSpan(match[1], tokens[at][3], offset + start, offset + end))
            at = behind + (tokens[behind][2] == ",")
    return found


def grammar(tools: ToolSet, request: str | None = None, any_order: Container[str] = ()) -> str:
    """GBNF of every legal answer for these tools; with `request`, free strings are stretches of its words.

    Args:
        any_order: left aside; the format has one order.
    """
    builder = GrammarBuilder("string", _value, lambda key: key + ":", sort_keys=True)
    text = add_spans(builder, request, str) if request else "[^<]*"
    builder.rule("string", f'"{ESCAPE}" {text} "{ESCAPE}"')
    calls = [
        f"{literal(f'{OPEN}call:{tool.name}')} {builder.value(tool.parameters)} {literal(CLOSE)}" for tool in tools
    ]
    builder.rule("call", " | ".join(builder.add(call) for call in calls))
    return builder.text("call*")


def _declared(schema: Schema) -> dict[str, Any]:
    """A schema with upper-case types."""
    declared: dict[str, Any] = {}
    for key, value in schema.items():
        if key == "type":
            declared[key] = value.upper() if isinstance(value, str) else [name.upper() for name in value]
        elif key == "properties":
            declared[key] = {name: _declared(inner) for name, inner in value.items()}
        elif key == "items":
            declared[key] = _declared(value)
        else:
            declared[key] = value
    return declared


def _value(value: Any) -> str:
    if isinstance(value, str):
        return f"{ESCAPE}{value}{ESCAPE}"
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{_value(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(_value(item) for item in value) + "]"
    return dump_compact(value)


def _parse_object(text: str) -> dict[str, Any]:
    tokens = list(_TOKEN.finditer(text))
    value, end = _parse(tokens, 0)
    if end != len(tokens) or not isinstance(value, dict):
        raise ValueError(f"unreadable arguments {text!r:.60}")
    return value


def _parse(tokens: Sequence[re.Match[str]], at: int) -> tuple[Any, int]:
    """One value from `tokens[at]` on, and the index after it."""
    if at >= len(tokens):
        raise ValueError("the arguments end too early")
    text, mark, plain = tokens[at].groups()
    if mark is None:
        return (text, at + 1) if text is not None else (json.loads(plain), at + 1)
    if mark not in "{[":
        raise ValueError(f"unexpected {mark!r}")
    close, pairs, items = "}" if mark == "{" else "]", {}, []
    at += 1
    while at < len(tokens) and tokens[at][2] != close:
        if mark == "{":
            if at + 1 >= len(tokens) or tokens[at][3] is None or tokens[at + 1][2] != ":":
                raise ValueError("expected key:value")
            key = tokens[at][3]
            pairs[key], at = _parse(tokens, at + 2)
        else:
            item, at = _parse(tokens, at)
            items.append(item)
        if at < len(tokens) and tokens[at][2] == ",":
            at += 1
    if at >= len(tokens):
        raise ValueError(f"missing {close!r}")
    return (pairs if mark == "{" else items), at + 1
