"""Reminders of a notes file: things to be told at a moment, as a list and for calendars."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.notes.notebook import Notebook

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
    """Reminders as events with an alarm, iCalendar (RFC 5545), by floating time: calendar apps take events, few take to-dos."""
    library = need("icalendar", "writing a calendar", "notes")
    calendar = library.Calendar()
    calendar.add("prodid", "-//PocketLM//notes//EN")
    calendar.add("version", "2.0")
    for one in found:
        event = library.Event()
        event.add("uid", f"reminder-{one.id}@pocketlm")
        event.add("dtstamp", datetime.now())
        event.add("dtstart", one.due)
        event.add("duration", LASTS)
        event.add("summary", one.text)
        alarm = library.Alarm()
        alarm.add("action", "DISPLAY")
        alarm.add("description", one.text)
        alarm.add("trigger", timedelta(0))
        event.add_component(alarm)
        calendar.add_component(event)
    return bytes(calendar.to_ical())


def _plain(moment: datetime) -> datetime:
    return moment.replace(tzinfo=None)
