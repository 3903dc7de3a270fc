"""Plain text: how well a model foretells what comes next. Nothing is generated; a text's own tokens are looked at."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketlm.core.errors import InputError
from pocketlm.tasks.base import Metric, Numbers, Score, TextRow, TextTask, tags_of

WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")
WINDOW, OVERLAP = 1024, 256
OFFERED = 3  # words above a phone's keyboard
CANDIDATES = 50  # tokens at a place that such a keyboard would choose its words from


def _perplexity(sums: Numbers) -> Numbers:
    with np.errstate(over="ignore"):
        return np.asarray(np.exp(sums[..., 0] / sums[..., 1]))


@dataclass(frozen=True)
class Piece:
    """A token of the text with its natural-log probability, and the likeliest tokens at its place, the likeliest first."""

    text: str
    logprob: float
    top: tuple[str, ...] = ()


class CompleteTask(TextTask):
    """Foretell a text.

    A keyboard's view: a word would be offered where its first token is among the likeliest at its place and greedy decoding
    ends the word as the text does. Keystrokes saved: letters are typed until the word is among the three offered, then one
    key takes it with the space behind it (Trnka and McCoy 2008); only words of one token are looked for while typing.
    """

    name = "complete"
    main = "perplexity"
    asks = "odds"
    top = CANDIDATES
    metrics: Mapping[str, Metric] = {
        "perplexity": Metric("of a token; of as many equally likely ones it would have to choose", _perplexity, percent=False, lower=True),
        "bits_per_byte": Metric("to store the text with; compares models of different tokenizers", percent=False, lower=True),
        "word_at_1": Metric("next words that are the model's first choice"),
        "word_at_3": Metric("next words among the model's first three choices"),
        "keys_saved": Metric("keystrokes saved by taking one of three offered words"),
    }  # fmt: skip

    def __init__(self, window: int = WINDOW, overlap: int = OVERLAP) -> None:
        """`window`: tokens the model sees at once; `overlap`: those of them that it has scored before. Both decide the figures.

        Raises:
            InputError: the overlap leaves nothing to score.
        """
        if not 0 <= overlap < window:
            raise InputError(
                f"a window of {window} tokens with {overlap} of them scored before leaves nothing to score"
            )
        self.window, self.overlap = window, overlap

    def settings(self) -> dict[str, Any]:
        """See `Task`."""
        return {"window": self.window, "overlap": self.overlap}

    @staticmethod
    def row(value: Mapping[str, Any], where: str = "") -> TextRow:
        """A row from `{"text"}`."""
        return TextRow((), value["text"], where, tags_of(value))

    def score_pieces(self, pieces: Sequence[Piece], size: int) -> Score:
        """What a stretch of text of `size` bytes earned."""
        nats = -sum(piece.logprob for piece in pieces)
        words = list(_words(pieces))
        typed = sum(_keys(pieces, *word) for word in words)
        letters = sum(len(text) + 1 for text, _, _ in words)
        return Score(
            {
                "perplexity": (nats, float(len(pieces))),
                "bits_per_byte": (nats / math.log(2), float(size)),
                "word_at_1": (float(sum(_is_offered(pieces, *word[1:], 1) for word in words)), float(len(words))),
                "word_at_3": (float(sum(_is_offered(pieces, *word[1:], OFFERED) for word in words)), float(len(words))),
                "keys_saved": (float(letters - typed), float(letters)),
            }
        )


def _words(pieces: Sequence[Piece]) -> Iterator[tuple[str, int, int]]:
    """Each word with its first token and the one behind its last; only words that begin and end with a token."""
    starts, at = {}, 0
    for i, piece in enumerate(pieces):
        starts[at + len(piece.text) - len(piece.text.lstrip())] = i
        at += len(piece.text)
    ends, at = {}, 0
    for i, piece in enumerate(pieces):
        at += len(piece.text)
        ends[at] = i + 1
    for match in WORD.finditer("".join(piece.text for piece in pieces)):
        if match.start() in starts and match.end() in ends:
            yield match[0], starts[match.start()], ends[match.end()]


def _is_offered(pieces: Sequence[Piece], first: int, end: int, among: int) -> bool:
    """Whether a keyboard that shows so many words would show this one before its first letter."""
    if pieces[first].text not in pieces[first].top[:among]:
        return False
    if any(piece.text != piece.top[0] for piece in pieces[first + 1 : end]):
        return False
    return end == len(pieces) or not pieces[end].top or not pieces[end].top[0][:1].isalpha()


def _keys(pieces: Sequence[Piece], word: str, first: int, end: int) -> int:
    """Keys pressed for a word and the space behind it."""
    if _is_offered(pieces, first, end, OFFERED):
        return 1
    if end - first == 1:
        choices = [
            text.lstrip() for text in pieces[first].top if text[:1].isspace() == pieces[first].text[:1].isspace()
        ]
        for letters in range(1, len(word)):
            if word in [choice for choice in choices if choice.startswith(word[:letters])][:OFFERED]:
                return letters + 1
    return len(word) + 1
