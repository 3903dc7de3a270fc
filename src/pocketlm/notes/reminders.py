"""Reminders of a notes file: things to be told at a moment, as a list and for calendars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pocketlm.core.errors import InputError
from pocketlm.notes.calendars import calendar_file, entry, icalendar
from pocketlm.notes.notebook import Notebook

if TYPE_CHECKING:
    from icalendar import Event as Entry

LASTS = timedelta(minutes=15)  # in a calendar


@dataclass(frozen=True)
class Reminder:
    """What to be reminded of, when, by local time, and the note it is about."""

    id: int
    due: datetime
    text: str
    note: int | None = None
    done: bool = False


def add_reminder(book: Notebook, text: str, due: datetime, note: int | None = None) -> Reminder:
    """Keep a reminder.

    Raises:
        InputError: its text is empty.
    """
    if not text.strip():
        raise InputError("a reminder needs a text: what to be reminded of")
    with book.store.writing():
        added = book.store.db.execute(
            "INSERT INTO reminder(due, text, note) VALUES(?, ?, ?)",
            (due.isoformat(timespec="minutes"), text.strip(), note),
        )
    return Reminder(int(added.lastrowid), due, text.strip(), note)


def reminders(book: Notebook, until: datetime | None = None, *, with_done: bool = False) -> list[Reminder]:
    """Reminders that are not done, the first due first; only those due before `until`, where it is given."""
    rows = book.store.db.execute("SELECT id, due, text, note, done FROM reminder ORDER BY due, id")
    found = [Reminder(id, datetime.fromisoformat(due), text, note, bool(done)) for id, due, text, note, done in rows]
    return [one for one in found if (with_done or not one.done) and (until is None or _plain(one.due) < _plain(until))]


def finish(book: Notebook, id: int) -> None:
    """Mark a reminder as done.

    Raises:
        InputError: there is none of that number.
    """
    with book.store.writing():
        changed = book.store.db.execute("UPDATE reminder SET done = 1 WHERE id = ?", (id,)).rowcount
    if not changed:
        raise InputError(f"there is no reminder {id}; `pocketlm notes reminders` shows their numbers")


def to_ics(found: Iterable[Reminder]) -> bytes:
    """Reminders as events with an alarm, a calendar file by floating time: calendar apps take events, few take to-dos.

    Raises:
        EnvironmentLacks: icalendar is not installed.
    """
    return calendar_file("Reminders", map(_entry, found))


def _entry(one: Reminder) -> Entry:
    made = entry(f"reminder-{one.id}", datetime.now(), one.text)
    made.add("dtstart", one.due)
    made.add("duration", LASTS)
    alarm = icalendar().Alarm()
    alarm.add("action", "DISPLAY")
    alarm.add("description", one.text)
    alarm.add("trigger", timedelta(0))
    made.add_component(alarm)
    return made


def _plain(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
