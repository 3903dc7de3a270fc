"""Files for calendar apps: iCalendar (RFC 5545), written by the library icalendar."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pocketlm.core.extras import need

if TYPE_CHECKING:
    from icalendar import Event


def icalendar() -> Any:
    """The library. Raises EnvironmentLacks: it is not installed."""
    return need("icalendar", "writing calendar files", "notes")


def entry(uid: str, stamp: datetime, summary: str) -> Event:
    """An event without its time."""
    made: Event = icalendar().Event()
    made.add("uid", f"{uid}@pocketlm")
    made.add("dtstamp", stamp)
    made.add("summary", summary)
    return made


def calendar_file(name: str, entries: Iterable[Event]) -> bytes:
    """Events as a calendar of that name. Raises EnvironmentLacks: icalendar is not installed."""
    made = icalendar().Calendar()
    made.add("prodid", "-//PocketLM//notes//EN")
    made.add("version", "2.0")
    made.add("x-wr-calname", name)
    for one in entries:
        made.add_component(one)
    return bytes(made.to_ical())
