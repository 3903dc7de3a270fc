"""An import killed at ten moments: the file is sound, no note is lost, nothing deleted comes back, and the end is the same."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from pocketlm.notes.store import Store

HERE = Path(__file__).parents[1]
PROGRAM = f"""
import sys, time
sys.path.insert(0, {str(HERE)!r})
import notes_tools
from pocketlm.notes import importing
from pocketlm.notes.notebook import Notebook

class Slow(notes_tools.FakeEmbedder):
    def embed(self, texts):
        time.sleep(0.004 * len(texts))  # so that a kill hits it at work
        return super().embed(texts)

importing.BATCH = 8
with Notebook(sys.argv[1], encoder=Slow()) as book:
    print("ready", flush=True)
    importing.import_notes(book, sys.argv[2])
"""


def start(db: Path, vault: Path) -> subprocess.Popen[str]:
    process = subprocess.Popen([sys.executable, "-c", PROGRAM, str(db), str(vault)], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    return process


def state(db: Path) -> dict[str, tuple[str, int]]:
    """Of every note its text and how many passages are found by their words."""
    with Store(db) as store:
        assert store.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store.db.execute("INSERT INTO words(words) VALUES('integrity-check')")
        lost = "SELECT count(*) FROM passage LEFT JOIN note ON note.id = passage.note WHERE note.id IS NULL"
        assert store.db.execute(lost).fetchone() == (0,)
        query = "SELECT count(*) FROM words JOIN passage ON passage.id = words.rowid WHERE words MATCH 'tells' AND passage.note = ?"
        return {note.key: (note.content, store.db.execute(query, (note.id,)).fetchone()[0]) for note in store.notes()}


def test_ten_kills(tmp_path: Path) -> None:
    vault, db, rng = tmp_path / "vault", tmp_path / "notes.db", random.Random(0)
    vault.mkdir()
    for i in range(60):
        (vault / f"n{i:02}.md").write_text(f"Note {i} tells of the number {i}.")
    assert start(db, vault).wait() == 0
    old = state(db)
    for i in range(0, 60, 2):
        (vault / f"n{i:02}.md").write_text(f"Note {i} tells something else now.")
    for i in range(1, 60, 12):
        (vault / f"n{i:02}.md").unlink()
    (vault / "new.md").write_text("A new note tells of news.")

    hits = 0
    for _ in range(10):
        process = start(db, vault)
        time.sleep(rng.uniform(0, 0.12))
        process.send_signal(signal.SIGKILL)
        hits += process.wait() == -signal.SIGKILL
        now = state(db)
        assert now == old or "new.md" in now  # as before, or all of it: never between
    assert hits >= 5
    assert start(db, vault).wait() == 0
    once = tmp_path / "once.db"
    assert start(once, vault).wait() == 0
    assert state(db) == state(once)
