from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from pocketlm.cli.main import main
from pocketlm.notes.importing import import_notes
from pocketlm.notes.notebook import Notebook

NOTES = [
    {"id": "bread", "title": "Bread log", "date": "2026-02-27", "content": "The sourdough rests twelve hours."},
    {"id": "roof", "title": "Roof", "date": "2026-02-20", "content": "The roofer wants 450 euros for the roof."},
]  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("notes.json").write_text(json.dumps(NOTES))
    with Notebook("notes.db", encoder="none") as book:
        import_notes(book, "notes.json")
    return tmp_path


@pytest.fixture
def notes(folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Any:
    def run(*options: str, typed: str = "", code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["pocketlm", "notes", *options])
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        with pytest.raises(SystemExit) as left:
            main()
        told = capsys.readouterr()
        assert left.value.code == code, told.err
        return told.err if code else told.out

    return run


def test_one_request(notes: Any) -> None:
    assert "Bread log (27 February 2026): “The sourdough rests twelve hours.”" in notes("chat", "find the sourdough")


def test_scripts_get_a_line_of_json_for_each_request(notes: Any) -> None:
    typed = "find the sourdough\n\nremind me to bake in three days\nyes\n"
    lines = [json.loads(line) for line in notes("chat", "--json", typed=typed).splitlines()]
    assert [line["request"] for line in lines] == ["find the sourdough", "remind me to bake in three days", "yes"]
    assert lines[0]["citations"][0]["key"] == "bread"
    assert lines[1]["pending"]["name"] == "set_reminder"
    assert lines[2]["calls"][0]["arguments"]["text"] == "bake"
    assert json.loads(notes("reminders", "--json"))["reminders"][0]["text"] == "bake"


@pytest.mark.parametrize("typed", ["yes\n", "no\n", "quit\n"])
def test_one_request_reads_what_is_said_to_its_question(notes: Any, typed: str) -> None:
    told = notes("chat", "remind me to bake in three days", typed=typed)
    assert "(yes or no)" in told and ("I will remind you" in told) == (typed == "yes\n")
    assert ("bake" in notes("reminders")) == (typed == "yes\n")


def test_one_request_whose_question_is_not_answered_failed(notes: Any) -> None:
    assert "add --yes" in notes("chat", "remind me to bake in three days", code=1)
    assert "bake" not in notes("reminders")


def test_the_notes_file_is_not_written_over(notes: Any) -> None:
    before = Path("notes.db").read_bytes()
    for command in (["corrections", "--out"], ["timeline", "--ics"], ["reminders", "--ics"], ["dupes", "--page"]):
        assert "is the notes file itself" in notes(*command, "notes.db", code=1)
    assert Path("notes.db").read_bytes() == before


def test_yes_can_be_said_beforehand(notes: Any) -> None:
    assert "I will remind you" in notes("chat", "remind me to bake in three days", "--yes")
    told = notes("chat", "remind me to call Anna", "--yes", typed="in two days\nfind the sourdough\n")
    assert "When shall I remind you" in told and "I will remind you" in told and "sourdough" not in told


@pytest.mark.parametrize("word", ["bye", "Exit", "quit!"])
def test_words_that_leave(notes: Any, word: str) -> None:
    assert notes("chat", typed=f"{word}\nfind the sourdough\n") == ""


def test_a_history_is_kept_only_where_it_is_asked_for(notes: Any, folder: Path) -> None:
    before = {file.name for file in folder.iterdir()}
    notes("chat", typed="find the sourdough\n")
    assert {file.name for file in folder.iterdir()} - before <= {"notes.db-wal", "notes.db-shm", "notes.db-vectors"}
    notes("chat", "--history", "asked.txt", typed="find the sourdough\n")
    assert Path("asked.txt").read_text() == "find the sourdough\n"


def test_reminders_are_shown_done_and_handed_to_a_calendar(notes: Any) -> None:
    notes("chat", typed="remind me to bake in three days\nyes\nremind me to call the roofer tomorrow at 9\nyes\n")
    shown = notes("reminders", "--ics", "due.ics")
    assert shown.index("call the roofer [2]") < shown.index("bake [1]")
    assert Path("due.ics").read_bytes().count(b"BEGIN:VEVENT") == 2
    assert "bake" not in notes("reminders", "--done", "1")
    assert "There are no reminders." in notes("reminders", "--due")
    assert "no reminder 7" in notes("reminders", "--done", "7", code=1)


def test_a_model_without_the_assistants_functions_is_refused(notes: Any, tmp_path: Path) -> None:
    assert "no tools.json beside it" in notes("chat", "hello", "--engine", str(tmp_path), code=1)


def test_a_missing_notes_file_is_named(notes: Any) -> None:
    assert "other.db: no such notes file" in notes("chat", "hello", "--db", "other.db", code=1)
    assert "other.db: no such notes file" in notes("mcp", "--db", "other.db", code=1)
