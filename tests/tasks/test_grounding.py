"""What the training rows show of where values come from, and what follows for a new request."""

from __future__ import annotations

import pytest

from pocketlm.tasks.call import Call, CallRow, CallTask, Grounding, learn_grounding
from pocketlm.tasks.said import numbers_said, words
from pocketlm.tasks.template import CHATML, Message
from pocketlm.tasks.tools import ToolSet

TOOLS = ToolSet.from_openai(
    [
        {
            "name": "wait",
            "parameters": {
                "type": "object",
                "properties": {
                    "minutes": {"type": "integer", "minimum": 0, "maximum": 120},
                    "app": {"type": "string", "enum": ["mail", "text_me"]},
                },
                "required": ["minutes"],
            },
        },
        {"name": "say", "parameters": {"type": "object", "properties": {"what": {"type": "string"}}}},
    ],
    "t",
)


def row(text: str, *calls: Call) -> CallRow:
    return CallRow((Message("user", text),), calls)


def wait(minutes: int, **more: str) -> Call:
    return Call("wait", {"minutes": minutes, **more})


ROWS = [
    *(row(f"wait {words(n) if n % 2 else n} minutes", wait(n)) for n in range(2, 24)),
    *(row(f"mail me after {n} minutes", wait(n, app="mail")) for n in range(30, 36)),
    row("wait half an hour", wait(30)),
    row("say hello", Call("say", {"what": "hello"})),
]


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("set 25 and 7:30", {25, 7, 30}),
        ("thirteen or twenty five", {13, 25}),
        ("thirty-two, forty, one hundred", {32, 40, 1, 100}),
        ("nothing here", set()),
    ],
)
def test_numbers_said(text: str, numbers: set[int]) -> None:
    assert numbers_said(text) == numbers


def test_what_is_learnt_survives_a_manifest() -> None:
    found = learn_grounding(ROWS, TOOLS)
    assert found == Grounding(copied=True, unsaid={"wait.minutes": [30], "wait.app": []}, given=["wait.app"])
    assert Grounding.from_json(found.to_json()) == found


def test_too_few_rows_or_values_out_of_nowhere_teach_nothing() -> None:
    assert learn_grounding(ROWS[:10], TOOLS).unsaid == {}
    assert learn_grounding([row(r.text, wait(99)) for r in ROWS[:22]], TOOLS).unsaid == {}
    assert learn_grounding([*ROWS, row("no mail for 3 minutes", wait(3))], TOOLS).given == []
    assert not learn_grounding([row("hi", Call("say", {"what": "hello"}))], TOOLS).copied


@pytest.mark.parametrize(
    ("text", "call", "legal"),
    [
        ("wait seventy one minutes", wait(71), True),
        ("wait seventy one minutes", wait(17), False),
        ("wait seventy one minutes", wait(30), True),
        ("mail me in 40 minutes", wait(40, app="mail"), True),
        ("mail me in 40 minutes", wait(40), False),
        ("wake me in 40 minutes", wait(40, app="mail"), False),
        ("say it now", Call("say", {"what": "it now"}), True),
        ("say it now", Call("say", {"what": "it later"}), False),
    ],
)
def test_only_what_was_said_is_legal(text: str, call: Call, legal: bool) -> None:
    task = CallTask(TOOLS, grounding=learn_grounding(ROWS, TOOLS))
    asked = row(text)
    answer = task.completion(row(text, call), CHATML).removesuffix(CHATML.stop)
    assert task.is_legal(asked, answer, CHATML) is legal
    assert not task.is_legal(asked, answer + " ", CHATML)
    assert not task.is_legal(asked, "sorry", CHATML)


def test_a_required_number_that_was_not_said_stays_possible() -> None:
    bound = Grounding(unsaid={"wait.minutes": []}).bind(TOOLS, "wait a bit")
    assert not bound.check_call(wait(5))
    assert Grounding(unsaid={"wait.minutes": []}).bind(TOOLS, "wait 6").check_call(wait(5))
