"""Function calling: what a row is, how it becomes a prompt and a completion, which answers are legal, how one is scored.

The tools block comes first in a prompt and is the same for every row, so training computes it once a step and phones
keep it cached; anything that changes (a date, the request) comes after. A model tuned for a fixed set of tools no
longer needs the list at all: `tools_in_prompt: none`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from types import ModuleType
from typing import Any

from pocketlm.tasks import compact, gemma
from pocketlm.tasks.grounding import Grounding
from pocketlm.tasks.said import by_mention
from pocketlm.tasks.template import Message, Template
from pocketlm.tasks.tools import Call, ToolSet, ValueSpan

FORMATS: dict[str, ModuleType] = {"chatml": compact, "terse": compact, "gemma": gemma}  # by chat template
TOOLS_IN_PROMPT = ("full", "names", "none")
MANY_REQUIRED = 7  # a grammar of arguments in any order has a rule for each set of required ones

__all__ = ["Call", "CallRow", "CallTask", "Grounding", "RowScore", "learn_grounding", "parse_calls"]

parse_calls = compact.parse_calls


@dataclass(frozen=True)
class CallRow:
    """One example: the messages before the answer, usually one request, and the right calls (none is an empty tuple)."""

    messages: tuple[Message, ...]
    calls: tuple[Call, ...]
    where: str = ""

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
        calls = [call.to_json() for call in self.calls]
        if len(self.messages) == 1 and self.messages[0].role == "user":
            return {"text": self.text, "calls": calls}
        return {"messages": [{"role": m.role, "content": m.content} for m in self.messages], "calls": calls}

    @classmethod
    def from_json(cls, value: Mapping[str, Any], where: str = "") -> CallRow:
        """The inverse of `to_json`; the value is known to be well formed."""
        messages = value.get("messages") or [{"role": "user", "content": value["text"]}]
        return cls(
            tuple(Message(m["role"], m["content"]) for m in messages),
            tuple(Call(c["name"], dict(c["arguments"])) for c in value["calls"]),
            where,
        )


@dataclass(frozen=True)
class RowScore:
    """How one answer compares with its row.

    Attributes:
        exact: names and all arguments equal after parsing (the strict score).
        lenient: equal when case, white space and the form of numbers are ignored.
        function: the names of the functions are equal, arguments aside.
        valid: the answer parses and fits the tools' schemas.
        got: the parsed calls, None where the answer does not parse.
        why: what differs, one short phrase each, e.g. "set_alarm.time".
    """

    exact: bool
    lenient: bool
    function: bool
    valid: bool
    got: list[Call] | None
    why: list[str] = field(default_factory=list)


class CallTask:
    """The `call` task for one set of tools."""

    name = "call"
    metrics = ("exact", "lenient", "function", "valid")

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

    def prompt(self, row: CallRow, template: Template) -> str:
        """Prompt text: the system block that all rows share, then this row's messages."""
        shared = self._system(template)
        head = [Message("system", shared)] if shared else []
        return template.render([*head, *row.messages])

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

    def score(self, row: CallRow, text: str, template: Template) -> RowScore:
        """Compare an answer with the row, strictly and leniently."""
        try:
            got = self.parse(text, template)
        except (ValueError, RecursionError) as error:
            return RowScore(False, False, False, False, None, [f"unreadable answer ({error})"])
        problems = [problem for call in got for problem in self.tools.check_call(call)]
        want = list(row.calls)
        names = [call.name for call in got] == [call.name for call in want]
        return RowScore(
            exact=_same(got, want),
            lenient=_same(_loosen_calls(got), _loosen_calls(want)),
            function=names,
            valid=not problems,
            got=got,
            why=_differences(got, want) if names else [f"called {_names(got)} instead of {_names(want)}"],
        )

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


def _same(got: Sequence[Call], want: Sequence[Call]) -> bool:
    return len(got) == len(want) and all(
        a.name == b.name and _same_value(a.arguments, b.arguments) for a, b in zip(got, want, strict=True)
    )


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
        return float(text.replace(",", ""))
    except ValueError:
        return text


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
