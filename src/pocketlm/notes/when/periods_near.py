"""Periods by their distance from now: this week, next month, the past three days, the rest of the year."""

from __future__ import annotations

from datetime import timedelta

from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.periods import Shift, period, timex_of
from pocketlm.notes.when.values import (
    CLOCK_UNITS,
    DAY,
    Amount,
    Reading,
    When,
    add,
    floor,
    midnight,
    move,
    reading,
    unit_span,
)


@rule("period", "this? <shift> <unit>", "the? <shift> calendar year", "the? this? <shift> <unit=bigunit>")
def _shifted(parser: Parser, shift: Shift = ("that", 0), unit: str = "year") -> When | None:
    """The whole unit: next month is the one that begins at the end of this."""
    if unit in CLOCK_UNITS:
        return _next_hour(parser, unit, shift[1])
    if unit in ("day", "night"):
        return None
    if unit == "fortnight":
        first = floor(parser.now, "week") + timedelta(weeks=shift[1] * 2)
        return period("week", first, first + 14 * DAY, "P2W")
    first, last = unit_span(parser.now, unit, shift[1])
    return period(unit, first, last, timex_of(first, unit))


def _next_hour(parser: Parser, unit: str, by: int) -> When | None:
    if by == 0 or unit == "second":
        return None
    start, stop = sorted((parser.now, add(parser.now, unit, by)))
    return When("datetimerange", unit, (reading(start, stop),), f"PT1{unit[0].upper()}", None, "", 0.7)


@rule("period", "the? <shift> <decades=count> decades", "the decade")
def _decades(parser: Parser, shift: Shift = ("this", 0), decades: float = 1) -> When | None:
    return _aligned(parser, "decade", shift[1], int(decades))


def _aligned(parser: Parser, unit: str, by: int, count: int) -> When | None:
    """Several whole units after or before this one."""
    first, last = unit_span(parser.now, unit)
    if by < 0:
        first, last = add(first, unit, -count), first
    elif by > 0:
        first, last = last, add(last, unit, count)
    return period(unit, first, last, f"P{count}{unit[0].upper()}")


@rule("beyond", "after the? next")
def _after_next(_: Parser) -> int:
    return 2


@rule("beyond", "before the? last")
def _before_last(_: Parser) -> int:
    return -2


@rule("period", "the? <unit> <beyond>")
def _unit_beyond(parser: Parser, unit: str, beyond: int) -> When | None:
    if unit in (*CLOCK_UNITS, "day", "night", "fortnight"):
        return None
    first, last = unit_span(parser.now, unit, beyond)
    return period(unit, first, last, timex_of(first, unit))


@rule("period", "the <unit>", "weekend")
def the_unit(parser: Parser, unit: str = "weekend") -> When | None:
    """The week, the month, the year: the present one."""
    if unit in (*CLOCK_UNITS, "day", "night", "quarter", "decade", "century"):
        return None
    if unit == "fortnight":
        return _shifted(parser, ("this", 0), "fortnight")
    first, last = unit_span(parser.now, unit)
    return period(unit, first, last, timex_of(first, unit), 0.45)


@rule("period", "<shift> workweek", "<shift> working|work week", "the <shift> workweek")
def _workweek(parser: Parser, shift: Shift) -> When:
    first, _ = unit_span(parser.now, "week", shift[1])
    return period("week", first, first + 5 * DAY, timex_of(first, "week"))


@rule(
    "period",
    "<shift> <amount>",
    "<count> <shift> <units=manyunits>",
    "<count> <shift> business|working <units=manyunits>",
    "<shift> couple of? <units>",
)
@rule("period", "within <amount>")
def _row(
    parser: Parser,
    shift: Shift | None = None,
    amount: Amount | None = None,
    count: float = 2,
    units: str = "",
    within: bool = False,
) -> When | None:
    """The next 3 days begin tomorrow, the past 3 days end with yesterday."""
    amount = amount or Amount(((units, count),))
    by = shift[1] if shift else 1
    if by == 0 or amount.parts[0][0] == "weekend":
        return None
    if amount.is_clock:
        start, stop = sorted((parser.now, move(parser.now, amount, by)))
        return When("datetimerange", amount.grain, (reading(start, stop),), amount.timex)
    unit = amount.parts[0][0]
    if unit in ("quarter", "decade") and len(amount.parts) == 1:
        return _aligned(parser, unit, by, int(amount.parts[0][1]))
    today = midnight(parser.now)
    if by < 0:
        return period(amount.grain, move(today, amount, -1), today, amount.timex)
    start = today if shift is None else today + DAY
    last = move(start, amount)
    if unit == "businessday":
        last += DAY if shift is None else timedelta()
        last = move(today, amount) + DAY
    return period(amount.grain, start, last, amount.timex)


@rule("period", "within the? <shift> <amount>", "within the? <shift> <amount=oneunit>")
def _within(parser: Parser, shift: Shift, amount: Amount) -> When | None:
    if shift[1] <= 0:
        return None
    return _row(parser, None, amount)


@rule("oneunit", "<unit>", "<unit> and <rest=amount>")
def _one_unit(_: Parser, unit: str, rest: Amount | None = None) -> Amount:
    return Amount(((unit, 1.0), *(rest.parts if rest else ())))


@rule("period", "the? rest|remaining|remainder of? the|this|my|our|current <unit>", "rest of <unit>")
def _rest(parser: Parser, unit: str) -> When | None:
    if unit == "day":
        now, end = parser.now.replace(microsecond=0), midnight(parser.now) + DAY
        return When("datetimerange", "part", (reading(now, end),), "", None, "", 0.8)
    if unit in (*CLOCK_UNITS, "night"):
        return None
    today, (_, last) = midnight(parser.now), unit_span(parser.now, unit)
    return When("daterange", unit, (Reading(today, last, today, last - DAY),), "", None, "", 0.8)


@rule("period", "year to date", "ytd", "<unit> to date")
def _to_date(parser: Parser, unit: str = "year") -> When | None:
    if unit not in ("week", "month", "quarter", "year"):
        return None
    first = floor(parser.now, unit)
    return period(unit, first, midnight(parser.now), timex_of(first, unit))
