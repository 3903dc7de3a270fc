"""Days by their name or distance: tomorrow, two weeks ago, three days before Christmas."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from pocketlm.notes.when.days import Shift, again_day, chosen, on
from pocketlm.notes.when.engine import RULES, Element, Parser, Rule, rule
from pocketlm.notes.when.holidays import HOLIDAYS
from pocketlm.notes.when.holidays import Rule as YearRule
from pocketlm.notes.when.values import (
    DAY,
    Amount,
    Reading,
    When,
    at_date,
    midnight,
    move,
    reading,
    unit_span,
    yearly_by,
)

# by distance


def moved(parser: Parser, base: datetime, amount: Amount, sign: int) -> When:
    """A day or a moment an amount away."""
    moment = move(base, amount, sign)
    if not amount.is_clock:
        return _as_exact(on(moment, 0.7 if amount.vague else 0.95), amount.grain)
    moment = moment.replace(microsecond=0)
    end = moment + timedelta(seconds=1)
    return When("datetime", amount.grain, (reading(moment, end),), moment.isoformat(), None, "", 0.9)


def _as_exact(day: When, unit: str) -> When:
    """A day that is told in weeks, months or years is known to the week, the month or the year; named is the day."""
    (one,) = day.readings
    if unit not in ("week", "fortnight", "month", "quarter", "year", "decade", "century") or one.start is None:
        return day
    grain = {"fortnight": "week", "decade": "year", "century": "year"}.get(unit, unit)
    first, last = unit_span(one.start, grain)
    return replace(day, grain=grain, readings=(Reading(first, last, one.start, one.stop),))


@rule("rel", "<amount> ago", "<amount> back", "<amount> earlier")
def _ago(parser: Parser, amount: Amount) -> When:
    return moved(parser, parser.now, amount, -1)


@rule("rel", "in <amount>", "<amount> from now", "<amount> later", "<amount> hence", "in <amount> from now")
@rule("rel", "<amount> after now")
def _ahead(parser: Parser, amount: Amount) -> When:
    return moved(parser, parser.now, amount, 1)


@rule("rel", "<amount> from|after <base=plainday>", "<amount> from|after the? <base=plainday>")
def _after(parser: Parser, amount: Amount, base: When) -> When | None:
    return _from(parser, amount, base, 1)


@rule("rel", "<amount> before|prior <base=plainday>", "<amount> prior to <base=plainday>")
def _before(parser: Parser, amount: Amount, base: When) -> When | None:
    return _from(parser, amount, base, -1)


def _from(parser: Parser, amount: Amount, base: When, sign: int) -> When | None:
    start = chosen(parser, base)
    if start is None or start.start is None or amount.is_clock:
        return None
    return moved(parser, start.start, amount, sign)


@rule("rel", "in less than <amount>", "in under|about <amount>")
def _soon(parser: Parser, amount: Amount) -> When:
    return moved(parser, parser.now, amount, 1)


@rule("rel", "in <amount> since|from|after the? year? <base=period>")
def _since(parser: Parser, amount: Amount, base: When) -> When | None:
    return _from(parser, amount, base, 1) if base.sure else None


@rule("rel", "a day from|after <base=dayword>")
def _a_day_from(parser: Parser, base: int) -> When:
    return on(parser.now + (base + 1) * DAY)


@rule("plainday", "<day>")
def _plain(_: Parser, day: When) -> When:
    return day


@rule("day", "<rel>")
def _relative_day(_: Parser, rel: When) -> When | None:
    return rel if rel.kind == "date" else None


@rule("day", "<rel> ,|on? <weekday>", "<rel> , on <weekday>", "<weekday> ,? <rel>", "on <weekday> ,? <rel>")
def _weekday_at_distance(_: Parser, rel: When, weekday: int) -> When | None:
    """The day of the week that begins on Sunday."""
    first = rel.readings[0].start
    if rel.kind != "date" or first is None:
        return None
    sunday = first - (first.weekday() + 1) % 7 * DAY
    return on(sunday + (weekday + 1) % 7 * DAY)


# by name


@rule("day", "<dayword>", "current|this date", "otd", "to day")
def _named(parser: Parser, dayword: int = 0) -> When:
    return on(midnight(parser.now) + dayword * DAY)


@rule("day", "<dayword> ,|(? <date> )?,?")
def _named_and_date(_: Parser, dayword: int, date: When) -> When | None:
    return date if date.again is None and date.readings else None


@rule("day", "the? day after <dayword>")
def _day_after(parser: Parser, dayword: int) -> When:
    return on(parser.now + (dayword + 1) * DAY)


@rule("day", "the? day before <dayword>")
def _day_before(parser: Parser, dayword: int) -> When:
    return on(parser.now + (dayword - 1) * DAY)


@rule("day", "the day after", "the next|following day", "next day")
def _next_day(parser: Parser) -> When:
    return on(parser.now + DAY, 0.7)


@rule("day", "the day before", "the previous|last day", "last|previous|past day")
def _previous_day(parser: Parser) -> When:
    return on(parser.now - DAY, 0.7)


@rule("day", "the day", "this day")
def _the_day(parser: Parser) -> When:
    return on(parser.now, 0.4)


# holidays


def _register_holidays() -> None:
    for name, when in HOLIDAYS.items():
        elements = []
        for word in name.split():
            words = frozenset(["''s", "'s"]) if word == "s" else frozenset(["'" + word])
            elements.append(Element("", words, "", word in ("s", "."), False))
            if word.endswith("s") and len(word) > 1:
                elements.append(Element("", frozenset(["''"]), "", True, True))
        RULES["holiday"].append(Rule("holiday", elements, lambda _, when=when, name=name: (name, when)))


_register_holidays()


@rule("day", "<holiday>", "<holiday> ,|of|in? <year>", "<holiday> of? <shift> year")
def _holiday(
    parser: Parser, holiday: tuple[str, YearRule], year: int | None = None, shift: Shift | None = None
) -> When | None:
    name, when = holiday
    if shift:
        year = parser.now.year + shift[1]
    if year is None:
        again = yearly_by(when)
        return again_day(parser, again, _holiday_timex(when, name), 0.9)
    day = when(year)
    return on(at_date(day.year, day.month, day.day)) if day else None


def _holiday_timex(when: YearRule, name: str) -> str:
    dates = [when(year) for year in (2001, 2002, 2003)]
    months = {(day.month, day.day) for day in dates if day}
    return f"XXXX-{min(months)[0]:02}-{min(months)[1]:02}" if len(months) == 1 else f"XXXX {name}"


@rule("day", "<shift> <holiday>")
def _shifted_holiday(parser: Parser, shift: Shift, holiday: tuple[str, YearRule]) -> When | None:
    again = yearly_by(holiday[1])
    if shift[1] == 0:
        found = again.occurrence(parser.now.year)
    else:
        found = again.after(parser.now) if shift[1] > 0 else again.before(parser.now)
    return on(found[0]) if found else None
