"""Tags that were given here, written into the frontmatter of the user's own files. Every other byte stays as it is."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path

import yaml

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path
from pocketlm.data.markdown import FRONT
from pocketlm.notes.sources import stamp_of
from pocketlm.notes.store import Store

BOM = "\ufeff"
TAGS = re.compile(r"^tags[ \t]*:[ \t]*(?P<inline>[^\n\r]*)(?P<items>(?:\r?\n[ \t]*-[ \t]+[^\n\r]*)*)", re.MULTILINE)
PLAIN = re.compile(r"[^\W\d_][\w/-]*\Z")  # a tag that YAML takes for a text without quotes
WORDS_OF_YAML = {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}


@dataclass(frozen=True)
class Change:
    """What becomes of one file: the tags that are added, and the difference in lines."""

    key: str
    tags: tuple[str, ...]
    diff: str


def write_tags(store: Store, vault: Path, *, dry_run: bool = False) -> list[Change]:
    """Add the user's tags to the frontmatter of the notes of a vault.

    Raises:
        InputError: it was not imported, a file changed since then, or the tags in its frontmatter are written in a way that
            cannot be added to. No file is changed then.
    """
    named = str(vault.resolve())
    source = store.db.execute("SELECT id FROM source WHERE path = ? AND kind = 'markdown'", (named,)).fetchone()
    if not source:
        raise InputError(f"{vault}: no folder of notes that was imported; run pocketlm notes import {vault} first")
    rows = store.db.execute(
        "SELECT key, stamp, name FROM tag JOIN note ON note.id = tag.note WHERE source = ? AND origin = 'user' ORDER BY key, name",
        source,
    ).fetchall()
    given: dict[str, list[str]] = {}
    stamps = {key: stamp for key, stamp, _ in rows}
    for key, _, name in rows:
        given.setdefault(key, []).append(name)
    planned = [(vault / key, *_planned(vault / key, stamps[key], tags)) for key, tags in given.items()]
    changes = []
    for (file, before, after), (key, tags) in zip(planned, given.items(), strict=True):
        if before == after:
            continue
        old, new = (text.splitlines(keepends=True)[:40] for text in (before, after))
        changes.append(Change(key, tuple(tags), "".join(difflib.unified_diff(old, new, key, key, n=1)).rstrip()))
        if not dry_run:
            with atomic_path(file) as made:
                made.write_bytes(after.encode("utf-8"))
                made.chmod(file.stat().st_mode)
    return changes


def _planned(file: Path, stamp: str, tags: list[str]) -> tuple[str, str]:
    """The file's text, and as it will be."""
    if not file.is_file() or stamp_of(file) != stamp:
        raise InputError(f"{file}: changed since it was imported; import it again first")
    text = file.read_bytes().decode("utf-8")
    return text, added(text, tags, file)


def added(text: str, tags: list[str], file: Path | str) -> str:
    """A note's text with tags added to its frontmatter, which is made where there is none; those it has are not added again.

    Raises:
        InputError: the frontmatter's tags are no list, or it is no YAML.
    """
    mark, body = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    end = "\r\n" if "\r\n" in body[:2000] else "\n"
    found = FRONT.match(body)
    if not found:
        lines = ["---", "tags:", *(f"  - {_written(tag)}" for tag in tags), "---", ""]
        return mark + end.join(lines) + body
    new = [tag for tag in tags if tag.casefold() not in _present(found[1], file)]
    if not new:
        return text
    start = found.start(1)
    at = TAGS.search(found[1])
    changed = found[1] + end + end.join(["tags:", *(f"  - {_written(tag)}" for tag in new)])
    if at:
        changed = found[1][: at.start()] + _longer(at, new, end, file) + found[1][at.end() :]
    if set(_present(changed, file)) < {tag.casefold() for tag in tags}:
        raise InputError(f"{file}: its tags are written in a way that cannot be added to; write them as a list")
    return mark + body[:start] + changed + body[start + len(found[1]) :]


def _present(front: str, file: Path | str) -> list[str]:
    try:
        head = yaml.safe_load(front)
    except yaml.YAMLError as error:
        raise InputError(
            f"{file}: its frontmatter is not YAML ({getattr(error, 'problem', error)}); mend it first"
        ) from None
    value = head.get("tags") if isinstance(head, dict) else None
    if value is not None and not isinstance(value, (list, str)):
        raise InputError(f"{file}: its tags are no list; write them as tags: [one, two]")
    listed = re.split(r"[,\s]+", value) if isinstance(value, str) else value or []
    return [str(tag).lstrip("#").casefold() for tag in listed]


def _longer(at: re.Match[str], new: list[str], end: str, file: Path | str) -> str:
    """The `tags:` entry with more of them, in the way it is written."""
    items, inline = at["items"], at["inline"]
    value, comment = re.fullmatch(r"(.*?)([ \t]*(?:#.*)?)", inline).groups()  # type: ignore[union-attr]
    if items:
        indent = re.match(r"\r?\n([ \t]*-[ \t]+)", items)
        lead = indent[1] if indent else "  - "
        return at[0] + "".join(f"{end}{lead}{_written(tag)}" for tag in new)
    if value.startswith("[") and value.endswith("]"):
        inner = value[1:-1].rstrip()
        joined = ", ".join([*([inner.lstrip()] if inner.strip() else []), *map(_written, new)])
        return at[0][: at.start("inline") - at.start()] + f"[{joined}]{comment}"
    if value in ("", "~", "null"):
        return f"tags:{comment}" + "".join(f"{end}  - {_written(tag)}" for tag in new)
    if re.fullmatch(r"[\w/-]+", value):
        lines = [f"  - {value}", *(f"  - {_written(tag)}" for tag in new)]
        return f"tags:{comment}" + "".join(end + line for line in lines)
    raise InputError(f"{file}: its tags are written in a way that cannot be added to; write them as a list")


def _written(tag: str) -> str:
    """A tag as YAML writes a text."""
    if PLAIN.match(tag) and tag.casefold() not in WORDS_OF_YAML:
        return tag
    return '"' + tag.replace("\\", "\\\\").replace('"', '\\"') + '"'
