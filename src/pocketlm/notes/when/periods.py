"""Periods: weeks, months, seasons, quarters, years, decades, by name and by distance, and the parts of them."""

from __future__ import annotations

from datetime import datetime

from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.holidays import LONG_WEEKENDS
from pocketlm.notes.when.holidays import Rule as YearRule
from pocketlm.notes.when.values import (
    DAY,
    Again,
    When,
    add,
    at_date,
    both_ways,
    floor,
    reading,
    yearly_by,
    yearly_months,
)
from pocketlm.notes.when.words import SEASON_MONTHS

Shift = tuple[str, int]


def period(grain: str, first: datetime, last: datetime, timex: str = "", confidence: float = 0.95) -> When:
    """A certain period."""
    return When("daterange", grain, (reading(first, last),), timex, None, "", confidence)


def again_period(parser: Parser, grain: str, again: Again, timex: str, confidence: float = 0.85) -> When:
    """A period that comes again: the last that began and the next."""
    return When("daterange", grain, both_ways(again, parser.now), timex, again, "", confidence)


def timex_of(first: datetime, grain: str) -> str:
    """A TIMEX value of a calendar unit."""
    year = f"{first.year:04}"
    week = first.isocalendar()
    return {
        "month": f"{year}-{first.month:02}",
        "year": year,
        "week": f"{week[0]:04}-W{week[1]:02}",
        "weekend": f"{week[0]:04}-W{week[1]:02}-WE",
        "quarter": f"{year}-Q{(first.month + 2) // 3}",
        "decade": year[:3],
        "century": year[:2],
    }.get(grain, f"{first:%Y-%m-%d}")


# months and years


@rule("period", "<month> .?")
def _month(parser: Parser, month: int) -> When:
    return again_period(parser, "month", yearly_months(month), f"XXXX-{month:02}")


@rule(
    "period",
    "<month> .? ,|of|in? <year>",
    "<month> +-|/ +<year=year4>",
    "<month> of <year=year2>",
    "<month> ' +<year=year2>",
)
@rule(
    "period", "<year> ,? <month>", "<year=year4> +-|/ +<month>", "<month> .? of? the? year? <year>", "<month> , <year>"
)
def month_of_year(_: Parser, month: int, year: int) -> When:
    first = at_date(year, month)
    return period("month", first, add(first, "month", 1), timex_of(first, "month"))


@rule("period", "<year=year4> -|/ <month=int>", "<month=int> -|/ <year=year4>")
def _month_in_figures(parser: Parser, year: int, month: str) -> When | None:
    return month_of_year(parser, int(month), year) if len(month) < 3 and 1 <= int(month) <= 12 else None


@rule("period", "<shift> <month>", "<month> of? <shift> year", "<month> of the? <shift> year")
def _shifted_month(parser: Parser, shift: Shift, month: int) -> When | None:
    """This September is this year's; the next and the last are counted from now."""
    again, (_, by) = yearly_months(month), shift
    if by == 0:
        return month_of_year(parser, month, parser.now.year)
    found = again.after(parser.now) if by > 0 else again.before(add(parser.now, "month", -1))
    return month_of_year(parser, month, found[0].year) if found else None


@rule("yearperiod", "<year>", "year <year>", "year of <year>", "calendar year <year>", "cy <year>", "cy +<year=year2>")
def _year(_: Parser, year: int) -> When:
    return period("year", at_date(year, 1), at_date(year + 1, 1), f"{year:04}", 0.8)


@rule("period", "<yearperiod>")
def _a_year(_: Parser, yearperiod: When) -> When:
    return yearperiod


@rule("fiscal", "fiscal|financial year", "fy")
def _fiscal(_: Parser) -> str:
    return "FY"


@rule("fiscal", "school|academic year", "sy")
def _school(_: Parser) -> str:
    return "SY"


@rule("period", "<fiscal>", "<fiscal> <year>", "<fiscal> +<year=year2>", "<shift> <fiscal>", "<fiscal> <year=year2>")
def _fiscal_year(parser: Parser, fiscal: str, year: int | None = None, shift: Shift | None = None) -> When:
    """Where such a year begins is not known: it is found, not resolved."""
    year = parser.now.year + shift[1] if shift else year
    return When("daterange", "year", (), f"{fiscal}{year or 'XXXX'}", None, "", 0.3)


# seasons, quarters, halves


@rule("period", "<season>")
def _season(parser: Parser, season: str) -> When:
    return again_period(parser, "season", yearly_months(SEASON_MONTHS[season], 3), season, 0.6)


@rule(
    "period", "<season> of|in|,? <year>", "<year> <season>", "<season> of the year <year>", "<season> ' +<year=year2>"
)
def _season_of_year(_: Parser, season: str, year: int) -> When:
    first = at_date(year, SEASON_MONTHS[season])
    return period("season", first, add(first, "month", 3), f"{year}-{season}")


@rule("period", "<shift> <season>", "<season> of? <shift> year")
def _shifted_season(parser: Parser, season: str, shift: Shift) -> When | None:
    """The last one is the last that is over."""
    again, (_, by) = yearly_months(SEASON_MONTHS[season], 3), shift
    if by == 0:
        return _season_of_year(parser, season, parser.now.year)
    found = again.after(parser.now) if by > 0 else again.before(add(parser.now, "month", -3))
    return _season_of_year(parser, season, found[0].year) if found else None


@rule("quarter", "q +<number=int>")
def _quarter_number(_: Parser, number: str) -> tuple[int, int] | None:
    return (3, int(number)) if number in "1234" else None


@rule("quarter", "h +<number=int>")
def _half_number(_: Parser, number: str) -> tuple[int, int] | None:
    return (6, int(number)) if number in "12" else None


@rule("quarter", "<number=ord> quarter", "<number=ord> half")
def _quarter_ordinal(_: Parser, number: int) -> tuple[int, int] | None:
    return (3, number) if number <= 4 else None


@rule(
    "period", "<quarter> -|of|in|,? the? <yearperiod>", "<yearperiod> -|/|the? <quarter>", "<quarter> +- +<yearperiod>"
)
@rule("period", "<shift> year 's? <quarter>", "the? <quarter> of|in? <shift> year")
def _quarter_of_year(
    parser: Parser, quarter: tuple[int, int], yearperiod: When | None = None, shift: Shift = ("this", 0)
) -> When:
    year = yearperiod.readings[0].first.year if yearperiod else parser.now.year + shift[1]  # type: ignore[union-attr]
    months, number = quarter
    first = add(at_date(year, 1), "month", months * (number - 1))
    return period("quarter", first, add(first, "month", months), timex_of(first, "quarter"))


@rule("period", "<quarter>", "the? <quarter> of the year")
def _quarter_alone(parser: Parser, quarter: tuple[int, int]) -> When:
    months, number = quarter
    readings = tuple(
        reading(first, add(first, "month", months))
        for year in (0, 1)
        for first in [add(at_date(parser.now.year + year, 1), "month", months * (number - 1))]
    )
    again = yearly_months(months * (number - 1) + 1, months)
    return When("daterange", "quarter", readings, f"XXXX-Q{number}", again, "", 0.7)


# decades and centuries


@rule("period", "the? <year=year4> +s", "<year=year4> 's|s", "<year=year4> ' +s", "the? <year=year4> s")
def _decade(_: Parser, year: int) -> When | None:
    if year % 10:
        return None
    years = 100 if year % 100 == 0 and year < 2000 else 10
    return period("decade" if years == 10 else "century", at_date(year, 1), at_date(year + years, 1), f"{year}"[:3])


@rule("shortdecade", "<int> +s", "<int> s", "' +<int> +s", "<int> +'s")
def _short_decade(_: Parser, int: str) -> int | None:
    return _number(int) if len(int) == 2 and int[1] == "0" and int >= "20" else None


def _number(figures: str) -> int:
    return int(figures)


@rule("period", "the? <shortdecade>", "<shortdecade=decadename>")
def _decade_unclear(_: Parser, shortdecade: int) -> When:
    readings = tuple(
        reading(at_date(century + shortdecade, 1), at_date(century + shortdecade + 10, 1)) for century in (1900, 2000)
    )
    again = Again(
        lambda step: (at_date(step * 100 + shortdecade, 1), at_date(step * 100 + shortdecade + 10, 1)),
        lambda moment: moment.year // 100,
        2,
    )
    return When("daterange", "decade", readings, f"XX{shortdecade // 10}", again, "", 0.6)


@rule("period", "<number=ord> -? century", "the <number=ord> -? century")
def _century(_: Parser, number: int) -> When | None:
    if not 2 <= number <= 29:
        return None
    return period("century", at_date(100 * number - 100, 1), at_date(100 * number, 1), f"{number - 1:02}")


# weeks


@rule("period", "week +-? <number=count>", "week <number=count> of <yearperiod>", "week <number=count> of <shift> year")
@rule("period", "<yearperiod> +-? +w +<number=count>")
def _week_number(
    parser: Parser, number: float, yearperiod: When | None = None, shift: Shift = ("this", 0)
) -> When | None:
    if not 1 <= number <= 53:
        return None
    year = yearperiod.readings[0].first.year if yearperiod else parser.now.year + shift[1]  # type: ignore[union-attr]
    first = datetime.fromisocalendar(year, int(number), 1)
    return period("week", first, first + 7 * DAY, f"{year}-W{int(number):02}")


@rule("weekofday", "the? week of|beginning|commencing the? <day>", "the? week of|beginning|commencing <day=day_in>")
@rule("weekofday", "the? week starting|beginning|commencing on? the? <day>", "w +/ +c <day>")
def _week_of(_: Parser, day: When) -> When | None:
    if day.kind != "date":
        return None
    starts = [floor(one.first, "week") for one in day.readings if one.first]
    return When("daterange", "week", tuple(reading(first, first + 7 * DAY) for first in starts), day.timex, day.again)


@rule("period", "<weekofday>")
def _week_of_day(_: Parser, weekofday: When) -> When:
    return weekofday


@rule("weekend", "<number=holiday> weekend", "the? weekend of <number=holiday>", "the? <number=holiday> <year> weekend")
@rule("weekend", "<number=holiday> weekend <year>", "the? weekend of <number=holiday> <year>")
def _holiday_weekend(parser: Parser, number: tuple[str, YearRule], year: int | None = None) -> When:
    name, rule_of = number
    again = yearly_by(rule_of)
    found = [again.occurrence(year)] if year else [again.before(parser.now), again.after(parser.now)]
    readings = []
    for day in found:
        if day:
            saturday = floor(day[0], "week") + 5 * DAY
            first, last = saturday, saturday + 2 * DAY
            if day[0].weekday() == 0:
                first, last = day[0] - 2 * DAY, day[1]
            elif name in LONG_WEEKENDS:
                first, last = (min(day[0], saturday), max(day[1], saturday + 2 * DAY))
            readings.append(reading(first, last))
    return When("daterange", "weekend", tuple(readings), f"{name} weekend", None if year else again)


@rule("period", "<weekend>")
def _weekend(_: Parser, weekend: When) -> When:
    return weekend
