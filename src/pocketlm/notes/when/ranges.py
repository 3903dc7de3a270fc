"""Spans from one day, period or moment to another, and those of an amount of time."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pocketlm.notes.when.clock_spans import spans_between
from pocketlm.notes.when.days import Shift, chosen
from pocketlm.notes.when.edges import cut
from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.moments import at_time, now_moment, plain_day
from pocketlm.notes.when.values import (
    DAY,
    SECONDS,
    Amount,
    Clock,
    Reading,
    When,
    add,
    at_date,
    days_in,
    midnight,
    move,
    reading,
    unit_span,
    yearly,
)


@rule("point", "<day>", "<period>", "<day=day_in>", "the? <period>", "<moment>")
def _point(_: Parser, **value: When) -> When:
    return next(iter(value.values()))


@rule("point", "<dom=ord>", "the <dom=ord>")
def _only_day(_: Parser, dom: int) -> int:
    return dom


@rule("range", "from|since <start=point> to|till|until date")
def _until_date(parser: Parser, start: When | int) -> When | None:
    return None if isinstance(start, int) else between(parser, start, plain_day(midnight(parser.now)))


@rule("range", "from <start=point> <till> <stop=point>", "between <start=point> and|-|–|~|to|through|& <stop=point>")
@rule("range", "<start=point> <till> <stop=point>")
@rule("range", "from <start=point> , <till> <stop=point>")
def _range(parser: Parser, start: When | int, stop: When | int, till: bool = True) -> When | None:
    if isinstance(start, int) and isinstance(stop, int):
        return None
    if isinstance(start, int):
        return _from_day(parser, start, stop)  # type: ignore[arg-type]
    if isinstance(stop, int):
        return _until_day(start, stop)
    return between(parser, start, stop)


def _until_day(start: When, dom: int) -> When | None:
    """From 27 April to the 3rd: of the same month or the next."""
    if start.grain != "day" or not start.readings or start.timex.startswith("XXXX-W"):
        return None
    spans = []
    for one in start.readings:
        assert one.first
        stop = _day_after(one.first, dom)
        spans.append(Reading(one.first, stop + DAY, one.first, stop))
    return When("daterange", "day", tuple(spans), "", start.again)


def _day_after(first: datetime, dom: int) -> datetime:
    month = first if dom > first.day else add(first.replace(day=1), "month", 1)
    return month.replace(day=dom)


def _from_day(parser: Parser, dom: int, stop: When) -> When | None:
    """From the 9th to the 17th of April; a later day is of the month before."""
    if stop.grain != "day" or not stop.readings or stop.timex.startswith("XXXX-W"):
        return None
    spans = []
    for one in stop.readings:
        assert one.first and one.last
        month = one.first.replace(day=1)
        if dom >= one.first.day:
            month = add(month, "month", -1)
        if dom > days_in(month.year, month.month):
            return None
        spans.append(Reading(month.replace(day=dom), one.last, month.replace(day=dom), one.first))
    return When("daterange", "day", tuple(spans), "", stop.again)


@rule(
    "range",
    "<month> .? <dom=dom> -|–|~|to|through|till|until|and the? <stop=dom> ,? <year>?",
    "from|between? the? <dom> -|–|to|and|till|until|through the? <stop=dom> of? <month> .? ,? <year>?",
)
@rule("range", "on|from|between <month> .? <dom> -|–|~|to|through|till|until|and the? <stop=dom> ,? <year>?")
@rule(
    "range", "on? <month> .? <dom> -|–|~|to|through|till|until the? <stop=dom> ,? <year>?", "<month> <dom> / <stop=dom>"
)
def _days_of_month(parser: Parser, month: int, dom: int, stop: int, year: int | None = None) -> When | None:
    if not 1 <= dom < stop <= 31:
        return None
    last = yearly(month, stop)
    if year:
        first = at_date(year, month, dom)
        return _days_between(((first, at_date(year, month, stop)),), f"{year}-{month:02}")
    again = yearly(month, dom)
    starts = [found[0] for found in (again.before(parser.now), again.after(parser.now)) if found]
    found = tuple((first, last.occurrence(first.year)[0]) for first in starts if last.occurrence(first.year))  # type: ignore[index]
    spans = _present_only(parser, _days_between(found, f"XXXX-{month:02}"))
    return replace(spans, again=again)


@rule("range", "from|between? the? <dom=figure> -|to|and|till|until <stop=figure> of|in? <shift> month")
def _days_of_shifted(parser: Parser, dom: int, stop: int, shift: Shift) -> When | None:
    first = add(midnight(parser.now).replace(day=1), "month", shift[1])
    return _days_between(((first.replace(day=dom), first.replace(day=stop)),), "") if dom < stop else None


def _days_between(ends: tuple[tuple[datetime, datetime], ...], timex: str) -> When:
    return When("daterange", "day", tuple(Reading(first, last + DAY, first, last) for first, last in ends), timex)


def _present_only(parser: Parser, when: When) -> When:
    """A span that goes on now is the one that is meant."""
    now = [
        one
        for one in when.readings
        if one.start
        and one.stop
        and one.start <= parser.now < ((one.last or one.stop) if when.grain != "day" else one.stop)
    ]
    if len(now) == 1:
        return replace(when, readings=tuple(now))
    return when


def between(parser: Parser, start: When, stop: When) -> When | None:
    """From one to the other. What lacks its year, month or week takes it from the other, otherwise both readings stay."""
    if not start.readings or not stop.readings or "SP SU FA WI".find(start.timex or "?") >= 0:
        return None
    grain = min(start.grain, stop.grain, key=lambda grain: SECONDS.get(grain, 1))
    has_time = "datetime" in (start.kind, stop.kind) and "PRESENT_REF" not in (start.timex, stop.timex)
    has_time = has_time or any(one.kind == "datetime" and one.timex != "PRESENT_REF" for one in (start, stop))
    spans = [one for one in _pairs(parser, start, stop) if one[0].first and one[1].last]
    found = tuple(
        Reading(
            a.first,
            b.last,
            _named(start, a),
            b.last if stop.modifier == "end" else b.first if not stop.modifier else _named(stop, b),
        )
        for a, b in spans
    )
    if not has_time:
        found = tuple(_whole_days(one) for one in found)
    if (
        any(
            one.first >= one.last or (one.start and one.stop and one.start > one.stop)
            for one in found
            if one.first and one.last
        )
        or not found
    ):
        return None
    again = start.again if len(found) > 1 else None
    spans_of = When("datetimerange" if has_time else "daterange", grain, found, f"({start.timex},{stop.timex})", again)
    return spans_of if len(found) == 1 else _present_only(parser, spans_of)


def _named(when: When, one: Reading) -> datetime | None:
    """The moment that an edge of a period names: its end where it says end, its middle where it says middle."""
    if when.modifier == "end":
        return one.last
    if when.modifier == "mid" and one.first:
        first, last = unit_span(one.first, when.grain if when.grain != "season" else "quarter")
        return first + (last - first).days // 2 * DAY
    return one.first


def _whole_days(one: Reading) -> Reading:
    assert one.first and one.last and one.start and one.stop
    last = midnight(one.last)
    if last < one.last:
        last += DAY
    return Reading(midnight(one.first), last, midnight(one.start), midnight(one.stop))


def _pairs(parser: Parser, start: When, stop: When) -> list[tuple[Reading, Reading]]:
    if start.sure and stop.sure:
        return [(start.readings[0], stop.readings[0])]
    if start.sure:
        assert start.readings[0].first
        return _with_next(start.readings[:1], stop)
    if stop.sure:
        return _before(parser, start, stop)
    return _with_next(start.readings, stop)


def _with_next(starts: tuple[Reading, ...], stop: When) -> list[tuple[Reading, Reading]]:
    """Every start with the first end after it."""
    found = []
    for one in starts:
        assert one.first and stop.again
        end = stop.again.after(one.first + timedelta(seconds=1))
        if end:
            found.append((one, _like(stop, end)))
    return found


def _before(parser: Parser, start: When, stop: When) -> list[tuple[Reading, Reading]]:
    """The last start before a certain end."""
    end = stop.readings[0]
    assert end.first and start.again
    begun = start.again.before(end.first)
    return [(_like(start, begun), end)] if begun else []


def _like(when: When, span: tuple[datetime, datetime]) -> Reading:
    if when.modifier in ("start", "mid", "end"):
        return cut(reading(*span), when.grain, when.modifier, False)
    return reading(*span)


# an amount from a day on


@rule("range", "<amount> starting|beginning from|on|at? the? <start=point>", "for <amount> ,? from the? <start=point>")
@rule(
    "range",
    "for? <amount> , from the? <start=point>",
    "<start=day> for <amount> from <at=clock_at>",
    "<start=day> from <at=clock_at> for <amount>",
)
@rule("range", "for? <amount> beginning with? <start=point>")
def _amount_from(parser: Parser, amount: Amount, start: When | int, at: Clock | None = None) -> When | None:
    if isinstance(start, int):
        return None
    if at is not None:
        first = at.options[0][0]
        return at_time(start, Clock(((first, first + int(amount.seconds)),), "minute", ""))
    one = _nearest(parser, start)
    if one is None or one.first is None:
        return None
    last = move(one.first, amount)
    timed = amount.is_clock or start.kind == "datetime"
    return When("datetimerange" if timed else "daterange", amount.grain, (reading(one.first, last),), amount.timex)


def _nearest(parser: Parser, when: When) -> Reading | None:
    """This year's where the year is open."""
    this = [one for one in when.readings if one.first and one.first.year == parser.now.year]
    return this[0] if len(this) == 1 and not when.sure else chosen(parser, when)


@rule(
    "range",
    "less|within than? <amount> after <base=plainday>",
    "within <amount> after|of|from <base=plainday>",
    "less than <amount> after|from <base=plainday>",
)
def _less_after(parser: Parser, amount: Amount, base: When) -> When | None:
    one = chosen(parser, base)
    if one is None or one.first is None or amount.is_clock:
        return None
    return When("daterange", "day", (reading(one.first, move(one.first, amount)),), amount.timex)


@rule("range", "between <start=nowpoint> and <at=clock_at>", "from <start=nowpoint> <till> <at=clock_at>")
def _now_until(parser: Parser, start: When, at: Clock, till: bool = True) -> When | None:
    now, day = start.readings[0].first, midnight(parser.now)
    assert now
    later = [day + timedelta(seconds=one) for one, _ in at.options if day + timedelta(seconds=one) > now]
    return When("datetimerange", at.grain, (reading(now, later[0]),), "") if later else None


@rule("range", "between <at=clock_at> and <stop=nowpoint>", "from <at=clock_at> <till> <stop=nowpoint>")
def _until_now(parser: Parser, at: Clock, stop: When, till: bool = True) -> When | None:
    now, day = stop.readings[0].first, midnight(parser.now)
    assert now
    earlier = [day + timedelta(seconds=one) for one, _ in at.options if day + timedelta(seconds=one) < now]
    return When("datetimerange", at.grain, (reading(earlier[-1], now),), "") if earlier else None


@rule("nowpoint", "now")
def _now_point(parser: Parser) -> When:
    return now_moment(parser)


@rule("range", "between|from <start=dayat> and|to|until|till <at=clock_at>")
def _day_time_until(parser: Parser, start: When, at: Clock) -> When | None:
    """Between 2:00 tomorrow and 4:00."""
    spans = []
    for one in start.readings:
        assert one.first
        seconds = int((one.first - midnight(one.first)).total_seconds())
        for _, until in spans_between(Clock(((seconds, None),)), at):
            spans.append(reading(one.first, midnight(one.first) + timedelta(seconds=until or 0)))
    return When("datetimerange", at.grain, tuple(spans), "", start.again)


@rule("range", "from <at=clock_at> <till> <stop=dayat>")
def _time_until_day(parser: Parser, at: Clock, stop: When, till: bool = True) -> When | None:
    first, one = midnight(parser.now) + timedelta(seconds=at.options[0][0]), stop.readings[0]
    return When("datetimerange", at.grain, (Reading(first, one.first, first, one.first),), "") if one.first else None
