"""Requests to the notes assistant understood: the patterns it has out of the box, and a run of the sample project beside them.

Scored on the sample project's test rows, which no pattern and no row was made from: `exact` counts a request as right when every
function and argument is; `wrong` counts those that became other functions than asked for, not mere questions to the notes.

python benchmarks/notes_assistant.py --json results/notes_assistant.json [--engine RUN]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from kept import keep

from pocketlm.cli.common import task_for
from pocketlm.engines.open import open_engine
from pocketlm.notes.router import TOOLS_FILE, ModelRouter, Router, RulesRouter
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.template import CHATML
from pocketlm.tasks.tools import ToolSet


def main() -> None:
    """Run, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", type=Path, required=True, help="where the metrics go; those of other parts stay")
    parser.add_argument("--engine", help="a run of the sample project notes_assistant, or a file made from it")
    arguments = parser.parse_args()
    lines = (TOOLS_FILE.parent / "data" / "test.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [CallRow.from_json(json.loads(line)) for line in lines]
    metrics = measure("patterns", RulesRouter(lambda: datetime(2026, 6, 1)), rows)
    if arguments.engine:
        engine = open_engine(arguments.engine)
        metrics |= measure("model", ModelRouter(engine, task_for(arguments.engine, None, None)), rows)
    for name, value in metrics.items():
        print(f"{name:<24}{value:>9.4f}")
    keep(arguments.json, metrics)


def measure(name: str, router: Router, rows: Sequence[CallRow]) -> dict[str, float]:
    """Shares of the requests, and seconds of one."""
    task = CallTask(ToolSet.load(TOOLS_FILE))
    exact = function = wrong = 0.0
    began = time.perf_counter()
    for row in rows:
        calls = router.calls(row.text)
        written = task.completion(CallRow(row.messages, tuple(calls)), CHATML).removesuffix(CHATML.stop)
        score = task.score(row, written, CHATML).numbers
        exact += score["exact"][0]
        function += score["function"][0]
        wrong += not score["function"][0] and [call.name for call in calls] != ["ask_notes"]
    seconds = (time.perf_counter() - began) / len(rows)
    shares = {"exact": exact, "function": function, "wrong": wrong}
    return {f"{name}_{key}": count / len(rows) for key, count in shares.items()} | {f"{name}_seconds": seconds}


if __name__ == "__main__":
    main()
