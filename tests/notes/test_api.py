from __future__ import annotations

import inspect
import json
from datetime import datetime
from pathlib import Path

import pytest

import pocketlm as pl
from pocketlm.cli.notes import app
from pocketlm.core.errors import InputError
from pocketlm.notes.api import Notes

OTHERWISE = {"import": "import_notes", "eval": "evaluate"}  # words of Python
OF_THE_FILE = {"rows", "encrypt", "decrypt"}  # of no open file: notes.rows.writer_rows, notes.encryption.convert
NOTES = [
    {"id": "fire", "title": "The fire", "date": "1666-09-13", "content": "On 2 September 1666 a great fire broke out."},
    {"id": "bread", "title": "Bread log", "date": "2026-02-27", "content": "The sourdough rests twelve hours."},
]  # fmt: skip


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    (tmp_path / "notes.json").write_text(json.dumps(NOTES))
    return tmp_path


def test_every_command_has_its_method() -> None:
    commands = {str(command.name) for command in app.registered_commands} - OF_THE_FILE
    assert {"ask", "chat", "mcp"} <= commands
    for command in commands:
        method = getattr(Notes, OTHERWISE.get(command, command.replace("-", "_")), None)
        assert inspect.isfunction(method) and method.__doc__, command


def test_from_import_to_reminder(vault: Path) -> None:
    with pl.open_notes(vault / "notes.db", encoder="none", generator="none") as book:
        assert book.import_notes(vault / "notes.json").added == 2
        assert book.status()[0]["indexed"] == 2
        assert [hit.note.key for hit in book.search("sourdough")] == ["bread"]
        assert [hit.note.key for hit in book.complete("sourdough")] == ["bread"]
        assert book.ask("Who painted the boat?").refused
        assert [event.said for event in book.timeline("September 1666")] == ["2 September 1666"]
        assert "date" in {fact.kind for fact in book.facts("fire")}
        assert "fire broke out" in book.summarize("The fire").text
        note = book.create_note("The boat needs paint.", "Boat", ["home"])
        assert book.note("Boat") == note and book.store.tags(note.id) == ["home"]
        made = book.add_reminder("paint the boat", datetime(2026, 5, 1, 9), note.id)
        assert book.reminders() == [made]
        assert book.chat().say("find the sourdough").citations[0].note.key == "bread"
        assert book.forget(vault / "notes.json") == 2 and book.store.count() == 1


def test_a_period_in_words_is_understood_or_refused(vault: Path) -> None:
    with pl.open_notes(vault / "notes.db", encoder="none") as book, pytest.raises(InputError, match="the blue one"):
        book.timeline("the blue one")


def test_a_note_of_another_encoder_is_refused(vault: Path) -> None:
    with pl.open_notes(vault / "notes.db", encoder="none") as book:
        book.create_note("The boat needs paint.")
    with pl.open_notes(vault / "notes.db", encoder="static") as book, pytest.raises(InputError, match="made by none"):
        book.create_note("The boat is painted.")
