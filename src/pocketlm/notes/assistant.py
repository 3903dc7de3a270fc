"""The chat over notes: what is said becomes function calls, their results are told, and nothing is written unconfirmed."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.notes.abilities import Abilities, Tell
from pocketlm.notes.ask import Citation
from pocketlm.notes.dates import period_of
from pocketlm.notes.meant import say_moment
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.router import KINDS, LEAD, TOOLS_FILE, Router, RulesRouter
from pocketlm.tasks.call import Call
from pocketlm.tasks.tools import ToolSet

YES = re.compile(r"(?:y|yes|yep|yeah|ok|okay|sure|do it|confirm|please do|go ahead)[\s.!]*", re.IGNORECASE)
NO = re.compile(r"(?:n|no|nope|cancel|stop|don't|never mind|leave it)[\s.!]*", re.IGNORECASE)
FOLLOWS = re.compile(r"(?:and )?(?:what about|how about)\s+(.+?)[\s?.!]*|and\s+(.+?)[\s?.!]*", re.IGNORECASE)
UNABLE = (
    "I cannot do that. I can search your notes, answer from them, show, summarise and tag them, list their events, facts, tags"
    " and moods, find related ones, write a new note and remind you."
)


@dataclass(frozen=True)
class Pending:
    """A call that waits for the user's yes; `missing` names an argument that the user is asked for first."""

    call: Call
    question: str
    missing: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {**self.call.to_json(), "question": self.question, "missing": self.missing}


@dataclass(frozen=True)
class Reply:
    """What the assistant says to a request, the calls it made, and the places in notes that say so."""

    text: str
    calls: tuple[Call, ...] = ()
    citations: tuple[Citation, ...] = ()
    pending: Pending | None = None

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            "text": self.text,
            "calls": [call.to_json() for call in self.calls],
            "citations": [citation.to_json() for citation in self.citations],
            "pending": self.pending.to_json() if self.pending else None,
        }


class Assistant:
    """A conversation over one notebook.

    Args:
        router: finds the calls of a request; by default a few patterns.
        now: the present moment, local time; "last week" and "tomorrow" are meant from it.
    """

    def __init__(
        self, book: Notebook, router: Router | None = None, *, now: Callable[[], datetime] = datetime.now
    ) -> None:
        self.abilities = Abilities(book, now)
        self.pending: Pending | None = None
        self._router = router or RulesRouter(now)
        self._tools = ToolSet.load(TOOLS_FILE)
        self._now = now
        self._last: tuple[Call, str] | None = None  # what was asked last, and in which words

    def say(self, request: str, tell: Tell | None = None) -> Reply:
        """Answer a request. Pieces of text that are generated go to `tell` as they come, unchecked."""
        if self.pending:
            reply = self._settled(request)
            if reply:
                return reply
        if YES.fullmatch(request) or NO.fullmatch(request):
            return Reply("There is nothing to confirm.")
        follows = self._follow_up(request)
        if follows:
            return self._run([follows[0]], follows[1], tell)
        calls = self._router.calls(request)
        return self._run(calls, request, tell) if calls else Reply(UNABLE)

    def confirm(self) -> Reply:
        """Do what is pending."""
        pending, self.pending = self.pending, None
        if pending is None:
            return Reply("There is nothing to confirm.")
        if pending.missing:
            self.pending = pending
            return Reply(pending.question, pending=pending)
        return self._run([pending.call], "", None, confirmed=True)

    def cancel(self) -> Reply:
        """Do not do what is pending."""
        pending, self.pending = self.pending, None
        return Reply("Left as it was." if pending else "There is nothing to cancel.")

    def _settled(self, request: str) -> Reply | None:
        """The reply where a request answers what is pending; anything else drops that."""
        assert self.pending is not None
        if YES.fullmatch(request):
            return self.confirm()
        if NO.fullmatch(request):
            return self.cancel()
        pending, self.pending = self.pending, None
        if not pending.missing:
            return None
        try:
            self.abilities.due(request)
        except InputError:
            return None
        call = Call(pending.call.name, {**pending.call.arguments, pending.missing: request})
        return self._run([call], request, None)

    def _run(self, calls: list[Call], request: str, tell: Tell | None, *, confirmed: bool = False) -> Reply:
        """The results of calls, one after the other; the first that writes waits for a yes and ends the turn."""
        texts: list[str] = []
        cited: list[Citation] = []
        for call in calls:
            try:
                if self._tools[call.name].confirm and not confirmed:
                    self.pending = self._prepared(call)
                    texts.append(self.pending.question)
                    break
                told = self.abilities.do(call, request, tell)
            except InputError as error:
                texts.append(str(error))
                break
            texts.append(told.text)
            cited += told.citations
            self._last = (call, request)
        return Reply("\n\n".join(texts), tuple(calls), tuple(cited), self.pending)

    def _prepared(self, call: Call) -> Pending:
        """What the user is asked before a call that writes; a note is named by its number from now on."""
        given = call.arguments
        if call.name == "create_note":
            title = f" “{given['title']}”" if given.get("title") else ""
            return Pending(call, f"Write a new note{title}: “{given['text']}”? (yes or no)")
        if call.name == "tag_note":
            note = self.abilities.note(given["note"])
            fixed = Call(call.name, {**given, "note": f"#{note.id}"})
            return Pending(fixed, f"Tag #{note.id} {note.name} as #{given['tag'].removeprefix('#')}? (yes or no)")
        if not given.get("when"):
            return Pending(call, f"When shall I remind you: {given['text']}?", "when")
        due = self.abilities.due(given["when"])
        return Pending(call, f"Remind you on {say_moment(due)}: {given['text']}? (yes or no)")

    def _follow_up(self, request: str) -> tuple[Call, str] | None:
        """What "and in 1666?", "what about the fire?" and "and the places?" ask for: the last call with one thing changed."""
        said = FOLLOWS.fullmatch(request.strip())
        if not said or not self._last:
            return None
        call, before = self._last
        rest = said[1] or said[2]
        properties = self._tools[call.name].properties
        period = period_of(rest, self._now())
        if period and period.end - period.start >= len(rest) - 1:
            if call.name == "ask_notes":
                return call, _redated(before, rest, self._now())
            return (
                (Call(call.name, {**call.arguments, "when": LEAD.sub("", rest)}), request)
                if "when" in properties
                else None
            )
        kind = next(
            (kind for kind, words in KINDS.items() if re.fullmatch(f"(?:the |which |what )?(?:{words})", rest, re.I)),
            "",
        )
        if kind and "kind" in properties:
            return Call(call.name, {**call.arguments, "kind": kind}), request
        topic = next((name for name in ("query", "about", "note") if name in properties), "")
        if not topic or not said[1]:  # "and ..." with anything else begins a new request
            return None
        return Call(call.name, {**call.arguments, topic: LEAD.sub("", rest)}), request


def _redated(question: str, when: str, now: datetime) -> str:
    """A question about another time."""
    period = period_of(question, now)
    if period is None:
        return f"{question.rstrip('?. ')} {when}?"
    return f"{question[: period.start]}{when}{question[period.end :]}"
