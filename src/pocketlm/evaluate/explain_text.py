"""An explanation for the terminal: tokens coloured by their probability, sources of values, three most attended tokens."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.cells import cell_len
from rich.text import Text

from pocketlm.evaluate.attention import Attention, most_attended
from pocketlm.evaluate.explain import Contrast, Explanation, Origin, Token, Word

LEVELS = (0.9, 0.5, 0.1)  # of probability; what is under the last is the fourth level
COLOURS = ("green", "yellow", "dark_orange", "red")
MARKS = {" ": "·", "\n": "↵", "\t": "⇥", "\r": "␍"}
SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
WIDEST = 24  # cells of a token in a table
NOTHING = math.log(1.1)  # a word without which a value is less than a tenth less likely does not count as its source
MOST_SOURCES = 3


def render_text(told: Explanation, *, attention: bool = False) -> Text:
    """All that was found, as lines.

    Args:
        attention: also what each token of the answer looked at.
    """
    text = Text()
    for part in _parts(told, attention):
        text.append_text(part).append("\n")
    return text


def visible(text: str) -> str:
    """Text with its white space and control characters to be seen."""
    return "".join(
        MARKS.get(one) or (one if one.isprintable() else one.encode("unicode_escape").decode()) for one in text
    )


def percent(p: float) -> str:
    """A probability, 0..1, as it is read."""
    return f"{p:.1%}" if p >= 0.0005 else "<0.1%"


def chance(logprob: float) -> str:
    """A probability from its natural logarithm, as a power of ten where it is small."""
    return percent(math.exp(logprob)) if logprob > math.log(0.0005) else _power(logprob)


def times(drop: float) -> str:
    """A difference of natural-log probabilities as a factor."""
    factor = math.exp(min(drop, 700.0))
    return f"{factor:.1f}x" if factor < 10 else f"{factor:,.0f}x" if factor < 1e5 else f"{_power(drop)}x"


def _power(log: float) -> str:
    """A power of ten from a natural logarithm."""
    return "10" + f"{log / math.log(10):.0f}".translate(SUPERSCRIPT)


def level(p: float | None) -> int:
    """How sure the model was of a token: 0 (sure) to 3 (surprised)."""
    return 0 if p is None else next((i for i, least in enumerate(LEVELS) if p >= least), len(LEVELS))


def sources(words: Sequence[Word], weights: Sequence[float], least: float) -> list[tuple[str, float]]:
    """The words with the largest weights, none under `least`."""
    ranked = sorted(zip(words, weights, strict=False), key=lambda pair: -pair[1])
    return [(word.text, weight) for word, weight in ranked[:MOST_SOURCES] if weight >= least]


def summary(told: Explanation) -> str:
    """Prompt and answer in a sentence."""
    read = f"{len(told.prompt)} tokens" + (f" after {told.hidden} of the system block" if told.hidden else "")
    logprob = sum(token.logprob or 0.0 for token in told.written)
    held = sum(not token.is_likeliest for token in told.written) if told.constrained else 0
    grammar = f"; at {held} of its places the grammar held it back" if held else ""
    return f"Read {read}, wrote {len(told.written)}; the whole answer has probability {chance(logprob)}{grammar}."


def verdict(contrast: Contrast) -> str:
    """Whether the answer is the expected one, and which of the two the model holds for likelier."""
    if not contrast.why:
        return "The answer is as expected."
    gap = contrast.given - contrast.logprob
    likelier = f"the answer given {times(gap)} likelier" if gap >= 0 else f"the expected answer {times(-gap)} likelier"
    return f"Not as expected: {'; '.join(contrast.why)}. The model holds {likelier}."


def parting(contrast: Contrast) -> str:
    """Where the two answers part."""
    if contrast.place is None:
        return "Both are the same, token for token."
    wrote, instead = (
        f"{visible(one.text)} ({percent(one.p or 0.0)})" if one else "nothing more"
        for one in (contrast.wrote, contrast.instead)
    )
    return f"They part at token {contrast.place + 1} of the answer: {wrote} was written where {instead} was expected."


def _parts(told: Explanation, attention: bool) -> Iterator[Text]:
    yield Text(f"{told.engine}\n{summary(told)}")
    yield _heading("Prompt")
    yield from _table(told.prompt, False)
    yield _heading("Answer")
    yield _inline(told.written)
    yield from _table(told.written, told.constrained)
    if told.origins:
        yield _heading("Where each value came from")
        for origin in told.origins:
            yield from _origin(told.words, origin)
    if told.contrast:
        yield _heading("Against the expected answer")
        yield from _contrast(told.contrast)
    if attention and told.attention:
        yield _heading("What each token of the answer looked at")
        yield from _looks(told, told.attention)
    for note in told.notes:
        yield Text(f"\n{note}")


def _heading(words: str) -> Text:
    return Text(f"\n{words}", style="bold")


def _inline(tokens: Sequence[Token]) -> Text:
    """The tokens in a row, a bar between them."""
    text = Text("  ")
    for token in tokens:
        text.append(visible(token.text), style=COLOURS[level(token.p)]).append("|", style="dim")
    return text.append("\n")


def _table(tokens: Sequence[Token], constrained: bool) -> Iterator[Text]:
    """A line a token: id, text, probability, what else might have stood there."""
    wide = min(WIDEST, max((cell_len(visible(token.text)) for token in tokens), default=0))
    yield Text(f"  {'id':>7}  {'token':<{wide}}  {'p':>6}  likeliest at its place", style="dim")
    for token in tokens:
        shown = visible(token.text)
        line = Text(f"  {token.id:>7}  ")
        line.append(_padded(shown, wide), style=COLOURS[level(token.p)])
        line.append(f"  {'' if token.p is None else percent(token.p):>6}  ")
        for other in token.top:
            style = "bold" if other.id == token.id else "dim"
            line.append(f"{visible(other.text)} {percent(other.p)}   ", style=style)
        if constrained and not token.is_likeliest:
            line.append("(held by the grammar)", style="magenta")
        line.rstrip()
        yield line


def _padded(text: str, wide: int) -> str:
    return text + " " * (wide - cell_len(text))


def _origin(words: Sequence[Word], origin: Origin) -> Iterator[Text]:
    yield (
        Text(f"  {origin.name} = ").append(visible(origin.value), style="bold").append(f"  p {chance(origin.logprob)}")
    )
    if origin.drops:
        found = [f"{visible(word)} {times(drop)}" for word, drop in sources(words, origin.drops, NOTHING)]
        told = "   ".join(found) or "no single word of the request matters to it"
        yield Text(f"    less likely without     {told}")
    if origin.shares:
        found = [f"{visible(word)} {share:.0%}" for word, share in sources(words, origin.shares, 0.01)]
        yield Text(f"    attention while writing {'   '.join(found)}")


def _contrast(contrast: Contrast) -> Iterator[Text]:
    yield Text(f"  {verdict(contrast)}")
    yield Text(f"  expected  {visible(contrast.expected)}  p {chance(contrast.logprob)}")
    yield Text(f"  {parting(contrast)}")
    place = contrast.wrote or contrast.instead
    if place and place.top:
        yield Text("  Likeliest there: " + "   ".join(f"{visible(one.text)} {percent(one.p)}" for one in place.top))


def _looks(told: Explanation, attention: Attention) -> Iterator[Text]:
    tokens = [*told.prompt, *told.written]
    drawn = [visible(token.text) for token in tokens[attention.first - told.hidden :]]
    yield Text(f"  Shown is {attention.name}. {attention.sink}.", style="dim")
    for at, token in enumerate(told.written):
        row = attention.of_place(told.hidden + len(told.prompt) + at)
        if row is not None:
            looked = "   ".join(f"{name} {weight:.1%}" for name, weight in most_attended(row, drawn))
            yield Text(f"  {_padded(visible(token.text), WIDEST)}", style=COLOURS[level(token.p)]).append(
                looked, style="none"
            )
