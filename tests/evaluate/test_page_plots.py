"""What is taken for what, read from answers of every format."""

from __future__ import annotations

from typing import Any

import pytest

from pocketlm.evaluate.page_plots import confusion
from pocketlm.evaluate.report import RowResult, summarize
from pocketlm.tasks import compact, gemma
from pocketlm.tasks.call import Call, CallTask
from pocketlm.tasks.tools import ToolSet

TASK = CallTask(ToolSet.from_openai([{"name": name} for name in ("play", "stop", "wait")], "t"))


def row(answer: str, right: bool) -> RowResult:
    expected: list[dict[str, Any]] = [{"name": "play", "arguments": {}}]
    numbers = {"function": (float(right), 1.0), "exact": (float(right), 1.0)}
    return RowResult("do it", expected, answer, numbers, {}, [], [], 1, 0.1, {})


@pytest.mark.parametrize("format", [compact, gemma])
def test_the_function_that_was_called_is_named(format: Any) -> None:
    calls = format.render_calls([Call("stop", {}), Call("wait", {})])
    page = confusion(
        summarize("e", TASK, [row(calls, False), row(format.render_calls([Call("play", {})]), True)], 1.0, settings={})
    )
    assert ">stop<" in page and ">wait<" not in page and "unreadable" not in page


def test_what_is_no_call_is_told_as_such() -> None:
    page = confusion(
        summarize("e", TASK, [row("hello there", False), row("[]", False), row("", True)], 1.0, settings={})
    )
    assert "(unreadable)" in page and "(no call)" in page
