"""Thumbs are learnt from, kept only where held-out searches gain, and taken back."""

from __future__ import annotations

from pathlib import Path

import pytest
from notes_tools import make_notebook

from pocketlm.core.errors import InputError
from pocketlm.notes.learn import history, learn, thumb, undo
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.search import WEIGHT, fusion_weight, search


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    """Of every topic a note that says it in other words, and one that has the word and is about something else."""
    drafts = []
    for i in range(12):
        drafts.append(Draft(f"right{i}", f"automobile mark{i} aa{i} bb{i}"))
        drafts.append(Draft(f"wrong{i}", f"car mark{i} mark{i} " + " ".join(f"other{i}{j}" for j in range(6))))
    return make_notebook(tmp_path, drafts)


def test_too_few_thumbs_teach_nothing(book: Notebook) -> None:
    thumb(book, 1, "car mark0")
    (told,) = learn(book)
    assert not told.kept and "1 of 8" in told.why and fusion_weight(book) == WEIGHT


def test_what_helps_is_kept_and_can_be_taken_back(book: Notebook) -> None:
    poor = "INSERT INTO learnt(at, name, value) VALUES('2024-01-01', 'fusion', '{\"weight\": 0.0}')"  # words alone
    book.store.db.execute(poor)
    for i in range(12):
        thumb(book, book.store.find(f"right{i}").id, f"car mark{i}")
    assert search(book, "car mark3", 1)[0].note.key == "wrong3"
    (plan,) = learn(book, dry_run=True)
    assert not plan.kept and fusion_weight(book) == 0.0
    (told,) = learn(book)
    assert told.kept and told.after > told.before and fusion_weight(book) == told.value > 0
    (again,) = learn(book)
    assert not again.kept  # nothing better is there
    assert undo(book)["weight"] == 0.0 and [one["used"] for one in history(book)] == [True, False]
    assert undo(book)["weight"] == WEIGHT
    with pytest.raises(InputError, match="nothing was learnt"):
        undo(book)


def test_a_thumb_down_puts_a_note_last(book: Notebook) -> None:
    first = search(book, "car mark5", 2)[0].note.id
    thumb(book, first, "Car  mark5", up=False)
    assert search(book, "car mark5", 2)[0].note.id != first
    thumb(book, first, "car mark5", up=True)
    assert search(book, "car mark5", 2)[0].note.id == first
