"""How sure an engine was of an answer, from the probabilities of its tokens. One number a row; calibrate.py makes it honest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pocketlm.engines.base import Generation

Span = tuple[int, int]


def signals(answer: Generation, spans: Mapping[str, Sequence[Span]]) -> dict[str, float]:
    """Natural-log probabilities: of the whole "answer", of the functions' names ("name"), of its least certain token
    ("token") and of its least certain argument ("weakest"). Empty where the engine tells none.

    `spans`: places in the answer's text, as `Task.spans` finds them.
    """
    if not answer.logprobs:
        return {}
    found = {"answer": sum(answer.logprobs), "token": min(answer.logprobs)}
    starts = (0, *answer.ends[:-1])

    def within(span: Span) -> float:
        places = zip(starts, answer.ends, answer.logprobs, strict=True)
        return sum(logprob for start, end, logprob in places if start < span[1] and end > span[0])

    if spans.get("name"):
        found["name"] = sum(map(within, spans["name"]))
    if spans.get("values"):
        found["weakest"] = min(map(within, spans["values"]))
    return {name: round(value, 5) for name, value in found.items()}
