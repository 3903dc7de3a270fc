"""How fast do notes come in, and what does a kill cost?

3,415 diary entries (1.2 M words) with the default encoder: the first import, the same again as a whole process, one changed
note until a search finds it, and ten kills at random moments of an import, after each of which the file is checked.

python benchmarks/notes_import.py --json results/notes_import.json [--data FOLDER] [--quick]
"""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from kept import parsed, parser

from pocketlm.core.files import write_json
from pocketlm.notes.importing import import_notes
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.store import Store

REPO = Path(__file__).parents[1]
KILLS, TRIES = 10, 30


def measure(data: Path, quick: bool = False) -> dict[str, float]:
    """import_seconds, reimport_seconds, changed_note_seconds, kills_survived."""
    rows = json.loads((data / "notes" / "pepys_notes.json").read_text(encoding="utf-8"))[: 300 if quick else None]
    with tempfile.TemporaryDirectory() as folder:
        return _measure(rows, Path(folder))


def _measure(rows: list[dict[str, str]], folder: Path) -> dict[str, float]:
    source, db = folder / "diary.json", folder / "notes.db"
    write_json(source, rows)
    with Notebook(folder / "warm.db") as book:
        book.embedder.embed(["The encoder is prepared once a machine."])
    first = _command("notes", "import", str(source), "--db", str(db))
    again = _command("notes", "import", str(source), "--db", str(db))
    changed = _changed(rows, source, db)
    found = {"import_seconds": first, "reimport_seconds": again, "changed_note_seconds": changed}
    print(
        f"{len(rows)} notes imported in {first:.1f} s; again {again:.2f} s; one changed note found after {changed:.2f} s"
    )
    return found | {"kills_survived": _kills(rows, source, db)}


def _command(*arguments: str) -> float:
    """Wall time of a whole process, in seconds."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-m", "pocketlm.cli.main", *arguments], check=True, capture_output=True)
    return time.perf_counter() - began


def _changed(rows: list[dict[str, str]], source: Path, db: Path) -> float:
    """From the change of a file until its new words are found, in a program that has the notes open."""
    with Notebook(db) as book:
        book.embedder.embed(["ready"])
        rows[100]["content"] += " The quagga was seen at the Exchange."
        began = time.perf_counter()
        source.write_text(json.dumps(rows), encoding="utf-8")
        import_notes(book, source)
        hits = book.store.db.execute("SELECT rowid FROM words WHERE words MATCH 'quagga'").fetchall()
        seconds = time.perf_counter() - began
    assert len(hits) == 1
    return seconds


def _kills(rows: list[dict[str, str]], source: Path, db: Path) -> int:
    """Of ten kills that hit an import at work, those after which the file was sound and held all notes, as before the import or as
    after it, and nothing deleted."""
    rng, hits, survived = random.Random(0), 0, 0
    for number in range(TRIES):
        del rows[number :: TRIES * 5]
        for row in rows[number :: KILLS * 2]:
            row["content"] = f"Changed {number}. {row['content']}"
        before = _state(db)
        source.write_text(json.dumps(rows), encoding="utf-8")
        program = [sys.executable, "-m", "pocketlm.cli.main", "notes", "import", str(source), "--db", str(db)]
        process = subprocess.Popen(program, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(0.4, 3.0))
        process.send_signal(signal.SIGKILL)
        if process.wait() != -signal.SIGKILL:
            continue  # it was through already
        hits += 1
        survived += _state(db) in (before, {row["id"]: row["content"] for row in rows})
        if hits == KILLS:
            break
    print(f"{survived} of {hits} kills survived")
    return survived


def _state(db: Path) -> dict[str, str]:
    """Every note's text; empty where the file is not sound or passages of no note are found."""
    with Store(db) as store:
        sound = store.db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        store.db.execute("INSERT INTO words(words) VALUES('integrity-check')")
        lost = "SELECT count(*) FROM passage LEFT JOIN note ON note.id = passage.note WHERE note.id IS NULL"
        if not sound or store.db.execute(lost).fetchone()[0]:
            return {}
        return {note.key: note.content for note in store.notes()}


def main() -> None:
    """Measure and write the JSON."""
    arguments = parsed(parser(__doc__, "300 notes: shows that it runs"))
    write_json(arguments.json, {"metrics": measure(arguments.data, arguments.quick)})


if __name__ == "__main__":
    main()
