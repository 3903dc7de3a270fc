"""Money and numbers with units: found, with their value in one notation."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any

SYMBOLS = {
    "$": "USD",
    "US$": "USD",
    "€": "EUR",
    "£": "GBP",
    "¥": "JPY",
    "₹": "INR",
    "C$": "CAD",
    "A$": "AUD",
    "CHF": "CHF",
}
NAMES = {
    "dollar": "USD", "dollars": "USD", "bucks": "USD", "euro": "EUR", "euros": "EUR", "pound": "GBP", "pounds": "GBP",
    "quid": "GBP", "yen": "JPY", "rupees": "INR", "francs": "CHF", "usd": "USD", "eur": "EUR", "gbp": "GBP",
    "jpy": "JPY", "inr": "INR", "cad": "CAD", "aud": "AUD", "chf": "CHF",
}  # fmt: skip
SCALES = {"k": 3, "thousand": 3, "m": 6, "mn": 6, "million": 6, "bn": 9, "b": 9, "billion": 9, "trillion": 12}
# unit -> (what it measures, its symbol, how many of the symbol it is)
UNITS: dict[str, tuple[str, str, float]] = {
    word: (dimension, symbol, factor)
    for dimension, symbol, factor, words in (
        ("length", "m", 0.001, "mm millimetre millimetres millimeter millimeters"),
        ("length", "m", 0.01, "cm centimetre centimetres centimeter centimeters"),
        ("length", "m", 1, "m metre metres meter meters"),
        ("length", "m", 1000, "km kilometre kilometres kilometer kilometers kms"),
        ("length", "m", 1609.344, "mile miles mi"),
        ("length", "m", 0.3048, "foot feet ft"),
        ("length", "m", 0.0254, "inch inches"),
        ("length", "m", 0.9144, "yard yards yd"),
        ("mass", "kg", 0.001, "g gram grams gramme grammes"),
        ("mass", "kg", 1, "kg kilo kilos kilogram kilograms"),
        ("mass", "kg", 1e-6, "mg milligram milligrams"),
        ("mass", "kg", 1000, "tonne tonnes"),
        ("mass", "kg", 0.45359237, "lb lbs"),
        ("mass", "kg", 0.028349523125, "oz ounce ounces"),
        ("volume", "l", 1, "l litre litres liter liters"),
        ("volume", "l", 0.001, "ml millilitre millilitres milliliter milliliters"),
        ("volume", "l", 0.2365882365, "cup cups"),
        ("volume", "l", 0.014786764781, "tbsp tablespoon tablespoons"),
        ("volume", "l", 0.0049289215938, "tsp teaspoon teaspoons"),
        ("volume", "l", 3.785411784, "gallon gallons"),
        ("volume", "l", 0.56826125, "pint pints"),
        ("speed", "km/h", 1, "km/h kmh kph"),
        ("speed", "km/h", 1.609344, "mph"),
        ("temperature", "°C", 1, "°c ℃ celsius"),
        ("temperature", "°F", 1, "°f fahrenheit"),
        ("share", "%", 1, "% percent"),
        ("data", "B", 1e3, "kb"),
        ("data", "B", 1e6, "mb megabytes"),
        ("data", "B", 1e9, "gb gigabytes"),
        ("data", "B", 1e12, "tb terabytes"),
        ("energy", "kcal", 1, "kcal calories"),
        ("energy", "kWh", 1, "kwh"),
        ("power", "W", 1, "w watt watts"),
        ("power", "W", 1000, "kw"),
        ("frequency", "bpm", 1, "bpm"),
        ("count", "steps", 1, "steps"),
    )
    for word in words.split()
}
NUMBER = r"(?<![\w.,/-])(?P<number>[-+]?\d{1,3}(?:[,. ]\d{3})+(?:[.,]\d{1,2})?|[-+]?\d+(?:[.,]\d+)?)"
UNIT = "|".join(re.escape(word) for word in sorted(UNITS, key=len, reverse=True))
SCALE = "|".join(sorted(SCALES, key=len, reverse=True))
SIGN = "|".join(re.escape(sign) for sign in sorted(SYMBOLS, key=len, reverse=True))
QUANTITY = re.compile(rf"{NUMBER}\s?-?(?P<unit>{UNIT})(?![\w/])", re.IGNORECASE)
MONEY = re.compile(
    rf"(?<![\w$€£])(?P<sign>{SIGN})\s?(?P<before>\d[\d,.]*\d|\d)(?:\s?(?P<scale>{SCALE})(?!\w))?"
    rf"|{NUMBER}(?:\s?(?P<scale2>{SCALE}))?\s?(?P<name>€|£|{'|'.join(NAMES)})(?!\w)",
    re.IGNORECASE,
)
OLD_MONEY = re.compile(
    r"(?<![\w.])(?:£\s?(?P<pounds>\d[\d,]*)(?:\s?(?P<s1>\d{1,2})s\.?)?(?:\s?(?P<d1>\d{1,2})d\.?)?"
    r"|(?P<s2>\d{1,3})s\.?(?:\s?(?P<d2>\d{1,2})d\.?)?|(?P<d3>\d{1,2})d\.?)(?![\w.]*\w)"
)


@dataclass(frozen=True)
class Quantity:
    """A find: its span and its value in one notation."""

    start: int
    end: int
    value: dict[str, Any]
    confidence: float


def find_money(text: str) -> list[Quantity]:
    """Sums of money. Value: amount (decimal, as text) and currency (ISO 4217); shillings and pence are parts of a pound."""
    found = []
    old = [match for match in OLD_MONEY.finditer(text) if any(match[name] for name in ("s1", "d1", "s2", "d2", "d3"))]
    for match in old:
        pence = 240 * _int(match["pounds"]) + 12 * _int(match["s1"] or match["s2"])
        pence += _int(match["d1"] or match["d2"] or match["d3"])
        sure = 0.9 if match["pounds"] or match["d2"] else 0.5
        found.append(Quantity(*match.span(), {"amount": f"{Decimal(pence) / 240:.4f}", "currency": "GBP"}, sure))
    for match in MONEY.finditer(text):
        amount = decimal_of(match["before"] or match["number"])
        if amount is None or any(one.start < match.end() and match.start() < one.end for one in found):
            continue
        scale = (match["scale"] or match["scale2"] or "").lower()
        amount = amount.scaleb(SCALES[scale]) if scale else amount
        sign = (match["sign"] or match["name"]).upper()
        currency = SYMBOLS.get(sign) or NAMES[sign.lower()]
        end = match.end()
        while text[end - 1] in ".,":
            end -= 1
        sure = 0.6 if sign in ("POUND", "POUNDS") else 0.95
        found.append(Quantity(match.start(), end, {"amount": f"{amount:f}", "currency": currency}, sure))
    return sorted(found, key=lambda one: one.start)


def find_quantities(text: str) -> list[Quantity]:
    """Numbers with units. Value: number and unit as said, and the same in the unit of its dimension."""
    found = []
    for match in QUANTITY.finditer(text):
        number = decimal_of(match["number"])
        if number is None:
            continue
        dimension, symbol, factor = UNITS[match["unit"].lower()]
        value = {"number": float(number), "unit": match["unit"], "dimension": dimension}
        value |= {"standard": round(float(number) * factor, 9), "standard_unit": symbol}
        sure = 0.6 if len(match["unit"]) == 1 and match["unit"] != "%" else 0.9
        found.append(Quantity(*match.span(), value, sure))
    return found


def decimal_of(text: str) -> Decimal | None:
    """A number with signs for thousands: the last sign is the decimal one unless three figures follow it."""
    plain = text.strip(".,").replace(" ", "")
    last = max(plain.rfind("."), plain.rfind(","))
    if last >= 0:
        whole, part = re.sub(r"[.,]", "", plain[:last]), plain[last + 1 :]
        is_grouped = len(part) == 3 and (plain[last] == "," or plain.count(".") > 1)
        plain = whole + part if is_grouped else f"{whole}.{part}"
    try:
        return Decimal(plain)
    except InvalidOperation:
        return None


def _int(figures: str | None) -> int:
    return int((figures or "0").replace(",", ""))
