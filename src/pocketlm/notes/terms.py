"""Words of a text as they are compared: without accents, case and endings; and the words that only hold a sentence together."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

from pocketlm.core.extras import need

WORD = re.compile(r"\w+(?:['’]\w+)*")
FUNCTION = frozenset(
    """a about above after again against ago all almost already also although always am among an and another any anybody anyone
    anything are aren't as at away back be became because become been before being below between both but by came can can't
    cannot come could couldn't did didn't do does doesn't doing don't done down during each either else enough ever every
    everybody everyone everything few first for from further get gets getting give given go goes going gone got had hadn't
    has hasn't have haven't having he he'd he'll he's hence her here here's hers herself him himself his how how's however i
    i'd i'll i'm i've if in indeed instead into is isn't it it'd it'll it's its itself just kind last later least less let
    let's like likely made make makes many may maybe me meanwhile might mine more moreover most much must my myself name
    named neither never nevertheless next no nobody none nor not nothing now of off often on once one ones only onto or
    other others otherwise ought our ours ourselves out over own perhaps please quite rather really said same say says
    second see seem seemed seems seen shall she she'd she'll she's should shouldn't since so some somebody someone something
    sometimes soon still such take taken tell than that that's the their theirs them themselves then thence there there's
    therefore these they they'd they'll they're they've thing things third this those though through throughout thus till to
    together told too took toward towards type under unless until up upon us use used usually very was wasn't we we'd we'll
    we're we've well went were weren't what what's when when's where where's whereas whether which while who who's whom
    whose why why's will with within without won't would wouldn't yes yet you you'd you'll you're you've your yours yourself
    """.split()  # noqa: SIM905
)


def fold(word: str) -> str:
    """Without accents, case, and a possessive's ending; apostrophes are straight."""
    plain = unicodedata.normalize("NFKD", word.replace("’", "'")).casefold()
    plain = "".join(char for char in plain if not unicodedata.combining(char))
    return plain[:-2] if plain.endswith("'s") else plain.rstrip("'")


def stem(word: str) -> str:
    """A folded word's stem (Porter 1980), as the notes file's index of words keeps it."""
    return str(_stemmer().stemWord(word))


def words(text: str) -> list[str]:
    """Folded words, in order."""
    return [fold(word) for word in WORD.findall(text)]


def stems(text: str) -> list[str]:
    """Stems of all words, in order."""
    found: list[str] = _stemmer().stemWords(words(text))
    return found


def is_function(word: str) -> bool:
    """Whether a word, as it stands in a text, only holds a sentence together."""
    return word.replace("’", "'").casefold() in FUNCTION


def content(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order."""
    return [stem(fold(word)) for word in WORD.findall(text) if not is_function(word)]


@cache
def _stemmer() -> Any:
    return need("Stemmer", "comparing words of notes", "notes", "PyStemmer").Stemmer("porter")
