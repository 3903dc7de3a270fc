"""The notes engine on real notes: is it quick, does it find, does it know when it does not know, does a kill cost anything?

Parts: the import of a diary (notes_import.py), search in 100,000 notes and in Cranfield's and XQuAD's passages (notes_search.py),
answers with citations and refusals (notes_ask.py), dates beside dateparser (notes_dates.py), duplicates (notes_duplicates.py).

python benchmarks/notes.py --json results/notes.json [--data FOLDER] [--quick] [--only PART...]
"""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import notes_ask
import notes_dates
import notes_duplicates
import notes_import
import notes_search
from kept import keep, parsed, parser


def large(data: Path, quick: bool) -> dict[str, float]:
    """100,000 notes."""
    with tempfile.TemporaryDirectory() as folder:
        return notes_search.measure_large(data, Path(folder), quick=quick)


def figures(found: dict[str, Any]) -> dict[str, float]:
    """What is a number."""
    return {name: value for name, value in found.items() if isinstance(value, (int, float))}


def dates(data: Path, quick: bool) -> dict[str, float]:
    """Date expressions; the misses are printed by kind."""
    found = notes_dates.measure(data)
    print(json.dumps(found["misses"], indent=1))
    return figures(found)


PARTS: dict[str, Callable[[Path, bool], dict[str, float]]] = {
    "import": notes_import.measure,
    "large": large,
    "retrieval": lambda data, quick: notes_search.measure_retrieval(data),
    "ask": lambda data, quick: figures(notes_ask.measure(data)),
    "dates": dates,
    "duplicates": lambda data, quick: notes_duplicates.measure(data),
}


def main() -> None:
    """Run the parts one after the other."""
    options = parser(__doc__, "few notes: shows that it runs", "where the metrics go; those of other parts stay")
    options.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts of it")
    arguments = parsed(options)
    found: dict[str, float] = {}
    for name in arguments.only:
        began = time.perf_counter()
        found = keep(arguments.json, PARTS[name](arguments.data, arguments.quick))
        print(f"[{name}: {time.perf_counter() - began:.0f} s]", flush=True)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
