"""Bridges to benchmarks of others: their own code asks, our engines answer.

`lm-eval:` tasks of the lm-evaluation-harness on any engine, `mteb:` tasks of MTEB on any embedder. Only this file is
imported without those libraries.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.engines.embedder import open_embedder
from pocketlm.engines.open import open_engine

BRIDGES = ("lm-eval", "mteb")


def run_bridge(engine_uri: str, data: str, *, limit: int | None, threads: int | None) -> tuple[dict[str, Any], str]:
    """Run tasks of another benchmark on an engine or an embedder.

    Args:
        engine_uri: as `open_engine` takes it for `lm-eval:`, as `open_embedder` does for `mteb:`.
        data: `lm-eval:TASKS` or `mteb:TASKS`: names of the library's tasks, files or folders, with commas between them.
        limit: at most so many documents (lm-eval) or queries or pairs (mteb) of each task.
        threads: processor threads for llama.cpp.

    Returns:
        A JSON value (`engine`, `metrics` by task, `versions`, `samples`) and the same as a table.

    Raises:
        InputError: no such bridge, task or file. EnvironmentLacks: the library is not installed.
    """
    bridge, _, what = data.partition(":")
    if bridge not in BRIDGES or not what.strip():
        raise InputError(f"{data}: write lm-eval:TASK or mteb:TASK, a name of that library's tasks, a file or a folder")
    tasks = [what] if Path(what).exists() else [name.strip() for name in what.split(",")]
    result = (_harness if bridge == "lm-eval" else _mteb)(engine_uri, tasks, limit, threads)
    return {"engine": engine_uri, **result}, table(result)


def table(result: dict[str, Any]) -> str:
    """The metrics that count as text, one a line."""
    lines = [f"{'task':<32}{'metric':<28}{'value':>9}"]
    for task, metrics in result["metrics"].items():
        main = result.get("main", {}).get(task)  # MTEB gives a hundred numbers a task and names the one that counts
        shown = {main: metrics[main]} if main in metrics else metrics
        lines += [f"{task[:31]:<32}{metric[:27]:<28}{value:>9.4f}" for metric, value in shown.items()]
    return "\n".join([*lines, f"{result['samples']} samples"])


def _harness(uri: str, tasks: list[str], limit: int | None, threads: int | None) -> dict[str, Any]:
    need("lm_eval", "eval lm-eval:", "bench", "lm-eval")
    from pocketlm.evaluate.bridges.lm_harness import run_harness

    engine = open_engine(uri, threads=threads)
    try:
        return run_harness(engine, tasks, limit)
    finally:
        engine.close()


def _mteb(uri: str, tasks: list[str], limit: int | None, threads: int | None) -> dict[str, Any]:
    need("mteb", "eval mteb:", "bench")
    from pocketlm.evaluate.bridges.mteb_tasks import run_mteb

    embedder = open_embedder(uri, threads=threads)
    try:
        return run_mteb(embedder, tasks, limit)
    finally:
        embedder.close()
