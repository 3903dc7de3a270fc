"""How small and how true are the files? Every format at 8 and 4 bits, scored on test rows; then the search for the smallest.

On tuned runs (the demo's, and Snips' where benchmarks/snips.py has trained it): each format's size against the fp32 weights, the
points of exact match it loses against torch on the same rows, how many answers are the same; the seconds and the peak of memory
of each conversion, in a process of its own; what cutting the vocabulary alone saves; what `pocketlm shrink` comes to.

python benchmarks/shrink_export.py --json results/shrink_export.json [--data FOLDER] [--quick] [--run RUN]... [--minutes 60] [--requests 12000]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from kept import about, cores

from pocketlm.cli.export import find_run, find_subject
from pocketlm.core.errors import GateFailed, PocketError
from pocketlm.core.files import write_json
from pocketlm.core.machine import describe, memory_peak
from pocketlm.data.load import load_call_rows
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.compare import compare
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.export.bundle import Bundle, export
from pocketlm.export.formats import FORMATS, find_format, find_precision
from pocketlm.models.load import resolve_base
from pocketlm.shrink.result import proven, verdict
from pocketlm.shrink.search import Goal
from pocketlm.shrink.shapes import seen_texts
from pocketlm.shrink.shrink import shrink
from pocketlm.shrink.vocabulary import foresee_tokens, prune_vocabulary

REPO = Path(__file__).parents[1]
BITS = ("int8", "int4")
PARTS = ("formats", "vocabulary", "search")
MOST_MB = 45.0
GOAL = Goal(keep=0.97, max_mb=MOST_MB)
TOKENS = 14_016  # of SmolLM2's 49,152: the others are 15 % of its parameters


def main() -> None:
    """Export, score, cut, search; print the tables, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, help="where the metrics go")
    parser.add_argument("--data", type=Path, help="not needed: the runs hold their rows")
    parser.add_argument(
        "--quick", action="store_true", help="GGUF and ONNX at 8 bits only, no search: shows that it runs"
    )
    parser.add_argument(
        "--run", type=Path, action="append", help="tuned runs; default: runs/demo, and runs/snips if there"
    )
    parser.add_argument(
        "--minutes", type=float, default=60.0, help="time limit of the search, which goes on where it stopped"
    )
    parser.add_argument("--requests", type=int, default=12_000, help="made up for the search, once")
    parser.add_argument("--only", nargs="+", default=PARTS, choices=PARTS, help="parts of it")
    parser.add_argument("--convert", help=argparse.SUPPRESS)  # the process of one conversion: RUN, format, precision
    arguments = parser.parse_args()
    if arguments.convert:
        print(json.dumps(_convert(*arguments.convert.split("|"))))
        return
    runs = arguments.run or [
        run for run in (REPO / "runs" / "demo", REPO / "runs" / "snips") if (run / "model").is_dir()
    ]
    if not runs or arguments.json is None:
        sys.exit("train a run first (make demo), or name one with --run; and say where the metrics go with --json")
    metrics: dict[str, Any] = {}
    if "formats" in arguments.only:
        for run in runs:
            metrics |= _formats(run, quick=arguments.quick, first=run is runs[0])
    if "vocabulary" in arguments.only and not arguments.quick:
        metrics |= _vocabulary(runs[0])
    if "search" in arguments.only and not arguments.quick:
        metrics |= _search(runs[0], arguments.minutes, arguments.requests)
    _write(arguments.json, metrics, runs)


def _formats(folder: Path, *, quick: bool, first: bool) -> dict[str, float]:
    """Every format that is installed, at 8 and 4 bits. The first run's figures have plain names, the others' the run's in front."""
    subject = find_subject(str(folder))
    fp32 = sum(file.stat().st_size for file in (folder / "model").glob("*.safetensors")) / 1e6
    found: dict[str, float] = {"fp32_mb": fp32}
    print(
        f"{folder}: {fp32:.0f} MB as fp32\n{'format':<8}{'':<6}{'MB':>8}{'ratio':>8}{'lost':>8}{'same':>8}{'convert':>9}{'memory':>9}"
    )
    for name in ("gguf", "onnx") if quick else FORMATS:
        for bits in BITS[:1] if quick else BITS:
            try:
                found |= _one(subject, folder, name, bits, fp32)
            except GateFailed as error:
                print(f"{name:<8}{bits:<6}  a check failed: {error}")
                found[f"{name}_{bits}_failed"] = 1.0
            except PocketError as error:
                print(f"{name:<8}{bits:<6}  not made: {error}")
    if any("on_torch" in key for key in found):
        print("* not executed here: its weights, on torch")
    found |= _worst(found)
    return found if first else {f"{folder.name}_{key}": value for key, value in found.items()}


def _one(subject: Any, folder: Path, name: str, bits: str, fp32: float) -> dict[str, float]:
    """One format at one precision: converted in a process of its own, then exported with all checks."""
    command = [sys.executable, __file__, "--convert", f"{folder}|{name}|{bits}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        print(done.stderr.strip().splitlines()[-1:], file=sys.stderr)
    alone = json.loads(done.stdout.splitlines()[-1]) if not done.returncode else {"seconds": 0.0, "memory_gb": 0.0}
    bundle: Bundle = export(subject, name, precision=bits, out=folder / "exports" / f"{name}-{bits}", latency=False)
    info, key = bundle.info, f"{name}_{bits}"
    found = {
        f"{key}_size_ratio": info["size_mb"] / fp32,
        f"{key}_mb": info["size_mb"],
        f"{key}_bits": info["bits_per_weight"],
    }
    found |= {f"{key}_convert_seconds": alone["seconds"], f"{key}_memory_gb": alone["memory_gb"]}
    lost = same = None
    if bundle.comparison:
        lost, same = 0.0 - 100 * bundle.comparison["difference"], bundle.comparison["same"]
        here = "" if info["executed"] else "on_torch_"  # its weights there, since nothing here runs the file
        found |= {f"{key}_{here}points_lost": lost, f"{key}_{here}same": same}
    ran = f"{lost:>8.2f}{same:>8.1%}" if lost is not None else f"{'not executed':>16}"
    ran += " " if info["executed"] else "*"
    print(
        f"{name:<8}{bits:<6}{info['size_mb']:>8.1f}{info['size_mb'] / fp32:>8.1%}{ran}{alone['seconds']:>6.1f} s"
        f"{alone['memory_gb']:>6.1f} GB", flush=True,
    )  # fmt: skip
    return found


def _convert(run: str, name: str, bits: str) -> dict[str, float]:
    """Seconds and peak memory of a conversion alone, the program's start not counted."""
    import time

    subject = find_subject(run)
    format = find_format(name)
    precision = find_precision(format, subject.source.kind, bits)
    with tempfile.TemporaryDirectory() as out:
        began = time.perf_counter()
        format.convert(subject.source, Path(out), precision)
        return {"seconds": round(time.perf_counter() - began, 1), "memory_gb": round(memory_peak() / 1e9, 2)}


def _worst(found: dict[str, float]) -> dict[str, float]:
    """The worst over all formats: sizes of all that were made, points of those that run here."""
    worst: dict[str, float] = {}
    for bits in BITS:
        for what in ("size_ratio", "points_lost"):
            values = [value for key, value in found.items() if key.endswith(f"{bits}_{what}")]
            worst |= {f"{bits}_{what}": max(values)} if values else {}
    same = [value for key, value in found.items() if key.endswith("int8_same")]
    worst |= {"formats_agree_min": min(same)} if same else {}
    worst["export_seconds"] = sum(value for key, value in found.items() if key.endswith("int8_convert_seconds"))
    worst["export_memory_gb"] = max((value for key, value in found.items() if key.endswith("memory_gb")), default=0.0)
    return worst


def _vocabulary(folder: Path) -> dict[str, float]:
    """Fewer tokens and nothing else: parameters saved, and answers on the test rows that change, on torch."""
    run, rows, reference = find_run(folder)
    train = load_call_rows(folder, run.task.tools, "train")
    with tempfile.TemporaryDirectory() as aside:
        foreseen = foresee_tokens(resolve_base(run.config.base), [row.text for row in train])
        cut = prune_vocabulary(run.model, Path(aside) / "model", seen_texts(run, train), size=TOKENS, foreseen=foreseen)
        engine = open_engine(str(cut.folder))
        report = evaluate(run.task, engine, rows, constrain=True, title="Fewer tokens")
        engine.close()
    changed = round((1 - compare(reference(), report).same) * len(rows))
    print(
        f"vocabulary cut to {TOKENS:,}: {cut.saved:.1%} of the parameters saved, {changed} of {len(rows)} answers changed"
    )
    return {"vocab_params_saved": cut.saved, "vocab_answers_changed": float(changed)}


def _search(folder: Path, minutes: float, requests: int) -> dict[str, float]:
    """`pocketlm shrink`, and its choice on the test rows."""
    run, rows, reference = find_run(folder)
    goal = Goal(GOAL.keep, GOAL.max_mb, None, minutes)
    searched = shrink(run, goal, requests)
    trials, chosen = searched.trials, searched.passed
    if not chosen:
        fitting = [trial for trial in trials if trial.size_mb <= MOST_MB]
        if not fitting:
            print(searched.show(None))
            return {"shrunk_mb": float("nan"), "shrunk_keep": float("nan")}
        chosen = [max(fitting, key=lambda trial: (trial.kept, trial.score))]
        print(f"nothing that was tried passes ({goal}); the best that fits, {chosen[0].size_mb:.1f} MB:")
    taken, bundle = proven(chosen, run, rows, searched.rows.train, searched.home / "gguf", keep=0.0)
    print(searched.show(taken if searched.passed else None))
    last = verdict(bundle, reference)
    found = {
        "shrunk_mb": bundle.info["size_mb"],
        "shrunk_keep": last.b / last.a,
        "shrunk_exact": last.b,
        "original_exact": last.a,
    }
    print(
        f"shrunk: {found['shrunk_mb']:.1f} MB, {last.b:.1%} of the test rows instead of {last.a:.1%}, {found['shrunk_keep']:.1%} kept"
    )
    write_json(searched.home / "frontier.json", [asdict(trial) for trial in trials])
    return found


def _write(path: Path, metrics: dict[str, Any], runs: list[Path]) -> None:
    where = about(f"{describe()} ({cores()})")
    rounded = {key: round(value, 4) for key, value in metrics.items()}
    write_json(path, {"metrics": rounded, **where, "runs": [run.name for run in runs]})
    print(json.dumps(rounded))


if __name__ == "__main__":
    main()
