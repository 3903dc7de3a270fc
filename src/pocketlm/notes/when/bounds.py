"""What lies before, after, since, until or around a date, a period or a time."""

from __future__ import annotations

from dataclasses import replace

from pocketlm.notes.when.days import chosen
from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.moments import at_time
from pocketlm.notes.when.values import Amount, Clock, Reading, When, midnight, move


@rule("before", "before|by", "prior to", "earlier than", "no later than", "not later than", "sooner than")
@rule("before", "less|smaller|earlier than")
def _before(_: Parser) -> str:
    return "before"


@rule("after", "after", "later than", "greater than", "no earlier than", "year greater than", "years? after|later than")
def _after(_: Parser) -> str:
    return "after"


@rule(
    "since",
    "since|starting|beginning|commencing",
    "as early as",
    "starting|beginning from|on|in",
    "> =",
    "any time from|since|after",
)
@rule("since", "anytime from|since", "effective from?", "not before", "on or after", "ever since")
def _since(_: Parser) -> str:
    return "since"


@rule("until", "as late as", "< =", "not after", "on or before", "ending with|on|in")
@rule("untilday", "until|till|til", "up to")
def _until(_: Parser) -> str:
    return "until"


@rule("about", "around|about|circa|approximately|roughly|near|c", "approximately|about|around at", "c .")
def _about(_: Parser) -> str:
    return "approx"


@rule(
    "openend",
    "or|and later|after|greater|onwards|onward|following|beyond|since|above|more",
    "onwards|onward",
    "and|or thereafter",
)
def _open_end(_: Parser) -> str:
    return "since"


@rule("openend", "or|and before|earlier|prior|less")
def _open_start(_: Parser) -> str:
    return "until"


def bounded(when: When, modifier: str) -> When | None:
    """All that is before, after, since or until a date or a period."""
    timed = when.kind.startswith("datetime") and when.timex != "PRESENT_REF"
    if not when.readings or when.kind not in ("date", "daterange", "datetime", "datetimerange"):
        return None
    spans = tuple(_bound(one, modifier, when) for one in when.readings)
    name = f"{modifier}-{when.modifier}" if when.modifier else modifier
    return replace(when, kind="datetimerange" if timed else "daterange", readings=spans, modifier=name)


def _bound(one: Reading, modifier: str, when: When) -> Reading:
    whole_day = when.kind == "date"
    if modifier == "before":
        edge = one.last if when.modifier == "end" else one.first
        return Reading(None, edge, None, edge)
    if modifier == "until":
        return Reading(None, one.last, None, one.first if whole_day else one.last)
    if modifier == "since":
        return Reading(one.first, None, one.first, None)
    edge = one.first if when.modifier == "start" or when.kind.startswith("datetime") else one.last
    return Reading(edge, None, one.first if whole_day else edge, None)


@rule(
    "whole",
    "<dayat>",
    "<dayclocks>",
    "<daypart>",
    "the? <day>",
    "<day=day_on>",
    "the? <period>",
    "the? <range>",
    "<day=day_in>",
)
def _whole(_: Parser, **value: When) -> When:
    return next(iter(value.values()))


@rule("bound", "more than <amount> before <base=plainday>", "over <amount> before <base=plainday>")
def _long_before(parser: Parser, amount: Amount, base: When) -> When | None:
    one = chosen(parser, base)
    if not one or not one.first:
        return None
    edge = move(one.first, amount, -1)
    return When("daterange", "day", (Reading(None, edge, None, edge),), "", None, "before")


@rule("bound", "more than <amount> after <base=plainday>", "more than <amount> from now")
def _long_after(parser: Parser, amount: Amount, base: When | None = None) -> When | None:
    one = chosen(parser, base) if base else Reading(midnight(parser.now), None, None, None)
    if not one or not one.first:
        return None
    edge = move(one.first, amount, 1)
    return When("daterange", "day", (Reading(edge, None, edge, None),), "", None, "after")


@rule("bound", "more than <amount> ago", "over <amount> ago")
def _long_ago(parser: Parser, amount: Amount) -> When:
    edge = move(midnight(parser.now), amount, -1)
    return When("daterange", "day", (Reading(None, edge, None, edge),), "", None, "before")


@rule(
    "bound",
    "<sign=before> about|around? <whole>",
    "<sign=after> about|around? <whole>",
    "<sign=since> <whole>",
    "<sign=until> <whole>",
    "<sign=untilday> <whole>",
)
def _bounded(_: Parser, sign: str, whole: When) -> When | None:
    if whole.kind == "daterange" and whole.grain in ("minute", "hour", "second"):
        return None
    if sign == "after" and whole.modifier == "" and whole.kind == "datetime":
        return bounded(whole, sign)
    return bounded(whole, sign)


@rule("bound", "<whole> ,? <openend>", "year? <whole> <openend>")
def _open(_: Parser, whole: When, openend: str) -> When | None:
    return bounded(whole, openend)


@rule("bound", "from <start=point> on", "from <start=point> onwards|onward|forward")
def _from_on(_: Parser, start: When | int) -> When | None:
    return bounded(start, "since") if isinstance(start, When) else None


@rule("bound", "till|to|until date", "up to now", "until|till now", "so far")
def _to_date(parser: Parser) -> When:
    today = midnight(parser.now)
    return When("daterange", "day", (Reading(None, today, None, today),), "PRESENT_REF", None, "before", 0.5)


# times


def bound_clock(at: Clock, sign: str, about: str = "") -> Clock:
    """A time as a bound; its options keep the time alone."""
    name = f"{sign}-{about}" if about else sign
    first, last = at.options[0]
    if at.part:
        edge = last if sign == "after" else first
        return replace(at, options=((int(edge or 0), None),), modifier=name)
    return replace(at, modifier=name, confidence=0.8)


@rule("sign", "<before>", "<after>", "<since>", "<until>", "<untilday>")
def _some_sign(_: Parser, **value: str) -> str:
    return next(iter(value.values()))


@rule("clockbound", "<sign> about|around? <at=clock>", "<sign> <at=mealpart>")
def _clock_bound(_: Parser, sign: str, at: Clock) -> Clock | None:
    if sign == "since" and at.part:
        return None
    return bound_clock(at, sign)


@rule("mealpart", "<meal>", "the? <partclock>")
def _meal_part(_: Parser, meal: tuple[int, int, str] | None = None, partclock: Clock | None = None) -> Clock | None:
    if meal is None:
        return partclock
    return Clock(((meal[0] * 3600, meal[1] * 3600),), "part", f"T{meal[2]}", meal[2], confidence=0.6)


@rule("clockbound", "<at=clock> <openend>")
def _clock_open(_: Parser, at: Clock, openend: str) -> Clock:
    return bound_clock(at, openend)


@rule(
    "bound",
    "<day> ,? <sign> about|around? <at=clock_at>",
    "<sign> about|around? <at=clock> on? <day>",
    "<at=clock> <sign=openend> on <day>",
)
def _day_bound(_: Parser, day: When, sign: str, at: Clock) -> When | None:
    """Tuesday after 1 pm."""
    if at.is_span or day.kind != "date":
        return None
    moment = at_time(day, at)
    return bounded(moment, sign) if moment else None


@rule(
    "around", "<about> <day=dayat>", "around|circa|near <day>", "around <day=daypart>", "around|circa the? <day=period>"
)
def _around(_: Parser, day: When, about: str = "") -> When | None:
    return replace(day, modifier="approx", confidence=0.7) if not day.modifier else None


@rule("aroundclock", "<about> <at=clock>", "at? <about> <at=clock>")
def _around_clock(_: Parser, about: str, at: Clock) -> Clock:
    return replace(at, modifier="approx")


@rule("aroundpart", "<about> <at=mealpart>")
def _around_part(_: Parser, about: str, at: Clock) -> Clock:
    return replace(at, modifier="approx")
