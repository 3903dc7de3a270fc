"""Questions are made of the notes themselves, the same ones each time; figures tell a good setting from a bad one."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from notes_tools import make_notebook

from pocketlm.core.errors import InputError
from pocketlm.notes.evaluate import measure, ranked, risk_coverage, table
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.questions import KINDS, Asked, kept_questions, make_questions, moment_of
from pocketlm.notes.search import search

SUBJECTS = "kitchen garden bicycle piano harbour library orchard workshop chapel stable".split()  # noqa: SIM905
OWNERS = "Miller Barlow Conway Draper Ellis Fenwick Garner Hobson Irving Jarvis".split()  # noqa: SIM905
COLOURS = "scarlet crimson emerald violet golden silver purple orange turquoise brown".split()  # noqa: SIM905


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    return make_notebook(
        tmp_path,
        [
            Draft(
                subject,
                f"This morning the old {subject} was painted in {colour} by our neighbour {owner}, who asked {12 + at} pounds "
                f"for brushes. Nobody expected the {subject} to look so splendid under {colour} varnish after heavy rain.",
                date=f"2024-03-{at + 1:02}",
            )
            for at, (subject, owner, colour) in enumerate(zip(SUBJECTS, OWNERS, COLOURS, strict=True))
        ],
    )


def test_questions_are_the_same_each_time_and_belong_to_their_notes(book: Notebook) -> None:
    made = make_questions(book, 4)
    assert made == make_questions(book, 4) and made != make_questions(book, 4, seed=1)
    assert [sum(one.kind == kind for one in made) for kind in KINDS] == [4, 4, 4, 4]
    for one in made:
        note = next(book.store.notes("note.key = ?", (one.notes[0][1],)))
        if one.kind == "known":
            assert all(word in note.content.lower() for word in one.text.split()) and len(one.notes) <= 3
        if one.kind == "answer":
            assert one.answer in note.content[one.start : one.stop] and one.answer not in one.text
            assert one.text.split()[0] in ("who", "when", "how")
        if one.kind == "date":
            hits = search(book, one.text, 3, today=moment_of(one))
            assert {key for _, key in one.notes} & {hit.note.key for hit in hits}


def test_questions_are_kept(book: Notebook, tmp_path: Path) -> None:
    file = tmp_path / "questions.json"
    made = kept_questions(file, book, 2, 0)
    assert kept_questions(file, book, 5, 9) == made and isinstance(made[0], Asked)
    file.write_text('[{"text": "a"}]', encoding="utf-8")
    with pytest.raises(InputError, match="holds no questions"):
        kept_questions(file, book, 2, 0)


def test_ways_are_compared_on_the_same_questions(book: Notebook) -> None:
    before = book.store.version, book.store.count()
    found = measure(book, 5, ("hybrid", "words", "meaning"), encoders=("static",))
    assert list(found["search"]) == ["hybrid", "words", "meaning", "hybrid, static", "meaning, static"]
    known = found["search"]["words"]["known"]
    assert known["recall_at_1"] > 0.7 and known["intervals"]["mrr"][1] <= 1.0
    assert found["search"]["words"]["date"]["recall_at_5"] == 1.0
    answers = found["answers"]
    assert answers["questions"] == 5 and 0 <= answers["false_answers"] <= 1
    assert answers["answered"] == 0 or answers["citation_precision"] > 0.5  # each note alone has its sentence
    assert answers["intervals"]["answered"][0] <= answers["answered"] <= answers["intervals"]["answered"][1]
    assert (book.store.version, book.store.count()) == before
    json.dumps(found)
    assert "hybrid, static: all" in table(found) and "note was left out" in table(found)


def test_an_index_without_its_notes_scores_worse(book: Notebook, tmp_path: Path) -> None:
    file = tmp_path / "questions.json"
    whole = measure(book, 5, ("words",), answers=False, file=file)
    for number in range(1, 6):
        book.store.remove(number)
    less = measure(book, 5, ("words",), answers=False, file=file)
    assert less["questions"] == whole["questions"]
    assert less["search"]["words"]["all"]["mrr"] < whole["search"]["words"]["all"]["mrr"]


def test_figures_of_a_ranking() -> None:
    recall_1, recall_5, recall_10, gain, first = ranked([False, True, False], 2)
    assert (recall_1, recall_5, recall_10, first) == (0.0, 0.5, 0.5, 0.5)
    assert gain == pytest.approx((1 / np.log2(3)) / (1 + 1 / np.log2(3)))
    assert ranked([True, True], 2)[3] == pytest.approx(1.0) and ranked([], 1).sum() == 0.0


def test_the_surest_answers_carry_the_least_risk() -> None:
    curve = risk_coverage([(0.9, True), (0.8, True), (0.2, False), (0.1, False)])
    assert [(one["coverage"], one["risk"]) for one in curve] == [(0.25, 0.0), (0.5, 0.0), (0.75, 0.3333), (1.0, 0.5)]


def test_nothing_to_ask_about(tmp_path: Path) -> None:
    with (
        make_notebook(tmp_path, ["", "Yes."]) as empty,
        pytest.raises(InputError, match="hold too little text"),
    ):
        make_questions(empty, 3)
