"""An encrypted notes file: it works as a plain one does, and holds nothing that can be read without the password."""

from __future__ import annotations

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


def test_there_and_back(tmp_path: Path) -> None:
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
    convert(file, "it's me", "")
    with Store(file) as store:
        assert store.count() == 2
    assert b"hazelnut" in files(tmp_path)


def test_a_new_file_may_be_encrypted_from_the_start(tmp_path: Path) -> None:
    with Store(tmp_path / "notes.db", password="p") as store:
        store.put(store.source("/x", "json"), Draft("a", SECRET), "h", [(0, 5, None)])
    assert b"walnut" not in files(tmp_path)
