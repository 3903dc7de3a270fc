"""Files of notes read as drafts: JSON, JSON lines, CSV, Markdown vaults, plain text. Nothing is ever written.

What cannot be read becomes a `Fault` with the reason; it stops nothing else.
"""

from __future__ import annotations

import hashlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from pocketlm.core.errors import InputError
from pocketlm.data.markdown import FRONT, HEADING
from pocketlm.data.sources import read_items
from pocketlm.notes.note import Draft
from pocketlm.notes.wiki import links_in, tags_in, without_code
from pocketlm.notes.written import date_of

LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, ten times as fast

FILES = (".md", ".markdown", ".txt")
TABLES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
# names of fields, their letters alone -> what they are; the first that is there counts, what is left goes into the head
FIELDS = {
    "key": ("id", "key", "uuid", "path"),
    "content": ("content", "text", "body", "note", "markdown", "textcontent"),
    "title": ("title", "subject", "name", "heading"),
    "date": (
        "date",
        "created",
        "createdat",
        "creationdate",
        "datecreated",
        "createdtime",
        "timestamp",
        "written",
        "time",
    ),
    "folder": ("folder", "notebook", "category"),
    "tags": ("tags", "tag", "labels", "keywords"),
}
DAY = re.compile(r"(?<!\d)(\d{4})[-_./]?(\d{2})[-_./]?(\d{2})(?:\d{4}|\d{6})?(?!\d)")  # also with a time behind it
# the value of a line which a template leaves open: {{date}} in Obsidian, <% ... %> in Templater
OPEN_VALUE = re.compile(r"(?<=[:-] )[^\n]*(?:\{\{[^\n]*\}\}|<%[^\n]*%>)[^\n]*")
NOT_UTF8 = "\ufffd"  # what the reader of tables puts for such bytes


@dataclass(frozen=True)
class Fault:
    """A note that could not be read, and why.

    Attributes:
        hides: so much could not be read that other notes may be missing too: a folder, or the rest of a file.
    """

    key: str
    why: str
    hides: bool = False


@dataclass(frozen=True)
class Same:
    """A note whose file is as it was when it was last read."""

    key: str


Found = Draft | Fault | Same


def kind_of(path: Path) -> str:
    """How a path is read: json, jsonl, csv, markdown (a folder of notes), text (one file).

    Raises:
        InputError: nothing there, or nothing that is read as notes.
    """
    if path.is_dir():
        return "markdown"
    if not path.is_file():
        raise InputError(f"{path}: no such file or folder")
    suffix = path.suffix.lower()
    if suffix in FILES:
        return "text"
    if suffix not in TABLES:
        raise InputError(
            f"{path}: notes are read from folders, {', '.join((*TABLES, *FILES))}, not from {suffix or 'this'}"
        )
    return TABLES[suffix]


def read(path: Path, kind: str, stamps: Mapping[str, str]) -> Iterator[Found]:
    """The notes of a path, one at a time.

    Args:
        stamps: key -> `Draft.stamp` of what is known; a file of the same stamp is not opened.
    """
    if kind in ("json", "jsonl", "csv"):
        yield from _rows(path, kind)
        return
    root = path if path.is_dir() else path.parent
    for file in _files(path):
        yield file if isinstance(file, Fault) else _file(file, root, stamps)


def stamp_of(path: Path) -> str:
    """Size and time of a file."""
    about = path.stat()
    return f"{about.st_size}-{about.st_mtime_ns}"


# Files


def _files(path: Path) -> Iterator[Path | Fault]:
    """The notes of a folder in order; what begins with a dot, such as .obsidian, is left out."""
    if path.is_file():
        yield path
        return
    closed: list[OSError] = []
    for folder, folders, names in os.walk(path, onerror=closed.append):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(FILES) and not name.startswith("."):
                yield Path(folder, name)
    for error in closed:
        key = Path(error.filename).relative_to(path).as_posix()
        yield Fault(clean(key), f"cannot be read ({error.strerror})", hides=True)


def _file(file: Path, root: Path, stamps: Mapping[str, str]) -> Found:
    key = clean(file.relative_to(root).as_posix())
    try:
        stamp = stamp_of(file)
        if stamps.get(key) == stamp:
            return Same(key)
        return _note(key, file.read_bytes().decode("utf-8-sig"), stamp)
    except OSError as error:
        return Fault(key, f"cannot be read ({error.strerror})")
    except UnicodeDecodeError as error:
        return Fault(key, f"is not UTF-8 text (byte {error.start}); save it as UTF-8")
    except BrokenHead as error:
        return Fault(key, f"has a frontmatter that is not YAML ({error}); mend it or take the --- away")


def _note(key: str, text: str, stamp: str) -> Draft:
    """Raises BrokenHead."""
    path = PurePosixPath(key)
    is_text = path.suffix.lower() == ".txt"
    head, content = ({}, clean(text)) if is_text else split_head(clean(text))
    heading = None if is_text else HEADING.search(without_code(content[:2000]))
    tags = [*listed(head.get("tags")), *listed(head.get("tag")), *tags_in(content)]
    return Draft(
        key=key,
        content=content,
        title=clean(str(head.get("title") or (heading[1] if heading else path.stem))),
        date=_day_of_writing(head, key.removesuffix(path.suffix)),
        folder="" if str(path.parent) == "." else str(path.parent),
        tags=tuple(dict.fromkeys(tags)),
        links=tuple(links_in(content, head)),
        head=head,
        stamp=stamp,
    )


class BrokenHead(ValueError):
    """A frontmatter that is not YAML, and why."""


def split_head(text: str) -> tuple[dict[str, Any], str]:
    """The frontmatter's keys, as JSON can hold them, and the text behind it, to the letter.

    Raises:
        BrokenHead: it is not YAML.
    """
    found = FRONT.match(text)
    head = read_head(found[1]) if found else None
    return (head, text[found.end() :]) if found and head is not None else ({}, text)


def read_head(front: str) -> dict[str, Any] | None:
    """The keys of what stands between the rules; None where that is a text and no frontmatter.

    A template is no YAML until it is filled in; what it leaves open is read as empty.

    Raises:
        BrokenHead: it is not YAML.
    """
    try:
        return _parsed(front)
    except BrokenHead:
        filled = OPEN_VALUE.sub("", front)
        if filled == front:
            raise
        return _parsed(filled)


def _parsed(front: str) -> dict[str, Any] | None:
    """Raises BrokenHead."""
    try:
        head = yaml.load(front, Loader=LOADER)
        return plain(head) if isinstance(head, dict) else {} if head is None else None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 2}: " if mark else ""
        raise BrokenHead(f"{line}{getattr(error, 'problem', None) or error}") from None
    except (ValueError, OverflowError) as error:  # a date that is none
        raise BrokenHead(str(error)) from None
    except RecursionError:
        raise BrokenHead("it holds itself") from None


def _day_of_writing(head: Mapping[str, Any], name: str) -> str:
    """By the frontmatter, otherwise by the name. A file's time is no answer: copies and downloads change it."""
    by_name = _by_letters(head)
    for field in FIELDS["date"]:
        if day := date_of(by_name.get(field)):
            return day
    days = (date_of("-".join(match.groups())) for match in DAY.finditer(name))
    return next(filter(None, days), "")


# Rows


def _rows(path: Path, kind: str) -> Iterator[Found]:
    """Rows; what is wrong with one of a JSON list comes last, since only then it is known of how many it is."""
    seen: Counter[str] = Counter()
    faults: list[Fault] = []
    row = 0
    for row, item in enumerate(read_items(path, is_row=lambda value: "content" in _known(value)), 1):
        if item.problem:
            why = item.problem.removeprefix(str(path)).partition(": ")[2]
            yield Fault(f"line {item.line}", f"is {why}" if why.startswith("not ") else why, hides=True)
            continue
        if kind == "csv" and not seen:
            _check_columns(path, item.value)
        place = f"row {row}" if kind == "json" else f"line {item.line}"
        found = _row(item.value, place, kind)
        seen[found.key] += 1
        if seen[found.key] > 1:
            if isinstance(found, Fault) or "key" in _known(item.value):
                why = f"has an id that stands twice in {path.name}; give each note its own"
                found = Fault(f"{found.key} ({place})", why)
            else:
                found = replace(found, key=f"{found.key}-{seen[found.key]}")
        if isinstance(found, Fault) and kind == "json":
            faults.append(found)
        else:
            yield found
    for fault in faults:
        yield replace(fault, key=re.sub(r"^row \d+$", rf"\g<0> (of {row})", fault.key))


def _check_columns(path: Path, row: Mapping[str, Any]) -> None:
    if not set(FIELDS["content"]) & _by_letters(row).keys():
        raise InputError(f"{path}: its columns are {', '.join(row)}; call the one of the notes' text content")


def _row(value: Any, place: str, kind: str) -> Draft | Fault:
    if not isinstance(value, dict):
        return Fault(place, 'is no object with a text; write {"id": ..., "content": ...}')
    value = plain(value)
    known = _known(value)
    told = {part: value[name] for part, name in known.items()}
    content, key = told.get("content"), str(told.get("key", ""))
    if not isinstance(content, str):
        return Fault(key or place, f"has no text; its text belongs into {' or '.join(FIELDS['content'][:3])}")
    if NOT_UTF8 in content and kind == "csv":
        return Fault(key or place, "holds bytes that are not UTF-8; save the file as UTF-8")
    day = date_of(told.get("date"))
    names = {name for part, name in known.items() if part != "date" or day}
    return Draft(
        # the place in the file would be another note's as soon as a row is taken out
        key=key or hashlib.sha256(content.encode()).hexdigest()[:16],
        content=content,
        title=str(told.get("title", "")),
        date=day,
        folder=str(told.get("folder", "")),
        tags=tuple(dict.fromkeys([*listed(told.get("tags")), *tags_in(content)])),
        links=tuple(links_in(content, {})),
        head={name: given for name, given in value.items() if name not in names},
    )


def _known(value: Mapping[str, Any]) -> dict[str, str]:
    """What is known of a row -> the name of its field."""
    by_name = {
        letters: name for name, given in value.items() if given not in (None, "") and (letters := _letters(name))
    }
    return {
        part: by_name[field]
        for part, fields in FIELDS.items()
        if (field := next((field for field in fields if field in by_name), ""))
    }


def _by_letters(value: Mapping[str, Any]) -> dict[str, Any]:
    return {_letters(name): given for name, given in value.items()}


@lru_cache(maxsize=4096)
def _letters(name: str) -> str:
    return re.sub(r"[\W_]", "", name).lower()


# Values


def clean(text: str) -> str:
    """A text as SQLite takes it: its functions end a text at a NUL, and half a character has no bytes."""
    if "\0" in text:
        text = text.replace("\0", "")
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-8", "replace").decode()
    return text


def listed(value: Any) -> list[str]:
    """Tags as a list, without #, however they are written."""
    if isinstance(value, str):
        value = re.split(r"[,\s]+", value)
    found = value if isinstance(value, list) else [] if value is None else [value]
    return [tag for one in found if (tag := str(one).strip().lstrip("#"))]


def plain(value: Any) -> Any:
    """A value as JSON can hold it, on a phone too."""
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, dict):
        return {clean(str(name)): plain(given) for name, given in value.items()}
    if isinstance(value, (list, tuple, set)):
        return [plain(one) for one in value]
    return value if isinstance(value, float) and math.isfinite(value) else clean(str(value))
