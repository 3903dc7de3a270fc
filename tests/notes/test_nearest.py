"""The signs of vectors find nearly what whole vectors find, and follow the notes file without being read anew."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from notes_tools import FakeEmbedder, add_note, make_notebook

from pocketlm.notes import nearest
from pocketlm.notes.nearest import SUFFIX, Signs, cosines, signs, signs_of
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook


def made(vectors: np.ndarray) -> Signs:
    count, width = vectors.shape
    ids = np.arange(1, count + 1)
    return Signs(1, "x", width, ids, ids, signs(vectors), np.zeros(count, dtype=bool))


def test_signs_find_the_nearest() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(5000, 100)).astype(np.float32)  # a width that is no multiple of 64
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    known, shares = made(vectors), []
    for question in vectors[:20] + rng.normal(0, 0.05, (20, 100)).astype(np.float32):
        wanted = np.argsort(-(vectors @ question))[:10] + 1
        shares.append(len(set(known.nearest(question, 300)) & set(wanted.tolist())) / 10)
    assert np.mean(shares) > 0.9
    mask = np.arange(5000) % 2 == 0
    found = known.nearest(vectors[1], 50, mask)
    assert len(found) == 50 and all(one % 2 for one in found)
    assert known.nearest(vectors[0][:64], 5) == []  # of another encoder
    assert known.nearest(vectors[0], 5, np.zeros(5000, dtype=bool)) == []


def test_what_changed_is_caught_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = make_notebook(tmp_path, [f"note number {at} about cars" for at in range(8)])
    first = signs_of(book)
    read = []
    whole = nearest._read

    def counted(*given: object) -> Signs:
        made = whole(*given)  # type: ignore[arg-type]
        read.append(len(made.ids))
        return made

    monkeypatch.setattr(nearest, "_read", counted)
    assert signs_of(book) is first and read == []
    add_note(book, 1, Draft("3", "another text about trains"), 4)
    add_note(book, 1, Draft("new", "a ship"))
    book.store.remove(1)
    after = signs_of(book)
    assert read == [2]  # not the six that stayed
    fresh = whole(book.store.db, after.version, "")
    for name in ("ids", "notes", "bits", "blank"):
        assert (getattr(after, name) == getattr(fresh, name)).all()
    assert after.bits.flags["C_CONTIGUOUS"]


def test_a_passage_waits_for_its_vector(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, ["a car"])
    number = book.store.put(1, Draft("x", "a doctor"), "h", [(0, 8, None)])
    question = book.embedder.embed(["doctor"])[0]
    assert number not in signs_of(book).nearest(question, 5)
    vector = (book.embedder.embed(["a doctor"])[0] * 100).astype(np.int8).tobytes()
    book.store.db.execute("UPDATE passage SET vector = ? WHERE note = ?", (vector, number))
    book.store.touch()
    assert number in signs_of(book).nearest(question, 5)


def test_a_file_beside_another_notes_file_is_not_believed(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one = make_notebook(tmp_path / "one", ["a car", "a ship"])
    two = make_notebook(tmp_path / "two", ["a doctor", "a tree"])
    mine = signs_of(one).bits
    signs_of(two)
    (tmp_path / "one" / f"notes.db{SUFFIX}").write_bytes((tmp_path / "two" / f"notes.db{SUFFIX}").read_bytes())
    with Notebook(tmp_path / "one" / "notes.db", encoder=FakeEmbedder()) as again:
        assert (signs_of(again).bits == mine).all()


def test_cosines_are_of_the_bytes_in_the_file(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, ["a car", "a ship"])
    question = book.embedder.embed(["a car"])[0]
    found = cosines(book.store.db, [1, 2, 99], question)
    assert found[1] == pytest.approx(1, abs=0.01) and found[2] < 0.9 and set(found) == {1, 2}
    assert cosines(book.store.db, [1], question[:10]) == {} == cosines(book.store.db, [], question)
