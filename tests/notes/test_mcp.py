"""The server over its real transport: a subprocess on pipes, spoken to by the official client."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

import pocketlm
from pocketlm.notes.importing import import_notes
from pocketlm.notes.notebook import Notebook

pytest.importorskip("mcp")

SOURCE = Path(__file__).parents[2] / "src"
NOTES = [
    {"id": "fire", "title": "The fire", "date": "1666-09-02", "content": "A great fire broke out in Pudding Lane on 2 September 1666."},
    {"id": "bread", "title": "Bread log", "date": "2026-02-27", "tags": ["recipes"], "content": "The sourdough rests twelve hours."},
]  # fmt: skip


@pytest.fixture
def db(tmp_path: Path) -> Path:
    (tmp_path / "notes.json").write_text(json.dumps(NOTES))
    with Notebook(tmp_path / "notes.db", encoder="none") as book:
        import_notes(book, tmp_path / "notes.json")
    return tmp_path / "notes.db"


def talk(db: Path, say: Callable[[Any], Awaitable[None]], *options: str) -> None:
    """Start the server, and speak."""
    from mcp import Client, StdioServerParameters

    async def run() -> None:
        command = [
            "-m",
            "pocketlm.cli.main",
            "notes",
            "mcp",
            "--db",
            str(db),
            "--encoder",
            "none",
            "--generator",
            "none",
        ]
        paths = os.pathsep.join([str(SOURCE), *filter(None, [os.environ.get("PYTHONPATH")])])
        server = StdioServerParameters(command=sys.executable, args=[*command, *options], env={"PYTHONPATH": paths})
        async with Client(server, read_timeout_seconds=60) as client:
            await say(client)

    asyncio.run(run())


def test_another_assistant_searches_reads_and_cites(db: Path) -> None:
    async def say(client: Any) -> None:
        assert client.server_info.version == pocketlm.__version__
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert set(tools) == {"search_notes", "read_note", "ask_notes", "list_tags", "timeline"}
        assert all(tool.annotations.read_only_hint for tool in tools.values())

        found = (await client.call_tool("search_notes", {"query": "sourdough"})).structured_content
        hit = found["hits"][0]
        assert (hit["key"], hit["date"]) == ("bread", "2026-02-27")
        note = (await client.call_tool("read_note", {"note": str(hit["note"])})).structured_content
        assert note["content"][hit["start"] : hit["stop"]] == hit["quote"]
        assert note["tags"] == ["recipes"]
        resource = (await client.read_resource(hit["uri"])).contents[0]
        assert resource.text == note["content"]

        assert (await client.call_tool("list_tags", {})).structured_content == {"tags": {"recipes": 1}}
        (event,) = (await client.call_tool("timeline", {"when": "in 1666"})).structured_content["events"]
        assert (event["first"], event["key"]) == ("1666-09-02T00:00:00", "fire")

        answer = await client.call_tool("ask_notes", {"question": "Where did the fire break out?"})
        told = answer.structured_content
        assert "fire" in {cited["key"] for cited in told["citations"] + told["nearest"]}, answer

    talk(db, say)


def test_errors_are_sentences(db: Path) -> None:
    from mcp import MCPError

    async def say(client: Any) -> None:
        gone = await client.call_tool("read_note", {"note": "Nowhere"})
        assert gone.is_error and 'no note is called "Nowhere"' in gone.content[0].text
        unclear = await client.call_tool("search_notes", {"query": "bread", "when": "the blue one"})
        assert unclear.is_error and "the blue one" in unclear.content[0].text
        unknown = await client.call_tool("create_note", {"text": "x"})  # writing was not allowed
        assert unknown.is_error
        with pytest.raises(MCPError, match="99"):
            await client.read_resource("notes://note/99")

    talk(db, say)


def test_a_note_is_created_where_writing_is_allowed(db: Path) -> None:
    async def say(client: Any) -> None:
        made = (
            await client.call_tool("create_note", {"text": "The gate code is 4410.", "tags": ["home"]})
        ).structured_content
        assert made["quote"] == "The gate code is 4410."
        found = (await client.call_tool("search_notes", {"query": "gate", "tag": "home"})).structured_content["hits"]
        assert [hit["note"] for hit in found] == [made["note"]]

    talk(db, say, "--allow-writing")
