"""What notes tell of, in the order in which it happened: a timeline apart from the days on which it was written down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import date, datetime, timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from pocketlm.core.extras import need
from pocketlm.notes.actions import actions_and_dates
from pocketlm.notes.calendars import calendar_file, entry, icalendar
from pocketlm.notes.dates import UNDATED, Dated, is_fixed
from pocketlm.notes.passages import sentences

if TYPE_CHECKING:
    from icalendar import Event as Entry

CLOCK = ("second", "minute", "hour", "part")
MOMENTS = ("date", "datetime", "daterange", "datetimerange")
OPEN_END = datetime(9999, 1, 1)
INSTANT = timedelta.resolution


@dataclass(frozen=True)
class Event:
    """A sentence of a note that says when.

    Attributes:
        note: the note's number or key.
        what: the sentence; start and end are its characters in the note, half open.
        said: the words that date it.
        first, last: half open; None where it is open on that side. Of what comes again, the first time.
        grain: how exact it is: hour, day, month, year, ... (see `dates.Dated`).
        written: the note's own date.
        rrule: of what comes again (RFC 5545).
        confidence: 0 to 1.
    """

    note: int | str
    start: int
    end: int
    what: str
    said: str
    first: datetime | None
    last: datetime | None
    grain: str
    written: datetime | None
    rrule: str
    confidence: float

    @property
    def is_written_then(self) -> bool:
        """Whether it is of the day of writing alone: "every Monday" is of more days, "daily" names none."""
        return bool("BY" not in self.rrule and self.written and self.first and self.first.date() == self.written.date())


def events(
    notes: Iterable[tuple[int | str, str, datetime | None]], *, least: float = 0.5, same_day: bool = True
) -> list[Event]:
    """The events of notes, the earliest first. A sentence with two dates gives two, and one where both name the
    same time.

    Args:
        notes: (number or key, content, day of writing or None).
        least: dates of less confidence are left out.
        same_day: also what happened on the day of writing ("this morning").
    """
    told: dict[Any, Event] = {}  # the surest of those that one sentence tells twice
    for key, content, written in notes:
        for event in _of_note(key, content, written, least):
            once = (key, event.start, event.first, event.last, event.rrule)
            if once not in told or event.confidence > told[once].confidence:
                told[once] = event
    kept = (event for event in told.values() if same_day or not event.is_written_then)
    return sorted(kept, key=lambda event: (event.first or event.last or OPEN_END, event.last or OPEN_END))


def within(
    found: Iterable[Event], first: datetime | None = None, last: datetime | None = None, *, lasting: bool = False
) -> list[Event]:
    """The events that touch a period (half open; None: open).

    Args:
        lasting: what is open on a side ("since 1661") touches every period on that side; without it only the one in which it
            began or, of what has no beginning, ended: nobody knows how far it reaches, and it would be in all of them.
    """
    kept = []
    for event in found:
        begins, ends = (event.first or datetime.min, event.last or OPEN_END) if lasting else _known(event)
        if (last is None or begins < last) and (first is None or ends > first):
            kept.append(event)
    return kept


def as_rows(found: Iterable[Event]) -> list[dict[str, Any]]:
    """Events as JSON writes them, dates in ISO 8601."""
    rows = []
    for event in found:
        row = asdict(event)
        rows.append(row | {name: row[name] and row[name].isoformat() for name in ("first", "last", "written")})
    return rows


def as_ics(found: Iterable[Event]) -> bytes:
    """A calendar file (RFC 5545): whole days where no hour is known, a rule for what comes again.

    What has no beginning ("before 1661") has no place in a calendar and is left out.

    Raises:
        EnvironmentLacks: icalendar is not installed.
    """
    return calendar_file("Notes", (_entry(event, event.first) for event in found if event.first))


def _known(event: Event) -> tuple[datetime, datetime]:
    """The part of an event of which it is known that it was then: of an open one its moment next to the side that is known."""
    first = event.first or (event.last or OPEN_END) - INSTANT
    return first, event.last or first + INSTANT


def _of_note(key: int | str, content: str, written: datetime | None, least: float) -> list[Event]:
    _, told = actions_and_dates(content, written or UNDATED)
    dates = [one for one in told if one.confidence >= least]
    found, places = [], list(sentences(content)) if dates else []
    for one in dates:
        start, end = next((place for place in places if place[0] <= one.start < place[1]), (one.start, one.end))
        span = _span(one, written)
        if span is not None:
            what = " ".join(content[start:end].split())
            found.append(Event(key, start, end, what, one.text, *span, one.grain, written, one.rrule, one.confidence))
    return found


def _span(one: Dated, written: datetime | None) -> tuple[datetime | None, datetime | None] | None:
    """When it is; None where it says no moment of its own, such as a mere time of day or `now`."""
    if one.kind == "set" and one.rrule and written:
        return _first_time(one.rrule, written)
    if one.kind not in MOMENTS or one.timex == "PRESENT_REF" or not is_fixed(one):
        return None
    named = one.readings[0].stop
    if one.first is None and named and one.grain == "day" and one.text.lower().startswith("by "):
        return named, named + timedelta(days=1)  # a deadline is an event of its day
    return one.first, one.last


def _first_time(rrule: str, written: datetime) -> tuple[datetime, datetime] | None:
    """The first occurrence from the day of writing on."""
    rules = need("dateutil.rrule", "what comes again", "notes")
    day = datetime(written.year, written.month, written.day)
    first = next(iter(rules.rrulestr(rrule, dtstart=day)), None)
    if first is None:
        return None
    return first, first + (timedelta(hours=1) if "BYHOUR" in rrule else timedelta(days=1))


def _entry(event: Event, first: datetime) -> Entry:
    said = sha256(event.said.encode()).hexdigest()[:12]
    made = entry(f"{event.note}-{event.start}-{first:%Y%m%dT%H%M%S}-{said}", event.written or first, event.what)
    made.add("description", f"{event.said} (note {event.note}, {event.grain})")
    is_timed = (event.grain in CLOCK and event.first != _midnight(event.first)) or "BYHOUR" in event.rrule
    last = event.last or first + timedelta(days=1)
    made.add("dtstart", first if is_timed else first.date())
    made.add("dtend", max(last, first + timedelta(minutes=1)) if is_timed else _day_after(first, last))
    if event.rrule:
        made.add("rrule", icalendar().vRecur.from_ical(event.rrule))
    return made


def _midnight(moment: datetime | None) -> datetime | None:
    return moment and moment.replace(hour=0, minute=0, second=0, microsecond=0)


def _day_after(first: datetime, last: datetime) -> date:
    """The exclusive end of whole days: at least one."""
    end = last.date() if last == _midnight(last) else last.date() + timedelta(days=1)
    return max(end, first.date() + timedelta(days=1))
