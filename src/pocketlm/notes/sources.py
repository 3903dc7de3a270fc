"""Files of notes read as drafts: JSON, JSON lines, CSV, Markdown vaults, plain text. Nothing is ever written.

What cannot be read becomes a `Fault` with the reason; it stops nothing else.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from pocketlm.core.errors import InputError
from pocketlm.data.markdown import FRONT, HEADING
from pocketlm.notes.note import Draft, moment
from pocketlm.notes.wiki import links_in, tags_in

FILES = (".md", ".markdown", ".txt")
TABLES = {".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl", ".csv": "csv", ".tsv": "csv"}
# fields of a row -> what they are; the first that is there counts, what is left goes into the head
FIELDS = {
    "key": ("id", "key", "_id", "uuid", "path"),
    "content": ("content", "text", "body", "note", "markdown"),
    "title": ("title", "subject", "name", "heading"),
    "date": ("date", "created", "created_at", "createdAt", "timestamp", "written", "time"),
    "folder": ("folder", "notebook", "category"),
    "tags": ("tags", "labels", "keywords"),
}
DAY = re.compile(r"(?<!\d)(\d{4})-?(\d{2})-?(\d{2})(?!\d)")
MILLISECONDS = 1e11  # moments counted from 1970 that are larger count these


@dataclass(frozen=True)
class Fault:
    """A note that could not be read, and why."""

    key: str
    why: str


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
        yield from _rows(path)
    else:
        root = path if path.is_dir() else path.parent
        for file in _files(path):
            yield _file(file, root, stamps)


def stamp_of(path: Path) -> str:
    """Size and time of a file."""
    about = path.stat()
    return f"{about.st_size}-{about.st_mtime_ns}"


# Files


def _files(path: Path) -> Iterator[Path]:
    """The notes of a folder in order; what begins with a dot, such as .obsidian, is left out."""
    if path.is_file():
        yield path
        return
    for folder, folders, names in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        yield from (
            Path(folder, name) for name in sorted(names) if name.lower().endswith(FILES) and not name.startswith(".")
        )


def _file(file: Path, root: Path, stamps: Mapping[str, str]) -> Found:
    key = file.relative_to(root).as_posix()
    try:
        stamp = stamp_of(file)
        if stamps.get(key) == stamp:
            return Same(key)
        text = file.read_bytes().decode("utf-8-sig")
        return _note(key, text, stamp)
    except OSError as error:
        return Fault(key, f"cannot be read ({error.strerror})")
    except UnicodeDecodeError as error:
        return Fault(key, f"is not UTF-8 text (byte {error.start}); save it as UTF-8")
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f", line {mark.line + 2}" if mark else ""
        return Fault(
            key, f"its frontmatter is not YAML{line}: {getattr(error, 'problem', error)}; mend it or take the --- away"
        )


def _note(key: str, text: str, stamp: str) -> Draft:
    """Raises yaml.YAMLError: the frontmatter is broken."""
    head, content = split_head(text)
    path = Path(key)
    heading = HEADING.search(content[:2000])
    stem = path.stem
    title = str(head.get("title") or (heading[1] if heading else stem))
    day = DAY.search(stem)
    tags = dict.fromkeys([*_listed(head.get("tags", head.get("tag"))), *tags_in(content)])
    told = next((head[name] for name in FIELDS["date"] if head.get(name)), "-".join(day.groups()) if day else "")
    return Draft(
        key=key,
        content=_clean(content),
        title=title,
        date=_date(told),
        folder="" if str(path.parent) == "." else path.parent.as_posix(),
        tags=tuple(tags),
        links=tuple(links_in(_clean(content), head)),
        head={name: _plain(value) for name, value in head.items()},
        stamp=stamp,
    )


def split_head(text: str) -> tuple[dict[str, Any], str]:
    """The frontmatter's keys and the text behind it, to the letter.

    Raises:
        yaml.YAMLError: it is not YAML, or no list of keys.
    """
    found = FRONT.match(text)
    if not found:
        return {}, text
    head = yaml.safe_load(found[1])
    if head is None:
        return {}, text[found.end() :]
    if not isinstance(head, dict):
        return {}, text  # a text between two rules
    return {str(name): value for name, value in head.items()}, text[found.end() :]


# Rows


def _rows(path: Path) -> Iterator[Found]:
    from pocketlm.data.sources import read_items

    seen: set[str] = set()
    for number, item in enumerate(read_items(path, is_row=lambda value: bool(_first(value, "content")[0])), 1):
        if item.problem:
            yield Fault(f"line {item.line}", item.problem)
            continue
        found = _row(item.value, number)
        if found.key in seen:
            yield Fault(
                f"{found.key} (line {item.line})",
                f'the id "{found.key}" stands twice in {path.name}; give each note its own',
            )
            continue
        seen.add(found.key)
        yield found


def _row(value: Any, number: int) -> Draft | Fault:
    if not isinstance(value, dict):
        return Fault(f"note {number}", 'is no object with a text; write {"id": ..., "content": ...}')
    used = {}
    for part in FIELDS:
        name, given = _first(value, part)
        if name:
            used[part] = (name, given)
    key = str(used["key"][1]) if "key" in used else str(number)
    if "content" not in used or not isinstance(used["content"][1], str):
        return Fault(key, f"has no text; its text belongs into {' or '.join(FIELDS['content'][:3])}")
    content = _clean(used["content"][1])
    names = {name for name, _ in used.values()}
    told = {part: used[part][1] for part in used}
    return Draft(
        key=key,
        content=content,
        title=str(told.get("title") or ""),
        date=_date(told.get("date", "")),
        folder=str(told.get("folder") or ""),
        tags=tuple(dict.fromkeys([*_listed(told.get("tags")), *tags_in(content)])),
        links=tuple(links_in(content, {})),
        head={name: _plain(given) for name, given in value.items() if name not in names},
    )


def _first(value: Mapping[str, Any], part: str) -> tuple[str, Any]:
    return next(((name, value[name]) for name in FIELDS[part] if value.get(name) not in (None, "")), ("", None))


def _clean(text: str) -> str:
    return text.replace("\0", "")  # SQLite's functions end a text there


def _listed(value: Any) -> list[str]:
    if isinstance(value, str):
        value = re.split(r"[,\s]+", value)
    found = value if isinstance(value, (list, tuple)) else []
    return [tag for one in found if (tag := str(one).strip().lstrip("#"))]


def _date(value: Any) -> str:
    """ISO 8601 of what a source calls a date; "" where it cannot be told."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) > 1e8:
        seconds = value / 1000 if abs(value) > MILLISECONDS else value
        return datetime.fromtimestamp(seconds, timezone.utc).replace(tzinfo=None).isoformat(timespec="seconds")
    text = str(value or "").strip()
    if moment(text):
        return text
    if not text:
        return ""
    from dateutil import parser

    try:
        return str(parser.parse(text).replace(tzinfo=None).isoformat())
    except (ValueError, OverflowError):
        return ""


def _plain(value: Any) -> Any:
    """A value that JSON can hold."""
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, dict):
        return {str(name): _plain(given) for name, given in value.items()}
    return [_plain(one) for one in value] if isinstance(value, (list, tuple, set)) else value
