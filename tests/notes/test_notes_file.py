"""What the guide to the notes file says holds: its queries run on a plain SQLite connection, its tables are all there."""

from __future__ import annotations

import re
import sqlite3
from pathlib import Path

import numpy as np
from notes_tools import FakeEmbedder, make_notebook

from pocketlm.notes.note import Draft

GUIDE = (Path(__file__).parents[2] / "docs" / "notes-file.md").read_text(encoding="utf-8")


def test_the_queries_of_the_guide(tmp_path: Path) -> None:
    drafts = [
        Draft("a", "Ünï 😀 text. The harbour master's boat.", title="Boats", date="2024-05-03", tags=("sea",)),
        Draft("b", "A harbour far away.", date="2023-01-01", tags=("sea",)),
    ]
    book = make_notebook(tmp_path, drafts)
    book.store.set_merged(2, 1)
    book.close()
    plain = sqlite3.connect(f"file:{tmp_path / 'notes.db'}?mode=ro", uri=True)
    words, dates = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
    assert plain.execute(words, {"query": '"harbour" "master\'s"'}).fetchall() == [(1, "Boats", drafts[0].content)]
    asked = {"tag": "SEA", "since": "2024-01-01", "until": "2025-01-01"}
    assert plain.execute(dates, asked).fetchall() == [(1, "2024-05-03", "Boats")]


def test_vectors_are_read_as_the_guide_says(tmp_path: Path) -> None:
    make_notebook(tmp_path, ["the harbour", "bread and butter"]).close()
    plain = sqlite3.connect(tmp_path / "notes.db")
    question = FakeEmbedder().embed(["the harbour"])[0]
    cosines = []
    for (blob,) in plain.execute("SELECT vector FROM passage ORDER BY id"):
        stored = np.frombuffer(blob, np.int8).astype(np.float32)
        cosines.append(float(question @ stored / np.linalg.norm(stored)))
    assert cosines[0] > 0.999 > 0.5 > cosines[1]


def test_every_table_and_column_is_told(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, [])
    rows = book.store.db.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'words_%'"
    ).fetchall()
    for (table,) in rows:
        assert table.startswith("sqlite_") or f"`{table}`" in GUIDE, table
    for table in ("note", "tag", "link", "passage", "correction", "learnt", "reminder"):
        line = next(line for line in GUIDE.splitlines() if line.startswith(f"| `{table}`"))
        for column in book.store.db.execute(f"PRAGMA table_info({table})").fetchall():
            if (table, column[1]) not in {("reminder", "id"), ("correction", "id"), ("learnt", "id"), ("learnt", "at")}:
                assert f"`{column[1]}`" in line, (table, column[1])
