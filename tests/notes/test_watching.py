"""What changes under a path is imported at once; faults do not end it."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Queue

import pytest
from notes_tools import FakeEmbedder

from pocketlm.notes.importing import Imported, import_notes
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.watching import watch

pytest.importorskip("watchfiles", reason="needs pip install 'pocketlm[notes]'")


@pytest.fixture
def following(tmp_path: Path) -> Callable[[Path], Queue[Imported]]:
    """Follow a path in a thread; what is told comes through a queue."""
    ended, threads = threading.Event(), []

    def start(place: Path) -> Queue[Imported]:
        told: Queue[Imported] = Queue()

        def follow() -> None:
            with Notebook(
                place.parent / "notes.db" if place.is_dir() else tmp_path / "n.db", encoder=FakeEmbedder()
            ) as book:
                import_notes(book, place)
                ready.set()
                watch(book, place, told.put, ended)

        ready = threading.Event()
        threads.append(threading.Thread(target=follow))
        threads[0].start()
        assert ready.wait(20)
        return told

    yield start  # type: ignore[misc]
    ended.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def put(file: Path, text: bytes) -> None:
    """In one step, as editors do."""
    aside = file.with_name(".aside")
    aside.write_bytes(text)
    os.replace(aside, file)


def test_a_folder(tmp_path: Path, following: Callable[[Path], Queue[Imported]]) -> None:
    vault = tmp_path / "vault"
    vault.mkdir()
    (vault / "a.md").write_text("One.")
    told = following(vault)
    put(vault / "new.md", b"Seen, be it before the watch began.")
    assert told.get(timeout=20).added == 1
    (vault / "new.md").unlink()
    assert told.get(timeout=20).removed == 1
    put(vault / "a.md", b"\xff")
    assert "a.md" in told.get(timeout=20).failed
    (vault / ".hidden.md").write_text("not one")
    put(vault / "a.md", b"Mended.")
    assert told.get(timeout=20).changed == 1 and told.empty()


def test_a_file_that_is_replaced_as_editors_do(tmp_path: Path, following: Callable[[Path], Queue[Imported]]) -> None:
    file, rows = tmp_path / "a.jsonl", [b'{"id": 1, "text": "a"}\n']
    put(file, rows[0])
    told = following(file)
    for number in (2, 3):
        rows.append(b'{"id": %d, "text": "more"}\n' % number)
        put(file, b"".join(rows))
        assert told.get(timeout=20).added == 1
    put(file, b"")  # half written
    assert "the file is empty" in str(told.get(timeout=20).failed)
    put(file, b"".join(rows[:2]))
    assert told.get(timeout=20).removed == 1


def test_a_notes_file_in_its_own_vault_does_not_wake_itself(tmp_path: Path) -> None:
    from pocketlm.notes.watching import _concerns

    db = tmp_path / "notes.db"
    seen = [
        name
        for name in ("a.md", "sub", "notes.db-wal", ".git/x.md", "sub/b.md")
        if _concerns(tmp_path / name, tmp_path, db)
    ]
    assert seen == ["a.md", "sub", "sub/b.md"]
    assert _concerns(tmp_path / "x.json", tmp_path / "x.json", db) and not _concerns(
        tmp_path / "y.json", tmp_path / "x.json", db
    )
