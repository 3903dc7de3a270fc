"""Grammars held over a Hugging Face tokenizer, for every engine whose runtime has none of its own."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import EnvironmentLacks, InputError


class Matchers:
    """Fresh matchers of GBNF grammars over one tokenizer.

    Args:
        tokenizer: a fast Hugging Face tokenizer.
        vocabulary: number of logits; may exceed the tokenizer's tokens.
        stop: the token that ends an answer.
    """

    def __init__(self, tokenizer: Any, vocabulary: int, stop: int) -> None:
        self._tokenizer, self._size, self.stop = tokenizer, vocabulary, stop
        self._vocabulary: Any = None
        self._compiled: tuple[str, Any] | None = None  # the last grammar and its matcher

    def fresh(self, grammar: str) -> Any:
        """A fresh matcher (llguidance.LLMatcher) of a grammar.

        Raises:
            EnvironmentLacks: llguidance is not installed. InputError: the grammar cannot be read.
        """
        try:
            import llguidance
            from llguidance.gbnf_to_lark import any_to_lark
            from llguidance.hf import from_tokenizer
        except ImportError as error:
            raise EnvironmentLacks("constrained output needs llguidance: pip install llguidance") from error
        if self._vocabulary is None:  # takes a second, so only where a grammar is asked for
            self._vocabulary = from_tokenizer(self._tokenizer, n_vocab=self._size, eos_token=self.stop)
        if self._compiled is None or self._compiled[0] != grammar:  # often all rows have the same
            lark = llguidance.LLMatcher.grammar_from_lark(any_to_lark(grammar))
            matcher = llguidance.LLMatcher(self._vocabulary, lark)
            if matcher.get_error():
                raise InputError(f"the grammar cannot be read: {matcher.get_error()}")
            self._compiled = (grammar, matcher)
        return self._compiled[1].deep_copy()


def allow(scores: NDArray[np.float32], matchers: list[Any], stop: int, finished: Any, threads: int) -> None:
    """Set minus infinity, in place, for every token that a row's grammar does not allow. `scores` is (rows, vocabulary).

    Where the grammar is at its end only the stop token is left. The best token is tried first: a mask over the whole
    vocabulary costs milliseconds, and a tuned model seldom needs it. The masks that are needed are made on all cores.
    """
    from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par

    wanted = []
    for row, (matcher, best) in enumerate(zip(matchers, scores.argmax(-1).tolist(), strict=True)):
        if matcher.is_stopped():
            kept = scores[row, stop]
            scores[row] = -np.inf
            scores[row, stop] = kept
        elif not finished[row] and matcher.validate_tokens([best]) != 1:
            wanted.append((matcher, row))
    if wanted:
        bits = allocate_token_bitmask(len(scores), scores.shape[1])
        fill_next_token_bitmask_par(_workers(threads), wanted, bits)
    for _, row in wanted:
        allowed = np.unpackbits(bits[row].view(np.uint8), bitorder="little")[: scores.shape[1]]
        scores[row, allowed == 0] = -np.inf


@cache
def _workers(threads: int) -> Any:
    """llguidance's thread pool: started once, not at every token."""
    import llguidance

    return llguidance.LLExecutor(threads)
