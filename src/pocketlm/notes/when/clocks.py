"""Times of a day: by the clock, by name, by part of the day, and spans between two of them."""

from __future__ import annotations

from dataclasses import replace

from pocketlm.notes.when.engine import Parser, rule
from pocketlm.notes.when.values import Clock

HALF_DAY, WHOLE_DAY = 43_200, 86_400
Part = tuple[int, int, str]


def clock(hour: int, minute: int = 0, second: int = 0, half: str = "", grain: str = "hour") -> Clock | None:
    """A time; without a half of the day (a, p) both are meant, unless its hour says which."""
    if not (0 <= hour <= 24 and 0 <= minute < 60 and 0 <= second < 60) or (half and hour > 23):
        return None
    seconds = (hour % 24) * 3600 + minute * 60 + second
    if half:
        seconds = seconds % HALF_DAY + (HALF_DAY if half == "p" and hour < 13 else 0)
        if hour > 12:
            seconds = hour * 3600 + minute * 60 + second
    sure = bool(half) or hour == 0 or hour > 12
    options = [seconds] if sure else [seconds, (seconds + HALF_DAY) % WHOLE_DAY]
    return Clock(tuple((one, None) for one in options), grain, name_of(options[0], grain))


def name_of(seconds: int, grain: str) -> str:
    """A TIMEX time."""
    hour, rest = divmod(seconds, 3600)
    minute, second = divmod(rest, 60)
    return (
        "T"
        + f"{hour:02}"
        + (f":{minute:02}" if grain != "hour" else "")
        + (f":{second:02}" if grain == "second" else "")
    )


# by the clock


@rule("half", "am", "a . m .", "a m", "a . m", ". am", ". a . m .")
def _am(_: Parser) -> str:
    return "a"


@rule("half", "pm", "p . m .", "p m", "p . m", ". pm", ". p . m .")
def _pm(_: Parser) -> str:
    return "p"


@rule("letterhalf", "+a")
def _a(_: Parser) -> str:
    return "a"


@rule("letterhalf", "+p")
def _p(_: Parser) -> str:
    return "p"


@rule("half", "ampm", "am or pm", "am / pm")
def _either(_: Parser) -> str:
    return "?"


@rule("hhmm", "<hour=int> +: +<minute=int>")
@rule("hhmm_dot", "<hour=int> +. +<minute=int>", "<hour=int> +h +<minute=int>")
def _hour_minute(_: Parser, hour: str, minute: str) -> tuple[int, int] | None:
    return (int(hour), int(minute)) if len(hour) < 3 and len(minute) == 2 and int(hour) <= 24 else None


@rule("time", "<hhmm> <half>?", "<hhmm> +<half=letterhalf>", "<hhmm_dot> <half>", "<hhmm> +: +<second=int> <half>?")
def _digital(
    _: Parser, hhmm: tuple[int, int] = (99, 0), half: str = "", second: str = "", **more: tuple[int, int]
) -> Clock | None:
    hour, minute = more.get("hhmm_dot", hhmm)
    half = half.replace("?", "")
    if second and len(second) != 2:
        return None
    return clock(hour, minute, int(second or 0), half, "second" if second else "minute")


@rule("time", "<hour=int> <half>", "<hour=small> <half>", "<hour=int> +<half=letterhalf>")
def _hour(_: Parser, hour: str | int, half: str) -> Clock | None:
    """9 am, 1140 a.m."""
    if isinstance(hour, str) and len(hour) in (3, 4):
        return clock(int(hour[:-2]), int(hour[-2:]), 0, half, "minute") if int(hour[:-2]) < 13 else None
    return clock(int(hour), 0, 0, half.replace("?", "")) if 1 <= int(hour) <= 23 else None


@rule("time", "<hour> o'clock|oclock", "<hour> o ' clock", "<hour> o'clock|oclock <half>", "<hour> of the clock")
def _oclock(_: Parser, hour: int, half: str = "") -> Clock | None:
    return clock(hour, 0, 0, half)


@rule("hour", "<int>", "<small>")
def _bare_hour(_: Parser, int: str = "", small: int = 0) -> int | None:
    number = _number(int) if int else small
    return number if 0 <= number <= 24 and len(int) < 3 and (number or int) else None


def _number(figures: str) -> int:
    return int(figures)


@rule("minutes", "<int> minutes|minute|mins|min?", "<small> minutes|minute|mins|min?")
def _minutes(_: Parser, int: str = "", small: int = 0) -> int | None:
    number = _number(int) if int else small
    return number if 1 <= number < 60 else None


@rule("namedminutes", "<int> minutes|minute|mins|min", "<small> minutes|minute|mins|min")
def _named_minutes(parser: Parser, int: str = "", small: int = 0) -> int | None:
    return _minutes(parser, int, small)


@rule("minutes", "a? quarter")
def _quarter(_: Parser) -> int:
    return 15


@rule("minutes", "half")
def _half(_: Parser) -> int:
    return 30


@rule(
    "time",
    "<minutes> past|after <hour>",
    "<minutes> past|after <hour> o'clock|oclock",
    "<minutes> past|after <hour> <half>",
)
def _past(_: Parser, minutes: int, hour: int, half: str = "") -> Clock | None:
    return clock(hour, minutes, 0, half, "minute")


@rule("time", "<minutes> to|of|before|til <hour> o'clock|oclock", "<minutes> to|before <hour> <half>")
@rule("time", "<minutes=namedminutes> to|before <hour>")
def _to(_: Parser, minutes: int, hour: int, half: str = "") -> Clock | None:
    return clock((hour - 1) % 12 or 12, 60 - minutes, 0, half, "minute")


@rule("time", "quarter|half to|before <hour>", "a quarter to|before <hour>")
def _quarter_to(_: Parser, hour: int) -> Clock | None:
    return clock((hour - 1) % 12 or 12, 45, 0, "", "minute")


@rule("spoken", "<hour=small> -? <minute=small> minutes?", "<hour=small> oh|o <minute=digit>")
def _spoken(_: Parser, hour: int, minute: int) -> tuple[int, int] | None:
    return (hour, minute) if hour <= 12 and minute < 60 else None


@rule("time", "<spoken> <half>")
@rule("said", "<spoken>")
def _spoken_clock(_: Parser, spoken: tuple[int, int], half: str = "") -> Clock | None:
    if spoken[1] < 10 and not half:
        return None
    return clock(*spoken, 0, half, "minute")


@rule("time", "<hour=int> -? +ish", "<hour=small> +ish")
def _about(_: Parser, hour: str | int) -> Clock | None:
    return (
        Clock(((int(hour) % 24 * 3600, None),), "hour", name_of(int(hour) % 24 * 3600, "hour"), modifier="")
        if int(hour) < 25
        else None
    )


@rule("time", "noon|midday|noonish|noontime|noonday", "12 noon", "twelve noon", "mid day", "high noon", "<int> noon")
def _noon(_: Parser, int: str = "12") -> Clock | None:
    return Clock(((HALF_DAY, None),), "hour", "T12") if int == "12" else None


@rule("time", "midnight", "mid night", "mid -? night", "<int> midnight")
def _midnight(_: Parser, int: str = "12") -> Clock | None:
    return Clock(((0, None),), "hour", "T00") if int == "12" else None


@rule("clock_at", "<hhmm_dot>")
def _dotted(_: Parser, hhmm_dot: tuple[int, int]) -> Clock | None:
    return clock(*hhmm_dot, 0, "", "minute")


@rule("barehour", "<hour>")
def _at_hour(_: Parser, hour: int) -> Clock | None:
    found = clock(hour)
    return replace(found, confidence=0.5) if found else None


@rule("clock_at", "<figures=int>")
def _military(_: Parser, figures: str) -> Clock | None:
    if len(figures) != 4 or figures[0] not in "012" or figures[:2] in ("19", "20"):
        return None
    return clock(int(figures[:2]), int(figures[2:]), 0, "", "minute")


@rule("said", "<time>")
@rule("clock", "<time>")
def _plain(_: Parser, time: Clock) -> Clock:
    return time


@rule("clock_at", "<clock>", "<said>", "<barehour>")
def _any_clock(_: Parser, **at: Clock) -> Clock:
    return next(iter(at.values()))


# by part of the day


@rule("partclock", "<partname>", "day -? time")
def _part(parser: Parser, partname: Part | None = None) -> Clock:
    if partname is None:
        partname = (8, 18, "DT")
    first, last, name = partname
    return Clock(((first * 3600, last * 3600),), "part", f"T{name}", name, confidence=0.8)


@rule("partclock", "night -? time")
def _night_time(_: Parser) -> Clock:
    return Clock(((0, 8 * 3600),), "part", "TNT", "NT", confidence=0.8)


@rule("halfpart", "<early> <partclock>", "<early> in? the <partclock>", "<early> - <partclock>")
def _half_part(_: Parser, early: str, partclock: Clock) -> Clock | None:
    if early == "mid" and partclock.part == "NI":
        return None
    return half_of(partclock, early)


def half_of(part: Clock, edge: str) -> Clock:
    """The early or the late half of a part of a day, or what is between."""
    first, last = part.options[0]
    assert last is not None
    middle, quarter = (first + last) // 2, (last - first) // 4
    span = {"start": (first, middle), "mid": (middle - quarter, middle + quarter), "end": (middle, last)}[edge]
    return replace(part, options=(span,), modifier=edge)


@rule("dayparts", "<halfpart>", "<partclock>")
def _some_part(_: Parser, **part: Clock) -> Clock:
    return next(iter(part.values()))


@rule("inparts", "in|during|at the? <dayparts=partclock>", "at night", "of the <dayparts=partclock>")
@rule(
    "parts",
    "in|during the? <dayparts=partclock>",
    "<dayparts>",
    "in|during the <dayparts>",
    "at night",
    "in the <dayparts=plural>",
    "at the? <dayparts>",
)
def _in_part(_: Parser, dayparts: Clock | None = None) -> Clock:
    return dayparts or Clock(((20 * 3600, WHOLE_DAY),), "part", "TNI", "NI", confidence=0.8)


@rule(
    "parts",
    "at? lunchtime",
    "at <meal>",
    "lunchtime|dinnertime",
    "at <meal> time",
    "during <meal>",
    "over lunch|dinner",
)
def _meal(_: Parser, meal: Part | None = None) -> Clock:
    first, last, name = meal or (11, 13, "MEL")
    return Clock(((first * 3600, last * 3600),), "part", f"T{name}", name, confidence=0.6)


@rule(
    "clock",
    "<at=said> <part=parts>",
    "<at=barehour> <part=inparts>",
    "<part=parts> at <at=barehour>",
    "<part=parts> at|around|about? <at=said>",
)
def _clock_of_part(_: Parser, at: Clock, part: Clock) -> Clock | None:
    return fit(at, part)


def fit(at: Clock, part: Clock) -> Clock | None:
    """The half of the day that a part of it decides: 7 in the afternoon is 19 o'clock, 3 at night is 3 o'clock."""
    if at.part or not part.part:
        return None
    found = fitting(at.options, part)
    return replace(at, options=(found,), timex=name_of(found[0] % WHOLE_DAY, at.grain), confidence=0.9)


def fitting(options: tuple[tuple[int, int | None], ...], part: Clock) -> tuple[int, int | None]:
    """Of several times, the one that belongs to a part of the day."""
    late = part.part in ("AF", "EV", "MED")
    if part.part == "MEL":
        return min(options, key=lambda option: abs(option[0] - HALF_DAY))
    for option in options:
        is_late = option[0] >= HALF_DAY
        if part.part == "NI":
            late = option[0] % HALF_DAY >= 6 * 3600
        if is_late == late:
            return option
    return options[0]


@rule("dotclock", "<hhmm_dot> <half>")
def _dotted_half(_: Parser, hhmm_dot: tuple[int, int], half: str) -> Clock | None:
    return clock(*hhmm_dot, 0, half.replace("?", ""), "minute")


@rule("clock_alone", "at <at=hhmm_alone>", "at <at=hour_alone>", "at <at=bareat>")
def _at_alone(_: Parser, at: Clock) -> Clock:
    return at


@rule("hhmm_alone", "<hhmm_dot>")
def _dotted_alone(_: Parser, hhmm_dot: tuple[int, int]) -> Clock | None:
    return clock(*hhmm_dot, 0, "", "minute")


@rule("bareat", "<int>")
def _bare(_: Parser, int: str) -> Clock | None:
    found = clock(_number(int)) if len(int) < 3 else None
    return replace(found, confidence=0.4) if found and found.options[0][0] else None


@rule("hour_alone", "<hour> sharp")
def _sharp(_: Parser, hour: int) -> Clock | None:
    return clock(hour)
