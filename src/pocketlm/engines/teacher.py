"""What a teacher is: anything that answers a dialogue, and says what it read and wrote.

A teacher knows nothing of money, retries or rows. What goes wrong is told apart by what it may have cost.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from pocketlm.engines.base import Engine
from pocketlm.tasks.template import TEMPLATES, Message


@dataclass(frozen=True)
class Reply:
    """One answer. `stopped`: it ended by itself, and was not cut by the limit. Tokens are those the teacher counts, None
    where it does not say."""

    text: str
    input_tokens: int | None
    output_tokens: int | None
    stopped: bool


class Busy(Exception):
    """Not answered and not charged: too many requests, or the server failed; `after` seconds it may be asked again."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class Lost(Busy):
    """The answer was lost on its way: it may have been charged. It may be asked again."""


class Refused(Exception):
    """This request will never be answered, though others may be; it was not charged."""


class Teacher(Protocol):
    """A model that answers dialogues.

    Attributes:
        uri: as it was opened.
        host: where requests go; empty for a model on this machine, which costs nothing and which nothing leaves.
    """

    uri: str
    host: str

    def chat(self, messages: Sequence[Message], *, max_tokens: int, temperature: float, seed: int, key: str) -> Reply:
        """Answer a dialogue.

        Args:
            key: names this request, so that a server that knows such keys charges a repeated one once.

        Raises:
            Busy, Lost, Refused: see there. InputError: no request will be answered, such as with a wrong key.
        """
        ...

    def close(self) -> None:
        """Give everything back."""
        ...


class LocalTeacher:
    """An engine of this machine as a teacher, one dialogue at a time; it answers greedily."""

    host = ""

    def __init__(self, engine: Engine) -> None:
        self.uri = engine.uri
        self._engine = engine
        self._one = threading.Lock()

    def chat(self, messages: Sequence[Message], *, max_tokens: int, temperature: float, seed: int, key: str) -> Reply:
        """See `Teacher`."""
        prompt = TEMPLATES[self._engine.template].render(messages)
        with self._one:
            (answer,) = self._engine.generate([prompt], max_tokens=max_tokens)
            read = len(self._engine.tokenize(prompt))
        return Reply(answer.text, read, answer.tokens, answer.stopped)

    def close(self) -> None:
        """Close the engine."""
        self._engine.close()
