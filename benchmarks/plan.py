"""Does `pocketlm plan` tell the truth? Five trainings on the sample project, foretold and then run.

Each is planned in one process and run in another, as a user would; time is the training's, memory the peak of the process.

python benchmarks/plan.py --json results/plan.json [--quick]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from kept import about

from pocketlm.core.files import write_json

REPO = Path(__file__).parents[1]
CONFIGS: dict[str, list[str]] = {
    "LoRA r64 on all layers": ["train.epochs=0.5"],
    "LoRA r16 on attention, 1,024 tokens": [
        "train.epochs=1", "train.rank=16", "train.targets=[attention]", "train.batch_tokens=1024",
    ],
    "tools in the prompt": ["train.epochs=0.4", "tools_in_prompt=full"],
    "DoRA r16, blocks computed again": ["train.epochs=0.3", "train.rank=16", "train.dora=true", "train.checkpointing=true"],
    "all weights, bf16": ["train.epochs=0.4", "train.method=full", "train.lr=1e-4"],
}  # fmt: skip


def main() -> None:
    """Plan, run, compare, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="where the metrics go")
    parser.add_argument("--data", type=Path, help="not needed: the sample project is packaged")
    parser.add_argument("--quick", action="store_true", help="two configurations, a tenth of an epoch")
    arguments = parser.parse_args()
    configs = dict(list(CONFIGS.items())[:2]) if arguments.quick else CONFIGS
    print(f"{'':<38}{'seconds':>9}{'foretold':>9}{'off':>7}{'GB':>7}{'foretold':>9}{'off':>7}{'probe s':>9}")
    found, metrics = {}, {}
    with tempfile.TemporaryDirectory() as aside:
        project = _project(Path(aside))
        for number, (name, settings) in enumerate(configs.items(), 1):
            settings = [*settings, *(["train.epochs=0.1"] if arguments.quick else [])]
            start = time.perf_counter()
            plan = _pocketlm("plan", project, settings)
            probed = time.perf_counter() - start
            run = _pocketlm("train", project, [*settings], "--name", f"run{number}")
            gb = plan["memory"] / 1e9
            off, off_gb = plan["seconds"] / run["train_seconds"] - 1, gb / run["memory_gb"] - 1
            print(
                f"{name:<38}{run['train_seconds']:>9.1f}{plan['seconds']:>9.1f}{off:>7.0%}"
                f"{run['memory_gb']:>7.2f}{gb:>9.2f}{off_gb:>7.0%}{probed:>9.1f}",
                flush=True,
            )
            found[name] = {"settings": settings, "plan": plan, "run": run, "probe_seconds": round(probed, 1)}
            metrics |= {f"time_off_{number}": round(off, 3), f"memory_off_{number}": round(off_gb, 3)}
    for kind in ("time", "memory"):
        metrics[f"worst_{kind}_off"] = max(
            abs(value) for name, value in metrics.items() if name.startswith(f"{kind}_off")
        )
    metrics["worst_probe_seconds"] = max(entry["probe_seconds"] for entry in found.values())
    write_json(arguments.json, {"metrics": metrics, "found": found, **about()})
    print(json.dumps(metrics))


def _project(folder: Path) -> Path:
    """The sample as a project of its own."""
    import pocketlm

    sample = Path(pocketlm.__file__).parent / "samples" / "phone_actions"
    (folder / "pocketlm.yaml").write_text((sample / "pocketlm.yaml").read_text())
    (folder / "tools.json").write_bytes((sample / "tools.json").read_bytes())
    (folder / "data").symlink_to(sample / "data")
    return folder


def _pocketlm(command: str, project: Path, settings: list[str], *more: str) -> Any:
    line = [sys.executable, "-m", "pocketlm.cli.main", command, str(project), "--json", *more]
    line += [part for setting in settings for part in ("--set", setting)]
    return json.loads(subprocess.run(line, stdout=subprocess.PIPE, text=True, check=True).stdout)


if __name__ == "__main__":
    main()
