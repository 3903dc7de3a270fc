"""What comes again and again: every Monday, weekly, each day at three; with its rule (RFC 5545)."""

from __future__ import annotations

from dataclasses import dataclass, replace

from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.values import TIMES, Amount, Clock

FREQUENCIES = {"second": "SECONDLY", "minute": "MINUTELY", "hour": "HOURLY", "day": "DAILY", "night": "DAILY"}
FREQUENCIES |= {
    "week": "WEEKLY",
    "fortnight": "WEEKLY",
    "month": "MONTHLY",
    "quarter": "MONTHLY",
    "year": "YEARLY",
    "decade": "YEARLY",
}
CODES = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
LETTER_UNIT = {"D": "day", "W": "week", "M": "month", "Y": "year"}


@dataclass(frozen=True)
class Repeat:
    """A repetition: its TIMEX value, the text of its RRULE, its grain."""

    timex: str
    rrule: str
    grain: str


def every(unit: str, count: float = 1) -> Repeat:
    """Every count units."""
    if unit == "weekend":
        return Repeat("P1WE" if count == 1 else f"P{count:g}WE", _rule("WEEKLY", count) + ";BYDAY=SA,SU", "weekend")
    if unit == "businessday":
        return Repeat("P1WD", "FREQ=WEEKLY;BYDAY=MO,TU,WE,TH,FR", "day")
    timex = Amount(((unit, count),)).timex
    times = count * TIMES.get(unit, 1)
    return Repeat(timex, _rule(FREQUENCIES.get(unit, "YEARLY"), times), unit)


def _rule(frequency: str, count: float) -> str:
    if count == 0.5:
        return "FREQ=MONTHLY;INTERVAL=6"
    return f"FREQ={frequency}" + (f";INTERVAL={count:g}" if count != 1 else "")


def on_weekday(weekday: int, interval: int = 1) -> Repeat:
    """Every week, or every second, on a day."""
    return Repeat(f"XXXX-WXX-{weekday + 1}", _rule("WEEKLY", interval) + f";BYDAY={CODES[weekday]}", "day")


@rule("each", "every|each|any", "all")
def _each(_: Parser) -> int:
    return 1


@rule("each", "every|each other|second|alternate")
def _every_other(_: Parser) -> int:
    return 2


@rule("set0", "<each> <partclock>")
def _every_part(_: Parser, each: int, partclock: Clock) -> Repeat:
    return Repeat(partclock.timex, _rule("DAILY", each), "part")


@rule(
    "set0",
    "<each> <units>",
    "<each> single <units>",
    "once|twice|one a|an|per|every <units>",
    "<each> calendar <units>",
)
def _every(_: Parser, units: str, each: int = 1) -> Repeat | None:
    return every(units, each) if units != "second" else None


@rule("set0", "every|each <count> <units>", "every|each|all <count> <units>")
def _every_several(_: Parser, count: float, units: str) -> Repeat:
    return every(units, count)


@rule("set0", "<each> <weekday>", "on <each> <weekday>")
def _every_weekday(_: Parser, each: int, weekday: int) -> Repeat:
    return on_weekday(weekday, each)


@rule("set0", "<weekdays>")
def _weekdays(_: Parser, weekdays: int) -> Repeat:
    return on_weekday(weekdays)


@rule("set0", "weekends", "on weekends", "on the weekends")
def _weekends(_: Parser) -> Repeat:
    return every("weekend")


@rule("set0", "weekdays|workdays", "on weekdays")
def _working_days(_: Parser) -> Repeat:
    return every("businessday")


@rule("set0", "<adverb>", "bi -? <part=adverb>", "semi -? <part=adverb>", "semi -? annual|annually")
def _adverb(_: Parser, adverb: str = "", part: str = "") -> Repeat | None:
    timex = adverb or {"P1M": "P2M", "P1W": "P2W", "P1Y": "P0.5Y"}.get(part, "P0.5Y")
    if timex == "PT1H":
        return every("hour")
    return every(LETTER_UNIT[timex[-1]], float(timex[1:-1]))


@rule("set0", "<weekday> <part=plural>", "<part=plural>")
def _plural_part(_: Parser, part: Clock, weekday: int | None = None) -> Repeat:
    if weekday is None:
        return Repeat(part.timex, "FREQ=DAILY", "part")
    one = on_weekday(weekday)
    return replace(one, timex=one.timex + part.timex)


@rule("plural", "mornings")
def _mornings(_: Parser) -> Clock:
    return Clock(((8 * 3600, 12 * 3600),), "part", "TMO", "MO")


@rule("plural", "afternoons")
def _afternoons(_: Parser) -> Clock:
    return Clock(((12 * 3600, 16 * 3600),), "part", "TAF", "AF")


@rule("plural", "evenings")
def _evenings(_: Parser) -> Clock:
    return Clock(((16 * 3600, 20 * 3600),), "part", "TEV", "EV")


@rule("plural", "nights")
def _nights(_: Parser) -> Clock:
    return Clock(((20 * 3600, 86400),), "part", "TNI", "NI")


@rule(
    "set0",
    "the? <dom=ord> of every|each month",
    "the? <dom=ord> day of every|each month",
    "every|each month on the? <dom=ord>",
)
def _monthly(_: Parser, dom: int) -> Repeat | None:
    return Repeat(f"XXXX-XX-{dom:02}", f"FREQ=MONTHLY;BYMONTHDAY={dom}", "day") if dom <= 31 else None


@rule("set0", "every|each <md>", "every|each year on <md>")
def _every_date(_: Parser, md: tuple[int, int]) -> Repeat:
    return Repeat(f"XXXX-{md[0]:02}-{md[1]:02}", f"FREQ=YEARLY;BYMONTH={md[0]};BYMONTHDAY={md[1]}", "day")


@rule("set0", "every|each <month>")
def _every_month_of_year(_: Parser, month: int) -> Repeat:
    return Repeat(f"XXXX-{month:02}", f"FREQ=YEARLY;BYMONTH={month}", "month")


@rule("set", "<set0>")
def _plain(_: Parser, set0: Repeat) -> Repeat:
    return set0


@rule(
    "set",
    "<set0> ,? at? <at=clock>",
    "<at=clock> ,? <set0>",
    "<set0> at <at=clock_at>",
    "at <at=clock> <set0>",
    "at? <at=clock> on? <set0>",
)
def _at(_: Parser, set0: Repeat, at: Clock) -> Repeat | None:
    if at.is_span or at.part:
        return None
    seconds = at.options[0][0]
    date = set0.timex if set0.timex.startswith("XXXX") else ""
    rrule = f"{set0.rrule};BYHOUR={seconds // 3600};BYMINUTE={seconds % 3600 // 60}"
    return Repeat(date + at.timex, rrule, "hour")
