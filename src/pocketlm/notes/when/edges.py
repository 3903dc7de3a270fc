"""Parts of periods: the second week of May, early 1665, the end of the month."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.periods import month_of_year, period, timex_of
from pocketlm.notes.when.periods_near import the_unit
from pocketlm.notes.when.values import (
    CLOCK_UNITS,
    DAY,
    Amount,
    Reading,
    When,
    add,
    at_date,
    midnight,
    move,
    nth_weekday,
    reading,
    unit_span,
)


@rule("period", "the? <rank> week of|in? the? <period>", "the? <number=ord> week of|in? the? <period>")
def _nth_week(_: Parser, period: When, rank: int = 0, number: int = 0) -> When | None:
    """Weeks belong to the month or year that has their Thursday."""
    if period.grain not in ("month", "year") or not period.readings:
        return None
    found, count = [], rank or number
    for one in period.readings:
        assert one.first and one.last
        found.append(_week_in(one.first, one.last, count))
    if period.grain == "year" and count > 53:
        return None
    spans = tuple(reading(first, first + 7 * DAY) for first in found)
    return When("daterange", "week", spans, f"{period.timex}-W{count:02}", period.again)


def _week_in(first: datetime, last: datetime, count: int) -> datetime:
    if count < 0:
        thursday = last - DAY
        thursday -= (thursday.weekday() - 3) % 7 * DAY
        return thursday - 3 * DAY + (count + 1) * 7 * DAY
    thursday = first + (3 - first.weekday()) % 7 * DAY
    return thursday - 3 * DAY + (count - 1) * 7 * DAY


@rule("day", "the? <number=ord> week of|in <period> on <weekday>")
def _weekday_of_nth_week(parser: Parser, number: int, period: When, weekday: int) -> When | None:
    if period.grain != "month":
        return None
    days = [nth_weekday(one.first.year, one.first.month, weekday, number) for one in period.readings if one.first]
    spans = tuple(reading(first, first + DAY) for first in (at_date(day.year, day.month, day.day) for day in days))
    return When("date", "day", spans, f"{period.timex}-WXX-{weekday + 1}-#{number}", period.again)


@rule("period", "the? <number=ord> month of|in <period>")
def _nth_month(parser: Parser, number: int, period: When) -> When | None:
    if period.grain != "year" or not 1 <= number <= 12 or not period.readings[0].first:
        return None
    return month_of_year(parser, number, period.readings[0].first.year)


@rule("endrank", "first")
def _begins(_: Parser) -> int:
    return 1


@rule("endrank", "last|final")
def _ends(_: Parser) -> int:
    return -1


@rule("period", "the? <endrank> <count> <units> of|in <whole=period>")
def _end_of_period(_: Parser, endrank: int, count: float, units: str, whole: When) -> When | None:
    """The first ten days of a year; whole weeks where weeks are counted."""
    one = whole.readings[0] if whole.readings and whole.sure else None
    if one is None or one.first is None or one.last is None or units in CLOCK_UNITS:
        return None
    amount = Amount(((units, count),))
    if units == "week":
        edge = _week_in(one.first, one.last, endrank)
        first = edge if endrank > 0 else edge - (int(count) - 1) * 7 * DAY
        return period("week", first, first + int(count) * 7 * DAY, amount.timex)
    if endrank > 0:
        return period(units, one.first, move(one.first, amount), amount.timex)
    return period(units, move(one.last, amount, -1), one.last, amount.timex)


@rule("edge", "very? <early> -|in?", "very? <early=edgename> of")
def _edge(_: Parser, early: str) -> str:
    return early


@rule("period", "earlier|early in? the? <whole=yearless>", "earlier in? <whole=this_unit>")
def _earlier(parser: Parser, whole: When) -> When | None:
    one = cut(whole.readings[0], whole.grain, "start", True)
    assert one.first and one.last
    last = min(one.last, midnight(parser.now))
    return replace(whole, readings=(reading(one.first, last),), modifier="start") if last > one.first else None


@rule("period", "later|late in? the? <whole=yearless>", "later in? <whole=this_unit>")
def _later(parser: Parser, whole: When) -> When | None:
    one = cut(whole.readings[0], whole.grain, "end", True)
    assert one.first and one.last
    first = max(one.first, midnight(parser.now))
    return replace(whole, readings=(reading(first, one.last),), modifier="end") if first < one.last else None


@rule("period", "<edge> the? <whole=yearless>", "<edge> the? <whole=period>")
def _edge_of(parser: Parser, edge: str, whole: When) -> When | None:
    """Early, mid, late: a half of a week, month or present year; a third of another year."""
    if whole.kind != "daterange" or whole.modifier or not whole.readings or whole.grain in ("day", *CLOCK_UNITS):
        return None
    spans = tuple(cut(one, whole.grain, edge, _is_near(parser, whole)) for one in whole.readings)
    return replace(whole, readings=spans, modifier=edge)


def _is_near(parser: Parser, whole: When) -> bool:
    """The last, the present and the next year are halved, others cut in three."""
    first = whole.readings[0].first
    return whole.grain == "year" and first is not None and abs(first.year - parser.now.year) < 2


@rule("yearless", "<unit>")
def _yearless(parser: Parser, unit: str) -> When | None:
    return the_unit(parser, unit) if unit in ("week", "month", "year", "weekend") else None


def cut(one: Reading, grain: str, edge: str, present: bool) -> Reading:
    """The beginning, middle or end of a period."""
    assert one.first and one.last
    first, last = one.first, one.last
    third = {"year": (4, 8), "decade": (36, 84), "century": (396, 804), "quarter": (1, 2), "season": (1, 2)}.get(grain)
    if grain == "month":
        middle, thirds = first + 15 * DAY, (first + 9 * DAY, first + 20 * DAY)
    elif third and not (grain == "year" and present and edge != "mid"):
        thirds = (add(first, "month", third[0]), add(first, "month", third[1]))
        return reading(*{"start": (first, thirds[0]), "mid": thirds, "end": (thirds[1], last)}[edge])
    elif grain == "year":
        middle, thirds = add(first, "month", 6), (add(first, "month", 4), add(first, "month", 8))
    else:
        middle = first + (last - first) // 2
        middle = midnight(middle)
        thirds = (middle - 2 * DAY, middle + 2 * DAY) if grain == "week" else (middle, middle + DAY)
    return reading(*{"start": (first, middle), "mid": thirds, "end": (middle, last)}[edge])


@rule("this_unit", "this <unit>")
def _this_unit(parser: Parser, unit: str) -> When | None:
    return _yearless(parser, unit)


@rule("period", "eoy", "end of? year")
def _end_of_year(parser: Parser) -> When:
    return replace(
        _this(parser, "year"), readings=(cut(_this(parser, "year").readings[0], "year", "end", True),), modifier="end"
    )


@rule("period", "eom", "end of? month")
def _end_of_month(parser: Parser) -> When:
    return replace(
        _this(parser, "month"),
        readings=(cut(_this(parser, "month").readings[0], "month", "end", True),),
        modifier="end",
    )


@rule("period", "eow")
def _end_of_week(parser: Parser) -> When:
    return replace(
        _this(parser, "week"), readings=(cut(_this(parser, "week").readings[0], "week", "end", True),), modifier="end"
    )


def _this(parser: Parser, unit: str) -> When:
    first, last = unit_span(parser.now, unit)
    return period(unit, first, last, timex_of(first, unit))
