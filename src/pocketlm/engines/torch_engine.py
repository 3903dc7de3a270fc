"""A Hugging Face folder on torch.

Prompts are answered in batches of like length; what all of them share in front (the tools block) is computed once.
Knows nothing about tasks: prompts are finished text, a grammar is GBNF.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.engines import shared_prefix
from pocketlm.engines.base import Generation, Grammars, Tick, grammar_of
from pocketlm.models.load import load_model, load_tokenizer, template_of

BATCH = 48


class TorchEngine:
    """A folder with config.json, weights and tokenizer.

    Raises:
        InputError: the folder is not a model or its tokenizer has no chat tokens.
    """

    def __init__(self, folder: Path, uri: str | None = None) -> None:
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: not a model folder (no config.json)")
        self.uri = uri or str(folder)
        self.model = load_model(folder, torch.float32)
        self.tokenizer = load_tokenizer(folder)
        chat = template_of(self.tokenizer)
        self.template = chat.name
        self._stop: int = self.tokenizer.convert_tokens_to_ids(chat.stop)
        self._vocabulary: Any = None

    def tokenize(self, text: str) -> list[int]:
        """Token ids; special tokens recognised, nothing added."""
        ids: list[int] = self.tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """Greedy answers, in the order of the prompts."""
        ids = [self.tokenize(prompt) for prompt in prompts]
        shared = _common_prefix(ids)
        order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
        answers: dict[int, Generation] = {}
        with torch.inference_mode():
            for start in range(0, len(order), BATCH):
                rows = order[start : start + BATCH]
                began = time.perf_counter()
                done = _decode(self, [ids[i] for i in rows], shared, max_tokens, [grammar_of(grammar, i) for i in rows])
                seconds = (time.perf_counter() - began) / len(rows)
                for i, (tokens, logprob) in zip(rows, done, strict=True):
                    answers[i] = self._generation(tokens, logprob, seconds)
                if tick:
                    tick(len(rows))
        return [answers[i] for i in range(len(prompts))]

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """Yield text as soon as its characters are complete."""
        ids = self.tokenize(prompt)
        tokens: list[int] = []
        shown = ""
        with torch.inference_mode():
            for token, _ in _steps(self, [ids], 0, max_tokens, [grammar]):
                tokens.append(int(token[0]))
                text = self._text(tokens)
                if not text.endswith("\ufffd") and len(text) > len(shown):
                    yield text[len(shown) :]
                    shown = text
        rest = self._text(tokens)[len(shown) :]
        if rest:
            yield rest

    def logprobs(self, prompt: str, completion: str) -> list[float]:
        """Natural-log probability of each token of `completion` after `prompt`."""
        before, after = self.tokenize(prompt), self.tokenize(completion)
        self.model.set_attn_implementation("sdpa")
        with torch.inference_mode():
            logits = self.model(input_ids=torch.tensor([before + after]), use_cache=False).logits[0].float()
        scores = logits.log_softmax(-1)[len(before) - 1 : -1]
        return [float(scores[i, token]) for i, token in enumerate(after)]

    def matcher(self, grammar: str) -> Any:
        """A fresh matcher of a GBNF grammar over this tokenizer.

        Raises:
            EnvironmentLacks: llguidance is not installed. InputError: the grammar cannot be read.
        """
        try:
            import llguidance
            from llguidance.gbnf_to_lark import any_to_lark
            from llguidance.hf import from_tokenizer
        except ImportError as error:
            raise EnvironmentLacks("constrained output on torch needs llguidance: pip install llguidance") from error
        if self._vocabulary is None:  # takes a second, so only where a grammar is asked for
            self._vocabulary = from_tokenizer(
                self.tokenizer, n_vocab=self.model.config.vocab_size, eos_token=self._stop
            )
        lark = llguidance.LLMatcher.grammar_from_lark(any_to_lark(grammar))
        matcher = llguidance.LLMatcher(self._vocabulary, lark)
        if matcher.get_error():
            raise InputError(f"the grammar cannot be read: {matcher.get_error()}")
        return matcher

    def close(self) -> None:
        """Drop the weights."""
        del self.model

    def _text(self, tokens: list[int]) -> str:
        kept = tokens[:-1] if tokens and tokens[-1] == self._stop else tokens
        text: str = self.tokenizer.decode(kept, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        return text

    def _generation(self, tokens: list[int], logprob: float, seconds: float) -> Generation:
        stopped = bool(tokens) and tokens[-1] == self._stop
        return Generation(self._text(tokens), len(tokens), stopped, logprob, seconds)


def _decode(
    engine: TorchEngine, ids: list[list[int]], shared: int, max_tokens: int, grammars: Sequence[str | None]
) -> list[tuple[list[int], float]]:
    """Tokens (the stop token included) and summed log-probability of each row."""
    tokens: list[list[int]] = [[] for _ in ids]
    total = [0.0] * len(ids)
    open_rows = [True] * len(ids)
    for chosen, logprob in _steps(engine, ids, shared, max_tokens, grammars):
        for row, (token, value) in enumerate(zip(chosen.tolist(), logprob.tolist(), strict=True)):
            if open_rows[row]:
                tokens[row].append(token)
                total[row] += value
                open_rows[row] = token != engine._stop
        if not any(open_rows):
            break
    return list(zip(tokens, total, strict=True))


def _steps(
    engine: TorchEngine, ids: list[list[int]], shared: int, max_tokens: int, grammars: Sequence[str | None]
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield (token, log-probability), each (rows,), a step; ends when every row has written the stop token.

    Rows are padded on the left, behind the shared prefix; positions skip the padding.
    """
    model, rows, stop = engine.model, len(ids), engine._stop
    keys, values = _run_prefix(model, ids[0][:shared])
    longest = max(map(len, ids)) - shared
    feed = torch.full((rows, longest), stop)
    real = torch.zeros((rows, longest), dtype=torch.bool)
    for row, tokens in enumerate(ids):
        own = tokens[shared:]
        feed[row, longest - len(own) :] = torch.tensor(own)
        real[row, longest - len(own) :] = True
    place = shared + (real.cumsum(1) - 1).clamp_(min=0)
    matchers = [engine.matcher(grammar) for grammar in grammars if grammar]
    finished = torch.zeros(rows, dtype=torch.bool)
    cache = None
    shared_prefix.use(model)
    for _ in range(max_tokens):
        step = feed.shape[1]
        out = model(
            input_ids=feed, position_ids=place[:, -step:], past_key_values=cache, use_cache=True, logits_to_keep=1,
            shared=shared_prefix.Shared(keys, values, place, real),
        )  # fmt: skip
        cache = out.past_key_values
        scores = out.logits[:, -1].float().log_softmax(-1)
        if matchers:
            _forbid(scores, matchers, stop, finished)
        chosen = scores.argmax(-1)
        yield chosen, scores.gather(1, chosen[:, None])[:, 0]
        finished |= chosen == stop
        if finished.all():
            return
        for matcher, token in zip(matchers, chosen.tolist(), strict=False):
            if not matcher.is_stopped():
                matcher.consume_token(token)
        feed, place = chosen[:, None], torch.cat([place, place[:, -1:] + 1], dim=1)
        real = torch.cat([real, real.new_ones((rows, 1))], dim=1)


def _run_prefix(model: Any, ids: list[int]) -> tuple[list[Tensor], list[Tensor]]:
    """Keys and values of a prefix, per layer (kv heads, prefix, head width); empty where there is no prefix."""
    model.set_attn_implementation("sdpa")
    layers = model(input_ids=torch.tensor([ids or [0]]), use_cache=True, logits_to_keep=1).past_key_values.layers
    return [layer.keys[0, :, : len(ids)] for layer in layers], [layer.values[0, :, : len(ids)] for layer in layers]


def _forbid(scores: Tensor, matchers: list[Any], stop: int, finished: Tensor) -> None:
    """Set the score of every token the grammar does not allow to minus infinity, in place.

    Where the grammar is at its end only the stop token is left. The best token is tried first: a mask over the whole
    vocabulary costs milliseconds, and a tuned model seldom needs it. The masks that are needed are made on all cores.
    """
    from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask_par

    wanted = []
    for row, (matcher, best) in enumerate(zip(matchers, scores.argmax(-1).tolist(), strict=True)):
        if matcher.is_stopped():
            kept = scores[row, stop].item()
            scores[row].fill_(-torch.inf)
            scores[row, stop] = kept
        elif not finished[row] and matcher.validate_tokens([best]) != 1:
            wanted.append((matcher, row))
    if wanted:
        bits = allocate_token_bitmask(len(scores), scores.shape[1])
        fill_next_token_bitmask_par(_mask_workers(torch.get_num_threads()), wanted, bits)
    for _, row in wanted:
        allowed = np.unpackbits(bits[row].view(np.uint8), bitorder="little")[: scores.shape[1]]
        scores[row].masked_fill_(torch.from_numpy(allowed == 0), -torch.inf)


@cache
def _mask_workers(threads: int) -> Any:
    """llguidance's thread pool: started once, not at every token."""
    import llguidance

    return llguidance.LLExecutor(threads)


def _common_prefix(ids: list[list[int]]) -> int:
    """Tokens all prompts share; each row keeps at least one of its own."""
    first, last = min(ids), max(ids)
    length = min(map(len, ids)) - 1
    return next((i for i in range(length) if first[i] != last[i]), length) if len(ids) > 1 else 0
