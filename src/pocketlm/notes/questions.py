"""Questions made of a person's own notes, whose right notes are known: to measure how well notes are found and cited.

No model writes them; they are what people type rather than whole sentences, and easier than what others would ask.
"""

from __future__ import annotations

import itertools
import random
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.files import read_json, write_json
from pocketlm.notes.figures import MONTHS, figures
from pocketlm.notes.note import Note
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.passages import sentences
from pocketlm.notes.store import Store
from pocketlm.notes.terms import WORD, fold, is_function, stem
from pocketlm.notes.words import every, held, quoted

KINDS = ("known", "paraphrase", "date", "answer")
FEW = 3  # notes that may be right at the most
LONG = (8, 40)  # words of a sentence that is asked about
NEAR = 8  # words that are kept on either side of what is asked for
ALIKE = 0.5  # cosine of words that may stand for each other
VOCABULARY = 4000  # words among which one is sought that may stand for another
NAMES = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]{2,}(?: [A-Z][a-z]{2,}){0,2}")
PROSE = re.compile(r"[a-z]+[,.;:]?")


@dataclass(frozen=True)
class Asked:
    """A question and where its answer stands.

    Attributes:
        kind: known (words of a note, as one remembers them), paraphrase (a sentence without its rarest words, others replaced),
            date (a word or two and when it was written), answer (a sentence with a number, date or name missing).
        notes: (path of the source, key) of the notes that are right.
        start, stop: characters of the sentence in its note; answer: what is missing there. Both of the kind answer only.
        today: ISO moment from which "three days ago" is meant; empty where that does not matter.
    """

    kind: str
    text: str
    notes: tuple[tuple[str, str], ...]
    start: int = 0
    stop: int = 0
    answer: str = ""
    today: str = ""


def make_questions(book: Notebook, count: int = 50, seed: int = 0, kinds: Sequence[str] = KINDS) -> list[Asked]:
    """`count` questions of each kind, or as many as the notes give; the same ones each time.

    Raises:
        InputError: the notes hold nothing to ask for.
    """
    maker = _Maker(book)
    ids = [row[0] for row in book.store.db.execute("SELECT id FROM note WHERE merged IS NULL ORDER BY id")]
    found: list[Asked] = []
    for kind in kinds:
        rng = random.Random(f"{seed} {kind}")
        makes: Callable[[random.Random, Note], Asked | None] = getattr(maker, kind)
        order = (book.store.note(id) for id in rng.sample(ids, len(ids)))
        made = (one for note in order if (one := makes(rng, note)))
        found += itertools.islice(made, count)
    if not found:
        raise InputError(f"{book.store.path}: its notes hold too little text to ask about; import notes first")
    return found


def kept_questions(file: Path, book: Notebook, count: int, seed: int) -> list[Asked]:
    """The questions of a file, which is made where it is missing: other settings then see the same ones.

    Raises:
        InputError: the file holds something else.
    """
    if not file.exists():
        made = make_questions(book, count, seed)
        write_json(file, [asdict(one) for one in made])
        return made
    try:
        return [Asked(**row | {"notes": tuple(map(tuple, row["notes"]))}) for row in read_json(file)]
    except (TypeError, KeyError):
        raise InputError(f"{file}: holds no questions of `pocketlm notes eval`; name another file") from None


class _Maker:
    """One method a kind: a question about a note, None where the note gives none."""

    def __init__(self, book: Notebook) -> None:
        self._store: Store = book.store

    def known(self, rng: random.Random, note: Note) -> Asked | None:
        """Three to six of its words, the rarer of a handful, until few notes have them all."""
        words = _content(note.content)
        some = rng.sample(words, min(len(words), 8))
        for size in range(3, len(some) + 1):
            rarest = sorted(some, key=self._held)[:size]
            if right := self._having(rarest):
                return Asked("known", " ".join(word for word in words if word in rarest), right)
        return None

    def paraphrase(self, rng: random.Random, note: Note) -> Asked | None:
        """A sentence without its rarest third of words; others are replaced by words that are near in meaning."""
        for start, stop in _shuffled(rng, _sentences(note.content)):
            words = _content(note.content[start:stop])
            if len(words) < 6:
                continue
            rarest = set(sorted(words, key=self._held)[: len(words) // 3])
            said = [self._alike(word) for word in words if word not in rarest]
            return Asked("paraphrase", " ".join(said), ((note.source, note.key),))
        return None

    def date(self, rng: random.Random, note: Note) -> Asked | None:
        """Two words that many notes have, and the time of writing in one of four ways."""
        written, words = note.written, sorted(_content(note.content), key=self._held)
        if written is None or len(words) < 4:
            return None
        common = rng.sample(words[len(words) // 2 :], 2)
        day, month = written.date().isoformat(), MONTHS[written.month - 1].title()
        later = rng.randint(2, 20)
        ways = (
            f"in {month} {written.year}",
            f"on {written.day} {month} {written.year}",
            f"on {day}",
            f"{later} days ago",
        )
        when = rng.choice(ways)
        right = self._having(common, day[:7]) if when == ways[0] else self._having((), day)
        today = (written + timedelta(days=later)).isoformat()
        return Asked("date", f"{' '.join(common)} {when}", right, today=today) if right else None

    def answer(self, rng: random.Random, note: Note) -> Asked | None:
        """A sentence with a number, a date or a name missing, which no other note has."""
        for start, stop in _shuffled(rng, _sentences(note.content)):
            text = note.content[start:stop]
            missing = list(_missing(text))
            if not missing or len(self._having(_content(text)[:6])) != 1:
                continue
            lead, at, end = rng.choice(missing)
            before, behind = text[:at].split()[-NEAR:], text[end:].split()[:NEAR]
            asked = " ".join([lead, *before, *behind]).rstrip(".,;:!?") + "?"
            return Asked("answer", asked, ((note.source, note.key),), start, stop, text[at:end])
        return None

    def _held(self, word: str) -> int:
        return held(self._store.db, quoted(word))

    def _having(self, words: Sequence[str], begins: str = "") -> tuple[tuple[str, str], ...]:
        """The notes with all of the words in one passage whose date begins so; none where they are too many."""
        wanted = ["note.merged IS NULL", "note.date >= ?", "note.date < ?"]
        values = [begins, f"{begins}~"]
        if words:
            wanted.append("passage.id IN (SELECT rowid FROM words WHERE words MATCH ?)")
            values.append(every(words))
        rows = self._store.db.execute(
            "SELECT DISTINCT source.path, note.key FROM passage JOIN note ON note.id = passage.note"
            f" JOIN source ON source.id = note.source WHERE {' AND '.join(wanted)} LIMIT {FEW + 1}",
            values,
        ).fetchall()
        return tuple(rows) if len(rows) <= FEW else ()

    def _alike(self, word: str) -> str:
        """Another word of the notes with nearly its meaning and other letters; itself where there is none."""
        words, vectors, embedder = self._vocabulary
        if embedder is None:
            return word
        likeness = vectors @ np.asarray(embedder.embed([word]))[0]
        parts = {word[at : at + 3] for at in range(len(word) - 2)}
        for at in np.argsort(-likeness)[:10]:
            if likeness[at] >= ALIKE and not any(part in words[at] for part in parts):
                return str(words[at])
        return word

    @cached_property
    def _vocabulary(self) -> tuple[list[str], Any, Any]:
        """Words of the notes and their vectors, by word vectors whatever the encoder is; none where they are not installed."""
        from pocketlm.models.static import StaticEmbedder

        try:
            embedder = StaticEmbedder()
        except EnvironmentLacks:
            return [], None, None
        rows = self._store.db.execute(
            "SELECT content FROM note WHERE merged IS NULL ORDER BY id LIMIT ?", (VOCABULARY // 10,)
        )
        words = list(dict.fromkeys(word for (content,) in rows for word in _content(content)))[:VOCABULARY]
        return words, np.asarray(embedder.embed(words)), embedder


def _content(text: str) -> list[str]:
    """The words that carry meaning, small, in order, one of each stem."""
    found: dict[str, str] = {}
    for match in WORD.finditer(text):
        word = fold(match[0])
        if len(word) > 2 and word.isalpha() and not is_function(match[0]):
            found.setdefault(stem(word), word)
    return list(found.values())


def _sentences(text: str) -> list[tuple[int, int]]:
    """Sentences of prose, neither very short nor very long."""
    least, most = LONG
    found = []
    for start, stop in sentences(text):
        words = text[start:stop].split()
        if least <= len(words) <= most and 2 * sum(PROSE.fullmatch(word) is not None for word in words) > len(words):
            found.append((start, stop))
    return found


def _shuffled(rng: random.Random, places: list[tuple[int, int]]) -> list[tuple[int, int]]:
    return rng.sample(places, len(places))


def _missing(text: str) -> Iterator[tuple[str, int, int]]:
    """(word that asks for it, start, stop) of the numbers, dates and names of a sentence."""
    leads = {"number": "how many", "date": "when"}
    for figure in figures(text):
        if figure.kind in leads:
            yield leads[figure.kind], figure.start, figure.stop
    for match in NAMES.finditer(text):
        yield "who", match.start(), match.end()


def moment_of(asked: Asked) -> datetime | None:
    """The day a question is asked on."""
    return datetime.fromisoformat(asked.today) if asked.today else None
