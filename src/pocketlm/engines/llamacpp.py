"""A GGUF file on llama.cpp, through xllamacpp's wheels: the runtime an exported file meets on the phone.

Knows the file's header, the server's requests and nothing else: not tasks, not how the file was made, not torch.
Everything a user could get wrong is checked here first, because llama.cpp answers a damaged file by ending the process.
"""

from __future__ import annotations

import http.client
import json
import math
import mmap
import os
import queue
import secrets
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.engines.base import Generation, Grammars, Tick, grammar_of
from pocketlm.tasks.template import template_for

MAGIC = b"GGUF"
VERSIONS = (2, 3)
CONTROL, USER_DEFINED = 3, 4  # token types of the GGUF vocabulary
FORCE = 1e6  # a logit bias no real logit can beat
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9


@dataclass(frozen=True)
class GgufHeader:
    """What a GGUF file says about itself.

    Attributes:
        metadata: every key with its value.
        tensors: name to (shape as stored, ggml type number).
        expected_bytes: the file's least length according to its tensor table.
    """

    version: int
    metadata: dict[str, Any]
    tensors: dict[str, tuple[tuple[int, ...], int]]
    expected_bytes: int


def check_gguf(path: Path) -> GgufHeader:
    """Read a GGUF file's header and prove the file whole, without loading a weight.

    Raises:
        InputError: missing, not GGUF, damaged or truncated.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    present = path.stat().st_size
    try:
        if not present:
            raise EOFError
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            header = _read_header(_Cursor(data))
    except EOFError as error:
        raise InputError(
            f"{path}: truncated: {present / 1e6:.2f} MB present, not even the header is whole; "
            "export or download it again"
        ) from error
    except ValueError as error:
        raise InputError(f"{path}: not a readable GGUF file ({error}); export or download it again") from error
    if present < header.expected_bytes:
        raise InputError(
            f"{path}: truncated: {present / 1e6:.2f} MB present, {header.expected_bytes / 1e6:.2f} MB expected; "
            "export or download it again"
        )
    return header


class _Cursor:
    """A place in the file's bytes that moves on with each value read; past the end it raises EOFError."""

    def __init__(self, data: mmap.mmap) -> None:
        self.data, self.size, self.at = data, len(data), 0

    def take(self, size: int) -> bytes:
        start, self.at = self.at, self.at + size
        if self.at > self.size:
            raise EOFError
        return self.data[start : self.at]

    def unpack(self, layout: str) -> tuple[Any, ...]:
        try:
            size = struct.calcsize(f"<{layout}")
        except (struct.error, OverflowError) as error:
            raise ValueError("a length in its header is absurd") from error
        return struct.unpack(f"<{layout}", self.take(size))

    def string(self) -> str:
        return self.take(int.from_bytes(self.take(8), "little")).decode("utf-8", "replace")

    def value(self, kind: int) -> Any:
        if kind == _STRING:
            return self.string()
        if kind == _ARRAY:
            item, count = self.unpack("IQ")
            if item in _SCALARS:
                return list(self.unpack(f"{count}{_SCALARS[item]}"))
            return [self.value(item) for _ in range(count)]
        if kind not in _SCALARS:
            raise ValueError(f"value type {kind} in its header")
        return self.unpack(_SCALARS[kind])[0]


def _read_header(cursor: _Cursor) -> GgufHeader:
    if cursor.take(4) != MAGIC:
        raise ValueError("it does not begin with GGUF")
    version, tensor_count, key_count = cursor.unpack("IQQ")
    if version not in VERSIONS:
        raise ValueError(f"version {version}, known are {VERSIONS}")
    metadata = {}
    for _ in range(key_count):
        key = cursor.string()
        metadata[key] = cursor.value(cursor.unpack("I")[0])
    tensors, end = {}, 0
    for _ in range(tensor_count):
        name = cursor.string()
        shape = cursor.unpack(f"{cursor.unpack('I')[0]}Q")
        kind, offset = cursor.unpack("IQ")
        tensors[name] = (shape, kind)
        end = max(end, offset + _tensor_bytes(shape, kind))
    alignment = int(metadata.get("general.alignment", 32)) or 32
    data_start = -(-cursor.at // alignment) * alignment
    return GgufHeader(version, metadata, tensors, data_start + end)


def _tensor_bytes(shape: Sequence[int], kind: int) -> int:
    try:
        block, size = GGML_QUANT_SIZES[GGMLQuantizationType(kind)]
    except ValueError:
        return 0  # a type newer than our table: its length is llama.cpp's to judge
    return int(math.prod(shape) // block * size)


def _special_tokens(header: GgufHeader) -> list[str]:
    tokens: list[str] = header.metadata.get("tokenizer.ggml.tokens", [])
    types: list[int] = header.metadata.get("tokenizer.ggml.token_type", [])
    return [token for token, kind in zip(tokens, types, strict=False) if kind in (CONTROL, USER_DEFINED)]


class LlamaCppEngine:
    """A GGUF file that answers greedily on the CPU.

    One slot only: on 2 cores, answers over a shared 600-token prompt took 15.6 s with one slot, 17.1 with two and
    26.9 with four (each slot computes the prefix for itself), and batched arithmetic flips near-ties, so that only one
    slot gives the same answers on every run. Calls from several threads wait for one another.

    `exact` keeps the attention cache in float32 and turns fused attention off. Log-probabilities of SmolLM2-135M in
    float32 then agree with torch to 2e-4 instead of 2e-3: it tells an error of conversion from ordinary rounding.
    """

    def __init__(self, path: Path, *, threads: int | None = None, context: int = 4096, exact: bool = False) -> None:
        header = check_gguf(path)
        self.uri = str(path)
        self.template = template_for(_special_tokens(header)).name
        architecture = header.metadata.get("general.architecture")
        self.context = min(context, int(header.metadata.get(f"{architecture}.context_length", context)))
        self._vocabulary = len(header.metadata["tokenizer.ggml.tokens"])
        self._stop = int(header.metadata.get("tokenizer.ggml.eos_token_id", 0))
        self._key = secrets.token_hex(16)  # the server listens on loopback; no other program may use it
        self._server: Any = _start_server(Path(path), threads or _cores(), self.context, self._key, exact)

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
        # verbose and return_tokens: the ids, to score again the tokens that _reported says are missing
        reply = self._complete(prompt, max_tokens, grammar=grammar, logprobs=1, verbose=True, return_tokens=True)
        seconds = time.perf_counter() - start
        choice, count = reply["choices"][0], reply["usage"]["completion_tokens"]
        scores = [float(token["logprob"]) for token in _reported(reply)]
        if len(scores) < count:
            scores = self._scores(prompt, reply["__verbose"]["tokens"])
        return Generation(choice["text"], count, choice["finish_reason"] == "stop", sum(scores), seconds)

    def stream(self, prompt: str, *, max_tokens: int = 128, grammar: str | None = None) -> Iterator[str]:
        """Yield the answer in pieces, whole characters only. Closing the iterator stops the generation."""
        request = self._request(self.tokenize(prompt), max_tokens, grammar=grammar, stream=True)
        server = self._running()
        pieces: queue.Queue[dict[str, Any] | None] = queue.Queue()
        closed = threading.Event()

        def on_piece(piece: dict[str, Any]) -> bool:
            pieces.put(piece)
            return closed.is_set()  # True tells llama.cpp to stop

        def work() -> None:
            try:
                server.handle_completions(request, on_piece)
            finally:
                pieces.put(None)  # else the reader would wait forever

        with ThreadPoolExecutor(1) as pool:
            done = pool.submit(work)
            try:
                while (piece := pieces.get()) is not None:
                    if text := self._checked(piece)["choices"][0]["text"]:
                        yield text
            finally:
                closed.set()
            done.result()

    def logprobs(self, prompt: str, completion: str) -> list[float]:
        """Natural-log probability of each token of `completion` after `prompt`; the two are tokenized apart.

        llama.cpp's server scores only tokens it generates. So each token is forced by a logit bias; what the server
        reports comes from the logits before the bias. The cached prompt makes this one decoding step a token.
        (A grammar of tokens would need one request for all, but ends the process at a stop token.)
        """
        return self._scores(self.tokenize(prompt), self.tokenize(completion))

    def _scores(self, prompt: list[int], completion: list[int]) -> list[float]:
        return [self._score(prompt + completion[:place], token) for place, token in enumerate(completion)]

    def _score(self, context: list[int], token: int) -> float:
        forced = _reported(self._complete(context, 1, logprobs=1, logit_bias=[[token, FORCE]]))
        if forced:
            return float(forced[0]["logprob"])
        # It ends inside a character: force the stop token, which is always reported, and find ours among the others.
        # Few first: the whole vocabulary takes a second.
        for many in (64, self._vocabulary):
            reply = self._complete(context, 1, logprobs=many, logit_bias=[[self._stop, FORCE]])
            for other in _reported(reply)[0]["top_logprobs"]:
                if other["id"] == token:
                    return float(other["logprob"])
        raise InputError(f"{self.uri}: llama.cpp gives no probability to token {token}")

    def tokenize(self, text: str) -> list[int]:
        """llama.cpp's own token ids of `text`: special tokens recognised, nothing added in front or behind."""
        body = {"content": text, "add_special": False, "parse_special": True}
        # http.client and not urllib: a proxy set in the environment must never see loopback requests
        address = self._running().listening_address.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=60)
        try:
            headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}"}
            connection.request("POST", "/tokenize", json.dumps(body), headers)
            return cast(list[int], self._checked(json.load(connection.getresponse()))["tokens"])
        finally:
            connection.close()

    def close(self) -> None:
        """Stop the server and free the model. A second call does nothing."""
        self._server = None

    def _running(self) -> Any:
        if self._server is None:
            raise InputError(f"{self.uri}: this engine was closed; open it again")
        return self._server

    def _complete(self, tokens: list[int], max_tokens: int, **more: Any) -> dict[str, Any]:
        return self._checked(self._running().handle_completions(self._request(tokens, max_tokens, **more)))

    def _request(self, tokens: list[int], max_tokens: int, **more: Any) -> dict[str, Any]:
        if max_tokens < 1:
            raise InputError(f"max_tokens is {max_tokens}; at least 1 is needed")  # llama.cpp would generate one anyway
        greedy = {"temperature": 0, "top_k": 1, "cache_prompt": True}
        # ids, not text: given text, llama.cpp adds a begin token where the file asks for one
        request = {"prompt": tokens, "max_tokens": max_tokens, **greedy, **more}
        return {key: value for key, value in request.items() if value is not None}

    def _checked(self, reply: dict[str, Any]) -> dict[str, Any]:
        if error := reply.get("error"):
            raise InputError(f"{self.uri}: llama.cpp refused the request: {error.get('message', error)}")
        return reply


def _reported(reply: dict[str, Any]) -> list[dict[str, Any]]:
    """Tokens with their log-probabilities. llama.cpp leaves out each token that ends inside a multi-byte character."""
    logprobs = reply["choices"][0]["logprobs"]
    return cast(list[dict[str, Any]], logprobs["content"]) if logprobs else []


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _start_server(path: Path, threads: int, context: int, key: str, exact: bool) -> Any:
    try:
        import xllamacpp  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise EnvironmentLacks("llama.cpp is not installed; run: pip install xllamacpp") from error
    params = xllamacpp.CommonParams()
    params.verbosity = -1  # nothing on the user's terminal
    params.model.path = str(path)
    params.n_ctx, params.n_parallel = context, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = threads
    params.n_threads_http = 1
    params.api_keys = [key]
    params.ui = params.endpoint_slots = params.fit_params = False
    params.cache_ram_mib, params.cache_idle_slots = 0, False  # else finished prompts pile up to 8 GB
    if exact:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    try:
        return xllamacpp.Server(params)
    except Exception as error:
        raise InputError(f"{path}: llama.cpp cannot load this file ({error}); export or download it again") from error
