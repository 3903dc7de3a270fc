"""What a score must be seen beside: an answer that never changes, the most frequent one, and a rule without any model."""

from __future__ import annotations

import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import numpy as np

from pocketlm.core.files import dump_compact
from pocketlm.engines.base import Generation, Tick
from pocketlm.engines.nearest import Nearest, words
from pocketlm.engines.rules import RulesEngine
from pocketlm.evaluate.ranking import Bm25
from pocketlm.tasks.base import Task
from pocketlm.tasks.call import CallTask
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.tasks.template import CHATML

LEAD = 3  # sentences


class Baseline:
    """Answers a row by a rule."""

    template = CHATML.name

    def __init__(self, name: str, answer: Callable[[Any], str]) -> None:
        self.uri = name
        self._answer = answer

    def prompt(self, row: Any) -> Any:
        """A rule is asked the row itself."""
        return row

    def generate(self, prompts: Sequence[Any], *, tick: Tick | None = None, **_: Any) -> list[Generation]:
        """One answer a row."""
        answers = []
        for row in prompts:
            start = time.perf_counter()
            text = self._answer(row)
            answers.append(Generation(text, len(text.split()), True, 0.0, time.perf_counter() - start))
            if tick:
                tick(1)
        return answers


class WordEmbedder:
    """Texts as counts of their words, hashed into so many places: what an embedding has to beat."""

    uri = "rule: words in common"

    def embed(self, texts: Sequence[str]) -> Any:
        """Unit vectors (texts, 4096), the rarer a word among these texts the heavier."""
        nearest = Nearest(texts)
        found = np.zeros((len(texts), 4096), dtype=np.float32)
        place = {word: i % 4096 for i, word in enumerate(nearest.idf)}
        for i, text in enumerate(texts):
            for word in words(text):
                found[i, place[word]] += nearest.idf[word]
        return found / np.maximum(np.linalg.norm(found, axis=1, keepdims=True), 1e-9)


def baselines(task: Task, rows: Sequence[Any], train: Sequence[Any] = ()) -> dict[str, Any]:
    """Name -> engine, for any task. Without training rows only those that need none."""
    if task.asks == "vectors":
        pairs = any(row.score is not None for row in rows)  # of which BM25 says nothing
        ranker = WordEmbedder() if pairs or not find_spec("bm25s") else Bm25()
        return {ranker.uri: ranker}
    if task.asks == "odds":
        return {}  # what a constant would get, as many as there are tokens, is known without asking
    constant, rule = CONSTANTS.get(task.name, ""), RULES.get(task.name)
    found: dict[str, Any] = {}
    if isinstance(task, ClassifyTask):
        constant = task.labels[0]
    found["constant"] = Baseline("constant", lambda row: constant)
    if train:
        most = Counter(_written(task, row) for row in train).most_common(1)[0][0]
        found["majority"] = Baseline("majority", lambda row: most)
    if isinstance(task, CallTask) and train:
        found["rule: nearest example, values put in"] = RulesEngine(task, train)
    elif rule:
        name, make = rule
        if answer := make(task, train):
            found[f"rule: {name}"] = Baseline(f"rule: {name}", answer)
    return found


def _written(task: Task, row: Any) -> str:
    """A row's right answer as a model would write it."""
    if isinstance(task, CallTask):
        return str(task.completion(row, CHATML).removesuffix(CHATML.stop))
    if task.name == "classify":
        return ", ".join(row.answer)
    return row.answer if isinstance(row.answer, str) else dump_compact(row.answer)


def _nearest(task: Task, train: Sequence[Any]) -> Callable[[Any], str] | None:
    if not train:
        return None
    index = Nearest([row.text for row in train])
    return lambda row: _written(task, train[index.find(row.text)])


def _known_values(task: Task, train: Sequence[Any]) -> Callable[[Any], str] | None:
    """Values seen in training that stand in the text, the longest first."""
    known = {str(value): name for row in train for name, values in row.answer.items() for value in values}
    if not known:
        return None

    def answer(row: Any) -> str:
        found: dict[str, list[str]] = {}
        for value, name in known.items():
            if re.search(rf"(?<!\w){re.escape(value)}(?!\w)", row.text):
                found.setdefault(name, []).append(value)
        return dump_compact(found)

    return answer


def _lead(task: Task, train: Sequence[Any]) -> Callable[[Any], str]:
    """The first sentences of what is asked about: hard to beat on news (Nenkova 2005)."""
    return lambda row: " ".join(re.split(r"(?<=[.!?])\s+", row.text.partition("\n")[2] or row.text)[:LEAD])


CONSTANTS = {"call": "{}", "extract": "{}"}
RULES: dict[str, tuple[str, Callable[[Any, Sequence[Any]], Callable[[Any], str] | None]]] = {
    "classify": ("label of the nearest example", _nearest),
    "extract": ("values seen in training", _known_values),
    "instruct": (f"first {LEAD} sentences", _lead),
    "translate": ("source as it is", lambda task, train: lambda row: row.text),
}
