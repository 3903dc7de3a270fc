"""Tags written into the user's files: nothing else changes, and nothing is written over what changed meanwhile."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from notes_tools import FakeEmbedder

from pocketlm.core.errors import InputError
from pocketlm.notes.importing import import_notes
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.writeback import added, write_tags

BEFORE = '---\n# mine\ntitle:   "A  b"   # odd\n{tags}rating: 7\n---\n\nText.\n'


@pytest.mark.parametrize(
    ("tags", "after"),
    [
        ("tags: [one,two] # x\n", "tags: [one,two, new] # x\n"),
        ("tags: []\n", "tags: [new]\n"),
        ("tags:\n- one\n", "tags:\n- one\n- new\n"),
        ("tags:\n    - one\n    - two\n", "tags:\n    - one\n    - two\n    - new\n"),
        ("tags: one\n", "tags:\n  - one\n  - new\n"),
        ("tags:\n", "tags:\n  - new\n"),
    ],
)
def test_every_other_byte_stays(tags: str, after: str) -> None:
    for end in ("\n", "\r\n"):
        before, wanted = (BEFORE.format(tags=text).replace("\n", end) for text in (tags, after))
        assert added(before, ["new"], "x.md") == wanted
        assert added("\ufeff" + before, ["new"], "x.md") == "\ufeff" + wanted
        assert added(wanted, ["New"], "x.md") == wanted


def test_frontmatter_is_made_where_there_is_none() -> None:
    made = added("Text.\r\nMore.\r\n", ["a", "two words", "yes", "2024"], "x.md")
    assert made.endswith("---\r\nText.\r\nMore.\r\n")
    assert yaml.safe_load(made.split("---")[1]) == {"tags": ["a", "two words", "yes", "2024"]}
    assert added(BEFORE.format(tags=""), ["new"], "x.md") == BEFORE.format(tags="").replace(
        "rating: 7\n", "rating: 7\ntags:\n  - new\n"
    )


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("---\n---\nText.", "---\ntags:\n  - new\n---\nText."),
        ("---\na line between rules\n---\nText.", "---\ntags:\n  - new\n---\n---\na line between rules\n---\nText."),
        ("---\ntag: New\n---\nText.", "---\ntag: New\n---\nText."),
        ("---\ntags: # c\n  - a\n  # d\n  - b\n---\n", None),
    ],
)
def test_odd_frontmatter(before: str, after: str | None) -> None:
    if after is None:  # only a list that stays whole is added to, and its order is kept
        with pytest.raises(InputError, match="cannot be added to"):
            added(before, ["new"], "x.md")
    else:
        assert added(before, ["new"], "x.md") == after


@pytest.mark.parametrize(
    "tags",
    [
        "tags: {a: 1}\n",
        "tags: [a,\n  b]\n",
        "tags: 'a, b'\n",
        "tags: [a\n",
        '"tags": [a]\n',
        "tags: &x [a]\nmore: *x\n",
    ],
)
def test_what_cannot_be_added_to_is_refused(tags: str) -> None:
    with pytest.raises(InputError, match=r"x\.md"):
        added(BEFORE.format(tags=tags), ["new"], "x.md")


def test_a_link_stays_a_link(tmp_path: Path) -> None:
    vault, file = tmp_path / "vault", tmp_path / "elsewhere.md"
    vault.mkdir()
    file.write_text("Text.")
    try:
        (vault / "a.md").symlink_to(file)
    except OSError:
        pytest.skip("no links here")
    with Notebook(tmp_path / "notes.db", encoder=FakeEmbedder()) as book:
        import_notes(book, vault)
        book.store.tag(1, "mine")
        write_tags(book.store, vault)
    assert (vault / "a.md").is_symlink() and file.read_text().startswith("---\ntags:\n  - mine\n---\n")


def test_only_the_users_tags_and_only_unchanged_files(tmp_path: Path) -> None:
    vault = tmp_path / "vault"
    vault.mkdir()
    for name in ("a", "b"):
        (vault / f"{name}.md").write_text(f"---\ntags: [own]\n---\nNote {name}.")
    with Notebook(tmp_path / "notes.db", encoder=FakeEmbedder()) as book:
        import_notes(book, vault)
        book.store.tag(1, "mine")
        book.store.tag(1, "guess", "model", 0.5)
        planned = write_tags(book.store, vault, dry_run=True)
        assert [(change.key, change.tags) for change in planned] == [
            ("a.md", ("mine",))
        ] and "+tags: [own, mine]" in planned[0].diff
        assert (vault / "a.md").read_text() == "---\ntags: [own]\n---\nNote a."
        write_tags(book.store, vault)
        assert (vault / "a.md").read_text() == "---\ntags: [own, mine]\n---\nNote a."
        assert (vault / "b.md").read_text() == "---\ntags: [own]\n---\nNote b."
        with pytest.raises(InputError, match="changed since it was imported"):
            write_tags(book.store, vault)
        import_notes(book, vault)
        assert write_tags(book.store, vault) == [] and book.store.tags(1) == ["mine", "own"]
        with pytest.raises(InputError, match="no folder of notes that was imported"):
            write_tags(book.store, tmp_path)
