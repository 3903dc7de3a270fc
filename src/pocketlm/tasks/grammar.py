"""GBNF text, the grammar notation of llama.cpp, built rule by rule.

One grammar serves every engine: llama.cpp reads GBNF itself, the torch engine hands it to llguidance. What the rules
are for is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

PIECE = re.compile(r"\w+|[^\w\s]")


def literal(text: str) -> str:
    """A quoted terminal."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


class GrammarBuilder:
    """Collects the rules for the values JSON Schemas allow; equal expressions share one rule.

    Args:
        string: name of the rule for a string value; the caller defines it with `rule`.
        dump: the text of a constant (an enum's value).
        key: the text in front of a member's value, for example `"time":`.
        sort_keys: members in alphabetical order rather than the schema's.
    """

    def __init__(
        self, string: str, dump: Callable[[Any], str], key: Callable[[str], str], *, sort_keys: bool = False
    ) -> None:
        self._string, self._dump, self._key, self._sort_keys = string, dump, key, sort_keys
        self._rules: dict[str, str] = {}  # expression -> name

    def add(self, expression: str) -> str:
        """Name of the rule for `expression`; an expression that is a rule's name is returned as it is."""
        if expression in self._rules.values():
            return expression
        return self._rules.setdefault(expression, f"r{len(self._rules)}")

    def rule(self, name: str, expression: str) -> None:
        """Define a rule under a name of the caller's."""
        self._rules[expression] = name

    def value(self, schema: Mapping[str, Any]) -> str:
        """Name of the rule for the values `schema` allows."""
        if "anyOf" in schema:
            return self.add(" | ".join(self.value(option) for option in schema["anyOf"]))
        if "enum" in schema or "const" in schema:
            constants = schema["enum"] if "enum" in schema else [schema["const"]]
            return self.add(" | ".join(literal(self._dump(constant)) for constant in constants))
        types = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
        return self.add(" | ".join(self._typed(name, schema) for name in types))

    def _typed(self, type_name: str, schema: Mapping[str, Any]) -> str:
        if type_name == "object":
            required, properties = set(schema.get("required", ())), schema.get("properties", {})
            keys = sorted(properties) if self._sort_keys else list(properties)
            return self.members(
                [(f"{literal(self._key(key))} {self.value(properties[key])}", key in required) for key in keys]
            )
        if type_name == "array":
            item = self.value(schema["items"])
            return self.add(f'"[" ( {item} ("," {item})* )? "]"')
        if type_name == "integer":
            return self.add(integer_range(schema.get("minimum"), schema.get("maximum")))
        expressions = {
            "string": self._string,
            "number": '"-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?',
            "boolean": '"true" | "false"',
            "null": '"null"',
        }
        return self.add(expressions[type_name])

    def members(self, members: Sequence[tuple[str, bool]]) -> str:
        """An object whose members come in order; each is (expression, required).

        `rest` is what may follow once a member was written (a comma first), `start` what may stand in front.
        Both are built from the last member back to the first, so the grammar grows linearly.
        """
        rest = start = ""
        for expression, required in reversed(members):
            member = self.add(expression)
            first = f"{member} {rest}".strip()
            after = f'"," {member}' if required else f'("," {member})?'
            start_here = first if required else f"{first} | {start}" if start else f"({first})?"
            start = self.add(start_here)
            rest = self.add(f"{after} {rest}".strip())
        return self.add(f'"{{" {start} "}}"')

    def unordered(self, schema: Mapping[str, Any]) -> str:
        """Name of the rule for an object whose members come in any order.

        What is required comes exactly once, so there is a rule for each set of members that are still due: give it few.
        Optional members may repeat, which no grammar of a sensible size forbids (as everywhere in JSON the last one counts),
        but there are at most so many in a row, so that every answer ends.
        """
        required = set(schema.get("required", ()))
        member = {
            key: self.add(f"{literal(self._key(key))} {self.value(inner)}")
            for key, inner in schema.get("properties", {}).items()
        }
        optional = [rule for key, rule in member.items() if key not in required]
        free = self.add(" | ".join(optional)) if optional else ""

        more = ""  # optional members, a comma first
        for _ in optional:
            more = self.add(f'("," {free} {more})?' if more else f'("," {free})?')

        def rest(due: frozenset[str]) -> str:
            """What follows a member, a comma first."""
            return self.add(f'{more} "," {step(due)}'.strip()) if due else more

        @cache
        def step(due: frozenset[str]) -> str:
            """One of the due members and what follows it."""
            return self.add(" | ".join(f"{member[key]} {rest(due - {key})}".strip() for key in sorted(due)))

        due = frozenset(required)
        starts = ([f"{free} {rest(due)}"] if free else []) + ([step(due)] if due else [])
        inside = f"({' | '.join(starts)}){'' if due else '?'}" if starts else ""
        return self.add(f'"{{" {inside} "}}"')

    def text(self, root: str) -> str:
        """The whole grammar."""
        lines = [f"root ::= {root}"] + [f"{name} ::= {expression}" for expression, name in self._rules.items()]
        return "\n".join(lines) + "\n"


def add_spans(builder: GrammarBuilder, request: str, escape: Callable[[str], str]) -> str:
    """Rule for any stretch of whole words of `request`, white space between them as it stands there.

    One rule a word, each going on to the next, so the grammar grows linearly with the request.

    Args:
        escape: how text is written inside a string of the format.
    """
    pieces = list(PIECE.finditer(request))
    starts: list[str] = []
    follow, follow_at = "", len(request)
    for piece in reversed(pieces):
        gap = literal(escape(request[piece.end() : follow_at]))
        word = literal(escape(piece.group()))
        follow = builder.add(f"{word} ({gap} {follow})?" if follow else word)
        follow_at = piece.start()
        starts.append(follow)
    return builder.add(" | ".join(starts))


def is_span(value: str, request: str) -> bool:
    """Whether `value` is a stretch of whole words of `request`."""
    pieces = list(PIECE.finditer(request))
    starts, ends = {piece.start() for piece in pieces}, {piece.end() for piece in pieces}
    at = request.find(value)
    while at >= 0:
        if at in starts and at + len(value) in ends:
            return True
        at = request.find(value, at + 1)
    return False


def integer_range(low: int | None, high: int | None) -> str:
    """Expression for the integers low..high, without leading zeros; None is unbounded.

    A bounded range is split into runs of equal prefix, e.g. 5..123 -> [5-9] | [1-9] [0-9] | "1" [0-1] [0-9] | ...
    """
    if low is None and high is None:
        return '"-"? ("0" | [1-9] [0-9]*)'
    parts: list[str] = []
    if low is None or low < 0:
        negative_high = None if low is None else -low
        negative_low = 1 if high is None or high >= 0 else -high
        parts += [f'"-" ({part})' for part in _natural_range(negative_low, negative_high)]
    if high is None or high >= 0:
        parts += _natural_range(max(low or 0, 0), high)
    return " | ".join(parts)


def _natural_range(low: int, high: int | None) -> list[str]:
    """Alternatives for low..high, both at least 0."""
    if high is None:
        digits = len(str(low))
        return [*_natural_range(low, 10**digits - 1), "[1-9]" + " [0-9]" * digits + " [0-9]*"]
    if len(str(low)) < len(str(high)):
        edge = 10 ** len(str(low)) - 1
        return _natural_range(low, edge) + _natural_range(edge + 1, high)
    return _same_length(str(low), str(high)) if low <= high else []


def _same_length(low: str, high: str) -> list[str]:
    if not low:
        return [""]
    rest = len(low) - 1
    if low[1:] == "0" * rest and high[1:] == "9" * rest:
        digit = f"[{low[0]}-{high[0]}]" if low[0] != high[0] else f'"{low[0]}"'
        return [digit + " [0-9]" * rest]
    if low[0] == high[0]:
        return [f'"{low[0]}" {tail}' for tail in _same_length(low[1:], high[1:])]
    parts = [f'"{low[0]}" {tail}' for tail in _same_length(low[1:], "9" * rest)]
    if int(high[0]) - int(low[0]) > 1:
        parts.append(f"[{int(low[0]) + 1}-{int(high[0]) - 1}]" + " [0-9]" * rest)
    return parts + [f'"{high[0]}" {tail}' for tail in _same_length("0" * rest, high[1:])]
