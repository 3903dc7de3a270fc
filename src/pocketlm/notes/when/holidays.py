"""Days of the year with a name, and the rules for their dates."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta

from pocketlm.notes.when.values import nth_weekday

Rule = Callable[[int], "date | None"]


def easter(year: int) -> date | None:
    """Easter Sunday, Gregorian (J. Meeus, Astronomical Algorithms, chapter 8)."""
    a, (b, c) = year % 19, divmod(year, 100)
    (d, e), g = divmod(b, 4), (8 * b + 13) // 25
    h = (19 * a + b - d - g + 15) % 30
    i, k = divmod(c, 4)
    rest = (32 + 2 * e + 2 * i - h - k) % 7
    m = (a + 11 * h + 22 * rest) // 451
    month, day = divmod(h + rest - 7 * m + 114, 31)
    return date(year, month, day + 1)


def fixed(month: int, day: int) -> Rule:
    """The same date every year."""
    return lambda year: date(year, month, day)


def from_easter(days: int) -> Rule:
    """Days after Easter Sunday."""

    def rule(year: int) -> date | None:
        sunday = easter(year)
        return sunday and sunday + timedelta(days=days)

    return rule


def nth(month: int, weekday: int, count: int, more: int = 0) -> Rule:
    """The count-th day of the week of a month, and days after it."""
    return lambda year: nth_weekday(year, month, weekday, count) + timedelta(days=more)


# names as they are written, without apostrophes; `day` may follow most of them
HOLIDAYS: dict[str, Rule] = {
    name: rule
    for names, rule in (
        ("new year s day|new years day|new year day|new year|new years|new year s", fixed(1, 1)),
        ("new year s eve|new years eve|new year eve|hogmanay", fixed(12, 31)),
        ("martin luther king day|martin luther king jr day|mlk day", nth(1, 0, 3)),
        ("twelfth night", fixed(1, 5)),
        ("epiphany|twelfth day", fixed(1, 6)),
        ("candlemas|candlemas day|groundhog day", fixed(2, 2)),
        ("valentine s day|valentines day|valentine day|saint valentine s day|st valentine s day", fixed(2, 14)),
        ("presidents day|president s day|washington s birthday", nth(2, 0, 3)),
        ("international women s day|women s day|womens day", fixed(3, 8)),
        ("saint patrick|saint patrick s day|saint patricks day|st patrick s day|st . patrick s day", fixed(3, 17)),
        ("lady day", fixed(3, 25)),
        ("april fool s day|april fools day|april fools|april fool day", fixed(4, 1)),
        ("earth day", fixed(4, 22)),
        ("st george s day|saint george s day", fixed(4, 23)),
        ("may day|international workers day|international worker s day|workers day|worker s day", fixed(5, 1)),
        ("cinco de mayo", fixed(5, 5)),
        ("star wars day", fixed(5, 4)),
        ("mother s day|mothers day", nth(5, 6, 2)),
        ("memorial day", nth(5, 0, -1)),
        ("midsummer day|midsummer", fixed(6, 24)),
        ("juneteenth|freedom day|jubilee day|emancipation day", fixed(6, 19)),
        ("father s day|fathers day", nth(6, 6, 3)),
        ("canada day", fixed(7, 1)),
        ("independence day|us independence day|american independence day", fixed(7, 4)),
        ("bastille day", fixed(7, 14)),
        ("labor day|labour day", nth(9, 0, 1)),
        ("michaelmas|michaelmas day", fixed(9, 29)),
        ("columbus day|indigenous peoples day", nth(10, 0, 2)),
        ("halloween|halloween day|all hallows eve", fixed(10, 31)),
        ("all saints day|all saint s day|all hallows", fixed(11, 1)),
        ("all souls day|all soul s day", fixed(11, 2)),
        ("guy fawkes day|guy fawkes night|bonfire night|gunpowder treason day", fixed(11, 5)),
        ("veterans day|veteran s day|armistice day|remembrance day", fixed(11, 11)),
        ("singles day|single s day", fixed(11, 11)),
        ("thanksgiving|thanksgiving day", nth(11, 3, 4)),
        ("black friday", nth(11, 3, 4, 1)),
        ("cyber monday", nth(11, 3, 4, 4)),
        ("christmas eve|xmas eve", fixed(12, 24)),
        ("christmas|christmas day|xmas|xmas day", fixed(12, 25)),
        ("boxing day|st stephen s day", fixed(12, 26)),
        ("mardi gras|fat tuesday|shrove tuesday|pancake day", from_easter(-47)),
        ("ash wednesday", from_easter(-46)),
        ("palm sunday", from_easter(-7)),
        ("maundy thursday", from_easter(-3)),
        ("good friday", from_easter(-2)),
        ("easter|easter sunday|easter day", from_easter(0)),
        ("easter monday", from_easter(1)),
        ("ascension day", from_easter(39)),
        ("whit sunday|whitsunday|whitsuntide|pentecost", from_easter(49)),
        ("whit monday", from_easter(50)),
        ("trinity sunday", from_easter(56)),
        ("corpus christi", from_easter(60)),
    )
    for name in names.split("|")
}
# holidays whose weekend begins with them
LONG_WEEKENDS = {"thanksgiving", "thanksgiving day", "good friday"}
