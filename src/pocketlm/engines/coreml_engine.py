"""A Core ML package on macOS: a decoder with the cache that the system keeps, or a text encoder.

One text at a time; the prompt goes in at once, then each token. Knows nothing about tasks. Core ML itself is reached
through two functions, so that everything else here is tested where Core ML does not exist.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import read_json
from pocketlm.engines.base import Generation, Grammars, Ids, Odds, Tick, ends_of, grammar_of
from pocketlm.engines.matcher import Matchers, allow

PACKAGE = "model.mlpackage"
HIDDEN = -3e4  # what the mask says of a place that is not seen; float16 ends at -65504
Scores = NDArray[np.float32]  # natural-log probabilities over the vocabulary


class Runtime(Protocol):
    """What is asked of Core ML; coremltools.models.MLModel is one."""

    def predict(self, data: Mapping[str, Any], state: Any = None) -> Mapping[str, Any]:
        """The outputs of one call."""
        ...

    def make_state(self) -> Any:
        """An empty cache."""
        ...


def open_runtime(folder: Path) -> Runtime:
    """The package of a converted folder.

    Raises:
        EnvironmentLacks: coremltools is missing. InputError: no package there.
    """
    if not (folder / PACKAGE).is_dir():
        raise InputError(f"{folder}: no {PACKAGE} there")
    runtime: Runtime = need("coremltools", "a Core ML package", "coreml").models.MLModel(str(folder / PACKAGE))
    return runtime


class CoreMlEngine:
    """A folder with model.mlpackage, tokenizer.json and generation.json; see `Engine`.

    Args:
        runtime: instead of Core ML.
    """

    def __init__(self, folder: Path, *, runtime: Runtime | None = None) -> None:
        from pocketlm.models.load import load_tokenizer
        from pocketlm.tasks.template import template_for

        facts = read_json(folder / "generation.json")
        self.uri = str(folder / PACKAGE)
        self._tokenizer = load_tokenizer(folder)
        self.template = template_for(list(self._tokenizer.get_vocab()), facts["chat_template"]).name
        self._stop: int = facts["stop_token_id"]
        self.begin: int = facts["begin_token_id"]
        added: list[int] = self._tokenizer("")["input_ids"]
        self.opening = [self.begin] if self.begin in added[:1] else []
        self.context = int(facts["context"])
        self._runtime = runtime or open_runtime(folder)
        vocabulary = int(read_json(folder / "config.json")["vocab_size"])
        self._matchers = Matchers(self._tokenizer, vocabulary, self._stop)

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """Greedy answers, in the order of the prompts."""
        answers = []
        for index, prompt in enumerate(prompts):
            began = time.perf_counter()
            steps = list(self._steps(self.tokenize(prompt), max_tokens, grammar_of(grammar, index)))
            answers.append(self._generation(steps, time.perf_counter() - began))
            if tick:
                tick(1)
        return answers

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """Yield text as soon as its characters are complete."""
        tokens: list[int] = []
        shown = ""
        for token, _ in self._steps(self.tokenize(prompt), max_tokens, grammar):
            tokens.append(token)
            text = self._text(tokens)
            if not text.endswith("\ufffd") and len(text) > len(shown):
                yield text[len(shown) :]
                shown = text
        if rest := self._text(tokens)[len(shown) :]:
            yield rest

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """What the model thinks of each token of a completion behind its prompt; a call for each token.

        Raises:
            InputError: a prompt is empty, or a text longer than the cache.
        """
        if not all(prompt for prompt, _ in pairs):
            raise InputError("odds need a prompt of at least one token, such as the begin token")
        found = []
        for prompt, completion in pairs:
            text = _Text(self._runtime, self.context)
            feed, row = list(prompt), []
            for token in completion:
                scores = text.feed(feed)
                best = np.argsort(-scores, kind="stable")[:top]
                likeliest = tuple((int(one), float(scores[one])) for one in best)
                row.append(Odds(int(token), float(scores[token]), likeliest))
                feed = [token]
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

    def close(self) -> None:
        """Drop the package."""
        del self._runtime

    def _steps(self, ids: list[int], max_tokens: int, grammar: str | None) -> Iterator[tuple[int, float]]:
        """Each token, the stop token included, and its log-probability, until the stop or the cache's end."""
        text, feed = _Text(self._runtime, self.context), ids
        matchers = [self._matchers.fresh(grammar)] if grammar else []
        for _ in range(min(max_tokens, max(self.context - len(ids), 1))):
            scores = text.feed(feed)
            if matchers:
                allow(scores[None], matchers, self._stop, [False], 1)
            token = int(scores.argmax())
            yield token, float(scores[token])
            if token == self._stop:
                return
            for matcher in matchers:
                if not matcher.is_stopped():
                    matcher.consume_token(token)
            feed = [token]

    def _text(self, tokens: Ids) -> str:
        return self.decode(tokens[:-1] if tokens and tokens[-1] == self._stop else tokens)

    def _generation(self, steps: Sequence[tuple[int, float]], seconds: float) -> Generation:
        tokens, logprobs = [token for token, _ in steps], tuple(value for _, value in steps)
        stopped = bool(tokens) and tokens[-1] == self._stop
        ends = tuple(ends_of(tokens, self._text))
        return Generation(
            self._text(tokens), len(tokens), stopped, sum(logprobs), seconds, logprobs, ends, tuple(tokens)
        )


class _Text:
    """One text on its way through the package: its cache and how many places are taken."""

    def __init__(self, runtime: Runtime, context: int) -> None:
        self._runtime, self._context, self._total = runtime, context, 0
        self._state = runtime.make_state()

    def feed(self, ids: Ids) -> Scores:
        """Log-probabilities of what comes behind further tokens.

        Raises:
            InputError: there is no place for them.
        """
        new, self._total = len(ids), self._total + len(ids)
        if not 0 < new <= self._total <= self._context:
            raise InputError(f"a text of {self._total} tokens; this package's cache holds 1 to {self._context}")
        later = np.arange(self._total) > np.arange(self._total - new, self._total)[:, None]
        mask = np.where(later, np.float16(HIDDEN), np.float16(0))[None, None]
        inputs = {"inputIds": np.array([list(ids)], np.int32), "causalMask": mask}
        logits = np.asarray(self._runtime.predict(inputs, self._state)["logits"], np.float32).reshape(-1)
        shifted = logits - logits.max()
        scores: Scores = shifted - np.log(np.exp(shifted).sum())
        return scores


class CoreMlEmbedder:
    """A converted encoder; see `Embedder`.

    Args:
        runtime: instead of Core ML.
    """

    def __init__(self, folder: Path, *, runtime: Runtime | None = None) -> None:
        from pocketlm.models.load import load_tokenizer

        self.uri = str(folder / PACKAGE)
        self._longest = int(read_json(folder / "generation.json")["context"])
        self._width = int(read_json(folder / "config.json")["hidden_size"])
        self._tokenizer = load_tokenizer(folder)
        self._runtime = runtime or open_runtime(folder)

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Vectors (texts, width) of length 1; zeros for a text without tokens. Longer texts are cut."""
        vectors = np.zeros((len(texts), self._width), np.float32)
        for row, text in enumerate(texts):
            ids = self._tokenizer(text, truncation=True, max_length=self._longest)["input_ids"]
            if ids:
                found = self._runtime.predict({"inputIds": np.array([ids], np.int32)})
                vectors[row] = np.asarray(found["embedding"]).reshape(-1)
        return vectors

    def close(self) -> None:
        """Drop the package."""
        del self._runtime
