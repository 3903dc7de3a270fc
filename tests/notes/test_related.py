"""Related notes say why: links both ways, tags, meaning, the day; and titles that are named without a link."""

from __future__ import annotations

from pathlib import Path

from notes_tools import make_notebook

from pocketlm.notes.note import Draft, Link
from pocketlm.notes.related import mentions, names_of, related, target_of


def test_reasons(tmp_path: Path) -> None:
    text = "See [[Kyoto#Food|there]]."
    drafts = [
        Draft(
            "trips/japan.md",
            text,
            title="Japan",
            folder="trips",
            tags=("travel",),
            links=(Link("wiki", "Kyoto#Food", 4, 24),),
            date="2024-05-01",
        ),
        Draft(
            "trips/kyoto.md",
            "Temples and tea houses.",
            title="Kyoto",
            folder="trips",
            head={"aliases": ["Old capital"]},
        ),
        Draft("tea.md", "Tea houses and temples, tea houses.", title="Tea"),
        Draft("day.md", "Nothing in common.", title="Day", date="2024-05-01T10:00", tags=("travel",)),
    ]
    book = make_notebook(tmp_path, drafts)
    why = {one.note.title: one.why for one in related(book, 1)}
    assert why["Kyoto"][0] == "it is linked from here"
    assert set(why["Day"]) >= {"both are tagged #travel", "written on the same day"}
    assert related(book, 2, 1)[0].note.title == "Japan" and "it links here" in related(book, 2, 1)[0].why
    assert any("alike in meaning" in told for one in related(book, 3) if one.note.title == "Kyoto" for told in one.why)
    names = names_of(book)
    assert [target_of(name, names) for name in ("old capital", "KYOTO", "trips/kyoto", "tea.md", "nowhere")] == [
        2,
        2,
        2,
        3,
        None,
    ]


def test_mentions_without_a_link(tmp_path: Path) -> None:
    drafts = [
        Draft(
            "a",
            "We drank at the Green Dragon; [[Blue Boar]] was shut. Greenhorn.",
            links=(Link("wiki", "Blue Boar", 29, 42),),
        ),
        Draft("b", "x", title="Green Dragon"),
        Draft("c", "y", title="Blue Boar"),
        Draft("d", "z", title="Green"),
    ]
    book = make_notebook(tmp_path, drafts)
    found = mentions(book, 1)
    assert [(one.text, one.target.id) for one in found] == [("Green Dragon", 2)]
    assert book.store.text(found[0].span) == "Green Dragon"
