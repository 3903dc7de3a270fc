"""An import follows what changed and nothing else; it is seen whole or not at all, and goes on where it was."""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from notes_tools import FakeEmbedder

from pocketlm.core.errors import InputError
from pocketlm.notes.importing import Imported, forget, import_notes, state_of, status, watch
from pocketlm.notes.notebook import Notebook


class Counting(FakeEmbedder):
    """Says what it was given; fails at a text that holds `breaks_at`."""

    def __init__(self, uri: str = "fake", breaks_at: str = "\0") -> None:
        self.uri, self.breaks_at = uri, breaks_at
        self.read: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        if any(self.breaks_at in text for text in texts):
            raise KeyboardInterrupt
        self.read += texts
        return super().embed(texts)


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.md").write_text(f"Note {name} tells of {name * 5}.")
    return folder


def opened(folder: Path, encoder: FakeEmbedder | None = None) -> Notebook:
    return Notebook(folder / "notes.db", encoder=encoder or Counting())


def numbers(done: Imported) -> tuple[int, ...]:
    return done.added, done.changed, done.renamed, done.removed, done.unchanged, len(done.failed)


def contents(book: Notebook) -> dict[str, str]:
    return {note.key: note.content for note in book.store.notes()}


def touch(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1))


def test_only_what_changed(tmp_path: Path, vault: Path) -> None:
    encoder = Counting()
    book = opened(tmp_path, encoder)
    assert numbers(import_notes(book, vault)) == (3, 0, 0, 0, 0, 0) and len(encoder.read) == 3
    assert numbers(import_notes(book, vault)) == (0, 0, 0, 0, 3, 0) and len(encoder.read) == 3
    ids = {note.key: note.id for note in book.store.notes()}

    touch(vault / "a.md", "Note a was rewritten.")
    (vault / "b.md").rename(vault / "renamed.md")
    (vault / "c.md").unlink()
    (vault / "d.md").write_text("Note d is new.")
    assert numbers(import_notes(book, vault)) == (1, 1, 1, 1, 0, 0)
    assert encoder.read[3:] == ["Note a was rewritten.", "Note d is new.", "Note b tells of bbbbb."]
    assert contents(book).keys() == {"a.md", "renamed.md", "d.md"}
    after = {note.key: note.id for note in book.store.notes()}
    assert after["a.md"] == ids["a.md"] and after["renamed.md"] == ids["b.md"] and after["d.md"] not in ids.values()


def test_a_file_touched_but_not_changed_is_no_news(tmp_path: Path, vault: Path) -> None:
    book = opened(tmp_path)
    import_notes(book, vault)
    touch(vault / "a.md", (vault / "a.md").read_text())
    assert not import_notes(book, vault).is_news


def test_what_fails_keeps_its_older_version_and_is_mended(tmp_path: Path, vault: Path) -> None:
    book = opened(tmp_path)
    import_notes(book, vault)
    (vault / "a.md").write_bytes(b"\xff\xfe broken")
    done = import_notes(book, vault)
    assert "is not UTF-8" in done.failed["a.md"] and contents(book)["a.md"].startswith("Note a")
    assert state_of(book.store, 1, "a.md").startswith("failed because it is not UTF-8")
    assert status(book.store)[0]["failed"].keys() == {"a.md"} and status(book.store)[0]["indexed"] == 3
    (vault / "a.md").write_text("Mended.")
    assert numbers(import_notes(book, vault)) == (0, 1, 0, 0, 2, 0)
    assert state_of(book.store, 1, "a.md") == "indexed" and status(book.store)[0]["failed"] == {}


def test_an_interrupted_import_shows_nothing_and_goes_on(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pocketlm.notes.importing.BATCH", 1)
    import_notes(opened(tmp_path), vault)
    touch(vault / "a.md", "Changed a.")
    (vault / "z.md").write_text("At z it breaks.")
    with pytest.raises(KeyboardInterrupt):
        import_notes(opened(tmp_path, Counting(breaks_at="At z")), vault)
    book = opened(tmp_path, again := Counting())
    assert contents(book)["a.md"].startswith("Note a tells") and "z.md" not in contents(book)
    assert state_of(book.store, 1, "a.md") == "waiting" and status(book.store)[0]["waiting"] == 2
    assert numbers(import_notes(book, vault)) == (1, 1, 0, 0, 2, 0)
    assert again.read == ["At z it breaks."]  # the vector of a.md was kept
    assert contents(book)["a.md"] == "Changed a." and status(book.store)[0]["waiting"] == 0
    assert book.store.db.execute("SELECT count(*) FROM made_vector").fetchone() == (0,)


def test_another_encoder_reads_everything_once_more(tmp_path: Path, vault: Path) -> None:
    book = opened(tmp_path)
    import_notes(book, vault)
    before = book.store.db.execute("SELECT vector FROM passage ORDER BY id").fetchall()
    other = Counting("other")
    other.embed = lambda texts: -FakeEmbedder().embed(texts)  # type: ignore[method-assign, assignment]
    changed = opened(tmp_path, other)
    done = import_notes(changed, vault)
    assert done.encoded == 3 and done.unchanged == 3 and changed.store.setting("encoder") == "other"
    after = changed.store.db.execute("SELECT vector FROM passage ORDER BY id").fetchall()
    assert len(after) == 3 and all(a != b for a, b in zip(before, after, strict=True))


def test_one_file_of_many_notes(tmp_path: Path) -> None:
    file = tmp_path / "notes.json"
    rows = [{"id": str(i), "content": f"Text number {i}."} for i in range(20)]
    file.write_text(json.dumps(rows))
    book = opened(tmp_path)
    assert numbers(import_notes(book, file))[0] == 20
    version = book.store.version
    assert numbers(import_notes(book, file)) == (0, 0, 0, 0, 20, 0) and book.store.version == version
    rows[3]["content"] = "Another text."
    touch(file, json.dumps(rows[:10]))
    assert numbers(import_notes(book, file)) == (0, 1, 0, 10, 9, 0)


def test_sources_do_not_disturb_each_other(tmp_path: Path, vault: Path) -> None:
    (tmp_path / "notes.jsonl").write_text('{"id": "a.md", "content": "The same key elsewhere."}\n')
    book = opened(tmp_path)
    import_notes(book, vault)
    import_notes(book, tmp_path / "notes.jsonl")
    assert book.store.count() == 4
    assert forget(book.store, vault) == 3 and contents(book) == {"a.md": "The same key elsewhere."}
    with pytest.raises(InputError, match="nothing was imported from there"):
        forget(book.store, vault)


def test_a_note_without_text_is_found_by_its_title(tmp_path: Path, vault: Path) -> None:
    (vault / "Aalborg.md").write_text("---\nrating: 7\n---\n")
    book = opened(tmp_path)
    import_notes(book, vault)
    row = book.store.db.execute("SELECT rowid FROM words WHERE words MATCH 'aalborg'").fetchall()
    assert len(row) == 1 and book.store.find("Aalborg").content == ""


def test_watching(tmp_path: Path, vault: Path) -> None:
    pytest.importorskip("watchfiles")
    opened(tmp_path).close()
    told: list[Imported] = []
    ready, stop = threading.Event(), threading.Event()

    def follow() -> None:
        with opened(tmp_path) as book:
            import_notes(book, vault)
            ready.set()
            watch(book, vault, lambda done: (told.append(done), stop.set()), stop)  # type: ignore[func-returns-value]

    thread = threading.Thread(target=follow)
    thread.start()
    assert ready.wait(20)
    for attempt in range(100):  # the watch begins a moment after it is asked for
        (vault / "new.md").write_text(f"Seen at attempt {attempt}.")
        if stop.wait(0.1):
            break
    thread.join(20)
    assert not thread.is_alive() and told and told[0].added == 1
