"""Dates and times in English text: found, resolved, and left alone where they are none."""

from __future__ import annotations

import time
from datetime import datetime
from itertools import pairwise

import pytest

from pocketlm.notes.actions import actions_and_dates
from pocketlm.notes.dates import find_dates, period_of

TODAY = datetime(2024, 3, 6, 15, 0)  # a Wednesday
DAY = "%Y-%m-%d"


def one(text: str, lean: str = "past"):
    found = find_dates(text, TODAY, lean)
    assert len(found) == 1, [each.text for each in found]
    return found[0]


def span(text: str, lean: str = "past") -> tuple[str, str | None, str | None]:
    found = one(text, lean)
    ends = [moment and moment.strftime(DAY) for moment in (found.first, found.last)]
    return found.text, *ends


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("We met on 3 May 1665.", ("3 May 1665", "1665-05-03", "1665-05-04")),
        ("We met on the 3rd of May, 1665", ("the 3rd of May, 1665", "1665-05-03", "1665-05-04")),
        ("released 2019-08-01", ("2019-08-01", "2019-08-01", "2019-08-02")),
        ("due 12/24/2021", ("12/24/2021", "2021-12-24", "2021-12-25")),
        ("on 3.5.1665 we", ("3.5.1665", "1665-05-03", "1665-05-04")),
        ("on 5.24.2021 we", ("5.24.2021", "2021-05-24", "2021-05-25")),
        ("on 24.12.2021 we", ("24.12.2021", "2021-12-24", "2021-12-25")),
        ("seen yesterday", ("yesterday", "2024-03-05", "2024-03-06")),
        ("the day after tomorrow", ("the day after tomorrow", "2024-03-08", "2024-03-09")),
        ("two weeks ago", ("two weeks ago", "2024-02-19", "2024-02-26")),
        ("three days before Easter 2018", ("three days before Easter 2018", "2018-03-29", "2018-03-30")),
        ("on the first Monday of May 2020", ("the first Monday of May 2020", "2020-05-04", "2020-05-05")),
        ("Thanksgiving 2023 was", ("Thanksgiving 2023", "2023-11-23", "2023-11-24")),
        ("last Friday", ("last Friday", "2024-03-01", "2024-03-02")),
        ("last week", ("last week", "2024-02-26", "2024-03-04")),
        ("last summer", ("last summer", "2023-06-01", "2023-09-01")),
        ("in the summer of 1666", ("summer of 1666", "1666-06-01", "1666-09-01")),
        ("in Q3 2023", ("Q3 2023", "2023-07-01", "2023-10-01")),
        ("in the 1990s", ("the 1990s", "1990-01-01", "2000-01-01")),
        ("in the 17th century", ("the 17th century", "1600-01-01", "1700-01-01")),
        ("between 3 and 5 May 1665", ("between 3 and 5 May 1665", "1665-05-03", "1665-05-06")),
        ("from 28 April to 2 May 2020", ("from 28 April to 2 May 2020", "2020-04-28", "2020-05-03")),
        ("from March to May 2019", ("from March to May 2019", "2019-03-01", "2019-06-01")),
        ("since 2019", ("since 2019", "2019-01-01", None)),
        ("before March 1661", ("before March 1661", None, "1661-03-01")),
        ("after 2010", ("after 2010", "2011-01-01", None)),
        ("until 9 June 2023", ("until 9 June 2023", None, "2023-06-10")),
        ("the past 3 days", ("past 3 days", "2024-03-03", "2024-03-06")),
        ("the first two weeks of 2021", ("the first two weeks of 2021", "2021-01-04", "2021-01-18")),
        ("mid May 2020", ("mid May 2020", "2020-05-10", "2020-05-21")),
        ("twenty five January nineteen eighty six", ("twenty five January nineteen eighty six", "1986-01-25", "1986-01-26")),
    ],
)  # fmt: skip
def test_days_and_periods(text, expected):
    assert span(text) == expected


@pytest.mark.parametrize(
    ("text", "first", "last"),
    [
        ("call at 7:30 pm tomorrow", "2024-03-07 19:30", "2024-03-07 19:31"),
        ("2024-03-06T09:30", "2024-03-06 09:30", "2024-03-06 09:31"),
        ("tomorrow night", "2024-03-07 20:00", "2024-03-08 00:00"),
        ("half past seven this evening", "2024-03-06 19:30", "2024-03-06 19:31"),
        ("in 90 minutes", "2024-03-06 16:30", "2024-03-06 16:30"),
        ("last night between 9 and 11", "2024-03-05 21:00", "2024-03-05 23:00"),
        ("3 May 1665 at ten in the morning", "1665-05-03 10:00", "1665-05-03 11:00"),
        ("from 5 to 6pm on 22 April 2020", "2020-04-22 17:00", "2020-04-22 18:00"),
    ],
)
def test_moments_of_a_day(text, first, last):
    found = one(text)
    assert [found.first.strftime("%Y-%m-%d %H:%M"), found.last.strftime("%Y-%m-%d %H:%M")] == [first, last]


def test_an_open_year_has_both_readings_and_the_lean_prefers_one():
    past, future = one("on 22 April", "past"), one("on 22 April", "future")
    assert {reading.first.year for reading in past.readings} == {2023, 2024}
    assert (past.first.year, future.first.year) == (2023, 2024)
    assert past.readings[0].first == past.first and past.confidence < one("on 22 April 2020").confidence


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Tom is to pay the rent before 1 June.", [(None, "2024-06-01")]),
        ("Bring the spare key to Anna before Friday", [(None, "2024-03-08")]),
        ("The case is adjourned till Friday.", [(None, "2024-03-09")]),
        ("The House adjourned till Friday", [(None, "2024-03-09")]),
        ("The school is closed until Monday.", [(None, "2024-03-12")]),
        ("The meeting has been put off to Friday.", [("2024-03-08", "2024-03-09")]),
        ("The exam was moved to June.", [("2024-06-01", "2024-07-01")]),
        ("We moved to Rome in June.", [("2023-06-01", "2023-07-01")]),
        ("No more till Michaelmas", [(None, "2024-09-30")]),
        ("We fly to Rome in June and come back in August.", [("2024-06-01", "2024-07-01"), ("2024-08-01", "2024-09-01")]),
        ("Anna’ll come on Friday.", [("2024-03-08", "2024-03-09")]),
        ("Anna said she'd come on Friday.", [("2024-03-08", "2024-03-09")]),
        ("Anna said she'd left on Friday.", [("2024-03-01", "2024-03-02")]),
        ("The fair is in May.", [("2024-05-01", "2024-06-01")]),
        # the past tense with a past meaning
        ("I was ill until Friday.", [(None, "2024-03-02")]),
        ("She stayed till May.", [(None, "2023-06-01")]),
        ("We have lived there until June.", [(None, "2023-07-01")]),
        ("We saw the ring that he is proud of and bought in June.", [("2023-06-01", "2023-07-01")]),
        ("It is always cold in the hills of May.", [("2023-05-01", "2023-06-01")]),
        ("Dinner with Anna on Friday.", [("2024-03-01", "2024-03-02")]),
    ],
)  # fmt: skip
def test_what_is_to_come_lies_ahead_of_the_note(text, expected):
    found = actions_and_dates(text, TODAY)[1]
    assert [tuple(moment and moment.strftime(DAY) for moment in (one.first, one.last)) for one in found] == expected


def test_the_end_of_a_span_is_kept_as_it_is_named_too():
    (reading,) = one("3 to 5 May 1665").readings
    assert (reading.stop, reading.last) == (datetime(1665, 5, 5), datetime(1665, 5, 6))


def test_a_distance_in_years_is_known_to_the_year_and_named_to_the_day():
    found = one("seven years ago")
    assert (found.grain, found.first, found.last) == ("year", datetime(2017, 1, 1), datetime(2018, 1, 1))
    assert found.readings[0].start == datetime(2017, 3, 6)


def test_a_time_without_its_half_of_the_day_has_two_readings():
    assert [reading.first.hour for reading in one("at 6:45").readings] == [6, 18]
    assert [reading.first.hour for reading in one("16:45").readings] == [16]


@pytest.mark.parametrize(
    ("text", "rrule"),
    [
        ("standup every Monday at 9am", "FREQ=WEEKLY;BYDAY=MO;BYHOUR=9;BYMINUTE=0"),
        ("every other Friday", "FREQ=WEEKLY;INTERVAL=2;BYDAY=FR"),
        ("Tuesdays", "FREQ=WEEKLY;BYDAY=TU"),
        ("on the 19th of every month", "FREQ=MONTHLY;BYMONTHDAY=19"),
        ("quarterly", "FREQ=MONTHLY;INTERVAL=3"),
        ("every weekday", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR"),
    ],
)
def test_sets_carry_a_rule_that_the_standard_reads(text, rrule):
    from dateutil.rrule import rrulestr

    found = one(text)
    assert (found.kind, found.rrule, found.first) == ("set", rrule, None)
    assert rrulestr(found.rrule, dtstart=TODAY)[0] >= TODAY.replace(hour=0)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2 hours and 30 minutes", 9000),
        ("half an hour", 1800),
        ("one and a half hours", 5400),
        ("three weeks", 1814400),
    ],
)
def test_durations(text, seconds):
    found = one(text)
    assert (found.kind, found.seconds, found.readings) == ("duration", seconds, ())


@pytest.mark.parametrize(
    "text",
    [
        "This may or may not be right.",
        "One may ask; you may not march.",
        "Call 138-2010-2015 or 000 111 82-2100",
        "The ratio 0.8/15 and version 10.3.2 of part ABC-12345-A1B2C3",
        "deliver 2000 pieces for $1999",
        "It cost 20s in all.",
        "the most up to date equipment",
        "2015-1-32 and 32-2015 are none",
        "Mortgages were at 6.45 percent",
        "",
    ],
)
def test_what_is_no_date_is_left_alone(text):
    assert [each.text for each in find_dates(text, TODAY)] == []


def test_a_day_that_no_calendar_has_is_found_without_a_reading():
    found = one("on Feb 30 2019")
    assert (found.readings, found.first, found.timex) == ((), None, "2019-02-30")


def test_spans_point_into_the_text_and_do_not_overlap():
    text = (
        "Moved from 3 May to 5 May 2021;\nnext Monday 1-3 pm, or every day?\n\n- 23.04.2022 14:55\n- 30.04.2022 12:04"
    )
    found = find_dates(text, TODAY)
    assert len(found) == 5
    assert all(text[each.start : each.end] == each.text for each in found)
    assert all(left.end <= right.start for left, right in pairwise(found))


def test_a_written_day_names_the_near_weekday_of_each_lean():
    assert span("on Friday", "past")[1] == "2024-03-01"
    assert span("on Friday", "future")[1] == "2024-03-08"


@pytest.mark.parametrize(
    ("query", "asked", "first", "last"),
    [
        ("dinners last spring", "last spring", "2023-03-01", "2023-06-01"),
        ("the plague in the summer of 1666", "in the summer of 1666", "1666-06-01", "1666-09-01"),
        ("what happened between 3 and 5 May 1665?", "between 3 and 5 May 1665", "1665-05-03", "1665-05-06"),
        ("rent since 2019", "since 2019", "2019-01-01", None),
        ("after 2010 and before 2018", "after 2010 and before 2018", "2011-01-01", "2018-01-01"),
        ("what did I eat two weeks ago", "two weeks ago", "2024-02-19", "2024-02-26"),
    ],
)
def test_a_query_says_what_time_it_asks_for(query, asked, first, last):
    period = period_of(query, TODAY)
    assert query[period.start : period.end] == period.text == asked
    assert [moment and moment.strftime(DAY) for moment in (period.first, period.last)] == [first, last]


@pytest.mark.parametrize("query", ["who is my dentist", "how may I cook rice", "run for 20 minutes", "every Monday"])
def test_a_query_without_a_time_has_no_period(query):
    assert period_of(query, TODAY) is None


def test_long_texts_take_no_long_time():
    text = "The king and I went by water to the Temple, and there I met one or two of them in the house. " * 200
    began = time.perf_counter()
    assert find_dates(text, TODAY) == []
    assert time.perf_counter() - began < 1.5
