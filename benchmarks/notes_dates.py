"""Date and time expressions: found and resolved to the expected value, ours beside dateparser.

Cases: Recognizers-Text (MIT), English DateTimeModel: a sentence, a moment, and all expressions in it with their values.
A case counts as resolved only if every expected expression is found with the same characters (ignoring case), the same kind
and the same set of values, and nothing else is found. A value is a date, a moment, or the two ends of a span; where the
suite resolves nothing (sets, seasons, the 30th of February), the TIMEX value must be the same instead. The suite names the
ends of a span by the expressions themselves ("3 to 5 May" ends with the 5th): we compare `Reading.start` and `stop`, which
are defined so; and the end of a night, which it writes 23:59:59, equals midnight.
Lenient: the values of a case are all found, in order; spans, kinds and further finds do not count.

python benchmarks/notes_dates.py --json results/notes_dates.json [--data FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from kept import about

from pocketlm.core.files import write_json
from pocketlm.notes.dates import Dated, find_dates

REPO = Path(__file__).parents[1]
FOLDER = Path("temporal") / "recognizers_text_en"
Value = tuple[str, ...]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the metrics go")
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data", help="folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="every tenth case")
    parser.add_argument("--misses", action="store_true", help="print every case that is not resolved")
    arguments = parser.parse_args()
    if not (arguments.data / FOLDER).exists():
        sys.exit(f"{arguments.data / FOLDER}: not there; name the data with --data")
    metrics = measure(arguments.data, quick=arguments.quick, show=arguments.misses)
    for name, value in metrics.items():
        print(f"{name:<26}{value}")
    if arguments.json:
        write_json(arguments.json, {"metrics": metrics, **about()})


def measure(data: Path, *, quick: bool = False, show: bool = False) -> dict[str, Any]:
    """Shares of the cases that are resolved, ours and dateparser's, and our misses by the kind of what was expected."""
    cases = load(data / FOLDER / "DateTimeModel.json")[:: 10 if quick else 1]
    strict, lenient, misses = 0, 0, Counter[str]()
    began = time.perf_counter()
    ours = [_ours(case) for case in cases]
    seconds = time.perf_counter() - began
    for case, found in zip(cases, ours, strict=True):
        expected = wanted(case)
        right = found == expected
        strict += right
        lenient += _in_order([one[2] for one in expected], [one[2] for one in found])
        if not right:
            misses[_kind_of_miss(expected, found)] += 1
            if show:
                print(case["Input"], "\n   want", expected, "\n   got ", found)
    peers = [_peer(case) for case in cases]
    peer, peer_lenient = sum(one for one, _ in peers), sum(one for _, one in peers)
    return {
        "dates_cases": len(cases),
        "dates_resolved": strict / len(cases),
        "dates_lenient": lenient / len(cases),
        "dates_dateparser": peer / len(cases),
        "dates_dateparser_lenient": peer_lenient / len(cases),
        "dates_seconds": seconds,
        "misses": dict(misses.most_common()),
    }


def load(file: Path) -> list[dict[str, Any]]:
    """The suite's cases."""
    return list(json.loads(file.read_text(encoding="utf-8-sig")))


def moment_of(case: dict[str, Any]) -> datetime:
    """The moment that a case is meant from; its date alone is what is compared in those that have none."""
    text = case.get("Context", {}).get("ReferenceDateTime", "2016-11-07T00:00:00")
    return datetime.fromisoformat(text[:19])


Found = tuple[str, str, frozenset[Value]]


def wanted(case: dict[str, Any]) -> list[Found]:
    """(text, kind, values) of a case's expressions."""
    found = []
    for one in case["Results"]:
        kind = str(one.get("TypeName") or one.get("Typename") or one["Resolution"]["values"][0]["type"])
        values = frozenset(_expected(value) for value in (one.get("Resolution") or {}).get("values", []))
        found.append((one["Text"].lower(), kind.removeprefix("datetimeV2."), values))
    return found


def _expected(value: dict[str, Any]) -> Value:
    if value.get("value") == "not resolved":
        return ("timex", value["timex"])
    if "value" in value:
        return (str(value["value"]),)
    end = value.get("end", "").replace("23:59:59", "24:00")
    if value["type"] == "datetimerange" and end.endswith("00:00:00"):
        end = f"{datetime.fromisoformat(end) - timedelta(days=1):%Y-%m-%d} 24:00"
    return (value.get("start", ""), end)


def _ours(case: dict[str, Any]) -> list[Found]:
    found = find_dates(case["Input"], moment_of(case), lean="future")
    return [(one.text.lower(), one.kind, frozenset(values_of(one))) for one in found]


def values_of(one: Dated) -> list[Value]:
    """Our readings as the suite writes values."""
    if one.kind == "duration":
        return [(f"{one.seconds:g}" if one.seconds and one.seconds < 1e6 else f"{one.seconds:.0f}",)]
    if one.kind == "set" or not one.readings or _is_season(one):
        return [("timex", one.timex)]
    if one.kind in ("date", "time", "datetime"):
        return [(_text(reading.start, one.kind),) for reading in one.readings]
    return [(_text(reading.start, one.kind), _text(reading.stop, one.kind, True)) for reading in one.readings]


def _is_season(one: Dated) -> bool:
    """The suite resolves no season."""
    return one.grain == "season" and not one.modifier


def _text(moment: datetime | None, kind: str, is_end: bool = False) -> str:
    if moment is None:
        return ""
    if kind.startswith("datetime"):
        if is_end and moment.hour == moment.minute == 0 and kind == "datetimerange":
            return f"{moment - timedelta(days=1):%Y-%m-%d} 24:00"
        return moment.isoformat(" ", "seconds")
    if kind.startswith("date"):
        return moment.date().isoformat()
    return "24:00" if is_end and moment.hour == moment.minute == 0 else f"{moment:%H:%M:%S}"


def _in_order(expected: list[frozenset[Value]], found: list[frozenset[Value]]) -> bool:
    """Whether all expected values are found, in their order; nothing may be found where nothing is expected."""
    if not expected:
        return not found
    rest = iter(found)
    return all(any(one == other for other in rest) for one in expected)


def _kind_of_miss(expected: list[Found], found: list[Found]) -> str:
    if not expected:
        return "found where nothing is"
    for at, one in enumerate(expected):
        if at >= len(found):
            return f"{one[1]}: not found"
        if one != found[at]:
            if one[0] != found[at][0]:
                return f"{one[1]}: other span"
            return f"{one[1]}: other {'kind' if one[1] != found[at][1] else 'value'}"
    return "further find"


# the peer


def _dateparser(case: dict[str, Any], prefer: str) -> list[tuple[str, frozenset[Value]]]:
    """What dateparser's search finds, English only, from the same moment: its one moment, as a date, a moment and a time."""
    from dateparser.search import search_dates

    settings = {"RELATIVE_BASE": moment_of(case), "PREFER_DATES_FROM": prefer, "PREFER_DAY_OF_MONTH": "first"}
    try:
        found = search_dates(case["Input"], languages=["en"], settings=settings) or []
    except Exception:  # it fails on some texts: that is its answer
        found = []
    return [(text.lower(), frozenset(_ways(moment.replace(tzinfo=None)))) for text, moment in found]


def _ways(moment: datetime) -> list[Value]:
    return [(moment.date().isoformat(),), (moment.isoformat(" ", "seconds"),), (f"{moment:%H:%M:%S}",)]


def _peer(case: dict[str, Any]) -> tuple[bool, bool]:
    """(resolved, lenient) at its best: with the past or the future preferred, whichever is right.

    Its one moment must be one of the expected readings, and its span the same without prepositions. Lenient: the moment
    may also be the start of a span, and spans of text do not count.
    """
    expected = wanted(case)
    tries = [_dateparser(case, prefer) for prefer in ("future", "past")]
    return any(_same_as_peer(expected, found) for found in tries), any(_starts(expected, found) for found in tries)


def _same_as_peer(expected: list[Found], found: list[tuple[str, frozenset[Value]]]) -> bool:
    if len(expected) != len(found):
        return False
    pairs = zip(expected, found, strict=True)
    return all(_bare(one[0]) == _bare(text) and bool(one[2] & values) for one, (text, values) in pairs)


def _starts(expected: list[Found], found: list[tuple[str, frozenset[Value]]]) -> bool:
    if not expected:
        return not found
    rest = iter(found)
    starts = [{value[:1] for value in one[2]} for one in expected]
    return all(any(start & values for _, values in rest) for start in starts)


def _bare(text: str) -> str:
    words = text.split()
    while words and words[0] in ("on", "in", "at", "the", "from", "by"):
        words = words[1:]
    return " ".join(words)


if __name__ == "__main__":
    main()
