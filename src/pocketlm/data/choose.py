"""Of several teachers' answers to one question the one to keep: the first, what most agree on, the best by a judge, or
the one nearest to all others in meaning."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from pocketlm.core.files import dump_compact
from pocketlm.core.text import folded
from pocketlm.data.parse import Made, Rejected

CHOICES = ("first", "consensus", "judge", "agreement")
LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Answer:
    """One teacher's answer with what was found in it."""

    teacher: str
    text: str
    found: list[Made | Rejected]
    prompts: str
    price: float
    time: float

    def provenance(self, version: int) -> dict[str, Any]:
        """Where a row comes from; the answer's price is shared by its rows."""
        rows = sum(isinstance(one, Made) for one in self.found)
        price = self.price / max(1, rows)
        return {"teacher": self.teacher, "prompt": self.prompts, "version": version, "price": price, "time": self.time}

    @property
    def made(self) -> list[Made]:
        """Its rows."""
        return [one for one in self.found if isinstance(one, Made)]


def choose(
    how: str, answers: Sequence[Answer], teachers: int, verdict: str = ""
) -> Iterator[tuple[Answer, Made | Rejected]]:
    """The rows that are kept, and for consensus what too few agreed on. `answers` are those with a row in them."""
    if not answers:
        return
    if how == "consensus" and teachers > 1:
        yield from _consensus(answers, teachers)
        return
    best = answers[0]
    if how == "agreement" and len(answers) > 1:
        best = answers[nearest([answer.text for answer in answers])]
    elif how == "judge" and len(answers) > 1:
        best = answers[_letter(verdict, len(answers))]
    for one in best.made:
        yield best, one


def judge_prompt(asked: str, texts: Sequence[str]) -> str:
    """What the judge is asked: the letter of the best answer."""
    answers = "\n\n".join(f"Answer {letter}:\n{text}" for letter, text in zip(LETTERS, texts, strict=False))
    return (
        f"Somebody was asked this:\n\n{asked}\n\n{answers}\n\nWhich answer does best what was asked, and holds nothing that is "
        f"wrong or made up? Say its letter alone: {', '.join(LETTERS[: len(texts)])}."
    )


def nearest(texts: Sequence[str]) -> int:
    """Which text is nearest in meaning to all others, by the mean cosine of static embeddings."""
    from pocketlm.models.static import StaticEmbedder

    vectors = StaticEmbedder().encode(list(texts))
    likeness = vectors @ vectors.T
    return int(likeness.sum(axis=1).argmax())


def _consensus(answers: Sequence[Answer], teachers: int) -> Iterator[tuple[Answer, Made | Rejected]]:
    """Rows that more than half of the teachers gave, alike but for case and white space."""
    votes: Counter[str] = Counter()
    for answer in answers:
        votes.update({_key(one) for one in answer.made})
    given: set[str] = set()
    for answer in answers:
        for one in answer.made:
            key = _key(one)
            if key in given:
                continue
            given.add(key)
            if 2 * votes[key] > teachers:
                yield answer, one
            else:
                yield answer, Rejected(f"too few teachers agree, {votes[key]} of {teachers}")


def _key(one: Made) -> str:
    row = {**one.row, "label": sorted(one.row["label"])} if isinstance(one.row.get("label"), list) else one.row
    return folded(dump_compact(row))


def _letter(verdict: str, count: int) -> int:
    """The letter a judge named; the first answer where it named none."""
    found = re.search(rf"\b([{LETTERS[:count]}])\b", verdict.strip().upper().removeprefix("ANSWER"))
    return LETTERS.index(found[1]) if found else 0
