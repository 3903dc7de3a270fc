"""Answers that can be checked: what a generator makes up does not get through, and what is not there is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from notes_tools import FakeEmbedder, add_note, make_notebook

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.notes.ask import Answer, answers, ask, is_current, stream_answer, supported_sentences
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook

NOTES = [
    Draft("cellar", "Sir William Batten dug a pit in the garden and laid his wine in it. It cost 12 shillings.", date="1666-09-04"),
    Draft("bakery", "The bakery in Elm Street sells rye bread on Mondays. Its owner is Anna Brown."),
    Draft("garden", "Planted forty tulips along the fence with Tom."),
    Draft("trip", "The train to Porto leaves at 7:30 pm from platform 4."),
]  # fmt: skip
WINE = "Who dug a pit in the garden for his wine?"


class Scripted:
    """An engine that writes what it was told, and remembers what it was asked."""

    uri = "scripted"
    template = "chatml"

    def __init__(self, text: str) -> None:
        self.text, self.asked = text, ""

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        self.asked = prompt
        yield from (self.text[at : at + 5] for at in range(0, len(self.text), 5))


def open_book(folder: Path, says: str | None = None) -> Notebook:
    book = make_notebook(folder, NOTES)
    if says is None:
        return book
    book.close()
    generator: Any = Scripted(says)
    return Notebook(folder / "notes.db", encoder=FakeEmbedder(), generator=generator)


@pytest.mark.parametrize(
    ("question", "sentence", "does"),
    [
        ("What did it cost?", "It cost 12 shillings.", True),
        ("How much did the pit cost?", "The pit was in the garden.", False),
        ("In what year was a drought worse than in 2005?", "A drought in the north was worse than in 2005.", False),
        ("In what year was a drought worse than in 2005?", "The drought of 2010 was worse than in 2005.", True),
        ("When does the train leave?", "The train leaves at 7:30 pm.", True),
        ("When does the train leave?", "The train to Porto leaves.", False),
        ("Who dug a pit?", "A pit dug.", False),
    ],
)
def test_what_is_written_must_answer(question: str, sentence: str, does: bool) -> None:
    assert answers(question, sentence) == does


def test_without_a_generator_the_answer_is_the_quotation(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        answer = ask(book, WINE)
        assert not answer.refused and not answer.checked and answer.confidence > 0.5
        first = answer.citations[0]
        assert first.note.key == "cellar" and "Sir William Batten dug a pit" in first.text
        assert book.store.text(first.span) == first.text
        assert answer.text.startswith("4 September 1666: “Sir William Batten") and "[1]" in answer.text


def test_what_is_not_there_is_refused_with_what_is_nearest(tmp_path: Path) -> None:
    with open_book(tmp_path, "Charles the Second.") as book:
        answer = ask(book, "Who taught the king of France to dance?")
        assert answer.refused and not answer.citations and answer.text == "This is not in your notes."
        assert answer.nearest and not book.generator.asked  # type: ignore[attr-defined]
        assert not ask(book, WINE, threshold=0.0).refused
        assert ask(book, WINE, threshold=1.0).refused


def test_what_is_supported_is_said_with_its_citation(tmp_path: Path) -> None:
    with open_book(tmp_path, "Sir William Batten dug the pit [2].") as book:
        answer = ask(book, WINE)
        assert answer.checked and answer.text == "Sir William Batten dug the pit. [1]" and not answer.unsupported
        assert [citation.note.key for citation in answer.citations] == ["cellar"]
        assert "laid his wine" in book.generator.asked  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("says", "wrong"),
    [
        ("Sir William Penn dug the pit in the garden.", "Sir William Penn"),
        ("Sir William Batten dug 2 pits in the garden.", "2"),
        ("Sir William Batten dug the pit on 5 September 1666.", "5 September 1666"),
        ("It cost William Batten fifteen shillings.", "fifteen shillings"),
        ("Sir William Batten did not dig a pit in the garden.", "pit"),
        ("Sir William Batten laid his wine in Anna Brown's garden.", "Anna Brown's"),
    ],
)
def test_what_is_made_up_does_not_get_through(tmp_path: Path, says: str, wrong: str) -> None:
    with open_book(tmp_path, says) as book:
        answer = ask(book, WINE)
        assert not answer.checked and wrong in answer.unsupported
        assert says not in answer.text and answer.text.startswith("4 September 1666: “Sir William Batten")


def test_of_several_sentences_those_that_hold_are_kept(tmp_path: Path) -> None:
    with open_book(tmp_path, "Sir William Batten dug the pit. He was 44 years old. And then the") as book:
        answer = ask(book, WINE)
        assert answer.text == "Sir William Batten dug the pit. [1]" and answer.checked
        assert "44 years" in answer.unsupported


@pytest.mark.parametrize(
    "says", ["", "Yes.", "Not in your notes.", "[1]", "He dug a pit in the garden for his wine.", "Did he dig?"]
)
def test_an_answer_that_claims_nothing_is_no_answer(tmp_path: Path, says: str) -> None:
    with open_book(tmp_path, says) as book:
        answer = ask(book, WINE)
        assert not answer.checked and "“Sir William Batten" in answer.text and not answer.unsupported


def test_pieces_stream_and_the_checked_answer_comes_last(tmp_path: Path) -> None:
    with open_book(tmp_path, "Sir William Batten dug 7 pits.") as book:
        *pieces, last = stream_answer(book, WINE)
        assert "".join(map(str, pieces)) == "Sir William Batten dug 7 pits."
        assert isinstance(last, Answer) and "7 pits" not in last.text
        assert [type(one) for one in stream_answer(book, WINE, generate=False)] == [Answer]


def test_citations_to_changed_and_deleted_notes_are_found_out(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        first = ask(book, WINE).citations[0]
        source = book.store.source("/vault", "json")
        assert is_current(book.store, first)
        add_note(book, source, Draft("cellar", "Much rain. " + NOTES[0].content), id=first.note.id)
        assert not is_current(book.store, first)
        again = ask(book, WINE).citations[0]
        assert again.span.start == first.span.start + len("Much rain. ") and is_current(book.store, again)
        book.store.remove(first.note.id)
        assert not is_current(book.store, again)
        assert all(citation.note.id != first.note.id for citation in ask(book, WINE).citations)


def test_a_note_that_changes_while_the_answer_is_written_is_not_cited(tmp_path: Path) -> None:
    with open_book(tmp_path, "Sir William Batten dug the pit.") as book:
        (number,) = [note.id for note in book.store.notes() if note.key == "cellar"]
        answering = stream_answer(book, WINE)
        next(answering)
        book.store.remove(number)
        last = list(answering)[-1]
        assert isinstance(last, Answer) and all(citation.note.id != number for citation in last.citations)
        assert not last.checked


def test_each_sentence_stands_in_one_source() -> None:
    sources = ["Anna paid 5 pounds.", "Tom paid 7 pounds."]
    assert supported_sentences("Tom paid 7 pounds. Anna paid 5 pounds.", sources) == (
        [("Tom paid 7 pounds.", 1), ("Anna paid 5 pounds.", 0)],
        [],
    )
    assert supported_sentences("Anna paid 7 pounds.", sources)[0] == []


def test_a_generator_that_cannot_be_opened_leaves_the_quotation(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacks(uri: str) -> None:
        raise EnvironmentLacks("no such package")

    open_book(tmp_path).close()
    monkeypatch.setattr("pocketlm.engines.open.open_engine", lacks)
    with Notebook(tmp_path / "notes.db", encoder=FakeEmbedder()) as book:
        assert "“Sir William Batten" in ask(book, WINE).text


def test_an_answer_is_plain_values(tmp_path: Path) -> None:
    with open_book(tmp_path) as book:
        told = json.loads(json.dumps(ask(book, WINE).to_json()))
        assert told["citations"][0]["key"] == "cellar" and told["refused"] is False
        assert told["citations"][0]["stop"] > told["citations"][0]["start"]
        with pytest.raises(InputError, match="empty"):
            ask(book, "  ")


def test_empty_notes_hold_nothing(tmp_path: Path) -> None:
    with make_notebook(tmp_path, []) as book:
        answer = ask(book, WINE)
        assert answer.refused and answer.nearest == () and answer.confidence == 0
