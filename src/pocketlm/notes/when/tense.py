"""Whether a date in a sentence lies ahead of its writer: by the verb next to it, and by words such as `till`."""

from __future__ import annotations

import re

from pocketlm.notes.when.words import word_list

# verbs of what is fixed beforehand: their present tense tells the future, as in "we fly in June"
PLANNED = (
    "fly go leave travel drive move start begin meet come return arrive depart sail visit marry finish open close stay"
)
PAST = (
    "was were had did been done gone went came saw took gave made said got found left told thought brought bought met spent"
    " sent kept began heard lost paid wrote ran sat stood slept felt knew held broke drove flew ate drank fell grew rose spoke"
    " sold taught wore won built caught fought led lay became wasn't weren't hadn't didn't"
)
NO_PAST = "indeed hundred kindred sacred naked wicked proceed succeed exceed"
# telling with these is past, what they tell of is not: adjourned till Friday
PUT_OFF = (
    "adjourned postponed delayed rescheduled prorogued deferred promised agreed arranged booked invited scheduled planned"
    " resolved appointed ordered extended borrowed reserved granted allowed asked hired rented lent moved"
)
DONE = (
    rf"(?:(?:would|should|could|must|might|will)\s+have|had|has|have|having)\s+(?!(?:to|an?|the|{'|'.join(PUT_OFF.split())})\b)\w+"
    r"|did\s+(?:not\s+)?\w+"
    r"|(?:is|are|am|was|were)\s+(?:come|gone)"
)
FUTURE = (
    r"(?:will|would|shall|should|must|won't|needs?\s+to|ha(?:s|ve)\s+to|plans?\s+to|wants?\s+to)"
    r"|(?:is|are|am)\s+(?:not\s+)?(?:to|\w+ing)"
)


def _either(words: str, ending: str = "") -> str:
    return rf"(?:{'|'.join(word_list(words))}){ending}"


VERB = re.compile(
    rf"\b(?:(?P<done>{DONE})|(?P<future>{FUTURE})"
    rf"|(?:i|we|you|they)\s+(?P<planned>{_either(PLANNED)})"
    rf"|(?<!\bthe\s)(?<!\ba\s)(?<!\bmy\s)(?<!\bour\s)(?P<plans>{_either(PLANNED, 'e?s')}|flies|marries)"
    rf"|(?P<off>{_either(PUT_OFF)}|put\s+off|told\s+(?:\w+\s+)?to)"
    rf"|(?P<past>{_either(PAST)}|(?<!\bis\s)(?<!\bare\s)(?<!\bbe\s)(?!{_either(NO_PAST)}\b)\w{{2,}}[^\We]ed)"
    rf"|(?P<present>is|are|am|isn't|aren't|has|have|can))\b",
    re.IGNORECASE,
)
SHORTENED = {"'ll": " will", "'re": " are", "'m": " am", "'ve": " have", "'d": " would"}
SHORT = re.compile("|".join(SHORTENED))
NEXT = re.compile(r"(?:\s+(?:on|in|at|for|the))*\s*", re.IGNORECASE)
AIM = re.compile(r"\b(?:to|for)\s+(?:the\s+)?\Z", re.IGNORECASE)


def lies_ahead(before: str, behind: str, *, bound: bool) -> bool:
    """Whether the next day of a name is meant, not its last.

    The verb that decides is the nearest before the date, otherwise the first behind it. Without one a bound lies ahead ("no
    more till Michaelmas") and any other date does not.

    Args:
        before: the date's sentence up to it.
        behind: its rest.
        bound: the date says before, by, till or until.
    """
    before, behind = (SHORT.sub(lambda found: SHORTENED[found[0]], text.replace("’", "'")) for text in (before, behind))
    verb = max(VERB.finditer(before), key=re.Match.start, default=None)
    verb, is_near = (verb, bool(NEXT.fullmatch(before, verb.end()))) if verb else (VERB.search(behind), False)
    if verb is None or verb.lastgroup == "present":  # "it is cold in May" is of any May, "the fair is in May" of one
        return bound or is_near
    if verb.lastgroup == "off":
        return bound or bool(AIM.search(before))
    return verb.lastgroup in ("future", "planned", "plans")
