"""A server of the Model Context Protocol over a notes file: other assistants search it, read it and cite it.

Specification: modelcontextprotocol.io; transport: standard input and output. Reading only, unless writing is allowed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import wraps
from typing import Annotated, Any

from pydantic import Field
from typing_extensions import TypedDict  # pydantic takes that of typing from Python 3.12 on

from pocketlm import __version__
from pocketlm.core.errors import PocketError
from pocketlm.core.extras import need
from pocketlm.notes.ask import Citation, ask
from pocketlm.notes.notebook import Notebook

NAME = "pocketlm-notes"
INSTRUCTIONS = (
    "The user's own notes, on this device. Every result cites places: a note's number and key, its date, the characters start to"
    " stop (half open) of its content, and the words that stand there. Cite them. Where ask_notes refuses, the notes do not"
    " hold the answer: say so rather than guess."
)
MOST = 50  # hits or events of one call


class Cited(TypedDict):
    """A place in a note: characters `start` to `stop`, half open, of its content, and what stands there."""

    note: int
    key: str
    name: str
    date: str
    uri: str
    start: int
    stop: int
    quote: str


class FoundPlace(Cited):
    """A hit: a place with its score, of use to order the hits of one search, and why it was found."""

    score: float
    why: list[str]


class Found(TypedDict):
    """Hits, the best first."""

    hits: list[FoundPlace]


class Read(TypedDict):
    """A note as a whole."""

    note: int
    key: str
    name: str
    date: str
    folder: str
    tags: list[str]
    uri: str
    content: str


class Answered(TypedDict):
    """An answer, or a refusal with what comes nearest; `text` has [1] for the first citation and so on."""

    text: str
    refused: bool
    confidence: float
    citations: list[Cited]
    nearest: list[Cited]


class Tags(TypedDict):
    """Tags with their numbers of notes, the commonest first."""

    tags: dict[str, int]


class Happened(Cited):
    """A sentence that says when something was: from `first` to `last` (half open, ISO 8601), as exact as `grain`."""

    first: str | None
    last: str | None
    grain: str


class Events(TypedDict):
    """Events, the earliest first."""

    events: list[Happened]


When = Annotated[str, Field(description="A time in words, such as 'in May 1665' or 'last week'; empty: any.")]
Count = Annotated[int, Field(description="At most so many.", ge=1, le=MOST)]


def make_server(book: Notebook, *, allow_writing: bool = False, now: Callable[[], datetime] = datetime.now) -> Any:
    """An `MCPServer` over a notebook; `run()` serves it on standard input and output.

    Raises:
        EnvironmentLacks: the package mcp is missing.
    """
    sdk: Any = need("mcp.server", "an MCP server", "notes")
    server = sdk.MCPServer(NAME, title="Notes", version=__version__, instructions=INSTRUCTIONS, log_level="WARNING")
    _add_reading(server, book, now)
    _add_resources(server, book)
    if allow_writing:
        _add_writing(server, book, now)
    return server


def _add_reading(server: Any, book: Notebook, now: Callable[[], datetime]) -> None:
    from mcp.types import ToolAnnotations

    from pocketlm.notes import abilities

    desk = abilities.Abilities(book, now)
    tool = _adder(server, ToolAnnotations(read_only_hint=True, open_world_hint=False))

    @tool
    async def search_notes(
        query: Annotated[str, Field(description="Words or a description of what is looked for.")],
        when: When = "",
        tag: Annotated[str, Field(description="Only notes with this tag; empty: any.")] = "",
        count: Count = 10,
    ) -> Found:
        """Search the notes by words and by meaning. Each hit is a cited place with its score and why it was found."""
        hits = desk.hits(query, when, tag, count)
        return {
            "hits": [
                {
                    **cite(Citation.of(hit)),
                    "score": round(hit.score, 4),
                    "why": [f"{one.kind}: {one.told}" for one in hit.why],
                }
                for hit in hits
            ]
        }

    @tool
    async def read_note(
        note: Annotated[str, Field(description="Its number, key or title, such as '12' or 'Garden plan'.")],
    ) -> Read:
        """The whole text of a note, with its date and tags."""
        found = book.store.find(note)
        return {
            "note": found.id, "key": found.key, "name": found.name, "date": found.date, "folder": found.folder,
            "tags": book.store.tags(found.id), "uri": uri_of(found.id), "content": found.content,
        }  # fmt: skip

    @tool
    async def ask_notes(question: Annotated[str, Field(description="A question the notes may answer.")]) -> Answered:
        """Answer a question from the notes, with citations; refuses where they do not hold the answer."""
        answer = ask(book, question)
        return {
            "text": answer.text, "refused": answer.refused, "confidence": round(answer.confidence, 4),
            "citations": [cite(citation) for citation in answer.citations],
            "nearest": [cite(Citation.of(hit)) for hit in answer.nearest],
        }  # fmt: skip

    @tool
    async def list_tags() -> Tags:
        """All tags of the notes."""
        return {"tags": book.store.all_tags()}

    @tool
    async def timeline(
        about: Annotated[str, Field(description="A topic, or a note's number, key or title; empty: all notes.")] = "",
        when: When = "",
        count: Count = MOST,
    ) -> Events:
        """Dated events that the notes tell of, in the order in which they happened, each with its cited sentence."""
        return {
            "events": [
                {
                    **cite(abilities.cited(note, event.start, event.end)),
                    "first": event.first.isoformat() if event.first else None,
                    "last": event.last.isoformat() if event.last else None,
                    "grain": event.grain,
                }
                for note, event in desk.events(about, when)[:count]
            ]
        }


def _add_resources(server: Any, book: Notebook) -> None:
    from mcp.server.mcpserver.exceptions import ResourceNotFoundError

    @server.resource("notes://note/{id}", title="A note", mime_type="text/plain")  # type: ignore[untyped-decorator, unused-ignore]
    async def note(id: str) -> str:
        """The text of a note, by its number."""
        try:
            return book.store.note(int(id)).content
        except (ValueError, PocketError) as error:
            raise ResourceNotFoundError(
                f"there is no note {id}" if isinstance(error, ValueError) else str(error)
            ) from None


def _add_writing(server: Any, book: Notebook, now: Callable[[], datetime]) -> None:
    from mcp.types import ToolAnnotations

    from pocketlm.notes import abilities, own

    @_adder(server, ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False))
    async def create_note(
        text: Annotated[str, Field(description="What the note says.")],
        title: Annotated[str, Field(description="Its title, may be empty.")] = "",
        tags: Annotated[list[str], Field(description="Its tags, without #.")] = [],  # noqa: B006  never written to
    ) -> Cited:
        """Write a new note into the notes file. Nothing that is there is changed."""
        made = own.create_note(book, text, title, tags, now())
        return cite(abilities.cited(made, 0, len(made.content)))


def _adder(server: Any, hints: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator that makes a function a tool; our errors reach the caller as the sentences they are.

    The tools are coroutines so that all of them run in the thread that opened the file.
    """
    from mcp.server.mcpserver.exceptions import ToolError

    def add(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        async def told(**given: Any) -> Any:
            try:
                return await function(**given)
            except PocketError as error:
                raise ToolError(str(error)) from None

        server.add_tool(told, annotations=hints)
        return told

    return add


def uri_of(id: int) -> str:
    """A note's address as a resource."""
    return f"notes://note/{id}"


def cite(citation: Citation) -> Cited:
    """A citation as the protocol's JSON gives it."""
    note = citation.note
    return {
        "note": note.id, "key": note.key, "name": note.name, "date": note.date, "uri": uri_of(note.id),
        "start": citation.span.start, "stop": citation.span.stop, "quote": citation.text,
    }  # fmt: skip
