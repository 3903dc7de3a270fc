"""What a note is, and a place in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True)
class Link:
    """A link that a note's text holds.

    Attributes:
        kind: wiki (`[[Target]]`), markdown (`[text](target)`) or url.
        target: as it is written, without the text to show.
        start, stop: characters of the whole link in the note.
    """

    kind: str
    target: str
    start: int
    stop: int


@dataclass(frozen=True)
class Draft:
    """A note as a source gives it, before the store knows it.

    Attributes:
        key: what the source calls it: an id, or the path of its file in the vault. One source has it once.
        date: the day or moment of writing, ISO 8601; empty where it is not known.
        folder: the folder in its source, with / between its parts; empty at the top.
        tags: the writer's own, without #.
        head: what else stood beside the text, such as a frontmatter's keys.
        stamp: size and time of its file, so that an unchanged one need not be read again; empty where there is none.
    """

    key: str
    content: str
    title: str = ""
    date: str = ""
    folder: str = ""
    tags: tuple[str, ...] = ()
    links: tuple[Link, ...] = ()
    head: dict[str, Any] = field(default_factory=dict)
    stamp: str = ""


@dataclass(frozen=True)
class Note:
    """A note as the store keeps it. `id` is never given to another note, not even after a deletion."""

    id: int
    key: str
    content: str
    title: str = ""
    date: str = ""
    folder: str = ""
    source: str = ""

    @property
    def written(self) -> datetime | None:
        """The day or moment of writing."""
        return moment(self.date)

    @property
    def name(self) -> str:
        """What people call it: its title, otherwise its key."""
        return self.title or self.key


@dataclass(frozen=True)
class Span:
    """Characters `start` to `stop` (half open) of a note's content."""

    note: int
    start: int
    stop: int


@dataclass(frozen=True)
class Passage:
    """A part of a note, about a paragraph, that is indexed as one."""

    id: int
    span: Span
    text: str


def on_one_line(text: str, longest: int) -> str:
    """A text in quotation marks on one line, its end left out where it is long."""
    plain = " ".join(text.split())
    return f"“{plain}”" if len(plain) <= longest else f"“{plain[:longest].rsplit(' ', 1)[0]} …”"


def moment(date: str) -> datetime | None:
    """An ISO date or moment without its zone; None where it is none."""
    try:
        return datetime.fromisoformat(date.strip().replace("Z", "+00:00")).replace(tzinfo=None)
    except ValueError:
        return None
