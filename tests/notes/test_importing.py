"""An import follows what changed and nothing else; it is seen whole or not at all, and goes on where it was."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from notes_tools import FakeEmbedder

from pocketlm.core.errors import InputError
from pocketlm.export.onnx import OnnxFormat
from pocketlm.notes import importing
from pocketlm.notes.encoding import Vectors
from pocketlm.notes.importing import Imported, forget, import_all, import_notes, states_of, status
from pocketlm.notes.notebook import Notebook, to_bytes
from pocketlm.notes.own import create_note
from pocketlm.notes.search import search
from pocketlm.notes.store import OWN, Busy, Store


class Counting(FakeEmbedder):
    """Says what it was given; fails at a text that holds `breaks_at`."""

    def __init__(self, uri: str = "fake", breaks_at: str = "\0") -> None:
        self.uri, self.breaks_at = uri, breaks_at
        self.read: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        if any(self.breaks_at in text for text in texts):
            raise KeyboardInterrupt
        self.read += texts
        return super().embed(texts)


@pytest.fixture
def vault(tmp_path: Path) -> Path:
    folder = tmp_path / "vault"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.md").write_text(f"Note {name} tells of {name * 5}.")
    return folder


def opened(folder: Path, encoder: FakeEmbedder | None = None) -> Notebook:
    return Notebook(folder / "notes.db", encoder=encoder or Counting())


def numbers(done: Imported) -> tuple[int, ...]:
    return done.added, done.changed, done.renamed, done.removed, done.unchanged, len(done.failed)


def contents(book: Notebook) -> dict[str, str]:
    return {note.key: note.content for note in book.store.notes()}


def touch(file: Path, text: str) -> None:
    file.write_text(text)
    os.utime(file, ns=(1, file.stat().st_mtime_ns + 1))


def test_only_what_changed(tmp_path: Path, vault: Path) -> None:
    encoder = Counting()
    book = opened(tmp_path, encoder)
    assert numbers(import_notes(book, vault)) == (3, 0, 0, 0, 0, 0) and len(encoder.read) == 3
    assert numbers(import_notes(book, vault)) == (0, 0, 0, 0, 3, 0) and len(encoder.read) == 3
    ids = {note.key: note.id for note in book.store.notes()}

    touch(vault / "a.md", "Note a was rewritten.")
    (vault / "b.md").rename(vault / "renamed.md")
    (vault / "c.md").unlink()
    (vault / "d.md").write_text("Note d is new.")
    assert numbers(import_notes(book, vault)) == (1, 1, 1, 1, 0, 0)
    assert encoder.read[3:] == ["Note a was rewritten.", "Note d is new."]  # that of the renamed one is known
    assert contents(book).keys() == {"a.md", "renamed.md", "d.md"}
    after = {note.key: note.id for note in book.store.notes()}
    assert after["a.md"] == ids["a.md"] and after["renamed.md"] == ids["b.md"] and after["d.md"] not in ids.values()


def test_a_file_touched_but_not_changed_is_no_news(tmp_path: Path, vault: Path) -> None:
    book = opened(tmp_path)
    import_notes(book, vault)
    touch(vault / "a.md", (vault / "a.md").read_text())
    assert not import_notes(book, vault).is_news


def test_what_fails_keeps_its_older_version_and_is_mended(tmp_path: Path, vault: Path) -> None:
    book = opened(tmp_path)
    import_notes(book, vault)
    (vault / "a.md").write_bytes(b"\xff\xfe broken")
    done = import_notes(book, vault)
    assert "is not UTF-8" in done.failed["a.md"] and contents(book)["a.md"].startswith("Note a")
    assert states_of(book.store, "a.md")[str(vault)].startswith("failed because it is not UTF-8")
    assert status(book.store)[0]["failed"].keys() == {"a.md"} and status(book.store)[0]["indexed"] == 3
    (vault / "a.md").write_text("Mended.")
    assert numbers(import_notes(book, vault)) == (0, 1, 0, 0, 2, 0)
    assert states_of(book.store, "a.md")[str(vault)] == "indexed" and status(book.store)[0]["failed"] == {}


def test_what_the_system_refuses_stops_no_other_source(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book, (closed, open_) = opened(tmp_path), (tmp_path / "closed.json", tmp_path / "open.json")
    for file in (closed, open_):
        file.write_text('[{"id": "a", "text": "One."}]')
        import_notes(book, file)
        file.write_text('[{"id": "a", "text": "Two."}]')
    read = importing.read

    def refused(path: Path, *given: Any) -> Any:
        if path == closed:
            raise PermissionError(13, "Permission denied", str(path))
        return read(path, *given)

    monkeypatch.setattr(importing, "read", refused)
    done = import_all(book)
    assert "cannot be read (Permission denied)" in done[str(closed)].failed[str(closed)]
    assert done[str(open_)].changed == 1 and "Permission" in status(book.store)[0]["failed"][str(closed)]


def test_another_program_that_writes_is_no_fault_of_a_source(tmp_path: Path) -> None:
    book, file = opened(tmp_path), tmp_path / "notes.json"
    file.write_text('[{"id": "a", "text": "One."}]')
    import_notes(book, file)
    file.write_text('[{"id": "a", "text": "Two."}]')
    with Store(book.store.path) as other, other.writing():
        book.store.db.execute("PRAGMA busy_timeout = 0")
        with pytest.raises(Busy, match="another program is writing"):
            import_all(book)
    assert status(book.store)[0]["failed"] == {}


def test_a_source_that_cannot_be_read_is_failed_until_it_can(tmp_path: Path) -> None:
    book, file = opened(tmp_path), tmp_path / "notes.json"
    rows = '[{"id": "a", "text": "One."}]'
    file.write_text(rows)
    import_notes(book, file)
    for make, why in ((lambda: file.write_text("12"), "expected a list"), (file.unlink, "no such file or folder")):
        make()
        assert why in import_all(book)[str(file)].failed[str(file)]
        (told,) = status(book.store)
        assert why in told["failed"][str(file)] and told["indexed"] == 1
    file.write_text(rows)
    import_notes(book, file)
    assert status(book.store)[0]["failed"] == {}
    file.unlink()
    with pytest.raises(InputError):
        import_notes(book, file)
    forget(book.store, file)
    assert status(book.store) == [] and not book.store.setting("fault 1")
    with pytest.raises(InputError, match="no such file"):
        import_notes(book, file)  # and was never imported: nothing is kept
    assert status(book.store) == []


def test_what_another_import_was_quicker_with_is_unchanged(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book, encode = opened(tmp_path), importing._encode

    def late(*given: Any) -> None:
        monkeypatch.setattr(importing, "_encode", encode)
        import_notes(opened(tmp_path), vault)
        encode(*given)

    monkeypatch.setattr(importing, "_encode", late)
    done = import_notes(book, vault)
    assert (done.added, done.unchanged) == (0, 3)


def test_an_interrupted_import_shows_nothing_and_goes_on(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pocketlm.notes.importing.BATCH", 1)
    import_notes(opened(tmp_path), vault)
    touch(vault / "a.md", "Changed a.")
    (vault / "z.md").write_text("At z it breaks.")
    with pytest.raises(KeyboardInterrupt):
        import_notes(opened(tmp_path, Counting(breaks_at="At z")), vault)
    book = opened(tmp_path, again := Counting())
    assert contents(book)["a.md"].startswith("Note a tells") and "z.md" not in contents(book)
    assert states_of(book.store, "a.md")[str(vault)] == "waiting" and status(book.store)[0]["waiting"] == 2
    assert numbers(import_notes(book, vault)) == (1, 1, 0, 0, 2, 0)
    assert again.read == ["At z it breaks."]  # the vector of a.md was kept
    assert contents(book)["a.md"] == "Changed a." and status(book.store)[0]["waiting"] == 0
    assert book.store.db.execute("SELECT count(*) FROM made_vector").fetchone() == (0,)


class Other(Counting):
    """Of half the width."""

    def __init__(self, breaks_at: str = "\0") -> None:
        super().__init__("other", breaks_at)

    def embed(self, texts: Sequence[str]) -> Any:
        return super().embed(texts)[:, :32]


def widths(book: Notebook) -> list[int]:
    return [len(vector) for (vector,) in book.store.db.execute("SELECT vector FROM passage ORDER BY id")]


def test_another_encoder_reads_everything_once_more(tmp_path: Path, vault: Path) -> None:
    with opened(tmp_path) as book:
        import_notes(book, vault)
        book.store.set_merged(2, 1)  # may be taken apart again
    with opened(tmp_path, Other()) as changed:
        done = import_notes(changed, vault)
        assert done.encoded == 3 and done.unchanged == 3 and changed.store.setting("encoder") == "other"
        assert widths(changed) == [32] * 3


def test_another_form_of_the_default_encoder_is_another_encoder(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pocketlm.notes.notebook.open_encoder", Counting)
    for form, encoder, encoded in ((7, "", 3), (7, "minilm-int8", 0), (8, "", 3)):
        monkeypatch.setattr(OnnxFormat, "form", form)
        with Notebook(tmp_path / "notes.db", encoder=encoder) as book:
            if form == 8:
                with pytest.raises(InputError, match="made by minilm-int8-7, not by minilm-int8-8"):
                    search(book, "aaaaa")
            assert import_notes(book, vault).encoded == encoded
            assert book.store.setting("encoder") == f"minilm-int8-{form}"
            assert search(book, "aaaaa")[0].note.key == "a.md"


def test_everything_is_brought_up_to_date_own_notes_too(tmp_path: Path, vault: Path) -> None:
    with opened(tmp_path) as book:
        with pytest.raises(InputError, match="nothing was imported yet"):
            import_all(book)
        create_note(book, "A note of my own.")
    with opened(tmp_path, Other()) as book:  # own notes have nothing to be imported from
        assert import_all(book)[OWN].encoded == 1
        assert widths(book) == [32]
        import_notes(book, vault)
        touch(vault / "a.md", "Something else.")
        assert numbers(import_all(book)[str(vault)])[1] == 1


def test_a_source_that_is_away_keeps_no_other_from_its_turn(tmp_path: Path, vault: Path) -> None:
    (other := tmp_path / "other.json").write_text('[{"id": "x", "content": "Something old."}]')
    book = opened(tmp_path)
    import_notes(book, vault)
    import_notes(book, other)
    vault.rename(tmp_path / "away")
    touch(other, '[{"id": "x", "content": "Something new."}]')
    done = import_all(book)
    assert done[str(vault)].failed == {str(vault): "no such file or folder"} and numbers(done[str(other)])[1] == 1
    assert contents(book)["x"] == "Something new." and len(contents(book)) == 4


def test_the_old_encoder_answers_until_the_new_one_is_through(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pocketlm.notes.encoding.BATCH", 1)
    import_notes(opened(tmp_path), vault)
    with pytest.raises(KeyboardInterrupt):
        import_notes(opened(tmp_path, Other(breaks_at="Note c")), vault)
    book = opened(tmp_path, again := Other())
    assert widths(book) == [64] * 3 and book.store.setting("encoder") == "fake"
    import_notes(book, vault)
    assert widths(book) == [32] * 3 and again.read == ["Note c tells of ccccc."]


def test_passages_that_stay_are_not_read_again(tmp_path: Path, vault: Path) -> None:
    parts = [" ".join([word] * 90) + "." for word in ("Alpha", "Beta", "Gamma")]
    (vault / "long.md").write_text("\n\n".join(parts))
    book = opened(tmp_path, encoder := Counting())
    import_notes(book, vault)
    encoder.read.clear()
    touch(vault / "long.md", "\n\n".join([parts[0], parts[1].replace("Beta", "New"), parts[2]]))
    done = import_notes(book, vault)
    assert done.encoded == 1 and len(encoder.read) == 1 and encoder.read[0].startswith("New New")
    stored = [vector for (vector,) in book.store.db.execute("SELECT vector FROM passage WHERE note = 4 ORDER BY start")]
    texts = [passage.text for passage in book.store.passages(4)]
    assert stored == to_bytes(encoder.embed(texts))


def test_vectors_that_another_program_took_away_are_made_again(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = opened(tmp_path)
    keep = Vectors.keep

    def and_lose(self: Vectors, *args: Any) -> None:
        keep(self, *args)
        book.store.db.execute("DELETE FROM made_vector")

    monkeypatch.setattr(Vectors, "keep", and_lose)
    import_notes(book, vault)
    assert widths(book) == [64] * 3


def test_an_interrupted_import_is_no_other_ones_business(tmp_path: Path, vault: Path) -> None:
    book = opened(tmp_path)
    import_notes(book, vault)
    book.store.tag(2, "mine")
    (vault / "b.md").rename(vault / "moved.md")
    (vault / "z.md").write_text("At z it breaks.")
    with pytest.raises(KeyboardInterrupt):
        import_notes(opened(tmp_path, Counting(breaks_at="At z")), vault)
    (tmp_path / "other.jsonl").write_text('{"id": "x", "content": "Elsewhere."}\n')
    assert numbers(import_notes(book, tmp_path / "other.jsonl")) == (1, 0, 0, 0, 0, 0)
    assert "z.md" not in contents(book)
    assert numbers(import_notes(book, vault)) == (1, 0, 1, 0, 2, 0)
    assert book.store.find("moved.md").id == 2 and book.store.tags(2) == ["mine"]


def test_renames_of_notes_of_one_text(tmp_path: Path, vault: Path) -> None:
    for name in ("one", "two", "three"):
        (vault / f"{name}.md").write_text("")
    for name in ("x", "y"):
        (vault / f"{name}.md").write_text("The same text.")
    book = opened(tmp_path)
    import_notes(book, vault)
    ids = {note.key: note.id for note in book.store.notes()}
    (vault / "sub").mkdir()
    for name in ("two", "y"):
        (vault / f"{name}.md").rename(vault / "sub" / f"{name}.md")
    (vault / "one.md").rename(vault / "first.md")  # nothing tells it from a new one
    (vault / "x.md").rename(vault / "z.md")
    assert numbers(import_notes(book, vault)) == (1, 0, 3, 1, 4, 0)
    after = {note.key: note.id for note in book.store.notes()}
    assert [after[key] for key in ("sub/two.md", "sub/y.md", "z.md")] == [
        ids[key] for key in ("two.md", "y.md", "x.md")
    ]


def test_what_cannot_be_read_deletes_nothing(tmp_path: Path) -> None:
    file, whole = tmp_path / "a.json", json.dumps([{"id": str(i), "content": f"Text {i}."} for i in range(5)])
    file.write_text(whole)
    book = opened(tmp_path)
    import_notes(book, file)
    touch(file, whole[:70])
    for _ in range(2):
        done = import_notes(book, file)
        assert numbers(done) == (0, 0, 0, 0, 2, 1) and done.kept == 3 and book.store.count() == 5
    touch(file, json.dumps(json.loads(whole)[:2]))
    assert numbers(import_notes(book, file)) == (0, 0, 0, 3, 2, 0)
    assert status(book.store)[0]["failed"] == {}


def test_an_empty_folder_is_taken_for_a_drive_that_is_not_there(tmp_path: Path, vault: Path) -> None:
    book = opened(tmp_path)
    import_notes(book, vault)
    vault.rename(tmp_path / "away")
    vault.mkdir()
    with pytest.raises(InputError, match="holds no notes now, but 3 came from there"):
        import_notes(book, vault)
    assert book.store.count() == 3


def test_a_folder_that_may_not_be_read_keeps_its_notes(
    tmp_path: Path, vault: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (vault / "sub").mkdir()
    (vault / "sub" / "x.md").write_text("Kept.")
    book = opened(tmp_path)
    import_notes(book, vault)
    scandir = os.scandir

    def refused(path: Any) -> Any:
        if str(path).endswith("sub"):
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refused)
    done = import_notes(book, vault)
    assert done.kept == 1 and done.failed == {"sub": "cannot be read (Permission denied)"} and book.store.count() == 4


def test_an_import_without_news_writes_nothing(tmp_path: Path, vault: Path) -> None:
    book = opened(tmp_path)
    import_notes(book, vault)
    before = book.store.db.total_changes
    import_notes(book, vault)
    assert book.store.db.total_changes == before


def test_one_file_of_many_notes(tmp_path: Path) -> None:
    file = tmp_path / "notes.json"
    rows = [{"id": str(i), "content": f"Text number {i}."} for i in range(20)]
    file.write_text(json.dumps(rows))
    book = opened(tmp_path)
    assert numbers(import_notes(book, file))[0] == 20
    version = book.store.version
    assert numbers(import_notes(book, file)) == (0, 0, 0, 0, 20, 0) and book.store.version == version
    rows[3]["content"] = "Another text."
    touch(file, json.dumps(rows[:10]))
    assert numbers(import_notes(book, file)) == (0, 1, 0, 10, 9, 0)


def test_sources_do_not_disturb_each_other(tmp_path: Path, vault: Path) -> None:
    (tmp_path / "notes.jsonl").write_text('{"id": "a.md", "content": "The same key elsewhere."}\n')
    book = opened(tmp_path)
    import_notes(book, vault)
    import_notes(book, tmp_path / "notes.jsonl")
    assert book.store.count() == 4
    assert forget(book.store, vault) == 3 and contents(book) == {"a.md": "The same key elsewhere."}
    with pytest.raises(InputError, match="nothing was imported from there"):
        forget(book.store, vault)


def test_a_note_without_text_is_found_by_its_title(tmp_path: Path, vault: Path) -> None:
    (vault / "Aalborg.md").write_text("---\nrating: 7\n---\n")
    book = opened(tmp_path)
    import_notes(book, vault)
    row = book.store.db.execute("SELECT rowid FROM words WHERE words MATCH 'aalborg'").fetchall()
    assert len(row) == 1 and book.store.find("Aalborg").content == ""
