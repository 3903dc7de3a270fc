"""Tags that were given here, written into the frontmatter of the user's own files. Every other byte stays as it is."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path
from pocketlm.data.markdown import FRONT
from pocketlm.notes.sources import BrokenHead, listed, read_head, stamp_of
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
    planned = [_planned(vault / key, stamps[key], tags) for key, tags in given.items()]
    changes = []
    for (file, before, after), (key, tags) in zip(planned, given.items(), strict=True):
        if before == after:
            continue
        old, new = (text.splitlines(keepends=True) for text in (before, after))
        changes.append(Change(key, tuple(tags), "".join(difflib.unified_diff(old, new, key, key, n=1)).rstrip()))
        if not dry_run:
            with atomic_path(file) as made:
                made.write_bytes(after.encode())
                made.chmod(file.stat().st_mode)
    return changes


def _planned(file: Path, stamp: str, tags: list[str]) -> tuple[Path, str, str]:
    """The file itself, where its name is a link; its text, and as that will be."""
    if not file.is_file() or stamp_of(file) != stamp:
        raise InputError(f"{file}: changed since it was imported; import it again first")
    text = file.read_bytes().decode()
    return file.resolve(), text, added(text, tags, file)


def added(text: str, tags: list[str], file: Path | str) -> str:
    """A note's text with tags added to its frontmatter, which is made where there is none; those it has are not added again.

    Raises:
        InputError: the frontmatter is no YAML, or its tags are written in a way that cannot be added to.
    """
    mark, body = (BOM, text[1:]) if text.startswith(BOM) else ("", text)
    end = "\r\n" if "\r\n" in body[:2000] else "\n"
    found = FRONT.match(body)
    try:
        head = read_head(found[1]) if found else None
    except BrokenHead as error:
        raise InputError(f"{file}: has a frontmatter that is not YAML ({error}); mend it first") from None
    if not found or head is None:
        return mark + end.join(["---", *_block(tags), "---", ""]) + body
    has = {tag.casefold() for tag in (*listed(head.get("tags")), *listed(head.get("tag")))}
    new = [tag for tag in tags if tag.casefold() not in has]
    if not new:
        return text
    front, at = found[1], TAGS.search(found[1])
    if at:
        front = front[: at.start()] + _longer(at, new, end, file) + front[at.end() :]
    else:
        front = end.join([*([front] if front else []), *_block(new)])
    _check(head, front, new, file)
    start, stop = found.span(1)
    return mark + body[:start] + front + ("" if found[1] else end) + body[stop:]


def _check(before: dict[str, Any], front: str, new: list[str], file: Path | str) -> None:
    """Whatever is written where: read again, the tags must be there, and nothing else may be other than before."""
    wanted = before | {"tags": [*listed(before.get("tags")), *new]}
    try:
        after = read_head(front) or {}
        good = after | {"tags": listed(after.get("tags"))} == wanted
    except BrokenHead:
        good = False
    if not good:
        raise InputError(f"{file}: its tags are written in a way that cannot be added to; write them as a list")


def _block(tags: list[str]) -> list[str]:
    return ["tags:", *(f"  - {_written(tag)}" for tag in tags)]


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
