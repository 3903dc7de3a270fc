"""Money for teachers: what a request costs by a dated price table, and a cap that is never passed.

The worst case of a request is set aside before it is sent; its real price replaces it when the answer is there. A request
whose answer was lost stays counted at its worst case: it may have been charged.
"""

from __future__ import annotations

import math
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.tasks.template import Message

TABLE = Path(__file__).parent / "prices.json"
OLD_DAYS = 90  # from which age of the table the user is told
FRAME = 64  # tokens a dialogue takes beside its text, at most, and again for each message a quarter


@dataclass(frozen=True)
class Price:
    """Of one model, for a million tokens read and written."""

    read: float
    written: float

    def of(self, input_tokens: int, output_tokens: int) -> float:
        """The price of one answer."""
        return (self.read * input_tokens + self.written * output_tokens) / 1e6

    def worst(self, messages: Sequence[Message], max_tokens: int) -> float:
        """No answer to these messages costs more: a token is at least a byte."""
        return self.of(most_tokens(messages), max_tokens)


def most_tokens(messages: Sequence[Message]) -> int:
    """More tokens than any tokenizer makes of these messages."""
    return FRAME + sum(len(message.content.encode()) + FRAME // 4 for message in messages)


class Prices:
    """A dated table of prices."""

    def __init__(self, path: Path | None = None) -> None:
        """Raises InputError: the file is no price table."""
        self.path = path or TABLE
        value = read_json(self.path)
        try:
            self.date = date.fromisoformat(value["date"])
            self.currency = str(value.get("currency", "USD"))
            table = value["per_million_tokens"]
            self.models = {name: Price(float(p["in"]), float(p["out"])) for name, p in table.items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise InputError(
                f'{self.path}: no price table; write {{"date": "2026-01-31", "per_million_tokens": {{"openai:MODEL": {{"in": 1.0, "out": 4.0}}}}}}'
            ) from None
        if wrong := [
            name for name, price in self.models.items() if not (_is_sum(price.read) and _is_sum(price.written))
        ]:
            raise InputError(f"{self.path}: the price of {wrong[0]} is not a number of at least zero")

    def of(self, uri: str, free: bool) -> Price:
        """The price of a teacher; one of this machine is free unless the table names it.

        Raises:
            InputError: the table does not hold it.
        """
        if found := self.models.get(uri) or self.models.get(re.sub(r"-(?:\d{8}|\d{4}-\d{2}-\d{2}|latest)$", "", uri)):
            return found
        if free:
            return Price(0.0, 0.0)
        raise InputError(
            f"{uri}: its price is not in {self.path.name}; give a table with --prices FILE: "
            f'{{"date": "{date.today()}", "per_million_tokens": {{"{uri}": {{"in": 1.0, "out": 4.0}}}}}}'
        )

    def age_note(self) -> str:
        """A warning where the table is old."""
        days = (date.today() - self.date).days
        return (
            f"the price table is of {self.date} ({days} days old): check it, or give yours with --prices"
            if days > OLD_DAYS
            else ""
        )

    def to_json(self) -> dict[str, Any]:
        """What a manifest tells of it."""
        return {"date": str(self.date), "currency": self.currency}


class Budget:
    """A cap, what is spent of it, and what is set aside. Safe to use from several threads."""

    def __init__(self, cap: float | None, spent: float = 0.0) -> None:
        """Raises InputError: the cap is no sum of money."""
        check_cap(cap)
        self.cap = cap
        self.spent = spent
        self._aside: list[float] = []  # of requests under way
        self._changed = threading.Condition()

    def set_aside(self, worst: float) -> bool:
        """Reserve the worst case of a request; False where the cap leaves no room for it.

        Most answers cost far less than their worst case, so where only requests under way are in the way, it waits for them.
        """
        with self._changed:
            while self.cap is not None and self.spent + sum(self._aside) + worst > self.cap + 1e-12:
                if not self._aside:
                    return False
                self._changed.wait()
            self._aside.append(worst)
            return True

    def settle(self, worst: float, real: float) -> None:
        """Replace what was set aside by what it came to."""
        with self._changed:
            self._aside.remove(worst)
            self.spent += real
            self._changed.notify_all()


def check_cap(cap: float | None) -> None:
    """Raise InputError where a cap is no sum of money."""
    if cap is not None and not _is_sum(cap):
        raise InputError(f"--budget {cap}: give a number of at least zero, such as 5.00")


def _is_sum(value: float) -> bool:
    return math.isfinite(value) and value >= 0
