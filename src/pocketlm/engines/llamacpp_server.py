"""llama.cpp's server in a process of its own, and how to talk to it.

A process of its own for two reasons. Beside torch it runs at less than half its speed: both use libgomp, and where its threads
outnumber the processors libgomp no longer spins at llama.cpp's barriers (31 against 70 tok/s on 2 cores). And llama.cpp
answers some damaged files by ending the process, which is then not ours.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pocketlm.core.errors import EnvironmentLacks, InputError


@dataclass(frozen=True)
class ServerSettings:
    """How a file is to be opened.

    Attributes:
        context: tokens of prompt and answer together.
        key: what every request must show; the server listens on loopback, and no other program may use it.
        exact: attention cache in float32, fused attention off.
        pooling: "mean", "cls" or "last" of a text's tokens becomes its vector; empty: the file writes text.
        adapters: files of adapters to load, none of them in force; a request names those that are, by their places here.
    """

    path: str
    threads: int
    context: int
    exact: bool
    key: str
    pooling: str
    adapters: Sequence[str] = ()


class LlamaCppServer:
    """A running server with one slot. Ends with `close`, or with our process however that ends.

    Raises:
        EnvironmentLacks: xllamacpp is not installed. InputError: llama.cpp cannot load the file.
    """

    def __init__(
        self, path: Path, threads: int, context: int, exact: bool, pooling: str = "", adapters: Sequence[Path] = ()
    ) -> None:
        if find_spec("xllamacpp") is None:
            raise EnvironmentLacks("llama.cpp is not installed; run: pip install xllamacpp")
        self._path = path
        self._key = secrets.token_hex(16)
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
            start_new_session=True, text=True,
        )  # fmt: skip
        # a session of its own, so that Ctrl-C reaches us and not the server
        assert self._process.stdin and self._process.stdout
        settings = ServerSettings(str(path), threads, context, exact, self._key, pooling, [*map(str, adapters)])
        self._process.stdin.write(json.dumps(asdict(settings)))
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        started = json.loads(self._process.stdout.readline() or "{}")
        if "address" not in started:
            self.close()
            why = started.get("error", "it ended the process")
            which = "this file, or an adapter," if adapters else "this file"
            raise InputError(f"{path}: llama.cpp cannot load {which} ({why}); export or download it again")
        self._address = str(started["address"]).removeprefix("http://")

    def post(self, endpoint: str, body: dict[str, Any]) -> dict[str, Any]:
        """The reply to one request.

        Raises:
            InputError: the request was refused, or the server ended over it.
        """
        with self._send(endpoint, body) as reply:
            return self._checked(json.load(reply))

    def stream(self, endpoint: str, body: dict[str, Any]) -> Generator[dict[str, Any], None, None]:
        """The reply piece by piece (server-sent events); closing the iterator stops the server's work.

        Raises:
            InputError: as `post`.
        """
        with self._send(endpoint, {**body, "stream": True}) as reply:
            if reply.status != http.client.OK:
                self._checked(json.load(reply))
            for line in reply:
                name, _, value = line.decode().strip().partition(": ")
                if name == "error":
                    self._checked({"error": json.loads(value)})
                if name == "data" and value != "[DONE]":
                    yield self._checked(json.loads(value))

    def close(self) -> None:
        """Stop the process. A second call does nothing."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe:
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()

    @contextlib.contextmanager
    def _send(self, endpoint: str, body: dict[str, Any]) -> Iterator[http.client.HTTPResponse]:
        # http.client and not urllib: a proxy set in the environment must never see loopback requests
        connection = http.client.HTTPConnection(self._address)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._key}", "Connection": "close"}
        try:
            connection.request("POST", endpoint, json.dumps(body), headers)
            yield connection.getresponse()
        except (ConnectionError, http.client.HTTPException) as error:
            raise InputError(
                f"{self._path}: llama.cpp ended over a request ({error or type(error).__name__})"
            ) from error
        finally:
            connection.close()

    def _checked(self, reply: dict[str, Any]) -> dict[str, Any]:
        if error := reply.get("error"):
            raise InputError(f"{self._path}: llama.cpp refused the request: {error.get('message', error)}")
        return reply


def _start(settings: ServerSettings) -> Any:
    import xllamacpp  # type: ignore[import-untyped, unused-ignore]

    params = xllamacpp.CommonParams()
    params.verbosity = -1
    params.model.path = settings.path
    params.n_ctx, params.n_parallel = settings.context, 1
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings.threads
    params.n_threads_http = 2  # a stream holds one
    params.api_keys = [settings.key]
    params.ui = params.endpoint_slots = params.fit_params = False
    params.cache_ram_mib, params.cache_idle_slots = 0, False  # else finished prompts pile up to 8 GB
    params.use_jinja = True
    params.lora_adapters = [xllamacpp.CommonAdapterLoraInfo(file, 0.0) for file in settings.adapters]
    params.lora_init_without_apply = True
    if settings.exact:
        params.cache_type_k = params.cache_type_v = xllamacpp.ggml_type.GGML_TYPE_F32
        params.flash_attn_type = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
    if settings.pooling:
        params.embedding = True
        params.pooling_type = getattr(xllamacpp.llama_pooling_type, f"LLAMA_POOLING_TYPE_{settings.pooling.upper()}")
        params.n_batch = params.n_ubatch = settings.context  # an encoder must see the whole text at once
    return xllamacpp.Server(params)


def main() -> None:
    """The child: settings in on standard input, the address out, then wait until the parent closes the pipe."""
    try:
        server = _start(ServerSettings(**json.loads(sys.stdin.readline())))
    except Exception as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return
    print(json.dumps({"address": server.listening_address}), flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
