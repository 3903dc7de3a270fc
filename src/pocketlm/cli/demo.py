"""`pocketlm demo`: the main job end to end on the packaged sample project."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pocketlm.cli.common import Json, Set, be_quiet, output, score_table
from pocketlm.core.progress import say

REQUESTS = (
    "wake me at twenty to seven for rowing",
    "message Odalys that the parcel is here, then turn on the flashlight",
    "how tall is a giraffe?",
)


def demo(
    runs: Annotated[Path, typer.Option(help="Folder for runs.")] = Path("runs"),
    name: Annotated[str, typer.Option(help="Name of the run.")] = "demo",
    overrides: Set = [],  # noqa: B006  typer reads the default, nothing writes to it
    as_json: Json = False,
) -> None:
    """Train, score, export and verify the packaged sample project; 7 to 13 minutes on 2 cores, no GPU.

    Repeating it reuses whatever is unchanged.
    """
    be_quiet(as_json)
    from pocketlm.core.config import load_config
    from pocketlm.core.files import write_json
    from pocketlm.data.dataset import prepare

    start = time.perf_counter()
    sample = Path(__file__).parents[1] / "samples" / "phone_actions"
    folder = runs / name
    config = load_config(sample, overrides)
    data = prepare(
        sample / "data" / "raw", folder / "data", tools=sample / "tools.json",
        valid=sample / "data" / "valid.jsonl", test=sample / "data" / "test.jsonl",
    )  # fmt: skip
    counts = {split: len(data.rows(split)) for split in ("train", "valid", "test")}
    say(
        f"Sample project phone actions: {len(data.tools)} functions; {counts['train']} training, {counts['test']} test rows"
    )
    found = _measure(config, data, folder)
    reports, bundle, run = found["reports"], found["bundle"], found["run"]
    answers = _answer(bundle, run)
    summary = {
        "base_exact": reports["base, tools in prompt"].metrics["exact"],
        "rules_exact": reports["rules, no model"].metrics["exact"],
        "tuned_exact": reports["tuned"].metrics["exact"],
        "gguf_exact": bundle.report.metrics["exact"],
        "gguf_verdict": bundle.comparison["verdict"],
        "gguf_mb": bundle.info["size_mb"],
        "train_seconds": run.manifest["metrics"]["train_seconds"],
        "total_seconds": _total_seconds(folder, start),
        "last_seconds": round(time.perf_counter() - start, 1),
        "rows": counts,
    }
    page = _write_page(folder, run, bundle, reports, summary, answers)
    write_json(folder / "summary.json", summary)
    requests = "\n".join(f"  {request}\n    {answer}" for request, answer in answers)
    checks = "\n".join(f"  {'ok ' if check.passed else 'BAD'} {check.name}: {check.found}" for check in bundle.checks)
    text = (
        f"\n{score_table(reports)}\n\nThe exported file {bundle.file} ({bundle.info['size_mb']:.0f} MB), opened in llama.cpp:\n"
        f"{checks}\n\nThree requests, answered by that file:\n{requests}\n\nReport: {page}\n"
        f'Try it: pocketlm run {folder} "set a timer for 12 minutes"'
    )
    output(as_json, summary, text)


def _measure(config: Any, data: Any, folder: Path) -> dict[str, Any]:
    """Score the base and the rules, train, score again, export and verify."""
    from pocketlm.engines.open import open_engine
    from pocketlm.engines.rules import RulesEngine
    from pocketlm.evaluate.store import scored
    from pocketlm.export.bundle import export
    from pocketlm.export.subject import subject_of_run
    from pocketlm.tasks.call import CallTask, learn_grounding
    from pocketlm.train.run import train_run

    test, train = data.rows("test"), data.rows("train")
    kept = folder / "reports"

    def score(name: str, identity: str, task: CallTask, engine: Any, **settings: Any) -> Any:
        return scored(kept / f"{name}.json", identity, task, engine, test, **settings)

    grounding = learn_grounding(train, data.tools)  # the same constraints for the base, so that it has its best chance
    full, tuned = (CallTask(data.tools, prompt, grounding=grounding) for prompt in ("full", config.tools_in_prompt))
    rules = score("rules", f"rules on {data.sha256}", tuned, lambda: RulesEngine(tuned, train))
    base = score("base", config.base, full, lambda: open_engine(config.base), constrain=True, max_tokens=48)
    run = train_run(config, data.tools, train, data.rows("valid"), folder)
    after = score("tuned", run.identity, tuned, lambda: open_engine(str(folder)), constrain=True)
    bundle = export(subject_of_run(run, test, lambda: after, train), latency=False)
    reports = {"base, tools in prompt": base, "rules, no model": rules, "tuned": after, "tuned, as GGUF": bundle.report}
    return {"reports": reports, "bundle": bundle, "run": run}


def _answer(bundle: Any, run: Any) -> list[tuple[str, str]]:
    """The example requests, answered by the exported file under its grammar."""
    from pocketlm.engines.open import open_engine
    from pocketlm.tasks.call import CallRow
    from pocketlm.tasks.template import TEMPLATES, Message

    engine = open_engine(str(bundle.file))
    template, task = TEMPLATES[engine.template], run.task
    rows = [CallRow((Message("user", request),), ()) for request in REQUESTS]
    prompts = [task.prompt(row, template) for row in rows]
    answers = engine.generate(prompts, grammar=[task.grammar(template, row) for row in rows])
    engine.close()
    return [(request, answer.text) for request, answer in zip(REQUESTS, answers, strict=True)]


def _total_seconds(folder: Path, start: float) -> float:
    """Seconds of the run that did the work; a repeated demo keeps the first figure."""
    from pocketlm.core.files import read_json

    now = round(time.perf_counter() - start, 1)
    kept = folder / "summary.json"
    before = read_json(kept).get("total_seconds", 0.0) if kept.is_file() else 0.0
    return max(now, float(before))


def _write_page(folder: Path, run: Any, bundle: Any, reports: Any, summary: Any, answers: Any) -> Path:
    """The HTML report."""
    from pocketlm.evaluate.html import write_report

    made = run.manifest
    facts = {
        "Base": f"{made['lineage'].get('title', made['lineage']['base'])}, {made['lineage'].get('licence', 'licence unknown')}",
        "Rows": ", ".join(f"{count} {split}" for split, count in summary["rows"].items()),
        "Training": f"{summary['train_seconds']:.0f} s, {made['metrics']['tokens_per_s']:.0f} tokens/s, {made['compute']}",
        "Exported file": f"{bundle.file}, {bundle.info['size_mb']:.0f} MB, {bundle.info['bits_per_weight']:.2f} bits per weight",
        "Machine": made["platform"],
        "Versions": ", ".join(f"{name} {version}" for name, version in made["versions"].items()),
    }
    page = folder / "report.html"
    checks = [(check.name, check.passed, check.found) for check in bundle.checks]
    write_report(
        page, "Phone actions", reports, history=run.history, checks=checks, facts=facts, examples=answers
    )  # fmt: skip
    return page
