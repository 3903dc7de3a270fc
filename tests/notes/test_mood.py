"""The curve follows the writing, its points are linked to sentences, and a change of level is told only where there is one."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest
from notes_tools import make_notebook

from pocketlm.core.errors import InputError
from pocketlm.notes.mood import GLAD, SAD, changes, mood, mood_page
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook

pytest.importorskip("ruptures", reason="needs pip install 'pocketlm[notes]'")


def diary(folder: Path, glad_from: int, days: int = 60) -> Notebook:
    first = date(2024, 1, 1)
    drafts = [
        Draft(str(i), f"Day {i}. {(GLAD if i >= glad_from else SAD)[i % 8]}", date=(first + timedelta(i)).isoformat())
        for i in range(days)
    ]
    return make_notebook(folder, drafts)


def test_a_change_of_level(tmp_path: Path) -> None:
    book = diary(tmp_path, 30)
    points = mood(book, "day")
    (change,) = changes(points)
    assert change.at.date() == date(2024, 1, 31) and change.before < 0 < change.after and change.chance < 0.01
    weeks = mood(book, "week")
    assert len(weeks) == 9 and sum(point.passages for point in weeks) == 60
    moved = weeks[0].because[0]
    assert book.store.text(moved.span) == moved.text and moved.text in SAD
    page = mood_page(weeks, changes(weeks), {note.id: note for note in book.store.notes()})
    assert "<polyline" in page and moved.text in page


def test_no_change_is_found_where_there_is_none(tmp_path: Path) -> None:
    assert changes(mood(diary(tmp_path, 0), "day", reasons=False)) == []


def test_a_part_of_the_time_and_bad_input(tmp_path: Path) -> None:
    book = diary(tmp_path, 30)
    assert len(mood(book, "day", "2024-02-01", "2024-02-10", reasons=False)) == 10
    with pytest.raises(InputError, match='no mood by "hour"'):
        mood(book, "hour")
    book.store.set("encoder", "another")
    with pytest.raises(InputError, match="made by another"):
        mood(book)
    book.store.set("encoder", "none")
    with pytest.raises(InputError, match="has no vectors"):
        mood(book)
