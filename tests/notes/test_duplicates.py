"""Twins are found and told apart from notes that only share words; merges come apart again without a trace."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest
from notes_tools import FakeEmbedder, add_note, make_notebook
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.notes.duplicates import alike, as_rows, difference, difference_page, duplicates, merge, union, unmerge
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.own import create_note
from pocketlm.notes.related import link_notes, links_said
from pocketlm.notes.search import search
from pocketlm.notes.tags import tag_note

LONG = " ".join(f"Sentence {i} tells of thing{i} and place{i}, seen by person{i} in year{i}." for i in range(12))


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    half = " ".join(
        part if i % 2 else f"Something new{i} stands here instead." for i, part in enumerate(LONG.split(". "))
    )
    drafts = [
        Draft("long", LONG, tags=("a",), date="2020-01-01", title="Long"),
        Draft("copy", LONG.upper().replace(",", ""), tags=("b",)),
        Draft("half", half),
        Draft("else", "We went to the market and to bed early, as usual, with no news from the sea at all."),
        Draft("empty", ""),
        Draft("empty2", ""),
    ]
    return make_notebook(tmp_path, drafts)


def test_pairs(book: Notebook) -> None:
    found = {(pair.first, pair.second): pair for pair in duplicates(book)}
    assert found.keys() == {(1, 2), (1, 3), (2, 3)}
    assert found[1, 2].kind == "exact" and found[1, 3].kind == "near" and 0.3 <= found[1, 3].score < 0.7


def test_short_texts_share_words_without_being_twins() -> None:
    texts = [
        "see you at the station at nine tomorrow then",
        "see you at the harbour with all your friends tomorrow",
        "ok",
        "ok",
        "see you at the station at nine tomorrow, love",
    ]
    assert [(a, b) for a, b, _, _ in alike(texts)] == [(0, 4), (2, 3)]


def test_same_meaning_is_a_kind_of_its_own(tmp_path: Path) -> None:
    book = make_notebook(
        tmp_path, ["my car had an illness of purchased parts", "my automobile had an sickness of bought parts"]
    )
    assert duplicates(book) == []
    assert [pair.kind for pair in duplicates(book, meaning=True)] == ["meaning"]


def test_a_merge_and_back(book: Notebook) -> None:
    before = [(note.id, note.content, book.store.tags(note.id)) for note in book.store.notes(order="note.id")]
    made = merge(book, 1, 3)
    assert book.store.note(made).content.startswith(LONG) and "Something new0" in book.store.note(made).content
    assert book.store.tags(made) == ["a"] and book.store.note(made).title == "Long"
    found = {hit.note.id for hit in search(book, "thing3 person3", 10)}
    assert made in found and not found & {1, 3}
    add_note(book, 1, Draft("copy", "changed meanwhile", tags=("b",)), 2)
    with pytest.raises(InputError, match="merged already"):
        merge(book, 1, 2)
    assert unmerge(book, made) == (1, 3)
    after = [(note.id, note.content, book.store.tags(note.id)) for note in book.store.notes(order="note.id")]
    assert [one for one in after if one[0] != 2] == [one for one in before if one[0] != 2]
    with pytest.raises(InputError, match="not made by a merge"):
        unmerge(book, made)


def test_what_was_said_of_a_merge_is_said_of_its_parts_when_it_ends(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, [Draft(key, f"Note {key} says this.") for key in "abcd"])
    made = merge(book, 1, 2)
    tag_note(book, made, "money")
    link_notes(book, made, 3)
    link_notes(book, 4, made, together=False)
    add_note(book, 1, Draft("a", "Note a says something else."), 1)
    assert [book.store.tags(note) for note in (1, 2)] == [["money"], ["money"]]
    for part in (1, 2):
        assert links_said(book.store, part) == {3: True, 4: False}
    assert not [told for _, _, note, told in book.store.corrections() if made in (note, told.get("other"))]


def test_what_a_merge_was_made_of_changes_or_goes(book: Notebook) -> None:
    made = merge(book, 1, 3)
    add_note(book, 1, Draft("renamed", book.store.note(3).content), 3)
    assert {hit.note.id for hit in search(book, "thing3 person3", 10)} >= {made}
    add_note(book, 1, Draft("renamed", "A zeppelin landed."), 3)  # the merged note would say what no note says any more
    assert {note.id for note in book.store.notes()} == {1, 2, 3, 4, 5, 6} and not book.store.corrections("merge")
    assert [hit.note.id for hit in search(book, "zeppelin", 1)] == [3]

    of_both = merge(book, merge(book, 1, 2), 3)
    assert book.store.note(of_both).content.endswith("A zeppelin landed.")
    book.store.remove(1)
    assert {note.id for note in book.store.notes()} == {2, 3, 4, 5, 6} and not book.store.corrections("merge")
    assert book.store.db.execute("PRAGMA foreign_key_check").fetchall() == []


def test_the_old_names_lead_to_what_stands_for_them(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, [Draft(key, f"Note {key} says this.") for key in "abc"])
    made = merge(book, 1, 2)
    assert book.store.note(made).title == "a"
    both = merge(book, made, 3)
    assert {book.store.find(name).id for name in ("a", "b", "c", "#1", f"{made}")} == {both}
    unmerge(book, book.store.find("c").id)
    assert [book.store.find(name).id for name in "abc"] == [made, made, 3]


def test_rows_have_keys_names_and_what_differs(book: Notebook) -> None:
    row = next(row for row in as_rows(book, duplicates(book)) if (row["first"], row["second"]) == (1, 3))
    assert (row["first_key"], row["first_name"], row["second_key"], row["kind"]) == ("long", "Long", "half", "near")
    assert row["difference"][0]["kind"] == "changed" and "Something new0" in row["difference"][0]["second"]


def test_the_difference(book: Notebook) -> None:
    told = difference("one two three four", "one TWO three four five")
    assert told == [
        ("same", "one", "one"),
        ("changed", " two", " TWO"),
        ("same", " three four", " three four"),
        ("second", "", " five"),
    ]
    page = difference_page(book, duplicates(book)[:1])
    assert "<mark>" in page and "#1 Long" in page
    assert union("It rained. We stayed.", "We stayed. It was cold.") == "It rained. We stayed.\n\nIt was cold."


def test_two_programs_do_not_merge_the_same_notes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = make_notebook(tmp_path, ["The form is due.", "The form is due. Send it."])
    other = Notebook(tmp_path / "notes.db", encoder=FakeEmbedder(), generator="none")
    writing = book.store.writing

    def late() -> AbstractContextManager[None]:
        monkeypatch.undo()
        merge(other, 1, 2)  # just before this one may write
        return writing()

    monkeypatch.setattr(book.store, "writing", late)
    with pytest.raises(InputError, match="is merged already"):
        merge(book, 1, 2)
    assert [note.id for note in book.store.notes()] == [3]


def test_two_programs_write_notes_in_the_same_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book, at = make_notebook(tmp_path, ["one"]), datetime(2024, 3, 1, 9, 30)
    other = Notebook(tmp_path / "notes.db", encoder=FakeEmbedder(), generator="none")
    embed = book.embedder.embed

    def slow(texts: Sequence[str]) -> NDArray[np.float32]:
        monkeypatch.undo()
        create_note(other, "theirs", written=at)
        return embed(texts)

    monkeypatch.setattr(book.embedder, "embed", slow)
    assert create_note(book, "ours", written=at).key == "2024-03-01 09:30 (2)"
