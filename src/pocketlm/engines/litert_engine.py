"""A .litertlm file on LiteRT: the very model and the very arithmetic that LiteRT-LM runs on a phone's processor.

The container's own model is run by its two kinds of signatures, `prefill_N` (N tokens of a prompt at once) and `decode`
(one token, and the odds of the next), so that odds and grammars are to be had, which LiteRT-LM does not give. The keys and
values of past tokens stay in buffers that are changed in place; what a prompt shares with the one before is not computed
again. Knows nothing about tasks, torch or how the file was made.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.machine import cores
from pocketlm.engines.base import Ids, Odds, Tick
from pocketlm.engines.litert_runtime import LitertModel, read
from pocketlm.engines.matcher import Matchers
from pocketlm.engines.stepwise import Reading, Scores, Stepwise, common, log_softmax
from pocketlm.models.litert_file import BEGIN, original_template, read_container
from pocketlm.tasks.template import Message, template_for

HIDDEN = np.float32(-1e9)  # added to the score of a place that must not be seen


class LitertEngine(Stepwise):
    """A .litertlm file that answers greedily on the CPU.

    Raises:
        InputError: the file is damaged, or holds a model whose signatures are not known here. EnvironmentLacks: LiteRT is
            not installed.
    """

    def __init__(self, path: Path, *, threads: int | None = None) -> None:
        from tokenizers import Tokenizer
        from transformers import PreTrainedTokenizerFast

        file = read_container(Path(path))
        self.uri = str(path)
        self._threads = threads or cores()
        self._tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer.from_str(file.tokenizer))
        self._jinja = file.jinja
        self.template = template_for(list(self._tokenizer.get_vocab()), original_template(file.jinja)).name
        self._stop = file.stops[0] if file.stops else 0
        self.opening = list(file.start)
        begin = self._tokenizer.get_vocab().get(file.notes.get(BEGIN, ""))
        self.begin = begin if begin is not None else (self.opening or [self._stop])[0]
        self._run: _Cached | None = _Cached(LitertModel(file.model_bytes(), self.uri, self._threads), self.uri)
        self.context = min(file.context or self._run.length, self._run.length)
        self._matchers = Matchers(self._tokenizer, self._run.vocabulary, self._stop)

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """See `Stepwise`."""
        for prompt, completion in pairs:
            self._check(len(prompt) + len(completion))
        return super().odds(pairs, top=top, tick=tick)

    def render(self, messages: Sequence[Message]) -> str:
        """Prompt text by the file's own chat template, as LiteRT-LM renders it."""
        turns = [{"role": one.role, "content": [{"type": "text", "text": one.content}]} for one in messages]
        settings: Any = {"tokenize": False, "add_generation_prompt": True}
        text: str = self._tokenizer.apply_chat_template(turns, chat_template=self._jinja, **settings)
        return text

    def close(self) -> None:
        """Free the model. A second call does nothing."""
        if self._run is not None:
            self._run.model.close()
        self._run = None

    def _reading(self) -> Reading:
        row: list[int] = []

        def read(ids: Ids) -> Scores:
            if self._run is None:
                raise InputError(f"{self.uri}: this engine was closed; open it again")
            row.extend(ids or [self.begin])
            return log_softmax(self._run.logits(row))

        return read

    def _most(self, prompt: int, max_tokens: int) -> int:
        taken = prompt or 1  # a text that begins with nothing begins with the begin token
        self._check(taken + 1)
        return min(max_tokens, self.context - taken)

    def _check(self, tokens: int) -> None:
        if tokens > self.context:
            raise InputError(f"{self.uri}: {tokens} tokens do not fit into its context of {self.context}")


class _Cached:
    """The model with the keys and values of the tokens it saw last.

    A prompt is taken in chunks. The last one is padded: what padding writes lies behind the last token and is overwritten
    before anything may see it. Only at the context's end, where padding would not fit, tokens go one by one.
    """

    def __init__(self, model: LitertModel, name: str) -> None:
        self.model, self._seen = model, list[int]()
        if "decode" not in model.signatures:
            raise InputError(f"{name}: its model has no signature `decode`; only language models are opened here")
        inputs = model.inputs("decode")
        if unknown := {n for n in inputs if not n.startswith("kv_cache_")} ^ {"tokens", "input_pos", "mask"}:
            raise InputError(f"{name}: its model's inputs are not those known here ({', '.join(sorted(unknown))})")
        self._cache = {n: model.buffer("decode", n) for n in inputs if n.startswith("kv_cache_")}
        self.length = int(inputs["mask"]["shape"][-1])
        self.vocabulary = int(model.outputs("decode")["logits"]["shape"][-1])
        self._out = model.buffer("decode", "logits")
        sizes = {int(s.rpartition("_")[2]): s for s in model.signatures if s.startswith("prefill_")}
        self._chunks = sorted(sizes.items())
        self._feeds = {
            s: {n: model.buffer(s, n) for n in ("tokens", "input_pos", "mask")} for s in (*sizes.values(), "decode")
        }

    def logits(self, row: list[int]) -> NDArray[np.float32]:
        """Logits (vocabulary) of the token behind `row`."""
        known = common(self._seen, row[:-1])
        for start, end, signature in self._plan(known, len(row) - 1):
            self._feed(signature, row[start:end], start)
        self._feed("decode", row[-1:], len(row) - 1)
        self._seen = list(row)
        return read(self._out, self.vocabulary)

    def _plan(self, start: int, end: int) -> Iterator[tuple[int, int, str]]:
        """Chunks of a prompt: begin, end, signature."""
        while start < end:
            fitting = [(size, name) for size, name in self._chunks if start + size <= self.length]
            enough = [one for one in fitting if one[0] >= end - start] or fitting[-1:]
            size, name = enough[0] if enough else (1, "decode")
            yield start, min(end, start + size), name
            start += size

    def _feed(self, signature: str, tokens: Sequence[int], start: int) -> None:
        feed = self._feeds[signature]
        size = 1 if signature == "decode" else int(signature.rpartition("_")[2])
        ids = np.zeros((1, size), np.int32)
        ids[0, : len(tokens)] = tokens
        place = np.arange(start, start + size, dtype=np.int32)
        seen = np.arange(self.length) <= place[:, None]
        feed["tokens"].write(ids)
        feed["input_pos"].write(place)
        feed["mask"].write(np.where(seen, np.float32(0), HIDDEN)[None, None])
        out = {**self._cache, "logits": self._out} if signature == "decode" else self._cache
        self._seen = self._seen[:start]  # were it to fail, nothing behind is to be trusted
        self.model.run(signature, {**feed, **self._cache}, out)
