"""What the user says of notes is kept, counts in what is told of them, and can be said again of another notes file."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import command
import pytest
from notes_tools import add_note, make_notebook

from pocketlm.core.errors import InputError
from pocketlm.notes.corrections import corrections, read_corrections, replay
from pocketlm.notes.duplicates import merge, unmerge
from pocketlm.notes.learn import thumb
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.related import link_notes, links_said, mentions, related, take_back_link
from pocketlm.notes.search import refused
from pocketlm.notes.tags import tag_note, untag_note

DRAFTS = [
    Draft("roof.md", "The roof leaks over the Boathouse.", title="Roof", tags=("house", "urgent")),
    Draft("boat.md", "Oars and a rope.", title="Boathouse"),
    Draft("tax.md", "The form is due.", title="Tax"),
    Draft("tax2.md", "The form is due. Send it.", title="Tax again"),
]


def filled(folder: Path, drafts: list[Draft] = DRAFTS, source: str = "/vault") -> Notebook:
    folder.mkdir(exist_ok=True)
    return make_notebook(folder, drafts, source=source)


def test_a_link_of_the_user_counts_first_and_the_last_word_counts(tmp_path: Path) -> None:
    book = filled(tmp_path)
    assert "Tax" not in {one.note.title for one in related(book, 2)}
    link_notes(book, 3, 2)
    first = related(book, 2)[0]
    assert first.note.title == "Tax" and first.why[0] == "you said that they belong together"
    link_notes(book, 2, 3, together=False)
    assert "Tax" not in {one.note.title for one in related(book, 2)} | {one.note.title for one in related(book, 3)}
    take_back_link(book, 3, 2)
    assert related(book, 2)[0].note.title == "Tax"
    take_back_link(book, 3, 2)
    with pytest.raises(InputError, match="nothing was said"):
        take_back_link(book, 3, 2)
    with pytest.raises(InputError, match="same one twice"):
        link_notes(book, 3, 3)


def test_what_was_said_of_a_merged_note_counts_for_what_stands_for_it(tmp_path: Path) -> None:
    book = filled(tmp_path)
    link_notes(book, 3, 1)
    link_notes(book, 3, 4, together=False)
    made = merge(book, 3, 4)
    assert links_said(book.store, made) == {1: True} and links_said(book.store, 1) == {made: True}
    assert related(book, made)[0].note.id == 1
    unmerge(book, made)
    assert links_said(book.store, 3) == {1: True, 4: False}


def test_notes_that_do_not_belong_together_are_not_proposed_for_a_link(tmp_path: Path) -> None:
    book = filled(tmp_path)
    assert [one.target.title for one in mentions(book, 1)] == ["Boathouse"]
    link_notes(book, 1, 2, together=False)
    assert mentions(book, 1) == []


def test_a_tag_that_was_taken_off_stays_off_when_its_note_changes(tmp_path: Path) -> None:
    book = filled(tmp_path)
    untag_note(book, 1, "URGENT")
    changed = Draft("roof.md", "The roof leaks no more.", title="Roof", tags=("house", "urgent"))
    add_note(book, 1, changed, 1)
    assert book.store.tags(1) == ["house"]
    tag_note(book, 1, "urgent")
    add_note(book, 1, changed, 1)
    assert book.store.tags(1) == ["house", "urgent"]


def said(book: Notebook) -> None:
    tag_note(book, 1, "roofer")
    untag_note(book, 1, "urgent")
    link_notes(book, 1, 2)
    made = merge(book, 3, 4)
    tag_note(book, made, "money")
    thumb(book, 1, "leaks", up=False)


def test_all_is_said_again_by_the_keys(tmp_path: Path) -> None:
    book = filled(tmp_path / "old")
    said(book)
    rows = corrections(book.store)
    assert [row["kind"] for row in rows] == ["tag", "untag", "link", "merge", "tag", "thumb"]
    assert rows[2] | {"at": ""} == {
        "at": "", "kind": "link", "note": "roof.md", "note_source": "/vault", "other": "boat.md", "other_source": "/vault",
    }  # fmt: skip
    other = filled(tmp_path / "new", [Draft("extra.md", "x"), *DRAFTS[::-1]], source="/elsewhere")
    did = replay(other, rows)
    assert (did.applied, did.known, did.failed) == (6, 0, ())
    roof = other.store.find("Roof").id
    assert other.store.tags(roof) == ["house", "roofer"]
    assert related(other, roof)[0].why[0] == "you said that they belong together"
    assert other.store.tags(other.store.find("Tax").id) == ["money"]
    assert replay(other, rows).known == 6 and len(corrections(other.store)) == 6  # nothing is said twice


def test_saying_it_again_ends_with_the_same_last_word(tmp_path: Path) -> None:
    book, other = filled(tmp_path / "old"), filled(tmp_path / "new")
    untag_note(book, 1, "roofer")
    tag_note(book, 1, "Roofer")
    link_notes(book, 1, 2, together=False)
    link_notes(book, 2, 1)
    thumb(book, 1, "leaks", up=False)
    thumb(book, 1, "leaks")
    tag_note(other, 1, "roofer")
    link_notes(other, 1, 2)
    thumb(other, 1, "leaks")
    did = replay(other, corrections(book.store))
    assert (did.applied, did.known) == (6, 0)
    assert "roofer" in [tag.casefold() for tag in other.store.tags(1)]
    assert links_said(other.store, 1) == {2: True} and refused(other)["leaks"] == set()
    assert replay(other, corrections(book.store)).known == 6


def test_what_is_said_of_a_merged_note_is_known_by_its_parts(tmp_path: Path) -> None:
    book, other = filled(tmp_path / "old"), filled(tmp_path / "new")
    said(book)
    rows = corrections(book.store)
    name = rows[3]["made"]
    told = [row | {field: "1999-12-31 23:59" for field in ("note", "made") if row.get(field) == name} for row in rows]
    assert replay(other, told).applied == 6  # the merge's note is called otherwise here
    did = replay(other, told)
    assert (did.applied, did.known, did.failed) == (0, 6, ())


def test_what_cannot_be_applied_is_told_and_changes_nothing(tmp_path: Path) -> None:
    book = filled(tmp_path / "old")
    said(book)
    other = filled(tmp_path / "new", DRAFTS[:2])
    did = replay(other, corrections(book.store))
    assert did.applied == 4 and [(row["kind"], why) for row, why in did.failed] == [
        ("merge", 'no note is called "tax.md" here'),
        ("tag", f'"{corrections(book.store)[4]["note"]}" was made by a merge that could not be applied here'),
    ]
    twice = other.store.source("/second", "json")
    add_note(other, twice, DRAFTS[0])
    tag_note(book, 1, "second")
    assert replay(other, corrections(book.store)[-1:]).applied == 1  # that of the same source
    row = corrections(book.store)[-1] | {"note_source": "/third", "tag": "third"}
    assert "several sources" in replay(other, [row]).failed[0][1]


def test_a_file_with_a_broken_line_applies_nothing(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text('{"kind": "tag", "note": "roof.md", "tag": "x"}\n{"kind": "tag", "note": "roof.md"}\n')
    with pytest.raises(InputError, match=r"said.jsonl:2: lacks tag; nothing was applied"):
        read_corrections(file)
    file.write_text('{"kind": "like", "note": "roof.md"}\n')
    with pytest.raises(InputError, match="its kind is none of tag, untag"):
        read_corrections(file)
    with pytest.raises(InputError, match="no such file"):
        read_corrections(tmp_path / "none.jsonl")


def test_the_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    run: Any = partial(command.call, capsys, monkeypatch, "notes")
    monkeypatch.chdir(tmp_path)
    Path("vault").mkdir()
    for name in ("a", "b"):
        Path("vault", f"{name}.md").write_text(f"# {name.upper()}\n")
    run("import", "vault", "--encoder", "none")
    assert run("link", "A", "B")[1] == "#1 A and #2 B: belong together\n"
    assert "you said" in run("related", "A")[1]
    assert run("unlink", "A", "B", "--undo")[1] == "#1 A and #2 B: nothing is said of them\n"
    assert run("corrections")[1] == "no corrections\n"
    assert run("corrections", "--out", "none.jsonl")[1] == "none.jsonl: 0 corrections\n"
    assert run("corrections", "--replay", "none.jsonl")[1].startswith("0 applied")
    run("unlink", "A", "B")
    run("tag", "A", "x")
    assert [row["note"] for row in json.loads(run("corrections", "--json")[1])] == ["a.md", "a.md"]
    assert "unlink  a.md  b.md" in run("corrections")[1]
    assert run("corrections", "--out", "said.jsonl")[1] == "said.jsonl: 2 corrections\n"
    run("import", "vault", "--encoder", "none", "--db", "other.db")
    Path("vault", "b.md").unlink()
    run("import", "vault", "--db", "other.db")
    out = run("corrections", "--replay", "said.jsonl", "--db", "other.db")[1]
    assert out.startswith(
        "1 applied, 0 said here already, 1 could not be applied\n  unlink  a.md  b.md: no note is called"
    )
