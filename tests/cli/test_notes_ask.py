"""`pocketlm notes ask` and `summarize`: what is printed for people, and what for scripts."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from notes_tools import FakeEmbedder, make_notebook

from pocketlm.cli.main import main
from pocketlm.notes.note import Draft

NOTES = [
    Draft("cellar", "Sir William Batten dug a pit in the garden and laid his wine in it. It cost 12 shillings.", date="1666-09-04"),
    Draft("bakery", "The bakery in Elm Street sells rye bread on Mondays. Its owner is Anna Brown.", tags=("shops",)),
]  # fmt: skip
WINE = "Who dug a pit in the garden for his wine?"


@pytest.fixture
def db(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    make_notebook(tmp_path, NOTES).close()
    monkeypatch.setattr("pocketlm.notes.notebook.open_encoder", lambda uri: FakeEmbedder())
    return str(tmp_path / "notes.db")


def run(monkeypatch: pytest.MonkeyPatch, *words: str) -> int:
    monkeypatch.setattr(sys, "argv", ["pocketlm", "notes", *words])
    with pytest.raises(SystemExit) as left:
        main()
    return int(str(left.value.code))


def test_an_answer_with_its_places(
    db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "ask", WINE, "--db", db, "--generator", "none") == 0
    told = capsys.readouterr().out
    assert told.startswith("4 September 1666: “Sir William Batten dug a pit")
    assert "[1] cellar, 1666-09-04, characters 0-" in told


def test_a_refusal_shows_what_is_nearest(
    db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "ask", "Who taught the king of France to dance?", "--db", db, "--no-generate") == 0
    told = capsys.readouterr().out
    assert told.startswith("This is not in your notes. Nearest:\n") and "“The bakery in Elm Street" in told


def test_json_alone_on_standard_output(
    db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, "ask", WINE, "--db", db, "--no-generate", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["citations"][0]["key"] == "cellar" and not told["refused"]
    assert run(monkeypatch, "ask", WINE, "--db", db, "--no-generate", "--json", "--tag", "shops") == 0
    assert json.loads(capsys.readouterr().out)["refused"]


@pytest.mark.parametrize(
    ("words", "notes"), [(("cellar",), 1), (("--since", "1666"), 1), (("--topic", "rye bread", "--tag", "shops"), 1)]
)
def test_summaries(
    db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], notes: int
) -> None:
    assert run(monkeypatch, "summarize", *words, "--db", db, "--no-generate", "--json", "--sentences", "1") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["notes"] == notes and len(told["sentences"]) == len(told["citations"]) == 1


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("summarize",), "name one thing"),
        (("summarize", "cellar", "--topic", "wine"), "name one thing"),
        (("summarize", "--tag", "shops"), "--topic"),
        (("summarize", "attic"), "attic"),
        (("ask", " "), "empty"),
        (("ask", WINE, "--since", "spring"), "no date"),
    ],
)
def test_what_cannot_be_done_is_said(
    db: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], says: str
) -> None:
    assert run(monkeypatch, *words, "--db", db, "--no-generate") == 1
    assert says in capsys.readouterr().err
