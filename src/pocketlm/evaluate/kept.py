"""A local engine whose answers are on the disk as they come: an evaluation that was killed goes on from there."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pocketlm.core.files import disk_errors, dump_compact, sha256_value
from pocketlm.engines.base import Generation, Grammars, Ids, Odds, Tick, grammar_of

PART = 128  # answers asked for at once: what a kill can lose


class Kept:
    """An engine and the file of its answers, a line each; everything else is the engine's own.

    Args:
        path: the file; its first line says what it is of, and one of something else is begun anew.
        key: of all that decides an answer besides the prompt.
    """

    def __init__(self, engine: Any, path: Path, key: str) -> None:
        self._engine, self._path = engine, path
        self._known: dict[Hashable, Any] = {}
        self.seconds_before = 0.0  # what the answers cost that were there already
        if not self._load(key):
            path.unlink(missing_ok=True)
            self._append([{"of": key}])

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """See `engines.base.Engine`."""
        keys = [sha256_value([prompt, max_tokens, grammar_of(grammar, i)]) for i, prompt in enumerate(prompts)]

        def ask(rows: Sequence[int]) -> list[dict[str, Any]]:
            grammars = None if grammar is None else [str(grammar_of(grammar, i)) for i in rows]
            found = self._engine.generate(
                [prompts[i] for i in rows], max_tokens=max_tokens, grammar=grammars, tick=tick
            )
            return [asdict(answer) for answer in found]

        order = sorted(range(len(prompts)), key=lambda i: len(prompts[i]))  # rows of like length are answered together
        return [_generation(value) for value in self._answers(keys, order, ask, tick)]

    def odds(self, pairs: Sequence[tuple[Ids, Ids]], *, top: int = 0, tick: Tick | None = None) -> list[list[Odds]]:
        """See `engines.base.Engine`."""
        keys = [sha256_value([list(prompt), list(completion), top]) for prompt, completion in pairs]

        def ask(rows: Sequence[int]) -> list[list[Any]]:
            found = self._engine.odds([pairs[i] for i in rows], top=top, tick=tick)
            return [[[one.id, one.logprob, one.top] for one in row] for row in found]

        values = self._answers(keys, range(len(pairs)), ask, tick)
        return [[Odds(id, logprob, tuple(map(tuple, best))) for id, logprob, best in row] for row in values]

    def _answers(
        self, keys: Sequence[str], order: Sequence[int], ask: Callable[[Sequence[int]], list[Any]], tick: Tick | None
    ) -> list[Any]:
        """The value of each key, asked for once where it is not known, the rows of a part together."""
        missing = list({keys[i]: i for i in order if keys[i] not in self._known}.values())
        if tick and len(missing) < len(keys):
            tick(len(keys) - len(missing))
        for at in range(0, len(missing), PART):
            part = missing[at : at + PART]
            values = ask(part)
            self._append([{"key": keys[i], "value": value} for i, value in zip(part, values, strict=True)])
            self._known |= {keys[i]: value for i, value in zip(part, values, strict=True)}
        return [self._known[key] for key in keys]

    def _append(self, records: Sequence[dict[str, Any]]) -> None:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with disk_errors(self._path), self._path.open("ab") as file:
            file.write(b"".join(dump_compact(record).encode() + b"\n" for record in records))
            file.flush()
            os.fsync(file.fileno())

    def _load(self, key: str) -> bool:
        """Read what is there; False where that is of something else. A torn last line, which only a kill leaves, is cut off."""
        if not self._path.is_file():
            return False
        data = self._path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self._path, len(whole))
        records = list(_records(whole))
        if not records or records[0].get("of") != key:
            return False
        for record in records[1:]:
            self._known[record["key"]] = record["value"]
            self.seconds_before += record["value"].get("seconds", 0.0) if isinstance(record["value"], dict) else 0.0
        return True


def _records(lines: bytes) -> Iterator[dict[str, Any]]:
    """The records up to the first that cannot be read."""
    for line in lines.splitlines():
        try:
            record = json.loads(line)
        except ValueError:
            return
        yield record


def _generation(value: dict[str, Any]) -> Generation:
    return Generation(**{**value, **{name: tuple(value[name]) for name in ("logprobs", "ends", "ids")}})
