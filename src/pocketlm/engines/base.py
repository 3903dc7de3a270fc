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
        logprobs: of each token, the stop token included; empty where the engine has none.
        ends: for each of those tokens, the place in `text` behind its last whole character.
        ids: of those tokens.
    """

    text: str
    tokens: int
    stopped: bool
    logprob: float
    seconds: float
    logprobs: tuple[float, ...] = ()
    ends: tuple[int, ...] = ()
    ids: tuple[int, ...] = ()


@dataclass(frozen=True)
class Odds:
    """What a model thought of a token that stood in a text.

    Attributes:
        logprob: its natural-log probability.
        top: the likeliest tokens at its place, (id, natural-log probability), the likeliest first; as many as were asked for.
    """

    id: int
    logprob: float
    top: tuple[tuple[int, float], ...] = ()


Ids = Sequence[int]


def ends_of(ids: Ids, decode: Callable[[Ids], str]) -> list[int]:
    """For each token, the place in the text behind its last whole character."""
    return [len(decode(ids[: i + 1]).rstrip("\ufffd")) for i in range(len(ids))]


class Engine(Protocol):
    """One protocol for torch folders, GGUF files and rule baselines. What only one can tell (attention) is a method of its own."""

    uri: str
    template: str  # the chat template's name, see tasks/template.py
    opening: list[int]  # tokens the tokenizer puts in front of a text by itself, often none
    begin: int  # the token that stands before a text with nothing in front: begin of text, otherwise the end token
    context: int  # tokens of prompt and answer together

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily. `grammar` is GBNF text, for all or one a prompt: nothing else can be produced."""
        ...

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """Yield the answer in pieces as they are generated."""
        ...

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """What the model thinks of each token of a completion behind its prompt, both as token ids; no prompt is empty.

        The primitive of perplexity, of choosing among given answers, and of looking inside.
        """
        ...

    def tokenize(self, text: str) -> list[int]:
        """Token ids of `text`, special tokens recognised, nothing added in front or behind."""
        ...

    def decode(self, ids: Ids) -> str:
        """The text of token ids, special tokens written out; bytes that are no whole character become U+FFFD."""
        ...

    def close(self) -> None:
        """Give memory, threads and files back."""
        ...
