"""People, places and organisations by rules: titles, endings, the words around a capitalised run, and names known already.

Weak where texts do not keep to capitals, and where a name's kind cannot be seen from the words beside it.
"""

from __future__ import annotations

import importlib.resources
import re
import zoneinfo
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

from pocketlm.core.extras import need
from pocketlm.notes.when.words import DAYS, MONTHS, WEEKDAYS, word_list

PERSON, PLACE, ORGANISATION = "person", "place", "organisation"
TITLES = set(
    word_list(
        "mr mrs ms miss mister madam dr doctor prof professor sir lady lord lords dame captain capt colonel col major"
        " general gen lieutenant lieut admiral king queen prince princess duke duchess earl count countess aunt uncle"
        " president senator judge father brother sister cousin"
    )
)
PEOPLE_LEAD = set(word_list("with told asked met meet meeting called call thanked saw visited between by and from"))
PEOPLE_FOLLOW = set(word_list("said says told asked came went thinks thought wants wanted called wrote was is has had"))
PEOPLE_FOLLOW |= set(word_list("will would tells replied agreed did gave sent brought dined"))
PLACE_LEAD = set(word_list("in at to from near towards toward around via through into visiting outside across"))
PLACE_ENDS = set(
    word_list(
        "street road avenue lane square park river bridge hill hills island islands bay lake valley mountain mountains"
        " station airport beach county city town village harbour harbor gate yard stairs alley fields forest cape coast"
        " district province st. rd. ave. ave"
    )
)
PLACE_STARTS = set(word_list("lake mount port fort san santa los las north south east west new st saint"))
ORG_ENDS = set(
    word_list(
        "inc ltd llc plc gmbh ag corp corporation company co university college school bank council ministry hospital"
        " association institute committee club agency department office foundation society union party group press"
        " airlines airways motors records entertainment news times post fc united parliament court church team"
        " theatre theater museum"
    )
)
ORG_STARTS = set(word_list("university bank ministry department house institute museum board society church company"))
LINKS = set(word_list("of de la le van von der den du da del bin al y"))
WORD = re.compile(r"[A-Z][\w]*(?:['’][A-Z]\w+)?(?:[-&][A-Z]?\w+)*|[A-Z](?:\.[A-Z])+\.?")
TOKEN = re.compile(r"\w+(?:['’]\w+)?(?:[-&]\w+)*\.?|[^\w\s]|\n\s*\n")
NEVER = set(
    word_list(
        "i i'm i'll i've i'd the a an this that these those it he she we you they my your his her our their its there"
        " here and but or so if when what who why how where which while then also as at by for from in into of on to with"
        " up no not yes ok okay lol rt all some any thus god please thanks thank dear hello hi hey good great new old today"
        " however although because since after before until let do does did don't can can't will would should could may"
        " must is are was were be been have has had just only very more most one two three first last next many much each"
        " every both either neither both other another such same am pm tv uk's english french german american british"
        " action todo task notes note meeting agenda summary next step steps re fw fwd via ps"
    )
)
NEVER |= set(MONTHS) | set(WEEKDAYS) | set(DAYS)


Known = Callable[[str], tuple[str, float] | None]  # a name -> its kind, and how sure that is


@dataclass(frozen=True)
class Name:
    """A name in a text: kind is person, place or organisation; value without title and possessive."""

    kind: str
    start: int
    end: int
    value: str
    confidence: float
    how: str


@lru_cache(maxsize=1)
def places_of_the_world() -> frozenset[str]:
    """Countries (ISO 3166) and the cities that time zones are named for, in lower case, from the time zone database."""
    cities = {
        zone.rsplit("/", 1)[-1].replace("_", " ").lower() for zone in zoneinfo.available_timezones() if "/" in zone
    }
    need("tzdata", "finding names of countries", "notes")
    table = importlib.resources.files("tzdata.zoneinfo") / "iso3166.tab"
    lines = table.read_text(encoding="utf-8").splitlines()
    countries = {line.split("\t")[1].lower() for line in lines if line and not line.startswith("#")}
    plain = {re.sub(r" \(.*", "", name) for name in countries} | {"uk", "usa", "us", "england", "scotland", "wales"}
    plain |= {"america", "europe", "africa", "asia", "u.s.", "u.k.", "holland", "texas", "california", "florida"}
    return frozenset(name for name in cities | plain if len(name) > 1 and "gmt" not in name)


@dataclass(frozen=True)
class _Word:
    text: str
    start: int
    end: int
    begins: bool  # a sentence or line

    @property
    def bare(self) -> str:
        """In lower case, without a point or a possessive."""
        return re.sub(r"['’]s$", "", self.text.lower().rstrip("."))


def none_known(name: str) -> None:
    """No name is known beforehand."""


def find_names(text: str, known: Known = none_known) -> list[Name]:
    """The names of a text, in order. `known`: names that are known beforehand, such as `known_names.known_names`."""
    words = list(_words(text))
    if (
        sum(word.text[0].isupper() for word in words if word.text[0].isalpha()) > 0.7 * max(len(words), 1)
        and len(words) > 4
    ):
        return []  # shouted: capitals say nothing
    found, at = [], 0
    while at < len(words):
        end = _run_end(words, at)
        name = _name(text, words, at, end, known) if end > at else None
        if name:
            found.append(name)
        at = max(end, at + 1)
    return found


def _words(text: str) -> Iterator[_Word]:
    begins = True
    for match in TOKEN.finditer(text):
        yield _Word(match[0], *match.span(), begins)
        sign = match[0][-1]
        short = len(match[0]) == 2 or match[0].lower().rstrip(".") in TITLES
        begins = (
            match[0].isspace()
            or (sign in ".!?:>*#•" and not (sign == "." and short))
            or "\n" in text[match.end() : match.end() + 2]
        )


def _run_end(words: list[_Word], at: int) -> int:
    """The end of a row of capitalised words, with `of` and the like between them."""
    end = at
    while end < len(words) and _is_capital(words[end]):
        if end > at and (words[end].begins or (words[end].bare in NEVER and words[end].bare not in PLACE_STARTS)):
            break
        end += 1
        if words[end - 1].text.endswith((".", "'s", "’s")) and not _is_short(words[end - 1]):
            break
        if end + 1 < len(words) and words[end].bare in LINKS and _is_capital(words[end + 1]):
            end += 1
    return end


def _is_capital(word: _Word) -> bool:
    return bool(WORD.match(word.text))


def _is_short(word: _Word) -> bool:
    return word.bare in TITLES or len(word.bare) == 1 or word.bare in PLACE_ENDS or word.bare in ORG_ENDS


def _name(text: str, words: list[_Word], at: int, end: int, known: Known) -> Name | None:
    while at < end and words[at].bare in NEVER and not (words[at].bare in PLACE_STARTS and end - at > 1):
        at += 1
    title = next((place for place in range(at, end) if words[place].bare in TITLES), end)
    if title > at and title + 1 < end:
        at = title  # "Met Dr. Smith": what stands before the title is no part of the name
    if at == end or (end - at == 1 and words[at].bare in TITLES):
        return None
    titled = words[at].bare in TITLES and end - at > 1
    first = words[at + 1 if titled else at]
    last = words[end - 1]
    stop = last.end - (1 if last.text.endswith(".") and not WORD.fullmatch(last.text) else 0)
    value = re.sub(r"['’]s$", "", text[first.start : stop]).rstrip(".") or text[first.start : stop]
    start = words[at].start
    judged = _judge(words, at, end, value, titled, known)
    if judged is None:
        return None
    kind, confidence, how = judged
    return Name(kind, start, start + len(re.sub(r"['’]s$", "", text[start:stop])), value, confidence, how)


def _judge(
    words: list[_Word], at: int, end: int, value: str, titled: bool, known: Known
) -> tuple[str, float, str] | None:
    """(kind, confidence, the rule that says so), the surest rule first."""
    run = [word.bare for word in words[at:end]]
    before = words[at - 1].bare if at else ""
    after = words[end].bare if end < len(words) else ""
    if titled:
        return PERSON, 0.95, "title"
    if value.lower() in places_of_the_world():
        return PLACE, 0.85, "gazetteer"
    if len(run) > 1 and (run[-1] in ORG_ENDS or run[0] in ORG_STARTS):
        return ORGANISATION, 0.8, "ending"
    if len(run) > 1 and (run[-1] in PLACE_ENDS or (run[0] in PLACE_STARTS and run[0] not in ("new",))):
        return PLACE, 0.75, "ending"
    learned = known(value)
    if learned and not (learned[0] == PERSON and before == "the"):  # "the Swan" is no Mr. Swan
        return learned[0], round(0.5 + 0.35 * learned[1], 2), "known"
    if words[at].text.isupper() and len(run) == 1 and 2 < len(value) <= 6:
        return (ORGANISATION, 0.35, "acronym") if not words[at].begins else None
    return _by_neighbours(len(run), before, after, words[at].begins)


def _by_neighbours(length: int, before: str, after: str, begins: bool) -> tuple[str, float, str] | None:
    if length > 4:
        return None
    if after in PEOPLE_FOLLOW and length <= 2 and not (begins and length == 1 and after in ("was", "is", "has", "and")):
        return PERSON, 0.6 if length == 2 else 0.5, "verb"
    if before in PLACE_LEAD and not begins:
        return PLACE, 0.55, "preposition"
    if before in PEOPLE_LEAD and not begins:
        return PERSON, 0.55, "verb"
    if 2 <= length <= 3:
        return PERSON, 0.4, "capitals"
    return (PERSON, 0.25, "capital") if not begins else None
