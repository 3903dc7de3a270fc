"""Teachers behind a network, each through its maker's own library: Anthropic, OpenAI and what speaks like it, Google.

The libraries' own retries are off: whoever asks counts the money of every try. Server addresses are those that the
libraries read from their environment variables.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.extras import need
from pocketlm.engines.teacher import Busy, Lost, Reply
from pocketlm.tasks.template import Message

TIMEOUT_S = 120.0
NOT_CHARGED = {408, 409, 425, 429, 500, 502, 503, 504, 529}
NO_KEY = "none"  # what servers on this machine are told


class _Remote:
    """What the three have in common: a model at a host, and errors told apart by their HTTP status."""

    def __init__(self, uri: str, host: str, timeout_s: float) -> None:
        self.uri = uri
        self.host = host
        self.timeout_s = timeout_s

    def close(self) -> None:
        """Connections close with the process."""

    @contextmanager
    def _told_apart(self, library: Any) -> Iterator[None]:
        """Turn a library's errors into ours; both OpenAI's and Anthropic's share their names."""
        try:
            yield
        except library.APIStatusError as error:
            raise self._by_status(error.status_code, str(error.message), error.response.headers) from None
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

    def _by_status(self, status: int, message: str, headers: Mapping[str, str]) -> Exception:
        if status in NOT_CHARGED or status >= 500:
            return Busy(f"{self.host} answered {status}: {message:.120}", _retry_after(headers))
        hint = {401: "check its API key", 403: "check its API key", 404: "check the model's name"}.get(status, "")
        return InputError(
            f"{self.uri}: {self.host} refused with {status}: {message:.200}" + (f"; {hint}" if hint else "")
        )


class OpenAITeacher(_Remote):
    """OpenAI's models, and any server that speaks its chat completions."""

    def __init__(self, uri: str, model: str, base_url: str | None = None, timeout_s: float = TIMEOUT_S) -> None:
        """`base_url`: of another server; without one OpenAI's, or OPENAI_BASE_URL."""
        self._library = need("openai", "this teacher", "teachers")
        self._own = base_url is None  # newer models of OpenAI's refuse a temperature and the older name of the limit
        key = os.environ.get("OPENAI_API_KEY") or (NO_KEY if base_url else "")
        if not key:
            raise EnvironmentLacks(f"{uri}: needs your key in the environment variable OPENAI_API_KEY")
        self._client = self._library.OpenAI(api_key=key, base_url=base_url, max_retries=0, timeout=timeout_s)
        self.model = model
        super().__init__(uri, _host(str(self._client.base_url)), timeout_s)

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
            return Reply(
                _text(choice.message.content),
                usage.prompt_tokens,
                usage.completion_tokens,
                choice.finish_reason == "stop",
            )


class AnthropicTeacher(_Remote):
    """Anthropic's models."""

    def __init__(self, uri: str, model: str, timeout_s: float = TIMEOUT_S) -> None:
        self._library = need("anthropic", "this teacher", "teachers")
        if not os.environ.get("ANTHROPIC_API_KEY"):
            raise EnvironmentLacks(f"{uri}: needs your key in the environment variable ANTHROPIC_API_KEY")
        self._client = self._library.Anthropic(max_retries=0, timeout=timeout_s, open_telemetry=False)
        self.model = model
        super().__init__(uri, _host(str(self._client.base_url)), timeout_s)

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
        self._genai = need("google.genai", "this teacher", "teachers", "google-genai")
        key = os.environ.get("GOOGLE_API_KEY") or os.environ.get("GEMINI_API_KEY")
        if not key:
            raise EnvironmentLacks(f"{uri}: needs your key in the environment variable GOOGLE_API_KEY")
        base = os.environ.get("GOOGLE_GEMINI_BASE_URL") or "https://generativelanguage.googleapis.com"
        types = self._genai.types
        options = types.HttpOptions(
            base_url=base, timeout=int(1000 * timeout_s), retry_options=types.HttpRetryOptions(attempts=1)
        )
        self._client = self._genai.Client(api_key=key, http_options=options)
        self.model = model
        super().__init__(uri, _host(base), timeout_s)

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
            ended = str(found.candidates[0].finish_reason).endswith("STOP")
            return Reply(_text(found.text), usage.prompt_token_count, written, ended)
        except self._genai.errors.APIError as error:
            headers = getattr(error.response, "headers", {}) or {}
            raise self._by_status(int(error.code), str(error.message), headers) from None
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            raise Lost(f"{self.host} answered what cannot be read ({type(error).__name__}: {error!s:.120})") from None
        except Exception as error:  # the transports' own errors: the library passes on those of httpx and requests
            if "timeout" in type(error).__name__.lower():
                raise Lost(f"no answer from {self.host} within {self.timeout_s:g} s") from None
            raise _by_cause(error, self.host) from None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("the answer holds no text")
    return value


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


def _host(url: str) -> str:
    return urlsplit(url).netloc


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
