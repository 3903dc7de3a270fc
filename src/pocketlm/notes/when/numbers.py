"""Numbers in figures and words: counts, days of a month, years."""

from __future__ import annotations

from pocketlm.notes.when.engine import Parser, rule


@rule("small", "<digit>", "<teen>", "<tens>")
def _small(_: Parser, **word: int) -> int:
    return next(iter(word.values()))


@rule("small", "<tens> -? <digit>", "<tens> and <digit>")
def _compound(_: Parser, tens: int, digit: int) -> int:
    return tens + digit


@rule("count", "<int>")
def _figures(_: Parser, int: str) -> float | None:
    return float(int) if len(int) < 6 else None


@rule("count", "<int> +.|, +<more=int>")
def _decimal(_: Parser, int: str, more: str) -> float:
    return float(f"{int}.{more}")


@rule("count", "<small>")
def _word(_: Parser, small: int) -> float:
    return float(small)


@rule("count", "<small> hundred", "a hundred")
def _hundred(_: Parser, small: int = 1) -> float:
    return 100.0 * small


@rule("ord", "<ordinal>")
def _ordinal(_: Parser, ordinal: int) -> int:
    return ordinal


@rule("ord", "<int> +st|nd|rd|th")
def _ordinal_figure(_: Parser, int: str) -> int | None:
    return _to(int, 4)


@rule("ord", "<tens> -? <ordinal>")
def _ordinal_word(_: Parser, tens: int, ordinal: int) -> int | None:
    return tens + ordinal if ordinal < 10 else None


@rule("dom", "<ord>")
def _day_ordinal(_: Parser, ord: int) -> int | None:
    return ord if 1 <= ord <= 31 else None


@rule("figure", "<int>")
def _day_figure(_: Parser, int: str) -> int | None:
    day = _to(int, 2)
    return day if day and day <= 31 else None


@rule("dom", "<figure>", "<small>")
def _day_word(_: Parser, **value: int) -> int | None:
    day = next(iter(value.values()))
    return day if day <= 31 else None


@rule("year4", "<int>")
def _year(_: Parser, int: str) -> int | None:
    year = _to(int, 4) if len(int) == 4 else None
    return year if year and 1000 <= year <= 2999 else None


@rule("year2", "<int>", "'|’ +<int>")
def _short_year(_: Parser, int: str) -> int | None:
    return full_year(_to(int, 2) or 0) if len(int) == 2 else None


@rule("yearwords", "<century=small> <rest=small>")
def _year_words(_: Parser, century: int, rest: int) -> int | None:
    return 100 * century + rest if 13 <= century <= 20 and 10 <= rest <= 99 else None


@rule("yearwords", "<century=small> oh|o <digit>")
def _year_oh(_: Parser, century: int, digit: int) -> int | None:
    return 100 * century + digit if 13 <= century <= 20 else None


@rule("yearwords", "<century=small> hundred", "<century=small> hundred and? <small>")
def _year_hundred(_: Parser, century: int, small: int = 0) -> int | None:
    return 100 * century + small if 13 <= century <= 20 else None


@rule("yearwords", "two thousand", "two thousand and? <small>")
def _year_thousand(_: Parser, small: int = 0) -> int:
    return 2000 + small


@rule("year", "<year4>", "<yearwords>")
def _any_year(_: Parser, **value: int) -> int:
    return next(iter(value.values()))


def full_year(short: int) -> int:
    """The year that two figures most often mean: 00 to 39 are of this century."""
    return short + (2000 if short < 40 else 1900)


def _to(figures: str, most: int) -> int | None:
    return int(figures) if len(figures) <= most else None
