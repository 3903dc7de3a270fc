"""`pocketlm explain`: look inside one answer."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, has_tools, home_of, makes_vectors, output, run_of, task_for
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.tasks.call import Call, CallTask


def explain(
    engine: Annotated[
        str, typer.Argument(help="runs/NAME, an exported file or its folder, starter:NAME, hf:NAME or a model folder.")
    ],
    text: Annotated[str, typer.Argument(help="The request to answer and explain.")],
    top: Annotated[int, typer.Option(help="How many of the likeliest tokens at each place.", min=1, max=50)] = 5,
    html: Annotated[Path | None, typer.Option(help="Write it as a web page, attention heads as pictures.")] = None,
    attention: Annotated[bool, typer.Option(help="Print what each token of the answer looked at.")] = False,
    head: Annotated[str, typer.Option(help="Show this attention head, LAYER.HEAD from 0.0; default: an average.")] = "",
    expected: Annotated[
        str,
        typer.Option(
            help="The right calls as JSON (without functions: the right text); default: of the run's test row."
        ),
    ] = "",
    raw: Annotated[bool, typer.Option(help="Take the text as it is: no template, no functions.")] = False,
    whole: Annotated[bool, typer.Option(help="Tell of the system block's tokens too.")] = False,
    tools: Annotated[Path | None, typer.Option(help="tools.json, where the engine has none of its own.")] = None,
    constrain: Annotated[bool, typer.Option(help="Allow only outputs that fit the schemas.")] = True,
    max_tokens: Annotated[int, typer.Option(help="Longest answer.", min=1)] = 60,
    threads: Annotated[int | None, typer.Option(help="Threads for llama.cpp.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Show an answer's tokens, what else might have stood at each place, attention, and where each argument came from."""
    be_quiet(as_json)
    from rich.console import Console

    from pocketlm.core.files import write_text
    from pocketlm.engines.classifier import is_classifier
    from pocketlm.engines.open import open_engine
    from pocketlm.evaluate.explain import explain as look_inside
    from pocketlm.evaluate.explain_page import render_page
    from pocketlm.evaluate.explain_text import render_text

    if html and html.is_dir():
        raise InputError(f"--html {html}: is a folder; name a file, such as {html / 'explain.html'}")
    if is_classifier(home_of(engine)):
        raise InputError(
            f"{engine}: a classifier writes nothing to look into; `pocketlm run {engine} TEXT` tells its odds"
        )
    if makes_vectors(engine):
        raise InputError(
            f"{engine}: an embedder writes nothing to look into; `pocketlm eval {engine}` tells what it finds"
        )
    task = _task(engine, tools, raw)
    wanted = _calls(expected, task) if expected and task else expected or _from_test_rows(engine, text, task)
    place = _head(head)
    subject = open_engine(engine, threads=threads)
    try:
        told = look_inside(
            subject, text, task=task, raw=raw, constrain=constrain, expected=wanted, max_tokens=max_tokens, top=top,
            whole=whole, head=place,
        )  # fmt: skip
    finally:
        subject.close()
    if html:
        write_text(html, render_page(told))
    if as_json:
        output(True, {**told.to_json(), "html": str(html) if html else None}, "")
        return
    Console(highlight=False).print(render_text(told, attention=attention or bool(head)), soft_wrap=True)
    if html:
        print(f"Page: {html}")


def _task(engine: str, tools: Path | None, raw: bool) -> CallTask | None:
    """The engine's task, None where it has none: then the text is a plain request."""
    if raw and tools:
        raise InputError(f"--raw takes the text as it is, without functions; leave out --tools {tools}, or --raw")
    if raw or not (tools or has_tools(engine)):
        return None
    return task_for(engine, tools, None)


def _calls(expected: str, task: CallTask) -> list[Call]:
    """The calls of --expected.

    Raises:
        InputError: not JSON of calls, or calls that do not fit the tools.
    """
    from pocketlm.tasks.call import parse_calls

    try:
        calls = parse_calls(expected)
    except (ValueError, RecursionError) as error:
        example = '[{"name": "set_alarm", "arguments": {"time": "7 am"}}]'
        raise InputError(f"--expected: not JSON of calls ({error}); write it like '{example}'") from error
    problems = [problem for call in calls for problem in task.tools.check_call(call)]
    if problems:
        raise InputError(f"--expected: {problems[0]}")
    return calls


def _from_test_rows(engine: str, text: str, task: CallTask | None) -> Sequence[Call] | None:
    """The calls of the run's test row with this text; a bundle lies two folders down in its run."""
    from pocketlm.data.load import load_call_rows

    run = run_of(engine)
    if task is None or not all((run / "data" / name).is_file() for name in ("manifest.json", "test.jsonl")):
        return None
    return next((row.calls for row in load_call_rows(run, task.tools) if row.to_json().get("text") == text), None)


def _head(head: str) -> tuple[int, int] | None:
    if head and not re.fullmatch(r"\d+\.\d+", head):
        raise InputError(f"--head {head}: write LAYER.HEAD, both counted from 0, such as --head 12.3")
    layer, _, number = head.partition(".")
    return (int(layer), int(number)) if head else None
