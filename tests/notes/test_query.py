"""Any text is a search; what looks like a filter is one."""

from __future__ import annotations

from datetime import datetime

import pytest

from pocketlm.core.errors import InputError
from pocketlm.notes.query import Filters, day_span, parse


def test_words_phrases_and_exclusions() -> None:
    asked = parse('What was the "fine museum" in Lyon\'s centre -silk -"old town" well-known')
    assert asked.words == ("lyon", "centre", "well", "known")
    assert asked.phrases == ("fine museum",) and asked.without == ("silk", "old town")
    assert asked.text == "What was the fine museum in Lyon's centre well-known"
    assert parse("to be or not to be").words == ("not",)
    assert parse("the of").words == ("the", "of")  # nothing else is there
    assert parse('"the of"').words == ()


def test_filters_that_are_typed() -> None:
    asked = parse('rain tag:#health tag:garden folder:"my trips" after:2020 until:2021-02', Filters(source="/x"))
    assert asked.words == ("rain",) and asked.text == "rain"
    assert asked.filters == Filters(
        since="2021-01-01T00:00:00",
        until="2021-02-28T23:59:59",
        tags=("health", "garden"),
        folder="my trips",
        source="/x",
    )
    assert parse("before:2020-05-17").filters.until == "2020-05-16T23:59:59"
    assert parse("since:2020-05").filters.since == "2020-05-01T00:00:00"
    assert not parse("at 10:30 http://x.org/before:2").filters  # neither begins a word


@pytest.mark.parametrize(
    ("date", "first", "behind"),
    [
        ("2020", (2020, 1, 1), (2021, 1, 1)),
        ("2020-12", (2020, 12, 1), (2021, 1, 1)),
        ("2024-2-29", (2024, 2, 29), (2024, 3, 1)),
        ("2020-05-17T10:00:00Z", (2020, 5, 17, 10), (2020, 5, 17, 10, 0, 1)),
    ],
)
def test_spans_of_dates(date: str, first: tuple[int, ...], behind: tuple[int, ...]) -> None:
    assert day_span(date) == (datetime(*first), datetime(*behind))  # type: ignore[misc, arg-type]


@pytest.mark.parametrize("date", ["", "someday", "2020-13", "2023-02-29", "9999"])
def test_no_dates(date: str) -> None:
    with pytest.raises(InputError, match="is no date"):
        day_span(date)
