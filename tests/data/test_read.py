"""Every known format, and every sentence a user may get about a bad file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import Problems
from pocketlm.data.read import ReadResult, examine_rows, read_rows
from pocketlm.tasks.tools import Call, ToolSet

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "function_calling"
ALARM: dict[str, Any] = {
    "name": "set_alarm",
    "description": "Set an alarm.",
    "parameters": {
        "type": "object",
        "properties": {"time": {"type": "string"}, "volume": {"type": "integer"}},
        "required": ["time"],
    },
}
TOOLS = ToolSet.from_openai([ALARM], "tools")
NATIVE = {"text": "wake me at 7", "calls": [{"name": "set_alarm", "arguments": {"time": "7"}}]}
ALARM_AT_7 = (Call("set_alarm", {"time": "7"}),)

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write values as JSON lines (or text or bytes as they are) and give the path."""

    def _write(*rows: Any, name: str = "rows.jsonl") -> Path:
        path = tmp_path / name
        if len(rows) == 1 and isinstance(rows[0], bytes):
            path.write_bytes(rows[0])
        else:
            lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
            path.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
        return path

    return _write


def told(path: Path, tools: ToolSet | None = TOOLS) -> str:
    """The text of the one error a read raises."""
    with pytest.raises(Problems) as caught:
        read_rows(path, tools)
    return str(caught.value)


def only(result: ReadResult) -> tuple[tuple[tuple[str, str], ...], tuple[Call, ...]]:
    assert len(result.rows) == 1
    row = result.rows[0]
    return tuple((m.role, m.content) for m in row.messages), row.calls


# --- formats -------------------------------------------------------------------------------------------------------

ASKED = (("user", "wake me at 7"),)


@pytest.mark.parametrize(
    ("row", "format_name"),
    [
        (NATIVE, "native"),
        ({"messages": [{"role": "user", "content": "wake me at 7"}], "calls": NATIVE["calls"]}, "native"),
        ({"text": "wake me at 7", "intent": "set_alarm", "slots": [{"name": "time", "value": "7"}]}, "intent"),
        ({"text": "wake me at 7", "intent": "set_alarm", "slots": {"time": "7"}}, "intent"),
        ({"prompt": "wake me at 7", "completion": '{"set_alarm":{"time":"7"}}'}, "prompt"),
        ({"prompt": "wake me at 7", "completion": '[{"name":"set_alarm","arguments":{"time":"7"}}]'}, "prompt"),
        (
            {
                "prompt": [{"role": "user", "content": "wake me at 7"}],
                "completion": [
                    {"role": "assistant", "function_call": {"name": "set_alarm", "arguments": {"time": "7"}}}
                ],
            },
            "prompt",
        ),
    ],
)
def test_each_format_gives_the_same_row(write: Write, row: Any, format_name: str) -> None:
    path = write(row)
    result = read_rows(path, TOOLS)
    assert only(result) == (ASKED, ALARM_AT_7)
    assert result.formats == {str(path): format_name}
    assert result.rows[0].where == f"{path}:1"


@pytest.mark.parametrize("arguments", ['{"time": "7"}', {"time": "7"}])
def test_messages_with_tools_of_its_own_and_later_turns(write: Write, arguments: Any) -> None:
    row = {
        "messages": [
            {"role": "developer", "content": "be brief"},
            {"role": "user", "content": [{"type": "text", "text": "wake me"}]},
            {"role": "assistant", "content": "when?"},
            {"role": "user", "content": "at 7"},
            {
                "role": "assistant",
                "content": None,
                "tool_calls": [
                    {"id": "1", "type": "function", "function": {"name": "set_alarm", "arguments": arguments}}
                ],
            },
            {"role": "tool", "content": "ok", "tool_call_id": "1"},
            {"role": "assistant", "content": "done"},
        ],
        "tools": [{"type": "function", "function": ALARM}],
    }
    result = read_rows(write(row), None)
    before = (("system", "be brief"), ("user", "wake me"), ("assistant", "when?"), ("user", "at 7"))
    assert only(result) == (before, ALARM_AT_7)
    assert result.tools.names == ["set_alarm"]
    assert "2 later turns were left out" in result.notes[0]


def test_sharegpt(write: Write) -> None:
    def turn(who: str, value: str) -> dict[str, str]:
        return {"from": who, "value": value}

    call = turn("function_call", '{"name": "set_alarm", "arguments": {"time": "7"}}')
    acts = [turn("human", "wake me at 7"), call, turn("observation", "{}"), turn("gpt", "done")]
    talks = [turn("human", "hello"), turn("gpt", "hi"), turn("human", "bye"), turn("gpt", "bye")]
    twice = [turn("human", "at 7 and 7"), call, call]
    rows = [
        {"conversations": acts, "tools": json.dumps([ALARM]), "system": "be brief"},
        {"conversations": talks, "tools": "[]"},
        {"conversations": twice, "tools": ""},
    ]
    result = read_rows(write(json.dumps(rows, indent=1), name="chat.json"), None)
    assert [row.calls for row in result.rows] == [ALARM_AT_7, (), ALARM_AT_7 * 2]
    assert [len(row.messages) for row in result.rows] == [2, 1, 1]  # no call anywhere: up to the first answer
    assert result.notes == ["2 dialogues go on after the turn taken as their answer; 4 later turns were left out"]


def test_no_call_is_an_empty_list(write: Write) -> None:
    rows = write({"text": "hi", "intent": None, "slots": []}, {"text": "wake me", "intent": "alarm"})
    assert [row.calls for row in read_rows(rows).rows] == [(), (Call("alarm", {}),)]
    assert only(read_rows(write({"text": "hi", "calls": []}), TOOLS))[1] == ()


def test_tools_derived_from_intents(write: Write) -> None:
    def slots(*pairs: tuple[str, str]) -> list[dict[str, str]]:
        return [{"name": name, "value": value} for name, value in pairs]

    result = read_rows(
        write(
            {"text": "play a and b", "intent": "Play", "slots": slots(("song", "a"), ("by", "x"), ("song", "b"))},
            {"text": "stop", "intent": "Stop", "slots": []},
            {"text": "play c on y", "intent": "Play", "slots": slots(("on", "y"), ("song", "c"))},
        )
    )
    assert result.rows[0].calls == (Call("Play", {"song": ["a", "b"], "by": "x"}),)
    assert result.tools.names == ["Play", "Stop"]
    assert list(result.tools["Play"].properties) == ["song", "by", "on"]
    assert result.tools["Play"].properties["song"] == {"type": ["string", "array"], "items": {"type": "string"}}
    assert result.tools["Play"].properties["by"] == {"type": "string"}
    assert result.tools["Play"].required == []


def test_tools_of_intents_have_the_types_that_were_seen(write: Write) -> None:
    slots = [{"n": 5, "who": {"name": "x"}}, {"n": 2.5, "loud": True, "days": [1, 2]}]
    result = read_rows(write(*({"text": "hi", "intent": "a", "slots": one} for one in slots)))
    assert dict(result.tools["a"].properties) == {
        "n": {"type": "number"},
        "who": {"type": "object", "properties": {"name": {"type": "string"}}, "required": []},
        "loud": {"type": "boolean"},
        "days": {"type": "array", "items": {"type": "integer"}},
    }


def with_tools(text: str, time: Any, properties: dict[str, Any], calls: bool = True) -> dict[str, Any]:
    tool = {"name": "set_alarm", "parameters": {"type": "object", "properties": properties, "required": ["time"]}}
    found = [{"name": "set_alarm", "arguments": {"time": time}}] if calls else []
    return {"text": text, "calls": found, "tools": [tool]}


def test_own_tools_are_joined(write: Write) -> None:
    a = with_tools("a", 7, {"time": {"type": "integer", "format": "time"}, "label": {"type": "string"}})
    b = with_tools("b", 7.5, {"time": {"type": "number"}, "format": {"type": "string"}})
    result = read_rows(write(a, b))
    assert dict(result.tools["set_alarm"].properties) == {
        "time": {"type": "number"},
        "label": {"type": "string"},
        "format": {"type": "string"},
    }
    assert "were joined" in result.notes[0]
    assert '"format"' in result.notes[1] and "set_alarm" in result.notes[1]


def test_own_tools_in_conflict(write: Write) -> None:
    a = with_tools("a", 7, {"time": {"type": "integer"}})
    b = with_tools("b", "7", {"time": {"type": "string"}})
    text = told(write(a, b), None)
    assert "rows.jsonl:2: set_alarm.time is defined otherwise in" in text and "rows.jsonl:1;" in text
    unused = with_tools("b", "7", {"time": {"type": "string"}}, calls=False)
    result = read_rows(write(unused, a))  # what no row calls gives way, whatever its place
    assert result.tools["set_alarm"].properties["time"] == {"type": "integer"}
    assert "left out: set_alarm" in result.notes[0]


def test_given_tools_win_over_own(write: Write) -> None:
    result = read_rows(write(with_tools("a", "7", {"time": {"type": "integer"}})), TOOLS)
    assert result.tools is TOOLS and "were not used" in result.notes[0]


def test_folder(tmp_path: Path, write: Write) -> None:
    write({"prompt": "b", "completion": "[]"}, name="b.jsonl")
    write(NATIVE, name="a.JSON")
    write("not rows", name="notes.txt")
    write(json.dumps([ALARM]), name="tools.json")
    result = read_rows(tmp_path)
    assert [row.text for row in result.rows] == ["wake me at 7", "b"]
    assert result.tools.names == ["set_alarm"]
    assert list(result.formats.values()) == ["native", "prompt"]


LISTS = [
    (json.dumps([NATIVE, NATIVE], indent=2), "rows.json", [2, 13]),
    (json.dumps([NATIVE, NATIVE]), "rows.jsonl", [1, 1]),
    (json.dumps({"meta": {"data": []}, "data": [NATIVE, NATIVE]}, indent=2), "rows.json", [6, 17]),
    (json.dumps(NATIVE) + "\n\n" + json.dumps(NATIVE), "rows.json", [1, 3]),
    (json.dumps(NATIVE, indent=2), "rows.json", [1]),
]


@pytest.mark.parametrize(("text", "name", "lines"), LISTS)
def test_json_shapes_and_their_lines(write: Write, text: str, name: str, lines: list[int]) -> None:
    path = write(text, name=name)
    assert [row.where for row in read_rows(path, TOOLS).rows] == [f"{path}:{line}" for line in lines]


def test_byte_order_mark_crlf_blank_lines_and_odd_separators(write: Write) -> None:
    line = json.dumps({"text": "a\u2028b\u0085c", "calls": []}, ensure_ascii=False)
    path = write(b"\xef\xbb\xbf" + f"{line}\r\n\r\n{line}\r\n".encode())
    rows = read_rows(path, TOOLS).rows
    assert [row.text for row in rows] == ["a\u2028b\u0085c"] * 2
    assert rows[1].where == f"{path}:3"


# --- bad input -----------------------------------------------------------------------------------------------------


def user(content: Any = "hi") -> dict[str, Any]:
    return {"role": "user", "content": content}


def assistant(content: Any = "hello") -> dict[str, Any]:
    return {"role": "assistant", "content": content}


def native(*calls: Any) -> dict[str, Any]:
    return {"text": "hi", "calls": list(calls)}


def alarm(**arguments: Any) -> dict[str, Any]:
    return {"name": "set_alarm", "arguments": arguments}


BAD_ROWS = [
    (native({"name": "set_alrm", "arguments": {}}), 'unknown function "set_alrm"; did you mean "set_alarm"?'),
    (native(alarm(volume=3)), 'required argument "time" is missing'),
    (native(alarm(time=7)), "set_alarm.time: expected string, got integer 7"),
    (native(alarm(time="7", loud=1)), 'unknown argument "loud"'),
    (native({"name": "set_alarm", "args": {}}), 'has the key "args"; write its arguments under "arguments"'),
    (native({"name": 3, "arguments": {}}), 'the "name" of a call must be text'),
    (native({"name": "set_alarm", "arguments": 5}), "not JSON of calls"),
    (native("7 o'clock"), "not JSON of calls"),
    ({"text": "hi", "calls": None}, "not JSON of calls"),
    ({"text": "", "calls": []}, '"text" is empty; write the text or delete the row'),
    ({"text": 5, "calls": []}, '"text" must be text, got 5'),
    ({"calls": []}, 'has no "text", which the first rows of this file have (its keys: calls)'),
    ({"text": "hi"}, 'has no "calls"'),
    ({"text": "\ud83d", "calls": []}, "holds half a character"),
    (["hi"], "expected an object with keys, got ['hi']"),
    ({"text": "x" * 20_001, "calls": []}, "the text takes 20,001 characters, over the limit of 20,000"),
    (native(alarm(time="x" * 20_001)), "the calls take 20,"),
    ({"messages": [user(), assistant()], "calls": []}, 'the last of "messages" must be of the user'),
    ({"messages": [assistant(), user()], "calls": []}, "turn 1: the assistant speaks first"),
]

BAD_DIALOGUES = [
    ([assistant(), user()], "turn 1: the assistant speaks first; start with a user's request"),
    ([user(), user(), assistant()], "turn 2: two user turns in a row; join them into one"),
    ([user(), assistant(), assistant()], "turn 3: two assistant turns in a row"),
    ([user(), {"role": "tool", "content": "x"}], "turn 2: a tool result without a call before it"),
    ([user(), {"role": "system", "content": "x"}, assistant()], "turn 2: a system message can only come first"),
    ([user(""), assistant()], "turn 1: the user's text is empty"),
    ([user(3), assistant()], "turn 1: the content must be text, got 3"),
    ([user()], "no assistant turn to learn from"),
    ([{"role": "boss", "content": "x"}], "turn 1: unknown \"role\" 'boss'; known: system"),
    ([], '"messages" must be a non-empty list of objects'),
    ("hi", '"messages" must be a non-empty list of objects'),
]


@pytest.mark.parametrize(("row", "sentence"), BAD_ROWS)
def test_bad_row_is_named_with_its_line(write: Write, row: Any, sentence: str) -> None:
    path = write(NATIVE, "", row)
    text = told(path)
    assert f"{path}:3: " in text and sentence in text
    assert len(text) < 600


@pytest.mark.parametrize(("turns", "sentence"), BAD_DIALOGUES)
def test_bad_dialogue(write: Write, turns: Any, sentence: str) -> None:
    path = write({"messages": [user(), assistant()]}, {"messages": turns})
    assert f"{path}:2: {sentence}" in told(path)


@pytest.mark.parametrize(
    ("row", "sentence"),
    [
        ({"text": "hi", "intent": "", "slots": []}, '"intent" is empty'),
        ({"text": "hi", "intent": "a", "slots": ["x"]}, 'a slot must be {"name": ..., "value": ...}, got \'x\''),
    ],
)
def test_bad_intent(write: Write, row: Any, sentence: str) -> None:
    assert sentence in told(write(row), None)


@pytest.mark.parametrize("completion", ["", "sure, done!", '{"set_alarm": 5}', 5])
def test_bad_completion(write: Write, completion: Any) -> None:
    assert "rows.jsonl:1: not JSON of calls" in told(write({"prompt": "hi", "completion": completion}))


BAD_FILES = [
    (b"", "rows.jsonl: the file is empty"),
    (b" \n\n", "rows.jsonl: the file is empty"),
    (b"\xff\xfe{\0", "is UTF-16, not UTF-8 text; save it as UTF-8"),
    (
        b'{"text": "ok", "calls": []}\n{"text": "caf\xe9"}\n',
        "rows.jsonl:2: not UTF-8 text (byte 13 of the line); save the file as UTF-8",
    ),
    (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "holds binary data, not JSON text"),
    (bytes(range(128, 256)) * 50, "not UTF-8 text"),
    (b"hello\nworld\n", "rows.jsonl:1:1: not valid JSON (Expecting value)"),
    (b'{"text": "a", "calls": []}\n{"text": "b",}\n', "rows.jsonl:2:14: not valid JSON"),
    (b'{"text": "a", "calls": [NaN]}\n', "rows.jsonl:1: not valid JSON (NaN is not JSON"),
    (b'{"text": ' + b"[" * 100_000 + b"\n", "nested too deeply"),
    (b"[]", "holds no rows"),
    (b"5\n", "unknown format: a row is 5, not an object"),
    (b'{"q": "a", "a": "b"}\n', "rows.jsonl:1: unknown format: the first row has the keys q, a; known: native"),
]


@pytest.mark.parametrize(("data", "sentence"), BAD_FILES)
def test_bad_file(write: Write, data: bytes, sentence: str) -> None:
    text = told(write(data))
    assert sentence in text and "Traceback" not in text
    assert len(text) < 600


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ('[\n{"text": "a",\n"calls": []}\n{"text"', "rows.json:5:1: not valid JSON (Expecting ':' delimiter)"),
        ('{"train": [], "test": []}', "an object with several lists (train, test); keep only the list of rows"),
        ('{"rows": []}', "holds no rows; add examples"),
        ('"hi"', "expected a list of objects, got 'hi'"),
    ],
)
def test_bad_json_document(write: Write, text: str, sentence: str) -> None:
    assert sentence in told(write(text, name="rows.json"))


def test_nothing_to_read(tmp_path: Path) -> None:
    assert "the folder holds no .jsonl or .json file with rows" in told(tmp_path)
    assert "no such file or folder" in told(tmp_path / "nowhere")


def test_nobody_says_which_functions_exist(write: Write) -> None:
    assert "the rows do not say which functions exist; give a tools.json" in told(write(NATIVE), None)


def test_bad_tools_of_a_row(write: Write) -> None:
    assert 'rows.jsonl:1: "tools" is not valid JSON' in told(write({**NATIVE, "tools": "[{"}), None)
    wrong = {**NATIVE, "tools": [{"name": "set_alarm", "parameters": {"type": "dict"}}]}
    assert 'rows.jsonl:1: set_alarm: "parameters" must be' in told(write(wrong), None)


def test_all_problems_at_once(write: Write, tmp_path: Path) -> None:
    write(b"", name="a.jsonl")
    write("{", native(alarm(time=7)), NATIVE, {"text": "", "calls": []}, name="b.jsonl")
    text = told(tmp_path)
    assert "4 problems:" in text
    assert all(part in text for part in ("a.jsonl: the file is empty", "b.jsonl:1:", "b.jsonl:2:", "b.jsonl:4:"))
    result = examine_rows(tmp_path, TOOLS)
    assert len(result.rows) == 1 and len(result.problems) == 4


def test_ten_megabytes_on_one_line(write: Write) -> None:
    path = write({"text": "x" * 10_000_000, "calls": []})
    start = time.monotonic()
    assert f"{path}:1: the text takes 10,000,000 characters" in told(path)
    assert time.monotonic() - start < 5  # about 0.1 s here; never a hang


def test_ten_megabytes_of_broken_json(write: Write) -> None:
    path = write('{"text": "' + "x" * 10_000_000, "[" * 1_000_000, '{"' + "k" * 10_000_000 + '": 1}')
    start = time.monotonic()
    text = told(path)
    assert len(text) < 1500
    assert time.monotonic() - start < 5


def test_many_rows_on_one_line(write: Write) -> None:
    path = write("[" + ",".join([json.dumps(NATIVE)] * 50_000) + "]", name="many.json")
    start = time.monotonic()
    assert len(read_rows(path, TOOLS).rows) == 50_000
    assert time.monotonic() - start < 15  # about 2 s


# --- real data -----------------------------------------------------------------------------------------------------


def shared(name: str) -> Path:
    path = SHARED / name
    if not path.exists():
        pytest.skip("the shared real data is not on this machine")
    return path


def test_snips() -> None:
    start = time.monotonic()
    result = read_rows(shared("snips"))
    assert time.monotonic() - start < 10  # about 0.7 s
    assert len(result.rows) == 13_784 + 700
    assert sorted(result.tools.names) == [
        "AddToPlaylist",
        "BookRestaurant",
        "GetWeather",
        "PlayMusic",
        "RateBook",
        "SearchCreativeWork",
        "SearchScreeningEvent",
    ]
    assert set(result.formats.values()) == {"intent"}


def test_glaive() -> None:
    result = examine_rows(shared("glaive_300"))
    assert set(result.formats.values()) == {"sharegpt"}
    assert len({row.where for row in result.rows}) == 298 and len(result.tools) == 64
    # The set's own faults, and nothing else: an id that is a text here and a number there, a list for a number.
    assert [problem.split(": ", 1)[1].split(" ")[0].rstrip(":") for problem in result.problems] == [
        "get_movie_details.movie_id",
        "get_movie_details.movie_id",
        "track_calories.calories_per_item",
    ]
    assert sum(bool(row.calls) for row in result.rows) == 151
