"""A model behind a network as the subject of an evaluation. Every answer is kept as it comes, and asked for once only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from pocketlm.core.errors import EnvironmentLacks, GateFailed
from pocketlm.data.asking import Ask, Asked, Rules, ask_all
from pocketlm.data.budget import Budget, Price, Prices
from pocketlm.data.ledger import Ledger
from pocketlm.engines.base import Generation, Tick
from pocketlm.engines.open import open_teacher
from pocketlm.engines.remote import host_of, is_loopback
from pocketlm.tasks.template import CHATML, Message

FENCE = re.compile(r"^\s*```\w*\n(.*?)\n?```\s*$", re.DOTALL)
SCHEMES = ("anthropic:", "openai:", "google:", "http://", "https://")


def is_remote(uri: str) -> bool:
    """Whether an engine's name is that of a model behind a network."""
    return uri.startswith(SCHEMES)


class RemoteEngine:
    """Answers dialogues; it takes no prompt text and no grammar, and tells no probabilities.

    A code fence around a whole answer is taken off: chat models put one around JSON for people to read.
    """

    template = CHATML.name  # calls are asked for, and read, in its format

    def __init__(self, uri: str, ledger: Path, *, budget: float | None = None, fresh: bool = False) -> None:
        """`ledger`: the file that answers are kept in; `budget`: the most that may be spent, in all runs together; `fresh`:
        ask again what was answered before."""
        self.uri = uri
        self.host = "" if is_loopback(host_of(uri)) else host_of(uri)
        self._ledger_path, self._budget = ledger, budget
        self._about = f"eval {datetime.now(timezone.utc).isoformat()}" if fresh else "eval"

    def worst(self, dialogues: Sequence[Sequence[Message]], max_tokens: int) -> float:
        """No evaluation of these dialogues costs more.

        Raises:
            InputError: the model's price is not known.
        """
        price = self._price()
        return sum(price.worst(messages, max_tokens) for messages in dialogues)

    def chat(self, dialogues: Sequence[Sequence[Message]], *, max_tokens: int, tick: Tick) -> list[Generation]:
        """The answer to each dialogue.

        Raises:
            InputError, EnvironmentLacks: it does not answer. GateFailed: the budget is spent. What came is kept.
        """
        asks = [Ask(self.uri, tuple(messages), max_tokens, 0.0, 0, self._about) for messages in dialogues]
        ledger, teacher, done = Ledger(self._ledger_path), open_teacher(self.uri), Asked()
        try:
            money = Budget(self._budget, ledger.spent)
            ask_all(asks, {self.uri: teacher}, {self.uri: self._price()}, ledger, money, Rules(), done)
        finally:
            teacher.close()
            ledger.close()
        missing = sum(ask.key not in ledger.answers for ask in asks)
        if done.out_of_budget:
            raise GateFailed(
                f"{self.uri}: {missing} rows were not asked, the budget leaves no room; raise --budget to go on"
            )
        if missing:
            why = "; ".join(done.failed) or "it was stopped"
            raise EnvironmentLacks(f"{self.uri}: {missing} rows have no answer ({why}); run the same command to go on")
        tick(len(asks))
        return [_generation(ledger.answers[ask.key]) for ask in asks]

    def close(self) -> None:
        """Nothing is held."""

    def _price(self) -> Price:
        return Prices().of(self.uri, free=not self.host)


def _generation(record: dict[str, object]) -> Generation:
    text = str(record["text"])
    fenced = FENCE.match(text)
    tokens = record.get("out")
    written = tokens if isinstance(tokens, int) else 0
    return Generation(fenced[1] if fenced else text.strip(), written, bool(record.get("stopped", True)), 0.0, 0.0)
