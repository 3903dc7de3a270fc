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
        time.sleep(0.006 * len(texts))  # so that a kill hits it at work
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


def state(db: Path) -> dict[str, str]:
    """Every note's text; the file is sound, and each note, no other, is found by its words."""
    with Store(db) as store:
        assert store.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store.db.execute("INSERT INTO words(words) VALUES('integrity-check')")
        rows = store.db.execute(
            "SELECT passage.note FROM words JOIN passage ON passage.id = words.rowid WHERE words MATCH 'tells' ORDER BY 1"
        ).fetchall()
        assert [id for (id,) in rows] == sorted(note.id for note in store.notes())
        assert store.db.execute("SELECT count(*) FROM passage").fetchone() == (len(rows),)
        assert store.db.execute("SELECT count(*) FROM passage WHERE vector IS NULL").fetchone() == (0,)
        return {note.key: note.content for note in store.notes()}


def change(vault: Path, turn: int) -> None:
    """Every other note is rewritten, one is new, one is gone, one has another name."""
    for i in range(turn % 2, 60, 2):
        (vault / f"n{i:02}.md").write_text(f"Note {i} tells of turn {turn}.")
    (vault / f"new{turn}.md").write_text(f"A new note tells of turn {turn}, too.")
    (vault / f"new{turn - 2}.md").unlink(missing_ok=True)
    if turn:
        (vault / f"new{turn - 1}.md").rename(vault / f"new{turn - 1}.markdown")
    (vault / f"new{turn - 2}.markdown").unlink(missing_ok=True)


def test_ten_kills(tmp_path: Path) -> None:
    vault, db, rng = tmp_path / "vault", tmp_path / "notes.db", random.Random(0)
    vault.mkdir()
    for i in range(60):
        (vault / f"n{i:02}.md").write_text(f"Note {i} tells of the number {i}.")
    assert start(db, vault).wait() == 0
    before, hits = state(db), 0
    for turn in range(10):
        change(vault, turn)
        process = start(db, vault)
        time.sleep(rng.uniform(0, 0.2))
        process.send_signal(signal.SIGKILL)
        hits += process.wait() == -signal.SIGKILL
        now = state(db)
        assert now in (before, {file.name: file.read_text() for file in vault.iterdir()})  # never between
        before = now
    assert hits >= 5
    assert start(db, vault).wait() == 0
    once = tmp_path / "once.db"
    assert start(once, vault).wait() == 0
    assert state(db) == state(once)
