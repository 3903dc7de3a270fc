"""Confidence: signals from tokens, honest after calibration, thresholds that keep their promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Generation
from pocketlm.evaluate.calibrate import Calibration, _isotonic, auroc, check, fit, promised, raw_chance
from pocketlm.evaluate.confidence import signals
from pocketlm.evaluate.report import Report, RowResult, summarize
from pocketlm.tasks.call import CallTask
from pocketlm.tasks.template import CHATML
from pocketlm.tasks.tools import ToolSet

TASK = CallTask(ToolSet.from_openai([{"name": "f"}], "t"))


def told(count: int, seed: int, power: float = 3.0) -> Report:
    """Rows whose model is too sure of itself: it says p where p ** power is true."""
    rng = np.random.default_rng(seed)
    rows = []
    for said in rng.uniform(0.3, 0.999, count):
        right = float(rng.random() < said**power)
        numbers = {"exact": (right, 1.0), "function": (1.0, 1.0)}
        answer = {"answer": math.log(said), "token": math.log(said) / 2, "name": -0.001, "weakest": math.log(said)}
        rows.append(RowResult("t", [], "a", numbers, {}, [], [], 1, 0.0, answer))
    return summarize("e", TASK, rows, 1.0, settings={})


def test_signals_come_from_the_tokens_of_a_part() -> None:
    text = '{"f":{"a":"xy"}}'
    assert TASK.spans(text, CHATML) == {"name": [(2, 3)], "values": [(11, 13)]}
    answer = Generation(text, 5, True, -1.5, 0.1, (-0.1, -0.2, -0.3, -0.4, -0.5), (1, 4, 12, 14, 16))
    found = signals(answer, TASK.spans(text, CHATML))
    assert found == pytest.approx({"answer": -1.5, "token": -0.5, "name": -0.2, "weakest": -0.7})
    assert signals(Generation("x", 1, True, 0.0, 0.1), {}) == {}


def test_calibration_makes_chances_honest_on_other_rows() -> None:
    made = fit(told(2000, 1))
    other = told(2000, 2)
    before, after = check(other, raw_chance), check(other, made.chance)
    assert before.ece > 0.15
    assert after.ece < 0.05
    assert after.brier < before.brier
    assert after.auroc == pytest.approx(before.auroc, abs=0.02)


def test_a_pure_temperature_is_found() -> None:
    made = fit(told(4000, 3))
    if made.method == "temperature":
        assert made.temperature == pytest.approx(1 / 3, rel=0.15)
    for said in (0.6, 0.8, 0.95):
        assert made.chance({"answer": math.log(said), "token": math.log(said) / 2, "weakest": math.log(said), "name": 0.0}) == pytest.approx(said**3, abs=0.08)  # fmt: skip


def test_the_threshold_keeps_its_promise_nine_times_of_ten() -> None:
    kept = covered = 0.0
    rows = told(4000, 99)
    for seed in range(10):
        made = fit(told(1500, seed), max_error=0.2)
        assert made.threshold is not None
        held = check(rows, made.chance)
        kept += held.error_from(made.threshold) <= 0.2
        covered += held.covered(made.threshold) / 10
    assert kept >= 8  # of 10
    assert covered > 0.1


def test_promises_need_rows() -> None:
    assert promised(np.ones(10), np.ones(10), 0.05) is None  # ten right rows do not show an error under 5 %
    assert promised(np.ones(400), np.ones(400), 0.05) == 1.0


def test_equal_signals_get_one_chance() -> None:
    for order in ([0.0, 0, 1, 1], [1.0, 1, 0, 0]):
        made = _isotonic(np.zeros(4), np.array(order), "answer")
        assert made.chance({"answer": 0.0}) == pytest.approx(0.5)


def test_auroc_counts_pairs() -> None:
    assert auroc(np.array([0.9, 0.8, 0.2]), np.array([1.0, 0.0, 0.0])) == 1.0
    assert auroc(np.array([0.5, 0.5]), np.array([1.0, 0.0])) == 0.5
    assert math.isnan(auroc(np.array([0.5]), np.array([1.0])))


def test_risk_falls_with_coverage() -> None:
    found = check(told(1000, 6), raw_chance)
    assert found.risk[-1][1] == pytest.approx(1 - found.right)
    assert found.risk[199][1] < found.risk[-1][1]


def test_decisions() -> None:
    made = Calibration("answer", "temperature", 1.0, threshold=0.9, name_threshold=0.8)
    assert made.decide({"answer": math.log(0.95)}) == "answer"
    assert made.decide({"answer": math.log(0.5), "name": math.log(0.9)}) == "ask"
    assert made.decide({"answer": math.log(0.5), "name": math.log(0.3)}) == "fall back"
    assert made.decide({}) == "fall back"
    assert Calibration.from_json(made.to_json()) == made


def test_nothing_to_learn_from_is_said() -> None:
    few = told(4, 1)
    with pytest.raises(InputError, match="at least 3 right and 3 wrong"):
        fit(few)
    silent = [RowResult(**{**vars(row), "signals": {}}) for row in told(50, 1).rows]
    with pytest.raises(InputError, match="tells no probabilities"):
        fit(summarize("rules", TASK, silent, 1.0, settings={}))
    with pytest.raises(InputError, match="between 0 and 1"):
        fit(told(50, 1), max_error=5)
