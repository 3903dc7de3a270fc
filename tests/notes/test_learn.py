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
from pocketlm.notes.tags import HeadSettings, head_settings


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
    told, of_tags = learn(book)
    assert not of_tags.kept and "0 of 30" in of_tags.why
    assert not told.kept and "1 of 8" in told.why and fusion_weight(book) == WEIGHT


def test_what_helps_is_kept_and_can_be_taken_back(book: Notebook) -> None:
    poor = "INSERT INTO learnt(at, name, value) VALUES('2024-01-01', 'fusion', '{\"weight\": 0.0}')"  # words alone
    book.store.db.execute(poor)
    for i in range(12):
        thumb(book, book.store.find(f"right{i}").id, f"car mark{i}")
    assert search(book, "car mark3", 1)[0].note.key == "wrong3"
    plan, _ = learn(book, dry_run=True)
    assert not plan.kept and fusion_weight(book) == 0.0
    told, _ = learn(book)
    assert told.kept and told.after > told.before and fusion_weight(book) == told.value["weight"] > 0
    again, _ = learn(book)
    assert not again.kept  # nothing better is there
    assert undo(book) == {"name": "fusion", "value": {"weight": 0.0}} and [one["used"] for one in history(book)] == [
        True,
        False,
    ]
    assert undo(book)["value"] == {"weight": WEIGHT}
    with pytest.raises(InputError, match="nothing was learnt"):
        undo(book)


def test_a_thumb_down_puts_a_note_last(book: Notebook) -> None:
    first = search(book, "car mark5", 2)[0].note.id
    thumb(book, first, "Car  mark5", up=False)
    assert search(book, "car mark5", 2)[0].note.id != first
    thumb(book, first, "car mark5", up=True)
    assert search(book, "car mark5", 2)[0].note.id == first


def test_how_tags_are_proposed_is_learnt_from_the_users_own(tmp_path: Path) -> None:
    drafts = []
    for i in range(60):
        topic = ("garden", "music", "travel")[i // 20]
        drafts.append(Draft(f"n{i}", f"{topic} {topic}{i % 4} day{i % 9} other{i % 7}", tags=(topic,)))
    book = make_notebook(tmp_path, drafts)
    poor = "INSERT INTO learnt(at, name, value) VALUES('2024-01-01', 'tags', '{\"ridge\": 30.0, \"least\": 0.99}')"
    book.store.db.execute(poor)
    _, plan = learn(book, dry_run=True)
    assert plan.after > plan.before and not plan.kept and head_settings(book.store).least == 0.99
    _, told = learn(book)
    assert told.name == "tags" and told.kept and "20 notes that were not learnt from" in told.why
    assert head_settings(book.store) == HeadSettings(**told.value) and told.value["least"] < 0.99
    assert not learn(book)[1].kept
    assert undo(book) == {"name": "tags", "value": {"ridge": 30.0, "least": 0.99}}
    undo(book)
    assert head_settings(book.store) == HeadSettings()
