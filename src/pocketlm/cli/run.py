"""`pocketlm run`: one answer, or a conversation of single requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from pocketlm.cli.common import Json, be_quiet, home_of, made_for, makes_vectors, output, task_for
from pocketlm.core.errors import InputError

SHOWN = 5  # labels with their probabilities


def run(
    engine: Annotated[
        str, typer.Argument(help="runs/NAME, an exported file or its folder, starter:NAME, hf:NAME or a model folder.")
    ],
    request: Annotated[
        str | None, typer.Argument(help="The request; without it, requests are read line by line.")
    ] = None,
    tools: Annotated[Path | None, typer.Option(help="tools.json, where the engine has none of its own.")] = None,
    constrain: Annotated[bool, typer.Option(help="Allow only outputs that fit the schemas.")] = True,
    max_tokens: Annotated[int, typer.Option(help="Longest answer.", min=1)] = 128,
    as_json: Json = False,
) -> None:
    """Turn a request into function calls; with a classifier, sort a text under its labels; with a model of free text, answer."""
    be_quiet(as_json)
    from pocketlm.engines.classifier import is_classifier
    from pocketlm.engines.open import open_engine
    from pocketlm.tasks.call import CallRow
    from pocketlm.tasks.template import TEMPLATES, Message

    if is_classifier(home_of(engine)):
        _sort(engine, request, as_json)
        return
    if tools is None and made_for(engine) == "instruct":
        _write(engine, request, max_tokens, as_json)
        return
    if makes_vectors(engine):
        raise InputError(
            f"{engine}: makes vectors and answers nothing; `pocketlm eval {engine} ROWS` scores them, open_embedder of "
            "pocketlm.engines.embedder gives them to your code"
        )
    task = task_for(engine, tools, None)
    subject = open_engine(engine)
    template = TEMPLATES[subject.template]

    def answer(text: str) -> None:
        row = CallRow((Message("user", text),), ())
        prompt, grammar = task.prompt(row, template), task.grammar(template, row) if constrain else None
        if as_json:
            written = subject.generate([prompt], max_tokens=max_tokens, grammar=grammar)[0]
            try:
                calls = [call.to_json() for call in task.parse(written.text, template)]
            except ValueError as error:
                raise InputError(
                    f"the answer was cut or is not JSON; raise --max-tokens {max_tokens} ({written.text!r})"
                ) from error
            output(
                True,
                {"request": text, "calls": calls, **_confidence(engine, written, task.spans(written.text, template))},
                "",
            )
            return
        for piece in subject.stream(prompt, max_tokens=max_tokens, grammar=grammar):
            print(piece, end="", flush=True)
        print()

    try:
        for text in _requests(request):
            answer(text)
    finally:
        subject.close()


def _requests(request: str | None) -> Iterator[str]:
    """The one request, or those that are typed or piped in."""
    if request is not None:
        yield request
        return
    if sys.stdin.isatty():
        print("One request a line; Ctrl-D ends.", file=sys.stderr)
    yield from (line.strip() for line in sys.stdin if line.strip())


def _write(engine: str, request: str | None, max_tokens: int, as_json: bool) -> None:
    """Free text."""
    from pocketlm.engines.open import open_engine
    from pocketlm.tasks.template import TEMPLATES, Message

    subject = open_engine(engine)
    try:
        for text in _requests(request):
            prompt, written = TEMPLATES[subject.template].render([Message("user", text)]), ""
            for piece in subject.stream(prompt, max_tokens=max_tokens):
                written += piece
                print("" if as_json else piece, end="", flush=True)
            output(as_json, {"request": text, "text": written}, "")
    finally:
        subject.close()


def _sort(engine: str, request: str | None, as_json: bool) -> None:
    """Texts under labels: the answer with its probability, then the next likely ones."""
    from pocketlm.engines.open import open_engine

    subject: Any = open_engine(engine)
    try:
        for text in _requests(request):
            (found,) = subject.predict([text])
            odds = dict(list(found.probabilities.items())[:SHOWN])
            value = {"text": text, "labels": list(found.labels), "probability": round(found.probability, 4)}
            value["probabilities"] = {label: round(p, 4) for label, p in odds.items()}
            if as_json:
                value |= _confidence(engine, subject.generate([text])[0], {})
            others = ", ".join(f"{label} {p:.1%}" for label, p in odds.items() if label not in found.labels)
            answer = f"{', '.join(found.labels) or '(no label)'}  {found.probability:.1%}"
            output(as_json, value, f"{answer}\n  next: {others}" if others else answer)
    finally:
        subject.close()


def _confidence(engine: str, answer: Any, spans: Mapping[str, Any]) -> dict[str, Any]:
    """How likely the answer is right and what to do with it, where the engine's confidence was calibrated."""
    from pocketlm.evaluate.calibrate import calibration_of
    from pocketlm.evaluate.confidence import signals

    calibration = calibration_of(engine)
    if calibration is None:
        return {}
    told = signals(answer, spans)
    found: dict[str, Any] = {"confidence": round(calibration.chance(told), 4)}
    # without a threshold nothing was promised, so nothing is decided
    return found if calibration.threshold is None else {**found, "decision": calibration.decide(told)}
