"""Teachers behind a network, each through its maker's own library: Anthropic, OpenAI and what speaks like it, Google.

The libraries' own retries are off: whoever asks counts the money of every try. Requests go to the host that `host_of` names
and nowhere else: redirects are not followed, and no proxy stands between us and a server of this machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.extras import need
from pocketlm.engines.teacher import Busy, Lost, Refused, Reply
from pocketlm.tasks.template import Message

TIMEOUT_S = 120.0
NOT_CHARGED = {409, 425, 429, 500, 503, 529}  # the maker says so; 408, 502, 504 come from in between, which cannot know
FOR_ALL = {401, 402, 403, 404, 405}  # no request will fare better
NO_CREDIT = re.compile("insufficient_quota|credit balance", re.IGNORECASE)
NO_KEY = "none"  # what a server is told where no key is given for it
OWN_KEY = "TEACHER_API_KEY"  # of a server given by its address: a maker's key is never sent to another
SERVERS = {
    "anthropic": ("ANTHROPIC_BASE_URL", "https://api.anthropic.com"),
    "google": ("GOOGLE_GEMINI_BASE_URL", "https://generativelanguage.googleapis.com"),
    "openai": ("OPENAI_BASE_URL", "https://api.openai.com/v1"),
}


def server_of(uri: str) -> str:
    """The address a teacher's requests go to, known from its name alone; empty for an engine of this machine."""
    scheme = uri.partition(":")[0]
    if scheme in ("http", "https"):
        return uri.partition("#")[0]
    variable, usual = SERVERS.get(scheme, ("", ""))
    return os.environ.get(variable) or usual


def host_of(uri: str) -> str:
    """The host, with its port, of `server_of`."""
    return urlsplit(server_of(uri)).netloc


class _Remote:
    """What the three have in common: a model at a host, and errors told apart by their HTTP status."""

    def __init__(self, uri: str, server: str, timeout_s: float) -> None:
        self.uri = uri
        self.host = urlsplit(server).netloc
        self.timeout_s = timeout_s

    def _transport(self) -> dict[str, Any]:
        """How the library's HTTP client is to behave."""
        return {"follow_redirects": False, "trust_env": not is_loopback(self.host)}

    def close(self) -> None:
        """Connections close with the process."""

    @contextmanager
    def _told_apart(self, library: Any) -> Iterator[None]:
        """Turn a library's errors into ours; both OpenAI's and Anthropic's share their names."""
        try:
            yield
        except library.APIStatusError as error:
            raise self._by_status(error.status_code, f"{error.message}", error.response.headers, error.body) from None
        except library.APITimeoutError:
            raise Lost(f"no answer from {self.host} within {self.timeout_s:g} s") from None
        except library.APIConnectionError as error:
            raise _by_cause(error, self.host) from None
        except (
            library.APIResponseValidationError,
            ValueError,
            KeyError,
            TypeError,
            AttributeError,
            IndexError,
        ) as error:
            raise Lost(f"{self.host} answered what cannot be read ({type(error).__name__}: {error!s:.120})") from None

    def _by_status(self, status: int, message: str, headers: Mapping[str, str], body: Any) -> Exception:
        refused = f"{self.uri}: {self.host} refused with {status}: {message:.200}"
        if NO_CREDIT.search(f"{message} {body}"):
            return InputError(f"{refused}; its account has no credit left")
        if status in NOT_CHARGED:
            return Busy(f"{self.host} answered {status}: {message:.120}", _retry_after(headers))
        if status == 408 or status >= 500:
            return Lost(f"{self.host} answered {status}: {message:.120}", _retry_after(headers))
        if status < 400:
            to = headers.get("location", "elsewhere")
            return InputError(
                f"{self.uri}: {self.host} sends us on to {to}, where nothing was agreed to; name that address"
            )
        if status in FOR_ALL:
            hint = {404: "check the model's name", 405: "check the address"}.get(status, "check its API key")
            return InputError(f"{refused}; {hint}")
        return Refused(refused)


class OpenAITeacher(_Remote):
    """OpenAI's models, and any server that speaks its chat completions."""

    def __init__(self, uri: str, model: str, timeout_s: float = TIMEOUT_S) -> None:
        """`uri`: `openai:MODEL`, or the address of another server."""
        super().__init__(uri, server_of(uri), timeout_s)
        self._library = need("openai", "this teacher", "teachers")
        self._own = uri.startswith("openai:")  # its newer models refuse a temperature and the older name of the limit
        key = os.environ.get("OPENAI_API_KEY") if self._own else os.environ.get(OWN_KEY) or NO_KEY
        if not key:
            raise EnvironmentLacks(f"{uri}: needs your key in the environment variable OPENAI_API_KEY")
        self._client = self._library.OpenAI(
            api_key=key,
            base_url=server_of(uri),
            max_retries=0,
            timeout=timeout_s,
            http_client=self._library.DefaultHttpxClient(timeout=timeout_s, **self._transport()),
        )
        self.model = model

    def chat(self, messages: Sequence[Message], *, max_tokens: int, temperature: float, seed: int, key: str) -> Reply:
        """See `Teacher`."""
        limits: dict[str, Any] = {"max_completion_tokens": max_tokens}
        if not self._own:
            limits = {"max_tokens": max_tokens, "temperature": temperature, "seed": seed}
        with self._told_apart(self._library):
            found = self._client.chat.completions.create(
                model=self.model,
                messages=[{"role": message.role, "content": message.content} for message in messages],
                extra_headers={"Idempotency-Key": key},
                **limits,
            )
            choice, usage = found.choices[0], found.usage
            read, written = (usage.prompt_tokens, usage.completion_tokens) if usage else (None, None)
            return Reply(_text(choice.message.content), read, written, choice.finish_reason == "stop")


class AnthropicTeacher(_Remote):
    """Anthropic's models."""

    def __init__(self, uri: str, model: str, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(uri, server_of(uri), timeout_s)
        self._library = need("anthropic", "this teacher", "teachers")
        if not os.environ.get("ANTHROPIC_API_KEY"):
            raise EnvironmentLacks(f"{uri}: needs your key in the environment variable ANTHROPIC_API_KEY")
        self._client = self._library.Anthropic(
            api_key=os.environ["ANTHROPIC_API_KEY"],
            base_url=server_of(uri),
            max_retries=0,
            timeout=timeout_s,
            open_telemetry=False,
            http_client=self._library.DefaultHttpxClient(timeout=timeout_s, **self._transport()),
        )
        self.model = model

    def chat(self, messages: Sequence[Message], *, max_tokens: int, temperature: float, seed: int, key: str) -> Reply:
        """See `Teacher`. Its library takes no temperature and no seed."""
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        with self._told_apart(self._library):
            found = self._client.messages.create(
                model=self.model,
                max_tokens=max_tokens,
                messages=[{"role": m.role, "content": m.content} for m in messages if m.role != "system"],
                extra_headers={"Idempotency-Key": key},
                **({"system": system} if system else {}),
            )
            text = "".join(block.text for block in found.content if block.type == "text")
            usage = found.usage
            return Reply(_text(text), usage.input_tokens, usage.output_tokens, found.stop_reason == "end_turn")


class GoogleTeacher(_Remote):
    """Google's models."""

    def __init__(self, uri: str, model: str, timeout_s: float = TIMEOUT_S) -> None:
        super().__init__(uri, server_of(uri), timeout_s)
        self._genai = need("google.genai", "this teacher", "teachers", "google-genai")
        key = os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")
        if not key:
            raise EnvironmentLacks(f"{uri}: needs your key in the environment variable GOOGLE_API_KEY")
        types = self._genai.types
        options = types.HttpOptions(
            base_url=server_of(uri),
            timeout=int(1000 * timeout_s),
            retry_options=types.HttpRetryOptions(attempts=1),
            client_args=self._transport(),
        )
        self._client = self._genai.Client(api_key=key, http_options=options, vertexai=False)
        self.model = model

    def chat(self, messages: Sequence[Message], *, max_tokens: int, temperature: float, seed: int, key: str) -> Reply:
        """See `Teacher`."""
        types = self._genai.types
        system = "\n\n".join(message.content for message in messages if message.role == "system")
        turns = [
            types.Content(role={"assistant": "model"}.get(m.role, m.role), parts=[types.Part(text=m.content)])
            for m in messages
            if m.role != "system"
        ]
        config = types.GenerateContentConfig(
            system_instruction=system or None, max_output_tokens=max_tokens, temperature=temperature, seed=seed
        )
        try:
            found = self._client.models.generate_content(model=self.model, contents=turns, config=config)
            usage = found.usage_metadata
            written = (usage.candidates_token_count or 0) + (usage.thoughts_token_count or 0)
            if not found.candidates and found.prompt_feedback:  # it was read, and will not be answered
                return Reply("", usage.prompt_token_count, written, True)
            ended = str(found.candidates[0].finish_reason).endswith("STOP")
            return Reply(_text(found.text), usage.prompt_token_count, written, ended)
        except self._genai.errors.APIError as error:
            headers = getattr(error.response, "headers", {}) or {}
            raise self._by_status(int(error.code), str(error.message), headers, error.details) from None
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise Lost(f"{self.host} answered what cannot be read ({type(error).__name__}: {error!s:.120})") from None
        except Exception as error:  # the transports' own errors: the library passes on those of httpx and requests
            if "timeout" in type(error).__name__.lower():
                raise Lost(f"no answer from {self.host} within {self.timeout_s:g} s") from None
            raise _by_cause(error, self.host) from None


def _text(value: Any) -> str:
    """A model that only thought until its limit, or declined, sends no text: an answer all the same, and paid for."""
    if not isinstance(value, str | None):
        raise TypeError("the answer holds no text")
    return value or ""


def _by_cause(error: BaseException, host: str) -> Exception:
    """A connection that was never made cost nothing; one that broke may have."""
    cause: BaseException | None = error
    while cause is not None:
        if "connecterror" in type(cause).__name__.lower() or isinstance(cause, ConnectionRefusedError):
            return Busy(f"{host} cannot be reached ({cause!s:.80})")
        cause = cause.__cause__ or cause.__context__
    return Lost(f"the connection to {host} broke ({type(error).__name__}: {error!s:.80})")


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait, as RFC 9110 writes them: a number, or a date."""
    value = headers.get("retry-after") or headers.get("Retry-After")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    from datetime import datetime, timezone
    from email.utils import parsedate_to_datetime

    try:
        return max(0.0, (parsedate_to_datetime(value) - datetime.now(timezone.utc)).total_seconds())
    except (ValueError, TypeError):
        return None


def is_loopback(host: str) -> bool:
    """Whether a host, with its port, is this machine."""
    import ipaddress

    name = (urlsplit(f"//{host}").hostname or "").lower()
    try:
        return name == "localhost" or ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


OPENERS: dict[str, Callable[[str, str], Any]] = {
    "anthropic": AnthropicTeacher,
    "openai": OpenAITeacher,
    "google": GoogleTeacher,
}
