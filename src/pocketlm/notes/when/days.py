"""Days: by date, by name, by holiday, by distance."""

from __future__ import annotations

from datetime import datetime, timedelta

from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.numbers import full_year
from pocketlm.notes.when.values import (
    DAY,
    Again,
    Reading,
    When,
    add,
    at_date,
    both_ways,
    days_in,
    days_reading,
    floor,
    midnight,
    monthly,
    nth_weekday,
    weekday_of_month,
    weekly,
    yearly,
)

Shift = tuple[str, int]


def on(first: datetime, confidence: float = 0.95) -> When:
    """One certain day."""
    return When(
        "date",
        "day",
        (days_reading(midnight(first)),),
        f"{first:%Y}".zfill(4) + f"{first:-%m-%d}",
        None,
        "",
        confidence,
    )


def again_day(parser: Parser, again: Again, timex: str, confidence: float = 0.9) -> When | None:
    """A day that comes again: the last one and the next one."""
    now = midnight(parser.now) if timex.startswith("XXXX-W") else parser.now
    readings = both_ways(again, now)
    return When("date", "day", readings, timex, again, "", confidence) if readings else None


def chosen(parser: Parser, when: When) -> Reading | None:
    """The reading that the parser leans to."""
    if not when.readings:
        return None
    return when.readings[0 if parser.lean == "past" else -1]


def dated(year: int | None, month: int, day: int, parser: Parser) -> When | None:
    """A day of a month; one that no calendar has is kept without a reading."""
    if not 1 <= month <= 12 or not 1 <= day <= 31:
        return None
    if day > (29 if month == 2 and year is None else days_in(year or 2000, month)):
        return When("date", "day", (), f"{year or 'XXXX'}-{month:02}-{day:02}", None, "", 0.3)
    if year is not None:
        return on(at_date(year, month, day))
    return again_day(parser, yearly(month, day), f"XXXX-{month:02}-{day:02}")


# by date


@rule("md", "<month> .? ,? the? <dom>", "<month> +-|/ +<dom=figure>", "the? <dom=ord> of? <month> .?")
@rule("md", "<dom=figure> .? of? <month> .?", "<dom=figure> +-|/ +<month>", "the? <dom=ord> day of <month>")
def _month_day(_: Parser, month: int, dom: int) -> tuple[int, int]:
    return month, dom


@rule("figuremd", "<dom=figure> +-|/ +<month>")
def _figure_month(_: Parser, month: int, dom: int) -> tuple[int, int]:
    return month, dom


@rule("md_words", "<dom=small> of? <month>")
def _month_day_words(_: Parser, month: int, dom: int) -> tuple[int, int] | None:
    return (month, dom) if 10 <= dom <= 31 else None


@rule("date", "<md>", "<md> ,|of|in? <year>", "<md> of <year=year2>", "<md> +-|/|. +<year=year4>", "<md> , of? <year>")
@rule(
    "day",
    "<md=md_words> ,|of|in? <year>",
    "<md> ' +<year=year2>",
    "<md=figuremd> +-|/ +<year=year2>",
    "<year> +-|/|.? +<md>",
)
@rule("date", "<year> <md>")
def _full(parser: Parser, md: tuple[int, int], year: int | None = None) -> When | None:
    if year is None and md[1] < 10 and False:
        return None
    return dated(year, *md, parser)


@rule("date", "<month> <dom=ord> <year=year2>")
def _ordinal_short_year(parser: Parser, month: int, dom: int, year: int) -> When | None:
    return dated(year, month, dom, parser)


@rule("date", "<month> +-|/ +<year=year4> +-|/ +<dom=figure>", "<dom=figure> +-|/ +<year=year4> +-|/ +<month>")
@rule("date", "<year=year4> +-|/ +<dom=figure> +-|/ +<month>")
def _mixed(parser: Parser, month: int, dom: int, year: int) -> When | None:
    return dated(year, month, dom, parser)


@rule("date", "<a=int> +/ +<b=int> +/ +<c=int>", "<a=int> +- +<b=int> +- +<c=int>")
def _figures(parser: Parser, a: str, b: str, c: str) -> When | None:
    """Year first, otherwise month first, unless it can only be a day."""
    if max(len(a), len(c)) > 4 or len(b) > 2 or len(a) == 3 or len(c) == 3:
        return None
    if len(a) == 4:
        return dated(int(a), int(b), int(c), parser) if int(a) >= 1000 and int(b) <= 12 and int(c) <= 31 else None
    if len(a) > 2 or len(c) == 1:
        return None
    month, day = (int(a), int(b)) if int(a) <= 12 else (int(b), int(a))
    if len(c) == 2 and 30 <= int(c) <= 39:
        return _century_unclear(int(c), month, day)
    return dated(full_year(int(c)) if len(c) == 2 else int(c), month, day, parser)


@rule("date", "<a=int> +. +<b=int> +. +<c=int>")
def _dotted_figures(parser: Parser, a: str, b: str, c: str) -> When | None:
    """Year first, otherwise day first, as those who put full stops write it, unless it can only be a month."""
    return _figures(parser, a, b, c) if len(a) == 4 or int(b) > 12 else _figures(parser, b, a, c)


def _century_unclear(short: int, month: int, day: int) -> When | None:
    if not 1 <= month <= 12 or not 1 <= day <= days_in(2000, month):
        return None
    readings = tuple(days_reading(at_date(century + short, month, day)) for century in (1900, 2000))
    return When("date", "day", readings, f"XX{short}-{month:02}-{day:02}", None, "", 0.7)


@rule("date", "<int>")
def _compact(parser: Parser, int: str) -> When | None:
    year, month, day = int[:4], int[4:6], int[6:]
    if len(int) != 8 or not "1000" <= year <= "2199" or not "01" <= month <= "12" or not "01" <= day <= "31":
        return None
    return dated(_number(year), _number(month), _number(day), parser)


def _number(figures: str) -> int:
    return int(figures)


@rule("date", "<year=year4> <month=int> <dom=int>")
def _spaced(parser: Parser, year: int, month: str, dom: str) -> When | None:
    return dated(year, int(month), int(dom), parser) if len(month) == len(dom) == 2 else None


@rule("slashed", "<a=int> +/ +<b=int>")
@rule("dotted", "<a=int> +-|. +<b=int>")
def _two_figures(_: Parser, a: str, b: str) -> tuple[int, int] | None:
    """(month, day)."""
    if max(len(a), len(b)) > 2:
        return None
    month, day = (int(a), int(b)) if int(a) <= 12 else (int(b), int(a))
    return (month, day) if 1 <= month <= 12 and 1 <= day <= days_in(2000, month) else None


@rule("date", "<md=slashed>", "<weekday> ,? <md=slashed>", "<md=slashed> , <year=year4>")
def _slashed(parser: Parser, md: tuple[int, int], weekday: int | None = None, year: int | None = None) -> When | None:
    return dated(year, *md, parser)


@rule("date", "<weekday> ,? <md=dotted>")
def _weekday_dotted(parser: Parser, md: tuple[int, int], weekday: int) -> When | None:
    """Friday 7-6 is a date where the 6th of July is a Friday, otherwise it may be a time."""
    day = dated(None, *md, parser)
    fits = [one for one in (day.readings if day else ()) if one.first and one.first.weekday() == weekday]
    return day if fits else None


@rule("day_on", "<md=dotted>")
def _dotted(parser: Parser, md: tuple[int, int]) -> When | None:
    return dated(None, *md, parser)


@rule("date", "<shift> <weekday> <md=dotted>", "<shift> <weekday> ,|-|(? <md> )?", "<shift> <weekday>? <md=slashed>")
@rule("date", "<shift> <md>")
def _shifted_date(parser: Parser, shift: Shift, md: tuple[int, int], weekday: int | None = None) -> When | None:
    """This 5th of December is this year's; the next is the first from now on; the last one is past."""
    again = yearly(*md)
    if weekday is not None or shift[1] == 0:
        return dated(parser.now.year, *md, parser)
    found = again.after(parser.now) if shift[1] > 0 else again.before(parser.now)
    return on(found[0]) if found else None


@rule("day", "<date>")
def _date(_: Parser, date: When) -> When:
    return date


# by the day of the week


@rule("day", "<weekday> .?")
def _weekday(parser: Parser, weekday: int) -> When | None:
    return again_day(parser, weekly(weekday), f"XXXX-WXX-{weekday + 1}")


@rule("day", "this? <shift> <weekday>")
def _shifted_weekday(parser: Parser, shift: Shift, weekday: int) -> When | None:
    name, by = shift
    again, today = weekly(weekday), midnight(parser.now)
    if name in ("past", "coming"):
        found = again.before(today) if name == "past" else again.after(today + DAY)
        return on(found[0]) if found else None
    return on(floor(today, "week") + timedelta(weeks=by, days=weekday))


@rule("day", "<weekday> ,? <shift> week", "<weekday> of <shift> week", "<weekday> of the <shift> week")
@rule("day", "<shift> week -|on|,? <weekday>", "on <weekday> of the? <shift> week", "the? <shift> week 's <weekday>")
def _weekday_of_week(parser: Parser, shift: Shift, weekday: int) -> When:
    return on(floor(parser.now, "week") + timedelta(weeks=shift[1], days=weekday))


@rule("day", "<weekday> week", "a week on <weekday>")
def _weekday_week(parser: Parser, weekday: int) -> When | None:
    found = weekly(weekday).after(midnight(parser.now))
    return on(found[0] + 7 * DAY, 0.6) if found else None


@rule("day", "<weekday> ,|-|(? <date> )?")
def _weekday_and_date(_: Parser, weekday: int, date: When) -> When:
    return date


@rule("day", "<weekday> ,? <dom=figure>", "<weekday> ,? <dom=ord>")
def _weekday_and_day(parser: Parser, weekday: int, dom: int) -> When | None:
    today = midnight(parser.now)
    if today.day == dom and today.weekday() == weekday:
        return on(today)
    return again_day(parser, weekday_of_month(weekday, dom), f"XXXX-WXX-{weekday + 1}")


@rule("day", "<weekday> ,? the <dom=ord>")
def _weekday_the_day(parser: Parser, weekday: int, dom: int) -> When | None:
    first = parser.now.replace(day=1)
    if dom <= days_in(first.year, first.month) and first.replace(day=dom).weekday() == weekday:
        return on(first.replace(day=dom))
    return _weekday_and_day(parser, weekday, dom)


@rule("rank", "<ord>")
def _rank(_: Parser, ord: int) -> int | None:
    return ord if ord <= 5 else None


@rule("rank", "last")
def _last(_: Parser) -> int:
    return -1


@rule("day", "the? <rank> <weekday> of|in? <period>")
def nth_weekday_of(_: Parser, rank: int, weekday: int, period: When) -> When | None:
    if period.grain != "month" or not period.readings:
        return None
    readings = []
    for one in period.readings:
        assert one.first is not None
        found = nth_weekday(one.first.year, one.first.month, weekday, rank)
        readings.append(days_reading(at_date(found.year, found.month, found.day)))
    return When("date", "day", tuple(readings), f"{period.timex}-WXX-{weekday + 1}-#{rank}", period.again)


# by the day of the month


@rule("day_on", "the? <dom=ord>")
@rule("day_in", "the <dom=ord>", "the <dom=figure>")
def _day_of_month(parser: Parser, dom: int) -> When | None:
    return again_day(parser, monthly(dom), f"XXXX-XX-{dom:02}", 0.5) if dom <= 31 else None


@rule(
    "day",
    "the? <dom=ord> day|of? of|in? <shift> month",
    "the? <dom=ord> <shift> month",
    "the <dom=ord> day|of? of the month",
)
def _day_of_this_month(parser: Parser, dom: int, shift: Shift = ("this", 0)) -> When:
    first = add(floor(parser.now, "month"), "month", shift[1])
    return on(first.replace(day=dom))
