"""Check the three splits: calls fit, values are copied, and nothing is shared between the splits."""

import json
import re
import sys
from collections import Counter
from itertools import combinations
from pathlib import Path

from make_rows import build
from values import VALUES

from pocketlm.tasks.grammar import is_span
from pocketlm.tasks.tools import Call, ToolSet

HERE = Path(__file__).resolve().parent
FILES = {"train": "data/raw/train.jsonl", "valid": "data/valid.jsonl", "test": "data/test.jsonl"}
TOOLS = ToolSet.load(HERE / "tools.json")
LEAD = re.compile(r"(?:the|a|an|my|our|to|at|on|in|for|about|from|during|over)\s", re.I)
POINTERS = {"it", "this note"}  # there are no others to take for the tests
NEAR = 0.8  # word-level Jaccard similarity


def free_strings(call):
    for name, value in call["arguments"].items():
        if "enum" not in TOOLS[call["name"]].properties[name]:
            yield name, value


def plain(text):
    return " ".join(re.findall(r"\w+", text.lower()))


def faults_of(row):
    """What is wrong with one row by itself."""
    for call in row["calls"]:
        yield from TOOLS.check_call(Call(call["name"], call["arguments"]))
        for name, value in free_strings(call):
            if not is_span(value, row["text"]):
                yield f"{value!r} is not copied"
            if name not in ("text", "title") and LEAD.match(value):
                yield f"{value!r} begins with a word that belongs to the sentence"


def shared(splits):
    """What two splits have in common."""
    values = {
        split: {plain(v) for row in rows for call in row["calls"] for _, v in free_strings(call)}
        for split, rows in splits.items()
    }
    values["train"] |= {plain(item.rpartition("|")[2]) for pool in VALUES.values() for item in pool}
    for one, two in combinations(splits, 2):
        yield from (f"{one} and {two} share the value {v!r}" for v in values[one] & values[two] - POINTERS)
        words = [(row["text"], set(plain(row["text"]).split())) for row in splits[two]]
        for row in splits[one]:
            own = set(plain(row["text"]).split())
            for text, other in words:
                if len(own & other) >= NEAR * len(own | other) and (len(own) > 1 or own == other):
                    yield f"{one} and {two} are alike: {row['text']!r}, {text!r}"


def main():
    splits = {
        split: [json.loads(line) for line in (HERE / file).read_text(encoding="utf-8").splitlines()]
        for split, file in FILES.items()
    }
    problems = [] if splits["train"] == build() else ["data/raw/train.jsonl is not what make_rows.py writes"]
    problems += [f"{split}: {row['text']!r}: {fault}" for split, rows in splits.items() for row in rows for fault in faults_of(row)]
    problems += shared(splits)
    print("\n".join(problems))
    counts = {
        split: Counter(name for row in rows for name in {c["name"] for c in row["calls"]} or {"(no call)"})
        for split, rows in splits.items()
    }
    for name in [*TOOLS.names, "(no call)"]:
        print(f"{name:16}" + "".join(f"{counts[split][name]:8}" for split in FILES))
    print(f"{'(two calls)':16}" + "".join(f"{sum(len(r['calls']) > 1 for r in splits[s]):8}" for s in FILES))
    print(f"{'rows':16}" + "".join(f"{len(splits[split]):8}" for split in FILES))
    sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
