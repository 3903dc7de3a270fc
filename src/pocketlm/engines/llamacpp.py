"""A GGUF file on llama.cpp, through xllamacpp's wheels: the runtime an exported file meets on the phone.

Knows the server's requests and nothing else: not tasks, not how the file was made, not torch. The file is checked whole
before llama.cpp sees it.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from itertools import accumulate
from pathlib import Path
from typing import Any, cast

from pocketlm.core.errors import InputError
from pocketlm.core.machine import cores
from pocketlm.engines.base import Generation, Grammars, Ids, Odds, Tick, ends_of, grammar_of
from pocketlm.engines.llamacpp_server import LlamaCppServer
from pocketlm.models.gguf_header import GgufHeader, check_gguf
from pocketlm.tasks.template import Message, template_for

CONTROL, USER_DEFINED = 3, 4  # token types of the GGUF vocabulary
FORCE = 1e6  # a logit bias no real logit can beat


class LlamaCppEngine:
    """A GGUF file that answers greedily on the CPU.

    One slot only: on 2 cores, answers over a shared 600-token prompt took 15.6 s with one slot, 17.1 with two and
    26.9 with four (each slot computes the prefix for itself), and batched arithmetic flips near-ties, so that only one
    slot gives the same answers on every run. Calls from several threads wait for one another.

    `exact` keeps the attention cache in float32 and turns fused attention off. Log-probabilities of SmolLM2-135M in
    float32 then agree with torch to 2e-4 instead of 2e-3: it tells an error of conversion from ordinary rounding.

    Args:
        adapters: files of LoRA adapters by names of one's own, loaded beside the model; `use` chooses among them.

    Raises:
        InputError: a file is damaged, or an adapter is for another kind of model.
    """

    def __init__(
        self, path: Path, *, threads: int | None = None, context: int = 4096, exact: bool = False,
        adapters: Mapping[str, Path] | None = None,
    ) -> None:  # fmt: skip
        header = check_gguf(path)
        self.uri = str(path)
        self.template = template_for(_special_tokens(header), header.metadata.get("tokenizer.chat_template")).name
        architecture = header.metadata.get("general.architecture")
        self.context = min(context, int(header.metadata.get(f"{architecture}.context_length", context)))
        self._vocabulary = len(header.metadata["tokenizer.ggml.tokens"])
        self._stop = int(header.metadata.get("tokenizer.ggml.eos_token_id", 0))
        self.begin = int(header.metadata.get("tokenizer.ggml.bos_token_id", self._stop))
        self.opening = [self.begin] if header.metadata.get("tokenizer.ggml.add_bos_token") else []
        threads = threads or cores()
        self._adapters: list[str] = list(adapters or {})
        self._adapter: str | None = None
        files = [Path(file) for file in (adapters or {}).values()]
        for file in files:
            check_adapter(file, architecture)
        self._server: LlamaCppServer | None = LlamaCppServer(Path(path), threads, self.context, exact, adapters=files)

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily. `grammar` is GBNF text.

        `logprob` is the unconstrained model's, also under a grammar; `seconds` leaves out scoring again what the server
        left out (tokens that are part of a character, such as emoji). An answer that would outgrow the context is cut
        there (stopped False); a prompt that does not fit at all is an InputError.
        """
        answers = []
        for index, prompt in enumerate(prompts):
            answers.append(self._answer(self.tokenize(prompt), max_tokens, grammar_of(grammar, index)))
            if tick:
                tick(1)
        return answers

    def _answer(self, prompt: list[int], max_tokens: int, grammar: str | None) -> Generation:
        start = time.perf_counter()
        # verbose and return_tokens: the ids, which also serve to score again the tokens that _reported says are missing
        reply = self._complete(prompt, max_tokens, grammar=grammar, logprobs=1, verbose=True, return_tokens=True)
        seconds = time.perf_counter() - start
        choice, count = reply["choices"][0], reply["usage"]["completion_tokens"]
        text, stopped = choice["text"], choice["finish_reason"] == "stop"
        ids: list[int] = reply["__verbose"]["tokens"]
        reported = _reported(reply)
        scores = tuple(float(token["logprob"]) for token in reported)
        if len(scores) == count:
            # the stop token is told of, though it is no part of the text
            ends = [min(end, len(text)) for end in accumulate(len(token["token"]) for token in reported)]
        else:
            scores = tuple(odds.logprob for odds in self._odds(prompt, ids, 0))
            ends = [min(end, len(text)) for end in ends_of(ids, self.decode)]
        return Generation(text, count, stopped, sum(scores), seconds, scores, tuple(ends), tuple(ids))

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """Yield the answer in pieces, whole characters only. Closing the iterator stops the generation."""
        request = self._request(self.tokenize(prompt), max_tokens, grammar=grammar)
        with closing(self._running().stream("/v1/completions", request)) as pieces:
            for piece in pieces:
                if text := piece["choices"][0]["text"]:
                    yield text

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """What the model thinks of each token of a completion behind its prompt.

        llama.cpp's server scores only tokens it generates. So each token is forced by a logit bias; what the server
        reports comes from the logits before the bias. The cached prompt makes this one decoding step a token.
        (A grammar of tokens would need one request for all, but ends the process at a stop token.)
        """
        found = []
        for prompt, completion in pairs:
            if not prompt:
                raise InputError("odds need a prompt of at least one token, such as the begin token")
            found.append(self._odds(prompt, completion, top))
            if tick:
                tick(1)
        return found

    def _odds(self, prompt: Ids, completion: Ids, top: int) -> list[Odds]:
        return [self._score([*prompt, *completion[:i]], token, top) for i, token in enumerate(completion)]

    def _score(self, context: list[int], token: int, top: int) -> Odds:
        forced = _reported(self._complete(context, 1, logprobs=max(1, top), logit_bias=[[token, FORCE]]))
        if forced:
            return Odds(token, float(forced[0]["logprob"]), _likeliest(forced[0], top))
        # It ends inside a character: force the stop token, which is always reported, and find ours among the others.
        # Few first: the whole vocabulary takes a second.
        for many in (max(64, top), self._vocabulary):
            reply = self._complete(context, 1, logprobs=many, logit_bias=[[self._stop, FORCE]])
            place = _reported(reply)[0]
            for other in place["top_logprobs"]:
                if other["id"] == token:
                    return Odds(token, float(other["logprob"]), _likeliest(place, top))
        raise InputError(f"{self.uri}: llama.cpp gives no probability to token {token}")

    def render(self, messages: Sequence[Message]) -> str:
        """The prompt that llama.cpp itself makes of messages, by the chat template in the file, an answer opened."""
        turns = [{"role": message.role, "content": message.content} for message in messages]
        return cast(
            str, self._running().post("/apply-template", {"messages": turns, "add_generation_prompt": True})["prompt"]
        )

    def use(self, adapter: str | None) -> None:
        """Answer with one of the adapters the engine was opened with, or with none, from the next request on.

        Raises:
            InputError: there is no adapter of that name.
        """
        if adapter is not None and adapter not in self._adapters:
            raise InputError(f"{self.uri}: no adapter {adapter!r}; there are {', '.join(self._adapters) or 'none'}")
        self._adapter = adapter

    def tokenize(self, text: str) -> list[int]:
        """llama.cpp's own token ids of `text`: special tokens recognised, nothing added in front or behind."""
        body = {"content": text, "add_special": False, "parse_special": True}
        return cast(list[int], self._running().post("/tokenize", body)["tokens"])

    def decode(self, ids: Ids) -> str:
        """The text of token ids, special tokens written out."""
        return cast(str, self._running().post("/detokenize", {"tokens": list(ids)})["content"])

    def close(self) -> None:
        """Stop the server and free the model. A second call does nothing."""
        if self._server is not None:
            self._server.close()
        self._server = None

    def _running(self) -> LlamaCppServer:
        if self._server is None:
            raise InputError(f"{self.uri}: this engine was closed; open it again")
        return self._server

    def _complete(self, tokens: list[int], max_tokens: int, **more: Any) -> dict[str, Any]:
        return self._running().post("/v1/completions", self._request(tokens, max_tokens, **more))

    def _request(self, tokens: list[int], max_tokens: int, **more: Any) -> dict[str, Any]:
        if max_tokens < 1:
            raise InputError(f"max_tokens is {max_tokens}; at least 1 is needed")  # llama.cpp would generate one anyway
        greedy = {"temperature": 0, "top_k": 1, "cache_prompt": True}
        # ids, not text: given text, llama.cpp adds a begin token where the file asks for one
        request = {"prompt": tokens, "max_tokens": max_tokens, **greedy, **more}
        if self._adapters:  # the server drops its cached prompt when they change
            scales = [float(name == self._adapter) for name in self._adapters]
            request["lora"] = [{"id": place, "scale": scale} for place, scale in enumerate(scales)]
        return {key: value for key, value in request.items() if value is not None}


def check_adapter(path: Path, architecture: str | None) -> None:
    """Prove that a file is a whole LoRA adapter for this kind of model, since llama.cpp may end the process over another.

    Raises:
        InputError: it is not.
    """
    metadata = check_gguf(path).metadata
    if metadata.get("adapter.type") != "lora" or metadata.get("general.architecture") != architecture:
        what = f"{metadata.get('general.type')} for {metadata.get('general.architecture')}"
        raise InputError(f"{path}: holds no LoRA adapter for {architecture} but a {what}")


def _special_tokens(header: GgufHeader) -> list[str]:
    tokens: list[str] = header.metadata.get("tokenizer.ggml.tokens", [])
    types: list[int] = header.metadata.get("tokenizer.ggml.token_type", [])
    return [token for token, kind in zip(tokens, types, strict=False) if kind in (CONTROL, USER_DEFINED)]


def _reported(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """Tokens with their log-probabilities. llama.cpp leaves out each token that ends inside a multi-byte character."""
    logprobs = reply["choices"][0]["logprobs"]
    return cast(list[dict[str, Any]], logprobs["content"]) if logprobs else []


def _likeliest(place: dict[str, Any], top: int) -> tuple[tuple[int, float], ...]:
    return tuple((int(one["id"]), float(one["logprob"])) for one in place["top_logprobs"][:top])
