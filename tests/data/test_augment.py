"""Rows said otherwise stay right."""

from __future__ import annotations

from pocketlm.data.augment import Augmenter
from pocketlm.tasks.call import Call, CallRow, learn_grounding
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet


def text(**more: object) -> dict[str, object]:
    return {"type": "string", **more}


TOOLS = ToolSet.from_openai(
    [
        {"name": "tell", "parameters": {"type": "object", "properties": {"who": text(), "what": text()}}},
        {"name": "wait", "parameters": {"type": "object", "properties": {"minutes": {"type": "integer"}}}},
        {"name": "turn", "parameters": {"type": "object", "properties": {"way": text(enum=["left", "right"])}}},
    ],
    "t",
)


def row(request: str, *calls: Call) -> CallRow:
    return CallRow((Message("user", request),), calls)


ROWS = [
    row("Tell Anna I'm late.", Call("tell", {"who": "Anna", "what": "I'm late"})),
    row("Tell my sister dinner is ready", Call("tell", {"who": "sister", "what": "dinner is ready"})),
    row("tell my aunt we won", Call("tell", {"who": "aunt", "what": "we won"})),
    row("say to Omar: see you", Call("tell", {"who": "Omar", "what": "see you"})),
    row("wait 12 minutes", Call("wait", {"minutes": 12})),
    row("wait for 45 minutes", Call("wait", {"minutes": 45})),
    row("turn Left", Call("turn", {"way": "left"})),
    row("wait 5 minutes and turn right", Call("wait", {"minutes": 5}), Call("turn", {"way": "right"})),
    row("What a day!"),
]
NUMBERS = {5: ("5", "five"), 12: ("12", "twelve"), 45: ("45", "forty five")}


def epochs(rows: list[CallRow], count: int = 60) -> list[list[CallRow]]:
    augmenter = Augmenter(rows, TOOLS)
    return [augmenter.epoch(seed) for seed in range(count)]


def test_every_row_still_fits_its_request_and_its_schema() -> None:
    for rows in epochs(ROWS):
        assert len(rows) == len(ROWS)
        assert learn_grounding(rows, TOOLS).copied
        for new in rows:
            assert all(not TOOLS.check_call(call) for call in new.calls)
            minutes = [call.arguments["minutes"] for call in new.calls if call.name == "wait"]
            assert all(any(said in new.text for said in NUMBERS[value]) for value in minutes)


def test_values_are_exchanged_joined_and_lowered() -> None:
    said = {new.text for rows in epochs(ROWS) for new in rows}
    assert any(text.startswith("Tell Omar") for text in said)
    assert {"wait 45 minutes", "wait forty five minutes"} <= said
    assert any("wait" in text and "my aunt" in text for text in said)
    assert any(text.startswith("tell anna") for text in said)
    assert len(said) > 150


def test_what_stands_behind_a_determiner_stays_behind_one() -> None:
    said = [new.text.lower() for rows in epochs(ROWS) for new in rows]
    assert not any("my omar" in text or "my anna" in text or "to aunt" in text for text in said)


def test_the_same_seed_says_the_same() -> None:
    assert Augmenter(ROWS, TOOLS).epoch(3) == Augmenter(ROWS, TOOLS).epoch(3)
    assert Augmenter(ROWS, TOOLS).epoch(3) != Augmenter(ROWS, TOOLS).epoch(4)


def test_rows_that_do_not_copy_are_left_alone() -> None:
    rows = [
        row("wake me at seven", Call("tell", {"who": "me", "what": "07:00"})),
        CallRow(
            (Message("user", "hi"), Message("assistant", "yes?"), Message("user", "turn left")),
            (Call("turn", {"way": "left"}),),
        ),
    ]
    assert all(new == rows for new in epochs(rows))


def test_where_no_row_makes_two_calls_none_is_joined() -> None:
    single = [old for old in ROWS if len(old.calls) < 2]
    assert all(len(new.calls) < 2 for rows in epochs(single) for new in rows)


def test_values_that_overlap_stay_in_the_request() -> None:
    calls = ToolSet.from_openai(
        [{"name": "book", "parameters": {"type": "object", "properties": {"what": text(), "day": text()}}}], "t"
    )
    rows = [
        row("the move day at the gym", Call("book", {"day": "day at the gym", "what": "move day"})),
        row("book team lunch friday", Call("book", {"what": "team lunch", "day": "friday"})),
        row("book the friday walk, sunday", Call("book", {"what": "friday walk", "day": "sunday"})),
        row("book yoga next tuesday", Call("book", {"what": "yoga next", "day": "tuesday"})),
    ]
    for seed in range(100):
        for made in Augmenter(rows, calls).epoch(seed):
            values = [str(value).lower() for call in made.calls for value in call.arguments.values()]
            assert all(value in made.text.lower() for value in values), made
