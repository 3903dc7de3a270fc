"""The process that times an engine: started, followed and ended by latency.py.

Its orders come as one line of JSON on standard input. News go to standard output, a JSON value a line:
{"done": answers}, and at the end {"found": ...}, {"wrong": sentence} or {"lacks": sentence}.
"""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import psutil

from pocketlm.core.energy import energy_meter
from pocketlm.core.errors import EnvironmentLacks, PocketError
from pocketlm.core.machine import memory_used
from pocketlm.engines.base import Engine, Tick, grammar_of
from pocketlm.evaluate.latency import FEW, LONG, UNCACHED, WARM_UPS, Job

Timed = tuple[int, float, float, str]  # which prompt, ms to the first text, ms to the end, the text


def measure(job: Job, tick: Tick) -> dict[str, Any]:
    """Everything of a Latency that is measured here. The order matters: what comes first is cold, and batches come last."""
    before = memory_used()
    opening_ms, engine = _open(job)
    many = range(len(job.prompts))
    try:
        (first,) = _each(engine, job, [0], tick)
        _each(engine, job, [i % len(many) for i in range(-WARM_UPS, 0)], tick)
        joules = energy_meter()
        warm = _each(engine, job, [*many] * job.repeats, tick)
        used = joules() / len(warm) if joules else None
        uncached = _each(engine, job, _spread(len(many), UNCACHED), tick, lambda i: _forget(engine, job.prompts[i]))
        memory = _memory(before)
        counts, cut = _counted(engine, job, {i for i, *_ in [first, *warm, *uncached]}, tick)
        lengths = [_length(engine, prompt) for prompt in job.prompts]
    finally:
        engine.close()
    return {
        "opening_ms": opening_ms,
        "first": _answer(first, counts),
        "warm": [_answer(timed, counts) for timed in warm],
        "uncached": [_answer(timed, counts) for timed in uncached],
        "cut": cut,
        "prompt_tokens": statistics.median(lengths),
        "memory_mb": memory / 1e6,
        "size_mb": _weights(job.uri) / 1e6,
        "joules": used,
    }


def _open(job: Job) -> tuple[float, Engine]:
    began = time.perf_counter()
    from pocketlm.engines.open import open_engine  # in here: what it imports is part of a cold start

    engine = open_engine(job.uri, threads=job.threads)
    return _ms(began), engine


def _ms(began: float) -> float:
    return round(1000 * (time.perf_counter() - began), 3)


def _each(
    engine: Engine, job: Job, order: Iterable[int], tick: Tick, before: Callable[[int], None] = lambda i: None
) -> list[Timed]:
    """Answers to prompts, one after the other; `before` each something may be done that is not timed."""
    found: list[Timed] = []
    began = time.perf_counter()
    for i in order:
        if len(found) >= FEW and time.perf_counter() - began > LONG:
            break
        before(i)
        found.append(_timed(engine, job, i))
        tick(1)
    return found


def _timed(engine: Engine, job: Job, i: int) -> Timed:
    first_ms: float | None = None
    pieces: list[str] = []
    began = time.perf_counter()
    for piece in engine.stream(job.prompts[i], max_tokens=job.max_tokens, grammar=grammar_of(job.grammars, i)):
        first_ms = _ms(began) if first_ms is None else first_ms
        pieces.append(piece)
    whole_ms = _ms(began)
    return i, whole_ms if first_ms is None else first_ms, whole_ms, "".join(pieces)


def _spread(count: int, most: int) -> list[int]:
    """At most so many of the prompts, evenly from first to last."""
    few = min(count, most)
    return [i * count // few for i in range(few)]


def _forget(engine: Engine, prompt: str) -> None:
    """Ask what has no first token in common with the prompt: an engine that keeps the last prompt then keeps nothing of it."""
    if not hasattr(engine, "tokenize"):
        return  # a classifier keeps nothing
    opening = engine.tokenize(prompt)[:1]
    engine.generate([next(text for text in ("0", "a") if engine.tokenize(text)[:1] != opening)], max_tokens=1)


def _length(engine: Engine, prompt: str) -> int:
    """Tokens; of a classifier, which may have none, words."""
    return len(engine.tokenize(prompt) if hasattr(engine, "tokenize") else prompt.split())


def _counted(engine: Engine, job: Job, asked: set[int], tick: Tick) -> tuple[dict[int, tuple[str, int]], int]:
    """The answer to each prompt that was timed again, with its number of tokens, and how many were cut at the limit."""
    order = sorted(asked)
    grammars = None if job.grammars is None else [str(grammar_of(job.grammars, i)) for i in order]
    answers = engine.generate([job.prompts[i] for i in order], max_tokens=job.max_tokens, grammar=grammars, tick=tick)
    counts = {i: (answer.text, answer.tokens) for i, answer in zip(order, answers, strict=True)}
    return counts, sum(not answer.stopped for answer in answers)


def _answer(timed: Timed, counts: dict[int, tuple[str, int]]) -> dict[str, Any]:
    """A latency.Answer in plain values. Rounding in a batch can turn an answer: then its tokens are not the counted ones."""
    i, first_ms, whole_ms, text = timed
    again, tokens = counts[i]
    same = text.rstrip("\ufffd") == again.rstrip("\ufffd")  # of a character cut in half one shows the half
    return {"first_ms": first_ms, "whole_ms": whole_ms, "tokens": tokens if same else None}


def _memory(before: int) -> int:
    """Bytes at the peak: of this process above what it held before, and of the engine's own above Python alone."""
    own = psutil.Process()
    others = own.children(recursive=True)
    python = _python_alone() if others else 0
    return max(0, _peak(own) - before) + sum(max(0, _peak(other) - python) for other in others)


def _peak(process: psutil.Process) -> int:
    """The most bytes a process has held; where the system does not tell (macOS), what it holds now.

    Not getrusage: its peak of a process is never below what the parent held when it started it.
    """
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) * 1024
    memory = process.memory_info()
    return int(getattr(memory, "peak_wset", memory.rss))


def _python_alone() -> int:
    """Bytes an interpreter holds that does nothing."""
    command = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout
        process.stdout.readline()
        return int(psutil.Process(process.pid).memory_info().rss)


def _weights(uri: str) -> int:
    """Bytes of the exported file or of the weights in the model's folder."""
    from pocketlm.engines.open import engine_path, files_of

    place = engine_path(uri)
    if place.is_file():
        return sum(file.stat().st_size for file in files_of(place))
    kinds = (sorted(place.glob(f"*.{kind}")) for kind in ("safetensors", "bin"))
    return sum(file.stat().st_size for file in next((files for files in kinds if files), []))


def _end_with_parent() -> None:
    """Whoever ordered this is gone when our input ends: then nobody waits for the result."""
    while os.read(0, 1024):  # not sys.stdin: Python could not end while it is being read
        pass
    os._exit(1)


def main() -> None:
    """Read the orders, do them, tell."""
    job = Job(**json.loads(sys.stdin.readline()))
    threading.Thread(target=_end_with_parent, daemon=True).start()
    news = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed must not mix with the news

    def tell(kind: str, what: Any) -> None:
        news.write(json.dumps({kind: what}) + "\n")
        news.flush()

    try:
        tell("found", measure(job, lambda count: tell("done", count)))
    except PocketError as error:
        tell("lacks" if isinstance(error, EnvironmentLacks) else "wrong", str(error))


if __name__ == "__main__":
    main()
