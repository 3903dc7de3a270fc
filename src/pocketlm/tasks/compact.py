"""Calls as compact JSON: the default text a model writes.

One call is `{"set_alarm":{"time":"7 am"}}`, several are a list of those, none is `[]`. Always one JSON value, with a
fifth fewer tokens than `[{"name":...,"arguments":...}]`; on a phone every token is time.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from pocketlm.core.files import dump_compact
from pocketlm.tasks.grammar import GrammarBuilder, literal
from pocketlm.tasks.tools import Call, ToolSet

NAME = "compact"
INSTRUCTION = (
    "You turn a request into function calls. Answer with JSON only: "
    '{"function":{"argument":value}} for one call, a list of such objects for several, [] if no function fits.'
)
STRING = r'"\"" ( [^"\\\x00-\x1F] | "\\" ( ["\\/bfnrt] | "u" [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] [0-9a-fA-F] ) )* "\""'


def render_tools(tools: ToolSet) -> str:
    """The tools block of a prompt: one function a line."""
    return "\n".join(dump_compact(tool.to_openai()["function"]) for tool in tools)


def render_calls(calls: Sequence[Call]) -> str:
    """The text a model is trained to write."""
    objects = [{call.name: call.arguments} for call in calls]
    return dump_compact(objects[0] if len(objects) == 1 else objects)


def parse_calls(text: str) -> list[Call]:
    """Calls from a model's text; the longer `{"name":..., "arguments":...}` form is understood too.

    Raises:
        ValueError: the text is not JSON of calls.
    """
    value = json.loads(text)
    items = value if isinstance(value, list) else [value]
    return [call for item in items for call in _read_object(item)]


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


def grammar(tools: ToolSet) -> str:
    """GBNF of every legal answer for these tools."""
    builder = GrammarBuilder(STRING, dump_compact, lambda key: dump_compact(key) + ":")
    calls = [
        f"{literal('{' + dump_compact(tool.name) + ':')} {builder.value(tool.parameters)} {literal('}')}" for tool in tools
    ]
    builder.rule("call", " | ".join(builder.add(call) for call in calls))
    return builder.text('call | "[" "]" | "[" call ("," call)+ "]"')
