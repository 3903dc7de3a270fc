"""The key facts of a note: dates, names, quantities, money, phones, emails, links and action items, each with its span.

Deterministic: no model is asked. A model that finds names may be given in place of the rules of names.py.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pocketlm.core.extras import need
from pocketlm.data.privacy import find_personal
from pocketlm.notes.actions import Action, actions_and_dates
from pocketlm.notes.dates import UNDATED, Dated, is_fixed
from pocketlm.notes.names import Known, Name, find_names, none_known
from pocketlm.notes.quantities import Quantity, find_money, find_quantities

KINDS = ("date", "person", "place", "organisation", "quantity", "money", "phone", "email", "link", "action")


@dataclass(frozen=True)
class Fact:
    """A fact and where it stands.

    Attributes:
        kind: one of KINDS.
        start, end: characters of the note, half open.
        value: normalised: text, or a dict (see the functions below).
        confidence: 0 to 1.
        how: the parser that found it.
    """

    kind: str
    start: int
    end: int
    text: str
    value: Any
    confidence: float
    how: str


def facts(
    text: str,
    written: datetime | None = None,
    *,
    known: Known = none_known,
    names: Callable[[str, Known], Iterable[Name]] = find_names,
    least: float = 0.3,
) -> list[Fact]:
    """All facts of a note, in the order of the text. Facts of one kind do not overlap; an action item holds others.

    Args:
        written: the note's own date, which "tomorrow" is meant from; without it only full dates are resolved.
        known: names that are known from other notes (`known_names.known_names`).
        names: what finds people, places and organisations: rules, or a model.
        least: names of less confidence are left out.

    Raises:
        EnvironmentLacks: a library of the extra `notes` is missing.
    """
    moment = written or UNDATED
    reach = [*_reach(text), *_links(text)]
    taken = [(fact.start, fact.end) for fact in reach]
    money = _taking("money", text, find_money(text), taken)
    named = [one for one in names(text, known) if _is_free(one.start, one.end, taken)]
    people = [(one.start, one.end, one.value) for one in named if one.kind == "person"]
    actions, dates = actions_and_dates(text, moment, people)
    found = [*reach, *money, *_dates(dates, taken)]
    taken += [(one.start, one.end) for one in dates]
    found += _taking("quantity", text, find_quantities(text), taken)
    found += [
        Fact(one.kind, one.start, one.end, text[one.start : one.end], one.value, one.confidence, one.how)
        for one in named
        if one.confidence >= least and _is_free(one.start, one.end, taken)
    ]
    found += [_action_fact(text, one) for one in actions]
    return sorted(found, key=lambda fact: (fact.start, -fact.end))


def _taking(kind: str, text: str, found: list[Quantity], taken: list[tuple[int, int]]) -> list[Fact]:
    """The finds that no other fact covers; they cover their place from now on."""
    free = [one for one in found if _is_free(one.start, one.end, taken)]
    taken += [(one.start, one.end) for one in free]
    return [Fact(kind, one.start, one.end, text[one.start : one.end], one.value, one.confidence, kind) for one in free]


def _action_fact(text: str, one: Action) -> Fact:
    value = {"task": one.task, "owner": one.owner, "due": one.due, "done": one.done}
    return Fact("action", one.start, one.end, text[one.start : one.end], value, one.confidence, one.how)


def as_rows(found: Iterable[Fact]) -> list[dict[str, Any]]:
    """Facts as JSON writes them."""
    return [asdict(fact) for fact in found]


def _is_free(start: int, end: int, taken: list[tuple[int, int]]) -> bool:
    return all(end <= first or start >= last for first, last in taken)


def _dates(dates: list[Dated], taken: list[tuple[int, int]]) -> list[Fact]:
    """Value: kind, timex, first and last (ISO 8601, half open), rrule of what comes again, seconds of a duration."""
    found = []
    for one in dates:
        if not _is_free(one.start, one.end, taken):
            continue
        value: dict[str, Any] = {"kind": one.kind, "grain": one.grain, "timex": one.timex}
        if is_fixed(one):
            value |= {
                name: moment and moment.isoformat() for name, moment in (("first", one.first), ("last", one.last))
            }
        value |= {"rrule": one.rrule} if one.rrule else {}
        value |= {"seconds": one.seconds} if one.seconds else {}
        found.append(Fact("date", one.start, one.end, one.text, value, one.confidence, "dates"))
    return found


def _reach(text: str) -> list[Fact]:
    """Value: an address in lower case; a number as E.164 writes it, where its country is known."""
    found = []
    for one in find_personal(text):
        here = text[one.start : one.end]
        if one.kind == "email":
            found.append(Fact("email", one.start, one.end, here, here.lower(), 0.98, "privacy"))
        elif one.kind == "phone":
            found.append(Fact("phone", one.start, one.end, here, _e164(here), 0.85, "phonenumbers"))
    return found


def _e164(text: str) -> str:
    library = need("phonenumbers", "finding phone numbers", "notes")
    for region in (None, "US", "GB"):
        try:
            number = library.parse(text, region)
        except library.NumberParseException:
            continue
        if library.is_valid_number(number):
            return str(library.format_number(number, library.PhoneNumberFormat.E164))
    return re.sub(r"[^\d+]", "", text)


def _links(text: str) -> list[Fact]:
    """Value: the address with its scheme. Wiki links name another note."""
    found = [
        Fact("link", *match.span(), match[0], match[1].split("|")[0].strip(), 0.95, "wiki")
        for match in WIKI.finditer(text)
    ]
    if "." in text:
        linkify = need("linkify_it", "finding links", "notes").LinkifyIt()
        for match in linkify.match(text) or []:
            if match.schema != "mailto:" and not match.url.startswith("mailto:"):
                sure = 0.95 if match.schema else 0.6
                found.append(Fact("link", match.index, match.last_index, match.text, match.url, sure, "linkify-it"))
    return found


WIKI = re.compile(r"\[\[([^\[\]\n]+)\]\]")
