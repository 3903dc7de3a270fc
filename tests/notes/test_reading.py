"""Where an answer is read, and whether it is there at all; without a model, with words that mean what they say."""

from __future__ import annotations

import numpy as np
from notes_tools import FakeEmbedder

from pocketlm.notes.note import Note, Passage, Span
from pocketlm.notes.reading import RANKING, WEIGHTS, Page, Question, above, read

CELLAR = "We met at noon. Sir William dug a pit in the garden and laid his wine in it. The fire came nearer all day."
SHOP = "The shop sells bread on Mondays. Its owner is Anna Brown. She paid 30 pounds for the oven."


def page(text: str, note: int = 1, start: int = 0, **more: object) -> Page:
    return Page(Passage(0, Span(note, start, start + len(text)), text), **more)  # type: ignore[arg-type]


def features(question: str, page: Page, name: str) -> list[float]:
    """One feature of every sentence."""
    embedder = FakeEmbedder()
    asked = Question(question, lambda word: 1.0, embedder.embed([question])[0])
    column: list[float] = page.features(asked, embedder.embed(page.texts))[:, RANKING.index(name)].tolist()
    return column


def test_the_sentence_that_answers_is_cited_where_it_stands() -> None:
    pages = [page(SHOP, 1), page(CELLAR, 2, start=40)]
    found = read("Where did Sir William lay his wine?", pages, FakeEmbedder(), lambda word: 1.0)
    best = found[0]
    assert best.span.note == 2 and "laid his wine" in best.text
    assert CELLAR[best.span.start - 40 : best.span.stop - 40] == best.text
    assert best.score > found[1].score


def test_confidence_is_high_where_it_stands_and_low_where_not() -> None:
    def confidence(question: str) -> float:
        found = read(question, [page(SHOP), page(CELLAR, 2)], FakeEmbedder(), lambda word: 1.0)
        return found[0].confidence

    there = confidence("Who dug a pit in the garden for his wine?")
    assert there > WEIGHTS.threshold > confidence("Who taught the king of France to dance?")


def test_what_is_asked_for() -> None:
    assert features("How many pounds did she pay?", page(SHOP), "lacks what is asked for") == [1, 1, 0]
    assert features("When does the shop sell bread?", page(SHOP), "lacks what is asked for") == [0, 1, 1]
    assert features("Who is the owner?", page(SHOP), "lacks what is asked for") == [0, 0, 1]
    assert features("When did they dig?", page(CELLAR, is_dated=True), "lacks what is asked for") == [0, 0, 0]


def test_rare_words_count_more() -> None:
    asked = Question("bread wine", {"bread": 1.0, "wine": 3.0}.__getitem__, np.zeros(64, np.float32))
    assert asked.share({"wine"}) == 0.75 and asked.share({"bread"}) == 0.25


def test_title_and_date_count_for_the_passage() -> None:
    note = Note(1, "a", SHOP, title="Bakery", date="2024-05-06")
    assert above(note) == "Bakery Monday 6 May 2024"
    under = page(SHOP, head=above(note))
    assert features("Who owns the bakery?", under, "words in the passage")[0] > 0
    assert features("Who owns the bakery?", page(SHOP), "words in the passage")[0] == 0


def test_neighbours_are_cited_only_where_they_may_hold_the_answer_and_a_fragment_never_alone() -> None:
    text = "# Oven\n\nAnna Brown bought it in 2019. " + "Something else entirely was said about the weather there. " * 3
    (best,) = read("Who bought the oven?", [page(text)], FakeEmbedder(), lambda word: 1.0)
    assert "Anna Brown bought it" in best.text and best.text.count("weather") <= 1
    assert len(best.text.split()) <= 60


def test_endless_sentences_are_cut_at_semicolons() -> None:
    parts = [f"part {n} goes on and on about the matter with words" for n in range(9)]
    cut = page("; ".join([*parts, "the answer is Saturn."]))
    assert len(cut.places) == 10 and cut.texts[-1] == "the answer is Saturn."


def test_nothing_to_read() -> None:
    assert read("Who?", [], FakeEmbedder(), lambda word: 1.0) == []
    assert read("Who?", [page("  ")], FakeEmbedder(), lambda word: 1.0) == []
    assert read("?!", [page(SHOP)], FakeEmbedder(), lambda word: 1.0)[0].confidence < WEIGHTS.threshold
