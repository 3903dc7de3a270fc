"""The known layouts of a row, for every task: one parsed object in, rows of the task out.

A task's own rows, as `pocketlm data import` writes them:

    call        {"text" | "messages", "calls"[, "tools"]}       instruct    {"messages": [..., the answer]}
    classify    {"text", "label"}, a label or a list of them    extract     {"text", "entities" | "fields"}
    embed       {"anchor", "positive"[, "negative"]}            translate   {"source", "target"}
                {"a", "b", "score"}                             complete    {"text"}
    preference  {"messages", "chosen", "rejected"}

Knows nothing of files, except that BFCL keeps the right answers in a folder beside.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.data.formats import BadRow, Turn, check_order, openai_turns, parse_row, sharegpt_turns
from pocketlm.data.sources import Item
from pocketlm.tasks.tools import MISTAKEN_TYPES

Row = dict[str, Any]
TASKS = ("call", "instruct", "classify", "extract", "embed", "translate", "complete", "preference")
TEXT = ("text", "query", "utterance", "sentence", "request")  # names of what a person said
LABEL = ("label", "labels", "category", "class", "sentiment")
LONG_TEXT = ("document", "dialogue", "article")
ABOUT = ("id", "title", "date", "tags", "folder")  # of a note
NOTHING: tuple[Any, ...] = (None, "", {}, [])


@dataclass(frozen=True)
class Shape:
    """One layout. `fits` looks at one row; `read` gives the task's rows of it, and raises BadRow."""

    name: str
    task: str
    layout: str
    fits: Callable[[Row], bool]
    read: Callable[[Row, Path], Iterable[Row]]


@dataclass(frozen=True)
class Example:
    """A row as the checks see it, whatever its task.

    Attributes:
        text: what the model is given; empty for `complete`.
        answer: what it is trained to give.
        labels: what rows are counted by: labels, or functions called.
    """

    where: str
    split: str
    task: str
    text: str
    answer: str
    labels: tuple[str, ...]
    row: Row


def detect(rows: Iterable[Any]) -> Shape | None:
    """The layout of a file from its first rows, None where no known one fits; a call in any of them makes them calls."""
    found = [shape for row in rows if isinstance(row, dict) and (shape := _shape_of(row))]
    return next((shape for shape in found if shape.task == "call"), found[0] if found else None)


def shape_named(name: str) -> Shape:
    """The layout of that name.

    Raises:
        InputError: there is none.
    """
    found = next((shape for shape in SHAPES if shape.name == name), None)
    if found is None:
        raise InputError(f'unknown format "{name}"; known: {", ".join(dict.fromkeys(s.name for s in SHAPES))}')
    return found


def known_shapes() -> str:
    """All layouts in words, for an error."""
    return "; ".join(f"{shape.name} {shape.layout}" for shape in SHAPES)


def read_shape(shape: Shape, item: Item) -> list[Row]:
    """The task's rows of one item.

    Raises:
        BadRow: with a sentence that says what is wrong.
    """
    if item.problem:
        raise BadRow(item.problem.removeprefix(f"{item.where}: ").removeprefix(f"{item.where}:"))
    if not isinstance(item.value, dict):
        raise BadRow(f"expected an object with keys, got {item.value!r:.60}")
    try:
        return list(shape.read(item.value, item.file))
    except BadRow:
        raise
    except (KeyError, TypeError, AttributeError, ValueError, IndexError) as error:
        raise BadRow(f"does not fit {shape.name} {shape.layout} ({error})") from None


def view(row: Row, task: str, where: str, split: str) -> Example:
    """A task's row as the checks see it."""
    text, answer, labels = VIEWS[task](row)
    return Example(where, split, task, text, answer, labels, row)


def _shape_of(row: Row) -> Shape | None:
    return next((shape for shape in SHAPES if shape.fits(row)), None)


def _has(*keys: str) -> Callable[[Row], bool]:
    return lambda row: all(key in row for key in keys)


def _any(row: Mapping[str, Any], names: Iterable[str]) -> str | None:
    return next((name for name in names if name in row), None)


def _tags(row: Mapping[str, Any]) -> Row:
    """Tags stay with a row: scores are sliced by them."""
    return {"tags": row["tags"]} if row.get("tags") else {}


def _text(row: Mapping[str, Any], *names: str) -> str:
    """The text under the first of these names that the row has."""
    name = _any(row, names) or names[0]
    value = row.get(name)
    if not isinstance(value, str):
        raise BadRow(f'"{name}" must be text, got {value!r:.60}')
    return value


# Calls


def _calls(format_name: str) -> Callable[[Row, Path], Iterator[Row]]:
    def read(row: Row, file: Path) -> Iterator[Row]:
        parsed = parse_row(row, format_name)
        calls = [call.to_json() for call in parsed.calls]
        messages = [{"role": message.role, "content": message.content} for message in parsed.messages]
        out: Row = {"text": messages[0]["content"]} if _is_request(messages) else {"messages": messages}
        out["calls"] = calls
        if parsed.possible:
            out["possible"] = list(parsed.possible)
        if parsed.tags:
            out["tags"] = list(parsed.tags)
        if parsed.tools not in NOTHING:
            out["tools"] = json.loads(parsed.tools) if isinstance(parsed.tools, str) else parsed.tools
        yield out

    return read


def _is_request(messages: list[dict[str, str]]) -> bool:
    return len(messages) == 1 and messages[0]["role"] == "user"


def _is_call_dialogue(row: Row) -> bool:
    turns = row.get("messages") or row.get("conversations")
    if row.get("tools") not in NOTHING:
        return True
    return isinstance(turns, list) and any(
        isinstance(turn, dict)
        and (turn.get("tool_calls") or turn.get("function_call") or turn.get("from") in ("function_call", "tool_call"))
        for turn in turns
    )


def _is_call_completion(row: Row) -> bool:
    completion = row.get("completion")
    if isinstance(completion, list):
        return _is_call_dialogue({"messages": completion, "tools": row.get("tools")})
    if not isinstance(completion, str) or completion.lstrip()[:1] not in ("{", "["):
        return False
    try:
        parse_row(row, "prompt")
    except BadRow:
        return False
    return True


def _intent(row: Row, file: Path) -> Iterator[Row]:
    """An intent with slots, whatever they are called; Android intents keep further arguments beside them."""
    slots = next((row[name] for name in ("slots", "extras", "arguments", "entities") if name in row), None)
    if isinstance(slots, dict):
        slots = {key: value for key, value in slots.items() if value is not None}
        slots |= {key: row[key] for key in ("uri", "mime") if row.get(key) not in NOTHING}
    return _calls("intent")({"text": _text(row, *TEXT), "intent": row["intent"], "slots": slots or []}, file)


def _bfcl(row: Row, file: Path) -> Iterator[Row]:
    """A question of the Berkeley leaderboard, with its possible answers and the first of them; without any, nothing is to be called."""
    answers = _possible_answers(file)
    turns = row["question"][0]
    functions = row["function"] if isinstance(row["function"], list) else [row["function"]]
    calls = []
    for call in answers.get(str(row.get("id")), []):
        for name, arguments in call.items():
            given = {key: values[0] for key, values in arguments.items() if "" not in values}
            calls.append({"name": name, "arguments": {key: _first_of(value) for key, value in given.items()}})
    tools = [{"type": "function", "function": _plain_types(function)} for function in functions]
    possible = answers.get(str(row.get("id")), [])
    yield from _calls("native")({"messages": turns, "calls": calls, "tools": tools, "possible": possible}, file)


@lru_cache(maxsize=4)
def _possible_answers(file: Path) -> dict[str, list[dict[str, dict[str, list[Any]]]]]:
    beside = file.parent / "possible_answer" / file.name
    if not beside.is_file():
        return {}
    rows = [json.loads(line) for line in beside.read_text(encoding="utf-8").splitlines() if line.strip()]
    return {row["id"]: row["ground_truth"] for row in rows}


def _first_of(value: Any) -> Any:
    """Possible answers list the choices of every inner key too."""
    return {key: inner[0] for key, inner in value.items()} if isinstance(value, dict) else value


def _plain_types(schema: Any) -> Any:
    """Python's names of types as JSON Schema's: dict is object, float is number."""
    if isinstance(schema, list):
        return [_plain_types(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    out = {
        key: _plain_types(value) for key, value in schema.items() if not (key == "format" and isinstance(value, str))
    }
    if isinstance(out.get("type"), str):
        out["type"] = MISTAKEN_TYPES.get(out["type"], out["type"])
    if out.get("type") == "array" and "items" not in out:
        out["items"] = {"type": "string"}
    if out.keys() >= {"type", "optional"}:
        del out["optional"]
    return out


# Everything else


def _turns(turns: list[Turn]) -> list[dict[str, str]]:
    check_order(turns)
    return [{"role": turn.role, "content": turn.content} for turn in turns]


def _dialogue(messages: list[dict[str, str]]) -> Iterator[Row]:
    """A whole dialogue up to its last answer."""
    while messages and messages[-1]["role"] != "assistant":
        messages = messages[:-1]
    if not messages:
        raise BadRow("no assistant turn to learn from; add the answer")
    yield {"messages": messages}


def _messages(row: Row, file: Path) -> Iterator[Row]:
    return _dialogue(_turns(openai_turns(row["messages"])))


def _sharegpt(row: Row, file: Path) -> Iterator[Row]:
    turns = _turns(sharegpt_turns(row["conversations"]))
    system = row.get("system")
    head = [{"role": "system", "content": system}] if isinstance(system, str) and system.strip() else []
    return _dialogue(head + turns)


def _pair(prompt: str, answer: str) -> Iterator[Row]:
    yield {"messages": [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]}


def _alpaca(row: Row, file: Path) -> Iterator[Row]:
    request = "\n\n".join(part for part in (_text(row, "instruction"), row.get("input") or "") if part.strip())
    return _pair(request, _text(row, "output", "response"))


def _completion(row: Row, file: Path) -> Iterator[Row]:
    if isinstance(row["prompt"], list):
        return _dialogue(_turns(openai_turns([*row["prompt"], *row["completion"]])))
    return _pair(_text(row, "prompt"), _text(row, "completion"))


def _summary(row: Row, file: Path) -> Iterator[Row]:
    return _pair(f"Summarize:\n{_text(row, *LONG_TEXT)}", _text(row, "summary"))


def _squad(row: Row, file: Path) -> Iterator[Row]:
    """Each question of each passage; the passage comes first, so that its questions share it."""
    for paragraph in row.get("paragraphs", [row]):
        for question in paragraph.get("qas") or [paragraph]:
            answers = question["answers"]
            texts = [a["text"] for a in answers] if isinstance(answers, list) else answers["text"]
            answer = texts[0] if texts else "not in the text"
            yield from _pair(f"{paragraph['context']}\n\n{question['question']}", answer)


def _classify(row: Row, file: Path) -> Iterator[Row]:
    """One label a text; several are a list, or under `labels` in a table `a|b`."""
    key = _any(row, LABEL) or "label"
    label = row[key]
    if key == "labels" and isinstance(label, str):
        label = [one for one in label.split("|") if one.strip()]
    if isinstance(label, bool) or not isinstance(label, (str, int, list)):
        raise BadRow(f"the label must be text or a list of texts, got {label!r:.60}")
    yield {
        "text": _text(row, *TEXT),
        "label": [str(one).strip() for one in label] if isinstance(label, list) else str(label).strip(),
        **_tags(row),
    }


def _conll(row: Row, file: Path) -> Iterator[Row]:
    """Tokens with tags (B-person, I-person, O) as text with the places of its entities."""
    text, entities = "", []  # type: str, list[Row]
    for token, tag in zip(row["tokens"], row["tags"], strict=True):
        start = len(text) + bool(text)
        text = f"{text} {token}" if text else token
        kind = str(tag).partition("-")[2]
        if str(tag).startswith("B-") or (kind and not (entities and entities[-1]["open"] == kind)):
            entities.append({"type": kind, "start": start, "end": len(text), "open": kind})
        elif kind:
            entities[-1]["end"] = len(text)
        elif entities:
            entities[-1]["open"] = ""
    found = [
        {"type": e["type"], "text": text[e["start"] : e["end"]], "start": e["start"], "end": e["end"]} for e in entities
    ]
    yield {"text": text, "entities": found}


def _extract(row: Row, file: Path) -> Iterator[Row]:
    name = "entities" if "entities" in row else "fields"
    yield {"text": _text(row, *TEXT), name: row[name], **_tags(row)}


def _triplet(row: Row, file: Path) -> Iterator[Row]:
    out = {"anchor": _text(row, "anchor", "query"), "positive": _text(row, "positive")}
    if row.get("negative") not in (None, ""):  # in a table, an empty cell
        out["negative"] = _text(row, "negative")
    yield out


def _scored_pair(row: Row, file: Path) -> Iterator[Row]:
    names = next(two for two in PAIRS if two[0] in row and two[1] in row)
    score = _any(row, ("score", "label", "similarity", "Quality", "quality"))
    try:
        value = float(row[score]) if score else 1.0
    except (TypeError, ValueError):
        value = math.nan
    if not math.isfinite(value):
        raise BadRow(f'"{score}" must be a number, got {row[score or ""]!r:.40}')
    yield {"a": _text(row, names[0]), "b": _text(row, names[1]), "score": value}


def _translation(row: Row, file: Path) -> Iterator[Row]:
    if "translation" in row:
        two = list(row["translation"].values())
        yield {"source": two[0], "target": two[1]}
    else:
        yield {"source": _text(row, "source"), "target": _text(row, "target")}


def _preference(row: Row, file: Path) -> Iterator[Row]:
    chosen, rejected = (_last_text(row[key]) for key in ("chosen", "rejected"))
    if "conversations" in row:
        messages = _turns(sharegpt_turns(row["conversations"]))
    elif isinstance(row.get("messages") or row.get("prompt"), list):
        messages = _turns(openai_turns(row.get("messages") or row["prompt"]))
    elif isinstance(row["chosen"], list):
        messages = _turns(openai_turns(row["chosen"][:-1]))
    else:
        messages = [{"role": "user", "content": _text(row, "prompt", "instruction", "question")}]
    yield {"messages": messages, "chosen": chosen, "rejected": rejected}


def _last_text(value: Any) -> str:
    """An answer as text, as a message of either dialect, or the last of a dialogue."""
    last = value[-1] if isinstance(value, list) and value else value
    found = last.get("content", last.get("value")) if isinstance(last, dict) else last
    if not isinstance(found, str):
        raise BadRow(f"chosen and rejected must be text or messages, got {value!r:.60}")
    return found


def _complete(row: Row, file: Path) -> Iterator[Row]:
    """A plain text; what tells a note from others stays beside it."""
    yield {"text": _text(row, "text", "content"), **{key: row[key] for key in ABOUT if key in row}}


PAIRS = (
    ("a", "b"),
    ("sentence1", "sentence2"),
    ("text1", "text2"),
    ("#1 String", "#2 String"),
    ("question1", "question2"),
)

SHAPES: tuple[Shape, ...] = (
    Shape("native", "call", "{text, calls}", _has("text", "calls"), _calls("native")),
    Shape("native", "call", "{messages, calls}", _has("messages", "calls"), _calls("native")),
    Shape("preference", "preference", "{prompt | messages | conversations, chosen, rejected}", _has("chosen", "rejected"), _preference),
    Shape("bfcl", "call", "{question, function}", _has("question", "function"), _bfcl),
    Shape("sharegpt-calls", "call", "{conversations, tools}", lambda r: "conversations" in r and _is_call_dialogue(r), _calls("sharegpt")),
    Shape("messages-calls", "call", "{messages, tools}", lambda r: "messages" in r and _is_call_dialogue(r), _calls("messages")),
    Shape("intent", "call", "{text, intent, slots}", lambda r: "intent" in r and _any(r, TEXT) is not None, _intent),
    Shape("prompt-calls", "call", "{prompt, completion of calls}", lambda r: "prompt" in r and _is_call_completion(r), _calls("prompt")),
    Shape("sharegpt", "instruct", "{conversations: [{from, value}]}", _has("conversations"), _sharegpt),
    Shape("messages", "instruct", "{messages: [{role, content}]}", _has("messages"), _messages),
    Shape("alpaca", "instruct", "{instruction, input, output}", lambda r: "instruction" in r and _any(r, ("output", "response")) is not None, _alpaca),
    Shape("prompt", "instruct", "{prompt, completion}", _has("prompt", "completion"), _completion),
    Shape("summary", "instruct", "{document | dialogue | article, summary}", lambda r: "summary" in r and _any(r, LONG_TEXT) is not None, _summary),
    Shape("squad", "instruct", "{paragraphs} or {context, question, answers}", lambda r: "paragraphs" in r or {"context", "question", "answers"} <= r.keys(), _squad),
    Shape("conll", "extract", "token and tag columns, or {tokens, tags}", _has("tokens", "tags"), _conll),
    Shape("extract", "extract", "{text, entities | fields}", lambda r: _any(r, ("entities", "fields")) is not None and _any(r, TEXT) is not None, _extract),
    Shape("triplet", "embed", "{anchor | query, positive[, negative]}", lambda r: "positive" in r and _any(r, ("anchor", "query")) is not None, _triplet),
    Shape("pair", "embed", "{sentence1, sentence2, score}", lambda r: any(a in r and b in r for a, b in PAIRS), _scored_pair),
    Shape("translation", "translate", "{source, target}, {translation}, or two files", lambda r: isinstance(r.get("translation"), dict) or {"source", "target"} <= r.keys(), _translation),
    Shape("label", "classify", "{text, label}", lambda r: _any(r, LABEL) is not None and _any(r, TEXT) is not None, _classify),
    Shape("notes", "complete", "{id, content, date}, or Markdown files", _has("content"), _complete),
    Shape("text", "complete", "{text}, or plain text", _has("text"), _complete),
)  # fmt: skip


# How the checks see a task's row: what is given, what is trained, what it is counted by


def _said(messages: Iterable[Mapping[str, Any]]) -> str:
    return "\n".join(str(message.get("content") or "") for message in messages)


def _view_call(row: Row) -> tuple[str, str, tuple[str, ...]]:
    text = row["text"] if "text" in row else _said(row["messages"])
    names = dict.fromkeys(call["name"] for call in row["calls"])
    return text, json.dumps(row["calls"], ensure_ascii=False), tuple(names) or ("(no call)",)


def _view_extract(row: Row) -> tuple[str, str, tuple[str, ...]]:
    found = row.get("entities", row.get("fields"))
    kinds = [e["type"] for e in found] if isinstance(found, list) else list(found or {})
    return row["text"], json.dumps(found, ensure_ascii=False), tuple(dict.fromkeys(kinds)) or ("(nothing)",)


def _view_classify(row: Row) -> tuple[str, str, tuple[str, ...]]:
    labels = row["label"] if isinstance(row["label"], list) else [row["label"]]
    return row["text"], ", ".join(labels), tuple(labels)


def _view_embed(row: Row) -> tuple[str, str, tuple[str, ...]]:
    if "a" in row:
        return row["a"], row["b"], (f"score {row['score']:g}",)
    return row["anchor"], row["positive"], ()


VIEWS: dict[str, Callable[[Row], tuple[str, str, tuple[str, ...]]]] = {
    "call": _view_call,
    "instruct": lambda row: (_said(row["messages"][:-1]), row["messages"][-1]["content"], ()),
    "classify": _view_classify,
    "extract": _view_extract,
    "embed": _view_embed,
    "translate": lambda row: (row["source"], row["target"], ()),
    "complete": lambda row: ("", row["text"], ()),
    "preference": lambda row: (_said(row["messages"]), row["chosen"], ()),
}
