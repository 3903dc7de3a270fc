"""Notes of every kind read as drafts; what cannot be read says why and stops nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pocketlm.core.errors import InputError
from pocketlm.notes.note import Draft
from pocketlm.notes.sources import Fault, Same, kind_of, read, stamp_of

NOTE = """---
title: Trip
tags: [travel, "two words"]
created: 2024-05-03
aliases:
  - "[[Journey]]"
---
# Heading
See [[Kyoto|the city]] and [a map](maps/kyoto.md), https://example.org/a. #japan
```sh
# no-tag [[no link]]
```
"""


def all_of(path: Path, stamps: dict[str, str] | None = None) -> dict[str, object]:
    return {one.key: one for one in read(path, kind_of(path), stamps or {})}


def test_a_vault(tmp_path: Path) -> None:
    (tmp_path / "places").mkdir()
    (tmp_path / ".obsidian").mkdir()
    (tmp_path / ".obsidian" / "x.md").write_text("hidden")
    (tmp_path / "places" / "trip.md").write_bytes(b"\xef\xbb\xbf" + NOTE.encode())
    (tmp_path / "2023-09-12 Log.md").write_text("Rain.\r\nMore rain.\r\n", newline="")
    (tmp_path / "empty.md").write_text("---\nrating: 7\n---\n")
    found = all_of(tmp_path)
    assert list(found) == ["2023-09-12 Log.md", "empty.md", "places/trip.md"]
    trip = found["places/trip.md"]
    assert isinstance(trip, Draft)
    assert (trip.title, trip.date, trip.folder) == ("Trip", "2024-05-03", "places")
    assert trip.tags == ("travel", "two words", "japan")
    assert trip.content == NOTE.split("---\n", 2)[2]
    assert [(link.kind, link.target) for link in trip.links] == [
        ("wiki", "Kyoto"), ("markdown", "maps/kyoto.md"), ("url", "https://example.org/a"), ("wiki", "Journey")
    ]  # fmt: skip
    assert trip.content[trip.links[0].start : trip.links[0].stop] == "[[Kyoto|the city]]"
    log = found["2023-09-12 Log.md"]
    assert isinstance(log, Draft) and log.date == "2023-09-12" and log.content == "Rain.\r\nMore rain.\r\n"
    empty = found["empty.md"]
    assert isinstance(empty, Draft) and empty.title == "empty" and empty.head == {"rating": 7}


def test_a_file_that_is_as_it_was_is_not_opened(tmp_path: Path) -> None:
    file = tmp_path / "a.md"
    file.write_text("text")
    stamp = stamp_of(file)
    file.chmod(0)
    assert all_of(tmp_path, {"a.md": stamp}) == {"a.md": Same("a.md")}


@pytest.mark.parametrize(
    ("bytes_", "why"),
    [
        (b"caf\xe9", "is not UTF-8 text (byte 3)"),
        (b"---\nkey: [1, 2\n---\ntext", "its frontmatter is not YAML, line"),
        (b"---\n{{date}}:\n  a: {{x}}\n---\ntext", "its frontmatter is not YAML"),
    ],
)
def test_a_broken_file_says_why(tmp_path: Path, bytes_: bytes, why: str) -> None:
    (tmp_path / "bad.md").write_bytes(bytes_)
    (tmp_path / "good.md").write_text("fine")
    found = all_of(tmp_path)
    bad = found["bad.md"]
    assert isinstance(bad, Fault) and why in bad.why
    assert isinstance(found["good.md"], Draft)


def test_rows(tmp_path: Path) -> None:
    rows = [
        {"id": "a", "content": "One\0 two #x", "date": "1665-07-15", "mood": "calm"},
        {"uuid": 7, "text": "Three", "created_at": 1700000000, "labels": "red, blue"},
        {"id": "a", "content": "again"},
        {"id": "b", "title": "only a title"},
        {"body": "no id", "date": "3 May 2021"},
    ]
    (tmp_path / "notes.json").write_text(json.dumps(rows))
    found = list(read(tmp_path / "notes.json", "json", {}))
    drafts = [one for one in found if isinstance(one, Draft)]
    assert [(one.key, one.content, one.date, one.tags) for one in drafts] == [
        ("a", "One two #x", "1665-07-15", ("x",)),
        ("7", "Three", "2023-11-14T22:13:20", ("red", "blue")),
        ("5", "no id", "2021-05-03T00:00:00", ()),
    ]
    assert drafts[0].head == {"mood": "calm"}
    assert [one.why for one in found if isinstance(one, Fault)] == [
        'the id "a" stands twice in notes.json; give each note its own',
        "has no text; its text belongs into content or text or body",
    ]


def test_lines_and_tables(tmp_path: Path) -> None:
    (tmp_path / "notes.jsonl").write_text('{"id": 1, "text": "a"}\nbroken\n{"id": 2, "text": "b"}\n')
    kinds = [type(one).__name__ for one in read(tmp_path / "notes.jsonl", "jsonl", {})]
    assert kinds == ["Draft", "Fault", "Draft"]
    (tmp_path / "notes.csv").write_text('id,text,tags\n1,"a, b",red\n2,c,\n')
    drafts = list(read(tmp_path / "notes.csv", "csv", {}))
    assert [(one.key, one.content, one.tags) for one in drafts if isinstance(one, Draft)] == [
        ("1", "a, b", ("red",)),
        ("2", "c", ()),
    ]


def test_what_is_no_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    with pytest.raises(InputError, match=r"not from \.pdf"):
        kind_of(tmp_path / "x.pdf")
    with pytest.raises(InputError, match="no such file or folder"):
        kind_of(tmp_path / "y")
