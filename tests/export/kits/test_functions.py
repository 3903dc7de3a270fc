from __future__ import annotations

from typing import Any

import pytest

from pocketlm.core.errors import InputError
from pocketlm.export.kits.functions import Type, is_dangerous, read_functions, read_type
from pocketlm.tasks.tools import Tool, ToolSet


def shown(type_: Type) -> Any:
    """A type without its place."""
    told: list[Any] = [type_.kind + "?" * type_.nullable, *type_.values]
    told += [shown(inner) for inner in (*type_.options, *([type_.item] if type_.item else []))]
    told += [(field.name, field.required, shown(field.type)) for field in type_.fields]
    told += [bound for bound in (type_.minimum, type_.maximum) if bound is not None]
    return told[0] if len(told) == 1 else tuple(told)


@pytest.mark.parametrize(
    ("schema", "wanted"),
    [
        ({"type": "string"}, "string"),
        ({"type": ["string"]}, "string"),
        ({"type": ["string", "null"]}, "string?"),
        ({"anyOf": [{"type": "null"}, {"type": "integer", "minimum": 1, "maximum": 9}]}, ("integer?", 1, 9)),
        ({"type": ["integer", "number"]}, "number"),
        ({"type": ["boolean", "string"]}, ("json", "boolean", "string")),
        ({"enum": ["a", "b"]}, ("choice", "a", "b")),
        ({"enum": ["a", None]}, ("choice?", "a")),
        ({"type": "string", "enum": ["a", None, 3]}, ("choice", "a")),
        ({"const": "a"}, ("choice", "a")),
        ({"enum": [1, 2]}, ("integer", 1, 2)),
        ({"type": "number", "enum": [1, 2.5]}, ("number", 1, 2.5)),
        ({"enum": ["a", 1, True, None]}, ("json?", ("choice", "a"), ("integer", 1), ("boolean", True))),
        ({"type": "array", "items": {"type": ["string", "null"]}}, ("list", "string?")),
        ({"type": ["array", "null"]}, ("list?", "json")),
        ({"properties": {"x": {"type": "string"}}, "type": "object"}, ("record", ("x", False, "string"))),
        ({"anyOf": [{"type": "string"}, {"type": ["array", "null"]}]}, ("json?", "string", ("list", "json"))),
    ],
)
def test_schemas_become_types(schema: dict[str, Any], wanted: Any) -> None:
    assert shown(read_type(schema, ("f", "x"))) == wanted


@pytest.mark.parametrize("schema", [{"const": {"a": 1}}, {"enum": [[1], "x"]}, {"type": "null"}, {"const": None}])
def test_what_no_kit_can_express(schema: dict[str, Any]) -> None:
    tool = Tool("f", "", {"type": "object", "properties": {"x": schema}})
    with pytest.raises(InputError, match=r"f\.x"):
        read_functions(ToolSet([tool]))


@pytest.mark.parametrize(
    ("name", "danger"),
    [
        ("send_message", True), ("deleteNote", True), ("call-contact", True), ("pay", True), ("SMS", True), ("HTTPPost2", True),
        ("set_alarm", False), ("caller_id", False), ("get_message", False), ("list orders", False), ("recall", False), ("", False),
    ],
)  # fmt: skip
def test_names_that_sound_dangerous(name: str, danger: bool) -> None:
    assert is_dangerous(Tool(name, "", {})) is danger


def test_the_tool_and_the_caller_go_before_the_name() -> None:
    tools = ToolSet([Tool("send", "", {}, confirm=False), Tool("look", "", {}, confirm=True), Tool("pay", "", {})])
    assert [function.confirm for function in read_functions(tools)] == [False, True, True]
    told = read_functions(tools, {"send": True, "pay": False})
    assert [function.confirm for function in told] == [True, True, False]
    with pytest.raises(InputError, match="no such function"):
        read_functions(tools, {"fly": True})
