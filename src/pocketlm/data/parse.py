"""A teacher's answer -> rows of a task, held to what the seed says. What does not hold is refused with its reason.

Nothing is believed: calls must fit their schemas and say only what their request says, quotes and extracted values must
stand in the text, a summary may hold no number that the text does not.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from pocketlm.core.text import folded
from pocketlm.data.formats import BadRow, read_calls
from pocketlm.tasks.grammar import is_span
from pocketlm.tasks.said import leaves, numbers_said, places, wordings
from pocketlm.tasks.tools import Call, ToolSet

Row = dict[str, Any]
NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
NAMES = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}")  # within a sentence: at its start any word is written so
REFUSING = re.compile(r"^\W*(?:i'?m sorry|sorry,|i can(?:no|')t|as an ai|i am unable|here (?:is|are)\b)", re.IGNORECASE)
DECODER = json.JSONDecoder()
# Words that stand for numbers
MEANT = {"an?": 1, "once": 1, "hour": 60, "minute": 1, "couple": 2, "twice": 2, "both": 2, "half": 30, "quarter": 15, "noon": 12,
         "midday": 12, "midnight": 0, "dozen": 12, "full": 100, "max(?:imum)?": 100, "thousand": 1000, "last": 1, "tomorrow": 1}  # fmt: skip


@dataclass(frozen=True)
class Seed:
    """What a request was made from, and what its answers are held to.

    Attributes:
        text: the text asked about; of a row its text.
        row: the row that is reworded.
        ask: the wording of what was asked, which a tuned model will be asked too.
    """

    where: str
    text: str = ""
    task: str = ""
    row: Row = field(default_factory=dict)
    ask: str = ""
    labels: tuple[str, ...] = ()
    tools: ToolSet | None = None


@dataclass(frozen=True)
class Made:
    """One row, and the part of it that is new, by which near twins are told."""

    row: Row
    fresh: str


class Rejected(ValueError):
    """An answer, or a part of one, that is not used; the message is the reason in a few words."""


Parser = Callable[[str, Seed], Iterator["Made | Rejected"]]
AS_JSON = {"questions", "tags", "fields", "calls", "no_calls", "paraphrases"}  # whose answers are JSON


def fresh_of(row: Row) -> str:
    """The part of a row by which near twins are told: what was said, or the answer about a text that is given."""
    if "messages" not in row:
        return str(row.get("text", ""))
    turns = [str(message.get("content", "")) for message in row["messages"]]
    if "quote" in row:  # the same question about another place is another row
        return f"{turns[0].rpartition(chr(10) * 2)[2]} {row['quote']}"
    return turns[-1] if turns else ""


def parse_answer(gives: str, text: str, seed: Seed) -> list[Made | Rejected]:
    """The rows of one answer, and what of it was refused."""
    try:
        return list(PARSERS[gives][1](text, seed))
    except Rejected as error:
        return [error]


def task_of(gives: str, seed_task: str) -> str:
    """The task whose rows a parser gives; those of paraphrases are of the seed's."""
    return PARSERS[gives][0] or seed_task


def _summary(text: str, seed: Seed) -> Iterator[Made | Rejected]:
    answer = text.strip().strip('"').strip()
    if not answer:
        raise Rejected("empty")
    if REFUSING.match(answer):
        raise Rejected("no answer but talk about one")
    if len(answer) >= 0.8 * len(seed.text):
        raise Rejected("as long as its text")
    _check_said(answer, seed.text)
    yield Made(_dialogue(f"{seed.ask}\n\n{seed.text}", answer), answer)


def _questions(text: str, seed: Seed) -> Iterator[Made | Rejected]:
    for item in _list(text):
        try:
            question, answer, quote = (_text_of(item, key) for key in ("question", "answer", "quote"))
            if folded(quote) not in folded(seed.text):
                raise Rejected("a quote that does not stand in the text")
            _check_said(answer, seed.text)
            row = {**_dialogue(f"{seed.text}\n\n{question}", answer), "quote": quote}
            yield Made(row, fresh_of(row))
        except Rejected as error:
            yield error


def _tags(text: str, seed: Seed) -> Iterator[Made | Rejected]:
    tags = [tag.strip().lower() for tag in _list(text) if isinstance(tag, str) and tag.strip()]
    if not 1 <= len(tags) <= 8:
        raise Rejected("no tags, or too many")
    if any(len(tag.split()) > 4 for tag in tags):
        raise Rejected("a tag that is a sentence")
    if seed.labels and (unknown := [tag for tag in tags if tag not in seed.labels]):
        raise Rejected(f'a tag that is not among the given ones: "{unknown[0]}"')
    yield Made({"text": seed.text, "label": list(dict.fromkeys(tags))}, "")


def _fields(text: str, seed: Seed) -> Iterator[Made | Rejected]:
    found = _json(text)
    if not isinstance(found, dict):
        raise Rejected("no JSON object")
    kept: dict[str, list[str]] = {}
    for key, values in found.items():
        for value in values if isinstance(values, list) else [values]:
            if not isinstance(value, str) or not value.strip():
                continue
            if folded(value) not in folded(seed.text):
                yield Rejected("a value that does not stand in the text")
                continue
            kept.setdefault(str(key), []).append(value)
    yield Made({"text": seed.text, "fields": kept}, "")


def _calls(text: str, seed: Seed) -> Iterator[Made | Rejected]:
    tools = seed.tools or ToolSet([])
    for item in _list(text):
        try:
            request = _text_of(item, "text")
            calls = _calls_of(item, tools)
            for call in calls:
                if unsaid := next((value for value in _free_values(call, tools) if not _is_told(value, request)), None):
                    raise Rejected(f"a value that the request does not say: {unsaid!r:.30}")
            yield Made({"text": request, "calls": [call.to_json() for call in calls]}, request)
        except Rejected as error:
            yield error


def _no_calls(text: str, seed: Seed) -> Iterator[Made | Rejected]:
    for item in _list(text):
        if isinstance(item, str) and item.strip():
            yield Made({"text": item.strip(), "calls": []}, item.strip())
        else:
            yield Rejected("no text")


def _paraphrases(text: str, seed: Seed) -> Iterator[Made | Rejected]:
    """Other words for a row's text; what its answer copies from the text must stand in the new one too."""
    kept = list(copied_values(seed))
    for item in _list(text):
        if not isinstance(item, str) or not item.strip():
            yield Rejected("no text")
        elif folded(item) == folded(seed.text):
            yield Rejected("the same words")
        elif lost := next((value for value in kept if not _says(value, item)), None):
            yield Rejected(f"a value got lost, such as {lost!r:.30}")
        else:
            yield Made(_reworded(seed.row, item.strip()), item.strip())


def copied_values(seed: Seed) -> Iterator[Any]:
    """The values of a row's answer that its text says."""
    row = seed.row
    values: Any = row.get("fields", [])
    if "calls" in row:
        values = [call["arguments"] for call in row["calls"]]
    elif "entities" in row:
        values = [entity["text"] for entity in row["entities"]]
    yield from (value for value in leaves(values) if _says(value, seed.text))


def _reworded(row: Row, text: str) -> Row:
    """A row with another text; entities are where they stand in it."""
    out = {**row, "text": text}
    if "entities" in row:
        starts = [text.lower().find(entity["text"].lower()) for entity in row["entities"]]
        out["entities"] = [
            {**entity, "text": text[at : at + len(entity["text"])], "start": at, "end": at + len(entity["text"])}
            for entity, at in zip(row["entities"], starts, strict=True)
        ]
    return out


PARSERS: dict[str, tuple[str, Parser]] = {
    "summary": ("instruct", _summary),
    "questions": ("instruct", _questions),
    "tags": ("classify", _tags),
    "fields": ("extract", _fields),
    "calls": ("call", _calls),
    "no_calls": ("call", _no_calls),
    "paraphrases": ("", _paraphrases),
}


def _dialogue(request: str, answer: str) -> Row:
    return {"messages": [{"role": "user", "content": request}, {"role": "assistant", "content": answer}]}


def _json(text: str) -> Any:
    """The first JSON list or object of an answer, whatever stands around it."""
    for found in re.finditer(r"[\[{]", text):
        try:
            return DECODER.raw_decode(text, found.start())[0]
        except (ValueError, RecursionError):
            continue
    raise Rejected("no JSON in it")


def _list(text: str) -> list[Any]:
    found = _json(text)
    if isinstance(found, dict):  # a list under some name
        found = next((value for value in found.values() if isinstance(value, list)), [found])
    if not isinstance(found, list) or not found:
        raise Rejected("no JSON list")
    return found


def _text_of(item: Any, key: str) -> str:
    value = item.get(key) if isinstance(item, dict) else None
    if not isinstance(value, str) or not value.strip():
        raise Rejected(f'no "{key}"')
    return value.strip()


def _calls_of(item: Any, tools: ToolSet) -> list[Call]:
    try:
        calls = read_calls(item.get("calls", item.get("call")) or [])
    except BadRow:
        raise Rejected("calls in no known form") from None
    for call in calls:
        if problems := tools.check_call(call):
            raise Rejected(f"a call that breaks its schema: {re.sub(chr(34) + '.*', '', problems[0]):.60}")
    if not calls:
        raise Rejected("no call")
    return list(calls)


def _free_values(call: Call, tools: ToolSet) -> Iterator[Any]:
    """Strings and numbers of a call that no list of constants holds."""
    for key, value in call.arguments.items():
        schema = tools[call.name].properties.get(key, {})
        if not schema.keys() & {"enum", "const"}:
            yield from leaves(value)


def _is_told(value: Any, request: str) -> bool:
    """Strings must stand in the request; integers too, or follow from it: 21 from "9 pm", 30 from "half an hour"."""
    if isinstance(value, str):
        return is_span(value, request)
    said = numbers_said(request) | {n for word, n in MEANT.items() if re.search(rf"\b{word}\b", request, re.IGNORECASE)}
    told = {n * unit + more for n in said for unit in (1, 7, 24, 60, 3600) for more in {0, 12, *said}}
    return abs(value) in told or value == 0


def _check_said(answer: str, text: str) -> None:
    """Numbers and names of an answer must stand in its text."""
    numbers = set(NUMBER.findall(text))
    if wrong := [number for number in NUMBER.findall(answer) if number not in numbers]:
        raise Rejected(f"a number that the text does not hold: {wrong[0]}")
    if wrong := [name for name in NAMES.findall(answer) if name.lower() not in text.lower()]:
        raise Rejected(f"a name that the text does not hold: {wrong[0]}")


def _says(value: Any, text: str) -> bool:
    return any(places(form.lower(), text.lower()) for form in wordings(value))
