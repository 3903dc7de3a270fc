"""The search by words: any text is safe, common words cost little, found words have their places."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from notes_tools import make_notebook

from pocketlm.notes import words
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.query import parse


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    texts = ["tea and rain", "tea and wind", "tea and snow", "coffee, rain and WIND's end", "Tée with café\u0301"]
    return make_notebook(tmp_path, [Draft(str(at), text, title="Drinks") for at, text in enumerate(texts)])


def found(book: Notebook, typed: str, most: int = 100, **more: object) -> list[int]:
    expression, common = words.expression_of(book.store.db, parse(typed), None, most)
    return [one for one, _ in words.scored(book.store.db, expression, common=common, **more)]  # type: ignore[arg-type]


def test_rarer_words_count_for_more(book: Notebook) -> None:
    assert found(book, "tea coffee")[0] == 4 and set(found(book, "tea coffee")) == {1, 2, 3, 4}
    assert found(book, "raining")[0] in (1, 4)  # the same stem
    assert found(book, "tee CAFE") == [5]  # without accents and case
    assert set(found(book, "drink")) == {1, 2, 3, 4, 5}  # of the title
    assert found(book, "nothing here") == [] == found(book, '" * OR NEAR(')


def test_common_words_do_not_choose(book: Notebook) -> None:
    assert set(found(book, "tea rain", most=2)) == {1, 4}  # those with the rare word
    assert found(book, "tea drinks", most=2) == [1, 2, 3]  # common ones only: those that have all


def test_only_some_passages(book: Notebook) -> None:
    assert found(book, "tea", only=np.array([2, 3, 5])) == [2, 3]
    assert found(book, "tea", only=np.array([], dtype=np.int64)) == []
    expression, _ = words.expression_of(book.store.db, parse("tea"))
    assert [one for one, _ in words.scored(book.store.db, expression, most=2)] == [2, 3]  # the newest


def test_places_of_words(book: Notebook) -> None:
    in_title, in_text = words.places(book.store.db, ["rain", "winds", "drink"], 4)
    text = book.store.note(4).content
    assert [text[a:b] for a, b in in_text] == ["rain", "WIND"] and in_title == [(0, 6)]
    assert words.places(book.store.db, ["snow"], 4) == ([], []) == words.places(book.store.db, [], 4)
