"""Days with a time, with a part of the day or with a span of hours; now, and the end of a day."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pocketlm.notes.when.clocks import WHOLE_DAY, fit, fitting, half_of
from pocketlm.notes.when.days import nth_weekday_of
from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.values import (
    DAY,
    SECONDS,
    Clock,
    Reading,
    When,
    at_date,
    floor,
    midnight,
    reading,
)

Shift = tuple[str, int]


def at_time(day: When, at: Clock) -> When | None:
    """A day and a time of it, or a span of it."""
    if day.kind != "date" or (at.modifier in ("before", "after", "since", "until") and len(day.readings) == 0):
        return None
    step = timedelta(seconds=SECONDS.get(at.grain, 1))
    found = []
    for first, last in at.options:
        for one in day.readings:
            assert one.start
            start = one.start + timedelta(seconds=first)
            found.append(
                reading(start, one.start + timedelta(seconds=last))
                if last is not None
                else Reading(start, start + step, start, start)
            )
    kind = "datetimerange" if at.options[0][1] is not None else "datetime"
    timex = day.timex + at.timex if at.timex.startswith("T") else day.timex
    return When(
        kind, at.grain, tuple(found), timex, day.again, at.modifier, min(day.confidence, max(at.confidence, 0.8))
    )


# a day with a time


@rule("dayat", "<day> +t +<at=clock>", "<day> +t +<at=clock> +z")
def _iso(_: Parser, day: When, at: Clock) -> When | None:
    """A day of 24 hours (ISO 8601)."""
    return at_time(day, replace(at, options=at.options[:1])) if not at.is_span else None


@rule("dayat", "<day> ,? at|for|around|about|@ <at=clock_at>", "<day> ,|:? <at=clock>", "<day> <at=clock_at>")
@rule("dayat", "<day> ( <weekday> ) -? <at=clock_at>", "at <at=dotclock> <day>", "<day> @ <at=clock_at>")
@rule("dayat", "<day=day_in> ,? at|from <at=clock>", "<day> , <at=clock>")
@rule("dayat", "<at=clock> ,|-? on|of? the? <day>", "at <at=barehour> on <day>", "<at=said> <day>")
@rule("dayat", "at <at=barehour> <day>")
def _day_at(_: Parser, day: When, at: Clock, weekday: int = 0) -> When | None:
    if at.part or day.kind != "date" or not _is_time_like(day, at):
        return None
    found = at_time(day, at)
    if found and not day.readings:
        return replace(found, kind="datetime")
    return found


def _is_time_like(day: When, at: Clock) -> bool:
    return not at.is_span


@rule("dayat", "<weekday> <md> <at=clock> <year>", "<md> <at=clock> <year>", "<weekday> ,? <md> <at=clock> <year>")
def _unix_date(_: Parser, md: tuple[int, int], at: Clock, year: int, weekday: int = 0) -> When | None:
    first = at_date(year, *md)
    return at_time(When("date", "day", (reading(first, first + DAY),), f"{first:%Y-%m-%d}"), at)


@rule("moment", "<dayat>")
def _moment(_: Parser, dayat: When) -> When:
    return dayat


@rule(
    "moment", "now", "right now", "at the? present", "at the present time", "at the|this moment", "at this time|minute"
)
@rule("moment", "at the minute", "as of now", "just now")
def now_moment(parser: Parser) -> When:
    now = parser.now.replace(microsecond=0)
    return When(
        "datetime", "second", (Reading(now, now + timedelta(seconds=1), now, now),), "PRESENT_REF", None, "", 0.6
    )


@rule("moment", "<rel>")
def _distant(_: Parser, rel: When) -> When | None:
    return rel if rel.kind == "datetime" else None


@rule("moment", "the? end of the? <day>", "the? end of day", "the? eod", "end of the? business day", "the? cob|eob")
def _end_of_day(parser: Parser, day: When | None = None) -> When | None:
    first = midnight(parser.now)
    readings = day.readings if day else (reading(first, first + DAY),)
    if day and day.kind != "date":
        return None
    ends = tuple(
        Reading(
            one.last - timedelta(seconds=1), one.last, one.last - timedelta(seconds=1), one.last - timedelta(seconds=1)
        )
        for one in readings
        if one.last
    )
    return When(
        "datetime",
        "second",
        ends,
        (day.timex if day else f"{first:%Y-%m-%d}") + "T23:59:59",
        day.again if day else None,
    )


# a day with a part of it


@rule(
    "daypart",
    "<day> ,? <part=parts>",
    "<day> of? the <part=dayparts>",
    "<part=parts> ,|of|on? <day>",
    "<part=parts> of the? <day>",
)
def _part_of_day(_: Parser, day: When, part: Clock) -> When | None:
    if not part.part or day.kind != "date" or part.part.startswith("ME"):
        return None
    return at_time(day, part)


@rule("daypart", "<weekday> <part=dayparts> <shift> week", "<weekday> <part=dayparts> of <shift> week")
def _part_next_week(parser: Parser, weekday: int, part: Clock, shift: Shift) -> When | None:
    return at_time(plain_day(floor(parser.now, "week") + timedelta(weeks=shift[1], days=weekday)), part)


@rule("todaypart", "<shift> <partclock>", "<early> <shift> <partclock>", "tonight|tonite", "yesternight")
def _shifted_part(
    parser: Parser, shift: Shift = ("this", 0), partclock: Clock | None = None, early: str = ""
) -> tuple[datetime, Clock] | None:
    """This evening is today's, last night yesterday's, next evening tomorrow's."""
    part = partclock or Clock(((20 * 3600, WHOLE_DAY),), "part", "TNI", "NI")
    return midnight(parser.now) + shift[1] * DAY, half_of(part, early) if early else part


@rule("daypart", "<todaypart>")
def _today_part(_: Parser, todaypart: tuple[datetime, Clock]) -> When | None:
    first, part = todaypart
    return at_time(plain_day(first), part)


def plain_day(first: datetime) -> When:
    return When("date", "day", (reading(first, first + DAY),), f"{first:%Y-%m-%d}")


@rule("daypart", "<day> <part=forenoon>")
def _am_of_day(_: Parser, day: When, part: Clock) -> When | None:
    return at_time(day, part)


@rule("forenoon", "am")
def _am(_: Parser) -> Clock:
    return Clock(((8 * 3600, 12 * 3600),), "part", "TMO", "MO")


@rule("forenoon", "pm")
def _pm(_: Parser) -> Clock:
    return Clock(((12 * 3600, 16 * 3600),), "part", "TAF", "AF")


@rule("daypart", "<edge> in? the day ,|on? <day>", "<edge> in? <day>")
def _edge_of_day(_: Parser, edge: str, day: When) -> When | None:
    """Early in a day is its first half, mid day from 10 to 14."""
    if day.kind != "date" or not day.readings:
        return None
    hours = {"start": (0, 12), "mid": (10, 14), "end": (12, 24)}[edge]
    part = Clock(((hours[0] * 3600, hours[1] * 3600),), "part", "", modifier=edge)
    found = at_time(day, part)
    if found and day.timex.startswith("XXXX-W") and len(found.readings) > 1:
        return replace(found, readings=found.readings[1:])
    return found


@rule("daypart", "<rank> <weekday> <part=parts> of|in <period>", "<rank> <weekday> <part=clocks_in> of|in <period>")
def _part_of_nth(parser: Parser, rank: int, weekday: int, part: Clock, period: When) -> When | None:
    days = nth_weekday_of(parser, rank, weekday, period)
    return at_time(days, part) if days else None


# a day with a time and a part, or a span of times


@rule(
    "dayat",
    "<at=said> ,? <todaypart>",
    "<at=barehour> , <todaypart>",
    "<todaypart> ,? at|around|about? <at=clock_at>",
    "at <at=clock_at> ,? <todaypart>",
)
def _time_today(_: Parser, at: Clock, todaypart: tuple[datetime, Clock]) -> When | None:
    fitted = fit(at, todaypart[1])
    return at_time(plain_day(todaypart[0]), fitted) if fitted and not at.is_span else None


@rule(
    "dayat",
    "<at=said> ,? <day> ,? <part=dayparts>",
    "at <at=clock_at> <day> <part=dayparts>",
    "<day> ,? <part=dayparts> at|around? <at=clock_at>",
)
@rule("dayat", "<day> at? <at=clock_at> <part=dayparts>")
def _time_of_part(_: Parser, at: Clock, day: When, part: Clock) -> When | None:
    fitted = fit(at, part)
    return at_time(day, fitted) if fitted and day.kind == "date" and not at.is_span else None


@rule(
    "dayclocks",
    "<day> ,|-|:? from|between|at? <span=clocks_in>",
    "<span=clocks_in> ,|-? on|of|in? the? <day>",
    "<day=day_in> ,? <span=clocks_in>",
)
@rule("dayclocks", "<day=day_in> from|between <span=clocks_in>", "<day> , from|between <span=clocks_in>")
@rule(
    "dayclocks",
    "<day> ,? <part=dayparts> ,? from|between? <span=clocks_in>",
    "<span=clocks_in> ,? <day> <part=dayparts>",
)
@rule("dayclocks", "<span=clocks_in> on <day> <part=dayparts>")
def _day_span(_: Parser, day: When, span: Clock, part: Clock | None = None) -> When | None:
    if day.kind != "date" or span.part:
        return None
    if part:
        span = replace(span, options=(fitting(span.options, part),))
    return at_time(day, span)


@rule("dayclocks", "<todaypart> ,? from|between? <span=clocks_in>", "<span=clocks_in> ,? <todaypart>")
def _span_today(_: Parser, todaypart: tuple[datetime, Clock], span: Clock) -> When | None:
    first, part = todaypart
    return at_time(plain_day(first), replace(span, options=(fitting(span.options, part),)))
