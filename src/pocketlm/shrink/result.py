"""The chosen model as a bundle, and the last word on it: rows that the search never looked at."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pocketlm.core.errors import GateFailed
from pocketlm.core.files import sha256_value
from pocketlm.core.progress import say
from pocketlm.evaluate.compare import Comparison, compare
from pocketlm.evaluate.evaluate import Report
from pocketlm.evaluate.store import scored
from pocketlm.export.base import Converted, Kind, Source
from pocketlm.export.bundle import Bundle, export
from pocketlm.export.gguf import GgufFormat, importance_if_used
from pocketlm.export.gguf_tensors import Weight
from pocketlm.export.subject import subject_of_run
from pocketlm.shrink.search import Trial
from pocketlm.tasks.call import CallRow
from pocketlm.train.run import Run


class MixedGguf(GgufFormat):
    """GGUF with a type for each part of the model."""

    precisions: Mapping[Kind, tuple[str, ...]] = {"decoder": ("mixed", "q8_0")}

    def __init__(self, mix: Mapping[str, str], importance: Mapping[str, Weight]) -> None:
        super().__init__(groups=mix, importance=importance)

    def convert(self, source: Source, out: Path, precision: str) -> Converted:
        """See `base.Format`."""
        return super().convert(source, out, "q8_0")


def proven(
    trials: Sequence[Trial],
    original: Run,
    rows: Sequence[CallRow],
    train: Sequence[CallRow],
    folder: Path,
    *,
    keep: float,
) -> tuple[Trial, Bundle]:
    """The first of these trials whose file is proven, with its bundle; see `bundle_of`.

    A file that scores too little on the last rows is the end: to go on until one does would be to choose by them.

    Raises:
        GateFailed: none is.
    """
    for trial in trials:
        try:
            return trial, bundle_of(trial, original, rows, train, folder, keep=keep)
        except GateFailed as error:
            if "score" in error.checks or trial is trials[-1]:
                raise
            say(f"{error}; the next larger one is taken")
    raise ValueError("no trials")


def bundle_of(
    trial: Trial, original: Run, rows: Sequence[CallRow], train: Sequence[CallRow], folder: Path, *, keep: float
) -> Bundle:
    """The chosen model's file, written again and proven beside the weights it was rounded from.

    Args:
        rows: that the search never saw.
        keep: share of those weights' score that the file has to keep on these rows.

    Raises:
        GateFailed: it keeps less, and the paired interval shows it, or another check failed.
    """
    from pocketlm.engines.open import open_engine

    run = Run.open(Path(trial.run))
    reports = run.folder / "reports" / "tuned.json"

    def reference() -> Report:
        return scored(reports, run.identity, run.task, lambda: open_engine(str(run.folder)), rows, constrain=True)

    subject = replace(subject_of_run(run, rows, reference, train), identity=sha256_value([trial.key, keep]))
    subject = replace(
        subject,
        tolerance=(1 - keep) * reference().value,
        source=replace(subject.source, name=f"{original.folder.resolve().name}-shrunk"),
    )
    weighed = importance_if_used(run.model, subject.source.texts)
    return export(subject, MixedGguf(trial.mix, weighed), out=folder)


def verdict(bundle: Bundle, original: Callable[[], Report]) -> Comparison:
    """The shrunk file beside the original model, on the bundle's rows."""
    report = bundle.report
    assert report
    return compare(original(), report)


def told(comparison: Comparison) -> str:
    """The verdict as a sentence."""
    kept = comparison.b / comparison.a if comparison.a else 0.0
    return (
        f"On the test rows, which the search never saw: {comparison.metric} {comparison.b:.1%} instead of {comparison.a:.1%}, "
        f"{kept:.1%} kept; {comparison.difference:+.1%} [{comparison.low:+.1%}, {comparison.high:+.1%}], {comparison.verdict}"
    )


def as_json(
    trials: Sequence[Trial], chosen: Trial | None, bundle: Bundle | None, last: Comparison | None
) -> dict[str, Any]:
    """Plain values for scripts."""
    return {
        "chosen": vars(chosen) if chosen else None,
        "trials": [vars(trial) for trial in trials],
        "bundle": bundle.to_json() if bundle else None,
        "test": last.to_json() if last else None,
    }
