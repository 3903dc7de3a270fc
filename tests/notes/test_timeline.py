"""A timeline of what notes tell, apart from the days of writing; as rows and as a calendar file."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from pocketlm.notes.timeline import as_ics, as_rows, events, within

WRITTEN = datetime(2024, 3, 6)
NOTES = [
    (1, "Back from France. We were there last summer, and we go again on 3 May 2025 at 10 am.", WRITTEN),
    (2, "Yesterday I saw Anna. She moved here in 1998.\nNow it rains, at noon.", WRITTEN),
    (3, "Choir every Monday at 7pm.", WRITTEN),
    (4, "The fire burned from 2 to 6 September 1666.", None),
    (5, "Yesterday was fine.", None),
    (6, "This morning I ran. Lived here since 2019.", WRITTEN),
]


def test_events_are_in_the_order_of_what_happened():
    found = events(NOTES)
    assert [(event.note, event.first and event.first.date().isoformat(), event.grain) for event in found] == [
        (4, "1666-09-02", "day"),
        (2, "1998-01-01", "year"),
        (6, "2019-01-01", "year"),
        (1, "2023-06-01", "season"),
        (2, "2024-03-05", "day"),
        (6, "2024-03-06", "part"),
        (3, "2024-03-11", "hour"),
        (1, "2025-05-03", "hour"),
    ]


def test_a_sentence_that_names_a_time_twice_is_one_event():
    found = events([(1, "Last night we danced, and last night it rained; the day before it snowed.", WRITTEN)])
    assert [event.said for event in found].count("last night") + [event.said for event in found].count(
        "Last night"
    ) == 1
    assert len({(event.start, event.first) for event in found}) == len(found)


def test_what_comes_again_from_the_day_of_writing_on_is_no_matter_of_that_day():
    notes = [(1, "Yoga every Wednesday at 18:00. I run daily, and ran this morning.", WRITTEN)]
    assert [event.what for event in events(notes, same_day=False)] == ["Yoga every Wednesday at 18:00."]


def test_an_event_is_its_sentence_in_its_note():
    contents = {key: content for key, content, _ in NOTES}
    for event in events(NOTES):
        assert " ".join(contents[event.note][event.start : event.end].split()) == event.what
        assert event.said in event.what
    assert events(NOTES)[0].what == "The fire burned from 2 to 6 September 1666."


def test_a_task_is_due_in_the_future():
    for day in ("on Friday", "by Friday"):
        (event,) = events([(1, f"- [ ] call Anna {day}", WRITTEN)])
        assert (event.first, event.last) == (datetime(2024, 3, 8), datetime(2024, 3, 9))


def test_the_day_of_writing_can_be_left_out():
    assert {event.said for event in events(NOTES)} - {event.said for event in events(NOTES, same_day=False)} == {
        "This morning"
    }


@pytest.mark.parametrize(
    ("first", "last", "notes"),
    [
        (datetime(2019, 1, 1), datetime(2020, 1, 1), [6]),
        (datetime(1666, 1, 1), datetime(1667, 1, 1), [4]),
        (datetime(1998, 6, 1), datetime(1998, 7, 1), [2]),
        (None, datetime(1998, 1, 1), [4]),
        (datetime(2026, 1, 1), None, []),
    ],
)
def test_a_period_keeps_what_touches_it(first, last, notes):
    assert [event.note for event in within(events(NOTES), first, last)] == notes


def test_what_is_open_is_of_the_period_that_its_known_side_is_in():
    since, before = events([(1, "Clerk since 1661.", None), (2, "It stood there before 1661.", None)])[::-1]
    years = [datetime(year, 1, 1) for year in (1660, 1661, 1662)]
    assert since.first == before.last == years[1]
    assert within([before, since], *years[:2]) == [before] and within([before, since], *years[1:]) == [since]
    assert within([before, since], years[2]) == [] == within([before, since], last=datetime(1659, 1, 1))
    assert within([before, since], years[2], lasting=True) == [since]
    assert within([before, since], last=datetime(1659, 1, 1), lasting=True) == [before]


def test_rows_are_plain_json():
    row = as_rows(events(NOTES))[0]
    assert (row["first"], row["last"], row["written"]) == ("1666-09-02T00:00:00", "1666-09-07T00:00:00", None)


def test_the_calendar_file_is_read_back_by_the_library():
    icalendar = pytest.importorskip("icalendar")
    text = as_ics(events(NOTES))
    calendar = icalendar.Calendar.from_ical(text)
    entries = {str(entry["summary"]): entry for entry in calendar.walk("VEVENT")}
    fire = entries["The fire burned from 2 to 6 September 1666."]
    assert (fire.decoded("dtstart"), fire.decoded("dtend")) == (date(1666, 9, 2), date(1666, 9, 7))
    choir = entries["Choir every Monday at 7pm."]
    assert choir.decoded("dtstart") == datetime(2024, 3, 11, 19)
    assert choir["rrule"] == {"FREQ": ["WEEKLY"], "BYDAY": ["MO"], "BYHOUR": [19], "BYMINUTE": [0]}
    assert len({str(entry["uid"]) for entry in calendar.walk("VEVENT")}) == len(calendar.walk("VEVENT"))
    assert text == as_ics(events(NOTES)) and not any(entry.errors for entry in calendar.walk("VEVENT"))


def test_what_has_no_beginning_is_in_no_calendar():
    (event,) = events([(1, "It stood there before 1661.", WRITTEN)])
    assert (event.first, event.last) == (None, datetime(1661, 1, 1))
    assert b"VEVENT" not in as_ics([event])
