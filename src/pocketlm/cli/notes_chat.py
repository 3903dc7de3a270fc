"""`pocketlm notes chat|reminders|mcp`: a conversation over notes, what it is to remind of, and a server for other assistants."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pocketlm.cli.common import Json, be_quiet, output, task_for
from pocketlm.cli.notes_common import DB, Db, Encoder, Password, opened, other_than
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.notes.assistant import Assistant
    from pocketlm.notes.router import Router

LEAVING = ("bye", "exit", "quit")
Generator = Annotated[str, typer.Option(help="The engine that writes answers and summaries; none: only quote.")]


def chat(
    request: Annotated[
        str | None, typer.Argument(help="One request; without it, requests are read line by line.")
    ] = None,
    db: Db = DB,
    engine: Annotated[
        str,
        typer.Option(help="A function-calling model trained on the sample project notes_assistant; without it, rules."),
    ] = "",
    generator: Generator = "",
    yes: Annotated[
        bool, typer.Option("--yes", help="Say yes to what is asked before a note, a tag or a reminder is made.")
    ] = False,
    history: Annotated[Path | None, typer.Option(help="Keep the requests in this file, for the arrow keys.")] = None,
    password: Password = "",
    encoder: Encoder = "",
    as_json: Json = False,
) -> None:
    """Talk with your notes: search, ask, summarise, timelines, facts, tags, new notes and reminders.

    One request waits for what you say to a question of its own; "bye", "exit" or "quit" ends a conversation.
    """
    be_quiet(as_json)
    other_than(db, history)
    from pocketlm.core.progress import say
    from pocketlm.notes.assistant import Assistant

    with opened(db, password, encoder, generator) as book, _router(engine) as router:
        if router is None:
            say(
                "no trained model (--engine): requests are understood by a few patterns, all others are asked as questions"
            )
        assistant = Assistant(book, router)
        is_one = request is not None
        lines = chain([] if request is None else [request], _typed(history, greet=not is_one))
        for line in _turns(assistant, lines, is_one, yes):
            try:
                _answer(assistant, line, as_json)
            except KeyboardInterrupt:
                if is_one or not sys.stdin.isatty():
                    raise
                print("\n(stopped)")


def reminders(
    db: Db = DB,
    due: Annotated[bool, typer.Option("--due", help="Only those that are due by now.")] = False,
    done: Annotated[int | None, typer.Option(help="Mark the reminder of this number as done first.")] = None,
    ics: Annotated[Path | None, typer.Option(help="Write them as a calendar to this file.")] = None,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Show the reminders that were set in the chat; mark them as done, or hand them to a calendar."""
    be_quiet(as_json)
    other_than(db, ics)
    from pocketlm.core.files import atomic_path
    from pocketlm.notes import reminders as kept
    from pocketlm.notes.abilities import say_reminder

    with opened(db, password) as book:
        if done is not None:
            kept.finish(book, done)
        found = kept.reminders(book, datetime.now() if due else None)
    if ics:
        with atomic_path(ics) as aside:
            aside.write_bytes(kept.to_ics(found))
    rows = [{"id": r.id, "due": r.due.isoformat(), "text": r.text, "note": r.note} for r in found]
    text = "\n".join(map(say_reminder, found)) or "There are no reminders."
    output(as_json, {"reminders": rows}, text + (f"\nwritten to {ics}" if ics else ""))


def mcp(
    db: Db = DB,
    allow_writing: Annotated[
        bool, typer.Option("--allow-writing", help="Let the other assistant create notes.")
    ] = False,
    generator: Generator = "",
    password: Password = "",
    encoder: Encoder = "",
) -> None:
    """Serve the notes to other assistants: Model Context Protocol on standard input and output."""
    from pocketlm.notes.mcp_server import make_server

    be_quiet(True)  # standard output belongs to the protocol
    with opened(db, password, encoder, generator) as book:
        make_server(book, allow_writing=allow_writing).run()


@contextmanager
def _router(engine: str) -> Iterator[Router | None]:
    """The model that understands requests; None where none is given."""
    if not engine:
        yield None
        return
    from pocketlm.engines.open import open_engine
    from pocketlm.notes.router import ModelRouter

    task = task_for(engine, None, None)
    opened = open_engine(engine)
    try:
        yield ModelRouter(opened, task)
    finally:
        opened.close()


def _answer(assistant: Assistant, request: str, as_json: bool) -> None:
    """One turn; for scripts a line of JSON."""
    if as_json:
        print(json.dumps({"request": request, **assistant.say(request).to_json()}, ensure_ascii=False), flush=True)
        return
    draft = Draft(sys.stdout)
    reply = assistant.say(request, draft.add)
    draft.clear()
    print(reply.text, flush=True)


class Draft:
    """Text that appears as it is written, on a terminal only, and goes when the checked answer is there."""

    def __init__(self, out: Any) -> None:
        self._out, self._text = out, ""

    def add(self, piece: str) -> None:
        """Show a piece, on one line."""
        if self._out.isatty():
            before, self._text = self._text, (self._text + piece).replace("\n", " ")
            self._out.write(self._text[len(before) :])
            self._out.flush()

    def clear(self) -> None:
        """Take it away."""
        if self._text:
            from shutil import get_terminal_size

            lines = (len(self._text) - 1) // get_terminal_size().columns
            self._out.write("\r" + "\x1b[A" * lines + "\x1b[J")


def _turns(assistant: Assistant, lines: Iterator[str], is_one: bool, yes: bool) -> Iterator[str]:
    """What is said, line by line: of one request no more than it asks back; with `yes` what is asked is confirmed."""
    for line in lines:
        if line.strip().lower().rstrip(".!") in LEAVING:
            return
        yield line
        while yes and assistant.pending and not assistant.pending.missing:
            yield "yes"
        if is_one and not assistant.pending:
            return
    if is_one and assistant.pending:
        raise InputError("the question was not answered, so nothing was made; answer on the next line, or add --yes")


def _typed(history: Path | None, *, greet: bool) -> Iterator[str]:
    """Lines that are typed or piped in; kept where the user asked for it."""
    if not sys.stdin.isatty():
        yield from _kept((line.strip() for line in sys.stdin), history)
        return
    if greet:
        print("Ask, or say what to do; bye or Ctrl-D ends.", file=sys.stderr)
    yield from _kept(_prompted(history), history)


def _prompted(history: Path | None) -> Iterator[str]:
    try:
        import readline  # the arrow keys; Windows has none
    except ImportError:
        pass
    else:
        for line in history.read_text(encoding="utf-8").splitlines() if history and history.is_file() else []:
            readline.add_history(line)
    while True:
        try:
            yield input("> ").strip()
        except EOFError:
            return
        except KeyboardInterrupt:
            print()


def _kept(lines: Iterator[str], history: Path | None) -> Iterator[str]:
    for line in filter(None, lines):
        if history:
            with history.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
        yield line
