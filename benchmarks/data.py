"""How fast is data read and checked, and is what is found true?

A million rows imported (JSON lines and one JSON list), with the peak memory of a process of its own; 100,000 rows checked
(goal: under 60 s on 2 cores); the known copies of sms_spam (403); reading beside the `datasets` library where it is installed.

python benchmarks/data.py --json results/data.json [--data FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kept import about, cores

from pocketlm.core.files import write_json

REPO = Path(__file__).parents[1]
IMPORT = """
import resource, sys, time
from pathlib import Path
from pocketlm.core import progress
from pocketlm.data.importing import import_rows
progress.quiet = True
start = time.perf_counter()
rows = sum(one.rows for one in import_rows(sys.argv[1], Path(sys.argv[2])))
print(rows, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""
PEER = """
import resource, sys, time
from datasets import load_dataset
start = time.perf_counter()
rows = load_dataset("json", data_files=sys.argv[1], split="train", cache_dir=sys.argv[2])
rows.to_json(sys.argv[2] + "/out.jsonl")
print(len(rows), time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000)
"""
CHECK = """
import json, resource, sys, time
from pocketlm.core import progress
from pocketlm.data.check import check
from pocketlm.data.gather import gather
from pocketlm.models.load import resolve_base
from pocketlm.models.tokens import token_counter
progress.quiet = True
start = time.perf_counter()
data = gather(sys.argv[1])
read = time.perf_counter() - start
found = check(data, count_tokens=token_counter(resolve_base("starter:smollm2-135m")))
counts = {one.name: one.count for one in found.findings}
print(json.dumps([len(data.examples), read, time.perf_counter() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000, counts]))
"""


def main() -> None:
    """Run the parts, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="where the metrics go")
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data", help="folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="a hundredth of the rows: shows that it runs")
    arguments = parser.parse_args()
    share = 100 if arguments.quick else 1
    metrics: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        metrics |= import_figures(arguments.data, folder, 1_000_000 // share)
        metrics |= check_figures(arguments.data, folder, 100_000 // share)
    spam = run(CHECK, arguments.data / "classification" / "sms_spam")
    metrics["sms_spam_copies"] = spam[4]["exact copies"]
    print(f"sms_spam: {metrics['sms_spam_copies']} exact copies found (403 are known), {spam[2]:.1f} s")
    write_json(arguments.json, {"metrics": metrics, **about(cores())})


def import_figures(data: Path, folder: Path, count: int) -> dict[str, float]:
    """Rows a second and peak memory of importing."""
    found: dict[str, float] = {}
    lines = folder / "rows.jsonl"
    with lines.open("w") as out:
        out.writelines(json.dumps(row) + "\n" for row in itertools.islice(labelled(data), count))
    whole = folder / "rows.json"
    with lines.open() as rows, whole.open("w") as out:
        out.write("[")
        out.writelines(("" if n == 0 else ",") + row.rstrip() + "\n" for n, row in enumerate(rows))
        out.write("]")
    for name, source in (("jsonl", lines), ("json", whole)):
        rows_read, seconds, peak = map(float, run_text(IMPORT, source, folder / f"out-{name}").split())
        assert rows_read == count, (rows_read, count)
        found |= {f"import_{name}_rows_per_s": round(count / seconds), f"import_{name}_peak_mb": round(peak, 1)}
        print(
            f"import, {count:,} rows of {name} ({source.stat().st_size / 1e6:.0f} MB): {seconds:.1f} s, peak {peak:.0f} MB"
        )
    try:
        peer = run_text(PEER, lines, folder / "peer")
    except subprocess.CalledProcessError:
        print("datasets is not installed: no peer")
    else:
        _, seconds, peak = map(float, peer.split())
        found |= {"import_datasets_rows_per_s": round(count / seconds), "import_datasets_peak_mb": round(peak, 1)}
        print(f"datasets, the same in and out: {seconds:.1f} s, peak {peak:.0f} MB")
    return found


def check_figures(data: Path, folder: Path, count: int) -> dict[str, float]:
    """Seconds and peak memory of checking: classification rows, and calls."""
    found: dict[str, float] = {}
    for name, rows in (("classify", labelled(data)), ("call", calls(data))):
        path = folder / f"{name}.jsonl"
        with path.open("w") as out:
            out.writelines(json.dumps(row) + "\n" for row in itertools.islice(rows, count))
        rows_read, read, seconds, peak, _ = run(CHECK, path)
        assert rows_read == count
        found |= {f"check_{name}_s": round(seconds, 1), f"check_{name}_peak_mb": round(peak)}
        print(f"check, {count:,} rows of {name}: {seconds:.1f} s ({read:.1f} of them reading), peak {peak:.0f} MB")
    return found


def labelled(data: Path) -> Iterator[dict[str, Any]]:
    """Different rows without end: two sentences of real sets each, with a label."""
    texts = [json.loads(line)["text"] for line in (data / "classification/sms_spam/all.jsonl").open()]
    texts += [json.loads(line)["text"] for line in (data / "classification/sst2/train.jsonl").open()]
    chance = random.Random(0)
    while True:
        yield {"text": f"{chance.choice(texts)} {chance.choice(texts)}", "label": chance.choice("abcdefgh")}


def calls(data: Path) -> Iterator[dict[str, Any]]:
    """Snips' rows, over again with a number behind."""
    rows = [json.loads(line) for line in (data / "function_calling/snips/train.jsonl").open()]
    for number in itertools.count():
        for row in rows:
            yield {**row, "text": f"{row['text']} {number}"} if number else row


def run_text(code: str, *arguments: Path) -> str:
    """What a process of its own prints."""
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def run(code: str, *arguments: Path) -> Any:
    """The JSON that a process of its own prints."""
    return json.loads(run_text(code, *arguments))


if __name__ == "__main__":
    main()
