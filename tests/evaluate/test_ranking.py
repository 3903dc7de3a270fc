"""BM25, embedders and both together: each orders texts as its formula says."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pocketlm.core.errors import InputError
from pocketlm.evaluate.baselines import WordEmbedder, baselines
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.evaluate.ranking import Bm25, Dense, fused, tuned_weight
from pocketlm.evaluate.scoring import Scoring
from pocketlm.tasks.embed import EmbedRow, EmbedTask

TEXTS = ["milk and bread for the kitchen", "the weather in paris", "music in the morning", "trains leave at noon"]
ROWS = [
    EmbedRow("bread in a kitchen", (TEXTS[0],)),
    EmbedRow("a train at noon", (TEXTS[3],)),
    EmbedRow("paris", (TEXTS[1],)),
]


class Wrong:
    """An embedder to whom the last texts are always nearest."""

    uri = "wrong"

    def embed(self, texts: Any) -> Any:
        found = np.array([[1.0, TEXTS.index(text) / 10 if text in TEXTS else 1.0] for text in texts], dtype=np.float32)
        return found / np.linalg.norm(found, axis=1, keepdims=True)


def test_words_in_common_are_found() -> None:
    pytest.importorskip("bm25s", reason="needs pip install 'pocketlm[embed]'")
    report = evaluate(EmbedTask(TEXTS), Bm25(), ROWS)
    assert report.metrics["recall_at_1"] == 1 and report.engine == "rule: BM25"
    likeness = Bm25().index(TEXTS)(["paris", "nothing known", ""])
    assert likeness.shape == (3, 4) and likeness[0].argmax() == 1 and not likeness[1:].any()
    assert not Bm25().index(["", "?"])(["paris"]).any()
    assert list(baselines(EmbedTask(TEXTS), ROWS)) == ["rule: BM25"]


def test_likeness_is_joined_as_written_out() -> None:
    first, second = np.array([[0.0, 1.0, 0.5]]), np.array([[30.0, 10.0, 20.0]])
    assert fused(first, second, 0.25).tolist() == [[0.75, 0.25, 0.5]]
    wanted = [1 / 63 + 1 / 61, 1 / 61 + 1 / 63, 1 / 62 + 1 / 62]
    assert fused(first, second, None)[0] == pytest.approx(wanted, rel=1e-6)
    assert np.isfinite(fused(np.zeros((1, 3)), second, 0.5)).all()


def test_the_weight_is_that_of_the_better_ranker() -> None:
    good, bad, task = Dense(WordEmbedder()), Dense(Wrong()), EmbedTask(TEXTS)
    assert evaluate(task, Wrong(), ROWS).value < 1

    class Known:
        """Words of these texts only, so that questions and texts are counted alike."""

        uri = "words"

        def embed(self, texts: Any) -> Any:
            return WordEmbedder().embed([*TEXTS, *(row.text for row in ROWS), *texts])[-len(texts) :]

    assert good.uri and tuned_weight(Dense(Known()), bad, task, ROWS) > 0.5
    assert tuned_weight(bad, Dense(Known()), task, ROWS) < 0.5


def test_hybrids_stand_beside_an_embedder() -> None:
    pytest.importorskip("bm25s", reason="needs pip install 'pocketlm[embed]'")
    pytest.importorskip("wordllama", reason="needs pip install 'pocketlm[data]'")
    scoring = Scoring(EmbedTask(TEXTS), ROWS)
    found = scoring.rankings("static", [])
    assert list(found) == ["hybrid, 50% vectors", "hybrid, by places"]
    assert all(report.metrics["recall_at_10"] == 1 for report in found.values())
    assert next(iter(scoring.rankings("static", ROWS))).startswith("hybrid, ")
    pairs = [EmbedRow("a", ("b",), 1.0), EmbedRow("a", ("c",), 0.0)]
    assert Scoring(EmbedTask(), pairs).rankings("static", []) == {}


def test_copies_are_told_by_a_threshold_chosen_on_other_pairs() -> None:
    train = [EmbedRow(f"a{n}", (f"b{n}",), float(n >= 4)) for n in range(8)]
    assert EmbedTask.threshold(train, [n / 10 for n in range(8)]) == pytest.approx(0.35)

    class Numbered:
        uri = "numbered"

        def embed(self, texts: Any) -> Any:
            angle = np.array([0.0 if text[0] == "a" else np.arccos(int(text[1:]) / 10) for text in texts])
            return np.stack([np.cos(angle), np.sin(angle)], axis=1)

    rows = [
        EmbedRow("a", ("b2",), 1.0),
        EmbedRow("a", ("b3",), 0.0),
        EmbedRow("a", ("b6",), 1.0),
        EmbedRow("a", ("b7",), 0.0),
    ]
    report = evaluate(EmbedTask(tuning=train), Numbered(), rows)
    assert (report.metrics["precision"], report.metrics["recall"], report.metrics["f1"]) == (0.5, 0.5, 0.5)
    assert report.errors == [("copy not seen", 1), ("taken for a copy", 1)]
    assert "f1" not in evaluate(EmbedTask(), Numbered(), rows).metrics


def test_vectors_kept_smaller_are_scored_beside() -> None:
    pytest.importorskip("wordllama", reason="needs pip install 'pocketlm[data]'")
    scoring = Scoring(EmbedTask(TEXTS), ROWS)
    found = scoring.rankings("static", [], hybrid=False, vectors=["int8", "binary:64"])
    assert list(found) == ["vectors int8", "vectors binary:64"]
    assert found["vectors int8"].value == pytest.approx(scoring.report("static").value, abs=0.05)
    with pytest.raises(InputError, match="int8:128"):
        scoring.rankings("static", [], vectors=["int4"])
    with pytest.raises(InputError, match="the rows are none"):
        Scoring(EmbedTask(), [EmbedRow("a", ("b",), 1.0)]).rankings("static", [], vectors=["int8"])
