"""A Markdown note as one object: title, text, tags, date. Knows nothing of stores or rows."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml

FRONT = re.compile(r"\A---[ \t]*\r?\n(.*?)(?:(?<=\n)|\r?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL)
HEADING = re.compile(r"^#\s+(.+?)\s*$", re.MULTILINE)


def read_note(file: Path, root: Path) -> dict[str, Any]:
    """`{"id", "title", "content"}` of a note, with "folder", "tags" and "date" where it has them.

    The id is the path below `root`. A frontmatter that is not YAML stays part of the text.
    """
    text = file.read_text(encoding="utf-8-sig", errors="replace").replace("\r\n", "\n")
    front, body = split_front(text)
    heading = HEADING.search(body)
    note: dict[str, Any] = {
        "id": file.relative_to(root).as_posix(),
        "title": str(front.get("title") or (heading[1] if heading else file.stem)),
        "content": body.strip(),
    }
    if file.parent != root:
        note["folder"] = file.parent.relative_to(root).as_posix()
    if tags := _as_list(front.get("tags")):
        note["tags"] = tags
    if date := front.get("date") or front.get("created"):
        note["date"] = str(date)
    return note


def split_front(text: str) -> tuple[dict[str, Any], str]:
    """Frontmatter and body."""
    found = FRONT.match(text)
    if not found:
        return {}, text
    try:
        front = yaml.safe_load(found[1])
    except yaml.YAMLError:
        return {}, text
    return (front, text[found.end() :]) if isinstance(front, dict) else ({}, text)


def _as_list(value: Any) -> list[str]:
    if isinstance(value, str):
        return [tag for tag in re.split(r"[,\s]+", value) if tag]
    return [str(tag) for tag in value] if isinstance(value, list) else []
