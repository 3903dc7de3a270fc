"""The notes file: whole transactions, an index of words that is never out of step, old files brought up to date."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from notes_tools import add_note, make_notebook, plans

from pocketlm.core.errors import InputError
from pocketlm.notes.note import Draft, Link, Span
from pocketlm.notes.schema import MIGRATIONS
from pocketlm.notes.store import Store


def found(store: Store, words: str) -> set[int]:
    rows = store.db.execute(
        "SELECT passage.note FROM words JOIN passage ON passage.id = words.rowid WHERE words MATCH ?", (words,)
    )
    return {note for (note,) in rows}


def is_sound(store: Store) -> bool:
    store.db.execute("INSERT INTO words(words) VALUES('integrity-check')")  # raises where it is out of step
    return store.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_a_reader_sees_the_old_state_until_all_is_there(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, ["An old note on badgers."])
    with Store(tmp_path / "notes.db") as reader:
        with book.store.writing():
            add_note(book, 1, Draft("new", "A new note on badgers."))
            book.store.remove(1)
            assert found(reader, "badgers") == {1} and reader.count() == 1
        assert found(reader, "badgers") == {2}


def test_who_waits_too_long_for_another_writer_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = make_notebook(tmp_path, ["An old note on badgers."])
    monkeypatch.setattr("pocketlm.notes.store.WAIT_S", 0.01)
    with Store(tmp_path / "notes.db") as other:
        with book.store.writing(), pytest.raises(InputError, match=r"another program is writing to .*notes\.db; wait"):
            other.set("a", "b")
        other.set("a", "b")
        assert book.store.setting("a") == "b"


def test_what_fails_half_way_changes_nothing(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, ["An old note on badgers."])
    with pytest.raises(ZeroDivisionError), book.store.writing():
        book.store.remove(1)
        raise ZeroDivisionError
    assert found(book.store, "badgers") == {1} and is_sound(book.store)


def test_words_follow_every_change(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, [Draft("a", "First text on herons 😀 and more.", title="Birds")])
    assert found(book.store, "heron") == found(book.store, "bird") == {1}
    add_note(book, 1, Draft("a", "Now about otters.", title="Mammals"), id=1)
    assert not found(book.store, "heron") and not found(book.store, "birds") and found(book.store, "otters") == {1}
    book.store.move(1, "b.md", "zoo", "", title="Beasts")
    assert found(book.store, "beast") == {1} and not found(book.store, "mammals")
    book.store.remove(1)
    assert not found(book.store, "otters") and is_sound(book.store)


def test_a_number_is_never_given_twice(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, ["one", "two"])
    book.store.remove(2)
    assert add_note(book, 1, Draft("three", "three")) == 3
    with pytest.raises(InputError, match="has no note 2"):
        book.store.text(Span(2, 0, 3))


def test_tags_of_the_source_and_of_the_user(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, [Draft("a", "text", tags=("own",), links=(Link("wiki", "B", 0, 4),))])
    book.store.tag(1, "mine")
    book.store.tag(1, "guessed", "model", 0.7)
    add_note(book, 1, Draft("a", "other text", tags=("new",)), id=1)
    assert book.store.tags(1) == ["mine", "new"] and book.store.links(1) == []
    book.store.tag(1, "guessed")  # the user agrees
    book.store.tag(1, "mine", "model", 0.1)  # a model does not take the user's word back
    assert book.store.all_tags() == {"guessed": 1, "mine": 1, "new": 1}


def test_what_was_said_is_not_looked_through_for_a_new_note(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, ["one"])
    draft = Draft("a", "text", tags=("own",))
    assert not any("correction" in step for step in plans(book.store, lambda: add_note(book, 1, draft)))
    assert any("correction" in step for step in plans(book.store, lambda: add_note(book, 1, draft, 2)))


def test_a_note_is_found_by_number_key_and_title(tmp_path: Path) -> None:
    book = make_notebook(
        tmp_path,
        [Draft("a.md", "x", title="Same"), Draft("b.md", "y", title="Same"), Draft("c.md", "z", title="Other")],
    )
    assert [book.store.find(name).id for name in ("#3", "2", "a.md", "other")] == [3, 2, 1, 3]
    with pytest.raises(InputError, match="several notes are called"):
        book.store.find("same")
    with pytest.raises(InputError, match="no note is called"):
        book.store.find("nothing")
    for name in ("²", "#" + "9" * 30):
        with pytest.raises(InputError, match="no note is called"):
            book.store.find(name)
    for name in ("b.md", "OTHER"):
        assert not any(step.startswith("SCAN") for step in plans(book.store, lambda name=name: book.store.find(name)))


def test_an_older_file_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_notebook(tmp_path, ["kept"]).close()
    monkeypatch.setattr(
        "pocketlm.notes.store.MIGRATIONS",
        (*MIGRATIONS, "CREATE TABLE later(x TEXT);\nINSERT INTO later VALUES('a;b');"),
    )
    with Store(tmp_path / "notes.db") as store:
        assert store.db.execute("SELECT x FROM later").fetchall() == [("a;b",)] and store.count() == 1
    monkeypatch.setattr("pocketlm.notes.store.MIGRATIONS", MIGRATIONS)
    with pytest.raises(InputError, match="newer PocketLM"):
        Store(tmp_path / "notes.db")


def test_a_step_that_fails_leaves_the_older_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make_notebook(tmp_path, ["kept"]).close()
    monkeypatch.setattr(
        "pocketlm.notes.store.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE half(x);\nCREATE TABLE half(x);")
    )
    with pytest.raises(sqlite3.OperationalError):
        Store(tmp_path / "notes.db")
    monkeypatch.setattr("pocketlm.notes.store.MIGRATIONS", MIGRATIONS)
    with Store(tmp_path / "notes.db") as store:
        assert not store.db.execute("SELECT 1 FROM sqlite_master WHERE name = 'half'").fetchall() and store.count() == 1


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    text = tmp_path / "x.db"
    text.write_text("no database at all, but long enough to be looked at " * 40)
    with pytest.raises(InputError, match="is no notes file"):
        Store(text)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE mine(x)")
    other.commit()
    with pytest.raises(InputError, match="database of another program"):
        Store(tmp_path / "other.db")
    with pytest.raises(InputError, match="no such notes file"):
        Store(tmp_path / "none.db", must_exist=True)
    assert not (tmp_path / "none.db").exists()
