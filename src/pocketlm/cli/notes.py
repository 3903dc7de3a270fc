"""`pocketlm notes ...`: everything a person would ask of their notes. One file a group of commands, joined here."""

from __future__ import annotations

import typer

from pocketlm.cli import notes_ask, notes_chat, notes_corrections, notes_facts, notes_import, notes_search, notes_tags

app = typer.Typer(help="Search, ask, summarise, tag and date your own notes, offline.", no_args_is_help=True)
app.command("import")(notes_import.import_)
app.command("status")(notes_import.status)
app.command("forget")(notes_import.forget)
app.command("search")(notes_search.search)
app.command("complete")(notes_search.complete)
app.command("ask")(notes_ask.ask)
app.command("summarize")(notes_ask.summarize)
app.command("rows")(notes_ask.rows)
app.command("facts")(notes_facts.facts)
app.command("timeline")(notes_facts.timeline)
app.command("tag")(notes_tags.tag)
app.command("untag")(notes_tags.untag)
app.command("tags")(notes_tags.tags)
app.command("dupes")(notes_tags.dupes)
app.command("related")(notes_tags.related)
app.command("link")(notes_corrections.link)
app.command("unlink")(notes_corrections.unlink)
app.command("mood")(notes_tags.mood)
app.command("thumb")(notes_tags.thumb)
app.command("learn")(notes_tags.learn)
app.command("corrections")(notes_corrections.corrections)
app.command("eval")(notes_search.evaluate)
app.command("write-tags")(notes_import.write_tags)
app.command("encrypt")(notes_import.encrypt)
app.command("decrypt")(notes_import.decrypt)
app.command("chat")(notes_chat.chat)
app.command("reminders")(notes_chat.reminders)
app.command("mcp")(notes_chat.mcp)
