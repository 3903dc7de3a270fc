"""Translation: a text in, the same in another language out."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from pocketlm.core.extras import need
from pocketlm.tasks.base import Metric, Numbers, Score, TextRow, TextTask, ask, tags_of, yes
from pocketlm.tasks.template import Template


def _corpus(name: str) -> Any:
    """Summed statistics (..., k) -> sacrebleu's corpus score (...)."""

    def of(sums: Numbers) -> Any:
        scorer = _scorer(name)
        flat = sums.reshape(-1, sums.shape[-1])
        scores = [float(scorer._compute_score_from_stats([int(x) for x in row]).score) for row in flat]
        return np.array(scores).reshape(sums.shape[:-1])

    return of


class TranslateTask(TextTask):
    """From one language into another, scored by sacrebleu."""

    name = "translate"
    main = "bleu"
    metrics: Mapping[str, Metric] = {
        "bleu": Metric("runs of words in common with the reference (BLEU, 0 to 100)", _corpus("bleu"), percent=False),
        "chrf": Metric("runs of letters in common with the reference (chrF, 0 to 100)", _corpus("chrf"), percent=False),
        "exact": Metric("the reference to the letter"),
        "length": Metric("length against the reference's, in words", percent=False),
    }

    def __init__(self, into: str = "") -> None:
        """`into`: the language to translate into, where the model must be told."""
        self.into = into
        self.instruction = f"Translate the message into {into}. Answer with the translation only." if into else ""

    @staticmethod
    def row(value: Mapping[str, Any], where: str = "") -> TextRow:
        """A row from `{"source", "target"}`."""
        return TextRow(ask(value["source"]), value["target"], where, tags_of(value))

    def settings(self) -> dict[str, Any]:
        """See `Task`. With sacrebleu's signatures, so that a figure says how it was made."""
        return {"into": self.into, "signatures": {name: signature(name) for name in ("bleu", "chrf")}}

    def score(self, row: TextRow, text: str, template: Template) -> Score:
        """See `Task`."""
        text = " ".join(text.split())
        numbers: dict[str, tuple[float, ...]] = {
            # the library's own per-sentence statistics, which its corpus score is made of
            name: tuple(map(float, _scorer(name)._extract_corpus_statistics([text], [[row.answer]])[0]))
            for name in ("bleu", "chrf")
        }
        numbers |= {"exact": yes(text == row.answer), "length": (len(text.split()), len(row.answer.split()))}
        return Score(numbers)


def signature(name: str) -> str:
    """sacrebleu's signature of "bleu" or "chrf" (Post 2018)."""
    scorer = _scorer(name)
    scorer.corpus_score(["a"], [["a"]])  # the number of references is part of it
    return str(scorer.get_signature())


@cache
def _scorer(name: str) -> Any:
    metrics = need("sacrebleu.metrics", "scoring translations", "eval", "sacrebleu")
    return metrics.BLEU() if name == "bleu" else metrics.CHRF()
