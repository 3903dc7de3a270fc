"""Summaries: the notes' own sentences, or generated ones that stand in them; each with its place."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from notes_tools import FakeEmbedder, make_notebook

from pocketlm.core.errors import InputError
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.summaries import summarize, summarize_period, summarize_topic

FISH = (
    "Got up late. Anna caught a big pike in the lake at Ferch. The pike weighed 7 kg and Anna sold the pike at the market. "
    "In the evening it rained a little. Then we all slept."
)
NOTES = [
    Draft("fish", FISH, date="2024-05-06"),
    Draft("oven", "The oven broke. Tom ordered a new oven for 300 euros from Berlin.", date="2024-05-20"),
    Draft("long", " ".join(f"On page {n} the pilot {n} flew over harbour {n} in good weather with Mr Stone." for n in range(80))),
    Draft("empty", "   ", date="2024-06-01"),
]  # fmt: skip


class Scripted:
    """An engine that writes the next of its texts each time, and remembers what it read."""

    uri = "scripted"
    template = "chatml"

    def __init__(self, *texts: str) -> None:
        self.texts, self.asked = list(texts), list[str]()

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        self.asked.append(prompt)
        yield self.texts.pop(0) if len(self.texts) > 1 else self.texts[0]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make_notebook(tmp_path, NOTES).close()
    return tmp_path


def opened(folder: Path, *says: str) -> Notebook:
    generator: Any = Scripted(*says) if says else "none"
    return Notebook(folder / "notes.db", encoder=FakeEmbedder(), generator=generator)


def test_the_most_central_sentences_as_they_stand(folder: Path) -> None:
    with opened(folder) as book:
        note = book.store.find("fish")
        made = summarize(book, [note])
        assert not made.checked and len(made.sentences) == 2
        assert "pike" in made.sentences[0] and made.text.endswith("[2]")
        for sentence, citation in zip(made.sentences, made.citations, strict=True):
            assert book.store.text(citation.span) == citation.text == sentence
        assert made.citations[0].span.start < made.citations[1].span.start
        assert len(summarize(book, [note], count=1).sentences) == 1


def test_a_short_note_is_its_own_summary(folder: Path) -> None:
    with opened(folder) as book:
        made = summarize(book, [book.store.find("oven")], count=3)
        assert made.sentences == ("Tom ordered a new oven for 300 euros from Berlin.",)


def test_generated_sentences_that_stand_in_the_note(folder: Path) -> None:
    with opened(folder, "Anna caught a pike of 7 kg. Anna sold it for 50 euros. In the evening it rained.") as book:
        made = summarize(book, [book.store.find("fish")])
        assert made.checked and made.sentences == ("Anna caught a pike of 7 kg.", "In the evening it rained.")
        assert "50 euros" in made.unsupported
        first, second = made.citations
        assert "caught a big pike" in first.text and "7 kg" in first.text and "rained" not in first.text
        assert second.text == "In the evening it rained a little."


@pytest.mark.parametrize("says", ["Anna caught 9 pikes in June.", "", "A man went to prison for murder"])
def test_what_stands_nowhere_is_replaced_by_the_notes_own_sentences(folder: Path, says: str) -> None:
    with opened(folder, says) as book:
        made = summarize(book, [book.store.find("fish")])
        assert not made.checked and all(sentence in FISH for sentence in made.sentences)
        assert summarize(book, [book.store.find("fish")], generate=False).sentences == made.sentences


def test_long_notes_are_read_part_by_part(folder: Path) -> None:
    says = ["Pilot 3 flew over harbour 3.", "Pilot 33 flew over harbour 33.", "Pilot 50 was in Rome.", "Mr Stone flew with pilot 33 over harbour 33."]  # fmt: skip
    with opened(folder, *says) as book:
        made = summarize(book, [book.store.find("long")], count=1)
        writer: Any = book.generator
        assert len(writer.asked) >= 4 and all(len(prompt.split()) < 500 for prompt in writer.asked)
        assert (
            "Pilot 3 flew over harbour 3. Pilot 33 flew" in writer.asked[-1]
        )  # the reduction reads the parts' summaries
        assert made.checked and made.sentences == (says[-1],) and "Rome" in made.unsupported
        assert "pilot 33" in made.citations[0].text


def test_periods(folder: Path) -> None:
    with opened(folder) as book:
        assert summarize_period(book, "2024-05", "2024-05").notes == 2
        assert summarize_period(book, since="2024-05-07").notes == 2
        assert [c.note.key for c in summarize_period(book, "2024-05-20", "2024-05-20").citations] == ["oven"]
        with pytest.raises(InputError, match="no note has a date"):
            summarize_period(book, "1999", "2000")
        with pytest.raises(InputError, match="empty"):
            summarize(book, [book.store.find("empty")])


def test_topics(folder: Path) -> None:
    with opened(folder) as book:
        book.store.remove(book.store.find("long").id)  # its many sentences are near to anything
        made = summarize_topic(book, "oven", count=1)
        assert made.sentences == ("Tom ordered a new oven for 300 euros from Berlin.",)
        assert json.loads(json.dumps(made.to_json()))["citations"][0]["key"] == "oven"


def test_a_topic_that_no_note_speaks_of_is_refused(folder: Path) -> None:
    with opened(folder) as book:
        made = summarize_topic(book, "quantum computers")
        assert made.refused and made.text == "This is not in your notes." and len(made.nearest) == 3
        assert made.to_json()["nearest"][0]["text"] and made.citations == ()
        for topic in ("the big pike", "pike in May 2024", "20 May 2024"):
            assert not summarize_topic(book, topic, count=1).refused, topic


def test_a_topic_in_other_words_is_spoken_of(tmp_path: Path) -> None:
    make_notebook(tmp_path, ["Doctor, car."]).close()
    with opened(tmp_path) as book:
        assert not summarize_topic(book, "physician automobile", count=1).refused
