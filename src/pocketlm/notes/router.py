"""From what the user says to function calls: a model tuned for them, or a few patterns where there is none."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Protocol

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Engine
from pocketlm.notes.dates import find_dates
from pocketlm.tasks.call import Call, CallRow, CallTask
from pocketlm.tasks.template import TEMPLATES, Message
from pocketlm.tasks.tools import ToolSet

TOOLS_FILE = Path(__file__).parents[1] / "samples" / "notes_assistant" / "tools.json"
MAX_TOKENS = 160


class Router(Protocol):
    """Finds the calls of a request; none where no function fits."""

    def calls(self, request: str) -> list[Call]:
        """In the order they are asked for."""
        ...


class ModelRouter:
    """A function-calling model, held to the functions by a grammar and to the words of the request.

    Raises:
        InputError: it was trained for other functions.
    """

    def __init__(self, engine: Engine, task: CallTask) -> None:
        own = ToolSet.load(TOOLS_FILE)
        if task.tools.sha256 != own.sha256:
            raise InputError(
                f"{engine.uri}: was trained for other functions than the assistant's; train the sample project"
                " notes_assistant, or leave --engine out"
            )
        self._engine, self._task = engine, task

    def calls(self, request: str) -> list[Call]:
        """An answer that was cut is none: the question then goes to the notes as it is."""
        template = TEMPLATES[self._engine.template]
        row = CallRow((Message("user", request),), ())
        grammar = self._task.grammar(template, row)
        (answer,) = self._engine.generate([self._task.prompt(row, template)], max_tokens=MAX_TOKENS, grammar=grammar)
        try:
            return self._task.parse(answer.text, template)
        except ValueError:
            return [Call("ask_notes", {})]


KINDS = {
    "tasks": r"tasks|to-?dos|action items|chores",
    "people": r"people|persons|names",
    "places": r"places|towns|cities",
    "organisations": r"organi[sz]ations|companies|firms",
    "dates": r"dates|deadlines",
    "money": r"money|prices|costs|expenses|sums(?: of money)?|amounts of money",
    "phones": r"(?:tele)?phone numbers",
    "emails": r"e-?mail(?: address(?:es)?|s)|mail addresses",
    "links": r"links|urls|web ?(?:pages|sites)",
    "amounts": r"numbers|amounts|quantities|measurements",
}
NOTE = (
    r"(?P<note>it|this|that|(?:this|that) (?:note|one)|(?:the )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth"
    r"|tenth|last)(?: (?:one|note))?|(?:the |my )?note .+?|(?:number |#)\d+|\d+)"
)
ABOUT = r"(?:(?:in my notes |notes )?(?:about|on|of|for|in|with|around) (?P<about>.+?))"
# the first that fits the whole request counts; without one it is a question to the notes
PATTERNS: list[tuple[str, str]] = [
    ("", r"(?:hi|hello|hey|howdy|thanks|thank you|cheers|ok(?:ay)?|good (?:morning|evening|night)|bye)\b.{0,20}"),
    (
        "",
        r"(?:delete|remove|erase|rename|edit|correct|send|e-?mail|share|forward|print|translate|move|cancel|call|play)\b.+",
    ),
    ("list_reminders", r"(?:(?:show|list|read|what|which|any|are|check|do)\b.*|all |my )?\breminders\b(?!.*\bto\b).*"),
    ("set_reminder", r"(?:set|add|create|make)(?: me)? (?:up )?a reminder(?: to| that| for| about|:) (?P<text>.+)"),
    ("set_reminder", r"(?:remind me|don't let me forget)(?: to| that| of| about|:)? (?P<text>.+)"),
    ("set_reminder", r"reminder: (?P<text>.+)"),
    (
        "create_note",
        r"(?:create|add|make|start|new)(?: an?)?(?: new)? note (?:called|titled|named) (?P<title>.+?)(?::| saying| that says)"
        r" (?P<text>.+)",
    ),
    ("create_note", r"(?:save this:|remember that|new note(?: (?P<title>[^:]{1,40}))?:) (?P<text>.+)"),
    (
        "create_note",
        r"(?:(?:make|take|add|create|save|write) an?(?: new)? note|new note|note to self|write down|jot down|note down|note|"
        r"write|record)(?: that|:| saying) (?P<text>.+)",
    ),
    ("tag_note", rf"(?:tag|label|mark) {NOTE} (?:as|with) (?:the tag )?(?P<tag>.+)"),
    ("tag_note", rf"(?:add|put|attach) the (?:tag|label) (?P<tag>.+?) (?:to|on) {NOTE}"),
    ("list_tags", r"(?:(?:show|list|what|which|tell|how many)\b.*|all |my )?\btags\b(?: (?:do|are|have|exist|I)\b.*)?"),
    ("show_mood", r".*\bmood\b.*|(?:how (?:did|do|have) i|how i) (?:feel|felt|been feeling)\b.*"),
    ("related_notes", rf"(?:.*\b)?(?:notes|more|anything|something|what is|what's) (?:like|similar to|related to) {NOTE}"),
    ("timeline", rf".*\b(?:timeline|chronology|course of events)\b(?: {ABOUT})?(?: in order| by date)?"),
    ("timeline", r"what happened(?: with (?P<about>.+?))?(?: and when)?"),
    ("timeline", rf"(?:show|list)(?: me)?(?: the)? events(?: {ABOUT})?"),
    (
        "summarize",
        r"(?:summari[sz]e|sum up|recap|shorten|(?:give me )?(?:a|the) (?:short )?(?:summary|overview|gist) of)"
        r"(?: (?:(?:my |all )?notes|everything|what i (?:wrote|know)))?(?: (?:about|on|of))?(?: (?P<about>.+))?",
    ),
    ("summarize", r"what (?:did i do|was i up to|did i write)"),
    *((f"find_facts:{kind}", rf"(?:(?:all|my) |(?:show|list|find|give me|what|which|who)\b.*?\b)?(?:{words})\b(?: are(?: there)?| do i (?:mention|have))?(?:.*?\b{ABOUT})?") for kind, words in KINDS.items()),
    ("find_facts:tasks", r"what (?:do i (?:still )?have to do|is left to do)(?: for (?P<about>.+))?"),
    ("read_note", rf"(?:open|read|show|display)(?: me)? {NOTE}(?: to me| again)?"),
    ("read_note", rf"what does {NOTE} say"),
    (
        "search_notes",
        r"(?:find|search(?: for)?|look (?:for|up)|show(?: me)?|list)(?: (?:all|my|the|any))*(?: notes)?(?: (?:about|on|for|with))?"
        r" (?P<query>.+?)(?: (?:with the tag|tagged|under the tag) (?P<tag>.+))?",
    ),
    (
        "search_notes",
        r"(?:what did i write|(?:do i have |are there )?(?:any |all )?(?:my )?notes|which notes are|anything) (?:about|on) (?P<query>.+)",
    ),
]  # fmt: skip
COMPILED = [(name, re.compile(pattern, re.IGNORECASE)) for name, pattern in PATTERNS]
OPENING = re.compile(
    r"(?:(?:please|hey|can you|could you|would you|i want (?:you )?to|i'd like (?:you )?to|quickly)\b,? *)+", re.IGNORECASE
)  # fmt: skip
TAIL = re.compile(r"(?:,? (?:please|thanks|for me))?[\s.?!]*$", re.IGNORECASE)
LEAD = re.compile(
    r"^(?:(?:to|the|an?|my|our|at|on|in|for|about|from|during|over|of|by|note(?: (?:called|titled))?) )+", re.IGNORECASE
)
BEFORE_DATE = re.compile(r"[,\s]*(?:\b(?:at|on|in|for|from|during|over|of|the|by))*[\s,]*$", re.IGNORECASE)
JOINS = re.compile(r"[,.]? (?:and )?then ", re.IGNORECASE)
DATED = frozenset({"search_notes", "summarize", "timeline", "find_facts", "show_mood", "set_reminder"})


class RulesRouter:
    """Patterns of what is asked most; all other questions go to the notes. A baseline, and what answers without a trained model."""

    def __init__(self, now: Callable[[], datetime] = datetime.now) -> None:
        self._now = now

    def calls(self, request: str) -> list[Call]:
        """What is joined by "then" is asked one after the other."""
        return [call for part in JOINS.split(request) for call in self._call(part)]

    def _call(self, request: str) -> list[Call]:
        text = TAIL.sub("", OPENING.sub("", request.strip(), count=1))
        rest, when = split_date(text, self._now())
        for name, pattern in COMPILED:
            function, _, kind = name.partition(":")
            whole = rest if function in DATED and rest else text
            found = pattern.fullmatch(whole)
            if found is None:
                continue
            if not function:
                return []
            given = {key: value for key, value in found.groupdict().items() if value}
            if function not in ("create_note", "set_reminder"):
                given = {key: LEAD.sub("", value) for key, value in given.items()}
            given |= {"kind": kind} if kind else {}
            given |= {"when": LEAD.sub("", when)} if when and whole is rest else {}
            return [Call(function, given)]
        return [Call("ask_notes", {})]


def split_date(text: str, now: datetime) -> tuple[str, str]:
    """A request without its last date, and that date as it is written; empty where it has none."""
    found = [one for one in find_dates(text, now) if one.kind != "duration" or text[: one.start].endswith("in ")]
    if not found:
        return text, ""
    start, end = found[-1].start, found[-1].end
    if text[:start].lower().endswith("between "):
        start -= len("between ")
    return f"{BEFORE_DATE.sub('', text[:start])}{text[end:]}".strip(" ,:"), text[start:end].rstrip(",")
