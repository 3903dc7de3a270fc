"""Numbers, dates and times of day in a text, each with its place and a value that does not depend on how it is written.

Made for comparing two texts ("twenty-five per cent" is "25%"), not for resolving dates: "Monday" stays a Monday.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction

from pocketlm.tasks.said import SMALL, TENS

MONTHS = "january february march april may june july august september october november december".split()  # noqa: SIM905
DAYS = "monday tuesday wednesday thursday friday saturday sunday".split()  # noqa: SIM905
RELATIVE = """today tonight tomorrow yesterday (?:last|next|this)\\s(?:night|week|month|year|spring|summer|autumn|fall|winter)
    spring summer autumn winter christmas easter""".split()  # noqa: SIM905
SCALES = {"hundred": 100, "thousand": 1000, "million": 10**6, "billion": 10**9, "trillion": 10**12, "dozen": 12}
SHORT_SCALES = {"k": 1000, "m": 10**6, "mn": 10**6, "bn": 10**9, "b": 10**9}
ORDINALS = {
    word: value
    for value, word in enumerate(
        """first second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth thirteenth fourteenth fifteenth
        sixteenth seventeenth eighteenth nineteenth twentieth""".split(),  # noqa: SIM905
        1,
    )
} | {tens.replace("ty", "tieth"): 10 * value for value, tens in enumerate(TENS, 2)}
UNITS = {
    alias: aliases.split()[0]
    for aliases in """% percent percents pct percentage|$ dollar dollars usd|£ gbp sterling|€ euro euros eur|¥ yen|cent cents
        pound pounds lb lbs|kg kilo kilos kilogram kilograms kilogramme kilogrammes|gram g grams|ounce oz ounces|ton tons tonne tonnes
        km kilometre kilometer kilometres kilometers|metre m meter metres meters|cm centimetre centimeter centimetres centimeters
        mm millimetre millimeter millimetres millimeters|mile miles mi|foot feet ft|inch inches|yard yards yd|acre acres
        litre l liter litres liters|ml millilitre milliliter millilitres milliliters|gallon gallons|pint pints
        hour hours h hr hrs|minute minutes min mins|second seconds s sec secs|day days|week weeks|month months|year years yr yrs
        century centuries|decade decades|° degree degrees|°c celsius|°f fahrenheit|mph|km/h kmh|kwh|gb gigabyte gigabytes|mb megabyte megabytes
        shilling shillings|penny pence pennies""".replace("\n", "|").split("|")
    for alias in aliases.split()
}
SAME_UNIT = {("pound", "£"), ("£", "pound"), ("°", "°c"), ("°", "°f")}  # claimed, in the source

_MONTH = rf"(?P<month>{'|'.join(MONTHS)}|jan|feb|mar|apr|jun|jul|aug|sept?|oct|nov|dec)\b\.?"
_ORDINAL = "|".join(sorted(ORDINALS, key=len, reverse=True))
_DAY = rf"(?P<day>\d{{1,2}}(?:st|nd|rd|th)?|(?:(?:twenty|thirty)[ -])?(?:{_ORDINAL}))"
_YEAR = r"(?P<year>\d{4})(?!\d)"
DATES = [
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"(?<!\d)(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)(?!\d)",
        rf"\b{_DAY}(?:\s+day)?(?:\s+of)?\s+{_MONTH}(?:,?\s+{_YEAR})?",
        rf"\b{_MONTH}\s+(?:the\s+)?{_DAY}\b(?!:)(?:,?\s+{_YEAR})?",
        rf"\b{_MONTH},?\s+(?:of\s+)?{_YEAR}",
        r"(?<!\d)(?P<first>\d{1,2})[./](?P<second>\d{1,2})[./](?P<year>\d{4})(?!\d)",
        rf"\b(?P<weekday>{'|'.join(DAYS)})s?\b",
        rf"\b(?P<relative>{'|'.join(RELATIVE)})\b",
    )
]
MONTH_ALONE = re.compile(rf"\b(?P<month>{'|'.join(MONTHS)}|(?:Jan|Feb|Apr|Jun|Jul|Aug|Sept?|Oct|Nov|Dec)(?=\b\.?))\b", re.IGNORECASE)  # fmt: skip
CUE = re.compile(r"(?:\b(?:in|of|since|until|till|by|from|to|and|last|next|this|early|late|mid|during|every)\b[\s-]*)\Z", re.IGNORECASE)  # fmt: skip
TIME = re.compile(
    r"(?<![\d.,:])(?P<hour>\d{1,2})(?:[:.](?P<minute>\d\d))?\s*(?:(?P<half>[ap])\.?m\b\.?|(?P<clock>o['’]clock))"
    r"|(?<![\d.,:])(?P<h>\d{1,2}):(?P<m>\d\d)(?!:?\d)|\b(?P<named>noon|midday|midnight)\b",
    re.IGNORECASE,
)
_UNIT = "|".join(sorted(map(re.escape, UNITS), key=len, reverse=True))
DIGITS = re.compile(
    r"(?P<front>[$£€¥]\s?)?(?<![\w.])(?P<sign>(?<!\d)[-−](?=\d))?(?P<digits>\d{1,3}(?:[,\u00a0\u202f]\d{3})+(?!\d)|\d+)(?P<decimals>\.\d+)?"
    r"(?:/(?P<under>[1-9]\d*)(?![\d/]))?(?P<part>[½¼¾])?"
    rf"(?P<ordinal>(?:st|nd|rd|th)\b)?(?P<decade>s\b(?<=0s))?(?:\s?(?P<scale>{'|'.join(SCALES)}|k|mn|bn|m|b)s?(?![\w]))?"
    rf"(?:[\s-]?(?:(?:per\s(?P<cent>cent)|(?P<unit>{_UNIT}))(?![\w])))?(?!\w)",
    re.IGNORECASE,
)
_SPOKEN = "|".join([*SMALL[::-1], *TENS, *ORDINALS, *SCALES, "half", "quarter", "thirds?", "quarters"])
SPOKEN = re.compile(
    rf"\b(?:an?\s+(?={'|'.join(SCALES)}))?(?:{_SPOKEN})s?(?:(?:\s+and\s+|[\s-]+)(?:{_SPOKEN})s?)*\b"
    rf"(?:[\s-](?:(?:per\s(?P<cent>cent)|(?P<unit>{_UNIT}))\b))?",
    re.IGNORECASE,
)
PARTS = {"½": Fraction(1, 2), "¼": Fraction(1, 4), "¾": Fraction(3, 4)}
BETWEEN = re.compile(
    r"\s*(?:,|and|or|to|[-–—]|by|x|×)\s*", re.IGNORECASE
)  # numbers that share the unit behind the last


@dataclass(frozen=True)
class Figure:
    """A number, date or time of day.

    Attributes:
        kind: number, date or time.
        start, stop: its characters.
        value: number: a Fraction. date: (year, month, day), 0 where it does not say; or a word, such as monday or yesterday.
            time: minutes since midnight.
        unit: of a number, one name for all its spellings; of a time: am, pm, or empty where it does not say.
        ordinal: a number that is a place in an order.
    """

    kind: str
    start: int
    stop: int
    value: Fraction | tuple[int, int, int] | str | int
    unit: str = ""
    ordinal: bool = False


def figures(text: str) -> list[Figure]:
    """All of them, in order. None overlaps another, but a date that can be read in two ways is there twice."""
    found: list[Figure] = []
    rest = text
    for reader in (_dates, _times, _numbers, _spoken):
        for figure in list(reader(rest)):
            found.append(figure)
            rest = rest[: figure.start] + "\0" * (figure.stop - figure.start) + rest[figure.stop :]
    return _with_shared_units(text, sorted(found, key=lambda figure: figure.start))


def says(claim: Figure, source: Figure) -> bool:
    """Whether a source's figure says all that a claimed one says; the source may say more."""
    if claim.kind == "number" and source.kind == "date":
        return _is_part(claim, source)
    if claim.kind != source.kind:
        return False
    if claim.kind == "time":
        return _same_time(claim, source)
    if claim.kind == "date":
        if isinstance(claim.value, str) or isinstance(source.value, str):
            return claim.value == source.value
        assert isinstance(claim.value, tuple) and isinstance(source.value, tuple)
        return all(one in (0, other) for one, other in zip(claim.value, source.value, strict=True))
    same = not claim.unit or claim.unit == source.unit or (claim.unit, source.unit) in SAME_UNIT
    return claim.value == source.value and claim.ordinal == source.ordinal and same


def _is_part(claim: Figure, date: Figure) -> bool:
    """A bare year, or "the 5th", of a date."""
    if claim.unit or not isinstance(date.value, tuple):
        return False
    return claim.value == (date.value[2] if claim.ordinal else date.value[0]) != 0


def _same_time(claim: Figure, source: Figure) -> bool:
    assert isinstance(claim.value, int) and isinstance(source.value, int)
    if claim.unit and source.unit:
        return claim.value == source.value
    return not claim.unit and claim.value % 720 == source.value % 720


def _dates(text: str) -> Iterator[Figure]:
    taken: list[tuple[int, int]] = []
    for pattern in (*DATES, MONTH_ALONE):
        for match in pattern.finditer(text):
            if any(match.start() < stop and start < match.end() for start, stop in taken):
                continue
            if pattern is MONTH_ALONE and not _is_month(match, text):
                continue
            for value in _date_values(match):
                taken.append(match.span())
                yield Figure("date", *match.span(), value)


def _is_month(match: re.Match[str], text: str) -> bool:
    """May and march are other words too."""
    if not match[0][0].isupper():
        return False
    return match[0].lower() not in ("may", "march") or CUE.search(text, 0, match.start()) is not None


def _date_values(match: re.Match[str]) -> Iterator[tuple[int, int, int] | str]:
    groups = {name: value.lower() for name, value in match.groupdict().items() if value}
    if word := groups.get("weekday") or groups.get("relative"):
        yield re.sub(r"\s+", " ", word)
        return
    year = int(groups.get("year", 0))
    if "first" in groups:  # day and month in the order of either side of the ocean
        first, second = int(groups["first"]), int(groups["second"])
        for day, month in {(first, second), (second, first)}:
            if 1 <= month <= 12 and 1 <= day <= 31:
                yield (year, month, day)
        return
    month_said = groups["month"]
    month = int(month_said) if month_said.isdigit() else [name[:3] for name in MONTHS].index(month_said[:3]) + 1
    yield (year, month, _day(groups.get("day", "")))


def _day(said: str) -> int:
    digits = re.match(r"\d+", said)
    if digits or not said:
        return int(digits[0]) if digits else 0
    tens, _, ones = said.replace("-", " ").rpartition(" ")
    return (10 * (TENS.index(tens) + 2) if tens else 0) + ORDINALS[ones]


def _times(text: str) -> Iterator[Figure]:
    for match in TIME.finditer(text):
        if match["named"]:
            yield Figure("time", *match.span(), 0 if match["named"].lower() == "midnight" else 720, "pm")
            continue
        hour, minute = int(match["hour"] or match["h"]), int(match["minute"] or match["m"] or 0)
        if hour > 24 or minute > 59:
            continue
        half = f"{match['half'].lower()}m" if match["half"] else "pm" if hour > 12 else ""
        hours = hour % 12 + (12 if half == "pm" else 0) if match["half"] else hour
        yield Figure("time", *match.span(), 60 * hours + minute, half)


def _numbers(text: str) -> Iterator[Figure]:
    for match in DIGITS.finditer(text):
        value = Fraction(re.sub(r"\D", "", match["digits"]) + (match["decimals"] or ""))
        value = (value / int(match["under"] or 1) + PARTS.get(match["part"] or "", 0)) * (-1 if match["sign"] else 1)
        scale, unit = (match["scale"] or "").lower(), (match["unit"] or "").lower()
        if scale == "m" and not match["front"]:  # metres
            scale, unit = "", "m"
        value *= SCALES.get(scale, SHORT_SCALES.get(scale, 1))
        name = UNITS[match["front"].strip()] if match["front"] else "%" if match["cent"] else UNITS.get(unit, "")
        if match["decade"]:
            name = "decade"
        yield Figure("number", *match.span(), value, name, bool(match["ordinal"]))


def _spoken(text: str) -> Iterator[Figure]:
    for match in SPOKEN.finditer(text):
        said = text[match.start() : match.start("unit") if match["unit"] else match.end()].lower()
        said = said[: -len("per cent")] if match["cent"] else said
        unit = "%" if match["cent"] else UNITS.get((match["unit"] or "").lower(), "")
        for value, ordinal in _values(re.findall(r"[a-z]+", said)):
            yield Figure("number", *match.span(), value, unit, ordinal)


def _values(said: list[str]) -> list[tuple[Fraction, bool]]:
    """The numbers that a run of number words says: "two thousand and five" one, "nineteen sixty-five" one (a year)."""
    found: list[tuple[Fraction, bool]] = []
    total = group = Fraction(0)
    last = 0  # the size of what may follow: 100 after a hundred, 10 after tens, 1 after ones

    def close(ordinal: bool = False) -> None:
        nonlocal total, group, last
        if last:
            found.append((total + group, ordinal))
        total, group, last = Fraction(0), Fraction(0), 0

    for word in said:
        single = word if word in ORDINALS or word in SMALL else word.removesuffix("s")
        if single in ("half", "quarter", "third") and (word != single or single != "third"):
            times, last = group if last else Fraction(1), 0
            close()
            found.append((times / {"half": 2, "quarter": 4, "third": 3}[single], False))
        elif single in SCALES:
            size = SCALES[single]
            counted = (group or Fraction(1)) * size
            total, group = (total, counted) if size <= 100 else (total + counted, Fraction(0))
            last = size
        elif single in SMALL or single in TENS or single in ORDINALS:
            value = _small(single)
            if last and (last <= 1 or (last == 10 and value >= 10)):
                close()
            group, last = group + value, 10 if value >= 20 and value % 10 == 0 else 1
            if single in ORDINALS:
                close(ordinal=True)
    close()
    return _years(found)


def _small(word: str) -> int:
    if word in ORDINALS:
        return ORDINALS[word]
    return SMALL.index(word) if word in SMALL else 10 * (TENS.index(word) + 2)


def _years(found: list[tuple[Fraction, bool]]) -> list[tuple[Fraction, bool]]:
    if len(found) == 2 and not found[1][1] and 10 <= found[0][0] <= 20 and 10 <= found[1][0] <= 99:
        return [(found[0][0] * 100 + found[1][0], False)]
    return found


def _with_shared_units(text: str, found: list[Figure]) -> list[Figure]:
    """ "3 or 4 km": both are kilometres."""
    made = list(found)
    for at in range(len(made) - 2, -1, -1):
        one, after = made[at], made[at + 1]
        if one.kind == after.kind == "number" and not one.unit and BETWEEN.fullmatch(text, one.stop, after.start):
            made[at] = Figure(one.kind, one.start, one.stop, one.value, after.unit, one.ordinal)
    return made
