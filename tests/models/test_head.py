"""Heads: odds, answers, several labels, trees of labels, none of these, and files that say what is wrong with them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pocketlm.core.errors import InputError
from pocketlm.models.head import SETTINGS, WEIGHTS, Head, fit_temperature, log_loss, targets_of


def head(labels: tuple[str, ...], **settings: Any) -> Head:
    weight = np.random.default_rng(0).normal(size=(len(labels), 5)).astype(np.float32)
    return Head(labels, weight, np.linspace(-1, 1, len(labels), dtype=np.float32), **settings)


def odds(*rows: list[float]) -> Any:
    return np.array(rows, dtype=np.float32)


def test_probabilities_are_softmax_or_sigmoid() -> None:
    logits = odds([1.0, 2.0, 3.0], [-100.0, 0.0, 100.0])
    one, several = head(("a", "b", "c"), temperature=2.0), head(("a", "b", "c"), multi=True)
    assert one.probabilities(logits).sum(1) == pytest.approx([1, 1])
    assert one.probabilities(logits)[0, 2] == pytest.approx(np.exp(1.5) / np.exp([0.5, 1.0, 1.5]).sum())
    assert several.probabilities(logits)[0] == pytest.approx(1 / (1 + np.exp([-1.0, -2.0, -3.0])))


def test_the_likeliest_label_is_the_answer_and_probabilities_come_in_order() -> None:
    (found,) = head(("a", "b", "c")).predict(odds([0.2, 0.7, 0.1]))
    assert found.labels == ("b",) and found.probability == pytest.approx(0.7)
    assert list(found.probabilities) == ["b", "a", "c"]


def test_a_text_that_is_like_nothing_gets_the_outside_label() -> None:
    made = head(("a", "b", "oos"), outside="oos", inside_from=0.6)
    answers = made.predict(odds([0.7, 0.2, 0.1], [0.5, 0.4, 0.1], [0.3, 0.3, 0.4]))
    assert [one.labels for one in answers] == [("a",), ("oos",), ("oos",)]
    assert answers[1].probability == pytest.approx(0.5)  # one minus the likeliest other
    unlearnt = head(("a", "b"), outside="none", inside_from=0.6)  # no row of it was there to learn from
    assert unlearnt.predict(odds([0.5, 0.5]))[0].labels == ("none",)


def test_several_labels_are_those_over_the_threshold_or_none() -> None:
    made = head(("a", "b", "c"), multi=True)
    both, none = made.predict(odds([0.9, 0.8, 0.1], [0.1, 0.2, 0.3]))
    assert both.labels == ("a", "b") and both.probability == pytest.approx(0.9 * 0.8 * 0.9)
    assert none.labels == () and none.probability == pytest.approx(0.9 * 0.8 * 0.7)
    alone = head(("oos",), multi=True, outside="oos")
    assert alone.predict(odds([0.9]))[0].labels == ("oos",)
    named = head(("a", "b", "none"), multi=True, outside="none")
    assert named.predict(odds([0.1, 0.2, 0.3]))[0].labels == ("none",)


LABELS = ("food/recipes", "food/shops", "travel/trains", "travel/planes", "n/a")


def test_parents_are_the_sum_of_their_children_and_an_unsure_answer_backs_off_to_one() -> None:
    rows = odds([0.5, 0.4, 0.05, 0.03, 0.02], [0.9, 0.05, 0.03, 0.01, 0.01], [0.3, 0.2, 0.3, 0.1, 0.1])
    unsure, sure, lost = head(LABELS, certain=0.8).predict(rows)
    assert (unsure.labels, unsure.probability) == (("food",), pytest.approx(0.9))
    assert unsure.probabilities["food"] == pytest.approx(0.9) and unsure.probabilities["travel"] == pytest.approx(0.08)
    assert "n" not in unsure.probabilities  # a stroke in a name unites nothing
    assert sure.labels == ("food/recipes",)
    assert lost.labels == ("food/recipes",)  # not even a parent is certain, and there is no label for that
    assert head(LABELS, certain=0.8, outside="none").predict(rows)[2].labels == ("none",)
    assert head(LABELS).predict(rows)[0].labels == ("food/recipes",)


def test_a_label_may_be_a_parent_itself_and_levels_may_be_missing() -> None:
    made = head(("a", "a/b/c", "a/b/d", "e"), certain=0.8)
    (up,) = made.predict(odds([0.5, 0.2, 0.25, 0.05]))
    assert (up.labels, up.probability) == (("a",), pytest.approx(0.95))
    (down,) = made.predict(odds([0.05, 0.5, 0.4, 0.05]))
    assert down.labels == ("a/b",)


@pytest.mark.parametrize("int8", [False, True])
def test_a_saved_head_is_the_same(tmp_path: Path, int8: bool) -> None:
    made = head(("a", "b", "ü"), outside="b", inside_from=0.3, temperature=1.7, certain=0.5)
    made.save(tmp_path, {"kind": "none"}, int8=int8)
    again, features = Head.load(tmp_path)
    assert features == {"kind": "none"}
    assert again.weight == pytest.approx(made.weight, abs=float(np.abs(made.weight).max()) / 200 if int8 else 0)
    others = [{k: v for k, v in vars(one).items() if k not in ("weight", "bias")} for one in (made, again)]
    assert others[0] == others[1]
    folded = made.folded()
    x = np.ones((2, 5), np.float32)
    assert folded.probabilities(folded.logits(x)) == pytest.approx(made.probabilities(made.logits(x)))


def test_eight_bits_take_a_quarter(tmp_path: Path) -> None:
    weight = np.ones((10, 1000), np.float32)
    for name, int8 in (("a", False), ("b", True)):
        (tmp_path / name).mkdir()
        Head(tuple("abcdefghij"), weight, weight[:, 0]).save(tmp_path / name, {}, int8=int8)
    assert (tmp_path / "b" / WEIGHTS).stat().st_size < 0.3 * (tmp_path / "a" / WEIGHTS).stat().st_size


def _spoil(path: Path, how: str) -> None:
    if how == "gone":
        path.unlink()
    elif how == "cut":
        path.write_bytes(path.read_bytes()[:20])
    else:
        value = json.loads(path.read_text())
        value.pop("labels") if how == "no labels" else value["labels"].append("more")
        path.write_text(json.dumps(value))


@pytest.mark.parametrize(
    ("name", "how", "says"),
    [
        (WEIGHTS, "gone", "no such file"),
        (WEIGHTS, "cut", "damaged"),
        (SETTINGS, "gone", "no such file"),
        (SETTINGS, "cut", "not valid JSON"),
        (SETTINGS, "no labels", "no head of a classifier"),
        (SETTINGS, "one label more", "do not fit the 4 labels"),
    ],
)
def test_what_is_damaged_is_named(tmp_path: Path, name: str, how: str, says: str) -> None:
    head(("a", "b", "c")).save(tmp_path, {"kind": "none"})
    _spoil(tmp_path / name, how)
    with pytest.raises(InputError, match=says) as told:
        Head.load(tmp_path)
    assert "head." in str(told.value)


def test_the_temperature_is_that_of_the_least_log_loss() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=4000)
    true = np.eye(4, dtype=np.float32)[labels] * 2
    noisy = true + rng.gumbel(size=true.shape).astype(np.float32) * 0
    targets = np.eye(4, dtype=np.float32)[(true + rng.gumbel(size=true.shape)).argmax(1)]
    assert fit_temperature(noisy * 3, targets) == pytest.approx(3, rel=0.15)
    assert fit_temperature(noisy / 3, targets) == pytest.approx(1 / 3, rel=0.15)
    assert fit_temperature(odds([9.0, 0.0]), odds([1.0, 0.0])) > 0.5  # one right row shows no certainty


def test_log_loss_and_targets() -> None:
    targets = targets_of([["a"], [], ["a", "c"], ["unknown"]], ["a", "b", "c"])
    assert targets.tolist() == [[1, 0, 0], [0, 0, 0], [1, 0, 1], [0, 0, 0]]
    assert log_loss(odds([0.5, 0.5]), odds([1.0, 0.0])) == pytest.approx(np.log(2))
    assert log_loss(odds([0.5, 0.5]), odds([1.0, 0.0]), multi=True) == pytest.approx(2 * np.log(2))
