"""Where the values of a call stand in its request: as they are, or a number in words."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

Value = str | int  # a leaf of a call
SMALL = [
    "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve", "thirteen",
    "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen",
]  # fmt: skip
TENS = ["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
SPOKEN = re.compile(
    rf"\b(?:({'|'.join(TENS)})(?:[ -]({'|'.join(SMALL[1:10])})\b)?|({'|'.join(reversed(SMALL))})|(hundred))\b"
)


def leaves(value: Any) -> Iterator[Value]:
    """Strings and integers inside a JSON value."""
    if isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from leaves(item)
    elif (isinstance(value, str) and value) or (isinstance(value, int) and not isinstance(value, bool)):
        yield value


def replace(value: Any, old: Value, new: Value) -> Any:
    """A JSON value with every `old` inside it replaced."""
    if isinstance(value, dict):
        return {key: replace(item, old, new) for key, item in value.items()}
    if isinstance(value, list):
        return [replace(item, old, new) for item in value]
    return new if type(value) is type(old) and value == old else value


def lower(value: Any) -> Any:
    """A JSON value with its strings in lower case."""
    if isinstance(value, dict):
        return {key: lower(item) for key, item in value.items()}
    if isinstance(value, list):
        return [lower(item) for item in value]
    return value.lower() if isinstance(value, str) else value


def places(wording: str, text: str) -> list[int]:
    """Where `wording` stands in `text` as whole words."""
    return [m.start() for m in re.finditer(rf"(?<!\w){re.escape(wording)}(?!\w)", text)] if wording in text else []


def wordings(value: Value) -> list[str]:
    """How a value may be said: a string as it is, an integer in digits or in English words."""
    return [value] if isinstance(value, str) else [form for form in (str(value), words(value)) if form]


def said(value: Value, text: str) -> str:
    """The wording of a value that stands in the text exactly once, as whole words; empty where none does."""
    forms = wordings(value)
    return next((form for form in forms if len(places(form, text)) == 1 and text.count(form) == 1), "")


def by_mention(arguments: dict[str, Any], text: str) -> dict[str, Any]:
    """Arguments in the order in which the text first says them; what it does not say keeps its order at the end."""
    text = text.lower()

    def first(value: Any) -> int:
        told = [form.lower() for leaf in leaves(value) for form in wordings(leaf)]
        forms = [*told, *(form.replace("_", " ") for form in told)]
        return min((place for form in forms for place in places(form, text)), default=len(text))

    return dict(sorted(arguments.items(), key=lambda item: first(item[1])))


def words(value: int) -> str:
    """An integer under 100 in English words, else nothing."""
    if not 0 <= value < 100:
        return ""
    if value < len(SMALL):
        return SMALL[value]
    tens, ones = divmod(value, 10)
    return TENS[tens - 2] + (f" {SMALL[ones]}" if ones else "")


def numbers_said(text: str) -> set[int]:
    """The whole numbers of a text, in digits or in English words up to a hundred; "twenty five" is 25 alone."""
    found = {int(digits) for digits in re.findall(r"\d+", text)}
    for tens, ones, small, hundred in SPOKEN.findall(text.lower()):
        if tens:
            found.add(10 * (TENS.index(tens) + 2) + (SMALL.index(ones) if ones else 0))
        else:
            found.add(100 if hundred else SMALL.index(small))
    return found
