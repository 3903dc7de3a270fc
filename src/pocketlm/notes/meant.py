"""What the words of a request mean: the notes that are pointed at, moments and periods."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from pocketlm.core.errors import InputError
from pocketlm.notes.dates import Period, find_dates, period_of
from pocketlm.notes.note import Note
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.search import Filters, search

READ = 20  # notes about a topic that are read for facts, events and moods
NEWEST = 500  # notes at most that are read for them where no topic is given: a second or ten
TOLD_WITHIN = timedelta(days=31)  # of an event, before or after it
MORNING = 9  # o'clock, of a reminder that names a day only
ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth")
PLACE = re.compile(rf"(?:the )?({'|'.join(ORDINALS)}|last)(?: (?:one|note|result|hit))?", re.IGNORECASE)
POINTER = re.compile(r"it|this|that|(?:this|that) (?:note|one)|the note", re.IGNORECASE)
ALL_SHOWN = re.compile(r"(?:all )?(?:them|these|those)(?: notes| all)?|all of (?:them|these|those)|both", re.IGNORECASE)
NUMBER = re.compile(r"(?:note |number )?(#?)(\d+)", re.IGNORECASE)


@dataclass
class Meant:
    """A notebook, the present moment, and the notes that were shown last. Methods raise InputError for what they do not understand."""

    book: Notebook
    now: Callable[[], datetime] = datetime.now
    shown: list[int] = field(default_factory=list)

    def note(self, name: str) -> Note:
        """The note that is meant by a pointer ("it", "the second one"), a place in what was shown, a number or a title.

        Raises:
            InputError: there is none, or nothing was shown yet.
        """
        place = PLACE.fullmatch(name)
        if place or POINTER.fullmatch(name):
            if not self.shown:
                raise InputError(f'I have shown no notes yet that "{name}" could mean; search for some first')
            word = place[1].lower() if place else ORDINALS[0]
            at = len(self.shown) - 1 if word == "last" else ORDINALS.index(word)
            return self._shown_at(at)
        number = NUMBER.fullmatch(name)
        if number and not number[1] and 0 < int(number[2]) <= len(self.shown):
            return self._shown_at(int(number[2]) - 1)
        return self.book.store.find(number[2] if number else name)

    def due(self, when: str) -> datetime:
        """The moment a reminder is due.

        Raises:
            InputError: the words name none, one that has passed, or several.
        """
        now = self.now()
        for words in (when, f"in {when}", f"at {when}"):
            for one in find_dates(words, now, "future"):
                if one.rrule:
                    raise InputError("A reminder comes once. Name its first day, such as “on Friday”.")
                moment = one.first or (now + timedelta(seconds=one.seconds) if one.seconds else None)
                if moment is None:
                    continue
                if moment.time() == datetime.min.time() and one.grain not in ("hour", "minute", "second"):
                    moment = moment.replace(hour=MORNING)
                if moment <= now:
                    raise InputError(f"{say_moment(moment)} has passed. When shall I remind you?")
                return moment.replace(second=0, microsecond=0)
        raise InputError(f"I do not understand the time “{when}”. Say it like “tomorrow at 9” or “on 3 June”.")

    def period(self, when: str) -> Period:
        """The time that words name; where the year is open, the last one that has begun."""
        for words in (when, f"in {when}", f"this {when}"):
            if period := period_of(words, self.now()):
                return period
        raise InputError(f"I do not understand the time “{when}”. Say it like “in May 1665” or “last week”.")

    def days(self, when: str) -> tuple[str, str]:
        """The first and the last day of a period, ISO 8601; empty where it is open."""
        return days_of(self.period(when)) if when else ("", "")

    def filters(self, when: str, tag: str = "") -> Filters:
        """Which notes are searched."""
        since, until = self.days(when)
        return Filters(since, until, (tag.removeprefix("#"),) if tag else ())

    def named(self, about: str) -> list[Note] | None:
        """The notes that words name by pointing, a number or a title; None where they are a topic."""
        if ALL_SHOWN.fullmatch(about):
            return [self._shown_at(at) for at in range(max(1, len(self.shown)))]
        try:
            return [self.note(about)]
        except InputError:
            if is_pointing(about):
                raise
            return None

    def notes(self, about: str, days: tuple[str, str] = ("", "")) -> list[Note]:
        """The notes that a pointer, a title or a topic means, those on a topic written between two days; "" is open."""
        if not about:
            return self.written(*days)
        named = self.named(about)
        return [hit.note for hit in search(self.book, about, READ, Filters(*days))] if named is None else named

    def written(self, since: str, until: str) -> list[Note]:
        """The newest notes written between two days, the oldest of them first; "" is open."""
        where = "(? = '' OR note.date >= ?) AND (? = '' OR (note.date <> '' AND substr(note.date, 1, 10) <= ?))"
        found = self.book.store.notes(
            where, (since, since, until, until), f"note.date DESC, note.id DESC LIMIT {NEWEST}"
        )
        return list(found)[::-1]

    def _shown_at(self, at: int) -> Note:
        if at >= len(self.shown):
            raise InputError(f"I have shown {len(self.shown)} notes only")
        return self.book.store.note(self.shown[at])


def is_pointing(words: str) -> bool:
    """Whether words point at a note that was shown."""
    return bool(POINTER.fullmatch(words) or PLACE.fullmatch(words))


def days_of(period: Period, more: timedelta = timedelta(0)) -> tuple[str, str]:
    """The first and the last day of a period, ISO 8601, `more` on both sides; empty where it is open."""
    first, last = period.first and period.first - more, period.last and period.last - timedelta(seconds=1) + more
    return f"{first:%Y-%m-%d}" if first else "", f"{last:%Y-%m-%d}" if last else ""


def around(period: Period) -> tuple[str, str]:
    """The days on which the events of a period are told of, mostly."""
    return days_of(period, TOLD_WITHIN)


def say_moment(moment: datetime) -> str:
    """A moment in words."""
    return f"{moment:%A} {moment.day} {moment:%B %Y, %H:%M}"
