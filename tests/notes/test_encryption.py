"""An encrypted notes file: it works as a plain one does, and holds nothing that can be read without the password."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from notes_tools import make_notebook

from pocketlm.core.errors import InputError
from pocketlm.notes.encryption import convert
from pocketlm.notes.note import Draft
from pocketlm.notes.store import Store

pytest.importorskip("sqlcipher3", reason="needs pip install 'pocketlm[notes]'")
SECRET = "The walnut chest holds the letters."


def files(folder: Path) -> bytes:
    return b"".join(file.read_bytes() for file in folder.glob("notes.db*"))


def test_there_and_back(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    make_notebook(tmp_path, [SECRET]).close()
    file = tmp_path / "notes.db"
    assert b"walnut" in files(tmp_path)
    convert(file, "", "it's me")
    assert b"walnut" not in files(tmp_path)
    with Store(file, password="it's me") as store:
        assert store.note(1).content == SECRET
        assert store.db.execute("SELECT rowid FROM words WHERE words MATCH 'letter'").fetchall() == [(1,)]
        store.put(1, Draft("new", "Another hazelnut secret."), "h", [(0, 24, None)])
        assert b"hazelnut" not in files(tmp_path)  # while the log beside it holds the change
    for password in ("", "wrong"):
        with pytest.raises(InputError, match="is no notes file, or"):
            Store(file, password=password)
    assert capfd.readouterr() == ("", "")  # the library itself would tell of it in five lines
    convert(file, "it's me", "")
    with Store(file) as store:
        assert store.count() == 2
    assert b"hazelnut" in files(tmp_path)


def test_a_new_file_may_be_encrypted_from_the_start(tmp_path: Path) -> None:
    with Store(tmp_path / "notes.db", password="p") as store:
        store.put(store.source("/x", "json"), Draft("a", SECRET), "h", [(0, 5, None)])
    assert b"walnut" not in files(tmp_path)


OTHER = """
import sys
from pocketlm.notes.note import Draft
from pocketlm.notes.store import Store
with Store(sys.argv[1]) as store:
    print(store.count(), flush=True)  # it is open, but holds no lock any more
    sys.stdin.readline()
    store.put(1, Draft("new", "still here"), "h", [(0, 10, None)])
"""


def test_a_file_that_is_open_elsewhere_is_left_alone(tmp_path: Path) -> None:
    make_notebook(tmp_path, [SECRET]).close()
    file = tmp_path / "notes.db"
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", OTHER, str(file)], text=True, **pipes) as other:  # type: ignore[call-overload]
        assert other.stdout.readline() == "1\n"
        with pytest.raises(InputError, match="another program has it open"):
            convert(file, "", "p")
        other.communicate("go on\n")
    with Store(file) as store:
        assert store.count() == 2
    assert [one.name for one in tmp_path.iterdir()] == ["notes.db"]


def test_nothing_is_lost_on_the_way(tmp_path: Path) -> None:
    book = make_notebook(tmp_path, ["one", "two"])
    book.store.remove(2)
    book.close()
    file = tmp_path / "notes.db"
    convert(file, "", "p")
    with pytest.raises(InputError, match="is encrypted already"):
        convert(file, "", "p")
    with Store(file, password="p") as store:
        assert store.put(1, Draft("three", "three"), "h", [(0, 5, None)]) == 3  # 2 is not given again
        store.db.execute("INSERT INTO words(words) VALUES('integrity-check')")
        assert store.db.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        names = {name for (name,) in store.db.execute("SELECT name FROM sqlite_master")}
    with Store(tmp_path / "other.db") as fresh:
        assert names == {name for (name,) in fresh.db.execute("SELECT name FROM sqlite_master")}
    convert(file, "p", "q")
    with Store(file, password="q") as store:
        assert store.count() == 2
