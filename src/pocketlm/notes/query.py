"""What a person types into a search, taken apart: words, "phrases", -words, and filters such as tag:garden or after:2020."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from pocketlm.core.errors import InputError
from pocketlm.core.text import folded
from pocketlm.notes.terms import STOP

PART = re.compile(
    r'(?<!\S)(?P<not>-?)(?P<name>tag|folder|source|before|until|after|since):(?:"(?P<quoted>[^"]*)"|(?P<value>\S+))'
    r'|(?<!\S)(?P<minus>-)(?=["\w])|"(?P<phrase>[^"]+)"|(?P<word>\w+(?:[\'’]\w+)*)',
    re.IGNORECASE,
)
DAY = re.compile(r"\d{4}(-\d{1,2}(-\d{1,2})?)?")


@dataclass(frozen=True)
class Filters:
    """Which notes may be found; what is empty allows all.

    Attributes:
        since, until: ISO days or moments of writing; both are included.
        tags: a note must have every one.
        folder: in it or in one below.
        source: its path as the notes file has it.
        without: numbers of notes that may not be found.
    """

    since: str = ""
    until: str = ""
    tags: tuple[str, ...] = ()
    folder: str = ""
    source: str = ""
    without: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return self != Filters()


@dataclass(frozen=True)
class Query:
    """A search taken apart.

    Attributes:
        text: what is searched for as it was typed, without filters and words that must not occur.
        words: without those that only hold a sentence together, unless there are no others; each once.
        phrases: what stood in quotation marks and must occur.
        without: words and phrases that must not occur.
        filters: those typed together with those given.
    """

    text: str
    words: tuple[str, ...]
    phrases: tuple[str, ...]
    without: tuple[str, ...]
    filters: Filters


def parse(typed: str, filters: Filters | None = None) -> Query:
    """Take a search apart; any text at all is one.

    Raises:
        InputError: before:, after:, since: or until: without a date such as 2020, 2020-05 or 2020-05-17.
    """
    words, phrases, without, text = [], [], [], []
    filters, excludes, at = filters or Filters(), False, 0
    for match in PART.finditer(typed):
        between, at = typed[at : match.start()], match.end()
        if match["minus"]:
            text.append(between)
            excludes = True
            continue
        value = match["phrase"] or match["word"]
        if match["name"]:
            filters = _filtered(filters, match["name"].lower(), match["quoted"] or match["value"] or "")
        elif excludes:
            without.append(value)
        elif match["phrase"]:
            phrases.append(value)
        else:
            words.append(value)
        text.append(between if match["name"] or excludes else between + value)
        excludes = False
    found = tuple(dict.fromkeys(map(plain, words)))
    telling = tuple(word for word in found if word not in STOP)
    shown = " ".join("".join([*text, typed[at:]]).split())
    return Query(shown, telling or (() if phrases else found), tuple(phrases), tuple(without), filters)


def same(typed: str) -> str:
    """A search as it is compared with others: case and white space do not count."""
    return folded(typed)


def plain(word: str) -> str:
    """A word as it is looked up: small letters, no possessive."""
    return re.sub(r"['’]s$", "", word.casefold())


def day_span(date: str) -> tuple[datetime, datetime]:
    """The first moment of a year, month, day or moment in ISO 8601, and the first one behind it.

    Raises:
        InputError: it is none of them.
    """
    parts = date.strip().split("-")
    try:
        if not DAY.fullmatch(date.strip()):
            moment = datetime.fromisoformat(date.strip().replace("Z", "+00:00")).replace(tzinfo=None)
            return moment, moment + timedelta(seconds=1)
        year, month, day = (int(part) for part in (*parts, "1", "1")[:3])
        first = datetime(year, month, day)
        if len(parts) == 3:
            return first, first + timedelta(days=1)
        return first, datetime(year + 1, 1, 1) if len(parts) == 1 or month == 12 else datetime(year, month + 1, 1)
    except ValueError:
        raise InputError(f'"{date}" is no date; write it as 2020, 2020-05 or 2020-05-17') from None


def _filtered(filters: Filters, name: str, value: str) -> Filters:
    if name == "tag":
        return replace(filters, tags=(*filters.tags, value.removeprefix("#")))
    if name == "folder":
        return replace(filters, folder=value)
    if name == "source":
        return replace(filters, source=value)
    first, behind = day_span(value)
    if name in ("since", "after"):
        edge = first if name == "since" else behind
        return replace(filters, since=edge.isoformat())
    edge = (behind if name == "until" else first) - timedelta(seconds=1)
    return replace(filters, until=edge.isoformat())
