"""Amounts of time: three hours, two weeks and two days, half an hour."""

from __future__ import annotations

from dataclasses import replace

from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.values import SECONDS, Amount


@rule("vague", "a? few", "several", "some")
def _few(_: Parser) -> float:
    return 3.0


@rule("vague", "a? couple of?")
def _couple(_: Parser) -> float:
    return 2.0


@rule("fraction", "half")
def _half(_: Parser) -> float:
    return 0.5


@rule("fraction", "quarter")
def _quarter(_: Parser) -> float:
    return 0.25


@rule("units", "<unit>")
def _unit(_: Parser, unit: str) -> str:
    return unit


@rule("units", "business|working|work day|days", "workday|workdays|weekday|weekdays")
def _business(_: Parser) -> str:
    return "businessday"


@rule("amount1", "<count> -? <units>", "<count> +<units=letterunit>", "<count> -? <many=manyunits>")
def _counted(_: Parser, count: float, units: str = "", many: str = "") -> Amount | None:
    if units == "night" and count > 1:
        return None  # three night markets
    units = units or many
    return Amount(((units, count),)) if count < 100_000 else None


@rule("amount1", "<vague> <units>")
def _vague(_: Parser, vague: float, units: str) -> Amount:
    return Amount(((units, vague),), vague=True)


@rule("amount1", "a|an|another <units>", "a|one whole|full <units>")
def _one(_: Parser, units: str) -> Amount | None:
    return Amount(((units, 1.0),)) if units not in ("second", "quarter") else None


@rule("amount1", "the whole <units>", "the hour")
def _whole(_: Parser, units: str = "hour") -> Amount:
    return Amount(((units, 1.0),))


def _register_all() -> None:
    """All day, but all days is a repetition."""
    for unit in ("day", "night", "week", "month", "quarter", "year", "weekend"):
        rule("amount1", f"all {unit}", f"the entire {unit}")(lambda _, unit=unit: Amount(((unit, 1.0),)))


_register_all()


@rule("amount1", "<fraction> a|an <units>", "half <units>", "½ <units>", "a half <units>")
def _part(_: Parser, units: str, fraction: float = 0.5) -> Amount:
    return Amount(((units, fraction),))


@rule("amount1", "<count> and a? <fraction> <units>", "<count> <units> and a? <fraction>", "<count> +½ <units>")
def _and_a_half(_: Parser, count: float, units: str, fraction: float = 0.5) -> Amount:
    return Amount(((units, count + fraction),))


@rule("amount1", "a|an <units> and a <fraction>")
def _one_and_a_half(_: Parser, units: str, fraction: float) -> Amount:
    return Amount(((units, 1 + fraction),))


@rule("amount", "<amount1>")
def _single(_: Parser, amount1: Amount) -> Amount:
    return amount1


@rule("amount", "<amount1> and|,? <amount>")
def _row(_: Parser, amount1: Amount, amount: Amount) -> Amount | None:
    """Two hours and five minutes: the greater unit first."""
    if SECONDS[amount1.parts[-1][0]] <= SECONDS[amount.parts[0][0]]:
        return None
    return Amount(amount1.parts + amount.parts, vague=amount1.vague or amount.vague)


@rule("bounded", "more|longer than <amount>", "above <amount>")
def _more(_: Parser, amount: Amount) -> Amount:
    return replace(amount, modifier="more")


@rule("bounded", "less|fewer|shorter than <amount>", "under|below <amount>")
def _less(_: Parser, amount: Amount) -> Amount:
    return replace(amount, modifier="less")
