"""Scoring, intervals, paired comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Generation, Odds
from pocketlm.evaluate.compare import compare, mcnemar
from pocketlm.evaluate.evaluate import Report, evaluate, interval
from pocketlm.tasks.call import Call, CallRow, CallTask
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet

TASK = CallTask(ToolSet.from_openai([{"name": "a"}, {"name": "b"}], "t"))
ROWS = [CallRow((Message("user", f"do {i}"),), (Call("ab"[i % 2], {}),)) for i in range(40)]


class Canned:
    """Right on the rows whose number is in `right`, unreadable elsewhere."""

    uri = "canned"
    template = "chatml"

    def __init__(self, right: set[int]) -> None:
        self.right = right

    def generate(self, prompts: Sequence[str], **_: Any) -> list[Generation]:
        answers = (f'{{"{"ab"[i % 2]}":{{}}}}' if i in self.right else "sorry" for i in range(len(prompts)))
        return [Generation(text, 3, True, -1.0, 0.1) for text in answers]

    def stream(self, prompt: str, **_: Any) -> Iterator[str]:
        yield ""

    def odds(self, pairs: Sequence[Any], **_: Any) -> list[list[Odds]]:
        return []

    def decode(self, ids: Sequence[int]) -> str:
        return ""

    def tokenize(self, text: str) -> list[int]:
        return []

    def close(self) -> None: ...


def report(right: set[int]) -> Report:
    return evaluate(TASK, Canned(right), ROWS)


class Asked(Canned):
    """Notes what it is asked under a grammar; there it always answers a."""

    def __init__(self, right: set[int]) -> None:
        super().__init__(right)
        self.bound: list[int] = []

    def generate(self, prompts: Sequence[str], **more: Any) -> list[Generation]:
        numbers = [int(re.findall(r"do (\d+)", prompt)[0]) for prompt in prompts]
        if more.get("grammar"):
            self.bound += numbers
            return [Generation('{"a":{}}', 3, True, -1.0, 0.1) for _ in prompts]
        texts = (f'{{"{"ab"[n % 2]}":{{}}}}' if n in self.right else '{"a": {}}' for n in numbers)
        return [Generation(text, 3, True, -1.0, 0.1) for text in texts]


def test_the_grammar_is_asked_only_where_the_free_answer_is_not_legal() -> None:
    engine = Asked(set(range(30)))
    found = evaluate(TASK, engine, ROWS, constrain=True)
    assert engine.bound == list(range(30, 40))
    assert [row.answer for row in found.rows[30:]] == ['{"a":{}}'] * 10
    assert found.metrics["exact"] == 35 / 40


def test_after_a_block_of_illegal_answers_the_grammar_comes_first() -> None:
    engine, rows = Asked(set(range(50, 100))), [*ROWS, *ROWS, *ROWS]
    evaluate(TASK, engine, rows, constrain=True)
    assert len(engine.bound) == len(rows)


def test_metrics_slices_and_errors() -> None:
    found = report(set(range(0, 40, 2)))
    assert found.metrics["exact"] == 0.5
    assert found.slices["a"] == {"rows": 20, "exact": 1.0}
    assert found.slices["b"] == {"rows": 20, "exact": 0.0}
    low, high = found.intervals["exact"]
    assert 0.3 < low < 0.5 < high < 0.7
    assert sum(count for _, count in found.errors) == 20


def test_a_report_survives_its_file() -> None:
    found = report({1, 2})
    assert Report.from_json(found.to_json()) == found


def test_paired_comparison() -> None:
    few, many = report(set(range(10))), report(set(range(30)))
    found = compare(few, many)
    assert (found.verdict, found.difference, len(found.gained), found.lost) == ("better", 0.5, 20, [])
    assert 0.3 < found.low < 0.5 < found.high < 0.7
    assert compare(many, few).verdict == "worse"
    assert compare(many, report(set(range(1, 31)))).verdict == "no difference shown"


def test_other_rows_cannot_be_compared() -> None:
    with pytest.raises(InputError, match="different rows"):
        compare(report({1}), evaluate(TASK, Canned({1}), ROWS[:20]))


@pytest.mark.parametrize(("gained", "lost", "p"), [(0, 0, 1.0), (5, 5, 1.0), (6, 0, 0.03125), (1, 9, 0.021484375)])
def test_mcnemar_is_the_exact_binomial(gained: int, lost: int, p: float) -> None:
    assert mcnemar(gained, lost) == pytest.approx(p)


def test_interval_of_a_constant_is_a_point() -> None:
    assert interval([True] * 10) == (1.0, 1.0)
