"""Answers of teachers: what becomes a row, and what is refused for which reason. A parser's cases are rows here."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pocketlm.data.parse import PARSERS, Made, Rejected, Seed, parse_answer
from pocketlm.tasks.tools import ToolSet

NOTE = "Met Ana in Rome on 3 May. We spoke about the new boat, which costs 4,500 euros, and about who will paint it in June."
TOOLS = ToolSet.from_openai(
    [{"name": "alarm", "parameters": {"type": "object", "required": ["time"], "properties": {
        "time": {"type": "string"}, "days": {"type": "array", "items": {"type": "string"}},
        "tone": {"enum": ["soft", "loud"]}, "n": {"type": "integer"},
    }}}],
    "tools",
)  # fmt: skip
TEXT = Seed("here", NOTE, "complete", ask="Summarize.")
LABELS = Seed("here", NOTE, "complete", labels=("trips", "boats"))
CALL = Seed("here", tools=TOOLS)
ROW = Seed(
    "here",
    "wake me at seven",
    "call",
    {"text": "wake me at seven", "calls": [{"name": "alarm", "arguments": {"time": "seven"}}]},
)
SPANS = Seed(
    "here",
    "in Rome",
    "extract",
    {"text": "in Rome", "entities": [{"type": "place", "text": "Rome", "start": 3, "end": 7}]},
)


def made(gives: str, answer: Any, seed: Seed) -> list[Any]:
    text = answer if isinstance(answer, str) else json.dumps(answer)
    return [one.row if isinstance(one, Made) else str(one) for one in parse_answer(gives, text, seed)]


def dialogue(request: str, answer: str) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": request}, {"role": "assistant", "content": answer}]}


CASES: list[tuple[str, Any, Seed, list[Any]]] = [
    ("summary", "Ana and I met in Rome about the boat.", TEXT, [dialogue(f"Summarize.\n\n{NOTE}", "Ana and I met in Rome about the boat.")]),
    ("summary", "We met on 4 May.", TEXT, ["a number that the text does not hold: 4"]),
    ("summary", "We met, and then Bob came.", TEXT, ["a name that the text does not hold: Bob"]),
    ("summary", NOTE, TEXT, ["as long as its text"]),
    ("summary", "I'm sorry, I cannot do that.", TEXT, ["no answer but talk about one"]),
    ("summary", "  ", TEXT, ["empty"]),
    (
        "questions",
        [
            {"question": "What costs the boat?", "answer": "4,500 euros", "quote": "which costs 4,500 euros"},
            {"question": "Who paints it?", "answer": "Ana", "quote": "Ana paints it"},
            {"question": "When?", "answer": "5 May", "quote": "on 3 May"},
            {"question": "Where?", "answer": "Rome"},
        ],
        TEXT,
        [
            {**dialogue(f"{NOTE}\n\nWhat costs the boat?", "4,500 euros"), "quote": "which costs 4,500 euros"},
            "a quote that does not stand in the text",
            "a number that the text does not hold: 5",
            'no "quote"',
        ],
    ),
    ("questions", "no json here", TEXT, ["no JSON in it"]),
    ("tags", 'Sure: ["Boats", "trips", "boats"]', TEXT, [{"text": NOTE, "label": ["boats", "trips"]}]),
    ("tags", ["boats", "money"], LABELS, ['a tag that is not among the given ones: "money"']),
    ("tags", ["this is about a boat trip"], TEXT, ["a tag that is a sentence"]),
    ("tags", [], TEXT, ["no JSON list"]),
    (
        "fields",
        {"people": ["Ana", "Bob"], "amounts": "4,500 euros", "dates": []},
        TEXT,
        ["a value that does not stand in the text", {"text": NOTE, "fields": {"people": ["Ana"], "amounts": ["4,500 euros"]}}],
    ),
    ("fields", [1], TEXT, ["no JSON object"]),
    (
        "calls",
        [
            {"text": "wake me at six, softly", "calls": [{"name": "alarm", "arguments": {"time": "six", "tone": "soft"}}]},
            {"text": "wake me early", "calls": [{"name": "alarm", "arguments": {"time": "06:00"}}]},
            {"text": "wake me", "calls": [{"name": "alarm", "arguments": {}}]},
            {"text": "wake me", "calls": [{"name": "clock", "arguments": {}}]},
            {"text": "wake me", "calls": []},
            {"text": "wake me", "calls": "what"},
            {"calls": []},
        ],
        CALL,
        [
            {"text": "wake me at six, softly", "calls": [{"name": "alarm", "arguments": {"time": "six", "tone": "soft"}}]},
            "a value that the request does not say: '06:00'",
            "a call that breaks its schema: alarm: required argument ",
            "a call that breaks its schema: unknown function ",
            "no call",
            "calls in no known form",
            'no "text"',
        ],
    ),
    ("no_calls", ["how old is the moon", 3, " "], CALL, [{"text": "how old is the moon", "calls": []}, "no text", "no text"]),
    (
        "paraphrases",
        ["get me up at seven", "get me up at eight", "Wake me  at seven", ""],
        ROW,
        [{**ROW.row, "text": "get me up at seven"}, "a value got lost, such as 'seven'", "the same words", "no text"],
    ),
    (
        "paraphrases",
        ["over there in rome"],
        SPANS,
        [{"text": "over there in rome", "entities": [{"type": "place", "text": "rome", "start": 14, "end": 18}]}],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("gives", "answer", "seed", "found"), CASES)
def test_answer(gives: str, answer: Any, seed: Seed, found: list[Any]) -> None:
    assert made(gives, answer, seed) == found


@pytest.mark.parametrize(
    ("request_", "number", "holds"),
    [
        ("wake me at 7", 7, True),
        ("wake me at seven", 7, True),
        ("wake me at 7", 8, False),
        ("wake me at 9 pm", 21, True),
        ("wake me in half an hour", 30, True),
        ("wake me in an hour and a half", 90, True),
        ("two minutes", 120, True),
        ("three hours please", 180, True),
        ("at noon", 12, True),
        ("minus 5 degrees", -5, True),
        ("make it loud", 80, False),
        ("wake me", 0, True),
    ],
)
def test_numbers_of_calls_follow_from_the_request(request_: str, number: int, holds: bool) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    tools = ToolSet.from_openai([{"name": "f", "parameters": schema}], "tools")
    (one,) = made(
        "calls", [{"text": request_, "calls": [{"name": "f", "arguments": {"n": number}}]}], Seed("", tools=tools)
    )
    assert isinstance(one, dict) == holds, one


def test_every_parser_has_cases_of_both_kinds() -> None:
    kinds = {(gives, isinstance(one, dict)) for gives, _, _, found in CASES for one in found}
    assert kinds == {(gives, good) for gives in PARSERS for good in (True, False)}


def test_json_is_found_in_whatever_stands_around_it() -> None:
    for text in (
        '["a b"]',
        'Here you are:\n```json\n["a b"]\n```\nGood luck!',
        '{"tags": ["a b"]}',
        'so [1, then ["a b"] it is',
    ):
        assert made("tags", text, TEXT) == [{"text": NOTE, "label": ["a b"]}], text
    assert isinstance(parse_answer("tags", "[" * 5000, TEXT)[0], Rejected)
