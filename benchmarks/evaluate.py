"""Is an evaluation quick, and is it right?

Quick: SmolLM2-135M on the 700 Snips test rows with the seven functions in its prompt (goal: under 3 minutes on 2 cores), then
once more, which should take seconds. Right: its perplexity on wikitext2's test text against an independent computation, a
plain loop over transformers with its own loss (goal: within 0.5 %).

python benchmarks/evaluate.py --json results/evaluate.json [--data FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import json
import math
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kept import about

from pocketlm.core.files import write_json

REPO = Path(__file__).parents[1]
BASE = "starter:smollm2-135m"
WINDOW, OVERLAP = 1024, 256


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="where the metrics go")
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data", help="folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="70 rows and a twentieth of the text")
    arguments = parser.parse_args()
    snips, text = arguments.data / "function_calling" / "snips", arguments.data / "lm" / "wikitext2" / "test.txt"
    for needed in (snips, text):
        if not needed.exists():
            sys.exit(f"{needed}: not there; name the data with --data")
    metrics = time_snips(snips, 70 if arguments.quick else 700)
    metrics |= perplexities(text, 0.05 if arguments.quick else 1.0)
    for name, value in metrics.items():
        print(f"{name:<34}{value:>12.4f}")
    write_json(arguments.json, {"metrics": metrics, **about()})


def time_snips(source: Path, rows: int) -> dict[str, float]:
    """Seconds of `pocketlm eval` as a whole process, the first time and again."""
    with tempfile.TemporaryDirectory() as aside:
        data = Path(aside) / "data"
        run(
            "-c",
            f"from pathlib import Path; from pocketlm.data.dataset import prepare; prepare(Path({str(source)!r}), Path({str(data)!r}))",
        )
        asked = ["-m", "pocketlm", "eval", BASE, str(data), "--tools", str(data / "tools.json"), "--no-baselines",
                 "--limit", str(rows), "--max-tokens", "48", "--json"]  # fmt: skip
        run(
            "-m",
            "pocketlm",
            "eval",
            BASE,
            str(data),
            "--tools",
            str(data / "tools.json"),
            "--limit",
            "1",
            "--no-baselines",
            "--json",
        )
        first, found = run(*asked, "--fresh")
        again, _ = run(*asked)
    return {
        "snips_rows": float(rows),
        "snips_seconds": first,
        "snips_seconds_again": again,
        "snips_base_exact": found["metrics"]["exact"],
    }


def perplexities(file: Path, share: float) -> dict[str, float]:
    """Ours and an independent one, of the same text."""
    whole = file.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as aside:
        part = Path(aside) / "text.txt"
        part.write_text(whole[: int(share * len(whole))], encoding="utf-8")
        seconds, found = run("-m", "pocketlm", "eval", BASE, str(part), "--fresh", "--no-baselines", "--json")
        ours = found["metrics"]
        theirs, independent_seconds = independent(part.read_text(encoding="utf-8"))
    names = ("bits_per_byte", "word_at_1", "word_at_3", "keys_saved")
    return {
        "perplexity": ours["perplexity"],
        "perplexity_independent": theirs,
        "perplexity_ratio": ours["perplexity"] / theirs,
        "perplexity_seconds": seconds,
        "perplexity_independent_seconds": independent_seconds,
        **{name: ours[name] for name in names},
    }


def independent(text: str) -> tuple[float, float]:
    """Perplexity by transformers alone, with the loss its model returns, and the seconds it took."""
    import torch

    from pocketlm.models.load import load_model, load_tokenizer, resolve_base

    folder = resolve_base(BASE)
    model, tokenizer = load_model(folder, torch.float32), load_tokenizer(folder)
    start = time.perf_counter()
    ids = tokenizer(text, return_tensors="pt", add_special_tokens=False).input_ids[0]
    nats, count, known = 0.0, 0, 1
    with torch.inference_mode():
        for begin in range(0, len(ids), WINDOW - OVERLAP):
            chunk = ids[begin : begin + WINDOW][None]
            labels = chunk.clone()
            labels[:, : known - begin] = -100  # scored before
            fresh = int((labels[:, 1:] != -100).sum())
            if fresh:
                nats += float(model(input_ids=chunk, labels=labels).loss) * fresh
                count += fresh
            known = begin + chunk.shape[1]
            if known >= len(ids):
                break
    return math.exp(nats / count), time.perf_counter() - start


def run(*arguments: str) -> tuple[float, Any]:
    """Seconds of a Python process, and the JSON it printed, if any."""
    start = time.perf_counter()
    done = subprocess.run([sys.executable, *arguments], capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - start
    if done.returncode:
        sys.exit(done.stderr)
    return seconds, json.loads(done.stdout) if done.stdout.strip() else None


if __name__ == "__main__":
    main()
