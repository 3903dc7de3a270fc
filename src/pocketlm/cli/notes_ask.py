"""`pocketlm notes ask|summarize|rows`: answers and summaries of one's notes with their places, and rows that tune who writes them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.cli.notes_common import DB, Db, Encoder, Folder, Password, Since, Tag, Until, opened
from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.notes.ask import Answer, Citation
    from pocketlm.notes.query import Filters
    from pocketlm.notes.summaries import Summary

SHOWN = 120  # characters of a place that comes near
Generator = Annotated[str, typer.Option(help="The engine that writes: a run, starter:NAME, a .gguf file and so on; none: only quote.")]  # fmt: skip
Generate = Annotated[bool, typer.Option(help="Write an answer where a model can; otherwise show the quotations alone.")]


def ask(
    question: Annotated[str, typer.Argument(help="A question in whole words.")],
    db: Db = DB,
    since: Since = "",
    until: Until = "",
    tag: Tag = [],  # noqa: B006
    folder: Folder = "",
    generate: Generate = True,
    generator: Generator = "",
    encoder: Encoder = "",
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Answer a question from the notes, with citations; or say that it is not in them, and what comes nearest.

    What a model writes is shown only where its every number, date and name stands in a cited place; otherwise the places are.
    """
    be_quiet(as_json)
    from pocketlm.notes.ask import Answer, stream_answer

    with opened(db, password, encoder, generator) as book:
        shown = ""
        for piece in stream_answer(book, question, filters=_filters(since, until, tag, folder), generate=generate):
            if isinstance(piece, Answer):
                output(as_json, piece.to_json(), _told(piece, shown))
            elif sys.stdout.isatty() and not as_json:
                print(piece, end="", flush=True)
                shown += piece


def summarize(
    note: Annotated[str, typer.Argument(help="A note's number, key or title; or choose by period or topic.")] = "",
    db: Db = DB,
    since: Since = "",
    until: Until = "",
    topic: Annotated[str, typer.Option(help="What the notes say about this.")] = "",
    tag: Tag = [],  # noqa: B006
    folder: Folder = "",
    sentences: Annotated[int, typer.Option(help="At most so many.", min=1, max=20)] = 2,
    generate: Generate = True,
    generator: Generator = "",
    encoder: Encoder = "",
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Summarise a note, a period (--since, --until) or a topic (--topic) in a sentence or two, each with its place."""
    be_quiet(as_json)
    from pocketlm.notes.summaries import summarize as of_notes
    from pocketlm.notes.summaries import summarize_period, summarize_topic

    filters = _filters(since, until, tag, folder)
    if bool(note) + bool(topic or filters) != 1:
        raise InputError("name one thing to summarise: a note, a period (--since, --until) or a topic (--topic)")
    if (tag or folder) and not topic:
        raise InputError("--tag and --folder go with --topic, which finds the notes to summarise")
    with opened(db, password, encoder, generator) as book:
        if note:
            made = of_notes(book, [book.store.find(note)], generate=generate, count=sentences)
        elif topic:
            made = summarize_topic(book, topic, filters=filters, generate=generate, count=sentences)
        else:
            made = summarize_period(book, since, until, generate=generate, count=sentences)
        output(as_json, made.to_json(), _summary(made))


def rows(
    generated: Annotated[
        Path, typer.Argument(help="The folder that `pocketlm data generate --make questions,summary` wrote to.")
    ] = Path("data/generated"),
    out: Annotated[Path, typer.Option(help="The file of rows.")] = Path("data/raw/own.jsonl"),
    seed: Annotated[int, typer.Option(help="Of the choice of quotations beside the right one.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Rows that tune the generator, from questions and summaries that a teacher made of your notes; see docs/notes-models.md."""
    be_quiet(as_json)
    from pocketlm.core.files import write_jsonl
    from pocketlm.data.generate import rows_of
    from pocketlm.notes.rows import writer_rows

    files = [generated / "instruct" / f"{kind}.jsonl" for kind in ("questions", "summary")]
    found = [row for file in files if file.is_file() for row in rows_of(file)]
    made = list(writer_rows(found, seed))
    if not made:
        raise InputError(
            f"{generated}: no answer or summary there passes the check; make some with `pocketlm data generate NOTES --make"
            " questions,summary`"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    write_jsonl(out, made)
    told = {"rows": len(made), "from": len(found), "file": str(out)}
    output(as_json, told, f"{out}: {len(made)} rows for the generator, from {len(found)} of the teacher's")


def _told(answer: Answer, shown: str) -> str:
    """An answer as text, behind what was shown of it while it was written."""
    if answer.refused:
        return _refusal(answer)
    lines = []
    if shown:
        lines.append("")  # behind the last piece
    if shown and (answer.unsupported or not answer.checked):
        lines += ["", _replaced(answer), ""]
    return "\n".join([*lines, answer.text, "", *_sources(answer.citations, quote=answer.checked)])


def _refusal(made: Answer | Summary) -> str:
    from pocketlm.notes.note import on_one_line

    head = made.text + (" Nearest:" if made.nearest else "")
    near = [f"  {_source(hit.note.name, hit.note.date)}: {on_one_line(hit.text, SHOWN)}" for hit in made.nearest]
    return "\n".join([head, *near])


def _replaced(answer: Answer) -> str:
    wrong = ", ".join(f'"{claim}"' for claim in answer.unsupported[:3])
    why = f"{wrong} does not stand in the notes" if wrong else "that does not answer from the notes"
    return f"({why}; what does stand there:)"


def _summary(made: Summary) -> str:
    if made.refused:
        return _refusal(made)
    of = "" if made.notes == 1 else f" ({made.notes} notes)"
    how = "written and checked" if made.checked else "the notes' own words"
    return "\n".join([made.text, "", *_sources(made.citations, quote=made.checked), f"{how}{of}"])


def _sources(citations: tuple[Citation, ...], quote: bool) -> list[str]:
    lines = []
    for number, citation in enumerate(citations, 1):
        line = f"[{number}] {_source(citation.note.name, citation.note.date)}, characters {citation.span.start}-{citation.span.stop}"
        lines.append(f"{line}: “{' '.join(citation.text.split())}”" if quote else line)
    return lines


def _source(name: str, date: str) -> str:
    return f"{name}, {date[:10]}" if date and date[:10] != name else name


def _filters(since: str, until: str, tags: list[str], folder: str) -> Filters | None:
    from pocketlm.notes.query import Filters, day_span

    for day in filter(None, (since, until)):
        day_span(day)  # refuses what is no date
    return Filters(since=since, until=until, tags=tuple(tags), folder=folder) or None
