"""Tags are proposed from the user's own, learnt at once from what the user says, and never made up."""

from __future__ import annotations

from pathlib import Path

import pytest
from notes_tools import make_notebook

from pocketlm.core.errors import InputError
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.tags import propose_tags, store_proposals, tag_note, untag_note

TOPICS = {
    "garden": "tomato soil seeds watering compost",
    "music": "cello scales concert rehearsal tuning",
    "travel": "train hotel ticket luggage harbour",
}


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    drafts = [
        Draft(f"{tag}{i}", " ".join(words.split()[i % 5 :] + words.split()[: i % 3]) + f" day {i}", tags=(tag,))
        for tag, words in TOPICS.items()
        for i in range(8)
    ]
    new = [
        Draft("new", "The tomato seeds want compost and watering."),
        Draft("other", "Quarterly figures for the board."),
    ]
    return make_notebook(tmp_path, [*drafts, *new])


def test_a_fitting_tag_with_its_reasons(book: Notebook) -> None:
    (found,) = propose_tags(book, book.store.find("new").id, 0.5)
    assert found.name == "garden" and 0.5 <= found.confidence <= 1
    assert all(book.store.tags(note) == ["garden"] for note in found.because) and len(found.because) == 2


def test_nothing_is_made_up(book: Notebook) -> None:
    assert propose_tags(book, book.store.find("other").id) == []
    new = propose_tags(book, book.store.find("new").id, 1.0, suggest=True)
    assert all(one.is_new for one in new)


def test_words_that_only_hold_a_sentence_together_are_no_tags(tmp_path: Path) -> None:
    made = make_notebook(tmp_path, ["Perhaps compost, perhaps myself; otherwise compost, otherwise myself.", "Board."])
    assert [one.name for one in propose_tags(made, 1, suggest=True)] == ["compost"]


def test_what_the_user_says_counts_at_once(book: Notebook) -> None:
    note = book.store.find("new").id
    untag_note(book, note, "garden")
    assert propose_tags(book, note, 0.0) == [] or propose_tags(book, note, 0.0)[0].name != "garden"
    for number in range(3):
        tag_note(book, book.store.find(f"music{number}").id, "#loud")
    assert "loud" in {one.name for one in propose_tags(book, book.store.find("music3").id, 0.0)}
    kinds = [kind for _, kind, _, _ in book.store.corrections()]
    assert kinds == ["untag", "tag", "tag", "tag"]
    with pytest.raises(InputError, match="needs a name"):
        tag_note(book, note, " # ")


def test_proposals_are_kept_apart_from_the_users_tags(book: Notebook) -> None:
    assert store_proposals(book, 0.5) >= 1
    note = book.store.find("new").id
    assert book.store.tags(note) == []
    assert book.store.db.execute("SELECT name, origin FROM tag WHERE note = ?", (note,)).fetchall() == [
        ("garden", "model")
    ]
    tag_note(book, note, "garden")
    store_proposals(book, 0.5)
    assert book.store.tags(note) == ["garden"]
