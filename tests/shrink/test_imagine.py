"""Requests that the base makes up: new ones only, answered by the run, kept, and some of them held apart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pocketlm.models.load import resolve_base
from pocketlm.shrink import imagine as imagining
from pocketlm.shrink.imagine import CHOOSING, imagine, make_up
from pocketlm.shrink.shapes import Rows
from pocketlm.train.run import Run


def test_only_new_requests_no_longer_than_the_known(tiny_llama: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    known = ["wake me at seven", "turn on the light in the kitchen"]

    def continued(*_: Any) -> Iterator[str]:
        yield from ("Wake me  at SEVEN", "wake me at nine", "wake me at nine", "light", "x " * 40, "turn off the light")

    monkeypatch.setattr(imagining, "_continued", continued)
    assert make_up(tiny_llama, known, 10) == ["wake me at nine", "turn off the light"]
    assert make_up(tiny_llama, known, 1) == ["wake me at nine"]


def test_lists_of_a_model_that_says_nothing_come_to_an_end(tiny_llama: Path) -> None:
    assert len(make_up(tiny_llama, ["on 1", "off 2"], 3)) <= 3


def test_the_run_answers_once_and_some_rows_are_held_apart(
    trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, rows = trained
    texts = [f"{name} {number}" for number in range(100, 120) for name in ("on", "off")]
    monkeypatch.setattr(imagining, "make_up", lambda *_: texts)
    more = imagine(rows, run, tmp_path, 40)
    apart = more.valid[len(rows.valid) :]
    assert more.valid[: len(rows.valid)] == list(rows.valid)
    assert more.train == rows.train
    assert len(apart) == -(-40 // CHOOSING)
    assert len(more.more) + len(apart) == 40
    right = [row for row in (*apart, *more.more) if [call.name for call in row.calls] == [row.text.split()[0]]]
    assert len(right) > 30, "a run that tells on from off tells it of other numbers too"
    assert not list(tmp_path.glob("*.answers.jsonl"))

    monkeypatch.setattr(imagining, "make_up", lambda *_: pytest.fail("made up again"))
    assert imagine(rows, run, tmp_path, 40) == more
    assert imagine(rows, run, tmp_path, 0) == rows


@pytest.mark.starter
def test_a_language_model_goes_on_with_a_list() -> None:
    shown = [
        "set an alarm for six",
        "call my sister",
        "what is the weather in Graz",
        "play some jazz",
        "text Ann that I am late",
    ]
    made = make_up(resolve_base("starter:smollm2-135m"), shown, 6)
    assert len(set(made)) == 6
    assert all(len(text) > 4 and "\n" not in text for text in made)
