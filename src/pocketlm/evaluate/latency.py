"""What an answer costs: time to its first text and to its end, a cold start, memory, file size, energy.

The numbers and what they are held against. How they are measured is in latency_process.py, how they are shown in
latency_page.py.
"""

from __future__ import annotations

import contextlib
import difflib
import json
import math
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import IO, Any

from pocketlm.core import machine
from pocketlm.core.errors import EnvironmentLacks, InputError, PocketError
from pocketlm.core.progress import progress
from pocketlm.engines.base import Grammars

COMMAND = (sys.executable, "-m", "pocketlm.evaluate.latency_process")
ENOUGH = 100  # answers from which on p99 is more than the slowest one
WARM_UPS = 3  # answers after the first one that are not counted
UNCACHED = 20  # answers timed with nothing of their prompt kept: each may take seconds
LONG = 60.0  # seconds after which no more answers are timed, once there are FEW: slow engines are told of in minutes
FEW = 30
BUSY = 0.15  # share of the processors; a machine at rest uses less

# name -> what it says in a sentence
METRICS = {
    "p50_ms": "p50 of an answer",
    "p95_ms": "p95 of an answer",
    "p99_ms": "p99 of an answer",
    "call_ms": "the longest of {answers} answers",
    "first_token_ms": "p50 of the time to the first text",
    "token_ms": "the average time of each further token",
    "cold_ms": "a cold start, to the first text,",
    "memory_mb": "the peak of memory",
    "size_mb": "the size of the weights",
    "wh_per_1000": "the energy of 1,000 answers",
}
TARGETS: Mapping[str, float] = MappingProxyType({"p95_ms": 200, "call_ms": 300})


@dataclass(frozen=True)
class Answer:
    """One answer, timed once, as it streamed.

    Attributes:
        first_ms: from the request to the first text; where there was no text, to the end.
        whole_ms: from the request to the end of the answer.
        tokens: generated tokens, the stop token included; None where they could not be counted.
    """

    first_ms: float
    whole_ms: float
    tokens: int | None


@dataclass(frozen=True)
class Latency:
    """What an engine costs in use, one answer at a time.

    Attributes:
        threads: processor threads the engine was given.
        busy: share of the processors that others used just before, 0..1.
        constrained: whether answers were held to grammars.
        opening_ms: from nothing to an engine that can be asked, the import of its libraries included.
        first: the very first answer.
        warm: later answers, the engine's own prompt cache at work: what a running app sees.
        uncached: answers whose prompts had to be computed from their first token on.
        cut: prompts whose answer was cut at max_tokens.
        different: different prompts among those asked.
        prompt_tokens: median length of the prompts.
        memory_mb: peak of all processes of the engine, above Python alone (10^6 bytes).
        size_mb: the GGUF file, or the weights in the model's folder (10^6 bytes).
        watts: power the machine is taken to draw.
        joules: of one warm answer, where the processor's counters could be read; else None.
    """

    engine: str
    machine: str
    threads: int
    busy: float
    max_tokens: int
    constrained: bool
    opening_ms: float
    first: Answer
    warm: tuple[Answer, ...]
    uncached: tuple[Answer, ...]
    cut: int
    different: int
    prompt_tokens: float
    memory_mb: float
    size_mb: float
    watts: float
    joules: float | None

    @property
    def metrics(self) -> dict[str, float]:
        """The names that gates and targets use.

        "token_ms" is the time after the first text over the tokens after the first one, all answers together: a little
        too short where the first text held several. It is missing where no answer had two tokens.
        """
        whole = [answer.whole_ms for answer in self.warm]
        found = {f"p{q}_ms": percentile(whole, q) for q in (50, 95, 99)}
        found["call_ms"] = max(whole)
        found["first_token_ms"] = percentile([answer.first_ms for answer in self.warm], 50)
        later = [(a.whole_ms - a.first_ms, a.tokens - 1) for a in self.warm if a.tokens and a.tokens > 1]
        if later:
            found["token_ms"] = sum(ms for ms, _ in later) / sum(tokens for _, tokens in later)
        found["cold_ms"] = self.opening_ms + self.first.first_ms
        found |= {"memory_mb": self.memory_mb, "size_mb": self.size_mb}
        joules = self.watts * sum(whole) / len(whole) / 1000 if self.joules is None else self.joules
        found["wh_per_1000"] = 1000 * joules / 3600
        return found

    @property
    def warnings(self) -> list[str]:
        """What a reader of the numbers should know."""
        count = len(self.warm)
        uncounted = sum(answer.tokens is None for answer in self.warm)
        said = {
            f"p99 of {count} answers is only the slowest few; ask {ENOUGH} or more": count < ENOUGH,
            "the same prompt again and again: an engine that keeps prompts had nothing to compute": self.different == 1,
            f"answers to {self.cut} prompts were cut at {self.max_tokens} tokens": self.cut > 0,
            f"the tokens of {uncounted} answers could not be counted": uncounted > 0,
            f"other programs kept {self.busy:.0%} of the processors busy: alone it answers faster": self.busy > BUSY,
        }
        return [sentence for sentence, holds in said.items() if holds]

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file, the metrics among them."""
        return {**asdict(self), "metrics": self.metrics, "warnings": self.warnings}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Latency:
        """The inverse of `to_json`."""
        plain = {name: value[name] for name in cls.__dataclass_fields__}
        warm, uncached = (tuple(Answer(**answer) for answer in value[name]) for name in ("warm", "uncached"))
        return cls(**{**plain, "first": Answer(**value["first"]), "warm": warm, "uncached": uncached})


@dataclass(frozen=True)
class Job:
    """What the measuring process is asked to do."""

    uri: str
    prompts: list[str]
    grammars: Grammars
    threads: int
    max_tokens: int
    repeats: int

    @property
    def steps(self) -> int:
        """Answers in all: the first, warm-ups, warm ones, ones without a cache, and ones to count tokens."""
        return 1 + WARM_UPS + len(self.prompts) * (self.repeats + 1) + min(UNCACHED, len(self.prompts))


def percentile(values: Sequence[float], q: int) -> float:
    """The smallest of the values that `q` percent of them do not exceed: a value that did occur (the nearest rank)."""
    return sorted(values)[max(1, -(-q * len(values) // 100)) - 1]


def measure_latency(
    uri: str,
    prompts: Sequence[str],
    *,
    grammars: Grammars = None,
    threads: int | None = None,
    max_tokens: int = 128,
    repeats: int = 1,
    watts: float = 45.0,
) -> Latency:
    """Time an engine's answers, one after the other as an app asks, in a process of its own.

    Each answer is streamed and timed once: its first text and its end come from the same request. A stream tells no tokens
    (a piece of it may hold several, and the stop token shows none), so after the timing all prompts are answered again,
    untimed, by `generate`, which counts; an answer that `generate` gives otherwise is left out of the time per token.

    Where answers take long, fewer are asked for: none more after a minute, once there are 30.

    The prompts are asked in rounds, so that what an engine keeps of the prompt before is what an app's requests have in
    common (the tools, the instructions). The cold start begins with the import of the engine's libraries; the system may
    still have the file in memory from an earlier use.

    Args:
        grammars: GBNF text for all prompts, or one for each.
        threads: processor threads; by default all processors this process may run on.
        repeats: rounds over the prompts.
        watts: power of the machine, for the energy where the processor's own counters cannot be read.

    Raises:
        InputError: no prompts, nothing at `uri`, or the engine refuses a prompt. EnvironmentLacks: a package or memory is missing.
    """
    job = _job(uri, prompts, grammars, threads, max_tokens, repeats)
    busy = round(machine.busy(), 3)
    with progress(f"Timing {uri}", job.steps) as tick:
        found = _run_apart(job, tick)
    about = {"engine": uri, "machine": machine.describe(), "threads": job.threads, "busy": busy, "watts": watts}
    asked = {"max_tokens": max_tokens, "constrained": bool(grammars), "different": len(set(prompts))}
    return Latency.from_json({**about, **asked, **found})


def _job(
    uri: str, prompts: Sequence[str], grammars: Grammars, threads: int | None, max_tokens: int, repeats: int
) -> Job:
    if not prompts:
        raise InputError(f"{uri}: no prompts to time; give at least one row")
    for name, value in (("threads", threads), ("max_tokens", max_tokens), ("repeats", repeats)):
        if value is not None and value < 1:
            raise InputError(f"{name} is {value}; at least 1 is needed")
    if not isinstance(grammars, str | None) and len(grammars) != len(prompts):
        raise InputError(f"{len(grammars)} grammars for {len(prompts)} prompts: give one for all, or one for each")
    return Job(uri, list(prompts), grammars, threads or machine.cores(), max_tokens, repeats)


def verdicts(latency: Latency, targets: Mapping[str, float] = TARGETS) -> list[tuple[str, bool, str]]:
    """Whether each metric stays under its target: (metric, passed, a sentence).

    Raises:
        InputError: a target for a metric there is not.
    """
    said, found = [], latency.metrics
    for name, target in targets.items():
        if name not in METRICS:
            raise InputError(f"no target is named {nearest(name, METRICS)}")
        words = METRICS[name].format(answers=f"{len(latency.warm):,}")
        value = found.get(name, math.nan)
        passed = value < target
        if math.isnan(value):
            end = "was not measured: no answer had two tokens"
        else:
            threads = f"{latency.threads} thread{'s' if latency.threads != 1 else ''}"
            side = "under" if passed else "over" if value > target else "and not under"
            end = f"is {amount(name, value)} with {threads}, {side} the target of {amount(name, target)}"
        said.append((name, passed, f"{words} {end}"))
    return said


def amount(name: str, value: float) -> str:
    """A metric's value with its unit, as people read it: "143.2 ms", "1,204 MB"."""
    unit = {"ms": "ms", "mb": "MB"}.get(name.rpartition("_")[2], "Wh" if name.startswith("wh_") else "")
    number = f"{value:,.0f}" if value >= 1000 else f"{round(value, 1):g}" if value >= 10 else f"{value:.3g}"
    return f"{number} {unit}".strip()


def nearest(name: str, known: Collection[str]) -> str:
    """A name there is not, with the one that was probably meant, else all there are."""
    near = difflib.get_close_matches(name, known, n=1)
    return f'"{name}"; ' + (f'did you mean "{near[0]}"?' if near else f"there are {', '.join(known)}")


def _run_apart(job: Job, tick: Callable[..., None]) -> dict[str, Any]:
    """Start the measuring process, follow it, and leave nothing of it running."""
    with tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            COMMAND, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=complaints, text=True,
            start_new_session=True,
        )  # fmt: skip
        # a session of its own: Ctrl-C reaches us, and we end it; it ends its llama.cpp by closing that one's input
        assert process.stdin and process.stdout
        try:
            return _follow(process.stdin, process.stdout, job, tick)
        except (EOFError, BrokenPipeError, json.JSONDecodeError):
            code = process.wait()
            complaints.seek(0)
            raise _died(job.uri, code, complaints.read().decode(errors="replace")) from None
        finally:
            process.kill()
            process.wait()
            for pipe in (process.stdin, process.stdout):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()


def _follow(orders: IO[str], news: IO[str], job: Job, tick: Callable[..., None]) -> dict[str, Any]:
    """Hand the job over and wait for what is found; the orders stay open, for their end is the process's."""
    orders.write(json.dumps(asdict(job)) + "\n")
    orders.flush()
    for line in news:
        said: dict[str, Any] = json.loads(line)
        if "found" in said:
            found: dict[str, Any] = said["found"]
            return found
        if "lacks" in said:
            raise EnvironmentLacks(said["lacks"])
        if "wrong" in said:
            raise InputError(said["wrong"])
        tick(said["done"])
    raise EOFError


def _died(uri: str, code: int, complaints: str) -> PocketError:
    """One sentence for a process that ended before it told anything."""
    start = f"{uri}: the process that timed it ended early"
    if code < 0 and -code == signal.SIGKILL:
        return EnvironmentLacks(f"{start}: the system killed it, mostly for want of memory; close other programs")
    if code < 0:
        return EnvironmentLacks(f"{start}, by signal {signal.Signals(-code).name}; see whether `pocketlm run` answers")
    lines = [line.strip() for line in complaints.splitlines() if line.strip()]
    return InputError(f"{start} ({lines[-1] if lines else f'exit code {code}'}); see whether `pocketlm run` answers")
