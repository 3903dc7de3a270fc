"""Linear heads on features that stand still, and where a head says "none of these". scikit-learn fits, numpy chooses."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pocketlm.core.extras import need
from pocketlm.core.progress import progress
from pocketlm.models.head import Array, Head, fit_temperature, log_loss
from pocketlm.models.word_features import WordFeatures

STRENGTHS = {"words": (0.1, 1.0, 10.0), "vectors": (1.0, 10.0, 100.0)}  # C: how little weights are held back
NEVER = 5.0  # the bias against a label that no row has
BYTES = 900_000  # of a head on words
COLUMN = 4  # bytes of a column besides its weights


@dataclass(frozen=True)
class Learnt:
    """Rows as a linear model takes them.

    Attributes:
        features: (rows, width) dense, or scipy's sparse.
        targets: (rows, labels), 1 where a label applies, or a teacher's odds.
        weights: (rows,) how much each counts.
    """

    features: Any
    targets: Array
    weights: Array


def fit_head(
    blank: Head, train: Learnt, valid: Learnt | None, kind: str, *, seed: int = 0
) -> tuple[Head, list[dict[str, float]]]:
    """The head, with the strength C that does best on validation rows: more of them right, then a lower log loss.

    Args:
        blank: a head without weights, for its labels.
        kind: "words", a linear support vector machine a label (Fan et al. 2008, LIBLINEAR), which sparse features suit;
            "vectors", logistic regression.

    Returns:
        It, and what was tried.
    """
    need("sklearn", "a linear classifier", "classify", "scikit-learn")
    strengths = STRENGTHS[kind] if valid is not None else STRENGTHS[kind][1:2]
    best: tuple[tuple[float, float], Head] | None = None
    tried: list[dict[str, float]] = []
    with progress("Fitting linear heads", len(strengths)) as update:
        for strength in strengths:
            head = _fit(blank, train, kind, strength, seed)
            entry = {"step": len(tried) + 1, "strength": strength}
            if valid is not None:
                entry |= _judged(head, valid)
            tried.append(entry)
            rank = (entry.get("valid_exact", 0.0), -entry.get("valid_loss", 0.0))
            if best is None or rank > best[0]:
                best = rank, head
            update()
    assert best
    return best[1], tried


def _judged(head: Head, valid: Learnt) -> dict[str, float]:
    logits = head.logits(valid.features)
    made = replace(head, temperature=fit_temperature(logits, valid.targets, multi=head.multi))
    odds = made.probabilities(logits)
    return {
        "valid_exact": exact(made, odds, valid.targets),
        "valid_loss": log_loss(odds, valid.targets, multi=made.multi),
    }


def exact(head: Head, probabilities: Array, targets: Array) -> float:
    """Share of rows whose labels are the right ones, thresholds on certainty aside."""
    if head.multi:
        return float(((probabilities >= head.threshold) == (targets >= 0.5)).all(1).mean())
    return float((probabilities.argmax(1) == targets.argmax(1)).mean())


def _fit(blank: Head, train: Learnt, kind: str, strength: float, seed: int) -> Head:
    """One label a row: all labels against each other; several: each by itself."""
    labels = len(blank.labels)
    weight, bias = np.zeros((labels, train.features.shape[1]), np.float32), np.full(labels, -NEVER, np.float32)
    if blank.multi:
        for i in range(labels):
            wanted = train.targets[:, i] >= 0.5
            if wanted.all() or not wanted.any():
                bias[i] = NEVER if wanted.all() else -NEVER
                continue
            made = _model(kind, strength, seed, train.features, wanted, train.weights)
            weight[i], bias[i] = made.coef_[0], made.intercept_[0]
        return replace(blank, weight=weight, bias=bias)
    sure = train.weights * train.targets.max(1)
    made = _model(kind, strength, seed, train.features, train.targets.argmax(1), sure)
    if len(made.classes_) == 2:  # one row of weights for two labels
        weight[made.classes_] = np.concatenate([-made.coef_, made.coef_]) / 2
        bias[made.classes_] = np.concatenate([-made.intercept_, made.intercept_]) / 2
    else:
        weight[made.classes_], bias[made.classes_] = made.coef_, made.intercept_
    return replace(blank, weight=weight, bias=bias)


def _model(kind: str, strength: float, seed: int, features: Any, wanted: Any, weights: Array) -> Any:
    from sklearn.linear_model import LogisticRegression
    from sklearn.svm import LinearSVC

    if kind == "words":
        model: Any = LinearSVC(C=strength, random_state=seed, tol=1e-3)
    else:
        model = LogisticRegression(C=strength, max_iter=300)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a fit that stops at its limit is judged on validation rows as any other
        return model.fit(features, wanted, sample_weight=weights)


def fit_words(
    blank: Head, texts: Sequence[str], train: tuple[Array, Array], valid_texts: Sequence[str], valid_targets: Array,
    *, seed: int = 0,
) -> tuple[Head, WordFeatures, list[dict[str, float]]]:  # fmt: skip
    """A head on hashed n-grams, on so many of them that it takes under a megabyte in 8 bits.

    Args:
        train: targets (texts, labels) and weights (texts,).
    """
    words = WordFeatures.learn(texts)
    features = sparse(words, texts)
    most = BYTES // (len(blank.labels) + COLUMN)
    if most < len(words.kept):
        kept = np.sort(np.argsort(-informative(features, train[0]), kind="stable")[:most])
        words = words.only(kept)
        features = sparse(words, texts)
    valid = Learnt(sparse(words, valid_texts), valid_targets, np.ones(0, np.float32)) if valid_texts else None
    head, tried = fit_head(blank, Learnt(features, *train), valid, "words", seed=seed)
    return head, words, tried


def sparse(words: WordFeatures, texts: Sequence[str]) -> Any:
    """(texts, columns) as scipy holds sparse rows."""
    matrix = need("scipy.sparse", "a classifier on words", "classify", "scipy").csr_matrix
    found = [words.of(text) for text in texts]
    ends = np.cumsum([0, *(len(columns) for columns, _ in found)])
    columns, values = (np.concatenate([part[i] for part in found]) if found else np.zeros(0) for i in (0, 1))
    return matrix((values, columns.astype(np.int32), ends.astype(np.int32)), shape=(len(texts), len(words.kept)))


def informative(features: Any, targets: Array) -> Array:
    """(columns,) how far a column is from being spread over labels as rows are: the chi-squared statistic."""
    seen = np.asarray((features.T @ targets).T)  # (labels, columns)
    expected = targets.mean(0)[:, None] * np.asarray(features.sum(0))
    return np.asarray(((seen - expected) ** 2 / np.maximum(expected, 1e-9)).sum(0))


def settled(head: Head, logits: Array, answers: Sequence[Sequence[str]], targets: Array, floor: float | None) -> Head:
    """The head with its temperature and the certainty under which a text is `outside`, both from validation rows.

    Args:
        logits: (rows, labels); `answers`: the labels of each; `targets`: the same, (rows, labels).
        floor: of the rows outside, the share to be recognised, at the least; None: what makes the mean of that share and
            of the accuracy inside highest.
    """
    if not len(logits):
        return head
    fits = targets.any(1) | head.multi  # rows outside, where that is no label of the head, say nothing of its odds
    if fits.any():
        head = replace(head, temperature=fit_temperature(logits[fits], targets[fits], multi=head.multi))
    outside = np.array([head.outside in answer for answer in answers])
    if head.multi or head.outside is None or not outside.any() or outside.all():
        return head
    odds = head.probabilities(logits)
    sure, top = head.sureness(odds), [head.labels[i] for i in odds.argmax(1)]
    right = np.array([[label] == list(answer) for label, answer in zip(top, answers, strict=True)])
    said = np.array([label == head.outside for label in top])
    levels = np.unique(sure)
    found = []
    for least in [0.0, *((levels[1:] + levels[:-1]) / 2), 1.0]:
        out = said | (sure < least)
        inside, recall = float((right & ~out)[~outside].mean()), float(out[outside].mean())
        enough = floor is None or recall >= floor
        found.append((enough, (inside + recall) / 2 if floor is None else inside, -least))
    return replace(head, inside_from=float(-max(found)[2]))
