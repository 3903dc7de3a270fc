"""Faults that would train to a normal-looking loss are told before the first step."""

from __future__ import annotations

from pathlib import Path

import pytest

from pocketlm.core.errors import Problems
from pocketlm.models.load import load_tokenizer
from pocketlm.train.batches import Example
from pocketlm.train.checks import check_examples, show_batch

STOP = 2
GOOD = [Example([5, 6], [7, STOP]), Example([5], [8, 9, STOP])]


def test_good_rows_pass(capsys: pytest.CaptureFixture[str]) -> None:
    check_examples(GOOD, ["a", "b"], STOP)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("bad", "what"), [(Example([5], []), "nothing to learn"), (Example([5], [7]), "lacks the token that ends it")]
)
def test_a_row_that_teaches_nothing_or_no_end_is_named(bad: Example, what: str) -> None:
    with pytest.raises(Problems, match=what) as error:
        check_examples([*GOOD, bad], ["a", "b", "rows.jsonl:3"], STOP)
    assert "rows.jsonl:3" in str(error.value) and "a\n" not in str(error.value)


def test_one_answer_for_all_rows_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    check_examples([GOOD[0], Example([9], GOOD[0].completion)], ["a", "b"], STOP)
    assert "all 2 training rows have the same answer" in capsys.readouterr().err


def test_what_is_learnt_is_green_and_nothing_else(tiny_llama: Path) -> None:
    tokenizer = load_tokenizer(tiny_llama)
    ids = tokenizer("wake me at seven", add_special_tokens=False)["input_ids"]
    answer = tokenizer("alarm", add_special_tokens=False)["input_ids"]
    text = show_batch([Example(ids, answer)] * 3, tokenizer, 100, 0)
    green = "".join(text.plain[span.start : span.end] for span in text.spans if "green" in str(span.style))
    assert green == "alarm" * 2
    assert "wake me at seven" in text.plain and "3 rows" in text.plain
