"""Where the values of calls come from, learnt from training rows and then held to: a model may not make values up.

- Free strings: where every row copies them from its request, a model can only copy.
- Integers and the constants of enums: where rows say them ("thirteen", "25", "WhatsApp"), a model can only use what was
  said. What rows used without saying it ("half an hour" for 30) stays allowed.
- Optional arguments whose constants every row gives where it says them (mode, in "walking directions") may not be left
  out there.

It narrows the tools' schemas to one request, so one grammar serves every engine.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from pocketlm.tasks.grammar import is_span
from pocketlm.tasks.said import Value, numbers_said, places
from pocketlm.tasks.tools import Call, Schema, Tool, ToolSet

ENOUGH = 20  # rows that must have an integer argument before anything is learnt of it
MOSTLY = 0.7  # share of them that must say it
ENOUGH_OF_ONE = 5  # rows that must have a constant and say it, without one that does only one of the two


@dataclass(frozen=True)
class Grounding:
    """What was learnt.

    Attributes:
        copied: free strings are stretches of the request.
        unsaid: "function.argument" -> the values that may stand without being said; others must be said. Arguments that
            are not listed are free.
        given: each "function.argument" that may not be left out where one of its constants is said.
    """

    copied: bool = False
    unsaid: dict[str, list[Value]] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)

    @classmethod
    def learn(cls, examples: Iterable[tuple[str, Sequence[Call]]], tools: ToolSet) -> Grounding:
        """From requests and their right calls."""
        copies: list[bool] = []
        seen: dict[str, list[tuple[Value, bool]]] = defaultdict(list)
        heard: dict[str, list[bool]] = defaultdict(list)  # of each constant said, whether it was given
        for request, calls in examples:
            copies += _copies(calls, request, tools)
            numbers = numbers_said(request)
            for call in calls:
                for key, value in call.arguments.items():
                    if _is_closed(tools[call.name].properties.get(key, {})):
                        seen[f"{call.name}.{key}"].append((value, _is_said(value, request, numbers)))
                for key, constant in _options_said(tools[call.name], request):
                    heard[f"{call.name}.{key}"].append(call.arguments.get(key) == constant)
        unsaid = {path: found for path, values in seen.items() if (found := _unsaid(values)) is not None}
        given = sorted(path for path, flags in heard.items() if len(flags) >= ENOUGH_OF_ONE and all(flags))
        return cls(bool(copies) and all(copies), unsaid, given)

    def bind(self, tools: ToolSet, request: str) -> ToolSet:
        """The tools with their schemas narrowed to what this request says."""
        if not self.unsaid and not self.given:
            return tools
        numbers = numbers_said(request)
        return ToolSet([self._narrowed(tool, request, numbers) for tool in tools])

    def allows(self, calls: Sequence[Call], request: str, tools: ToolSet) -> bool:
        """Whether the calls, which fit the tools' schemas, use only what the request says."""
        bound = self.bind(tools, request)
        if any(bound.check_call(call) for call in calls):
            return False
        return not self.copied or all(_copies(calls, request, tools))

    def to_json(self) -> dict[str, Any]:
        """Plain values for a manifest."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Grounding:
        """The inverse of `to_json`; nothing is learnt from an empty value."""
        return cls(bool(value.get("copied")), dict(value.get("unsaid", {})), list(value.get("given", [])))

    def _narrowed(self, tool: Tool, request: str, numbers: set[int]) -> Tool:
        properties = dict(tool.properties)
        for key, schema in tool.properties.items():
            free = self.unsaid.get(f"{tool.name}.{key}")
            if free is None:
                continue
            choices = schema.get("enum", [n for n in {*numbers, *free} if _in_range(n, schema)])
            allowed = [value for value in choices if value in free or _is_said(value, request, numbers)]
            if allowed:
                properties[key] = {"enum": allowed if "enum" in schema else sorted(allowed)}
            elif key not in tool.required:
                del properties[key]
        due: dict[str, list[str]] = defaultdict(list)
        for key, constant in _options_said(tool, request):
            if f"{tool.name}.{key}" in self.given:
                due[key].append(constant)
        properties |= {key: {"enum": constants} for key, constants in due.items()}
        return replace(
            tool, parameters={**tool.parameters, "properties": properties, "required": [*tool.required, *due]}
        )


def _is_closed(schema: Schema) -> bool:
    """Whether values are integers or the strings of an enum."""
    constants = schema.get("enum")
    return schema.get("type") == "integer" if constants is None else all(isinstance(value, str) for value in constants)


def _options_said(tool: Tool, request: str) -> Iterator[tuple[str, str]]:
    """The (argument, constant) pairs of a tool's optional enums that a request says as they are."""
    for key, schema in tool.properties.items():
        if key not in tool.required and _is_closed(schema):
            yield from ((key, value) for value in schema.get("enum", ()) if _is_said(value, request, set()))


def _unsaid(values: Sequence[tuple[Value, bool]]) -> list[Value] | None:
    """What may stand without being said; None where that is everything."""
    if isinstance(values[0][0], int):
        said = sum(is_said for _, is_said in values)
        enough = len(values) >= ENOUGH and said >= MOSTLY * len(values)
        return sorted({value for value, is_said in values if not is_said}) if enough else None
    counts: dict[Value, list[bool]] = defaultdict(list)
    for value, is_said in values:
        counts[value].append(is_said)
    bound = {value for value, flags in counts.items() if len(flags) >= ENOUGH_OF_ONE and all(flags)}
    return None if not bound else sorted(value for value in counts if value not in bound)


def _is_said(value: Value, request: str, numbers: set[int]) -> bool:
    if isinstance(value, int):
        return value in numbers
    return bool(places(value.replace("_", " ").lower(), request.lower()))


def _in_range(number: Any, schema: Schema) -> bool:
    return isinstance(number, int) and schema.get("minimum", number) <= number <= schema.get("maximum", number)


def _copies(calls: Sequence[Call], request: str, tools: ToolSet) -> Iterator[bool]:
    """For each free string argument, whether it is a stretch of the request."""
    for call in calls:
        for value in _free_strings(call.arguments, tools[call.name].parameters):
            yield is_span(value, request)


def _free_strings(value: Any, schema: Schema) -> Iterator[str]:
    """String values that no enum or const fixes."""
    if isinstance(value, dict):
        for key, item in value.items():
            yield from _free_strings(item, schema.get("properties", {}).get(key, {}))
    elif isinstance(value, list):
        for item in value:
            yield from _free_strings(item, schema.get("items", {}))
    elif isinstance(value, str) and not schema.keys() & {"enum", "const"}:
        yield value
