"""`pocketlm notes import|status|forget|write-tags|encrypt|decrypt` on a small vault, without an encoder."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Any

import command
import pytest

from pocketlm.notes.importing import import_notes
from pocketlm.notes.store import Store


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    """Run a command of notes beside a vault of three, one of them broken; returns its exit code, output and errors."""
    (tmp_path / "vault").mkdir()
    for name, text in (("a.md", b"One note."), ("b.md", b"Another."), ("c.md", b"caf\xe9")):
        (tmp_path / "vault" / name).write_bytes(text)
    monkeypatch.chdir(tmp_path)

    return partial(command.call, capsys, monkeypatch, "notes")


def test_in_and_out(run):
    code, out, _ = run("import", "vault", "--encoder", "none", "--json")
    did = json.loads(out)
    assert code == 0 and did["added"] == 2 and "not UTF-8" in did["failed"]["c.md"]
    code, out, _ = run("import", "vault")
    assert code == 0 and out.startswith("2 unchanged, 1 failed\n  failed: c.md is not UTF-8")
    code, out, _ = run("import")
    assert code == 0 and out.startswith(f"{Path('vault').resolve()}: 2 unchanged, 1 failed")
    assert "name the folder" in run("import", "--watch")[2]
    code, out, _ = run("status", "--json")
    assert json.loads(out)["encoder"] == "none" and json.loads(out)["sources"][0]["indexed"] == 2
    assert "failed because it is not UTF-8" in run("status", "c.md")[1] and ": indexed" in run("status", "a.md")[1]
    code, _, err = run("status", "x.md")
    assert code == 1 and 'no source has a note "x.md"' in err
    assert run("forget", "vault")[1] == "2 notes forgotten\n"


def test_a_watch_tells_a_line_of_json_for_each_import(run, monkeypatch):
    def follow(book, path, tell):
        Path("vault/b.md").write_text("Changed.")
        tell(import_notes(book, path))

    monkeypatch.setattr("pocketlm.notes.watching.watch", follow)
    code, out, err = run("import", "vault", "--encoder", "none", "--watch", "--json")
    told = [json.loads(line) for line in out.splitlines()]
    assert code == 0 and [(one["added"], one["changed"]) for one in told] == [(2, 0), (0, 1)]
    assert all(one["seconds"] >= 0 for one in told) and "Ctrl-C" in err


def test_tags_are_written_when_told(run):
    run("import", "vault", "--encoder", "none")
    with Store("notes.db") as store:
        store.tag(1, "mine")
    code, out, _ = run("write-tags", "vault", "--dry-run")
    assert code == 0 and "+  - mine" in out and Path("vault/a.md").read_text() == "One note."
    assert run("write-tags", "vault")[1] == "a.md: mine\n1 files changed\n"
    assert Path("vault/a.md").read_text() == "---\ntags:\n  - mine\n---\nOne note."


def test_encrypted(run, monkeypatch):
    pytest.importorskip("sqlcipher3", reason="needs pip install 'pocketlm[notes]'")
    run("import", "vault", "--encoder", "none")
    assert run("encrypt")[0] == 1
    monkeypatch.setenv("POCKETLM_NOTES_PASSWORD", "p")
    assert run("encrypt")[0] == 0 and b"Another" not in Path("notes.db").read_bytes()
    assert run("import", "vault")[1].startswith("2 unchanged")
    assert run("decrypt")[0] == 0 and b"Another" in Path("notes.db").read_bytes()
