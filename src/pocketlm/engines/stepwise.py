"""Greedy answers token by token, for every runtime that gives the odds of the next token and nothing more.

What such engines have in common: an answer under a grammar, a stream of whole characters, the odds of given tokens, a Hugging
Face tokenizer. A new one says how a text is read (`_reading`) and how long an answer may grow (`_most`).
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Generation, Grammars, Ids, Odds, Tick, ends_of, grammar_of
from pocketlm.engines.matcher import Matchers, allow

Scores = NDArray[np.float32]  # natural-log probabilities over the vocabulary
Reading = Callable[[Ids], Scores]  # takes further tokens of one text and tells the odds of what follows


class Stepwise(ABC):
    """The part of an `Engine` that is the same wherever tokens come one by one."""

    uri: str
    template: str
    opening: list[int]
    begin: int
    context: int
    _tokenizer: Any
    _stop: int
    _matchers: Matchers
    _threads: int = 1

    @abstractmethod
    def _reading(self) -> Reading:
        """A new text, of which nothing was read yet."""

    @abstractmethod
    def _most(self, prompt: int, max_tokens: int) -> int:
        """Tokens that an answer may have behind a prompt of so many."""

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily; `logprob` is the unconstrained model's, also under a grammar (GBNF text).

        An answer that would outgrow the context is cut there (stopped False).
        """
        answers = []
        for index, prompt in enumerate(prompts):
            began = time.perf_counter()
            steps = list(self._steps(self.tokenize(prompt), max_tokens, grammar_of(grammar, index)))
            ids, logprobs = [token for token, _ in steps], [logprob for _, logprob in steps]
            answers.append(answered(ids, logprobs, self._stop, self.decode, time.perf_counter() - began))
            if tick:
                tick(1)
        return answers

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """Yield text as soon as its characters are complete."""
        steps = self._steps(self.tokenize(prompt), max_tokens, grammar)
        return pieces((token for token, _ in steps), self._stop, self.decode)

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """What the model thinks of each token of a completion behind its prompt; a step for each token.

        Raises:
            InputError: a prompt is empty, or prompt and completion outgrow the context.
        """
        check_prompts(pairs)
        found = []
        for prompt, completion in pairs:
            read, new, row = self._reading(), prompt, []
            for token in completion:
                row.append(odds_of(read(new), token, top))
                new = [token]
            found.append(row)
            if tick:
                tick(1)
        return found

    def tokenize(self, text: str) -> list[int]:
        """Token ids; special tokens recognised, nothing added."""
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def decode(self, ids: Ids) -> str:
        """The text of token ids, special tokens written out."""
        text: str = self._tokenizer.decode(list(ids), skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def _steps(self, prompt: list[int], max_tokens: int, grammar: str | None) -> Iterator[tuple[int, float]]:
        """Tokens of a greedy answer with their log-probabilities; the stop token is the last."""
        read, new = self._reading(), prompt
        matchers = [self._matchers.fresh(grammar)] if grammar else []
        for _ in range(self._most(len(prompt), max_tokens)):
            scores = read(new)
            if matchers:
                allow(scores[None], matchers, self._stop, [False], self._threads)
            token = int(scores.argmax())
            yield token, float(scores[token])
            if token == self._stop:
                return
            if matchers and not matchers[0].is_stopped():
                matchers[0].consume_token(token)
            new = [token]


def check_prompts(pairs: Sequence[tuple[Ids, Ids]]) -> None:
    """Refuse pairs of a prompt and a completion whose prompt is empty: nothing would come before the first token.

    Raises:
        InputError: one is.
    """
    if not all(prompt for prompt, _ in pairs):
        raise InputError("odds need a prompt of at least one token, such as the begin token")


def answered(
    ids: Sequence[int], logprobs: Sequence[float], stop: int, decode: Callable[[Ids], str], seconds: float
) -> Generation:
    """The tokens of an answer, the stop token included, as a Generation."""

    def text(tokens: Ids) -> str:
        return decode(without_stop(tokens, stop))

    stopped, ends = bool(ids) and ids[-1] == stop, tuple(ends_of(ids, text))
    return Generation(text(ids), len(ids), stopped, sum(logprobs), seconds, tuple(logprobs), ends, tuple(ids))


def pieces(tokens: Iterable[int], stop: int, decode: Callable[[Ids], str]) -> Iterator[str]:
    """The text of tokens as they come, whole characters only; what is left of one comes at the end."""
    ids: list[int] = []
    shown = 0
    for token in tokens:
        ids.append(token)
        text = decode(without_stop(ids, stop))
        if not text.endswith("\ufffd") and len(text) > shown:
            yield text[shown:]
            shown = len(text)
    if rest := decode(without_stop(ids, stop))[shown:]:
        yield rest


def without_stop(ids: Ids, stop: int) -> Ids:
    """The tokens of an answer that are text."""
    return ids[:-1] if ids and ids[-1] == stop else ids


def log_softmax(logits: Scores) -> Scores:
    """Natural-log probabilities of logits (..., vocabulary)."""
    shifted = logits - logits.max(axis=-1, keepdims=True)
    scores: Scores = shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
    return scores


def odds_of(scores: Scores, token: int, top: int) -> Odds:
    """What natural-log probabilities (vocabulary,) say of a token, and the likeliest ones."""
    best = np.argpartition(scores, -top)[-top:] if 0 < top < len(scores) else np.arange(len(scores) if top else 0)
    best = best[np.argsort(-scores[best], kind="stable")]
    return Odds(int(token), float(scores[token]), tuple((int(i), float(scores[i])) for i in best))


def common(left: Ids, right: Ids) -> int:
    """Number of tokens that both begin with."""
    return next((i for i, (a, b) in enumerate(zip(left, right, strict=False)) if a != b), min(len(left), len(right)))
