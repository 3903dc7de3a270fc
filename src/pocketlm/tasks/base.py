"""What a task is: what a row asks, how it becomes a prompt, which answers are legal, how one is scored. One file a task.

This file holds what the tasks share. A score is numbers a row; a metric says what they come to over many rows. So one
bootstrap serves an accuracy, an F1, a perplexity and a BLEU alike. Imports no torch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pocketlm.tasks.template import Message, Template

Numbers = NDArray[np.float64]


def ratio(sums: Numbers) -> Numbers:
    """(..., 2) -> (...): the first over the second, nan where that is nothing."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(sums[..., 0] / sums[..., 1])


def f1(counts: Numbers) -> Numbers:
    """(..., 3) of right, got, wanted -> (...): the harmonic mean of precision and recall, 0 where nothing was got."""
    right, got, wanted = counts[..., 0], counts[..., 1], counts[..., 2]
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(2 * right / (got + wanted))


def macro_f1(counts: Numbers) -> Numbers:
    """(..., 3 x items) -> (...): the mean F1 of the items that are wanted anywhere or got anywhere."""
    of_items = f1(counts.reshape(*counts.shape[:-1], -1, 3))
    seen = ~np.isnan(of_items)
    with np.errstate(invalid="ignore"):
        return np.asarray(np.where(seen, of_items, 0).sum(-1) / seen.sum(-1))


@dataclass(frozen=True)
class Metric:
    """What the numbers of many rows come to.

    Attributes:
        about: what it says, in a few words.
        of: the rows' numbers, summed, (..., k) -> (...); with `by_rows` the rows themselves, (rows, k) -> one number.
        items: the numbers are (right, got, wanted) of every item, see `Score.items`.
        percent: a share, shown in percent. lower: the lower the better.
    """

    about: str
    of: Callable[[Numbers], Any] = ratio
    items: bool = False
    by_rows: bool = False
    percent: bool = True
    lower: bool = False

    def show(self, value: float) -> str:
        """A value as people read it."""
        return f"{value:.1%}" if self.percent else f"{value:,.4g}"


@dataclass(frozen=True)
class Score:
    """What one answer earned.

    Attributes:
        numbers: metric -> its numbers for this row, often (1 or 0, 1); a metric that says nothing of this row is left out.
        items: what can be found in an answer (an argument, a label, a field) -> how often it was right, got, wanted.
        why: what differs, one short phrase each, e.g. "set_alarm.time wrong".
    """

    numbers: dict[str, tuple[float, ...]]
    items: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    why: list[str] = field(default_factory=list)

    def __getitem__(self, metric: str) -> float:
        """A metric of this row alone."""
        first, second = self.numbers[metric]
        return first / second


def yes(right: bool) -> tuple[float, float]:
    """The numbers of a metric that is a share of rows."""
    return float(right), 1.0


def counted(
    wanted: Mapping[str, Sequence[Any]], got: Mapping[str, Sequence[Any]]
) -> dict[str, tuple[float, float, float]]:
    """Name -> (right, got, wanted) of values under names; a value found twice must be wanted twice."""
    found = {}
    for name in dict.fromkeys([*wanted, *got]):
        want, have = list(wanted.get(name, ())), list(got.get(name, ()))
        left, right = list(want), 0
        for value in have:
            if value in left:
                left.remove(value)
                right += 1
        found[name] = (float(right), float(len(have)), float(len(want)))
    return found


def micro(items: Mapping[str, tuple[float, float, float]]) -> dict[str, tuple[float, ...]]:
    """The numbers of precision, recall and F1 over all items of a row."""
    right, got, wanted = (sum(counts[i] for counts in items.values()) for i in range(3))
    return {"precision": (right, got), "recall": (right, wanted), "f1": (right, got, wanted)}


class Task(Protocol):
    """A kind of job. Each takes rows of its own kind, which have `text` (what is asked, to read), `where` and `to_json()`.

    Attributes:
        main: the metric that stands for the whole.
        asks: what it needs of an engine: "text" to be generated, "odds" of the row's own tokens, or "vectors".
        metrics: name -> metric, the main one first.
        max_tokens: the longest answer that makes sense.
    """

    name: str
    main: str
    asks: str
    max_tokens: int

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """See above."""
        ...

    def settings(self) -> dict[str, Any]:
        """What decides prompts and scores besides the row, for the report and the cache's key."""
        ...

    def messages(self, row: Any, template: Template) -> list[Message]:
        """The dialogue up to the answer."""
        ...

    def prompt(self, row: Any, template: Template) -> str:
        """The messages as the template's text."""
        ...

    def grammar(self, template: Template, row: Any = None) -> str | None:
        """GBNF of every legal answer, None where anything goes."""
        ...

    def is_legal(self, row: Any, text: str, template: Template) -> bool:
        """Whether the grammar would have let this answer through as it is."""
        ...

    def expected(self, row: Any) -> Any:
        """The right answer, as a report keeps it."""
        ...

    def score(self, row: Any, text: str, template: Template) -> Score:
        """Compare an answer with the row."""
        ...

    def groups(self, row: Any) -> list[str]:
        """The slices this row belongs to."""
        ...

    def spans(self, text: str, template: Template) -> dict[str, list[tuple[int, int]]]:
        """Parts of an answer whose certainty is told apart, as places in its text: "name", "values"."""
        ...


def by_length(text: str) -> str:
    """The slice of a text's length."""
    words = len(text.split())
    for most in (5, 10, 20, 50, 200):
        if words <= most:
            return f"up to {most} words"
    return "over 200 words"


class TextTask:
    """What most tasks do alike: one instruction in front, free text behind it, no grammar. Rows are of `TextRow`."""

    name = ""
    main = ""
    asks = "text"
    metrics: Mapping[str, Metric] = {}
    max_tokens = 128
    instruction = ""

    def settings(self) -> dict[str, Any]:
        """See `Task`."""
        return {"instruction": self.instruction} if self.instruction else {}

    def messages(self, row: TextRow, template: Template) -> list[Message]:
        """See `Task`."""
        head = [Message("system", self.instruction)] if self.instruction else []
        return [*head, *row.messages]

    def prompt(self, row: TextRow, template: Template) -> str:
        """See `Task`."""
        return template.render(self.messages(row, template))

    def grammar(self, template: Template, row: TextRow | None = None) -> str | None:
        """See `Task`."""
        return None

    def is_legal(self, row: TextRow, text: str, template: Template) -> bool:
        """See `Task`."""
        return True

    def expected(self, row: TextRow) -> Any:
        """See `Task`."""
        return row.answer

    def groups(self, row: Any) -> list[str]:
        """See `Task`."""
        return [by_length(row.text), *(f"tag {tag}" for tag in row.tags)]

    def spans(self, text: str, template: Template) -> dict[str, list[tuple[int, int]]]:
        """See `Task`."""
        return {}


@dataclass(frozen=True)
class TextRow:
    """A row whose question and answer are text. `answer` is what the task makes of its row: a text, labels, fields."""

    messages: tuple[Message, ...]
    answer: Any
    where: str = ""
    tags: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """What the user said last."""
        return self.messages[-1].content if self.messages else str(self.answer)

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "messages": [[m.role, m.content] for m in self.messages],
            "answer": self.answer,
            "tags": list(self.tags),
        }


def ask(text: str) -> tuple[Message, ...]:
    """A dialogue of one request."""
    return (Message("user", text),)


def tags_of(value: Mapping[str, Any]) -> tuple[str, ...]:
    """Tags of a row, under "tags" or "tag"."""
    found = value.get("tags", value.get("tag", ()))
    return (found,) if isinstance(found, str) else tuple(map(str, found or ()))
