"""Tokens of a text, and rules over them: a packrat parser that keeps, for every symbol and place, one value an end."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Any, TypeVar

from pocketlm.notes.when.words import WORDS

TOKEN = re.compile(r"\n(?=[ \t]*(?:\n|[-*#>|+•\d]))|o['’]clock|se['’]nnight|['’]s(?!\w)|\d+|[^\W\d_]+|\S")
BREAK = "\n"  # a line that ends a thought: no expression goes over it


@dataclass(frozen=True)
class Token:
    """A word, a number or a sign.

    Attributes:
        text: in lower case.
        glued: no space stands before it.
        kinds: terminal symbol -> value.
        keys: the terminal symbols, and the text itself.
    """

    text: str
    start: int
    end: int
    glued: bool
    kinds: dict[str, Any]
    keys: frozenset[str]


def tokens_of(text: str) -> list[Token]:
    """The tokens of a text, in order."""
    found, at = [], -1
    for match in TOKEN.finditer(text):
        word = match[0].lower().replace("’", "'")
        kinds = {"int": word} if word[0].isdigit() and word.isdecimal() else WORDS.get(word, NOTHING)
        keys = _keys(word) if kinds is not NOTHING or len(word) < 14 else NO_KEYS
        found.append(Token(word, match.start(), match.end(), match.start() == at, kinds, keys))
        at = match.end()
    return found


NOTHING: dict[str, Any] = {}
NO_KEYS: frozenset[str] = frozenset()
_KNOWN_KEYS: dict[str, frozenset[str]] = {}


def _keys(word: str) -> frozenset[str]:
    if word[0].isdigit() and word.isdecimal():
        return _INT_KEYS
    if word not in _KNOWN_KEYS:
        if len(_KNOWN_KEYS) > 20_000:
            _KNOWN_KEYS.clear()
        _KNOWN_KEYS[word] = frozenset(["'" + word, *(f"<{kind}>" for kind in WORDS.get(word, ()))])
    return _KNOWN_KEYS[word]


_INT_KEYS = frozenset(["<int>"])


@dataclass(frozen=True)
class Element:
    """One place of a pattern: a symbol whose value is kept under `label`, or one of some literal words."""

    symbol: str
    words: frozenset[str]
    label: str
    optional: bool
    glued: bool


@dataclass
class Rule:
    """A way to make `symbol`: a pattern, and what makes the value of the values in it (None: no such thing)."""

    symbol: str
    elements: list[Element]
    make: Callable[..., Any]
    first: frozenset[str] = field(default=frozenset())


Maker = TypeVar("Maker", bound=Callable[..., Any])
RULES: dict[str, list[Rule]] = defaultdict(list)


def rule(symbol: str, *patterns: str) -> Callable[[Maker], Maker]:
    """Register ways to make a symbol.

    A pattern is a row of `word|word`, `<symbol>` or `<label=symbol>`; `?` behind makes one optional, `+` before forbids a
    space before it. The function is called with the parser's moment and the values by their labels.
    """

    def register(make: Maker) -> Maker:
        for pattern in patterns:
            RULES[symbol].append(Rule(symbol, [_element(part) for part in pattern.split()], make))
        return make

    return register


def _element(text: str) -> Element:
    glued, text = text.startswith("+") and len(text) > 1, text.removeprefix("+") if len(text) > 1 else text
    optional, text = text.endswith("?") and len(text) > 1, text.removesuffix("?") if len(text) > 1 else text
    if text.startswith("<") and text.endswith(">"):
        label, _, symbol = text[1:-1].rpartition("=")
        return Element(symbol, frozenset(), label or symbol, optional, glued)
    return Element("", frozenset("'" + word for word in text.split("|")), "", optional, glued)


def prepare() -> None:
    """Work out with which tokens every rule can begin. Called once, when all rules are known."""
    changed = True
    while changed:
        changed = False
        for rules in RULES.values():
            for one in rules:
                first = _first(one.elements)
                if first != one.first:
                    one.first, changed = first, True


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """The keys of all tokens that stand in some rule."""
    elements = [element for rules in RULES.values() for one in rules for element in one.elements]
    terminals = (f"<{element.symbol}>" for element in elements if element.symbol and element.symbol not in RULES)
    return frozenset(terminals).union(*(element.words for element in elements))


def _first(elements: list[Element]) -> frozenset[str]:
    found: set[str] = set()
    for element in elements:
        if element.symbol in RULES:
            found.update(*(other.first for other in RULES[element.symbol]))
        else:
            found.update(element.words or [f"<{element.symbol}>"])
        if not element.optional:
            break
    return frozenset(found)


NOTHING_FOUND: dict[int, Any] = {}
_BEGINNING: dict[tuple[str, frozenset[str]], list[Rule]] = {}


def _beginning(symbol: str, keys: frozenset[str]) -> list[Rule]:
    """The rules of a symbol that can begin with a token of these keys."""
    known = _BEGINNING.get((symbol, keys))
    if known is None:
        if len(_BEGINNING) > 200_000:
            _BEGINNING.clear()
        known = _BEGINNING[symbol, keys] = [one for one in RULES[symbol] if not one.first.isdisjoint(keys)]
    return known


class Parser:
    """The rules at work on one text.

    Args:
        now: the moment that relative expressions are meant from.
        lean: which of two readings is preferred, past or future.
    """

    def __init__(self, tokens: list[Token], now: datetime, lean: str) -> None:
        self.tokens, self.now, self.lean = tokens, now, lean
        self._known: dict[tuple[str, int], dict[int, Any]] = {}

    def parse(self, symbol: str, at: int) -> dict[int, Any]:
        """End -> value of all ways in which `symbol` stands at token `at`; of two with one end, the earlier rule's."""
        rules = _beginning(symbol, self.tokens[at].keys) if at < len(self.tokens) else []
        if not rules:
            return NOTHING_FOUND
        known = self._known.get((symbol, at))
        if known is not None:
            return known
        found: dict[int, Any] = {}
        self._known[symbol, at] = found
        for one in rules:
            for end, values in self._rows(one.elements, 0, at, {}):
                if end not in found:
                    value = self._made(one, values)
                    if value is not None:
                        found[end] = value
        return found

    def _made(self, one: Rule, values: dict[str, Any]) -> Any:
        try:
            return one.make(self, **values)
        except (OverflowError, ValueError):  # the 30th of February, the year 12000
            return None

    def _rows(
        self, elements: list[Element], place: int, at: int, values: dict[str, Any]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        if place == len(elements):
            yield at, values
            return
        element = elements[place]
        if at < len(self.tokens):
            token = self.tokens[at]
            if token.glued or not element.glued:
                if element.words:
                    if not element.words.isdisjoint(token.keys):
                        yield from self._rows(elements, place + 1, at + 1, values)
                elif element.symbol in token.kinds:
                    more = {**values, element.label: token.kinds[element.symbol]}
                    yield from self._rows(elements, place + 1, at + 1, more)
                elif element.symbol in RULES:
                    for end, value in self.parse(element.symbol, at).items():
                        yield from self._rows(elements, place + 1, end, {**values, element.label: value})
        if element.optional:
            yield from self._rows(elements, place + 1, at, values)
