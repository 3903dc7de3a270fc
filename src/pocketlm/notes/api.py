"""Notes from Python: `pocketlm.open_notes("notes.db")` gives a notebook with the commands of `pocketlm notes` as methods.

Each method is the function of the same name with the notebook given; what it takes and returns is written there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketlm.notes.notebook import Notebook

if TYPE_CHECKING:
    from pocketlm.notes.ask import Answer
    from pocketlm.notes.assistant import Assistant
    from pocketlm.notes.corrections import Replayed
    from pocketlm.notes.duplicates import Pair
    from pocketlm.notes.facts import Fact
    from pocketlm.notes.importing import Imported
    from pocketlm.notes.learn import Learnt
    from pocketlm.notes.mood import Point
    from pocketlm.notes.note import Note
    from pocketlm.notes.query import Filters
    from pocketlm.notes.related import Related
    from pocketlm.notes.reminders import Reminder
    from pocketlm.notes.router import Router
    from pocketlm.notes.search import Hit
    from pocketlm.notes.summaries import Summary
    from pocketlm.notes.tags import Proposal
    from pocketlm.notes.timeline import Event
    from pocketlm.notes.writeback import Change


def open_notes(path: Path | str = "notes.db", **options: Any) -> Notes:
    """Open a notes file, or make it where there is none. `options` are those of `notebook.Notebook`.

    Raises:
        InputError: not a notes file, one of a newer version, or a wrong password.
    """
    return Notes(path, **options)


class Notes(Notebook):
    """A notes file with its models and all that can be asked of it. Use it in a `with`, or `close()` it."""

    # notes

    def import_notes(self, path: Path | str) -> Imported:
        """Bring the notes of a file or folder up to date; see `importing.import_notes`."""
        from pocketlm.notes.importing import import_notes

        return import_notes(self, path)

    def status(self) -> list[dict[str, Any]]:
        """Of each source what is indexed, what waits and what failed; see `importing.status`."""
        from pocketlm.notes.importing import status

        return status(self.store)

    def forget(self, path: Path | str) -> int:
        """Take a source and its notes out of the notes file; see `importing.forget`."""
        from pocketlm.notes.importing import forget

        return forget(self.store, path)

    def note(self, name: str | int) -> Note:
        """A note by its number, key or title; see `Store.find`."""
        return self.store.find(str(name))

    def create_note(self, text: str, title: str = "", tags: Sequence[str] = ()) -> Note:
        """Write a new note; see `own.create_note`."""
        from pocketlm.notes.own import create_note

        return create_note(self, text, title, tags)

    def write_tags(self, vault: Path | str, *, dry_run: bool = False) -> list[Change]:
        """Write tags that were given here into the user's own files; see `writeback.write_tags`."""
        from pocketlm.notes.writeback import write_tags

        return write_tags(self.store, Path(vault), dry_run=dry_run)

    # finding

    def search(self, query: str, count: int = 10, filters: Filters | None = None, **options: Any) -> list[Hit]:
        """The notes that fit best; see `search.search`."""
        from pocketlm.notes.search import search

        return search(self, query, count, filters, **options)

    def complete(self, prefix: str, count: int = 8) -> list[Hit]:
        """Notes for what has been typed so far; see `search.complete`."""
        from pocketlm.notes.search import complete

        return complete(self, prefix, count)

    def ask(self, question: str, **options: Any) -> Answer:
        """Answer a question with citations, or refuse; see `ask.ask`."""
        from pocketlm.notes.ask import ask

        return ask(self, question, **options)

    def summarize(
        self, note: str | int = "", *, topic: str = "", since: str = "", until: str = "", **options: Any
    ) -> Summary:
        """A note, a topic, or the notes of a period in a sentence or two; see `summaries.py`."""
        from pocketlm.notes import summaries
        from pocketlm.notes.query import Filters

        if note != "":
            return summaries.summarize(self, [self.note(note)], **options)
        if topic:
            return summaries.summarize_topic(self, topic, filters=Filters(since, until), **options)
        return summaries.summarize_period(self, since, until, **options)

    def facts(self, note: str | int) -> list[Fact]:
        """The key facts of a note; see `facts.facts`."""
        from pocketlm.notes.facts import facts
        from pocketlm.notes.known_names import known_names

        found = self.note(note)
        return facts(found.content, found.written, known=known_names(self.store))

    def timeline(
        self, period: str = "", *, same_day: bool = False, lasting: bool = False, least: float = 0.5
    ) -> list[Event]:
        """What the notes tell of, in the order in which it happened; a period in words. See `timeline.events` and `within`.

        Raises:
            InputError: the words name no period.
        """
        from pocketlm.core.errors import InputError
        from pocketlm.notes.dates import period_of
        from pocketlm.notes.timeline import events, within

        asked = period_of(period, datetime.now()) if period else None
        if period and asked is None:
            raise InputError(f'"{period}" names no period; say it such as "May 1665" or "since last spring"')
        found = events(
            ((note.id, note.content, note.written) for note in self.store.notes()), least=least, same_day=same_day
        )
        return within(found, asked.first, asked.last, lasting=lasting) if asked else found

    # tags, duplicates, relations, mood

    def tag(self, note: str | int, name: str) -> None:
        """Give a note a tag; see `tags.tag_note`."""
        from pocketlm.notes.tags import tag_note

        tag_note(self, self.note(note).id, name)

    def untag(self, note: str | int, name: str) -> None:
        """Take a tag away; see `tags.untag_note`."""
        from pocketlm.notes.tags import untag_note

        untag_note(self, self.note(note).id, name)

    def tags(self, note: str | int, **options: Any) -> list[Proposal]:
        """The user's tags that fit a note; see `tags.propose_tags`."""
        from pocketlm.notes.tags import propose_tags

        return propose_tags(self, self.note(note).id, **options)

    def dupes(self, **options: Any) -> list[Pair]:
        """Notes that are there twice; see `duplicates.duplicates`."""
        from pocketlm.notes.duplicates import duplicates

        return duplicates(self, **options)

    def merge(self, keep: str | int, gone: str | int) -> int:
        """One note in place of two; see `duplicates.merge`."""
        from pocketlm.notes.duplicates import merge

        return merge(self, self.note(keep).id, self.note(gone).id)

    def unmerge(self, made: int) -> tuple[int, int]:
        """Take a merge back; see `duplicates.unmerge`."""
        from pocketlm.notes.duplicates import unmerge

        return unmerge(self, made)

    def related(self, note: str | int, count: int = 8) -> list[Related]:
        """The notes that belong to one; see `related.related`."""
        from pocketlm.notes.related import related

        return related(self, self.note(note).id, count)

    def link(self, note: str | int, other: str | int) -> None:
        """Say that two notes belong together; see `related.link_notes`, and `related.take_back_link`."""
        from pocketlm.notes.related import link_notes

        link_notes(self, self.note(note).id, self.note(other).id)

    def unlink(self, note: str | int, other: str | int) -> None:
        """Say that two notes do not belong together; see `related.link_notes`."""
        from pocketlm.notes.related import link_notes

        link_notes(self, self.note(note).id, self.note(other).id, together=False)

    def mood(self, grain: str = "month", since: str = "", until: str = "") -> list[Point]:
        """Mood over time; see `mood.mood`, and `mood.changes` for where it changed."""
        from pocketlm.notes.mood import mood

        return mood(self, grain, since, until)

    # learning and measuring

    def thumb(self, note: str | int, query: str, up: bool = True) -> None:
        """Say that a note is, or is not, what a search should find; see `learn.thumb`."""
        from pocketlm.notes.learn import thumb

        thumb(self, self.note(note).id, query, up)

    def corrections(self) -> list[dict[str, Any]]:
        """All that was said of notes, by their keys; see `corrections.corrections`."""
        from pocketlm.notes.corrections import corrections

        return corrections(self.store)

    def replay(self, rows: Iterable[dict[str, Any]]) -> Replayed:
        """Say again what was said of another notes file; see `corrections.replay`."""
        from pocketlm.notes.corrections import replay

        return replay(self, rows)

    def learn(self, *, dry_run: bool = False) -> list[Learnt]:
        """Learn from what was said; see `learn.learn` and `learn.undo`."""
        from pocketlm.notes.learn import learn

        return learn(self, dry_run=dry_run)

    def evaluate(self, count: int = 50, **options: Any) -> dict[str, Any]:
        """Questions made of the notes themselves, asked; see `evaluate.measure`."""
        from pocketlm.notes.evaluate import measure

        return measure(self, count, **options)

    # talking

    def chat(self, router: Router | None = None, *, now: Callable[[], datetime] = datetime.now) -> Assistant:
        """An assistant over the notes: `say(request)` gives a reply; see `assistant.Assistant`."""
        from pocketlm.notes.assistant import Assistant

        return Assistant(self, router, now=now)

    def add_reminder(self, text: str, due: datetime, note: int | None = None) -> Reminder:
        """Keep a reminder; see `reminders.add_reminder`."""
        from pocketlm.notes.reminders import add_reminder

        return add_reminder(self, text, due, note)

    def reminders(self, until: datetime | None = None, *, with_done: bool = False) -> list[Reminder]:
        """Reminders that are not done; see `reminders.reminders`."""
        from pocketlm.notes.reminders import reminders

        return reminders(self, until, with_done=with_done)

    def mcp(self, *, allow_writing: bool = False) -> Any:
        """A server for other assistants, `run()` starts it; see `mcp_server.make_server`."""
        from pocketlm.notes.mcp_server import make_server

        return make_server(self, allow_writing=allow_writing)
