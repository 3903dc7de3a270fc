"""Calls as compact JSON: the default text a model writes.

A call is `{"set_alarm":{"time":"7 am"}}`, several stand one a line, none is `{}`. That is a fifth fewer tokens than
`[{"name":...,"arguments":...}]`, and on a phone every token is time. One a line rather than a list, because a small
model would have to know at the opening bracket already that two calls are coming; this way it decides after the first.
"""

from __future__ import annotations

import json
from collections.abc import Container, Sequence
from typing import Any

from pocketlm.core.files import dump_compact
from pocketlm.tasks.grammar import GrammarBuilder, add_spans, literal
from pocketlm.tasks.tools import Call, ToolSet, ValueSpan

INSTRUCTION = (
    "You turn a request into function calls. Answer with JSON only: "
    '{"function":{"argument":value}} for a call, one a line for several, {} if no function fits.'
)
TEXT = r'( [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] ) )*'


def render_tools(tools: ToolSet) -> str:
    """The tools block of a prompt: one function a line."""
    return "\n".join(dump_compact(tool.to_openai()["function"]) for tool in tools)


def render_calls(calls: Sequence[Call]) -> str:
    """The text a model is trained to write."""
    return "\n".join(dump_compact({call.name: call.arguments}) for call in calls) or "{}"


def parse_calls(text: str) -> list[Call]:
    """Calls from a model's text; a list, and the longer `{"name":..., "arguments":...}` form, are understood too.

    Raises:
        ValueError: the text is not JSON of calls.
    """
    decoder, values, position, text = json.JSONDecoder(), [], 0, text.strip()
    while position < len(text):
        value, position = decoder.raw_decode(text, position)
        values += value if isinstance(value, list) else [value]
        while position < len(text) and text[position].isspace():
            position += 1
    if not values and text != "[]":
        raise ValueError("the answer is empty")
    return [call for value in values for call in _read_object(value)]


def value_spans(text: str) -> list[ValueSpan]:
    """Where the values of the arguments stand in a model's text, in their order.

    Raises:
        ValueError: the text is not JSON of calls, or its names are written in an unusual way (with escapes).
    """
    decoder, found, at = json.JSONDecoder(), [], 0
    for call in parse_calls(text):
        at = _behind(text, dump_compact(call.name), at)
        for key in call.arguments:
            colon = _behind(text, ":", _behind(text, dump_compact(key), at))
            start = len(text) - len(text[colon:].lstrip())
            _, at = decoder.raw_decode(text, start)
            inside = text[start] == '"' and at - start > 2  # an empty string keeps its quotes, to be something
            found.append(ValueSpan(call.name, key, start + inside, at - inside))
    return found


def _behind(text: str, part: str, at: int) -> int:
    return text.index(part, at) + len(part)


def _read_object(item: Any) -> list[Call]:
    if not isinstance(item, dict):
        raise ValueError(f"expected an object for a call, got {item!r:.60}")
    item = item.get("function", item) if isinstance(item.get("function"), dict) else item
    if isinstance(item.get("name"), str) and item.keys() <= {"name", "arguments", "parameters", "id", "type"}:
        arguments = item.get("arguments", item.get("parameters", {}))
        item = {item["name"]: json.loads(arguments) if isinstance(arguments, str) else arguments}
    for name, arguments in item.items():
        if not isinstance(arguments, dict):
            raise ValueError(f"arguments of {name} are not an object: {arguments!r:.60}")
    return [Call(name, arguments) for name, arguments in item.items()]


def grammar(tools: ToolSet, request: str | None = None, any_order: Container[str] = ()) -> str:
    """GBNF of every legal answer for these tools; with `request`, free strings are stretches of its words.

    Args:
        any_order: functions whose arguments come in any order, not the schema's.
    """
    builder = GrammarBuilder("string", dump_compact, lambda key: dump_compact(key) + ":")
    text = add_spans(builder, request, lambda part: dump_compact(part)[1:-1]) if request else TEXT
    builder.rule("string", f'"\\"" {text} "\\""')
    calls = []
    for tool in tools:
        arguments = builder.unordered if tool.name in any_order else builder.value
        calls.append(f"{literal('{' + dump_compact(tool.name) + ':')} {arguments(tool.parameters)} {literal('}')}")
    builder.rule("call", " | ".join(builder.add(call) for call in calls))
    return builder.text(r'"{}" | call ("\n" call)*')
