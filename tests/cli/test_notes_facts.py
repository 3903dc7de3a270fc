"""`pocketlm notes facts` and `pocketlm notes timeline` on a small notes file."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import command
import pytest
from notes_tools import make_notebook

from pocketlm.notes.note import Draft


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run a command of notes on a file of two; returns its exit code, output and errors."""
    trip = Draft("trip", "We saw Rome in May 2019. Paid $20.\n- [ ] call Anna by Friday", date="2024-03-06")
    choir = Draft("choir", "Choir every Monday at 7pm, led by Dr. Sheply.", date="2024-03-06")
    make_notebook(tmp_path, [trip, choir, Draft("bare", "Dined alone, then Sheply and all of us")]).close()

    def call(*arguments: str) -> tuple[int, str, str]:
        return command.call(capsys, monkeypatch, "notes", *arguments, "--db", tmp_path / "notes.db")

    return call


def test_facts_of_a_note_by_kind(run):
    code, out, _ = run("facts", "trip", "--json")
    assert code == 0 and {row["kind"] for row in json.loads(out)} >= {"date", "place", "money", "action"}
    code, out, _ = run("facts", "trip", "--kind", "money", "--json")
    assert [row["value"] for row in json.loads(out)] == [{"amount": "20", "currency": "USD"}]
    code, _, err = run("facts", "trip", "--kind", "colour")
    assert code == 1 and "organisation" in err


def test_names_are_known_from_the_other_notes(run):
    code, out, _ = run("facts", "bare", "--kind", "person", "--json")
    assert code == 0 and [(row["value"], row["how"]) for row in json.loads(out)] == [("Sheply", "known")]


def test_the_timeline_of_a_period_and_as_a_calendar(run, tmp_path):
    code, out, _ = run("timeline", "2019", "--json")
    assert code == 0 and [row["said"] for row in json.loads(out)] == ["May 2019"]
    assert len(json.loads(run("timeline", "--json", "--limit", "2")[1])) == 2
    assert len(json.loads(run("timeline", "--json")[1])) == 3 and "1 more" in run("timeline", "--limit", "2")[1]
    code, out, _ = run("timeline", "--ics", str(tmp_path / "notes.ics"))
    assert code == 0 and "2019-05" in out and "Choir" in out
    assert (tmp_path / "notes.ics").read_bytes().count(b"BEGIN:VEVENT") == 3
    tmp_path.joinpath("long.json").write_text('[{"id": "ill", "content": "I was ill from 2 May to 5 June 2018."}]')
    run("import", str(tmp_path / "long.json"))
    assert "2018-05-02 to 2018-06-05 (day)" in run("timeline", "2018")[1]
    code, _, err = run("timeline", "blue")
    assert code == 1 and "names no period" in err
