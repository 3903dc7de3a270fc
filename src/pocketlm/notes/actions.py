"""Action items of a note: open tasks, promises and requests, with who is to do them and until when."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from pocketlm.notes.dates import Dated, find_dates, is_fixed
from pocketlm.notes.passages import sentences
from pocketlm.notes.when.tense import lies_ahead

TASK = re.compile(r"^\s*(?:[-*+]|\d+[.)])\s+\[(?P<mark>[ xX/-])\]\s*(?P<task>.+)$")
LABEL = re.compile(
    r"^\s*(?:[-*+•]\s+)?(?:to-?do|action(?: item)?|task|next step|follow[- ]?up)\s*[:–-]\s*(?P<task>.+)$", re.IGNORECASE
)
BULLET = re.compile(r"^\s*(?:[-*+•]|\d+[.)])\s+")
OWN = re.compile(
    r"\b(?:i|we)(?:'ll| will| must| need to| have to| should| ought to|'ve got to| promised to| agreed to)\s+(?!not\b|be able\b)"
    r"(?P<task>\w.+)|\b(?:remember|don['’]t forget|need|have) to\s+(?P<task2>\w.+)",
    re.IGNORECASE,
)
ASKED = re.compile(r"\b(?:please|can you|could you|would you)\s+(?P<task>\w.+)", re.IGNORECASE)
OTHERS = re.compile(
    r"\s*,?\s*(?:will|to|must|needs to|has to|should|is going to|agreed to|promised to)\s+(?!have\b|be\b)(?P<task>[a-z]\w*.+)"
)
MENTION = re.compile(r"(?<!\w)@(\w[\w.-]*)")
OWNER = re.compile(
    r"\(?\b(?:owner|assignee|assigned to|resp(?:onsible)?)\s*:\s*(?P<name>[A-Z][\w ]+)\)?|\((?P<name2>[A-Z]\w+)\)\s*$"
)
DUE_WORDS = ("due", "by", "until", "till", "before", "deadline", "no later than", "on")
BOUNDS = ("before", "until")  # modifiers of dates
Person = tuple[int, int, str]


@dataclass(frozen=True)
class Action:
    """A task of a sentence or line.

    Attributes:
        owner: a name, "me" for the writer, or None.
        due: the last day that is in time, or the moment, ISO 8601; None where nothing is said.
        done: it is ticked off.
    """

    start: int
    end: int
    task: str
    owner: str | None
    due: str | None
    done: bool
    confidence: float
    how: str


def find_actions(text: str, people: Iterable[Person] = (), dates: Iterable[Dated] = ()) -> list[Action]:
    """The action items, in order.

    Args:
        people: (start, end, name) of the people in the text.
        dates: its dates, those in the future preferred.
    """
    people, dates = list(people), list(dates)
    found = []
    for start, end in _places(text):
        action = _action(text, start, end, people, dates)
        if action:
            found.append(action)
    return found


def actions_and_dates(text: str, moment: datetime, people: Iterable[Person] = ()) -> tuple[list[Action], list[Dated]]:
    """The action items and the dates of a note: what is told lies in the past, what is to be done or to come in the future.

    Args:
        moment: the day of writing, or `UNDATED`.
    """
    ahead = find_dates(text, moment, "future")
    actions = find_actions(text, people, ahead)
    places = sentences(text) if ahead else []

    def is_ahead(one: Dated) -> bool:
        if any(action.start <= one.start < action.end for action in actions):
            return True
        if len(one.readings) < 2:  # nothing is open
            return False
        start, stop = next((place for place in places if place[0] <= one.start < place[1]), (one.start, one.end))
        return lies_ahead(text[start : one.start], text[one.end : stop], bound=one.modifier.startswith(BOUNDS))

    told = [one for one in find_dates(text, moment, "past") if not is_ahead(one)]
    return actions, sorted([*told, *filter(is_ahead, ahead)], key=lambda one: one.start)


def _places(text: str) -> Iterable[tuple[int, int]]:
    """The sentences; a task or a labelled line stands alone."""
    for start, stop in sentences(text):
        lines = text[start:stop].splitlines(keepends=True)
        if len(lines) == 1 or not any(TASK.match(line) or LABEL.match(line.rstrip()) for line in lines):
            yield start, stop
            continue
        for line in lines:
            if line.strip():
                yield start + len(line) - len(line.lstrip()), start + len(line.rstrip())
            start += len(line)


def _action(text: str, start: int, end: int, people: list[Person], dates: list[Dated]) -> Action | None:
    here = text[start:end]
    inside = [one for one in people if start <= one[0] < end]
    said = _said(here, start, inside)
    if said is None:
        return None
    task, owner, done, confidence, how = said
    owner = _named_owner(here) or owner
    due, spans = _due(text, start, end, dates)
    return Action(start, end, _without(task, here, start, spans), owner, due, done, confidence, how)


def _said(here: str, start: int, people: list[Person]) -> tuple[str, str | None, bool, float, str] | None:
    """(task, owner, done, confidence, how)."""
    if match := TASK.match(here):
        task, owner = _led_by_name(match["task"], start + match.start("task"), people)
        return task, owner, match["mark"] in "xX", 0.98, "checkbox"
    if match := LABEL.match(here):
        task, owner = _led_by_name(match["task"], start + match.start("task"), people)
        return task, owner, False, 0.9, "label"
    plain = BULLET.sub("", here)
    shift = start + len(here) - len(plain)
    for first, last, name in people:
        if first == shift and (match := OTHERS.match(here[last - start :])):
            return match["task"], name, False, 0.7 if plain != here else 0.5, "name"
    if here.rstrip().endswith("?") and not ASKED.search(here):
        return None
    if match := ASKED.search(here):
        return match["task"], None, False, 0.6, "request"
    if match := OWN.search(here):
        return match["task"] or match["task2"], "me", False, 0.55, "promise"
    return None


def _led_by_name(task: str, at: int, people: list[Person]) -> tuple[str, str | None]:
    """Anna: send the report; Anna to send the report."""
    for first, last, name in people:
        if first == at:
            rest = task[last - at :]
            match = OTHERS.match(rest)
            if match or rest.startswith(":"):
                return (match["task"] if match else rest[1:].strip()), name
    return task, None


def _named_owner(here: str) -> str | None:
    if match := OWNER.search(here):
        return (match["name"] or match["name2"]).strip()
    mention = MENTION.search(here)
    return mention[1].rstrip(".") if mention else None


def _due(text: str, start: int, end: int, dates: list[Dated]) -> tuple[str | None, list[tuple[int, int]]]:
    """The date it is due by: one after a word such as `by`, otherwise the only date; its span with that word."""
    inside = [
        one for one in dates if start <= one.start < end and is_fixed(one) and one.kind not in ("time", "timerange")
    ]
    for one in inside:
        lead = text[start : one.start].lower().rstrip(" (:")
        word = next((word for word in DUE_WORDS if lead.endswith(word)), "")
        if word or one.modifier.startswith(BOUNDS):
            first = text.lower().rfind(word, start, one.start) if word else one.start
            return _until(one), [(first, one.end)]
    if len(inside) == 1 and inside[0].confidence >= 0.6 and inside[0].timex != "PRESENT_REF":
        return _until(inside[0]), [(inside[0].start, inside[0].end)]
    return None, []


def _until(one: Dated) -> str | None:
    """By Friday, and on Friday, allow all of Friday; before Friday does not."""
    if one.grain in ("second", "minute", "hour"):
        moment = one.last if one.first is None else one.first
        return moment.isoformat() if moment else None
    named = one.readings[0].start
    if one.kind == "date" or one.last is None:
        return named.date().isoformat() if named else None
    inclusive = one.modifier == "before" and one.text.lower().startswith("by ")
    return (one.last - timedelta(days=0 if inclusive else 1)).date().isoformat()


def _without(task: str, here: str, start: int, spans: list[tuple[int, int]]) -> str:
    """The task without its date and its owner's mark."""
    for first, last in spans:
        task = task.replace(here[first - start : last - start], " ")
    task = OWNER.sub(" ", MENTION.sub(" ", task))
    return re.sub(r"\s+", " ", task).strip(" .,;:()!–-")
