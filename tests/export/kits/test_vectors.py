"""The vectors hold against the task itself, whatever the kits do."""

from __future__ import annotations

import math

import pytest
from app_kits import KITS, Made

from pocketlm.evaluate.calibrate import Calibration
from pocketlm.export.kits.vectors import GEMMA_STRICTER, STRICTER

ACCEPTED = {text for text, _ in (*STRICTER, *GEMMA_STRICTER)}


@pytest.mark.parametrize("name", KITS)
def test_answers_are_legal_calls(kits: dict[str, Made], name: str) -> None:
    made = kits[name]
    called = set()
    for answer in made.vectors["answers"]:
        calls = made.task.parse(answer["text"], made.template)
        assert [call.name for call in calls] == [call["name"] for call in answer["calls"]]
        assert not any(made.task.tools.check_call(call) for call in calls)
        called |= {call.name for call in calls}
    assert called == set(made.task.tools.names)


@pytest.mark.parametrize("name", KITS)
def test_errors_are_errors_to_the_task(kits: dict[str, Made], name: str) -> None:
    made = kits[name]
    for error in made.vectors["errors"]:
        if error["text"] in ACCEPTED:
            continue
        try:
            calls = made.task.parse(error["text"], made.template)
        except (ValueError, RecursionError):
            assert error["kind"] in ("syntax", "wrong_type")
            continue
        problems = [problem for call in calls for problem in made.task.tools.check_call(call)]
        place, _, last = error["place"].rpartition(".")
        if "argument" in error["kind"]:
            assert any(problem.startswith(f"{place}: ") and f'"{last}"' in problem for problem in problems), error
        elif error["kind"] == "unknown_function":
            assert problems
        else:
            huge = error["kind"] == "wrong_type" and str(10**30) in error["text"]  # which Python can hold
            assert huge or any(problem.startswith(error["place"]) for problem in problems), (error, problems)


def test_every_kind_of_error_is_there(kits: dict[str, Made]) -> None:
    kinds = {error["kind"] for error in kits["nasty terse"].vectors["errors"]}
    assert kinds == {"syntax", "unknown_function", "missing_argument", "unknown_argument", "wrong_type", "not_allowed"}


@pytest.mark.parametrize("name", KITS)
def test_decisions_are_the_calibrations(kits: dict[str, Made], name: str) -> None:
    made = kits[name]
    told = made.calibration or Calibration("answer", "temperature")
    as_it_is = Calibration("answer", "isotonic", knots=[(-1e9, 0.0), *((math.log(p), p) for p in _chances(made))],
                           threshold=made.threshold, name_threshold=told.name_threshold)  # fmt: skip
    spoken = {"answer": "answer", "ask": "ask_back", "fall back": "fallback"}
    for one in made.vectors["decisions"]:
        name_chance = one["confidence"] if one["name_confidence"] is None else one["name_confidence"]
        signals = {"answer": _log(one["confidence"]), "name": _log(name_chance) + 1e-12}
        wanted = spoken[as_it_is.decide(signals)] if one["readable"] else "fallback"
        assert one["decision"] == wanted, one
    for one in made.vectors["confidences"]:
        assert one["confidence"] == told.chance({told.signal: one["signal"]})


def _chances(made: Made) -> list[float]:
    return sorted({one["confidence"] for one in made.vectors["decisions"] if one["confidence"] > 0})


def _log(chance: float) -> float:
    return math.log(chance) if chance else -1e9


def test_prompts_are_the_tasks(kits: dict[str, Made]) -> None:
    for made in kits.values():
        texts = [bytes.fromhex(prompt["prompt"]).decode() for prompt in made.vectors["prompts"]]
        assert any("🇫🇷" in text for text in texts) and any("\0" in text for text in texts)
        assert all(text.startswith(made.template.opening) for text in texts)
