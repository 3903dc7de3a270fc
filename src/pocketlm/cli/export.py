"""`pocketlm export`: from a model to verified files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pocketlm.cli.common import Json, be_quiet, output, run_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from pocketlm.evaluate.evaluate import Report
    from pocketlm.export.subject import Subject
    from pocketlm.tasks.call import CallRow
    from pocketlm.train.run import Run


def export(
    run: Annotated[str, typer.Argument(help="A run's folder; or a model without one: starter:NAME, hf:NAME, a folder.")],
    to: Annotated[str, typer.Option(help="Formats, separated by commas: gguf, onnx, coreml, litert.")] = "gguf",
    precision: Annotated[str | None, typer.Option(help="fp16, int8, int4, or a format's own, such as q5_0; default: 8 bits.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for the formats' folders; default: RUN/exports.")] = None,
    threads: Annotated[int | None, typer.Option(help="Processor threads of the runtimes; default: all.")] = None,
    latency: Annotated[bool, typer.Option("--latency/--no-latency", help="Time the answers of each file.")] = True,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Export a model, open each file in its own runtime and prove that it does the job.

    Checked are: token ids on 10,000 strings, prompts, next-token odds, the score on the run's test rows against the run's own,
    that answers end, and what can be read from the file itself. A file that fails is left as FORMAT.rejected, the other
    formats are still made, and the exit code is 3.
    """
    be_quiet(as_json)
    from pocketlm.core.errors import GateFailed
    from pocketlm.core.progress import say
    from pocketlm.export.bundle import Bundle, verification_table
    from pocketlm.export.bundle import export as export_one
    from pocketlm.export.formats import find_format

    names = [name.strip() for name in to.split(",") if name.strip()]
    for name in names:
        find_format(name)  # a wrong name is told before hours of work
    subject = find_subject(run)
    bundles: list[Bundle] = []
    failed: list[str] = []
    for name in names:
        place = out / name if out else None
        try:
            bundles.append(export_one(subject, name, precision=precision, out=place, threads=threads, latency=latency))
        except GateFailed as error:
            failed.append(str(error))
            say(str(error))
    found: list[dict[str, Any]] = [bundle.to_json() for bundle in bundles]
    output(as_json, found, verification_table(bundles))
    if failed:
        raise GateFailed(" | ".join(failed))


def find_subject(run: str) -> Subject:
    """The model a name stands for, with its test rows where it is a run."""
    from pocketlm.data.load import load_rows
    from pocketlm.engines.classifier import is_classifier
    from pocketlm.export.subject import subject_of_folder, subject_of_run

    folder = Path(run)
    if is_classifier(folder):
        return _classifier_subject(folder)
    if ":" in run or ((folder / "config.json").is_file() and not (folder / "model").is_dir()):
        return subject_of_folder(run)
    if find_task(folder) == "embed":
        return find_encoder(folder)
    opened, rows, reference = find_run(folder)
    return subject_of_run(opened, rows, reference, load_rows(folder, split="train")[1])


def _classifier_subject(folder: Path) -> Subject:
    from pocketlm.data.load import load_rows
    from pocketlm.engines.open import open_engine
    from pocketlm.evaluate.store import scored
    from pocketlm.export.subject import subject_of_classifier
    from pocketlm.train.classifier_run import ClassifierRun

    run = ClassifierRun.open(folder)
    rows = load_rows(run_of(str(folder)))[1]
    kept = folder / "reports" / "tuned.json"

    def reference() -> Report:
        return scored(kept, run.identity, run.task, lambda: open_engine(str(folder)), rows)

    return subject_of_classifier(run, rows, reference)


def find_task(folder: Path) -> str:
    """The task of a finished run; raises InputError where it is none."""
    from pocketlm.train.run import Run

    return str(Run.open(folder).manifest.get("task", "call"))


def find_encoder(folder: Path) -> Subject:
    """A finished run of the task `embed`, with its test rows where it has any."""
    from pocketlm.data.load import load_rows
    from pocketlm.engines.embedder import open_embedder
    from pocketlm.evaluate.store import scored
    from pocketlm.export.subject import subject_of_encoder
    from pocketlm.train.run import Run

    run = Run.open(folder)
    has_test = (folder / "data" / "test.jsonl").is_file()
    task: Any
    task, rows = load_rows(folder) if has_test else (None, [])

    def reference() -> Report:
        return scored(folder / "reports" / "tuned.json", run.identity, task, lambda: open_embedder(str(folder)), rows)

    return subject_of_encoder(run, task, rows, reference)


def find_run(folder: Path) -> tuple[Run, list[CallRow], Callable[[], Report]]:
    """A finished run, its test rows, and what makes its own report on them, once."""
    from pocketlm.data.load import load_rows
    from pocketlm.engines.open import open_engine
    from pocketlm.evaluate.store import scored
    from pocketlm.train.run import Run

    run = Run.open(folder)
    task = run.task
    rows = load_rows(folder)[1]

    def reference() -> Report:
        kept = folder / "reports" / "tuned.json"
        return scored(kept, run.identity, task, lambda: open_engine(str(folder)), rows, constrain=True)

    return run, rows, reference
