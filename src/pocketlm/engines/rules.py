"""A baseline without any language model: the nearest training example, its values replaced by what stands in their place.

For honesty beside a trained model. Requests are compared by TF-IDF over words; the words around a value in the example
are looked up in the request, and what stands between them is taken as the new value.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Generation, Grammars, Ids, Odds, Tick
from pocketlm.engines.nearest import WORD, Nearest, words
from pocketlm.tasks.call import Call, CallRow, CallTask
from pocketlm.tasks.template import CHATML


class RulesEngine:
    """Answers from examples. A prompt is the bare request, without any template."""

    opening: list[int] = []  # noqa: RUF012  never written to
    begin = -1  # none of its words
    context = 1 << 31  # it reads requests of any length

    def __init__(self, task: CallTask, examples: Sequence[CallRow]) -> None:
        self.uri = "rules"
        self.template = CHATML.name
        self._task = task
        self._examples = list(examples)
        self._nearest = Nearest([self._masked(row) for row in self._examples])

    def prompt(self, row: CallRow) -> str:
        """What this engine is asked."""
        return row.text

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """One answer a request; `max_tokens` and `grammar` have nothing to act on."""
        answers = []
        for prompt in prompts:
            start = time.perf_counter()
            text = self._answer(prompt)
            answers.append(Generation(text, len(words(text)), True, 0.0, time.perf_counter() - start))
            if tick:
                tick(1)
        return answers

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """The whole answer in one piece."""
        yield self._answer(prompt)

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """Rules have no probabilities."""
        raise InputError("rules have no probabilities; ask a model")

    def tokenize(self, text: str) -> list[int]:
        """Words by their place in the examples' vocabulary, -1 for unknown ones."""
        index = {word: i for i, word in enumerate(self._nearest.idf)}
        return [index.get(word, -1) for word in words(text)]

    def decode(self, ids: Ids) -> str:
        """The words at these places of the vocabulary."""
        known = list(self._nearest.idf)
        return " ".join(known[i] for i in ids if i >= 0)

    def close(self) -> None:
        """Nothing is held."""

    def _answer(self, request: str) -> str:
        example = self._examples[self._nearest.find(request)]
        calls = [Call(call.name, _fill(call.arguments, example.text, request)) for call in example.calls]
        answer = self._task.completion(CallRow(example.messages, tuple(calls)), CHATML)
        return answer.removesuffix(CHATML.stop)

    def _masked(self, row: CallRow) -> str:
        text = row.text
        for value in _strings([call.arguments for call in row.calls]):
            text = text.replace(value, " ")
        return text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (list, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _strings(item)


def _fill(value: Any, example: str, request: str) -> Any:
    """The example's value, or what stands between the same neighbours in the request."""
    if isinstance(value, dict):
        return {key: _fill(item, example, request) for key, item in value.items()}
    if isinstance(value, list):
        return [_fill(item, example, request) for item in value]
    if isinstance(value, bool):
        return value
    if isinstance(value, int):
        number = re.search(r"\d+", request)
        return int(number.group()) if number else value
    if not isinstance(value, str) or value not in example:
        return value
    before, _, after = example.partition(value)
    left, right = (WORD.findall(before) or [""])[-1], (WORD.findall(after) or [""])[0]
    start = request.lower().rfind(left.lower()) + len(left) if left and left.lower() in request.lower() else 0
    end = request.lower().find(right.lower(), start + 1) if right else -1
    found = request[start : end if end > 0 else None].strip(" .?!,")
    return found or value
