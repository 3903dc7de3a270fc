"""A killed evaluation goes on with the answers it had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pocketlm.engines.base import Generation, Grammars, Odds, grammar_of
from pocketlm.evaluate import kept
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.evaluate.kept import Kept
from pocketlm.evaluate.store import scored
from pocketlm.tasks.base import TextRow, ask
from pocketlm.tasks.classify import ClassifyTask

PROMPTS = [f"{'long ' * (i % 3)}request {i}" for i in range(10)]


class Counting:
    """Answers with what it was asked, and knows how often that was; it ends the process's work after so many."""

    uri, template = "counting", "chatml"

    def __init__(self, most: int = 1000) -> None:
        self.most, self.asked = most, 0

    def generate(self, prompts: Sequence[str], *, grammar: Grammars = None, tick: Any = None, **_: Any) -> list[Any]:
        if self.asked + len(prompts) > self.most:
            raise KeyboardInterrupt
        self.asked += len(prompts)
        if tick:
            tick(len(prompts))
        texts = [f"{grammar_of(grammar, i) or 'b'}" for i in range(len(prompts))]
        return [Generation(text, 1, True, -0.5, 2.0, (-0.5,), (1,), (7,)) for text in texts]

    def odds(self, pairs: Sequence[Any], *, top: int = 0, **_: Any) -> list[list[Odds]]:
        self.asked += len(pairs)
        return [[Odds(token, -0.25, ((token, -0.25),) * top) for token in completion] for _, completion in pairs]

    def close(self) -> None: ...


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "PART", 4)


def test_what_was_answered_is_not_asked_again(tmp_path: Path) -> None:
    file, ticks = tmp_path / "answers.jsonl", []
    with pytest.raises(KeyboardInterrupt):
        Kept(Counting(most=8), file, "k").generate(PROMPTS, grammar=PROMPTS)
    second = Counting()
    again = Kept(second, file, "k")
    found = again.generate(PROMPTS, grammar=PROMPTS, tick=ticks.append)
    assert second.asked == 2 and sum(ticks) == 10 and again.seconds_before == 16.0
    assert found == Counting().generate(PROMPTS, grammar=PROMPTS)


def test_a_torn_line_is_asked_again(tmp_path: Path) -> None:
    file = tmp_path / "answers.jsonl"
    Kept(Counting(), file, "k").generate(PROMPTS)
    file.write_bytes(file.read_bytes()[:-20])
    engine = Counting()
    assert len(Kept(engine, file, "k").generate(PROMPTS)) == 10 and engine.asked == 1
    engine = Counting()
    Kept(engine, file, "k").generate(PROMPTS)
    assert engine.asked == 0


def test_answers_of_something_else_are_not_taken(tmp_path: Path) -> None:
    file, engine = tmp_path / "answers.jsonl", Counting()
    Kept(Counting(), file, "one model").generate(PROMPTS)
    Kept(engine, file, "another model").generate(PROMPTS)
    assert engine.asked == 10
    Kept(engine, file, "another model").generate(PROMPTS, max_tokens=9)  # a longer answer is another answer
    assert engine.asked == 20


def test_odds_come_back_as_they_were(tmp_path: Path) -> None:
    pairs, engine = [([1], [2, 3]), ([1, 2], [4])], Counting()
    first = Kept(engine, tmp_path / "a", "k").odds(pairs, top=2)
    assert Kept(engine, tmp_path / "a", "k").odds(pairs, top=2) == first == Counting().odds(pairs, top=2)
    assert engine.asked == 2


def test_a_report_after_a_kill_is_the_report_without_one(tmp_path: Path) -> None:
    rows = [TextRow(ask(f"{'much ' * (i % 4)}text {i}"), ["ab"[i % 2]]) for i in range(50)]
    task, path = ClassifyTask(["a", "b"]), tmp_path / "report.json"
    with pytest.raises(KeyboardInterrupt):
        scored(path, "id", task, lambda: Counting(most=24), rows)
    assert path.with_suffix(".answers.jsonl").is_file() and not path.exists()
    engine = Counting()
    report = scored(path, "id", task, lambda: engine, rows)
    assert engine.asked == 26 and not path.with_suffix(".answers.jsonl").exists()
    whole = evaluate(task, Counting(), rows, title="whole")
    aside = {"seconds": 0.0, "tokens_per_s": 0.0}
    assert replace(report, **aside) == replace(whole, **aside) and report.seconds > 40
