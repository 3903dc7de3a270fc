"""The day or moment of writing, as files of notes give it: ISO 8601, seconds since 1970, or spelled out."""

from __future__ import annotations

import re
from datetime import datetime, time, timezone
from typing import Any

from pocketlm.core.extras import need
from pocketlm.notes.note import moment

SINCE_1970 = re.compile(r"-?(?:\d{9,10}|\d{13}|\d{16})(?:\.\d+)?")  # seconds, thousandths or millionths of them
LARGEST = 1e11  # seconds: the year 5138
COMPACT = re.compile(r"((?:1\d|20)\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)?")
EUROPEAN = re.compile(r"\d{1,2}\.\s?\d{1,2}\.")
UNLIKE = (
    datetime(1904, 1, 1),
    datetime(2000, 2, 2),
)  # what is left out differs with them; both years have a 29th of February


def date_of(value: Any) -> str:
    """ISO 8601 to the day or, where a time is given, to the second; "" where no day can be told.

    A zone is dropped: the day is that of the writer's own clock. 03/05/2024 is read as the 5th of March, 03.05.2024 as the
    3rd of May.

    Raises:
        EnvironmentLacks: a date is spelled out and python-dateutil is missing.
    """
    text = str(value or "").strip()
    found = _moment(text)
    if found is None:
        return ""
    has_time = ":" in text or found.time() != time.min
    return found.isoformat(timespec="seconds") if has_time else found.date().isoformat()


def _moment(text: str) -> datetime | None:
    if SINCE_1970.fullmatch(text):
        seconds = float(text)
        while abs(seconds) > LARGEST:
            seconds /= 1000
        return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None)
    if match := COMPACT.fullmatch(text):
        text = "{}-{}-{} {}:{}:{}".format(*match.groups(default="00"))
    return moment(text) or (_spelled(text) if text else None)


def _spelled(text: str) -> datetime | None:
    """ "3 May 2021" and the like; None where year, month or day is left open."""
    parser = need("dateutil.parser", f'reading the date "{text:.30}"', "notes")
    try:
        first, second = (
            parser.parse(text, default=default, dayfirst=bool(EUROPEAN.match(text)), ignoretz=True)
            for default in UNLIKE
        )
    except (ValueError, OverflowError):
        return None
    return first if first == second else None
