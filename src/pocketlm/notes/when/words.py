"""The words of English dates and times. A word may be several things: `second` is an ordinal and a unit."""

from __future__ import annotations

from collections import defaultdict
from typing import Any


def word_list(text: str) -> tuple[str, ...]:
    """The words of a text."""
    return tuple(text.split())


def _each(text: str, start: int = 1, step: int = 1) -> dict[str, int]:
    """One value a group of synonyms: `jan|january feb|february` are 1 and 2."""
    groups = enumerate(text.split())
    return {word: start + step * number for number, group in groups for word in group.split("|")}


MONTHS = _each(
    "january|jan february|feb march|mar april|apr may june|jun july|jul august|aug september|sept|sep october|oct"
    " november|nov december|dec"
)
WEEKDAYS = _each(
    "monday|mon tuesday|tues|tue wednesday|weds|wed thursday|thurs|thur|thu friday|fri saturday|sat sunday|sun"
    "|lord's-day",
    start=0,
)
WEEKDAYS_MANY = _each("mondays tuesdays wednesdays thursdays fridays saturdays sundays", start=0)
DIGITS = _each("one two three four five six seven eight nine")
TEENS = _each("ten eleven twelve|dozen thirteen fourteen fifteen sixteen seventeen eighteen nineteen", start=10)
TENS = _each("twenty thirty forty|fourty fifty sixty seventy eighty ninety", start=20, step=10)
ORDINALS = _each(
    "first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth|twelveth thirteenth fourteenth"
    " fifteenth sixteenth seventeenth eighteenth nineteenth twentieth"
) | {"thirtieth": 30}
DECADES = _each("twenties thirties forties fifties sixties seventies eighties nineties", start=20, step=10)
UNITS = {
    word: name
    for name, words in {
        "second": "second seconds sec secs",
        "minute": "minute minutes min mins",
        "hour": "hour hours hr hrs h",
        "day": "day days",
        "night": "night nights",
        "week": "week weeks wk wks se'nnight sennight",
        "fortnight": "fortnight fortnights",
        "weekend": "weekend weekends",
        "month": "month months",
        "quarter": "quarter quarters",
        "year": "year years yr yrs",
        "decade": "decade decades",
        "century": "century centuries",
    }.items()
    for word in words.split()
}
LETTER_UNITS = {"h": "hour", "d": "day", "w": "week", "y": "year"}
MANY = {word: name for word, name in UNITS.items() if (word.endswith("s") and len(word) > 3) or word == "centuries"}
# hours of a day, and the name a TIMEX value gives them
PARTS = {
    "morning": (8, 12, "MO"),
    "afternoon": (12, 16, "AF"),
    "evening": (16, 20, "EV"),
    "night": (20, 24, "NI"),
    "nite": (20, 24, "NI"),
    "daytime": (8, 18, "DT"),
    "nighttime": (0, 8, "NT"),
}
MEALS = {"breakfast": (8, 12, "MEB"), "brunch": (8, 12, "MER"), "lunch": (11, 13, "MEL"), "dinner": (16, 20, "MED")}
MEALS |= {f"{name}time": value for name, value in MEALS.items()}
SEASONS = {"spring": "SP", "summer": "SU", "autumn": "FA", "fall": "FA", "winter": "WI"}
SEASON_MONTHS = {"SP": 3, "SU": 6, "FA": 9, "WI": 12}  # meteorological, northern half
SHIFTS = {
    word: (name, by)
    for by, name, words in (
        (0, "this", "this current"),
        (1, "next", "next following"),
        (1, "coming", "coming upcoming"),
        (-1, "last", "last previous preceding"),
        (-1, "past", "past"),
        (0, "that", "same that"),
    )
    for word in words.split()
}
EARLY = {"early": "start", "earlier": "start", "mid": "mid", "late": "end", "later": "end"}
EDGES = {"beginning": "start", "start": "start", "outset": "start", "middle": "mid", "end": "end", "close": "end"}
DAYS = {"today": 0, "tomorrow": 1, "tmr": 1, "tmrw": 1, "yesterday": -1}
ADVERBS = {
    "hourly": "PT1H",
    "daily": "P1D",
    "everyday": "P1D",
    "nightly": "P1D",
    "weekly": "P1W",
    "biweekly": "P2W",
    "fortnightly": "P2W",
    "monthly": "P1M",
    "bimonthly": "P2M",
    "quarterly": "P3M",
    "semiannual": "P0.5Y",
    "semiannually": "P0.5Y",
    "annual": "P1Y",
    "annually": "P1Y",
    "yearly": "P1Y",
    "biannual": "P0.5Y",
}

TABLES: dict[str, dict[str, Any]] = {
    "month": MONTHS,
    "weekday": WEEKDAYS,
    "weekdays": WEEKDAYS_MANY,
    "digit": DIGITS,
    "teen": TEENS,
    "tens": TENS,
    "ordinal": ORDINALS,
    "decadename": DECADES,
    "unit": UNITS,
    "bigunit": {"decade": "decade", "century": "century"},
    "letterunit": LETTER_UNITS,
    "partname": PARTS,
    "meal": MEALS,
    "season": SEASONS,
    "shift": SHIFTS,
    "early": EARLY,
    "edgename": EDGES,
    "manyunits": MANY,
    "dayword": DAYS,
    "adverb": ADVERBS,
}


def _by_word() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = defaultdict(dict)
    for name, table in TABLES.items():
        for word, value in table.items():
            found[word][name] = value
    return dict(found)


# word -> what it may be -> its value there
WORDS = _by_word()
# words that also mean something else: alone they are no date
DOUBTFUL = {"may", "march", "mar", "jun", "dec", "sep", "jan", "sat", "sun", "wed", "mon", "fri", "thu", "tue"}
DOUBTFUL |= {"second", "fall", "spring", "min", "sec", "night", "h"}
