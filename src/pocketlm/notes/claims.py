"""What a generated text claims, and whether its sources say so: every number, date, time, name, quotation, address and code.

Checked besides: words that are negated on one side only, and sentences most of whose words stand nowhere in the sources.
Not checked: who did what to whom, which noun a number without a unit counts, the number one, names written in lower case,
and what follows from what. Where the check errs it should err towards refusing: then the quotations themselves are shown.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pocketlm.notes.figures import Figure, figures, says
from pocketlm.notes.passages import sentences
from pocketlm.notes.terms import WORD, content, fold, is_function, stem

KINDS = ("number", "date", "time", "name", "quotation", "code", "address", "negation", "words")
GROUNDED = 0.5  # of a sentence's words of meaning that must stand in the sources
SCOPE = 4  # words of meaning behind a "not" that it may negate

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+\.[\w.-]*\w|https?://[^\s<>\")\]]*[^\s<>\")\].,;:!?]|\+?\d[\d ()/.-]{6,}\d(?!\w)")
CODE = re.compile(r"\b(?=[\w-]*[A-Za-z])(?=[\w-]*\d)[A-Za-z][\w-]*\b")  # B-52, mp3
QUOTATION = re.compile(r"\"([^\"\n]{2,})\"|“([^”\n]{2,})”|‘([^’\n]{2,})’|«([^»\n]{2,})»")
TICKED = re.compile(
    r"(?<!`)(`+)(?!`)(?:(?<=```)[\w+-]*\n)?(.+?)(?<!`)\1(?!`)", re.DOTALL
)  # code; a block names its language
NAME = re.compile(r"[^\W\d_][\w'’&.-]*(?<![.'’-])|[^\W\d_]")
JOINS = re.compile(
    r"[ \u00a0](?:(?:of|the|de|del|la|le|du|di|da|von|van|der|den|and the|of the|&)[ \u00a0])?|\. ?(?=[A-Z])|-|/"
)
HELD = re.compile(r"(?:[\s.'’&-]|\b(?:of|the|de|del|la|le|du|di|da|von|van|der|den)\b|\b[^\W\d_]\.|\b[A-Z][\w'’-]*)*")
TITLES = {"mr", "mrs", "ms", "miss"}  # which a source may leave out
NEGATION = re.compile(
    r"\b(?:not(?! only)|never|no(?!\.? ?\d)|none|nobody|nothing|neither|nor|without|cannot|hardly|\w+n['’]t)\b", re.IGNORECASE
)  # fmt: skip
BREAK = re.compile(r"[.!?;:,—–()]|\b(?:but|except|until|unless|before|after|because|and)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Claim:
    """Something that must stand in the sources: its kind (see `KINDS`), its words and their characters in the text."""

    kind: str
    text: str
    start: int
    stop: int


def unsupported(text: str, sources: Sequence[str]) -> list[Claim]:
    """The claims of a text that none of its sources makes, in order. Each claim must stand in one source as a whole."""
    held = [_Source(source) for source in sources]
    wrong = [
        *_wrong_literals(text, held),
        *_wrong_figures(text, held),
        *_wrong_names(text, held),
        *_wrong_negations(text, sources),
        *_ungrounded(text, sources),
    ]
    return sorted(set(wrong), key=lambda claim: (claim.start, claim.kind))


class _Source:
    """What is looked up in one source."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.plain = _plain(text)
        self.spaced = _spaced(text)
        self.figures = figures(text)
        self.digits = re.sub(r"(?<=\d)[ ()/.-]+(?=\d|\()", "", text)
        self.words = [(match.start(), match.end(), _name(match[0])) for match in NAME.finditer(text)]
        self.codes = {code.casefold() for code in CODE.findall(text)}
        self.places: dict[str, list[int]] = defaultdict(list)
        for place, (_, _, word) in enumerate(self.words):
            self.places[word].append(place)

    def has_name(self, parts: Sequence[str]) -> bool:
        """Whether the parts of a name stand here in their order, with nothing between them but more of the name."""
        return any(self._follows(place, parts[1:]) for place in self.places.get(parts[0], ()))

    def _follows(self, place: int, parts: Sequence[str]) -> bool:
        if not parts:
            return True
        for after in self.places.get(parts[0], ()):
            if place < after <= place + 3 and HELD.fullmatch(self.text, self.words[place][1], self.words[after][0]):
                return self._follows(after, parts[1:])
        return False


def _plain(text: str) -> str:
    """Words alone, for comparing quotations."""
    return " ".join(fold(word) for word in WORD.findall(text))


def _spaced(text: str) -> str:
    """With one space between words, for comparing code."""
    return " ".join(text.split())


def _holds_code(source: str, code: str) -> bool:
    """Whether code stands in a source to the letter, and not as a part of other code: "git ls" is not in "git ls-files"."""
    return bool(re.search(rf"(?<![\w-])(?<!\w[./]){re.escape(code)}(?![\w-]|[./]\w)", source))


def _name(word: str) -> str:
    """A word of a name without case, accents, dots and the endings of possessive and plural."""
    plain = fold(word).replace(".", "")
    return plain[:-1] if len(plain) > 3 and plain.endswith("s") and not plain.endswith("ss") else plain


def _wrong_literals(text: str, sources: Sequence[_Source]) -> Iterator[Claim]:
    for match in ADDRESS.finditer(text):
        digits = re.sub(r"\D", "", match[0])
        if match[0][-1].isdigit() and "@" not in match[0] and "://" not in match[0]:
            if len(digits) < 7 or _is_date(match[0]):
                continue
            if not any(digits in source.digits for source in sources):
                yield _claim("address", text, match.span())
        elif not any(match[0].casefold() in source.text.casefold() for source in sources):
            yield _claim("address", text, match.span())
    for match in CODE.finditer(text):
        if not any(match[0].casefold() in source.codes for source in sources):
            yield _claim("name", text, match.span())
    for match in QUOTATION.finditer(text):
        said = _plain(match[0])
        if not any(f" {said} " in f" {source.plain} " for source in sources):
            yield _claim("quotation", text, match.span())
    for match in TICKED.finditer(text):
        if not any(_holds_code(source.spaced, _spaced(match[2])) for source in sources):
            yield _claim("code", text, match.span())


def _wrong_figures(text: str, sources: Sequence[_Source]) -> Iterator[Claim]:
    codes = [match.span() for pattern in (CODE, ADDRESS) for match in pattern.finditer(text) if not _is_date(match[0])]
    readings: dict[tuple[int, int], list[Figure]] = defaultdict(list)
    for figure in figures(text):
        if not any(start < figure.stop and figure.start < stop for start, stop in codes) and not _is_one(figure, text):
            readings[figure.start, figure.stop].append(figure)
    for place, found in readings.items():
        some = any if found[0].kind == "date" else all  # a date of two readings is right in one of them
        if not some(any(says(claim, held) for source in sources for held in source.figures) for claim in found):
            yield _claim(found[0].kind, text, place)


def _is_date(text: str) -> bool:
    return any(figure.kind == "date" for figure in figures(text))


def _is_one(figure: Figure, text: str) -> bool:
    """ "One" is more often a pronoun than a number."""
    return text[figure.start : figure.stop].lower() in ("one", "ones")


def _wrong_names(text: str, sources: Sequence[_Source]) -> Iterator[Claim]:
    figured = [(figure.start, figure.stop) for figure in figures(text)]
    figured += [match.span() for match in ADDRESS.finditer(text)]
    for run in _names(text, figured):
        parts = [_name(text[start:stop]) for start, stop in run]
        if not any(source.has_name(parts) for source in sources):
            yield _claim("name", text, (run[0][0], run[-1][1]))


def _names(text: str, figured: Sequence[tuple[int, int]]) -> Iterator[list[tuple[int, int]]]:
    """Runs of words that begin with a capital, without titles; words that open a sentence only where they mean something."""
    run: list[tuple[int, int]] = []
    for match in NAME.finditer(text):
        word, place = match[0], match.span()
        is_name = word[0].isupper() and not (is_function(word) and (not run or word == "I"))
        if not is_name or any(start < place[1] and place[0] < stop for start, stop in figured):
            continue
        if run and not JOINS.fullmatch(text, run[-1][1], place[0]):
            yield run
            run = []
        if word.casefold().rstrip(".") not in TITLES:
            run = [*run, place]
    if run:
        yield run


def _wrong_negations(text: str, sources: Sequence[str]) -> Iterator[Claim]:
    """Words of meaning that are negated here and in no source, or here not and in the sources always."""
    held: dict[str, set[bool]] = defaultdict(set)
    for source in sources:
        for _, word, negated in _polarity(source):
            held[word].add(negated)
    for place, word, negated in _polarity(text):
        if word in held and negated not in held[word]:
            yield _claim("negation", text, place)


def _polarity(text: str) -> Iterator[tuple[tuple[int, int], str, bool]]:
    """(place, stem, whether a "not" stands before it) of every word of meaning."""
    negated = [(match.start(), match.end()) for match in NEGATION.finditer(text)]
    breaks = [match.start() for match in BREAK.finditer(text)]
    left = 0
    last = -1
    for match in WORD.finditer(text):
        cue = max((stop for _, stop in negated if stop <= match.start()), default=-1)
        if cue != last:
            last, left = cue, SCOPE
        if is_function(match[0]) or any(start == match.start() for start, _ in negated):
            continue
        inside = cue >= 0 and left > 0 and not any(cue <= at < match.start() for at in breaks)
        left -= 1
        yield match.span(), stem(fold(match[0])), inside


def _ungrounded(text: str, sources: Sequence[str]) -> Iterator[Claim]:
    held = {word for source in sources for word in content(source)}
    for start, stop in sentences(text):
        own = content(text[start:stop])
        if own and sum(word in held for word in own) < GROUNDED * len(own):
            yield _claim("words", text, (start, stop))


def _claim(kind: str, text: str, place: tuple[int, int]) -> Claim:
    return Claim(kind, text[place[0] : place[1]], *place)
