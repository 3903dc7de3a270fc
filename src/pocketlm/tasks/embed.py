"""Embeddings: texts become vectors, and what means the same lies near. Pairs with a score, or questions with their answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pocketlm.core.files import sha256_value
from pocketlm.tasks.base import Metric, Numbers, Score, TextTask, f1, tags_of

NEAREST = 10


@dataclass(frozen=True)
class EmbedRow:
    """A question and the texts that answer it, or two texts and how alike they are (`score`)."""

    text: str
    others: tuple[str, ...]
    score: float | None = None
    where: str = ""
    tags: tuple[str, ...] = ()
    negatives: tuple[str, ...] = field(default=())

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "text": self.text,
            "others": list(self.others),
            "score": self.score,
            "negatives": list(self.negatives),
            "tags": list(self.tags),
        }


def spearman(pairs: Numbers) -> float:
    """(rows, 2) -> the correlation of ranks, ties at their mean rank; nan where one side does not vary."""
    left, right = (_ranks(pairs[:, side]) for side in (0, 1))
    spread = left.std() * right.std()
    return float(((left - left.mean()) * (right - right.mean())).mean() / spread) if spread else float("nan")


def _ranks(values: Numbers) -> Numbers:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    ends = counts.cumsum()
    return np.asarray(((ends - counts + ends - 1) / 2)[inverse])


class EmbedTask(TextTask):
    """Find the right texts among all of the rows' texts, or order pairs by likeness."""

    name = "embed"
    main = "ndcg_at_10"
    asks = "vectors"
    metrics: Mapping[str, Metric] = {
        "ndcg_at_10": Metric("right texts among the 10 nearest, the higher the better (nDCG@10)"),
        "mrr_at_10": Metric("1 over the place of the first right text, 0 beyond the tenth (MRR@10)"),
        "recall_at_1": Metric("right texts that are nearest"),
        "recall_at_10": Metric("right texts among the 10 nearest"),
        "f1": Metric("F1 of pairs told to mean the same, at the threshold that was best on other rows", f1),
        "precision": Metric("of the pairs told to mean the same, those that do"),
        "recall": Metric("of the pairs that mean the same, those found"),
        "spearman": Metric("rank correlation of likeness by vectors with likeness by people", spearman, by_rows=True, percent=False),
    }  # fmt: skip

    def __init__(self, pool: Sequence[str] = (), tuning: Sequence[EmbedRow] = ()) -> None:
        """`pool`: further texts to find the right ones among. `tuning`: pairs by which the threshold of copies is chosen."""
        self.pool, self.tuning = list(pool), [row for row in tuning if row.score is not None]

    def settings(self) -> dict[str, Any]:
        """See `Task`."""
        tuning = {"tuning": sha256_value([row.to_json() for row in self.tuning])} if self.tuning else {}
        return {"pool": sha256_value(self.pool), **tuning}

    @staticmethod
    def rows(values: Sequence[tuple[Mapping[str, Any], str]]) -> list[EmbedRow]:
        """Rows from `{"a", "b", "score"}`, or from `{"anchor", "positive"[, "negative"]}`, one an anchor."""
        rows: list[EmbedRow] = []
        answers: dict[str, list[tuple[Mapping[str, Any], str]]] = {}
        for value, where in values:
            if "a" in value:
                rows.append(EmbedRow(value["a"], (value["b"],), float(value["score"]), where, tags_of(value)))
            else:
                answers.setdefault(value["anchor"], []).append((value, where))
        for anchor, found in answers.items():
            positives = tuple(dict.fromkeys(value["positive"] for value, _ in found))
            negatives = tuple(dict.fromkeys(value["negative"] for value, _ in found if "negative" in value))
            rows.append(EmbedRow(anchor, positives, None, found[0][1], tags_of(found[0][0]), negatives))
        return rows

    def tells_copies(self, rows: Sequence[EmbedRow]) -> bool:
        """Whether pairs are said to mean the same or not (1 or 0), and others by which to choose a threshold are at hand."""
        return bool(self.tuning) and all(row.score in (0.0, 1.0) for row in [*rows, *self.tuning])

    @staticmethod
    def threshold(rows: Sequence[EmbedRow], alike: Sequence[float]) -> float | None:
        """The likeness from which on pairs are best taken for copies (highest F1); None where there are no rows."""
        if not rows:
            return None
        order = np.argsort(-np.asarray(alike), kind="stable")
        same = np.array([row.score for row in rows])[order]
        gained = 2 * same.cumsum() / (np.arange(1, len(same) + 1) + same.sum())
        best = int(gained.argmax())
        last, after = alike[order[best]], alike[order[min(best + 1, len(order) - 1)]]
        return float((last + after) / 2)

    def score_pair(self, row: EmbedRow, likeness: float, threshold: float | None = None) -> Score:
        """A pair with a score; with a threshold, whether it is rightly taken for a copy."""
        assert row.score is not None
        numbers: dict[str, tuple[float, ...]] = {"spearman": (likeness, row.score)}
        if threshold is None:
            return Score(numbers)
        got, wanted = float(likeness >= threshold), row.score
        right = got * wanted
        numbers |= {"f1": (right, got, wanted), "precision": (right, got), "recall": (right, wanted)}
        why = [] if got == wanted else ["taken for a copy" if got else "copy not seen"]
        return Score(numbers, why=why)

    def score_ranking(self, row: EmbedRow, ranked: Sequence[str]) -> Score:
        """A question with the texts nearest to it, at least ten where there are as many."""
        hits = [text in row.others for text in ranked[:NEAREST]]
        gain = sum(1 / np.log2(place + 2) for place, hit in enumerate(hits) if hit)
        best = sum(1 / np.log2(place + 2) for place in range(min(len(row.others), NEAREST)))
        first = next((place + 1 for place, hit in enumerate(hits) if hit), None)
        of = float(len(row.others))
        return Score(
            {
                "ndcg_at_10": (float(gain / best), 1.0),
                "mrr_at_10": (1 / first if first else 0.0, 1.0),
                "recall_at_1": (float(hits[:1].count(True)), of),
                "recall_at_10": (float(hits.count(True)), of),
            },
            why=[]
            if first == 1
            else [f"first right text at place {first}" if first else "no right text among the 10 nearest"],
        )

    def expected(self, row: Any) -> Any:
        """See `Task`."""
        return row.score if row.score is not None else list(row.others[:3])
