"""What expressions mean: readings, things that come again, amounts of time, times of a day; and the calendar's arithmetic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import NamedTuple

DAY = timedelta(days=1)
SECONDS = {
    "second": 1,
    "minute": 60,
    "hour": 3600,
    "day": 86400,
    "businessday": 86400,
    "night": 86400,
    "week": 604800,
    "fortnight": 1209600,
    "weekend": 172800,
    "month": 2592000,
    "quarter": 7776000,
    "year": 31536000,
    "decade": 315360000,
    "century": 3153600000,
}
LETTERS = {"day": "D", "businessday": "BD", "night": "D", "week": "W", "fortnight": "W", "weekend": "WE", "month": "M"}
LETTERS |= {"quarter": "M", "year": "Y", "decade": "Y", "century": "Y", "hour": "H", "minute": "M", "second": "S"}
TIMES = {"fortnight": 2, "quarter": 3, "decade": 10, "century": 100}  # how many of its letter a unit is
CLOCK_UNITS = ("hour", "minute", "second")


class Reading(NamedTuple):
    """One way to read an expression: from `first` up to `last` (half open; None: open).

    `start` and `stop` are the two moments as they are named: "3 to 5 May" lasts until the 6th begins, and its end as named is
    the beginning of the 5th.
    """

    first: datetime | None
    last: datetime | None
    start: datetime | None
    stop: datetime | None


def reading(first: datetime | None, last: datetime | None) -> Reading:
    """One whose named moments are its ends."""
    return Reading(first, last, first, last)


@dataclass(frozen=True)
class Again:
    """What comes again and again, such as a 5th of May: `occurrence` gives the one of a step (a year, a month or a week)."""

    occurrence: Callable[[int], tuple[datetime, datetime] | None]
    step_of: Callable[[datetime], int]
    width: int = 9  # steps to look each way: leap days may be eight years apart

    def after(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """The first that begins at the moment or later."""
        step = self.step_of(moment)
        found = (self.occurrence(step + more) for more in range(-1, self.width))
        return next((one for one in found if one and one[0] >= moment), None)

    def before(self, moment: datetime) -> tuple[datetime, datetime] | None:
        """The last that begins before the moment."""
        step = self.step_of(moment)
        found = (self.occurrence(step - less) for less in range(-1, self.width))
        return next((one for one in found if one and one[0] < moment), None)


@dataclass(frozen=True)
class When:
    """A date, a period, or a moment, with all its readings, the earliest first.

    Attributes:
        timex: like the value of a TIMEX3 tag (ISO-TimeML).
        again: for what names no year, month or week of its own.
        year_free: it lacks its year only, so that one may be added.
        modifier: before, after, since, until, approx, start, mid, end or empty.
    """

    kind: str
    grain: str
    readings: tuple[Reading, ...]
    timex: str = ""
    again: Again | None = None
    modifier: str = ""
    confidence: float = 0.9

    @property
    def sure(self) -> bool:
        """Whether there is only one reading by itself."""
        return self.again is None


@dataclass(frozen=True)
class Amount:
    """An amount of time: (unit, how many) in order."""

    parts: tuple[tuple[str, float], ...]
    modifier: str = ""
    vague: bool = False

    @property
    def seconds(self) -> float:
        """A month taken as 30 days, a year as 365."""
        return sum(SECONDS[unit] * count for unit, count in self.parts)

    @property
    def timex(self) -> str:
        """An ISO 8601 duration."""
        days = "".join(_timex_part(unit, count) for unit, count in self.parts if unit not in CLOCK_UNITS)
        clock = "".join(_timex_part(unit, count) for unit, count in self.parts if unit in CLOCK_UNITS)
        return f"P{days}" + (f"T{clock}" if clock else "")

    @property
    def is_clock(self) -> bool:
        """Whether it has hours, minutes or seconds."""
        return any(unit in CLOCK_UNITS for unit, _ in self.parts)

    @property
    def grain(self) -> str:
        """Its smallest unit."""
        return min((unit for unit, _ in self.parts), key=lambda unit: SECONDS[unit])


def _timex_part(unit: str, count: float) -> str:
    return f"{count * TIMES.get(unit, 1):g}{LETTERS[unit]}"


@dataclass(frozen=True)
class Clock:
    """A time of day, or a span of it: (from, to) in seconds since midnight, `to` None for a mere time; several if unclear."""

    options: tuple[tuple[int, int | None], ...]
    grain: str = "hour"
    timex: str = ""
    part: str = ""  # the name of a part of a day
    modifier: str = ""
    confidence: float = 0.9

    @property
    def is_span(self) -> bool:
        """Whether it lasts."""
        return self.options[0][1] is not None or bool(self.modifier and self.modifier != "approx")


def midnight(moment: datetime) -> datetime:
    """The beginning of its day."""
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)


def at_date(year: int, month: int, day: int = 1) -> datetime:
    """Midnight of a day. Raises ValueError: there is none."""
    return datetime(year, month, day)


def add(moment: datetime, unit: str, count: float) -> datetime:
    """A moment some units later; months and years by the calendar, ends of months kept inside the month."""
    if unit == "businessday":
        return _add_business_days(moment, int(count))
    months = {"month": 1, "quarter": 3, "year": 12, "decade": 120, "century": 1200}.get(unit)
    if months is None or count != int(count):
        return moment + timedelta(seconds=SECONDS[unit] * count)
    total = moment.year * 12 + moment.month - 1 + int(count) * months
    year, month = divmod(total, 12)
    return moment.replace(year=year, month=month + 1, day=min(moment.day, days_in(year, month + 1)))


def _add_business_days(moment: datetime, count: int) -> datetime:
    step = 1 if count > 0 else -1
    while count:
        moment += step * DAY
        if moment.weekday() < 5:
            count -= step
    return moment


def days_in(year: int, month: int) -> int:
    """Days of a month."""
    return (date(year + month // 12, month % 12 + 1, 1) - timedelta(days=1)).day


def move(moment: datetime, amount: Amount, sign: int = 1) -> datetime:
    """A moment an amount later, or earlier with sign -1; the largest units first."""
    for unit, count in amount.parts:
        moment = add(moment, unit, sign * count)
    return moment


def floor(moment: datetime, unit: str) -> datetime:
    """The beginning of the unit that a moment is in; weeks begin on Monday (ISO 8601)."""
    day = midnight(moment)
    if unit in CLOCK_UNITS:
        cut = {"hour": 3600, "minute": 60, "second": 1}[unit]
        seconds = int((moment - day).total_seconds())
        return day + timedelta(seconds=seconds - seconds % cut)
    if unit in ("week", "fortnight"):
        return day - day.weekday() * DAY
    if unit == "weekend":
        return day + (5 - day.weekday()) * DAY
    if unit in ("day", "night", "businessday"):
        return day
    year, month = moment.year, moment.month
    if unit == "quarter":
        month -= (month - 1) % 3
    if unit in ("year", "decade", "century"):
        month, size = 1, {"year": 1, "decade": 10, "century": 100}[unit]
        year -= year % size
    return at_date(year, month)


def unit_span(moment: datetime, unit: str, by: int = 0) -> tuple[datetime, datetime]:
    """The whole unit that a moment is in, or the one `by` units later."""
    first = floor(moment, unit)
    if unit == "weekend":
        first += timedelta(weeks=by)
        return first, first + 2 * DAY
    first = add(first, unit, by)
    return first, add(first, unit, 1)


def days_reading(first: datetime, days: int = 1) -> Reading:
    """Whole days."""
    return reading(first, first + days * DAY)


def with_modifier(when: When, modifier: str, **changes: object) -> When:
    """The same with another modifier."""
    return replace(when, modifier=modifier, **changes)  # type: ignore[arg-type]


def both_ways(again: Again, moment: datetime) -> tuple[Reading, ...]:
    """The last occurrence before a moment and the first after it."""
    found = (again.before(moment), again.after(moment))
    return tuple(reading(*one) for one in found if one)


def yearly(month: int, day: int) -> Again:
    """A day of the year."""

    def occurrence(year: int) -> tuple[datetime, datetime] | None:
        if not 1 <= year <= 9998 or day > days_in(year, month):
            return None
        first = at_date(year, month, day)
        return first, first + DAY

    return Again(occurrence, lambda moment: moment.year)


def yearly_months(month: int, count: int = 1) -> Again:
    """Months of the year, such as a season."""

    def occurrence(year: int) -> tuple[datetime, datetime] | None:
        return (at_date(year, month), add(at_date(year, month), "month", count)) if 1 <= year <= 9997 else None

    return Again(occurrence, lambda moment: moment.year)


def yearly_by(rule: Callable[[int], date | None]) -> Again:
    """A day that a rule gives for each year."""

    def occurrence(year: int) -> tuple[datetime, datetime] | None:
        day = rule(year) if 1 <= year <= 9998 else None
        if day is None:
            return None
        first = at_date(day.year, day.month, day.day)
        return first, first + DAY

    return Again(occurrence, lambda moment: moment.year)


def monthly(day: int) -> Again:
    """A day of the month."""

    def occurrence(step: int) -> tuple[datetime, datetime] | None:
        year, month = divmod(step, 12)
        if not 1 <= year <= 9998 or day > days_in(year, month + 1):
            return None
        first = at_date(year, month + 1, day)
        return first, first + DAY

    return Again(occurrence, lambda moment: moment.year * 12 + moment.month - 1)


def weekly(weekday: int) -> Again:
    """A day of the week, Monday 0."""

    def occurrence(step: int) -> tuple[datetime, datetime]:
        first = datetime.fromordinal(step * 7 + 1 + weekday)
        return first, first + DAY

    return Again(occurrence, lambda moment: (moment.toordinal() - 1) // 7)


def weekday_of_month(weekday: int, day: int) -> Again:
    """A day of the month that falls on a day of the week, such as a Monday the 21st."""

    def occurrence(step: int) -> tuple[datetime, datetime] | None:
        found = monthly(day).occurrence(step)
        return found if found and found[0].weekday() == weekday else None

    return Again(occurrence, monthly(day).step_of, width=140)


def nth_weekday(year: int, month: int, weekday: int, count: int) -> date:
    """The count-th Monday (...) of a month; -1 is the last. Raises ValueError: there is none."""
    if count < 0:
        last = date(year, month, days_in(year, month))
        return last - timedelta(days=(last.weekday() - weekday) % 7 + 7 * (-count - 1))
    first = date(year, month, 1)
    return first.replace(day=1 + (weekday - first.weekday()) % 7 + 7 * (count - 1))
