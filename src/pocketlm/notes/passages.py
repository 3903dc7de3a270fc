"""A text cut into sentences and passages; every piece is a place in the text, nothing is rewritten."""

from __future__ import annotations

import re
from collections.abc import Iterator

Place = tuple[int, int]  # characters, half open

WORDS = 110  # of a passage, about: what a sentence encoder was trained on
SHORTEST = 25  # words that do not stand as a passage of their own when a neighbour takes them
ABBREVIATIONS = set(
    """mr mrs ms dr st sr jr capt col gen lt sir prof rev hon vs etc e.g i.e viz cf al fig no vol pp ed approx dept est min max
    jan feb mar apr jun jul aug sep sept oct nov dec mon tue wed thu fri sat sun inc ltd co corp a.m p.m""".split()  # noqa: SIM905
)
ENDING = re.compile(r"""[.!?…]+["'”’)\]]*(?=\s+["'“‘(\[]*[^\sa-z])|\n\s*\n|\n(?=\s*(?:[-*+] |\d+[.)] |#|>|\|))""")
LAST_WORD = re.compile(r"[\w.]+\Z")
HEADING = re.compile(r"#{1,6} ")


def sentences(text: str) -> list[Place]:
    """Sentences, list items and headings, without the white space around them."""
    found, start = [], 0
    for end in _ends(text):
        if place := _stripped(text, start, end):
            found.append(place)
        start = end
    return found


def passages(text: str, words: int = WORDS) -> list[Place]:
    """Neighbouring sentences together, about `words` words each; a heading begins a new one. Blank text has none.

    A single sentence far longer than that is cut between words.
    """
    found: list[Place] = []
    counts: list[int] = []
    for start, stop in _short(text, sentences(text), 2 * words):
        size = len(text[start:stop].split())
        heads = HEADING.match(text, start) is not None and counts and counts[-1] >= SHORTEST
        if found and counts[-1] + size <= words and not heads:
            found[-1], counts[-1] = (found[-1][0], stop), counts[-1] + size
        else:
            found.append((start, stop))
            counts.append(size)
    if len(found) > 1 and counts[-1] < SHORTEST and not HEADING.match(text, found[-1][0]):
        last = found.pop()
        found[-1] = (found[-1][0], last[1])
    return found


def _ends(text: str) -> Iterator[int]:
    for match in ENDING.finditer(text):
        if match[0].startswith(".") and _is_abbreviation(text, match.start()):
            continue
        yield match.end()
    yield len(text)


def _is_abbreviation(text: str, dot: int) -> bool:
    word = LAST_WORD.search(text, max(0, dot - 12), dot)
    return word is not None and (
        word[0].lower() in ABBREVIATIONS or (len(word[0]) == 1 and word[0].isupper() and word[0] != "I")
    )


def _stripped(text: str, start: int, stop: int) -> Place | None:
    piece = text[start:stop]
    inner = piece.strip()
    begin = start + len(piece) - len(piece.lstrip())
    return (begin, begin + len(inner)) if inner else None


def _short(text: str, places: list[Place], words: int) -> Iterator[Place]:
    """Places as they are, those of too many words cut."""
    for start, stop in places:
        if text.count(" ", start, stop) + text.count("\n", start, stop) < words:  # most are, and it is quick to see
            yield start, stop
            continue
        found = list(re.finditer(r"\S+", text[start:stop]))
        for at in range(0, len(found), words):
            some = found[at : at + words]
            yield start + some[0].start(), start + some[-1].end()
