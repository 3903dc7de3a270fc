"""The ladder: classifiers from the cheapest up, each with what it takes and how good it is, until one is good enough.

Often a rung of a millisecond does what a model of a hundred megabytes does. Which one to take is decided on validation
rows: the cheapest that is not shown worse than the best, and at most 5 points under it. The table's scores are of the test rows, which decide nothing.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pocketlm.core.config import RATES, Config
from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_dir, read_json, sha256_value, write_json
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.core.progress import say
from pocketlm.engines.classifier import Classifier
from pocketlm.evaluate.compare import compare
from pocketlm.evaluate.latency import percentile
from pocketlm.evaluate.report import FEW_ROWS, Report
from pocketlm.evaluate.store import scored
from pocketlm.evaluate.suites import spread
from pocketlm.models.head import SETTINGS
from pocketlm.models.static import package_files
from pocketlm.train.classifier_run import LADDER, ClassifierRun
from pocketlm.train.classify import train_classifier

TIMED = 100  # texts that are timed one by one
SLACK = 0.05  # of the best score that a rung may miss, however few rows there are to show it
FEW_SHOT = 32  # rows a label up to which setfit is tried: it is for few
MADE = (
    "head.*",
    "words.*",
    "examples.*",
    "metrics.*",
    "calibration.json",
    "model",
)  # what a training leaves in its folder
TAKEN = "taken"  # a rung's files on their way into the run


@dataclass(frozen=True)
class Rung:
    """One classifier and what it takes.

    Attributes:
        size_mb: of all its files, in 10^6 bytes; p50_ms, p95_ms: of one text, on this machine.
        valid, test: the main metric; low, high: the 95 % interval of `test`; None where there are no such rows.
        verdict: beside the best on validation rows, paired: "best", "no difference shown" or "worse"; "" without rows.
    """

    name: str
    size_mb: float
    p50_ms: float
    p95_ms: float
    train_seconds: float
    valid: float | None
    test: float | None
    low: float | None
    high: float | None
    verdict: str = ""


@dataclass(frozen=True)
class Ladder:
    """All rungs that were climbed, and which to take."""

    metric: str
    rungs: list[Rung]
    chosen: str
    notes: list[str]

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def climb(
    config: Config,
    train: Sequence[Any],
    valid: Sequence[Any],
    test: Sequence[Any],
    folder: Path,
    *,
    labels: Sequence[str] = (),
) -> ClassifierRun:
    """Train every rung into `folder`/rungs, choose one, and let it be the run. What was trained before is used again.

    Raises:
        InputError: as `train_classifier`; no validation rows.
    """
    if not valid:
        raise InputError("train.method ladder chooses on validation rows and there are none; give data.valid")
    rungs: list[tuple[Rung, Report]] = []
    notes = [] if len(valid) >= FEW_ROWS else [f"only {len(valid)} validation rows: small differences cannot be shown"]
    for name in config.classify.rungs:
        if why := _left_out(name, train):
            notes.append(f"{name} left out: {why}")
            say(notes[-1])
            continue
        run = train_classifier(_settings(config, name), train, valid, folder / "rungs" / name, labels=labels)
        rung, report = _measured(run, name, valid, test)
        rungs.append((rung, report))
        say(f"{name}: {report.main} {report.value:.1%} on {len(valid)} validation rows, {rung.p50_ms:.2f} ms a text")
        if config.classify.enough is not None and report.value >= config.classify.enough:
            notes.append(f"{name} reaches {config.classify.enough:.1%}, so nothing larger was tried")
            break
    if not rungs:
        raise InputError(f"classify.rungs: nothing left to try ({'; '.join(notes)})")
    found = choose(rungs, notes)
    _take(folder, folder / "rungs" / found.chosen, config, found)
    return ClassifierRun(folder)


def choose(rungs: Sequence[tuple[Rung, Report]], notes: Sequence[str] = ()) -> Ladder:
    """The ladder with each rung beside the best on validation rows, and the first that is not shown worse.

    Where rows are few, little can be shown: more than SLACK under the best is too much in any case.
    """
    best = max(rungs, key=lambda pair: pair[1].value)
    told = []
    for rung, report in rungs:
        verdict = "best" if rung is best[0] else compare(best[1], report).verdict
        told.append(Rung(**{**asdict(rung), "verdict": verdict}))
    enough = [r.name for r, (_, report) in zip(told, rungs, strict=True) if report.value >= best[1].value - SLACK]
    chosen = next(rung.name for rung in told if rung.verdict != "worse" and rung.name in enough)
    return Ladder(best[1].main, told, chosen, list(notes))


def ladder_of(folder: Path) -> Ladder | None:
    """The ladder a run came from, None where it came from none."""
    if not (folder / LADDER).is_file():
        return None
    kept = read_json(folder / LADDER)
    return Ladder(kept["metric"], [Rung(**rung) for rung in kept["rungs"]], kept["chosen"], kept["notes"])


def ladder_text(found: Ladder) -> str:
    """The ladder as a table."""
    lines = [
        f"{'rung':<11}{'MB':>8}{'p50 ms':>9}{'p95 ms':>9}{'train s':>9}{'valid':>8}{'test':>8}  {'95 % interval':<16}verdict"
    ]
    for rung in found.rungs:
        mark = " <- recommended" if rung.name == found.chosen else ""
        test = "-" if rung.test is None else f"{rung.test:.1%}"
        spread_of = "" if rung.low is None or rung.high is None else f"{rung.low:.1%} - {rung.high:.1%}"
        lines.append(
            f"{rung.name:<11}{rung.size_mb:>8.2f}{rung.p50_ms:>9.2f}{rung.p95_ms:>9.2f}{rung.train_seconds:>9.1f}"
            f"{rung.valid or 0:>8.1%}{test:>8}  {spread_of:<16}{rung.verdict}{mark}"
        )
    lines.append(
        f"{found.metric}; recommended: the cheapest not shown worse than the best on validation rows, paired, and at most "
        f"{SLACK:.0%} under it"
    )
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])


def _left_out(name: str, train: Sequence[Any]) -> str:
    """Why a rung is not tried; empty where it is."""
    labels = {label for row in train for label in row.answer}
    if name == "setfit" and len(train) > FEW_SHOT * len(labels):
        return f"{len(train) / len(labels):.0f} rows a label, it is for {FEW_SHOT} or fewer"
    if name == "static" and find_spec("wordllama") is None:
        return "pip install 'pocketlm[data]'"
    if name not in ("majority", "rules") and find_spec("sklearn") is None:
        return "pip install 'pocketlm[classify]'"
    return ""


def _settings(config: Config, name: str) -> Config:
    """The settings of one rung: its own method and that method's rate."""
    train = config.train.model_copy(update={"method": name, "lr": RATES.get(name, 1e-3)})
    return config.model_copy(update={"train": train})


def _measured(run: ClassifierRun, name: str, valid: Sequence[Any], test: Sequence[Any]) -> tuple[Rung, Report]:
    """A finished rung's figures, and its report on the validation rows."""
    home = run.folder / "reports"

    def engine() -> Classifier:
        return Classifier.open(run.folder)

    report = scored(home / "valid.json", run.identity, run.task, engine, valid)
    tested = scored(home / "test.json", run.identity, run.task, engine, test) if test else None
    low, high = tested.intervals[tested.main] if tested else (None, None)
    times = _latency(run, valid)
    seconds = float(run.manifest["metrics"]["train_seconds"])
    value = tested.value if tested else None
    return Rung(name, size_mb(run.folder), *times, seconds, report.value, value, low, high), report


def _latency(run: ClassifierRun, rows: Sequence[Any]) -> tuple[float, float]:
    """(p50, p95) milliseconds of one text, kept beside the run: measured once."""
    kept, key = run.folder / "reports" / "latency.json", run.identity
    if kept.is_file() and (found := read_json(kept)).get("key") == key:
        return found["p50_ms"], found["p95_ms"]
    classifier = Classifier.open(run.folder)
    texts = [row.text for row in spread(rows, TIMED)]
    classifier.predict(texts[:3])
    times = []
    for text in texts:
        began = time.perf_counter()
        classifier.predict([text])
        times.append(1000 * (time.perf_counter() - began))
    classifier.close()
    p50, p95 = (round(percentile(times, q), 4) for q in (50, 95))
    write_json(kept, {"key": key, "p50_ms": p50, "p95_ms": p95})
    return p50, p95


def size_mb(folder: Path) -> float:
    """10^6 bytes of what a classifier is opened from; of the static vectors' package, vectors and tokenizer."""
    files = [*folder.glob("head.*"), *folder.glob("words.*"), *folder.glob("examples.*"), *folder.glob("model/**/*")]
    if read_json(folder / SETTINGS)["features"].get("uri") == "static":
        files += package_files()
    return sum(file.stat().st_size for file in files if file.is_file()) / 1e6


def _take(folder: Path, rung: Path, config: Config, found: Ladder) -> None:
    """Let a rung's files be the run's.

    Killed while it copies, the run is the older one still; killed while the copies move in, it is unfinished and says so.
    The rungs stay, so the same command goes on either way.
    """
    made = read_manifest(rung)
    key = sha256_value([made["key"], "ladder", found.to_json()])
    if (folder / "manifest.json").is_file() and read_manifest(folder).get("key") == key:
        return
    with atomic_dir(folder / TAKEN) as aside:
        for part in _made(rung):
            (shutil.copytree if part.is_dir() else shutil.copyfile)(part, aside / part.name)
        write_json(aside / "config.json", config.model_dump())
        write_json(aside / LADDER, found.to_json())
    for vouching in ("manifest.json", SETTINGS):  # from here on what lies there is no whole run, and no classifier
        (folder / vouching).unlink(missing_ok=True)
    for old in _made(folder):
        shutil.rmtree(old) if old.is_dir() else old.unlink()
    for part in sorted((folder / TAKEN).iterdir(), key=lambda part: part.name == SETTINGS):
        os.replace(part, folder / part.name)
    (folder / TAKEN).rmdir()
    write_manifest(folder, made | {"key": key, "ladder": found.to_json()})


def _made(folder: Path) -> list[Path]:
    """What a training left in a folder."""
    return [file for kind in MADE for file in folder.glob(kind)]
