"""Finds the dates and times of an English text and resolves them against the moment of writing.

The grammar is in when/: words in tables, rules over them. Deterministic; readings that the text leaves open are all kept.
"""

from __future__ import annotations

import importlib
import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from pocketlm.notes.when.engine import Parser, Token, tokens_of, vocabulary
from pocketlm.notes.when.fits import SMALL, fits
from pocketlm.notes.when.holidays import HOLIDAYS
from pocketlm.notes.when.repeats import Repeat
from pocketlm.notes.when.values import Amount, Clock, Reading, When, midnight
from pocketlm.notes.when.words import TABLES, word_list

# the first of these that gives the longest expression names it
TOP = word_list(
    "amount bounded day period moment dayclocks dayat daypart set range bound around clocks clockbound aroundclock"
    " aroundpart clock_alone clock parts day_on day_in"
)
NAMES = word_list("month weekday weekdays unit partname meal season dayword adverb decadename plural")
ANCHORS = frozenset(f"<{name}>" for name in ("int", *NAMES))
NUMBERS = frozenset(("<digit>", "<teen>", "<tens>"))
# further words of which an expression may consist
OTHERS = set(
    word_list(
        "noon midday noonish noontime noonday midnight now present moment date otd eod eoy eom eow cob eob century time tonight"
        " tonite yesternight oclock weekday weekdays workweek workday workdays hundred thousand mornings afternoons evenings"
        " lunchtime dinnertime"
    )
)
OTHERS |= {
    word
    for name in HOLIDAYS
    for word in name.split()
    if len(word) > 4 and word not in ("saint", "april", "international")
}
WORDS_OF_DATES = OTHERS | {word for name in (*NAMES, "digit", "teen", "tens") for word in TABLES.get(name, ())} - {
    "h",
    "second",
}
MAYBE = re.compile(
    rf"\d|\b(?:{'|'.join(sorted(map(re.escape, WORDS_OF_DATES), key=len, reverse=True))}|o['’]clock)\b", re.IGNORECASE
)


@dataclass(frozen=True)
class Dated:
    """A date or time expression of a text, resolved.

    Attributes:
        start, end: characters of the text, half open.
        kind: date, time, datetime, daterange, timerange, datetimerange, duration or set.
        grain: second, minute, hour, part (of a day), day, weekend, week, month, season, quarter, year, decade or century.
        first: the moment it begins; None where that is open or unknown.
        last: the first moment that is no longer in it; None where that is open ("since 2015") or unknown.
        readings: all ways to read it, the preferred one first; empty where it names no moment: a duration, a set, the 30th
            of February. A time without a day is of the day of writing.
        confidence: 0 to 1.
        timex: like the value of a TIMEX3 tag.
        modifier: before, after, since, until, approx, start, mid, end, more or less, or empty.
        rrule: of a set, RFC 5545.
        seconds: of a duration.
    """

    start: int
    end: int
    text: str
    kind: str
    grain: str
    first: datetime | None
    last: datetime | None
    readings: tuple[Reading, ...]
    confidence: float
    timex: str = ""
    modifier: str = ""
    rrule: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Period:
    """What a query asks for: moments from `first` up to `last` (half open, None: open), and where the query says so."""

    start: int
    end: int
    text: str
    first: datetime | None
    last: datetime | None
    grain: str
    confidence: float


UNDATED = datetime(
    12, 1, 2
)  # stands for an unknown day of writing: what is reckoned from it stays in the first centuries
FIRST_YEAR = 1000


def is_fixed(one: Dated) -> bool:
    """Whether it is resolved, and to a year that is known also where the day of writing is not."""
    moment = one.first or one.last
    return moment is not None and moment.year >= FIRST_YEAR


def find_dates(text: str, written: datetime, lean: str = "past") -> list[Dated]:
    """The date and time expressions of a text, in order, none overlapping another.

    Args:
        written: the moment that "yesterday" and "in May" are meant from.
        lean: which reading is preferred where one lies before and one after that moment: past or future.
    """
    if not MAYBE.search(text):
        return []
    importlib.import_module("pocketlm.notes.when.grammar")  # a third of a second, when first needed
    tokens = tokens_of(text)
    near = _near_anchors(tokens)
    parser = Parser(tokens, written.replace(tzinfo=None), lean)
    found: list[Dated] = []
    at = 0
    while at < len(tokens):
        one = _longest(parser, text, at) if near[at] else None
        if one is None:
            at += 1
            continue
        end, dated = one
        found.append(dated)
        at = end
    return found


def period_of(query: str, today: datetime) -> Period | None:
    """What time a search query asks for ("dinners last spring", "after 2010 and before 2018"); None where it names none.

    The span takes the preposition before it along, so that what is left of the query can be searched for. Where the year is
    open, the last one that has begun is meant. A bound on each side makes one period.
    """
    found = [
        one
        for one in find_dates(query, today)
        if one.readings and one.kind in ("date", "daterange", "datetime", "datetimerange")
    ]
    if not found:
        return None
    one = max(found, key=lambda one: (one.confidence >= 0.4, one.end - one.start))
    first, last, start, end = one.first, one.last, one.start, one.end
    for other in found:
        if (first is None) != (other.first is None) and (last is None) != (other.last is None):
            first, last = first or other.first, last or other.last
            start, end = min(start, other.start), max(end, other.end)
    if (first is None and last is None) or (first and last and first >= last):
        return None
    lead = LEAD.search(query[:start])
    start = lead.start() if lead else start
    return Period(start, end, query[start:end], first, last, one.grain, one.confidence)


LEAD = re.compile(
    r"\b(?:(?:in|on|during|from|of|at|for|around|within|over|throughout)\s+)+(?:the\s+)?$|\bthe\s+$", re.IGNORECASE
)


def _near_anchors(tokens: list[Token]) -> list[bool]:
    """For every token whether an expression may begin there: words that the grammar knows follow up to one of dates."""
    known, near = vocabulary(), [False] * (len(tokens) + 1)
    for at in range(len(tokens) - 1, -1, -1):
        token = tokens[at]
        if not token.keys.isdisjoint(ANCHORS) or token.text in OTHERS or token.text == "o'clock":
            near[at] = True
        elif token.keys.isdisjoint(NUMBERS):
            near[at] = near[at + 1] and not token.keys.isdisjoint(known)
        else:  # the word of a number says nothing alone
            near[at] = at + 1 < len(tokens) and not tokens[at + 1].keys.isdisjoint(known)
    return near


def _longest(parser: Parser, text: str, at: int) -> tuple[int, Dated] | None:
    """The longest acceptable expression that begins at a token."""
    for end, (symbol, value) in sorted(_ends(parser, at).items(), reverse=True):
        if fits(parser.tokens, at, end, symbol) and not _better_later(parser, at, end):
            return end, _dated(parser, text, at, end, value)
    return None


def _ends(parser: Parser, at: int) -> dict[int, tuple[str, Any]]:
    ends: dict[int, tuple[str, Any]] = {}
    for symbol in TOP:
        for end, value in parser.parse(symbol, at).items():
            if parser.tokens[end - 1].text == "." and parser.tokens[end - 2].text not in ("m", "am", "pm"):
                end -= 1  # the full stop of the sentence, or of an abbreviation
            ends.setdefault(end, (symbol, value))
    return ends


def _better_later(parser: Parser, at: int, end: int) -> bool:
    """Whether an expression that begins after a small word here goes on further: "the week 31" is week 31."""
    if parser.tokens[at].text not in SMALL:
        return False
    return any(
        later > end and fits(parser.tokens, at + 1, later, symbol)
        for later, (symbol, _) in _ends(parser, at + 1).items()
    )


# values to results


def _dated(parser: Parser, text: str, at: int, end: int, value: Any) -> Dated:
    start, stop = parser.tokens[at].start, parser.tokens[end - 1].end
    return Dated(start, stop, text[start:stop], *_result(parser, value))


def _result(parser: Parser, value: Any) -> tuple[Any, ...]:
    if isinstance(value, Repeat):
        return "set", value.grain, None, None, (), 0.8, value.timex, "", value.rrule
    if isinstance(value, Amount):
        confidence = 0.6 if value.vague else 0.9
        return "duration", value.grain, None, None, (), confidence, value.timex, value.modifier, "", value.seconds
    if isinstance(value, Clock):
        return _clock_result(parser, value)
    assert isinstance(value, When)
    readings = _preferred_first(value.readings, parser)
    first, last = (readings[0].first, readings[0].last) if readings else (None, None)
    confidence = value.confidence * (0.85 if len(readings) > 1 else 1)
    return value.kind, value.grain, first, last, readings, round(confidence, 2), value.timex, value.modifier


def _preferred_first(readings: tuple[Reading, ...], parser: Parser) -> tuple[Reading, ...]:
    """The nearest on the side that is leaned to, then the others by their distance."""
    now, past = parser.now, parser.lean == "past"

    def rank(one: Reading) -> tuple[bool, float]:
        moment = one.first or one.last or now
        wrong = midnight(moment) > now if past else (one.last or moment) <= midnight(now)
        return wrong, abs((moment - now).total_seconds())

    return tuple(sorted(dict.fromkeys(readings), key=rank))


def _clock_result(parser: Parser, value: Clock) -> tuple[Any, ...]:
    day = midnight(parser.now)
    step = timedelta(seconds={"hour": 3600, "minute": 60}.get(value.grain, 1))
    sign = value.modifier.split("-")[0]
    readings = []
    for start, stop in value.options:
        first = day + timedelta(seconds=start)
        if sign in ("before", "until"):
            one = Reading(None, first, None, first)
        elif sign in ("after", "since"):
            one = Reading(first, None, first, None)
        elif stop is None:
            one = Reading(first, first + step, first, first)
        else:
            last = day + timedelta(seconds=stop)
            one = Reading(first, last, first, last)
        readings.append(one)
    kind = "timerange" if value.is_span else "time"
    confidence = value.confidence * (0.8 if len(readings) > 1 else 1)
    return (
        kind,
        value.grain,
        readings[0].first,
        readings[0].last,
        tuple(readings),
        round(confidence, 2),
        value.timex,
        value.modifier,
    )
