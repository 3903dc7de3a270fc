"""The tools of rows that came without a tools.json: merged from the rows' own lists, or derived from intents and slots.

Knows nothing of files or formats.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pocketlm.core.errors import Problems
from pocketlm.core.files import dump_compact
from pocketlm.tasks.call import CallRow
from pocketlm.tasks.tools import TYPES, Call, Schema, Tool, ToolSet, json_type


class Conflict(Exception):
    """Two definitions of one name that no single definition can replace."""


@dataclass(frozen=True)
class OwnTool:
    """A tool as a row carries it. `called`: this row calls it."""

    tool: Tool
    where: str
    called: bool


class OwnTools:
    """Collects the tool lists that rows carry; most rows share one list, so each text is read once."""

    def __init__(self) -> None:
        self._read: dict[str, tuple[Tool, ...]] = {}
        self._seen: dict[tuple[int, bool], OwnTool] = {}  # by identity and `called`: equal lists are one object
        self._hinted: set[str] = set()  # functions of lists with the keyword "format"
        self.problems: list[str] = []

    def add(self, raw: Any, row: CallRow) -> None:
        """Take a row's tool list: JSON, or text that is JSON."""
        if not raw:
            return
        key = raw if isinstance(raw, str) else dump_compact(raw)
        if key not in self._read:
            self._read[key] = self._parse(key, row.where)
        called = {call.name for call in row.calls}
        for tool in self._read[key]:
            own = OwnTool(tool, row.where, tool.name in called)
            self._seen.setdefault((id(tool), own.called), own)

    def __bool__(self) -> bool:
        return bool(self._seen)

    def _parse(self, text: str, where: str) -> tuple[Tool, ...]:
        try:
            value = json.loads(text)
            plain = without_format(value)
            tools = ToolSet.from_openai(plain, where).tools if value else ()
            self._hinted |= {tool.name for tool in tools} if plain != value else set()
            return tools
        except Problems as error:
            self.problems += [f"{where}: {problem}" for problem in error.problems]
        except ValueError as error:
            self.problems.append(f'{where}: "tools" is not valid JSON ({error})')
        return ()

    def merge(self) -> tuple[list[Tool], list[str]]:
        """One tool a name, in order of first appearance, and notes on what was joined.

        Definitions that rows call come first: what no row calls teaches nothing, so it gives way in a conflict.
        """
        merged: dict[str, OwnTool] = {}
        joined: set[str] = set()
        dropped: set[str] = set()
        for own in sorted(self._seen.values(), key=lambda own: not own.called):
            first = merged.setdefault(own.tool.name, own)
            if first.tool.parameters == own.tool.parameters:
                continue
            try:
                tool = Tool(own.tool.name, first.tool.description, join(first.tool.parameters, own.tool.parameters))
                merged[tool.name] = OwnTool(tool, first.where, first.called)
                joined.add(tool.name)
            except Conflict as conflict:
                if not own.called:
                    dropped.add(own.tool.name)
                    continue
                self.problems.append(
                    f"{own.where}: {own.tool.name}{conflict} is defined otherwise in {first.where}; "
                    "make the two alike, rename one function, or give a tools.json"
                )
        names = dict.fromkeys(own.tool.name for own in self._seen.values())
        return [merged[name].tool for name in names], _merge_notes(joined, dropped, self._hinted)


def _merge_notes(joined: set[str], dropped: set[str], hinted: set[str]) -> list[str]:
    notes = []
    if joined:
        notes.append(
            f"{len(joined)} functions are defined in several ways and were joined "
            f"(all their arguments, required only where always required): {_some(joined)}"
        )
    if dropped:
        notes.append(
            f"definitions that fit no other of their name and that no row calls were left out: {_some(dropped)}"
        )
    if hinted:
        notes.append(f'"format" in the rows\' own tools was left out, no answer is held to it (among {_some(hinted)})')
    return notes


def join(a: Schema, b: Schema) -> dict[str, Any]:
    """A schema that accepts what either accepts; the wording of the first is kept.

    Raises:
        Conflict: their types differ; the message is the dotted path to the argument.
    """
    out = {**b, **a}
    if a.get("anyOf") != b.get("anyOf") or "type" not in out:
        raise Conflict("")
    out["type"] = _join_types(a.get("type"), b.get("type"))
    for key in {"enum", "const", "minimum", "maximum"} & out.keys():
        if a.get(key) != b.get(key):
            out.pop(key)
    if "items" in a and "items" in b:
        out["items"] = _join_inside(a["items"], b["items"], "[]")
    if "properties" in a or "properties" in b:
        left, right = a.get("properties", {}), b.get("properties", {})
        both = {key: _join_inside(left[key], right[key], f".{key}") for key in left if key in right}
        out["properties"] = {**left, **right, **both}
        out["required"] = [key for key in a.get("required", ()) if key in b.get("required", ())]
    return out


def _join_inside(a: Schema, b: Schema, path: str) -> Schema:
    try:
        return a if a == b else join(a, b)
    except Conflict as conflict:
        raise Conflict(f"{path}{conflict}") from None


def _join_types(a: Any, b: Any) -> Any:
    if a == b:
        return a
    if {dump_compact(a), dump_compact(b)} == {'"integer"', '"number"'}:
        return "number"  # every integer is a number
    raise Conflict("")


class FromIntents:
    """A function for each intent, its slots as optional arguments of the types they were seen with."""

    def __init__(self) -> None:
        self._seen: dict[str, _Seen] = {}

    def add(self, calls: Iterable[Call]) -> None:
        """Take what one row calls."""
        for call in calls:
            self._seen.setdefault(call.name, _Seen()).add(call.arguments)

    def tools(self) -> list[Tool]:
        """In order of first appearance."""
        return [Tool(name, "", {"properties": {}, **seen.schema()}) for name, seen in self._seen.items()]


class _Seen:
    """The types of the values at one place, and of what is inside them."""

    def __init__(self) -> None:
        self.types: set[str] = set()
        self.items: _Seen | None = None
        self.properties: dict[str, _Seen] = {}

    def add(self, value: Any) -> None:
        self.types.add(json_type(value))
        if isinstance(value, list):
            self.items = self.items or _Seen()
            for item in value:
                self.items.add(item)
        elif isinstance(value, dict):
            for key, inner in value.items():
                self.properties.setdefault(key, _Seen()).add(inner)

    def schema(self) -> dict[str, Any]:
        types = [name for name in TYPES if name in self.types] or ["string"]
        types = [name for name in types if not (name == "integer" and "number" in types)]
        out: dict[str, Any] = {"type": types[0] if len(types) == 1 else types}
        if self.items is not None:
            out["items"] = self.items.schema()
        if "object" in types:
            out["properties"] = {key: seen.schema() for key, seen in self.properties.items()}
            out["required"] = []
        return out


def without_format(value: Any) -> Any:
    """Schemas without the keyword "format": a hint in the rows' wording that no checker of ours holds answers to."""
    if isinstance(value, list):
        return [without_format(item) for item in value]
    if not isinstance(value, dict):
        return value
    is_hint = isinstance(value.get("format"), str)  # an argument may be named "format": then it is a schema
    return {key: without_format(item) for key, item in value.items() if not (is_hint and key == "format")}


def _some(names: Sequence[str] | set[str], shown: int = 5) -> str:
    ordered = sorted(names)
    return ", ".join(ordered[:shown]) + (f" and {len(ordered) - shown} more" if len(ordered) > shown else "")
