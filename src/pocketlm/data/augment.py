"""Say the same rows otherwise in each epoch, so that a model learns how requests are worded and not what they named.

Only for rows whose arguments are copied from the request: there a value can be replaced in the request and in the call
alike, and the row stays right. A few hundred rows then never look the same twice: a name that happened to stand beside
an optional argument is not mistaken for the reason of it, and no sentence can be learnt by heart. Words that say little
about what is meant come and go, as in Wei and Zou 2019 (arXiv:1901.11196).
"""

from __future__ import annotations

import random
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pocketlm.tasks.call import Call, CallRow
from pocketlm.tasks.grammar import PIECE
from pocketlm.tasks.said import Value, leaves, lower, places, replace, said, wordings
from pocketlm.tasks.template import Message
from pocketlm.tasks.tools import ToolSet

SWAP = 0.7  # chance that a value is replaced
# Chance that the new value gets words of a third one: how far a value goes is then learnt from what is around it.
SPLICE = 0.2
JOIN = 0.12  # chance that a row with one call is joined with another, where the rows know requests for several
LOWER = 0.12  # chance that a row is said in lower case without a closing mark, as dictation writes it
DROP, ADD = 0.15, 0.05  # chance that a broad word is left out, and that one is put in front of a word
BROAD = 5  # functions in whose rows a word must stand to be broad
DISTINCT = 4  # letters from which on a known value is taken for one in a request without a call
JOINERS = (" and ", " and then ", ", then ", ". ", ". Then ", ". Also ", ", and ", ", also ")
# A value said behind one of these ("my sister") is only exchanged for one that was said behind the same.
DETERMINERS = {"a", "an", "the", "my", "our", "your", "his", "her", "their", "this", "next"}
Place = tuple[str, str, str]  # function, argument, determiner in front


class Augmenter:
    """Makes new wordings of the rows of one training set.

    Args:
        wording: also change the words around the values; without it only values are exchanged.
    """

    def __init__(self, rows: Sequence[CallRow], tools: ToolSet, *, wording: bool = True) -> None:
        self._rows, self._tools, self._wording = list(rows), tools, wording
        pools: dict[Place, dict[str, None]] = defaultdict(dict)
        for row in self._rows:
            for call, argument, value in self._values(row):
                pools[self._place(row, call, argument, value)][str(value)] = None
        self._pools = {place: list(values) for place, values in pools.items()}
        self._known = {
            value: place
            for place, values in self._pools.items()
            for value in values
            if len(value) >= DISTINCT and not value.isdigit()
        }
        self._single = [row for row in self._rows if len(row.calls) == 1 and self._is_copied(row)]
        self._joins = wording and len(self._single) > 1 and any(len(row.calls) > 1 for row in self._rows)
        self._broad = self._broad_words() if wording else []

    def epoch(self, seed: int) -> list[CallRow]:
        """As many rows as there are, in the same order, each perhaps said otherwise. The same seed gives the same rows."""
        rng = random.Random(seed)
        return [self._vary(row, rng) if self._is_copied(row) else row for row in self._rows]

    def _vary(self, row: CallRow, rng: random.Random) -> CallRow:
        row = self._swap(row, rng) if row.calls else self._swap_named(row, rng)
        if not self._wording:
            return row
        row = self._shake(row, rng)
        if self._joins and len(row.calls) == 1 and rng.random() < JOIN:
            row = _join(row, self._swap(rng.choice(self._single), rng), rng)
        return self._lower(row) if rng.random() < LOWER else row

    def _swap(self, row: CallRow, rng: random.Random) -> CallRow:
        """Replace values in the request and in the calls."""
        for call, argument, value in list(self._values(row)):
            if rng.random() >= SWAP:
                continue
            old = said(value, row.text)
            pool = self._pools.get(self._place(row, call, argument, value)) if old else None
            if not pool:
                continue  # what was put in before says this value too, or stands in front of it as nothing else did
            new, wording = self._other(row, value, pool, rng)
            if row.text.startswith(old) and wording[0].islower() != row.text[0].islower():
                continue  # the case of a sentence's first word says nothing
            others = [str(other) for *_, other in self._values(row) if other != value]
            if any(wording in other or other in wording for other in others):
                continue  # two values must stay apart
            changed = _replaced(row, value, new, old, wording)
            row = changed if self._is_copied(changed) else row  # values may overlap: "move day" and "day at the gym"
        return row

    def _other(self, row: CallRow, value: Value, pool: Sequence[str], rng: random.Random) -> tuple[Value, str]:
        """Another value for an argument out of those that stand in such places, and how it is said."""
        new = rng.choice(pool)
        if isinstance(value, int):
            return int(new), rng.choice(wordings(int(new)))
        if self._wording and rng.random() < SPLICE:
            new = _spliced(new, rng.choice(pool), rng)
        new = new.lower() if row.text.islower() else new
        return new, new

    def _swap_named(self, row: CallRow, rng: random.Random) -> CallRow:
        """In a request that fits no function, replace what is a value elsewhere: it still fits none."""
        text = row.text
        for value, place in self._known.items():
            if len(at := places(value, text)) == 1 and rng.random() < SWAP:
                text = text[: at[0]] + rng.choice(self._pools[place]) + text[at[0] + len(value) :]
        return CallRow((Message("user", text),), (), row.where)

    def _shake(self, row: CallRow, rng: random.Random) -> CallRow:
        """Leave out broad words and put others in, outside of the values and never where that moves a value's edge."""
        outside = list(_outside(row))
        starts, ends = {word.start() for word in outside}, {word.end() for word in outside}
        # What chose an enum's value may be any word, and so may what parts two calls: there none is left out.
        chosen = any(not self._is_free(call, key) or isinstance(value, bool) for call, key, value in _arguments(row))
        keep = chosen or len(row.calls) > 1
        text, at = "", 0
        for word in outside:
            text, at = text + row.text[at : word.start()], word.start()
            after_word = word.start() == 0 or word.start() - 1 in ends
            before_word = word.end() == len(row.text) or word.end() + 1 in starts
            if _core(word.group()) in self._broad and not keep and (after_word or before_word):
                at = word.end() if rng.random() < DROP else at
            elif self._broad and after_word and rng.random() < ADD:
                text += rng.choice(self._broad) + " "
        text = re.sub(r" +", " ", text + row.text[at:]).strip()
        shaken = CallRow((Message("user", text),), row.calls, row.where)
        return shaken if text and self._is_copied(shaken) else row

    def _broad_words(self) -> list[str]:
        """Words that stand outside of values in the rows of many functions, so that they say little about which is meant."""
        functions: dict[str, set[str]] = defaultdict(set)
        for row in self._single:
            for word in _outside(row):
                functions[_core(word.group())].add(row.calls[0].name)
        return sorted(word for word, names in functions.items() if word and len(names) >= BROAD)

    def _lower(self, row: CallRow) -> CallRow:
        calls = tuple(
            Call(call.name, {key: lower(v) if self._is_free(call, key) else v for key, v in call.arguments.items()})
            for call in row.calls
        )
        return CallRow((Message("user", _unmarked(row).lower()),), calls, row.where)

    def _is_copied(self, row: CallRow) -> bool:
        """Whether a row is one request that holds every free string of its calls."""
        free = (
            leaf for call, argument, value in _arguments(row) if self._is_free(call, argument) for leaf in leaves(value)
        )
        return len(row.messages) == 1 and all(places(leaf, row.text) for leaf in free if isinstance(leaf, str))

    def _is_free(self, call: Call, argument: str) -> bool:
        """Whether an argument's strings are copied from the request, not chosen from a list."""
        schema: Mapping[str, Any] = self._tools[call.name].properties.get(argument, {})
        return not (schema.keys() | schema.get("items", {}).keys()) & {"enum", "const"}

    def _values(self, row: CallRow) -> Iterator[tuple[Call, str, Value]]:
        """Values that stand exactly once in the request and once in the calls, as whole words and inside no other."""
        every = [leaf for call in row.calls for leaf in leaves(call.arguments)]
        for call, argument, value in _arguments(row):
            for leaf in leaves(value) if self._is_free(call, argument) else ():
                wording = said(leaf, row.text)
                inside = any(wording in str(other) for other in every if other != leaf)
                if wording and every.count(leaf) == 1 and not inside:
                    yield call, argument, leaf

    def _place(self, row: CallRow, call: Call, argument: str, value: Value) -> Place:
        before = PIECE.findall(row.text[: places(said(value, row.text), row.text)[0]])
        word = before[-1].lower() if before else ""
        kind = "number" if isinstance(value, int) else ""
        return call.name, argument, kind or (word if word in DETERMINERS else "")


def _arguments(row: CallRow) -> Iterator[tuple[Call, str, Any]]:
    return ((call, argument, value) for call in row.calls for argument, value in call.arguments.items())


def _join(first: CallRow, second: CallRow, rng: random.Random) -> CallRow:
    joiner = rng.choice(JOINERS)
    text = second.text
    starts_with_value = any(text.startswith(str(leaf)) for call in second.calls for leaf in leaves(call.arguments))
    if not joiner.endswith(". ") and not starts_with_value and not text.startswith(("I ", "I'")):
        text = text[:1].lower() + text[1:]
    return CallRow((Message("user", _unmarked(first) + joiner + text),), first.calls + second.calls, first.where)


def _replaced(row: CallRow, old: Value, new: Value, wording: str, new_wording: str) -> CallRow:
    at = places(wording, row.text)[0]
    text = row.text[:at] + new_wording + row.text[at + len(wording) :]
    calls = tuple(Call(call.name, replace(call.arguments, old, new)) for call in row.calls)
    return CallRow((Message("user", text),), calls, row.where)


def _spliced(value: str, other: str, rng: random.Random) -> str:
    """`value` with the last words of `other` behind it, where neither holds a number."""
    if any(letter.isdigit() for letter in value + other):
        return value
    tail = other.split()
    return f"{value} {' '.join(tail[-rng.randint(1, min(2, len(tail))) :])}"


def _outside(row: CallRow) -> Iterator[re.Match[str]]:
    """The words of a request that belong to no value."""
    forms = [form for call in row.calls for leaf in leaves(call.arguments) for form in wordings(leaf)]
    spans = [(at, at + len(form)) for form in forms for at in places(form, row.text)]
    for word in re.finditer(r"\S+", row.text):
        if not any(start < word.end() and word.start() < end for start, end in spans):
            yield word


def _core(word: str) -> str:
    return word.lower().strip('.,;:!?"')


def _unmarked(row: CallRow) -> str:
    """The request without its closing mark, unless the mark is a value's ("7 p.m.")."""
    ends = any(row.text.endswith(str(leaf)) for call in row.calls for leaf in leaves(call.arguments))
    return row.text if ends else row.text.rstrip(".?! ")
