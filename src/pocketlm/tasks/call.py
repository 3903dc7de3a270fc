"""Function calling: what a row is, how it becomes a prompt and a completion, which answers are legal, how one is scored.

The tools block comes first in a prompt and is the same for every row, so training computes it once a step and phones
keep it cached; anything that changes (a date, the request) comes after. A model tuned for a fixed set of tools no
longer needs the list at all: `tools_in_prompt: none`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import ModuleType
from typing import Any

from pocketlm.core.files import dump_compact
from pocketlm.tasks import compact, gemma
from pocketlm.tasks.base import Metric, Score, by_length, counted, f1, micro, tags_of, yes
from pocketlm.tasks.grounding import Grounding
from pocketlm.tasks.said import by_mention
from pocketlm.tasks.template import TEMPLATES, Message, Template
from pocketlm.tasks.tools import Call, ToolSet, ValueSpan

FORMATS: dict[str, ModuleType] = {name: gemma if name == "gemma" else compact for name in TEMPLATES}  # by chat template
TOOLS_IN_PROMPT = ("full", "names", "none")
Possible = Mapping[str, Mapping[str, Sequence[Any]]]
MANY_REQUIRED = 7  # a grammar of arguments in any order has a rule for each set of required ones

__all__ = ["Call", "CallRow", "CallTask", "Grounding", "learn_grounding", "parse_calls"]

parse_calls = compact.parse_calls


@dataclass(frozen=True)
class CallRow:
    """One example: the messages before the answer, usually one request, and the right calls (none is an empty tuple).

    `possible`: where several answers are right, each call as {function: {argument: [accepted values]}}, "" among them where
    the argument may be left out, as the Berkeley leaderboard writes them; calls are then right in any order.
    """

    messages: tuple[Message, ...]
    calls: tuple[Call, ...]
    where: str = ""
    possible: tuple[Possible, ...] = ()
    tags: tuple[str, ...] = ()

    @property
    def request(self) -> str:
        """All the user said, one message a line."""
        return "\n".join(message.content for message in self.messages if message.role == "user")

    @property
    def text(self) -> str:
        """The last request of the user."""
        return self.messages[-1].content

    def to_json(self) -> dict[str, Any]:
        """`{"text", "calls"}`, or `{"messages", "calls"}` when there is more than one message."""
        out: dict[str, Any] = {"calls": [call.to_json() for call in self.calls]}
        if self.possible:
            out["possible"] = list(self.possible)
        if self.tags:
            out["tags"] = list(self.tags)
        if len(self.messages) == 1 and self.messages[0].role == "user":
            return {"text": self.text, **out}
        return {"messages": [{"role": m.role, "content": m.content} for m in self.messages], **out}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "") -> CallRow:
        """The inverse of `to_json`; the value is known to be well formed."""
        messages = value.get("messages") or [{"role": "user", "content": value["text"]}]
        return cls(
            tuple(Message(m["role"], m["content"]) for m in messages),
            tuple(Call(c["name"], dict(c["arguments"])) for c in value["calls"]),
            where,
            tuple(value.get("possible", ())),
            tags_of(value),
        )


class CallTask:
    """The `call` task for one set of tools."""

    name = "call"
    main = "exact"
    asks = "text"
    max_tokens = 128
    metrics: Mapping[str, Metric] = {
        "exact": Metric("functions and all arguments are right"),
        "lenient": Metric("right when capitals, spaces and the form of numbers are ignored"),
        "function": Metric("the right functions, whatever their arguments"),
        "valid": Metric("the answer can be read and fits the schema"),
        "precision": Metric("of the arguments given, those that are right"),
        "recall": Metric("of the arguments wanted, those given rightly"),
        "f1": Metric("F1 of arguments, all functions together", f1),
        "no_call": Metric("of the requests that fit no function, those left without a call"),
        "several": Metric("exact on the requests that need several calls"),
    }

    def __init__(
        self,
        tools: ToolSet,
        tools_in_prompt: str = "none",
        *,
        grounding: Grounding = Grounding(),  # noqa: B008  frozen
    ) -> None:
        """`grounding`: where values come from; under a grammar they can come from nowhere else."""
        self.tools = tools
        self.tools_in_prompt = tools_in_prompt
        self.grounding = grounding

    def settings(self) -> dict[str, Any]:
        """What decides prompts and scores besides the row."""
        return {
            "tools": self.tools.sha256, "tools_in_prompt": self.tools_in_prompt, "grounding": self.grounding.to_json()
        }  # fmt: skip

    def facts(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {
            "tools_sha256": self.tools.sha256, "tools_in_prompt": self.tools_in_prompt, "grounding": self.grounding.to_json()
        }  # fmt: skip

    def messages(self, row: CallRow, template: Template) -> list[Message]:
        """The system block that all rows share, then this row's messages."""
        shared = self._system(template)
        return [*([Message("system", shared)] if shared else []), *row.messages]

    def prompt(self, row: CallRow, template: Template) -> str:
        """The messages as text."""
        return template.render(self.messages(row, template))

    def completion(self, row: CallRow, template: Template) -> str:
        """What the model is trained to write, the stop token included."""
        return self._render([self._by_mention(call, row.request) for call in row.calls], template)

    def grammar(self, template: Template, row: CallRow | None = None) -> str:
        """GBNF of every legal answer; with a row, of every answer its request can give."""
        tools = self.grounding.bind(self.tools, row.request) if row else self.tools
        request = row.request if row and self.grounding.copied else None
        return str(FORMATS[template.name].grammar(tools, request, self.any_order))

    @cached_property
    def any_order(self) -> frozenset[str]:
        """Functions whose arguments are written in the order the request mentions them; of others in the schema's.

        A small model that copies its way through the request from left to right forgets less than one that has to look ahead.
        """
        few = (tool.name for tool in self.tools if len(tool.required) < MANY_REQUIRED)
        return frozenset(few if self.grounding.copied else ())

    def parse(self, text: str, template: Template) -> list[Call]:
        """Calls from an answer.

        Raises:
            ValueError: the text is not in the format of calls.
        """
        calls: list[Call] = FORMATS[template.name].parse_calls(text)
        return calls

    def value_spans(self, text: str, template: Template) -> list[ValueSpan]:
        """Where the values of the arguments stand in an answer, in their order.

        Raises:
            ValueError: the text is not in the format of calls.
        """
        spans: list[ValueSpan] = FORMATS[template.name].value_spans(text)
        return spans

    def expected(self, row: CallRow) -> list[dict[str, Any]]:
        """The right calls, arguments in the schema's order."""
        return [self.tools.ordered(call).to_json() for call in row.calls]

    def score(self, row: CallRow, text: str, template: Template) -> Score:
        """Compare an answer with the row, strictly and leniently; each argument counts as an item, "function.argument"."""
        want = list(row.calls)
        try:
            got: list[Call] | None = self.parse(text, template)
            why = ""
        except (ValueError, RecursionError) as error:
            got, why = None, f"unreadable answer ({error})"
        calls = got or []
        valid = got is not None and not any(self.tools.check_call(call) for call in calls)
        exact = got is not None and _same(calls, want, row.possible)
        names = exact or (got is not None and [call.name for call in calls] == [call.name for call in want])
        lenient = got is not None and _same(
            _loosen_calls(calls),
            _loosen_calls(want),
            [{n: _loosen_accepted(a) for n, a in one.items()} for one in row.possible],
        )
        items = counted(
            _arguments(calls if exact else want), _arguments(calls)
        )  # of several right answers, the one given
        numbers = {"exact": yes(exact), "lenient": yes(lenient), "function": yes(names), "valid": yes(valid)} | micro(
            items
        )
        if not want:
            numbers["no_call"] = yes(exact)
        elif len(want) > 1:
            numbers["several"] = yes(exact)
        if names and not exact:
            return Score(numbers, items, _differences(calls, want))
        return Score(numbers, items, [] if exact else [why or f"called {_names(calls)} instead of {_names(want)}"])

    def groups(self, row: CallRow) -> list[str]:
        """The functions called, how many, how long the request is, and its tags."""
        many = "(no call)" if not row.calls else "(several calls)" if len(row.calls) > 1 else ""
        tags = [f"tag {tag}" for tag in row.tags]
        return [*sorted({call.name for call in row.calls}), *([many] if many else []), by_length(row.text), *tags]

    def spans(self, text: str, template: Template) -> dict[str, list[tuple[int, int]]]:
        """Places of the functions' names and of the arguments' values."""
        try:
            calls, values = self.parse(text, template), self.value_spans(text, template)
        except (ValueError, RecursionError):
            return {}
        names: list[tuple[int, int]] = []
        at = 0
        for call in calls:
            start = text.find(call.name, at)
            at = start + len(call.name)
            names.append((start, at))
        return {"name": names, "values": [(value.start, value.end) for value in values]}

    def is_legal(self, row: CallRow, text: str, template: Template) -> bool:
        """Whether the grammar would have let this answer through as it is.

        A greedy answer that is legal is the very answer that constrained greedy decoding gives: at each of its tokens the
        likeliest one was allowed.
        """
        try:
            calls = self.parse(text, template)
        except (ValueError, RecursionError):
            return False
        if any(self.tools.check_call(call) for call in calls):
            return False
        ordered = [call if call.name in self.any_order else self.tools.ordered(call) for call in calls]
        if self._render(ordered, template) != text + template.stop:
            return False
        return self.grounding.allows(calls, row.request, self.tools)

    def _by_mention(self, call: Call, request: str) -> Call:
        call = self.tools.ordered(call)
        return Call(call.name, by_mention(call.arguments, request)) if call.name in self.any_order else call

    @staticmethod
    def _render(calls: Sequence[Call], template: Template) -> str:
        return str(FORMATS[template.name].render_calls(calls)) + template.stop

    def _system(self, template: Template) -> str:
        if self.tools_in_prompt == "none":
            return ""
        block = FORMATS[template.name]
        if self.tools_in_prompt == "names":
            return f"{block.INSTRUCTION}\nFunctions: {', '.join(self.tools.names)}"
        return f"{block.INSTRUCTION}\n{self._tools_block[template.name]}"

    @cached_property
    def _tools_block(self) -> dict[str, str]:
        return {name: block.render_tools(self.tools) for name, block in FORMATS.items()}


def learn_grounding(rows: Sequence[CallRow], tools: ToolSet) -> Grounding:
    """What training rows show of where values come from."""
    return Grounding.learn(((row.request, row.calls) for row in rows), tools)


def _same(got: Sequence[Call], want: Sequence[Call], possible: Sequence[Possible] = ()) -> bool:
    if possible:
        return _is_possible(got, possible)
    return len(got) == len(want) and all(
        a.name == b.name and _same_value(a.arguments, b.arguments) for a, b in zip(got, want, strict=True)
    )


def _is_possible(got: Sequence[Call], possible: Sequence[Possible]) -> bool:
    """Whether each call is one of the possible ones, in any order, none twice."""
    left = [(name, accepted) for one in possible for name, accepted in one.items()]
    for call in got:
        fits = next((o for o in left if o[0] == call.name and _accepts(o[1], call.arguments)), None)
        if fits is None:
            return False
        left.remove(fits)
    return not left


def _accepts(accepted: Mapping[str, Sequence[Any]], arguments: Mapping[str, Any]) -> bool:
    """Whether every argument has one of its accepted values; one that accepts "" may be left out."""
    if any(key not in accepted for key in arguments):
        return False
    return all(
        any(
            _accepts(value, arguments[key]) if isinstance(value, dict) and isinstance(arguments[key], dict)
            else _same_value(value, arguments[key])
            for value in values
        )
        if key in arguments
        else "" in values
        for key, values in accepted.items()
    )  # fmt: skip


def _arguments(calls: Sequence[Call]) -> dict[str, list[str]]:
    """Every "function.argument" with its values as text."""
    found: dict[str, list[str]] = {}
    for call in calls:
        for key, value in call.arguments.items():
            found.setdefault(f"{call.name}.{key}", []).append(dump_compact(_canonical(value)))
    return found


def _canonical(value: Any) -> Any:
    """Equal values become equal text: keys in order, 7.0 as 7."""
    if isinstance(value, dict):
        return {key: _canonical(value[key]) for key in sorted(value)}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _same_value(a: Any, b: Any) -> bool:
    """Equality of JSON values: true is not 1, and 7 is not "7"; 7 and 7.0 are the same number."""
    if isinstance(a, bool) or isinstance(b, bool):
        return a is b
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(_same_value(a[key], b[key]) for key in a)
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(_same_value(x, y) for x, y in zip(a, b, strict=True))
    if isinstance(a, (int, float)) and isinstance(b, (int, float)):
        return a == b
    return type(a) is type(b) and bool(a == b)


def _loosen_calls(calls: Sequence[Call]) -> list[Call]:
    return [Call(call.name, _loosen(call.arguments)) for call in calls]


def _loosen(value: Any) -> Any:
    """Fold case and white space; read numbers written as text; a list of one is its item."""
    if isinstance(value, dict):
        return {key: _loosen(item) for key, item in value.items()}
    if isinstance(value, list):
        return _loosen(value[0]) if len(value) == 1 else [_loosen(item) for item in value]
    if isinstance(value, bool) or value is None:
        return value
    text = re.sub(r"\s+", " ", str(value)).strip().casefold()
    try:
        number = float(text.replace(",", ""))
    except ValueError:
        return text
    return number if math.isfinite(number) else text  # "nan" and "infinity" are words


def _loosen_accepted(accepted: Mapping[str, Sequence[Any]]) -> dict[str, list[Any]]:
    return {
        key: [_loosen_accepted(value) if isinstance(value, dict) else _loosen(value) for value in values]
        for key, values in accepted.items()
    }


def _differences(got: Sequence[Call], want: Sequence[Call]) -> list[str]:
    """Dotted names of the arguments that are missing, extra or different."""
    found = []
    for a, b in zip(got, want, strict=True):
        for key in [*b.arguments, *(key for key in a.arguments if key not in b.arguments)]:
            if key not in a.arguments:
                found.append(f"{b.name}.{key} missing")
            elif key not in b.arguments:
                found.append(f"{b.name}.{key} extra")
            elif not _same_value(a.arguments[key], b.arguments[key]):
                found.append(f"{b.name}.{key} wrong")
    return found


def _names(calls: Sequence[Call]) -> str:
    return " + ".join(call.name for call in calls) or "nothing"
