"""What an engine is: anything that continues a prompt.

An engine knows nothing about tasks, rows or scores. It takes finished prompt text (special tokens written out, as the
task rendered it) and returns text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

Grammars = str | Sequence[str] | None  # one GBNF text for all prompts, one for each, or freedom
Tick = Callable[[int], None]  # called with the number of prompts finished since the last call


def grammar_of(grammars: Grammars, index: int) -> str | None:
    """The grammar of one prompt."""
    return grammars if grammars is None or isinstance(grammars, str) else grammars[index]


@dataclass(frozen=True)
class Generation:
    """One answer.

    Attributes:
        text: the completion without the stop token.
        tokens: generated tokens, the stop token included.
        stopped: True where the model ended by itself, False where max_tokens cut it.
        logprob: natural-log probability of the generated tokens, summed.
        seconds: wall time of this answer; in a batch, the batch's time divided by its rows.
    """

    text: str
    tokens: int
    stopped: bool
    logprob: float
    seconds: float


class Engine(Protocol):
    """One protocol for torch folders, GGUF files and rule baselines."""

    uri: str
    template: str  # the chat template's name, see tasks/template.py

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily. `grammar` is GBNF text, for all or one a prompt: nothing else can be produced."""
        ...

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """Yield the answer in pieces as they are generated."""
        ...

    def logprobs(self, prompt: str, completion: str) -> list[float]:
        """Natural-log probability of each token of `completion` after `prompt`."""
        ...

    def tokenize(self, text: str) -> list[int]:
        """Token ids of `text`, special tokens recognised, nothing added in front or behind."""
        ...

    def close(self) -> None:
        """Give memory, threads and files back."""
        ...
