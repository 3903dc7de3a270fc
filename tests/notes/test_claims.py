"""What a generated text may say of its sources, and what it may not."""

from __future__ import annotations

import pytest

from pocketlm.notes.claims import unsupported

SOURCES = [
    "On 5 May 1665 Mr. Thomas P. Davis paid £50 to the Panthers' captain, Jared Allen, who did not go to Greenwich.",
    'He said "all is well" and left at 7:30 pm with two or three men of the University of Chicago in a B-52. '
    "Call him at +44 20 7946 0958 or write to tom@davis.example. José liked it.",
    "List new files with `git ls-files -o`; see them all:\n```sh\ngit status\n  --short\n```\n",
]


@pytest.mark.parametrize(
    "text",
    [
        "Davis paid fifty pounds to Jared Allen in May 1665.",
        "Thomas Davis paid £50 on the 5th of May.",
        "He paid the captain of the Panthers.",
        "Mrs Davis's money was paid.",
        "Allen did not go to Greenwich.",
        "He left at 19:30 in a b-52.",
        "The University of Chicago sent 3 men.",
        'He said "All is well".',
        "Call him at +442079460958, or write to tom@davis.example.",
        "Jose liked one of them.",
        "List files with `git ls-files`, new ones with ``git ls-files  -o``.",
        "See all:\n```sh\ngit status --short\n```",
        "",
    ],
)
def test_what_the_sources_say_passes(text: str) -> None:
    assert unsupported(text, SOURCES) == []


@pytest.mark.parametrize(
    ("text", "kind", "words"),
    [
        ("Jared Davis paid £50.", "name", "Jared Davis"),
        ("Pepys paid £50.", "name", "Pepys"),
        ("Davis and Cocke paid £50.", "name", "Cocke"),
        ("The Chicago University sent men.", "name", "Chicago University"),
        ("Davis paid £60.", "number", "£60"),
        ("Davis paid 50 dollars.", "number", "50 dollars"),
        ("Davis left with five men.", "number", "five"),
        ("Davis paid on 6 May 1665.", "date", "6 May 1665"),
        ("Davis paid Allen on a Monday.", "date", "Monday"),
        ("Yesterday Davis paid Allen.", "date", "Yesterday"),
        ("He left at 7:30 am.", "time", "7:30 am."),
        ('He said "all is lost".', "quotation", '"all is lost"'),
        ("Write to tim@davis.example.", "address", "tim@davis.example"),
        ("Call him at +44 20 7946 0959.", "address", "+44 20 7946 0959"),
        ("He left in a B-53.", "name", "B-53"),
        ("List files with `git ls`.", "code", "`git ls`"),
        ("List files with `files -o`.", "code", "`files -o`"),
        ("List files with `Git ls-files`.", "code", "`Git ls-files`"),
        ("See all:\n```sh\ngit status --files\n```", "code", "```sh\ngit status --files\n```"),
        ("Allen went to Greenwich with Davis.", "negation", "Greenwich"),
        ("Davis did not pay Allen.", "negation", "Allen"),
        ("A bear frightened some visitors.", "words", "A bear frightened some visitors."),
    ],
)
def test_what_they_do_not_say_is_found(text: str, kind: str, words: str) -> None:
    found = unsupported(text, SOURCES)
    assert (kind, words) in [(claim.kind, claim.text) for claim in found]
    assert all(text[claim.start : claim.stop] == claim.text for claim in found)


def test_a_name_is_not_put_together_from_two_sources() -> None:
    assert unsupported("Anna Brown came.", ["Anna came.", "Mr Brown came."])
    assert not unsupported("Anna Brown came.", ["Anna came.", "Anna Brown came."])
