"""The known formats of a function-calling row: one parsed JSON object in, messages and calls out.

Knows nothing of files, of splits, or of whether a function exists.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pocketlm.core.files import dump_compact
from pocketlm.tasks.base import tags_of
from pocketlm.tasks.call import Possible, parse_calls
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import Call

MAX_CHARS = 20_000  # far beyond any request a small model answers: such a row is a mistake of an export
ROLES = {
    "system": ("system", "developer"),
    "user": ("user", "human"),
    "assistant": ("assistant", "gpt", "bot", "model", "function_call", "tool_call"),
    "tool": ("tool", "observation", "function", "function_response"),
}
ROLE_OF = {alias: role for role, aliases in ROLES.items() for alias in aliases}
CALLING = {"function_call", "tool_call"}  # sharegpt tells an assistant that calls by these names


class BadRow(ValueError):
    """A row that cannot be understood; the message is a sentence for the user."""


@dataclass(frozen=True)
class Turn:
    """One turn of a dialogue; `calls` is empty when it is plain text."""

    role: str
    content: str
    calls: tuple[Call, ...] = ()


@dataclass(frozen=True)
class Parsed:
    """What one row says. `tools` is its own tool list, still raw; `later_turns` were left out; `possible`, `tags`: see CallRow."""

    messages: tuple[Message, ...]
    calls: tuple[Call, ...]
    tools: Any = None
    later_turns: int = 0
    possible: tuple[Possible, ...] = ()
    tags: tuple[str, ...] = ()


def detect_format(row: Any) -> str | None:
    """The name of a row's format by its keys, None when no known format fits."""
    if not isinstance(row, dict):
        return None
    return next((name for name, keys in SHAPES if keys <= row.keys()), None)


def parse_row(row: Any, format_name: str) -> Parsed:
    """Read a row in the given format.

    Raises:
        BadRow: with a sentence that says what is wrong.
    """
    if not isinstance(row, dict):
        raise BadRow(f"expected an object with keys, got {row!r:.60}")
    parsed = READERS[format_name](row)
    calls = dump_compact([call.to_json() for call in parsed.calls])
    _check_length("the text takes", max(len(message.content) for message in parsed.messages))
    _check_length("the calls take", len(calls))
    try:
        "".join([calls, *(message.content for message in parsed.messages)]).encode()
    except UnicodeEncodeError as error:
        raise BadRow(
            f"holds half a character ({error.object[error.start]!a}, a lone surrogate); mend its text"
        ) from None
    return parsed


def known_formats() -> str:
    """The formats in words, for an error."""
    return "; ".join(f"{name} {{{', '.join(sorted(keys))}}}" for name, keys in SHAPES)


def _native(row: Mapping[str, Any]) -> Parsed:
    calls, possible = read_calls(_field(row, "calls")), tuple(row.get("possible") or ())
    if "messages" not in row:
        return Parsed(
            (Message("user", _text(row, "text")),), calls, row.get("tools"), possible=possible, tags=tags_of(row)
        )
    turns = openai_turns(row["messages"])
    check_order(turns)
    if turns[-1].role != "user":
        raise BadRow(f'the last of "messages" must be of the user, got {turns[-1].role}')
    if any(turn.calls or turn.role == "tool" for turn in turns):
        raise BadRow('"messages" already holds calls; give either "calls" or a whole dialogue, not both')
    return Parsed(_as_messages(turns), calls, row.get("tools"), possible=possible, tags=tags_of(row))


def _messages(row: Mapping[str, Any]) -> Parsed:
    return _first_calls(openai_turns(_field(row, "messages")), row.get("tools"))


def _sharegpt(row: Mapping[str, Any]) -> Parsed:
    turns = sharegpt_turns(_field(row, "conversations"))
    if isinstance(row.get("system"), str) and row["system"].strip():
        turns.insert(0, Turn("system", row["system"]))
    return _first_calls(turns, row.get("tools"))


def _intent(row: Mapping[str, Any]) -> Parsed:
    message = Message("user", _text(row, "text"))
    if _field(row, "intent") is None:  # an explicit null: nothing is to be called
        return Parsed((message,), ())
    return Parsed((message,), (Call(_text(row, "intent"), _slots(row.get("slots") or [])),))


def _prompt(row: Mapping[str, Any]) -> Parsed:
    prompt, completion = _field(row, "prompt"), _field(row, "completion")
    if isinstance(prompt, list) and isinstance(completion, list):
        return _first_calls(openai_turns(prompt + completion), row.get("tools"))
    return Parsed((Message("user", _text(row, "prompt")),), read_calls(completion), row.get("tools"))


SHAPES: tuple[tuple[str, frozenset[str]], ...] = (
    ("native", frozenset({"text", "calls"})),
    ("native", frozenset({"messages", "calls"})),
    ("sharegpt", frozenset({"conversations"})),
    ("messages", frozenset({"messages"})),
    ("intent", frozenset({"text", "intent"})),
    ("prompt", frozenset({"prompt", "completion"})),
)
READERS: dict[str, Callable[[Mapping[str, Any]], Parsed]] = {
    "native": _native,
    "sharegpt": _sharegpt,
    "messages": _messages,
    "intent": _intent,
    "prompt": _prompt,
}


def read_calls(value: Any) -> tuple[Call, ...]:
    """Calls from JSON, or from text that is JSON, in the long, the OpenAI or the compact form.

    Raises:
        BadRow: not a call, with the form to write.
    """
    text = value if isinstance(value, str) else json.dumps(value)
    try:
        for item in value if isinstance(value, list) else [value]:
            _check_call_shape(item)
        return tuple(parse_calls(text))
    except BadRow:
        raise
    except (ValueError, AttributeError, TypeError) as error:
        raise BadRow(
            f'not JSON of calls ({error}); write {{"name": ..., "arguments": {{...}}}}, or [] for none'
        ) from None


def _check_call_shape(item: Any) -> None:
    """Say plainly what the general parser would only stumble over."""
    call = item.get("function", item) if isinstance(item, dict) else None
    if not isinstance(call, dict) or "name" not in call or isinstance(call["name"], dict):
        return
    if not isinstance(call["name"], str) or not call["name"].strip():
        raise BadRow(f'the "name" of a call must be text, got {call["name"]!r:.60}')
    if extra := sorted(call.keys() - {"name", "arguments", "parameters", "id", "type"}):
        raise BadRow(f'the call of {call["name"]} has the key "{extra[0]}"; write its arguments under "arguments"')


def _first_calls(turns: list[Turn], tools: Any) -> Parsed:
    """Up to the first assistant turn that calls functions; when none calls, up to the first answer."""
    check_order(turns)
    answers = [index for index, turn in enumerate(turns) if turn.role == "assistant"]
    if not answers:
        raise BadRow("no assistant turn to learn from; add the answer, or tool_calls: [] through the native format")
    end = next((index for index in answers if turns[index].calls), answers[0])
    return Parsed(_as_messages(turns[:end]), turns[end].calls, tools, len(turns) - end - 1)


def check_order(turns: list[Turn]) -> None:
    """Raise BadRow for roles in an order that no conversation has."""
    before = Turn("start", "")
    for number, turn in enumerate(turns, 1):
        if turn.role == "system" and number > 1:
            raise BadRow(f"turn {number}: a system message can only come first")
        if turn.role == "assistant" and before.role in ("start", "system"):
            raise BadRow(f"turn {number}: the assistant speaks first; start with a user's request")
        if turn.role == before.role and turn.role in ("user", "assistant"):
            raise BadRow(f"turn {number}: two {turn.role} turns in a row; join them into one")
        if turn.role == "tool" and not (before.calls or before.role == "tool"):
            raise BadRow(f"turn {number}: a tool result without a call before it")
        if turn.role == "user" and not turn.content.strip():
            raise BadRow(f"turn {number}: the user's text is empty")
        before = turn


def _as_messages(turns: list[Turn]) -> tuple[Message, ...]:
    return tuple(Message(turn.role, turn.content) for turn in turns)


def openai_turns(items: Any) -> list[Turn]:
    """Turns of a list of `{"role", "content"[, "tool_calls"]}`; raises BadRow."""
    turns = []
    for number, item in enumerate(_turn_list(items, "messages"), 1):
        role = _role(item.get("role"), "role", number)
        calls = item.get("tool_calls") or ([item["function_call"]] if item.get("function_call") else [])
        turns.append(Turn(role, _content(item.get("content"), number), read_calls(calls) if calls else ()))
    return turns


def sharegpt_turns(items: Any) -> list[Turn]:
    """Turns of a list of `{"from", "value"}`; raises BadRow."""
    turns: list[Turn] = []
    for number, item in enumerate(_turn_list(items, "conversations"), 1):
        role = _role(item.get("from"), "from", number)
        value = item.get("value")
        if item.get("from") not in CALLING:
            turns.append(Turn(role, _content(value, number)))
        elif turns and turns[-1].calls:  # calls made at once stand as several turns
            turns[-1] = Turn(role, "", turns[-1].calls + read_calls(value))
        else:
            turns.append(Turn(role, "", read_calls(value)))
    return turns


def _turn_list(items: Any, key: str) -> list[dict[str, Any]]:
    if not isinstance(items, list) or not items or not all(isinstance(item, dict) for item in items):
        raise BadRow(f'"{key}" must be a non-empty list of objects')
    return items


def _role(value: Any, key: str, number: int) -> str:
    role = ROLE_OF.get(value) if isinstance(value, str) else None
    if role is None:
        raise BadRow(f'turn {number}: unknown "{key}" {value!r:.40}; known: {", ".join(ROLE_OF)}')
    return role


def _content(value: Any, number: int) -> str:
    """Text of a turn; OpenAI also writes it as a list of parts, and null beside calls."""
    if isinstance(value, list) and all(isinstance(part, dict) and isinstance(part.get("text"), str) for part in value):
        return "".join(part["text"] for part in value)
    if value is None or isinstance(value, str):
        return value or ""
    if isinstance(value, dict):
        return dump_compact(value)  # a tool's result as JSON
    raise BadRow(f"turn {number}: the content must be text, got {value!r:.60}")


def _slots(value: Any) -> dict[str, Any]:
    """Arguments from slots; one that is named twice becomes the list of its values."""
    if isinstance(value, dict):
        return dict(value)
    arguments: dict[str, list[Any]] = {}
    for slot in value if isinstance(value, list) else [value]:
        if not isinstance(slot, dict) or not isinstance(slot.get("name"), str) or "value" not in slot:
            raise BadRow(f'a slot must be {{"name": ..., "value": ...}}, got {slot!r:.60}')
        arguments.setdefault(slot["name"], []).append(slot["value"])
    return {name: values[0] if len(values) == 1 else values for name, values in arguments.items()}


def _field(row: Mapping[str, Any], key: str) -> Any:
    if key not in row:
        raise BadRow(
            f'has no "{key}", which the first rows of this file have (its keys: {", ".join(map(str, row))[:100]})'
        )
    return row[key]


def _text(row: Mapping[str, Any], key: str) -> str:
    value = _field(row, key)
    if not isinstance(value, str):
        raise BadRow(f'"{key}" must be text, got {value!r:.60}')
    if not value.strip():
        raise BadRow(f'"{key}" is empty; write the text or delete the row')
    return value


def _check_length(what: str, length: int) -> None:
    if length > MAX_CHARS:
        raise BadRow(f"{what} {length:,} characters, over the limit of {MAX_CHARS:,}; shorten or delete the row")
