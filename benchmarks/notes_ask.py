"""Are answers found in the notes, and is it said when they are not there?

XQuAD's English passages as notes, its questions asked of them: is the answer contained in the cited span, of the right note?
Then every note is deleted and its questions are asked again: are they refused? A citation is a sentence or a few, never a
whole passage. The reader's weights are learnt on other articles than those it is measured on (cross-fitting by article).

python benchmarks/notes_ask.py --json results/notes_ask.json [--data FOLDER] [--quick]
python benchmarks/notes_ask.py --fit        prints the weights that notes/reading.py ships, learnt on all articles
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pocketlm.core.extras import need
from pocketlm.core.files import read_json, write_json
from pocketlm.core.machine import describe
from pocketlm.notes.encoder import open_encoder
from pocketlm.notes.evidence import find, pages_of, rarity
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import NO_GENERATOR, Notebook, to_bytes
from pocketlm.notes.passages import passages
from pocketlm.notes.reading import Page, Question, Weights, cited, holding, scores

REPO = Path(__file__).parents[1]
FOLDS = 6
REFUSED = 0.92  # of the fitting part's unanswerable questions: the threshold that refuses so many
CITED = 0.88  # of its answered ones: with a neighbour cited so often that so many answers are in the span
NEAR = (0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0)
QUICK = 8  # articles


@dataclass(frozen=True)
class Asked:
    """A question of a passage.

    Attributes:
        article, passage: numbers; the passage's is the key of its note.
        start: where the answer stands in the passage.
    """

    text: str
    article: int
    passage: int
    answer: str
    start: int


@dataclass
class Case:
    """A question with what was found for it, its own note being there or deleted."""

    asked: Asked
    is_there: bool
    pages: list[Page]
    keys: list[int]  # of the pages' notes
    features: list[Any]  # of each page, (sentences, features)

    def labels(self, at: int) -> Any:
        """Which sentences of a page hold the answer."""
        page, asked = self.pages[at], self.asked
        base = page.passage.span.start
        stop = asked.start + len(asked.answer.rstrip("."))
        own = self.is_there and self.keys[at] == asked.passage
        return np.array([own and base + a <= asked.start and stop <= base + b for a, b in page.places])


class Remembering:
    """An embedder that makes every vector once."""

    def __init__(self, embedder: Any) -> None:
        self.uri, self._embedder, self._known = embedder.uri, embedder, {}

    def embed(self, texts: Sequence[str]) -> Any:
        """See `Embedder`."""
        new = list(dict.fromkeys(text for text in texts if text not in self._known))
        self._known |= zip(new, self._embedder.embed(new), strict=True)
        return np.array([self._known[text] for text in texts])

    def close(self) -> None:
        """See `Embedder`."""


def squad(file: Path, articles: int | None = None) -> tuple[list[str], list[Asked]]:
    """Passages and questions of a file in SQuAD's layout."""
    texts: list[str] = []
    questions: list[Asked] = []
    for number, article in enumerate(read_json(file)["data"][:articles]):
        for paragraph in article["paragraphs"]:
            for row in paragraph["qas"]:
                answer = row["answers"][0]
                questions.append(Asked(row["question"], number, len(texts), answer["text"], answer["answer_start"]))
            texts.append(paragraph["context"])
    return texts, questions


def put(book: Notebook, key: int, text: str) -> int:
    """A passage as a note."""
    places = passages(text)
    vectors = to_bytes(book.embedder.embed([text[start:stop] for start, stop in places]))
    parts = [(start, stop, vector) for (start, stop), vector in zip(places, vectors, strict=True)]
    digest = hashlib.sha256(text.encode()).hexdigest()
    return book.store.put(book.store.source("xquad", "json"), Draft(str(key), text), digest, parts)


def cases(book: Notebook, texts: Sequence[str], questions: Sequence[Asked]) -> Iterator[Case]:
    """Every question twice: with its note, and after its note was deleted."""
    book.store.db.execute("PRAGMA synchronous = OFF")  # a file that is thrown away
    ids = {key: put(book, key, text) for key, text in enumerate(texts)}
    for key, text in enumerate(texts):
        own = [asked for asked in questions if asked.passage == key]
        yield from (case(book, asked, True) for asked in own)
        book.store.remove(ids[key])
        yield from (case(book, asked, False) for asked in own)
        put(book, key, text)


def case(book: Notebook, asked: Asked, is_there: bool) -> Case:
    """Search, and the features of what is found."""
    hits = find(book, asked.text)
    pages, asking = pages_of(hits), Question(asked.text, rarity(book.store), book.embedder.embed([asked.text])[0])
    features = [page.features(asking, book.embedder.embed(page.texts)) for page in pages]
    return Case(asked, is_there, pages, [int(hit.note.key) for hit in hits], features)


def best(case: Case, weights: Weights) -> tuple[int, Any]:
    """The page with the best sentence, and its sentences' scores."""
    found = [scores(features, weights.ranking) for features in case.features]
    at = max(range(len(found)), key=lambda one: found[one].max())
    return at, found[at]


def held(case: Case, weights: Weights) -> Any:
    """The row of features that tells whether the notes hold the answer."""
    at, score = best(case, weights)
    top = int(score.argmax())
    return holding(case.features[at][top : top + 1], score[top : top + 1])[0]


def fit(rows: Sequence[Case]) -> Weights:
    """Learn the weights: which sentence holds the answer; then, from the best one, whether it is held at all."""
    every = np.concatenate([features for case in rows for features in case.features])
    labels = np.concatenate([case.labels(at) for case in rows for at in range(len(case.pages))])
    ranking = regression(every, labels)
    first = Weights(ranking, (), 0.5, 0.0)
    seen = np.array([held(case, first) for case in rows])
    there = np.array([case.is_there for case in rows])
    made = regression(seen, there)
    chances = 1 / (1 + np.exp(-scores(seen, made)))
    weights = Weights(ranking, made, round(float(np.quantile(chances[~there], REFUSED)), 4), 0.0)
    for near in NEAR:
        weights = replace(weights, near=near)
        if figures_of([judged(case, weights) for case in rows])["xquad_cited"] >= CITED:
            break
    return weights


def regression(rows: Any, labels: Any) -> tuple[float, ...]:
    """Logistic regression on features of like scale, its weights brought back to the features as they are."""
    linear = need("sklearn.linear_model", "learning the reader's weights", "classify", "scikit-learn")
    mean, spread = rows.mean(0), rows.std(0) + 1e-9
    model = linear.LogisticRegression(C=0.3, max_iter=3000).fit((rows - mean) / spread, labels)
    weights = model.coef_[0] / spread
    return tuple(round(float(weight), 3) for weight in [*weights, model.intercept_[0] - weights @ mean])


def judged(case: Case, weights: Weights) -> dict[str, Any]:
    """How one question fared."""
    at, score = best(case, weights)
    page = case.pages[at]
    start, stop = cited(page, score, weights.near)
    base, asked = page.passage.span.start, case.asked
    text, answer = page.passage.text[start:stop], asked.answer.rstrip(".")
    chance = 1 / (1 + np.exp(-float(scores(held(case, weights), weights.holding))))
    own = case.keys[at] == asked.passage
    return {
        "there": case.is_there,
        "chance": chance,
        "answered": chance >= weights.threshold,
        "cited": own and answer in text,
        "exactly": own and base + start <= asked.start and asked.start + len(answer) <= base + stop,
        "words": len(text.split()),
        "sentences": sum(start <= a < stop for a, _ in page.places),
    }


def crossed(rows: Sequence[Case]) -> list[dict[str, Any]]:
    """Each question judged with weights that were learnt on other articles."""
    articles = sorted({case.asked.article for case in rows})
    fold = dict(zip(articles, np.random.default_rng(0).permutation(len(articles)) % FOLDS, strict=True))
    found = []
    for held_out in range(FOLDS):
        weights = fit([case for case in rows if fold[case.asked.article] != held_out])
        found += [judged(case, weights) for case in rows if fold[case.asked.article] == held_out]
    return found


def figures_of(found: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The benchmark's numbers."""
    there, gone = ([one for one in found if one["there"] == wanted] for wanted in (True, False))
    answered = [one for one in there if one["answered"]]

    def mean(rows: Sequence[dict[str, Any]], name: str) -> float:
        return round(float(np.mean([one[name] for one in rows])), 4) if rows else 0.0

    return {
        "questions": len(there),
        "xquad_cited": mean(answered, "cited"),
        "xquad_cited_at_its_place": mean(answered, "exactly"),
        "answered_answerable": mean(there, "answered"),
        "refused_unanswerable": round(1 - mean(gone, "answered"), 4),
        "words_cited": mean(answered, "words"),
        "sentences_cited": mean(answered, "sentences"),
        "risk_coverage": risk_coverage(found),
    }


def risk_coverage(found: Sequence[dict[str, Any]], steps: int = 10) -> list[dict[str, float]]:
    """Of all questions, half of them unanswerable, the surest: their share, the share answered wrongly, the confidence."""
    order = sorted(found, key=lambda one: -one["chance"])
    wrong = np.cumsum([not (one["there"] and one["cited"]) for one in order])
    places = [round(len(order) * step / steps) for step in range(1, steps + 1)]
    return [
        {
            "coverage": round(at / len(order), 3),
            "risk": round(float(wrong[at - 1] / at), 4),
            "confidence": round(order[at - 1]["chance"], 4),
        }
        for at in places
    ]


def rows_of(data: Path, quick: bool) -> list[Case]:
    """All cases of the data."""
    texts, questions = squad(data / "qa" / "xquad_en" / "xquad.en.json", QUICK if quick else None)
    with tempfile.TemporaryDirectory() as folder:
        encoder = Remembering(open_encoder())
        with Notebook(Path(folder) / "notes.db", encoder=encoder, generator=NO_GENERATOR) as book:
            return list(cases(book, texts, questions))


def measure(data: Path, quick: bool = False) -> dict[str, Any]:
    """All numbers of this benchmark."""
    start = time.perf_counter()
    found = figures_of(crossed(rows_of(data, quick)))
    return {**found, "seconds": round(time.perf_counter() - start, 1)}


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data")
    parser.add_argument("--quick", action="store_true", help=f"{QUICK} articles only")
    parser.add_argument("--fit", action="store_true", help="learn the weights that are shipped")
    args = parser.parse_args()
    if args.fit:
        print(fit(rows_of(args.data, args.quick)))
        return
    found = measure(args.data, args.quick)
    print(json.dumps(found, indent=2))
    if args.json:
        write_json(args.json, {"machine": describe(), "quick": args.quick, **found})


if __name__ == "__main__":
    main()
