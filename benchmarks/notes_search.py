"""Does search find, and how fast in many notes?

Cranfield's abstracts and XQuAD's passages as notes: nDCG@10 of words alone (FTS5), meaning alone (MiniLM in 8 bits) and both at
equal weight, which was chosen on neither. Then a diary made into 100,000 notes (a tenth of the words changed; vectors are those
of the diary's passages with noise): p50 and p95 of a search with its question's encoding, of typing, and what it takes.

python benchmarks/notes_search.py --json results/notes_search.json [--data FOLDER] [--quick]
"""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from kept import keep, parsed, parser

from pocketlm.core.machine import memory_peak
from pocketlm.evaluate.latency import percentile
from pocketlm.notes.encoder import DEFAULT, named
from pocketlm.notes.importing import import_notes
from pocketlm.notes.note import Draft
from pocketlm.notes.notebook import ENCODER_SETTING, Notebook
from pocketlm.notes.passages import passages
from pocketlm.notes.search import complete, search
from pocketlm.notes.store import Store

NOTES, CHANGED, ASKED = 100_000, 0.1, 300
WAYS = ("words", "meaning", "hybrid")


def measure_retrieval(data: Path) -> dict[str, float]:
    """nDCG@10 of the three ways on both sets, and what both together gain over the better one."""
    found: dict[str, float] = {}
    for name, (notes, questions) in (("cranfield", cranfield(data)), ("xquad", xquad(data))):
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / "notes.json"
            source.write_text(json.dumps(notes), encoding="utf-8")
            with Notebook(Path(folder) / "notes.db") as book:
                import_notes(book, source)
                scores = {way: _gain(book, questions, way) for way in WAYS}
        found |= {f"{name}_{way}": score for way, score in scores.items()}
        found[f"{name}_hybrid_gain"] = scores["hybrid"] - max(scores["words"], scores["meaning"])
        print(f"{name}, nDCG@10: " + ", ".join(f"{way} {100 * score:.1f}" for way, score in scores.items()), flush=True)
    return found


def _gain(book: Notebook, questions: Sequence[tuple[str, set[str]]], way: str) -> float:
    """The mean nDCG@10."""
    gains = []
    for question, right in questions:
        keys = [hit.note.key for hit in search(book, question.replace('"', " "), 10, by=way)]
        got = sum(1 / np.log2(place + 2) for place, key in enumerate(keys) if key in right)
        gains.append(got / sum(1 / np.log2(place + 2) for place in range(min(10, len(right)))))
    return float(np.mean(gains))


def cranfield(data: Path) -> tuple[list[dict[str, str]], list[tuple[str, set[str]]]]:
    """Notes, and questions with the keys of the notes that answer them."""
    home = data / "retrieval" / "cranfield"
    docs, asked = (_lines(home / f"{name}.jsonl") for name in ("corpus", "queries"))
    right: dict[str, set[str]] = defaultdict(set)
    for file in sorted((home / "qrels").iterdir()):
        for line in file.read_text(encoding="utf-8").splitlines()[1:]:
            query, doc, _ = line.split("\t")
            right[query].add(doc)
    notes = [
        {"id": doc["_id"], "title": doc.get("title", ""), "content": doc["text"]} for doc in docs if doc["text"].strip()
    ]
    return notes, [(one["text"], right[one["_id"]]) for one in asked if right[one["_id"]]]


def xquad(data: Path) -> tuple[list[dict[str, str]], list[tuple[str, set[str]]]]:
    """As `cranfield`; a question has one passage."""
    articles = json.loads((data / "qa" / "xquad_en" / "xquad.en.json").read_text(encoding="utf-8"))["data"]
    parts = [part for article in articles for part in article["paragraphs"]]
    notes = [{"id": str(number), "content": part["context"]} for number, part in enumerate(parts)]
    return notes, [(one["question"], {str(number)}) for number, part in enumerate(parts) for one in part["qas"]]


def _lines(file: Path) -> list[dict[str, str]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def measure_large(data: Path, work: Path, quick: bool = False) -> dict[str, float]:
    """search_p95_ms_100k, db_mb_100k, memory_mb_100k and more, in a process of its own that holds nothing else."""
    db = work / "large.db"
    rows = json.loads((data / "notes" / "pepys_notes.json").read_text(encoding="utf-8"))
    _enlarge(rows, db, NOTES // 20 if quick else NOTES)
    program = [sys.executable, __file__, "--json", str(work / "large.json"), "--data", str(data), "--asks", str(db)]
    told = subprocess.run(program, check=True, capture_output=True, text=True).stdout
    found: dict[str, float] = json.loads(told.splitlines()[-1])
    return found | {"db_mb_100k": db.stat().st_size / 1e6}


def _enlarge(rows: Sequence[dict[str, str]], db: Path, count: int) -> None:
    """The diary over and over, a tenth of its words exchanged, so that no text is there twice."""
    rng, noise = random.Random(0), np.random.default_rng(0)
    words = [word for row in rows for word in row["content"].split()]
    with Notebook(db, encoder="static") as book:
        anchors = book.embedder.embed([row["content"][:400] for row in rows])
    wide = np.concatenate([anchors, anchors[:, :128]], axis=1)  # 384 numbers, as the default encoder makes
    with Store(db) as store:
        source = store.source("/diary", "json")
        store.set(ENCODER_SETTING, named(DEFAULT))
        with store.writing():
            for number in range(count):
                row = rows[number % len(rows)]
                text = re.sub(
                    r"\S+", lambda word: rng.choice(words) if rng.random() < CHANGED else word[0], row["content"]
                )
                places = passages(text)
                codes = wide[number % len(rows)] * 127 / 0.3 + noise.normal(0, 12, (len(places), wide.shape[1]))
                made = [code.tobytes() for code in codes.clip(-127, 127).astype(np.int8)]
                parts = [(start, stop, vector) for (start, stop), vector in zip(places, made, strict=True)]
                store.put(source, Draft(str(number), text, date=row["date"] or ""), str(number), parts)
        store.db.execute("INSERT INTO words(words) VALUES('optimize')")
        store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _ask_large(db: Path, data: Path) -> dict[str, float]:
    """Searches for three to six words of the diary, in a process that has just opened the file."""
    rows = json.loads((data / "notes" / "pepys_notes.json").read_text(encoding="utf-8"))
    rng, times, typed = random.Random(1), [], []
    with Notebook(db) as book:
        began = time.perf_counter()
        search(book, "warm up the indexes")
        first = time.perf_counter() - began
        for _ in range(ASKED):
            words = rng.choice(rows)["content"].split()
            at, size = rng.randrange(max(1, len(words) - 6)), rng.randint(3, 6)
            query = " ".join(re.findall(r"\w+", " ".join(words[at : at + size])))
            began = time.perf_counter()
            search(book, query)
            times.append(1000 * (time.perf_counter() - began))
            began = time.perf_counter()
            complete(book, query[: rng.randint(3, 9)].strip())
            typed.append(1000 * (time.perf_counter() - began))
    return {
        "search_first_s_100k": first,
        "search_p50_ms_100k": statistics.median(times),
        "search_p95_ms_100k": percentile(times, 95),
        "typing_p95_ms_100k": percentile(typed, 95),
        "memory_mb_100k": memory_peak() / 1e6,
    }


def main() -> None:
    """Measure and write the JSON."""
    options = parser(__doc__, "5,000 notes: shows that it runs")
    options.add_argument("--asks", type=Path, help="only search in this notes file and print the figures")
    arguments = parsed(options)
    if arguments.asks:
        print(json.dumps(_ask_large(arguments.asks, arguments.data)))
        return
    with tempfile.TemporaryDirectory() as folder:
        found = measure_large(arguments.data, Path(folder), arguments.quick) | measure_retrieval(arguments.data)
    print(json.dumps(keep(arguments.json, found)))


if __name__ == "__main__":
    main()
