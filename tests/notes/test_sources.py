"""Notes of every kind read as drafts; what cannot be read says why and stops nothing."""

from __future__ import annotations

import json
import os
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
        (b"---\nkey: [1, 2\n---\ntext", "has a frontmatter that is not YAML (line"),
        (b"---\n{{date}}:\n  a: {{x}}\n---\ntext", "has a frontmatter that is not YAML"),
        (b"---\ndate: 2024-13-45\n---\ntext", "month must be in 1..12"),
        (b"---\na: &x [*x]\n---\ntext", "it holds itself"),
    ],
)
def test_a_broken_file_says_why(tmp_path: Path, bytes_: bytes, why: str) -> None:
    (tmp_path / "bad.md").write_bytes(bytes_)
    (tmp_path / "good.md").write_text("fine")
    found = all_of(tmp_path)
    bad = found["bad.md"]
    assert isinstance(bad, Fault) and why in bad.why
    assert isinstance(found["good.md"], Draft)


@pytest.mark.parametrize("given", ["{{date}}", "{{date:YYYY-MM-DD}} {{time}}", '<% tp.date.now("YYYY: MM") %>'])
def test_what_a_template_leaves_open_is_empty(tmp_path: Path, given: str) -> None:
    text = f'---\nup: "[[Books]]"\ncreated: {given}\nlast: {given}\r\nof:\n  - {given}\ntags:\n  - to-read\n---\nRead {{{{title}}}}.'
    (tmp_path / "Templates").mkdir()
    (tmp_path / "Templates" / "Book.md").write_text(text, newline="")
    (found,) = all_of(tmp_path).values()
    assert isinstance(found, Draft)
    assert (found.title, found.date, found.tags, found.content) == ("Book", "", ("to-read",), "Read {{title}}.")
    assert [link.target for link in found.links] == ["Books"] and found.head["created"] is found.head["last"] is None


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
        (drafts[2].key, "no id", "2021-05-03", ()),
    ]
    assert drafts[0].head == {"mood": "calm"}
    assert [one.why for one in found if isinstance(one, Fault)] == [
        "has an id that stands twice in notes.json; give each note its own",
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


def rows_of(file: Path, text: str) -> list[object]:
    file.write_text(text)
    return list(read(file, kind_of(file), {}))


def test_a_row_without_an_id_is_known_by_its_text(tmp_path: Path) -> None:
    texts = ["one", "two", "two"]
    before = rows_of(tmp_path / "a.json", json.dumps([{"text": text} for text in texts]))
    after = rows_of(tmp_path / "a.json", json.dumps([{"text": text} for text in ["new", *texts]]))
    keys = [one.key for one in before if isinstance(one, Draft)]
    assert len(set(keys)) == 3 and [one.key for one in after[1:] if isinstance(one, Draft)] == keys


def test_columns_are_known_however_they_are_written(tmp_path: Path) -> None:
    found = rows_of(
        tmp_path / "a.csv", "Title,Body,Created At,mood\nA,text,03.05.2024 10:00,calm\nB,text b,last spring,\n"
    )
    assert isinstance(found[0], Draft) and isinstance(found[1], Draft)
    assert (found[0].title, found[0].content, found[0].date) == ("A", "text", "2024-05-03T10:00:00")
    assert found[0].head == {"mood": "calm"}
    assert found[1].date == "" and found[1].head["Created At"] == "last spring"  # what is not understood is not lost
    with pytest.raises(InputError, match="its columns are who, what"):
        rows_of(tmp_path / "b.csv", "who,what\nme,this\n")


def test_what_hides_others_is_told_from_what_is_wrong_alone(tmp_path: Path) -> None:
    lines = rows_of(tmp_path / "a.jsonl", '{"id": 1, "text": "a"}\n{"id": 2, "te\n{"id": 3}\n')
    assert [(one.key, one.hides) for one in lines if isinstance(one, Fault)] == [("line 2", True), ("3", False)]
    cut = rows_of(tmp_path / "a.json", '[{"id": 1, "text": "a"}, {"id": 2, "te')
    assert isinstance(cut[-1], Fault) and cut[-1].hides and cut[-1].why.startswith("is not valid JSON")


def test_faults_of_a_list_have_the_numbers_of_their_rows(tmp_path: Path) -> None:
    found = rows_of(tmp_path / "a.json", '[{"id": 1, "text": "a"},\n\n\n 7, {"id": 1, "text": "b"}]')
    assert [one.key for one in found if isinstance(one, Fault)] == ["row 2 (of 3)", "1 (row 3)"]


def test_bytes_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,text\n1,caf\xe9\n2,fine\n")
    found = list(read(tmp_path / "a.csv", "csv", {}))
    assert isinstance(found[0], Fault) and "not UTF-8" in found[0].why and isinstance(found[1], Draft)
    half = rows_of(tmp_path / "a.json", r'[{"id": "\ud800", "content": "x \ud800 [[B]]", "extra": "\udc00"}]')[0]
    assert isinstance(half, Draft) and (half.key, half.content, half.head) == ("?", "x ? [[B]]", {"extra": "?"})
    assert half.content[half.links[0].start :] == "[[B]]"


def test_a_files_name_that_is_no_text(tmp_path: Path) -> None:
    name = os.fsencode(tmp_path) + b"/caf\xe9.md"
    try:
        Path(os.fsdecode(name)).write_text("text")
    except OSError:
        pytest.skip("this file system takes no such names")
    assert list(all_of(tmp_path)) == ["caf?.md"]


@pytest.mark.parametrize(
    ("name", "text", "title", "day"),
    [
        ("2024-05-03 Walk.md", "x", "2024-05-03 Walk", "2024-05-03"),
        ("2024_05_03.md", "# Friday\nx", "Friday", "2024-05-03"),
        ("202405031030 Idea.md", "x", "202405031030 Idea", "2024-05-03"),
        ("2024/05/03.md", "x", "03", "2024-05-03"),
        ("Setup 99999999.md", "```sh\n# install\n```\n# Setup\n", "Setup", ""),
        ("plain.txt", "---\ntitle: no\n---\n# no heading", "plain", ""),
        ("a.md", "---\ndate: someday\ncreated: 2024-05-03T10:00:00+02:00\n---\n", "a", "2024-05-03T10:00:00"),
        ("a.md", "---\n---\ntext", "a", ""),
    ],
)
def test_titles_and_days(tmp_path: Path, name: str, text: str, title: str, day: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(text)
    found = all_of(tmp_path)[name]
    assert isinstance(found, Draft) and (found.title, found.date) == (title, day)


def test_what_yaml_knows_and_json_does_not(tmp_path: Path) -> None:
    (tmp_path / "a.md").write_text(
        "---\nn: .nan\nb: !!binary aGVsbG8=\n1: 2024-05-03\ntag: red\ntags: blue, green\n---\n#red x"
    )
    found = all_of(tmp_path)["a.md"]
    assert isinstance(found, Draft) and found.tags == ("blue", "green", "red")
    assert json.loads(json.dumps(found.head, allow_nan=False))["1"] == "2024-05-03"


def test_what_is_no_source_is_named(tmp_path: Path) -> None:
    (tmp_path / "x.pdf").write_bytes(b"%PDF")
    with pytest.raises(InputError, match=r"not from \.pdf"):
        kind_of(tmp_path / "x.pdf")
    with pytest.raises(InputError, match="no such file or folder"):
        kind_of(tmp_path / "y")
