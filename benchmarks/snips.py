"""How many Snips requests does a tuned 135 M model get wholly right?

Seven intents become functions, slots their string arguments; 13,784 training rows, the 700 test rows papers use. Strict
score: intent and all slots equal. Beside it: the rule baseline, and the figure published for a joint BERT-base (110 M):
92.8 % of frames (Chen et al. 2019, arXiv:1902.10909).

python benchmarks/snips.py --json results/snips.json [--data FOLDER] [--quick]
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from kept import about, cores

from pocketlm.cli.common import score_table
from pocketlm.core.config import load_config
from pocketlm.core.files import write_json
from pocketlm.data.dataset import Dataset, prepare
from pocketlm.engines.base import Engine
from pocketlm.engines.open import open_engine
from pocketlm.engines.rules import RulesEngine
from pocketlm.evaluate.evaluate import Report
from pocketlm.evaluate.store import scored
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.train.run import Run, train_run

REPO = Path(__file__).parents[1]
# the request read twice is worth more than twice the epochs; one thread in bf16 gives the same weights again, whatever else runs
SETTINGS = (
    "template=twice",
    "train.epochs=1.5",
    "train.rank=64",
    "train.alpha=64",
    "train.lr=1e-3",
    "train.augment=none",
    "train.batch_tokens=512",
    "train.threads=1",
    "train.compute=bf16",
)


def main() -> None:
    """Train (or reuse), score base, rules and tuned model, print the table, write the JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="where the metrics go")
    parser.add_argument("--data", type=Path, default=REPO.parent / "shared" / "data", help="folder of the data sets")
    parser.add_argument("--quick", action="store_true", help="a twentieth of an epoch: shows that it runs")
    arguments = parser.parse_args()
    source = arguments.data / "function_calling" / "snips"
    if not source.is_dir():
        sys.exit(f"{source}: no such folder; name the data with --data")
    settings = [*SETTINGS, *(["train.epochs=0.05"] if arguments.quick else [])]
    folder = REPO / "runs" / ("snips-quick" if arguments.quick else "snips")
    config = load_config(None, settings)
    data = prepare(source, folder / "data", valid_share=0.015)
    run = train_run(config, data.tools, data.rows("train"), data.rows("valid"), folder)
    test = data.rows("test")
    reports = _score(config.base, data, run, test, quick=arguments.quick)
    print(score_table(reports))
    print("joint BERT-base, published       92.8%")
    tuned = reports["tuned"]
    low, high = tuned.intervals["exact"]
    metrics = {f"{name.replace(' ', '_')}_exact": report.metrics["exact"] for name, report in reports.items()}
    metrics |= {"tuned_exact_low": low, "tuned_exact_high": high, "tuned_intent": tuned.metrics["function"]}
    metrics |= {"train_seconds": run.manifest["metrics"]["train_seconds"], "eval_seconds": round(tuned.seconds, 1)}
    metrics |= {"train_tokens_per_s": run.manifest["metrics"]["tokens_per_s"]}
    write_json(arguments.json, {"metrics": metrics, "settings": settings, "rows": len(test), **about(cores())})
    print(json.dumps(metrics))


def _score(base: str, data: Dataset, run: Run, test: list[CallRow], *, quick: bool) -> dict[str, Report]:
    """All engines on the test rows; the base with the tools in its prompt and under the same grammar as the tuned model."""
    task = run.task
    free, full = (CallTask(data.tools, prompt, grounding=task.grounding) for prompt in ("none", "full"))
    kept, key = run.folder / "reports", run.identity

    def engine() -> Engine:
        return open_engine(str(run.folder))

    reports = {
        "rules": scored(kept / "rules.json", data.sha256, free, lambda: RulesEngine(free, data.rows("train")), test),
        "tuned free": scored(kept / "free.json", key, free, engine, test),
        "tuned": scored(kept / "tuned.json", key, task, engine, test, constrain=True),
    }
    if not quick:
        asked = scored(kept / "base.json", base, full, lambda: open_engine(base), test, constrain=True, max_tokens=48)
        reports = {"base": asked} | reports
    return reports


if __name__ == "__main__":
    main()
