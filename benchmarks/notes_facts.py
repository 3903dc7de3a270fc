"""Names by rules on WNUT 2017 (CC-BY 4.0): people, places and organisations in noisy texts, precision and recall.

A find is right if its characters and its kind are the annotator's; corporation and group are organisations, location is a
place; creative works and products are not looked for. Nothing was learned from the training part.

python benchmarks/notes_facts.py --json results/notes_facts.json [--data FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from kept import about

from pocketlm.core.files import write_json
from pocketlm.notes.names import find_names

REPO = Path(__file__).parents[1]
FILE = Path("extraction") / "wnut17" / "emerging.test.annotated"
KINDS = {"person": "person", "location": "place", "corporation": "organisation", "group": "organisation"}
LEAST = 0.3  # confidence
Span = tuple[int, int, str]


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the metrics go")
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data", help="folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="every fifth text")
    arguments = parser.parse_args()
    if not (arguments.data / FILE).exists():
        sys.exit(f"{arguments.data / FILE}: not there; name the data with --data")
    metrics = measure(arguments.data, quick=arguments.quick)
    for name, value in metrics.items():
        print(f"{name:<28}{value:>9.4f}")
    if arguments.json:
        write_json(arguments.json, {"metrics": metrics, **about()})


def measure(data: Path, *, quick: bool = False) -> dict[str, float]:
    """Precision, recall and F1, by kind and of all; and recall of the spans whatever their kind."""
    right, ours, theirs, span_hits, spans = Counter[str](), Counter[str](), Counter[str](), 0, 0
    for text, gold in load(data / FILE)[:: 5 if quick else 1]:
        found = {(one.start, one.end, one.kind) for one in find_names(text) if one.confidence >= LEAST}
        ours.update(kind for *_, kind in found)
        theirs.update(kind for *_, kind in gold)
        right.update(kind for *_, kind in found & gold)
        span_hits += len({span[:2] for span in found} & {span[:2] for span in gold})
        spans += len(gold)
    metrics: dict[str, float] = {}
    for name, kinds in (*((kind, (kind,)) for kind in dict.fromkeys(KINDS.values())), ("names", tuple(ours))):
        hits, found_count, gold_count = (sum(counts[kind] for kind in kinds) for counts in (right, ours, theirs))
        precision, recall = hits / max(found_count, 1), hits / max(gold_count, 1)
        f1 = 2 * precision * recall / max(precision + recall, 1e-9)
        metrics |= {
            f"{name}_precision": precision,
            f"{name}_recall": recall,
            f"{name}_f1": f1,
            f"{name}_gold": gold_count,
        }
    return metrics | {"names_spans_recall": span_hits / max(spans, 1)}


def load(file: Path) -> list[tuple[str, set[Span]]]:
    """(text, spans) of a file with a token and its tag a line; tokens joined by spaces."""
    rows = []
    for block in file.read_text(encoding="utf-8").split("\n\n"):
        lines = [line.split("\t") for line in block.splitlines() if "\t" in line]
        if lines:
            rows.append(_row(lines))
    return rows


def _row(lines: list[list[str]]) -> tuple[str, set[Span]]:
    text, spans, open_at, kind = "", set[Span](), -1, ""
    for word, tag, *_ in [*lines, ["", "O"]]:
        if open_at >= 0 and not tag.startswith("I-"):
            spans.add((open_at, len(text), kind))
            open_at = -1
        text += " " if text and word else ""
        if tag.startswith("B-") and tag[2:] in KINDS:
            open_at, kind = len(text), KINDS[tag[2:]]
        text += word
    return text, spans


if __name__ == "__main__":
    main()
