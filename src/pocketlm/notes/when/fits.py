"""Whether the words around an expression leave it a date: `may` is mostly a verb, 1665 may count guests."""

from __future__ import annotations

from pocketlm.notes.when.engine import Token
from pocketlm.notes.when.words import DOUBTFUL, word_list

CURRENCY = set("$£€¥#")
BEFORE_MONTH = set(word_list("in of since until till by before after from to mid early late every during through for"))
# an expression that ends with one of these says something else when words follow
CUT_OFF = set(word_list("after before above following later more less earlier prior"))
VERBS = set(word_list("t not to will would can could should may might must ll"))
SMALL = set(word_list("on in at the from for by about around of a an over during and - this"))
SHILLINGS = {"20s", "30s", "40s", "50s", "60s", "70s", "80s", "90s"}
PLURAL_NO = set(word_list("was is has as this its does"))
AFTER_MONTH = set(word_list("for to and at on until i we"))
COUNTED = set(
    word_list("percent % pieces people points students stars kg km miles pounds dollars euros times degrees mb gb")
)


def fits(tokens: list[Token], at: int, end: int, symbol: str) -> bool:
    """Whether the words around leave it a date: no part of a number, of a code, or of another word."""
    before = tokens[at - 1] if at else None
    after = tokens[end] if end < len(tokens) else None
    words = [token.text for token in tokens[at:end]]
    if not _stands_alone(tokens, at, end) or _is_cut_off(symbol, words, before, after):
        return False
    if _counts(tokens[end - 1], after) or _is_idiom(words, before, after):
        return False
    if words[0] == "the" and len(words) == 2 and "unit" in tokens[at + 1].kinds and _numbered(tokens, end):
        return False
    if (
        len(words) == 2
        and words[1] in ("may", "march")
        and "shift" in tokens[at].kinds
        and after
        and after.text.isalpha()
    ):
        return after.text in AFTER_MONTH  # this may take long
    return len(words) > 1 or _single_fits(words[0], tokens[at], before, after)


def _is_cut_off(symbol: str, words: list[str], before: Token | None, after: Token | None) -> bool:
    """Whether what stands before or after decides against a reading that is complete only by chance."""
    goes_on = bool(after and after.text.isalnum())
    if symbol in ("day_on", "day_in") and not (before and before.text in ("on", "by", "for")):
        return True
    if symbol == "day_in" and before and before.text == "for" and goes_on:
        return True
    if symbol == "bound" and words[-1] in CUT_OFF and goes_on:
        return True
    return symbol == "clock_alone" and len(words) == 2 and goes_on


def _counts(last: Token, after: Token | None) -> bool:
    """Whether the number at the end counts what follows."""
    is_number = not last.kinds.keys().isdisjoint(("int", "digit", "teen", "tens"))
    return bool(is_number and after and (after.text in COUNTED or "unit" in after.kinds))


def _is_idiom(words: list[str], before: Token | None, after: Token | None) -> bool:
    """Up to date, will last two hours, how about Monday, $12 December, 20s as shillings, that sat."""
    lead = before.text if before else ""
    if words == ["to", "date"] and (lead in ("up", "-") or bool(after and after.text.isalnum())):
        return True
    if "".join(words) in SHILLINGS and lead not in ("the", "in", "early", "late", "mid", "since", "'"):
        return True
    if (words[0] == "last" and lead in VERBS) or (words[0] == "about" and lead in ("how", "what")):
        return True
    return (words[0] == "that" and words[-1] in DOUBTFUL) or (words[0].isdigit() and lead in CURRENCY)


def _numbered(tokens: list[Token], at: int) -> bool:
    """Whether a number follows: the year (of) 2008."""
    rest = [token.kinds for token in tokens[at : at + 2]]
    return any("int" in kinds for kinds in rest[: 2 if at < len(tokens) and tokens[at].text == "of" else 1])


def _stands_alone(tokens: list[Token], at: int, end: int) -> bool:
    first, last = tokens[at], tokens[end - 1]
    before = tokens[at - 1] if at else None
    after = tokens[end] if end < len(tokens) else None
    if before and first.glued and first.text[0].isalnum():
        if before.text[-1].isalnum():
            return False
        if (
            before.text in ".,-/:"
            and at > 1
            and before.glued
            and first.text.isdigit()
            and tokens[at - 2].text.isdigit()
        ):
            return False
    if after and after.glued and last.text[-1].isalnum():
        if after.text[0].isalnum():
            return False
        if after.text in ".,-/:" and last.text.isdigit() and end + 1 < len(tokens):
            beyond = tokens[end + 1]
            if beyond.glued and beyond.text.isdigit():
                return False
    return True


def _single_fits(word: str, token: Token, before: Token | None, after: Token | None) -> bool:
    if word.isdigit():
        return len(word) == 8 or _year_fits(token, before, after)
    if word in DOUBTFUL and "unit" not in token.kinds:
        return bool(before and before.text in BEFORE_MONTH) and not (
            "season" in token.kinds and before and before.text == "to"
        )
    return True


def _year_fits(token: Token, before: Token | None, after: Token | None) -> bool:
    """A bare number of four figures is a year unless it counts something."""
    if before and before.text in ("-", "/", *CURRENCY):
        return False
    if after is None or not after.text.isalpha():
        return not (after and after.text in ("%", "-"))
    if after.text in COUNTED:
        return False
    return not (after.text.endswith("s") and after.text not in PLURAL_NO)
