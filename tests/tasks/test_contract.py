"""One contract for all tasks: a new task is a row of CASES."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.tasks.complete import CompleteTask
from pocketlm.tasks.embed import EmbedTask
from pocketlm.tasks.extract import ExtractTask
from pocketlm.tasks.instruct import InstructTask
from pocketlm.tasks.registry import TASKS
from pocketlm.tasks.template import TEMPLATES
from pocketlm.tasks.tools import ToolSet
from pocketlm.tasks.translate import TranslateTask

OPEN = {"name": "open", "parameters": {"type": "object", "properties": {"app": {"type": "string"}}}}
DIALOGUE = [
    {"role": "user", "content": "Say hello to Ada"},
    {"role": "assistant", "content": "Hello Ada there you are"},
]

# task -> (one of it, its row, a right answer, a wrong one); what needs no written answer has None
CASES: dict[str, tuple[Any, Any, str | None, str]] = {
    "call": (
        CallTask(ToolSet.from_openai([OPEN], "t")),
        CallRow.from_json(
            {"text": "open maps", "calls": [{"name": "open", "arguments": {"app": "maps"}}], "tags": ["a"]}
        ),
        '{"open":{"app":"maps"}}',
        "{}",
    ),
    "classify": (
        ClassifyTask(["yes", "no"]),
        ClassifyTask.row({"text": "well", "label": "yes", "tags": ["a"]}),
        "yes",
        "no",
    ),
    "instruct": (
        InstructTask(),
        InstructTask.row({"messages": DIALOGUE, "tags": "a"}),
        "Hello Ada there you are",
        "never",
    ),
    "extract": (
        ExtractTask(["who"]),
        ExtractTask.row({"text": "Ada came", "fields": {"who": "Ada"}, "tags": ["a"]}),
        '{"who":"Ada"}',
        "{}",
    ),
    "translate": (
        TranslateTask("English"),
        TranslateTask.row(
            {"source": "der Hund schläft im Haus", "target": "the dog sleeps in the house", "tags": ["a"]}
        ),
        "the dog sleeps in the house",
        "a cat",
    ),
    "embed": (EmbedTask(), EmbedTask.rows([({"anchor": "a", "positive": "b", "tags": ["a"]}, "f:1")])[0], None, ""),
    "complete": (CompleteTask(), CompleteTask.row({"text": "once upon", "tags": ["a"]}), None, ""),
}


def test_every_task_is_here() -> None:
    assert set(CASES) == set(TASKS)


@pytest.mark.parametrize("name", CASES)
def test_a_task_says_what_it_is(name: str) -> None:
    task, row, _, _ = CASES[name]
    assert task.name == name
    assert next(iter(task.metrics)) == task.main
    assert task.asks in ("text", "odds", "vectors")
    json.dumps([task.settings() if name != "translate" else {}, row.to_json(), task.expected(row)])
    assert "tag a" in task.groups(row)
    assert all(metric.about for metric in task.metrics.values())


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=lambda template: template.name)
@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2] is not None])
def test_a_prompt_holds_what_was_asked_and_a_legal_answer_is_legal(name: str, template: Any) -> None:
    task, row, right, _ = CASES[name]
    assert row.text in task.prompt(row, template)
    assert task.prompt(row, template) == template.render(task.messages(row, template))
    if name != "call" or template.name != "gemma":  # whose calls are written otherwise
        assert task.is_legal(row, right, template)


@pytest.mark.parametrize("name", [name for name, case in CASES.items() if case[2] is not None])
def test_the_right_answer_scores_all_and_a_wrong_one_less(name: str) -> None:
    if name == "instruct":
        pytest.importorskip("rouge_score")
    if name == "translate":
        pytest.importorskip("sacrebleu")
    task, row, right, wrong = CASES[name]
    kind = task.metrics[task.main]
    best, worst = (
        float(kind.of(np.array(task.score(row, answer, TEMPLATES["chatml"]).numbers[task.main])))
        for answer in (right, wrong)
    )
    assert best == pytest.approx(1.0 if kind.percent else 100.0)
    assert not worst >= best
    assert task.score(row, wrong, TEMPLATES["chatml"]).why or name in ("instruct", "translate")
    assert not task.score(row, right, TEMPLATES["chatml"]).why
