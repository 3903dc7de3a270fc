"""Numbers, dates and times are the same however they are written, and differ where they differ."""

from __future__ import annotations

from fractions import Fraction

import pytest

from pocketlm.notes.figures import figures, says


def said(claim: str, source: str) -> bool:
    """Whether the source has a figure that says what the claim's first figure says."""
    return any(says(figures(claim)[0], held) for held in figures(source))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("twenty-five per cent", "25%"),
        ("$1.5 million", "1,500,000 dollars"),
        ("nineteen sixty-five", "1965"),
        ("two thousand and five", "2005"),
        ("one hundred and fifty", "150"),
        ("fifty pounds", "£50"),
        ("6½ sacks", "6.5"),
        ("a dozen", "twelve"),
        ("two-thirds", "2/3"),
        ("5 km", "five kilometres"),
        ("3 km", "3 or 4 kilometres"),
        ("the 19th century", "nineteenth century"),
        ("the fifth of May 1665", "1665-05-05"),
        ("May 5th, 1665", "05/05/1665"),
        ("in May 1665", "5 May 1665"),
        ("1665", "5 May 1665"),
        ("the 5th", "5 May 1665"),
        ("7:30 pm", "19:30"),
        ("7 o'clock", "7 pm"),
        ("10:30", "Platform 7, 10:30: that is it"),
        ("noon", "12:00 pm"),
        ("Mondays", "Monday"),
    ],
)
def test_one_value_in_two_forms(one: str, other: str) -> None:
    assert said(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("25%", "25 dollars"),
        ("5 km", "5 miles"),
        ("5 km", "5"),
        ("third", "three"),
        ("1990s", "1990"),
        ("5 May 1665", "May 1665"),
        ("5 May", "6 May"),
        ("7:30 am", "7:30 pm"),
        ("7 pm", "7 o'clock"),
        ("-5", "5"),
        ("fifteen", "fifty"),
        ("Monday", "Tuesday"),
        ("3 million", "3"),
        ("1665", "1666"),
    ],
)
def test_another_value_is_another(one: str, other: str) -> None:
    assert not said(one, other)


def test_places_and_values() -> None:
    text = "On May 3 two of us, I may add, walked 1,200.5 m by noon."
    found = [(figure.kind, text[figure.start : figure.stop], figure.value) for figure in figures(text)]
    assert found == [
        ("date", "May 3", (0, 5, 3)),
        ("number", "two", Fraction(2)),
        ("number", "1,200.5 m", Fraction(2401, 2)),
        ("time", "noon", 720),
    ]
