"""Words of a text as they are compared: without accents, case and endings; and the words that only hold a sentence together."""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from typing import Any

from pocketlm.core.extras import need

WORD = re.compile(r"\w+(?:['’]\w+)*")
# a search leaves these out where it has other words; of those below, "first", "may" and "name" may be all that one looks for
STOP = frozenset(
    """a about am an and any are as at be been being but by can could did do does doing for from had has have having he her
    him his how i if in into is it its me my of on or our shall she should so than that the their them then there these they
    this those to was we were what when where which while who whom whose why will with would you your""".split()  # noqa: SIM905
)
FUNCTION = STOP | frozenset(
    """above after again against ago all almost already also although always among another anybody anyone anything aren't away back
    became because become before below between both came can't cannot come couldn't didn't doesn't don't done down during each
    either else enough ever every everybody everyone everything few first further get gets getting give given go goes going gone
    got hadn't hasn't haven't he'd he'll he's hence here here's hers herself himself how's however i'd i'll i'm i've indeed
    instead isn't it'd it'll it's itself just kind last later least less let let's like likely made make makes many may maybe
    meanwhile might mine more moreover most much must myself name named neither never nevertheless next no nobody none nor not
    nothing now off often once one ones only onto other others otherwise ought ours ourselves out over own perhaps please quite
    rather really said same say says second see seem seemed seems seen she'd she'll she's shouldn't since some somebody someone
    something sometimes soon still such take taken tell that's theirs themselves thence there's therefore they'd they'll they're
    they've thing things third though through throughout thus till together told too took toward towards type under unless until
    up upon us use used usually very wasn't we'd we'll we're we've well went weren't what's when's where's whereas whether who's
    why's within without won't wouldn't yes yet you'd you'll you're you've yours yourself
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
