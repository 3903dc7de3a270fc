"""What is looked at before the first step: faults that train to a normal-looking loss and a useless model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from pocketlm.core.errors import Problems
from pocketlm.core.progress import say
from pocketlm.train.batches import Example, plan_batches, shared_prefix


def check_examples(examples: Sequence[Example], names: Sequence[str], stop: int) -> None:
    """Look at what would be trained.

    Args:
        names: of the rows, for messages.
        stop: the token that ends an answer.

    Raises:
        Problems: rows without a label, or whose answer does not end with `stop`: the model would never learn to stop.
    """
    empty = [name for name, example in zip(names, examples, strict=True) if not example.completion]
    if empty:
        raise Problems("rows with nothing to learn (an empty answer); remove them", empty)
    endless = [name for name, example in zip(names, examples, strict=True) if example.completion[-1] != stop]
    if endless:
        raise Problems("rows whose answer lacks the token that ends it", endless)
    if len(examples) > 1 and all(example.completion == examples[0].completion for example in examples):
        say(f"Careful: all {len(examples)} training rows have the same answer; the model will learn to give it always")


def show_batch(examples: Sequence[Example], tokenizer: Any, tokens: int, seed: int) -> Text:
    """Two rows of the first batch as they are trained: shared tokens dim, what is read plain, what is learnt in green."""
    prefix = shared_prefix(examples)
    first = plan_batches([len(example) - prefix for example in examples], tokens, seed)[0]
    rows = [examples[i] for i in first]
    learnt = sum(len(row.completion) for row in rows)
    text = Text(
        f"The first batch: {len(rows)} rows, {prefix} shared tokens, {sum(len(row) - prefix for row in rows)} of their own, "
        f"{learnt} of them learnt (green)\n"
    )
    if prefix:
        text.append(tokenizer.decode(rows[0].prompt[:prefix]), style="dim").append("\n")
    for row in rows[:2]:
        text.append("\n").append(tokenizer.decode(row.prompt[prefix:]))
        for token in row.completion:
            text.append(tokenizer.decode([token]), style="green bold").append("|", style="dim")
        text.append("\n")
    return text
