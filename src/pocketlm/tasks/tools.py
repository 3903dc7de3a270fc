"""The functions an app offers: read from the OpenAI tools format, and held to what we can honour.

A schema keyword that neither the checker nor the grammar can keep is an error here, never skipped: llama.cpp drops
keywords it does not know, and the app would learn of it from its users.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from pocketlm.core.errors import Problems
from pocketlm.core.files import read_json, sha256_value

Schema = Mapping[str, Any]

TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
    "null": (type(None),),
}
ANNOTATIONS = {"description", "title", "default", "examples"}
CONSTRAINTS = {"type", "properties", "required", "enum", "const", "items", "minimum", "maximum", "anyOf"}
MISTAKEN_TYPES = {"dict": "object", "float": "number", "int": "integer", "str": "string", "bool": "boolean"}
MISTAKEN_TYPES |= {"list": "array", "tuple": "array", "any": "string"}


@dataclass(frozen=True)
class Call:
    """One function call: a name and its arguments as JSON values."""

    name: str
    arguments: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """`{"name": ..., "arguments": {...}}`."""
        return {"name": self.name, "arguments": self.arguments}


@dataclass(frozen=True)
class ValueSpan:
    """Where the value of an argument stands in the text of an answer: text[start:end], without the marks of a string."""

    function: str
    argument: str
    start: int
    end: int


@dataclass(frozen=True)
class Tool:
    """One function: its name, what it does, and the JSON Schema of its arguments (an object).

    `confirm`: whether an app asks its user before it runs a call; None where the file does not say. It stands beside the
    function ("x-confirm", or the hints of the Model Context Protocol under "annotations"), so no prompt shows it.
    """

    name: str
    description: str
    parameters: Schema
    confirm: bool | None = None

    @property
    def properties(self) -> Mapping[str, Schema]:
        """Argument name -> schema, in the order of the file."""
        properties: Mapping[str, Schema] = self.parameters.get("properties", {})
        return properties

    @property
    def required(self) -> list[str]:
        """Names of the arguments every call must have."""
        return list(self.parameters.get("required", ()))

    def to_openai(self) -> dict[str, Any]:
        """The tool as it stands in `tools.json`."""
        function = {"name": self.name, "description": self.description, "parameters": self.parameters}
        beside = {} if self.confirm is None else {"x-confirm": self.confirm}
        return {"type": "function", "function": function, **beside}


class ToolSet:
    """The functions of one app, in a fixed order."""

    def __init__(self, tools: Sequence[Tool]) -> None:
        self.tools = tuple(tools)
        self._by_name = {tool.name: tool for tool in self.tools}

    @classmethod
    def load(cls, path: Path) -> ToolSet:
        """Read `tools.json`: a list of OpenAI tools, or an object with one under "tools".

        Raises:
            InputError: not JSON; Problems: all faults of the file at once.
        """
        value = read_json(Path(path))
        if isinstance(value, dict) and "tools" in value:
            value = value["tools"]
        return cls.from_openai(value, str(path))

    @classmethod
    def from_openai(cls, value: Any, where: str) -> ToolSet:
        """Check and take tools from parsed JSON; `where` names the source in errors."""
        if not isinstance(value, list) or not value:
            raise Problems(where, ['expected a non-empty list of tools: [{"type": "function", "function": {...}}]'])
        problems: list[str] = []
        tools: list[Tool] = []
        for index, item in enumerate(value):
            tool = _read_tool(item, f"tool {index + 1}", problems)
            if tool and any(other.name == tool.name for other in tools):
                problems.append(f'two functions are named "{tool.name}"; give each its own name')
            elif tool:
                tools.append(tool)
        if problems:
            raise Problems(where, problems)
        return cls(tools)

    @property
    def names(self) -> list[str]:
        """Function names in order."""
        return [tool.name for tool in self.tools]

    @cached_property
    def sha256(self) -> str:
        """Hash of names and schemas: a model is bound to the tools it was trained for."""
        return sha256_value([replace(tool, confirm=None).to_openai() for tool in self])

    def __getitem__(self, name: str) -> Tool:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    def __iter__(self) -> Iterator[Tool]:
        return iter(self.tools)

    def __len__(self) -> int:
        return len(self.tools)

    def to_openai(self) -> list[dict[str, Any]]:
        """The list as it stands in `tools.json`."""
        return [tool.to_openai() for tool in self.tools]

    def check_call(self, call: Call) -> list[str]:
        """Sentences about what is wrong with a call; empty when it fits its schema."""
        if call.name not in self:
            return [f'unknown function "{call.name}"{did_you_mean(call.name, self.names)}']
        return check_value(call.arguments, self[call.name].parameters, call.name)

    def ordered(self, call: Call) -> Call:
        """The same call with its arguments in the order of the schema, so that one meaning has one text."""
        if call.name not in self:
            return call
        order = list(self[call.name].properties)
        known = {key: call.arguments[key] for key in order if key in call.arguments}
        return Call(call.name, known | call.arguments)


def did_you_mean(word: str, known: Sequence[str]) -> str:
    """A hint such as `; did you mean "set_alarm"?`, or the known names, or nothing."""
    near = difflib.get_close_matches(word, known, n=1)
    if near:
        return f'; did you mean "{near[0]}"?'
    return f"; known: {', '.join(known)}" if 0 < len(known) <= 20 else ""


def check_value(value: Any, schema: Schema, where: str) -> list[str]:
    """Sentences about how `value` breaks `schema`; `where` is its dotted path."""
    if "anyOf" in schema:
        tries = [check_value(value, option, where) for option in schema["anyOf"]]
        return [] if any(not found for found in tries) else tries[0]
    types = _types(schema)
    if types and not any(_is_type(value, name) for name in types):
        return [f"{where}: expected {' or '.join(types)}, got {json_type(value)} {value!r:.60}"]
    if "enum" in schema and not any(_is_same(value, allowed) for allowed in schema["enum"]):
        return [f"{where}: {value!r:.60} is not one of {', '.join(map(repr, schema['enum']))}"]
    if "const" in schema and not _is_same(value, schema["const"]):
        return [f"{where}: {value!r:.60} is not {schema['const']!r}"]
    if isinstance(value, dict):
        return _check_object(value, schema, where)
    if isinstance(value, list) and "items" in schema:
        return [p for i, item in enumerate(value) for p in check_value(item, schema["items"], f"{where}[{i}]")]
    return _check_bounds(value, schema, where)


def _check_object(value: dict[str, Any], schema: Schema, where: str) -> list[str]:
    properties = schema.get("properties", {})
    problems = [
        f'{where}: required argument "{key}" is missing' for key in schema.get("required", ()) if key not in value
    ]
    for key, item in value.items():
        if key in properties:
            problems += check_value(item, properties[key], f"{where}.{key}")
        else:
            problems.append(f'{where}: unknown argument "{key}"{did_you_mean(key, list(properties))}')
    return problems


def _check_bounds(value: Any, schema: Schema, where: str) -> list[str]:
    if not isinstance(value, int) or isinstance(value, bool):
        return []
    if value < schema.get("minimum", value):
        return [f"{where}: {value} is under the minimum {schema['minimum']}"]
    if value > schema.get("maximum", value):
        return [f"{where}: {value} is over the maximum {schema['maximum']}"]
    return []


def _types(schema: Schema) -> list[str]:
    types = schema.get("type", [])
    return [types] if isinstance(types, str) else list(types)


def _is_type(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return isinstance(value, TYPES[name])


def _is_same(value: Any, allowed: Any) -> bool:
    """Equality of JSON values; to Python true is 1."""
    return bool(value == allowed) and isinstance(value, bool) == isinstance(allowed, bool)


def json_type(value: Any) -> str:
    """The name that JSON Schema gives a value's type; an integer is one even where it could be a number."""
    return next((name for name in TYPES if _is_type(value, name)), type(value).__name__)


def _read_tool(item: Any, where: str, problems: list[str]) -> Tool | None:
    function = item.get("function", item) if isinstance(item, dict) else None
    if not isinstance(function, dict) or not isinstance(function.get("name"), str) or not function["name"].strip():
        problems.append(f'{where}: expected {{"type": "function", "function": {{"name": ..., "parameters": ...}}}}')
        return None
    name = function["name"]
    parameters = function.get("parameters") or {"type": "object", "properties": {}}
    if not isinstance(parameters, dict) or parameters.get("type", "object") != "object":
        problems.append(f'{name}: "parameters" must be a JSON Schema of type "object"')
        return None
    found = list(_schema_problems(parameters, name))
    problems.extend(found)
    confirm = _read_confirm({**function, **item})
    return None if found else Tool(name, str(function.get("description", "")), parameters, confirm)


def _read_confirm(item: Mapping[str, Any]) -> bool | None:
    """What a tool says about asking first; "x-confirm" goes before the hints."""
    hints = item.get("annotations")
    hints = hints if isinstance(hints, dict) else {}
    read_only = hints.get("readOnlyHint")
    told = item.get("x-confirm", False if read_only is True else hints.get("destructiveHint"))
    return told if isinstance(told, bool) else None


def _schema_problems(schema: Any, where: str) -> Iterator[str]:
    """Everything in a schema that we could not keep, as sentences."""
    if not isinstance(schema, dict):
        yield f"{where}: a schema must be an object, got {json_type(schema)}"
        return
    if schema.get("additionalProperties", False) is not False:
        yield f'{where}: "additionalProperties" can only be false; list every argument under "properties"'
    for key in schema.keys() - ANNOTATIONS - CONSTRAINTS - {"additionalProperties"}:
        yield f'{where}: schema keyword "{key}" is not supported{did_you_mean(key, sorted(CONSTRAINTS))}'
    for name in _types(schema):
        if name not in TYPES:
            hint = MISTAKEN_TYPES.get(str(name))
            yield f'{where}: unknown type "{name}"' + (f'; write "{hint}"' if hint else f"; known: {', '.join(TYPES)}")
    if not (schema.keys() & {"type", "enum", "const", "anyOf"}):
        yield f'{where}: says no "type"; add one of {", ".join(TYPES)}'
    if ("minimum" in schema or "maximum" in schema) and _types(schema) != ["integer"]:
        yield f'{where}: "minimum" and "maximum" are kept for integers only; drop them or write "type": "integer"'
    if _types(schema) == ["array"] and "items" not in schema:
        yield f'{where}: an array needs "items"'
    yield from _nested_problems(schema, where)


def _nested_problems(schema: dict[str, Any], where: str) -> Iterator[str]:
    properties = schema.get("properties", {})
    if not isinstance(properties, dict):
        yield f'{where}: "properties" must be an object'
        return
    for key, inner in properties.items():
        yield from _schema_problems(inner, f"{where}.{key}")
    for key in schema.get("required", ()):
        if key not in properties:
            yield f'{where}: "{key}" is required but not among its properties{did_you_mean(key, list(properties))}'
    if "items" in schema:
        yield from _schema_problems(schema["items"], f"{where}[]")
    for index, option in enumerate(schema.get("anyOf", ())):
        yield from _schema_problems(option, f"{where}.anyOf[{index}]")
