"""Scoring, intervals, paired comparison."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import pytest

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Generation, Odds
from pocketlm.evaluate.baselines import Baseline, WordEmbedder, baselines
from pocketlm.evaluate.compare import compare, compare_all
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.evaluate.foretell import passages, windows
from pocketlm.evaluate.leaks import leaks
from pocketlm.evaluate.report import Report, RowResult, summarize, worst_rows
from pocketlm.tasks.base import TextRow, ask
from pocketlm.tasks.call import Call, CallRow, CallTask
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.tasks.complete import CompleteTask, Piece
from pocketlm.tasks.embed import EmbedTask
from pocketlm.tasks.extract import ExtractTask
from pocketlm.tasks.instruct import InstructTask
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
    assert found.slices["up to 5 words"]["rows"] == 40
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


def test_every_metric_is_compared_and_corrected_for_being_several() -> None:
    found = compare_all(report(set(range(10))), report(set(range(30))))
    assert found[0].metric == "exact"
    assert {one.metric for one in found} >= {"exact", "lenient", "function", "valid", "stopped"}
    assert next(one for one in found if one.metric == "stopped").verdict == "no difference shown"


def test_figures_that_are_no_share_of_rows_are_compared_by_the_bootstrap() -> None:
    task = CompleteTask()

    def odds(nats: float) -> Report:
        rows = [task.row({"text": f"{i}"}) for i in range(60)]
        pieces = [[Piece("a", -nats - 0.1 * (i % 3), ("a",))] * 5 for i in range(60)]
        results = [
            RowResult(r.text, r.text, "", task.score_pieces(p, 5).numbers, {}, [], [], 5, 0.0, {})
            for r, p in zip(rows, pieces, strict=True)
        ]
        return summarize("e", task, results, 1.0, settings={})

    found = compare(odds(2.0), odds(1.5))
    assert (found.metric, found.verdict, found.test) == (
        "perplexity",
        "better",
        "paired bootstrap",
    )  # the lower the better
    assert found.low < found.difference < found.high < 0
    assert compare(odds(1.5), odds(2.0)).verdict == "worse"
    assert compare(odds(2.0), odds(2.0)).verdict == "no difference shown"


def test_few_rows_are_warned_of() -> None:
    assert "Only 40 rows" in report({1}).notes[0]


def test_baselines_answer_every_task() -> None:
    train = ROWS[:20]
    found = baselines(TASK, ROWS, train)
    scores = {name: evaluate(TASK, engine, ROWS).metrics["exact"] for name, engine in found.items()}
    assert scores["constant"] == 0.0
    assert scores["majority"] == 0.5
    classify = ClassifyTask(["a", "b"])
    rows = [TextRow(ask(f"say {label} now"), [label]) for label in "abab"]
    kinds = baselines(classify, rows, rows)
    assert evaluate(classify, kinds["rule: label of the nearest example"], rows).metrics["accuracy"] == 1.0
    assert evaluate(classify, kinds["majority"], rows).metrics["accuracy"] == 0.5


def test_rows_that_were_trained_on_are_found() -> None:
    test = [TextRow(ask("wake me at seven"), ["a"]), TextRow(ask("something else altogether"), ["b"])]
    train = [TextRow(ask("Wake me  at seven"), ["a"])]
    (note, *_) = leaks(test, train)
    assert note.startswith("1 of 2 rows stand in the training rows too")
    assert leaks(test, []) == []


def test_embeddings_find_their_texts() -> None:
    rows = EmbedTask.rows(
        [
            ({"anchor": "red apple", "positive": "a red apple lies there"}, ""),
            ({"anchor": "blue sea", "positive": "the blue sea"}, ""),
        ]
    )
    found = evaluate(EmbedTask(["green tree"]), WordEmbedder(), rows)
    assert found.metrics["recall_at_1"] == found.metrics["ndcg_at_10"] == 1.0
    pairs = EmbedTask.rows([({"a": "red apple", "b": other, "score": score}, "") for other, score in [("red apple", 1.0), ("apple pie", 0.5), ("sea", 0.0)]])  # fmt: skip
    assert evaluate(EmbedTask(), WordEmbedder(), pairs).metrics["spearman"] == pytest.approx(1)
    with pytest.raises(InputError, match="makes no embeddings"):
        evaluate(EmbedTask(), Canned(set()), rows)


def test_windows_score_every_token_once_behind_enough_others() -> None:
    ids = list(range(100))
    found = list(windows(ids, 1, window=30, overlap=10))
    assert [token for _, scored in found for token in scored] == ids[1:]
    assert all(len(context) + len(scored) <= 30 for context, scored in found)
    assert all(len(context) >= 10 for context, _ in found[1:])
    assert list(windows([7], 1, 30, 10)) == []


def test_passages_are_the_text() -> None:
    text = "a line\n" * 900 + "end"
    assert "".join(passages(text)) == text
    assert 3 <= len(passages(text)) <= 5
    assert passages("") == []


def test_a_metric_that_no_row_has_on_both_sides_shows_no_difference() -> None:
    def one(row: int) -> Report:
        results = [RowResult(f"{i}", "", "", {"rougeL": (1.0, 1.0)}, {}, [], [], 1, 0.0, {}) for i in range(3)]
        results[row].numbers["supported"] = (1.0, 2.0)
        return summarize("e", InstructTask(), results, 1.0, settings={})

    found = compare(one(0), one(1), "supported")
    assert (found.verdict, found.p) == ("no difference shown", 1.0)


def test_rows_that_say_nothing_are_told() -> None:
    pairs = EmbedTask.rows([({"a": "x", "b": "y", "score": 0.5}, "") for _ in range(3)])
    with pytest.raises(InputError, match="say nothing of"):
        evaluate(EmbedTask(), WordEmbedder(), pairs)


def test_f1_of_rows_is_compared_row_by_row() -> None:
    task = ExtractTask(["who"])
    rows = [task.row({"text": f"{i}", "fields": {"who": "Ada"}}) for i in range(30)]

    def answered(right: int) -> Report:
        answers = {row.text: '{"who":"Ada"}' if i < right else "{}" for i, row in enumerate(rows)}
        return evaluate(task, Baseline("b", lambda row: answers[row.text]), rows)

    found = compare(answered(10), answered(25))
    assert (found.metric, found.verdict, len(found.gained), found.lost) == ("f1", "better", 15, [])
    assert len(worst_rows(answered(10))) == 20
