"""Every known layout: one row of it, what it is taken for, and the task's row it becomes. A new layout is a row here."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pocketlm.data.formats import BadRow
from pocketlm.data.shapes import SHAPES, Row, detect, read_shape, shape_named, view
from pocketlm.data.sources import Item

HERE = Path("rows.jsonl")
ALARM = {"name": "alarm", "arguments": {"time": "7"}}
TOOL = {"type": "function", "function": {"name": "alarm", "parameters": {"type": "object", "properties": {}}}}
ASK = {"role": "user", "content": "hi"}
SAY = {"role": "assistant", "content": "hello"}
LAYOUTS: list[tuple[str, str, Row, list[Row]]] = [
    ("native", "call", {"text": "hi", "calls": [ALARM]}, [{"text": "hi", "calls": [ALARM]}]),
    ("native", "call", {"messages": [ASK], "calls": []}, [{"text": "hi", "calls": []}]),
    (
        "preference",
        "preference",
        {"prompt": "hi", "chosen": "yes", "rejected": "no"},
        [{"messages": [ASK], "chosen": "yes", "rejected": "no"}],
    ),
    (
        "preference",
        "preference",
        {"conversations": [{"from": "human", "value": "hi"}], "chosen": {"from": "gpt", "value": "a"}, "rejected": [SAY]},
        [{"messages": [ASK], "chosen": "a", "rejected": "hello"}],
    ),
    (
        "bfcl",
        "call",
        {"id": "x", "question": [[ASK]], "function": [{"name": "f", "parameters": {"type": "dict", "properties": {}}}]},
        [{"text": "hi", "calls": [], "tools": [
            {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {}}}}
        ]}],
    ),
    (
        "sharegpt-calls",
        "call",
        {"conversations": [
            {"from": "human", "value": "hi"},
            {"from": "function_call", "value": '{"name": "alarm", "arguments": {"time": "7"}}'},
        ], "tools": [TOOL]},
        [{"text": "hi", "calls": [ALARM], "tools": [TOOL]}],
    ),
    (
        "messages-calls",
        "call",
        {"messages": [ASK, {"role": "assistant", "tool_calls": [{"type": "function", "function": {
            "name": "alarm", "arguments": '{"time": "7"}'}}]}]},
        [{"text": "hi", "calls": [ALARM]}],
    ),
    ("intent", "call", {"text": "hi", "intent": "alarm", "slots": [{"name": "time", "value": "7"}]}, [{"text": "hi", "calls": [ALARM]}]),
    (
        "intent",
        "call",
        {"query": "hi", "intent": "alarm", "uri": "u", "mime": {}, "extras": {"time": "7", "day": None}},
        [{"text": "hi", "calls": [{"name": "alarm", "arguments": {"time": "7", "uri": "u"}}]}],
    ),
    ("prompt-calls", "call", {"prompt": "hi", "completion": '[{"name": "alarm", "arguments": {"time": "7"}}]'}, [{"text": "hi", "calls": [ALARM]}]),
    ("sharegpt", "instruct", {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}, [{"messages": [ASK, SAY]}]),
    ("messages", "instruct", {"messages": [ASK, SAY, ASK]}, [{"messages": [ASK, SAY]}]),
    (
        "alpaca",
        "instruct",
        {"instruction": "Add.", "input": "1 and 2", "output": "3"},
        [{"messages": [{"role": "user", "content": "Add.\n\n1 and 2"}, {"role": "assistant", "content": "3"}]}],
    ),
    ("prompt", "instruct", {"prompt": "hi", "completion": "hello"}, [{"messages": [ASK, SAY]}]),
    (
        "summary",
        "instruct",
        {"dialogue": "A: hi", "summary": "greeting"},
        [{"messages": [{"role": "user", "content": "Summarize:\nA: hi"}, {"role": "assistant", "content": "greeting"}]}],
    ),
    (
        "squad",
        "instruct",
        {"paragraphs": [{"context": "It is red.", "qas": [
            {"question": "What?", "answers": [{"text": "red", "answer_start": 6}]},
            {"question": "When?", "answers": []},
        ]}]},
        [
            {"messages": [{"role": "user", "content": "It is red.\n\nWhat?"}, {"role": "assistant", "content": "red"}]},
            {"messages": [
                {"role": "user", "content": "It is red.\n\nWhen?"},
                {"role": "assistant", "content": "not in the text"},
            ]},
        ],
    ),
    (
        "conll",
        "extract",
        {"tokens": ["In", "New", "York", "Bob", "ran"], "tags": ["O", "B-place", "I-place", "B-person", "O"]},
        [{"text": "In New York Bob ran", "entities": [
            {"type": "place", "text": "New York", "start": 3, "end": 11},
            {"type": "person", "text": "Bob", "start": 12, "end": 15},
        ]}],
    ),
    ("extract", "extract", {"text": "hi", "fields": {"a": 1}}, [{"text": "hi", "fields": {"a": 1}}]),
    ("triplet", "embed", {"query": "a", "positive": "b", "negative": "c"}, [{"anchor": "a", "positive": "b", "negative": "c"}]),
    ("pair", "embed", {"sentence1": "a", "sentence2": "b", "score": "0.5"}, [{"a": "a", "b": "b", "score": 0.5}]),
    ("pair", "embed", {"Quality": "1", "#1 String": "a", "#2 String": "b"}, [{"a": "a", "b": "b", "score": 1.0}]),
    ("translation", "translate", {"translation": {"en": "a", "de": "b"}}, [{"source": "a", "target": "b"}]),
    ("translation", "translate", {"source": "a", "target": "b"}, [{"source": "a", "target": "b"}]),
    ("label", "classify", {"text": "a", "label": 1}, [{"text": "a", "label": "1"}]),
    ("label", "classify", {"sentence": "a", "labels": ["x", "y"]}, [{"text": "a", "label": ["x", "y"]}]),
    ("notes", "complete", {"id": "1", "content": "a", "date": "2026-01-01"}, [{"text": "a", "id": "1", "date": "2026-01-01"}]),
    ("text", "complete", {"text": "a"}, [{"text": "a"}]),
]  # fmt: skip


@pytest.mark.parametrize(("name", "task", "row", "rows"), LAYOUTS)
def test_layout(name: str, task: str, row: Row, rows: list[Row]) -> None:
    shape = detect([row])
    assert shape is not None and (shape.name, shape.task) == (name, task)
    assert read_shape(shape, Item(HERE, 1, row)) == rows
    for own in rows:  # what we write is read back as the same
        again = detect([own])
        assert again is not None and again.task == task
        assert read_shape(again, Item(HERE, 1, own)) == [own]
        assert view(own, task, "here", "train").answer is not None


def test_every_layout_is_in_the_table() -> None:
    assert {shape.name for shape in SHAPES} == {name for name, *_ in LAYOUTS}


def test_a_call_anywhere_makes_a_file_of_dialogues_calls() -> None:
    plain = {"conversations": [{"from": "human", "value": "hi"}, {"from": "gpt", "value": "hello"}]}
    calling = LAYOUTS[5][2]
    found = detect([plain, calling])
    assert found is not None and found.name == "sharegpt-calls"


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("label", {"text": "a", "label": 1.5}, "the label must be text or a list of texts, got 1.5"),
        ("label", {"text": 3, "label": "x"}, '"text" must be text, got 3'),
        ("messages", {"messages": [SAY, ASK]}, "turn 1: the assistant speaks first"),
        ("messages", {"messages": [ASK]}, "no assistant turn to learn from"),
        ("pair", {"a": "x", "b": "y", "score": "high"}, "\"score\" must be a number, got 'high'"),
        ("conll", {"tokens": ["a"], "tags": []}, "does not fit"),
        ("preference", {"prompt": "a", "chosen": None, "rejected": "b"}, "chosen and rejected must be text"),
        ("squad", {"paragraphs": [{"qas": [{}]}]}, "does not fit squad"),
        ("text", [1], "expected an object with keys"),
    ],
)
def test_a_row_that_does_not_fit(name: str, value: Any, why: str) -> None:
    with pytest.raises(BadRow) as caught:
        read_shape(shape_named(name), Item(HERE, 1, value))
    assert why in str(caught.value)
