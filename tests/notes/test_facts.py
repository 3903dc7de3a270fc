"""Key facts of a note: each with its span, its value in one notation, and who found it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from notes_tools import make_notebook

from pocketlm.notes.actions import find_actions
from pocketlm.notes.facts import as_rows, facts
from pocketlm.notes.known_names import known_names
from pocketlm.notes.names import Name, find_names
from pocketlm.notes.quantities import decimal_of, find_money, find_quantities

WRITTEN = datetime(2024, 3, 6, 10, 0)  # a Wednesday
NOTE = """# Planning
Met Dr. Jane Smith and Tom at Acme Ltd in London, yesterday. Budget $12,500.50, a walk of 5 km.
- [ ] Anna to send the report by Friday
- [x] call +1 650 253 0000 tomorrow
TODO: book flights to New York (owner: Sam) due 15 March
Read https://example.com/a?b=1 or [[Project X|the plan]], mail Bob@Example.com.
"""


def by_kind(kind: str, text: str = NOTE, written: datetime | None = WRITTEN):
    return [fact for fact in facts(text, written) if fact.kind == kind]


def test_spans_point_into_the_note_in_order():
    found = facts(NOTE, WRITTEN)
    assert all(NOTE[fact.start : fact.end] == fact.text for fact in found)
    assert [fact.start for fact in found] == sorted(fact.start for fact in found)
    assert {fact.kind for fact in found} == {
        "date", "person", "place", "organisation", "quantity", "money", "phone", "email", "link", "action",
    }  # fmt: skip
    assert as_rows(found)[0]["kind"] == found[0].kind


def test_addresses_are_in_one_notation():
    assert [fact.value for fact in by_kind("email")] == ["bob@example.com"]
    assert [fact.value for fact in by_kind("phone")] == ["+16502530000"]
    assert [fact.value for fact in by_kind("link")] == ["https://example.com/a?b=1", "Project X"]


def test_names_by_title_ending_and_table():
    assert ("Jane Smith", "title") in [(fact.value, fact.how) for fact in by_kind("person")]
    assert [fact.value for fact in by_kind("organisation")] == ["Acme Ltd"]
    assert [fact.value for fact in by_kind("place")] == ["London", "New York"]


def test_action_items_have_task_owner_and_deadline():
    assert [fact.value for fact in by_kind("action")] == [
        {"task": "send the report", "owner": "Anna", "due": "2024-03-08", "done": False},
        {"task": "call +1 650 253 0000", "owner": None, "due": "2024-03-07", "done": True},
        {"task": "book flights to New York", "owner": "Sam", "due": "2024-03-15", "done": False},
    ]
    assert by_kind("action")[0].text == "- [ ] Anna to send the report by Friday"


@pytest.mark.parametrize(
    ("text", "task", "owner", "due"),
    [
        ("I need to buy milk on Monday.", "buy milk", "me", "2024-03-11"),
        ("Please send it to @bob before 9 June!", "send it to", "bob", "2024-06-08"),
        ("We agreed to ship it by 9 am tomorrow.", "ship it", "me", "2024-03-07T09:00:00"),
        ("Remember to water the plants", "water the plants", "me", None),
    ],
)
def test_promises_and_requests(text, task, owner, due):
    (found,) = by_kind("action", text)
    assert (found.value["task"], found.value["owner"], found.value["due"]) == (task, owner, due)
    assert found.confidence < 0.7


@pytest.mark.parametrize("text", ["I went to buy milk on Monday.", "Will it rain?", "We will not go there.", ""])
def test_what_is_told_is_no_action(text):
    assert by_kind("action", text) == []


def test_dates_of_tasks_lie_ahead_and_dates_of_tales_behind():
    told, due = by_kind("date", "Saw her on Monday.\n- [ ] call her on Monday")
    assert (told.value["first"], due.value["first"]) == ("2024-03-04T00:00:00", "2024-03-11T00:00:00")


def test_without_a_day_of_writing_only_full_dates_are_resolved():
    relative, full = by_kind("date", "Seen yesterday, born on 3 May 1965.", None)
    assert "first" not in relative.value and full.value["first"] == "1965-05-03T00:00:00"


@pytest.mark.parametrize(
    ("text", "amount", "currency"),
    [
        ("$12,500.50", "12500.50", "USD"),
        ("3 million euros", "3000000", "EUR"),
        ("€1.234,56", "1234.56", "EUR"),
        ("20 USD", "20", "USD"),
        ("£3 10s 6d", "3.5250", "GBP"),
        ("£2k", "2000", "GBP"),
    ],
)
def test_money(text, amount, currency):
    (found,) = find_money(f"paid {text} for it")
    assert found.value == {"amount": amount, "currency": currency}


def test_quantities_are_told_in_the_unit_of_their_dimension():
    found = find_quantities("ran 5 km in the heat of 31 °C with 2 lbs, 12.5%, A4m and 3 meters")
    assert [(one.value["standard"], one.value["standard_unit"]) for one in found] == [
        (5000, "m"), (31, "°C"), (0.90718474, "kg"), (12.5, "%"), (3, "m"),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "value"), [("1,234", 1234), ("1,5", 1.5), ("1.234,5", 1234.5), ("1.5", 1.5), ("x", None)]
)
def test_decimal_signs(text, value):
    found = decimal_of(text)
    assert found == value if value is None else float(found) == value


def test_names_that_are_clear_in_other_notes_are_known_where_they_stand_bare(tmp_path: Path):
    text = "Dined alone, then Sheply and my wife to Thence. At home, the Swan full."
    clear = [
        "I wrote to Mr. Ned Sheply.",
        "Met Mr. Cook. Thence home.",
        "Thence, and thence to Mr. Thence",
        "Mr. Swan came.",
    ]
    book = make_notebook(tmp_path, [*clear, *["So home, and thence out again."] * 9, text])
    known = known_names(book.store)
    bare, told = find_names(text)[0], find_names(text, known)[0]
    assert (told.value, told.kind, told.how) == (
        "Sheply",
        "person",
        "known",
    ) and bare.confidence < 0.5 < told.confidence
    assert [known(name) for name in ("Thence", 'Nobody "at" all')] == [None, None] and known("Swan")
    assert "Swan" not in [one.value for one in find_names(text, known) if one.how == "known"]


def test_shouting_and_small_words_hold_no_names():
    assert find_names("THIS IS ALL IN CAPITALS TODAY AND LOUD") == []
    assert find_names("The end. However it was good. I think so on Monday") == []


def test_another_finder_of_names_may_be_given():
    found = facts("xyz", WRITTEN, names=lambda text, known: [Name("person", 0, 3, text, 0.9, "model")])
    assert [(fact.value, fact.how) for fact in found] == [("xyz", "model")]


def test_actions_need_no_names_or_dates():
    assert [one.task for one in find_actions("- [ ] tidy up\nAction: call home")] == ["tidy up", "call home"]
