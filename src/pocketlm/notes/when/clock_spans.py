"""Spans of a day between two times of the clock, or of some hours from one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from pocketlm.notes.when.clocks import WHOLE_DAY, fitting, name_of
from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.values import Amount, Clock


@rule("till", "to|until|till|til|through|thru", "-|–|—|~", "up to")
def _till(_: Parser) -> bool:
    return True


def spans_between(start: Clock, stop: Clock) -> tuple[tuple[int, int | None], ...]:
    """From one time to another: what one leaves open the other decides; the next day's where the second is earlier."""
    starts, stops = [one for one, _ in start.options], [one for one, _ in stop.options]
    if len(stops) == 1 and len(starts) > 1:
        before = [one for one in starts if one < stops[0]] or starts
        return ((max(before), stops[0]),)
    return tuple((one, _next(one, stops)) for one in starts)


def _next(start: int, stops: Iterable[int]) -> int:
    return min(stop if stop > start else stop + WHOLE_DAY for stop in stops)


@rule(
    "clocks",
    "from|between <start=clock_at> till|until|to|through|and|-|–|~ <stop=clock_at>",
    "<start=clock> <till> <stop=clock_at>",
)
@rule("clocks", "<start=clock_at> <till> <stop=clock>")
@rule("clocks_in", "<start=clock_at> <till> <stop=clock_at>")
def _between(_: Parser, start: Clock, stop: Clock, till: bool = True) -> Clock | None:
    if start.part or stop.part:
        return None
    if start.confidence < 0.6 and stop.confidence < 0.6 and start.grain != "hour":
        return None
    return _span(spans_between(start, stop), min(start, stop, key=lambda one: "smh".index(one.grain[0])).grain)


def _span(options: tuple[tuple[int, int | None], ...], grain: str) -> Clock:
    first, last = options[0]
    timex = f"({name_of(first, grain)},{name_of((last or 0) % WHOLE_DAY, grain)})"
    return Clock(options, grain, timex, confidence=0.85)


@rule("clocks_in", "<clocks>")
def _is_span(_: Parser, clocks: Clock) -> Clock:
    return clocks


@rule(
    "clocks",
    "<span=clocks_in> <part=parts>",
    "<part=parts> ,? <span=clocks_in>",
    "<part=parts> from|between <span=clocks_in>",
)
def _span_of_part(_: Parser, span: Clock, part: Clock) -> Clock | None:
    if not part.part or span.part:
        return None
    return replace(span, options=(fitting(span.options, part),))


@rule("clocks", "from <start=clock_at> for <amount>", "for? <amount> from|starting|beginning at? <start=clock_at>")
@rule("clocks", "for <amount> from <start=clock_at>")
def _lasting(_: Parser, start: Clock, amount: Amount) -> Clock | None:
    """From 9 for 2.5 hours: of the morning where nothing says otherwise."""
    if not amount.is_clock or start.part or amount.seconds >= WHOLE_DAY:
        return None
    first = start.options[0][0]
    return _span(((first, first + int(amount.seconds)),), "minute")
