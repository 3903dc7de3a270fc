"""Words and meaning find notes together; filters and times narrow; every hit says where and why."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest
from notes_tools import FakeEmbedder, add_note, make_notebook, plans

from pocketlm.core.errors import InputError
from pocketlm.notes.note import Draft, Link
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.search import Filters, complete, search

NOTES = [
    Draft("car", "My car broke down near Lyon.", date="2023-04-02", folder="travel/france", tags=("trouble",)),
    Draft("doctor", "The doctor gave me pills for the sickness.", date="2023-05-20", tags=("health",)),
    Draft("bread", "Bread recipe: flour, water, salt. Knead it twice.", title="Sourdough", date="2024-01-05"),
    Draft("lyon", "Lyon has a fine museum of silk.", date="2024-06-30", folder="travel"),
]


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    return make_notebook(tmp_path, NOTES)


def keys(book: Notebook, query: str, **more: object) -> list[str]:
    return [hit.note.key for hit in search(book, query, 3, **more)]  # type: ignore[arg-type]


def test_words_and_meaning(book: Notebook) -> None:
    assert keys(book, "automobile")[0] == "car"  # no word in common
    assert keys(book, "physician illness")[0] == "doctor"
    assert keys(book, "museums", by="words") == ["lyon"]  # another form of the word
    assert keys(book, "automobile", by="words") == []
    hit = search(book, "kneading flour", 1)[0]
    assert [hit.note.content[start:stop] for start, stop in hit.words] == ["flour", "Knead"]
    assert {why.kind for why in hit.why} == {"words", "meaning"} and hit.text == hit.note.content[
        hit.span.start : hit.span.stop
    ]
    assert search(book, "sourdough", 1)[0].why[0].told == "sourdough"


def test_what_a_filter_alone_finds_says_so(book: Notebook) -> None:
    assert [why.told for why in search(book, "tag:health", 1)[0].why] == ["#health"]
    hit = search(book, "folder:travel after:2000", 1)[0]
    assert [(why.kind, why.told) for why in hit.why] == [
        ("folder", hit.note.folder),
        ("date", f"written {hit.note.date}"),
    ]


def test_names_of_tags_and_folders_hold_what_is_nested_and_case_does_not_count(book: Notebook) -> None:
    add_note(book, 1, Draft("song", "A song.", tags=("Musik/Ärger",), folder="Übung/lang"))
    for query in ("tag:musik", "tag:MUSIK/ärger", "folder:ÜBUNG", "folder:übung/Lang/"):
        assert keys(book, query) == ["song"], query
    with pytest.raises(
        InputError, match=r'no note is tagged "musk"; the nearest is Musik/Ärger|no note is tagged "musk"'
    ):
        search(book, "song tag:musk")
    with pytest.raises(InputError, match='no note is tagged "helth"; the nearest is health'):
        search(book, "pills", filters=Filters(tags=("helth",)))
    with pytest.raises(InputError, match='no note is in the folder "travels"; the nearest is travel'):
        search(book, "lyon", filters=Filters(folder="travels"))
    with pytest.raises(InputError, match='no note is in the folder "q"; there are travel, travel/france'):
        search(book, "folder:q")
    assert complete(book, "tag:helth pi") == []  # while one types nothing is refused


def test_a_tag_is_looked_up_whatever_its_case(book: Notebook) -> None:
    search(book, "pills")  # what is kept beside the file is made
    steps = plans(book.store, lambda: search(book, "pills tag:HEALTH"))
    assert any("SEARCH tag USING INDEX tag_name" in step for step in steps)
    assert not any(step.startswith("SCAN tag") for step in steps)


def test_filters(book: Notebook) -> None:
    assert set(keys(book, "lyon folder:travel")) == {"car", "lyon"}
    assert keys(book, "lyon", filters=Filters(folder="travel/france")) == ["car"]
    assert keys(book, "tag:health") == ["doctor"]
    assert keys(book, "lyon after:2024") == [] or keys(book, "lyon after:2023-12-31") == ["lyon", "bread"]
    assert keys(book, "lyon -silk", by="words") == ["car"]
    assert keys(book, '"fine museum"', by="words") == ["lyon"]
    with pytest.raises(InputError, match="is no date"):
        search(book, "x before:someday")
    with pytest.raises(InputError, match='no search by "magic"'):
        search(book, "x", by="magic")


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("lyon in spring 2023", ["car", "doctor"]),
        ("lyon last summer", ["lyon"]),
        ("lyon between 1 and 5 January 2024", ["bread"]),
        ("May 2023", ["doctor"]),
        ("doctor on 2 April 2023", ["car"]),  # a day, of which the file has only the day
        ("lyon in 1990", ["lyon", "car"]),  # no note of that time: the time is no filter
    ],
)
def test_times_in_a_query(book: Notebook, query: str, found: list[str]) -> None:
    hits = search(book, query, 2, today=datetime(2024, 12, 1))
    assert [hit.note.key for hit in hits] == found
    assert {why.told for hit in hits for why in hit.why if why.kind == "missed"} == (
        {"no note is of the time “in 1990”, so it was left out"} if "1990" in query else set()
    )
    assert ("1990" in query) != any(why.kind == "date" for hit in hits for why in hit.why)


@pytest.mark.parametrize(
    "typed", ["", "   ", '"', "'; DROP TABLE note; --", "NEAR(a b)", "* ^ : ( )", "日本語", "a" * 5000, "-", "tag:"]
)
def test_any_text_may_be_typed(book: Notebook, typed: str) -> None:
    search(book, typed)
    complete(book, typed)
    assert book.store.count() == 4


def test_what_is_being_typed(book: Notebook) -> None:
    assert [hit.note.key for hit in complete(book, "mus")] == ["lyon"]
    assert [hit.note.key for hit in complete(book, "sour")] == ["bread"]
    assert {hit.note.key for hit in complete(book, "lyo")} == {"car", "lyon"}
    assert [hit.note.key for hit in complete(book, "lyon mus")] == ["lyon"]
    assert [hit.note.key for hit in complete(book, "so")] == ["bread"]
    assert complete(book, "mu") == []  # no title begins so
    assert complete(book, "m") == []


def test_changes_are_seen_at_once(book: Notebook) -> None:
    assert keys(book, "quagga", by="words") == []
    number = add_note(book, 1, Draft("new", "A quagga in the garden."))
    assert keys(book, "quagga")[0] == "new"
    add_note(book, 1, Draft("new", "Nothing to see."), number)
    assert keys(book, "quagga", by="words") == [] and search(book, "quagga", 1, by="meaning")[0].note.key != "x"
    assert "car" not in keys(book, "car lyon", filters=Filters(without=(1,)))
    assert "car" not in keys(book, "automobile", filters=Filters(without=(1,)), by="meaning")
    book.store.set_merged(1, 4)
    assert "car" not in keys(book, "car lyon")
    book.store.remove(4)
    assert keys(book, "lyon silk museum")[0] == "car"


def test_signs_beside_the_file_are_a_cache(book: Notebook, tmp_path: Path) -> None:
    before = keys(book, "automobile")
    beside = tmp_path / "notes.db-vectors"
    assert beside.is_file()
    for damage in (b"", b"broken", beside.read_bytes()[:200]):
        beside.write_bytes(damage)
        with Notebook(tmp_path / "notes.db", encoder=FakeEmbedder()) as again:
            assert keys(again, "automobile") == before


def test_without_vectors_words_alone_search(tmp_path: Path) -> None:
    with Notebook(tmp_path / "words.db", encoder="none") as book:
        book.store.put(book.store.source("/x", "json"), Draft("a", "The plain words."), "h", [(0, 16, None)])
        book.store.set("encoder", "none")
        assert keys(book, "plain") == ["a"]


def test_further_reasons(tmp_path: Path) -> None:
    link = Link("wiki", "Silk#Dyes", 0, 13)
    notes = [
        Draft("plan", "The museum of silk is on our way.", title="Plan", links=(link,)),
        Draft("silk.md", "Silk comes from a museum moth.", title="Silk"),
        Draft("moth", "A museum moth of silk, they say.", title="Moth", tags=("museums",)),
        Draft("other", "Of museum and moth and silk.", title="Other"),
    ]
    book = make_notebook(tmp_path, notes)
    reasons = {hit.note.key: {(why.kind, why.told) for why in hit.why} for hit in search(book, "museum of silk")}
    assert ("phrase", "“museum of silk”") in reasons["plan"] and ("link", "linked from “Plan”") in reasons["silk.md"]
    assert ("tag", "#museums") in reasons["moth"]
    assert not {kind for kind, _ in reasons["other"]} & {"phrase", "link", "tag"}
    assert keys(book, "silk")[0] == "silk.md"  # is called so
    scores = [hit.score for hit in search(book, "museum of silk")]
    assert scores == sorted(scores, reverse=True)
