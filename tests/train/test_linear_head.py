"""Linear heads on features: they learn, choose their strength on held-out rows, stay small, and know what is outside."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from labelled import rows_of

from pocketlm.models.head import Head, targets_of
from pocketlm.train.linear_head import BYTES, Learnt, exact, fit_head, fit_words, informative, settled, sparse

pytest.importorskip("sklearn", reason="needs pip install 'pocketlm[classify]'")

LABELS = ("alarm", "music", "weather")


def blank(labels: tuple[str, ...] = LABELS, **settings: Any) -> Head:
    return Head(labels, np.zeros((len(labels), 0), np.float32), np.zeros(len(labels), np.float32), **settings)


def points(labels: int, count: int, seed: int, spread: float = 0.3) -> Learnt:
    """Clusters of points, a corner a label."""
    rng = np.random.default_rng(seed)
    of = np.arange(count) % labels
    features = np.eye(labels, 5, dtype=np.float32)[of] + spread * rng.normal(size=(count, 5)).astype(np.float32)
    return Learnt(features, np.eye(labels, dtype=np.float32)[of], np.ones(count, np.float32))


@pytest.mark.parametrize("kind", ["words", "vectors"])
@pytest.mark.parametrize("labels", [2, 3, 5])
def test_a_head_learns_what_can_be_told_apart(kind: str, labels: int) -> None:
    valid = points(labels, 60, 1)
    head, tried = fit_head(blank(tuple("abcde"[:labels])), points(labels, 100, 0), valid, kind)
    assert exact(head, head.probabilities(head.logits(valid.features)), valid.targets) > 0.9
    assert len(tried) == 3 and all(0 < entry["valid_exact"] <= 1 for entry in tried)


def test_without_validation_rows_nothing_is_chosen() -> None:
    assert len(fit_head(blank(), points(3, 60, 0), None, "vectors")[1]) == 1


def test_weights_of_rows_count() -> None:
    features = np.zeros((10, 1), np.float32)  # nothing can be told apart, so what weighs more wins
    targets = np.eye(2, dtype=np.float32)[[0] * 6 + [1] * 4]
    weights = np.array([1] * 6 + [10] * 4, np.float32)
    plain, weighted = (
        fit_head(blank(("a", "b")), Learnt(features, targets, w), None, "vectors")[0] for w in (np.ones(10), weights)
    )
    assert plain.bias[0] > plain.bias[1] and weighted.bias[1] > weighted.bias[0]


@pytest.mark.parametrize("kind", ["words", "vectors"])
def test_several_labels_each_by_itself(kind: str) -> None:
    rng = np.random.default_rng(0)
    targets = rng.integers(0, 2, size=(80, 3)).astype(np.float32)
    targets[:, 2] = 0  # a label that no row has is never given
    features = 2 * targets - 1 + 0.1 * rng.normal(size=targets.shape).astype(np.float32)
    head, _ = fit_head(blank(multi=True), Learnt(features, targets, np.ones(80, np.float32)), None, kind)
    assert exact(head, head.probabilities(head.logits(features)), targets) == 1


def test_words_learn_in_under_a_megabyte() -> None:
    rows, held = rows_of(LABELS, 30), rows_of(LABELS, 10, seed=1)
    targets = targets_of([row.answer for row in rows], LABELS)
    wanted = targets_of([row.answer for row in held], LABELS)
    texts = [row.text for row in held]
    made, words, tried = fit_words(
        blank(), [row.text for row in rows], (targets, np.ones(len(rows), np.float32)), texts, wanted
    )
    assert exact(made, made.probabilities(made.logits(sparse(words, texts))), wanted) > 0.9
    assert made.weight.shape == (3, len(words.kept)) and made.weight.size < BYTES
    assert [entry["strength"] for entry in tried] == [0.1, 1.0, 10.0]


def test_many_labels_keep_only_the_words_that_tell_them_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    import pocketlm.train.linear_head as module

    monkeypatch.setattr(module, "BYTES", 7 * 100)
    rows = rows_of(LABELS, 30)
    targets = targets_of([row.answer for row in rows], LABELS)
    made, words, _ = fit_words(
        blank(), [row.text for row in rows], (targets, np.ones(len(rows), np.float32)), [], targets[:0]
    )
    assert made.weight.shape == (3, 100) and (np.diff(words.kept) > 0).all()
    assert exact(made, made.probabilities(made.logits(sparse(words, [row.text for row in rows]))), targets) > 0.95


def test_informative_columns_are_those_that_differ_by_label() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1, 1]]
    features = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 1], [0, 1, 1]], np.float32)
    same = informative(features, targets)
    assert same[1] == pytest.approx(0) and same[0] == pytest.approx(same[2]) and same[0] > 1


def certain(rows: list[tuple[float, str]], **settings: Any) -> tuple[Head, Any, list[list[str]], Any]:
    """A head, and logits by which "a" is so likely; answers and targets as told."""
    odds = np.array([[p, 1 - p] for p, _ in rows], np.float32)
    answers = [[label] for _, label in rows]
    return blank(("a", "b"), outside="oos", **settings), np.log(odds), answers, targets_of(answers, ("a", "b"))


def test_the_certainty_that_is_asked_for_makes_the_mean_of_both_shares_highest() -> None:
    rows = [(0.95, "a")] * 20 + [(0.9, "a")] * 10 + [(0.6, "oos")] * 9 + [(0.92, "oos")]
    made = settled(*certain(rows), None)
    answers = [one.labels for one in made.predict(made.probabilities(certain(rows)[1]))]
    assert answers == [("a",)] * 30 + [("oos",)] * 9 + [("a",)]


def test_a_floor_on_what_is_recognised_is_kept() -> None:
    rows = [(0.95, "a")] * 20 + [(0.9, "a")] * 10 + [(0.6, "oos")] * 9 + [(0.92, "oos")]
    made = settled(*certain(rows), 1.0)
    answers = [one.labels for one in made.predict(made.probabilities(certain(rows)[1]))]
    assert answers == [("a",)] * 20 + [("oos",)] * 20
    assert settled(*certain(rows[:30]), 1.0).inside_from == 0  # no row outside, so nothing to choose by


def test_odds_are_made_honest() -> None:
    rng = np.random.default_rng(0)
    true = 2 * np.eye(3, dtype=np.float32)[rng.integers(3, size=2000)]
    targets = np.eye(3, dtype=np.float32)[(true + rng.gumbel(size=true.shape)).argmax(1)]
    answers = [[LABELS[i]] for i in targets.argmax(1)]
    assert settled(blank(), 5 * true, answers, targets, None).temperature == pytest.approx(5, rel=0.2)
