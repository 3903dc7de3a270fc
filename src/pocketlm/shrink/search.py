"""The smallest model that still does the job: cuts and bits, tried on validation rows in the runtime that ships.

Down the ladder of shapes (shapes.py), each cut from the last one that passed, and healed until it passes too; for each shape,
the mixes of types (precision.py) are searched for the smallest that passes, by halving: what a mix costs falls with its size.
Every trial is a GGUF file, opened in llama.cpp and scored. Trials and cut models are kept, so that a search that was stopped
goes on.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from pocketlm.core.files import read_json, sha256_value, write_json, write_jsonl
from pocketlm.core.progress import say
from pocketlm.engines.llamacpp import LlamaCppEngine
from pocketlm.evaluate.evaluate import Report, evaluate
from pocketlm.evaluate.latency import measure_latency
from pocketlm.evaluate.report import figures
from pocketlm.evaluate.scoring import asked
from pocketlm.evaluate.suites import spread
from pocketlm.export.gguf import export_gguf, importance_if_used
from pocketlm.export.gguf_tensors import Weight
from pocketlm.export.subject import run_texts
from pocketlm.shrink.precision import GRID_TYPES, TYPES, Point, mixes
from pocketlm.shrink.shapes import Rows, Shape, build, examples, ladder, was_built
from pocketlm.train.run import Run

SEARCHING = 2  # rises whenever the same candidate would be judged otherwise
TIMED = 16  # requests by which an answer's time is measured
HEALING = 0.6  # share of the time that is left for a shape's first healing
FURTHER = 0.85  # the same of another, behind which nothing follows but its trials
LEAST = 3.0  # minutes of healing under which it is not worth while
KEPT = "trials.jsonl"


@dataclass(frozen=True)
class Goal:
    """What the smallest model must still do.

    Attributes:
        keep: share of the original's score, on the validation rows and on the requests apart from them (`Rows.apart`).
        max_mb, max_p95_ms: None: any.
        minutes: after which no new shape is begun.
    """

    keep: float = 0.98
    max_mb: float | None = None
    max_p95_ms: float | None = None
    minutes: float = 60.0


@dataclass(frozen=True)
class Trial:
    """One model that was tried.

    Attributes:
        run: folder of the run that holds its weights.
        mix: type of each group; `cost`: nats by which rounding moves its odds, foretold.
        size_mb: of the file; `bits`: a weight.
        score: on all rows to choose by.
        kept: share of the original's score on the validation rows or on the requests apart from them, whichever is less: a model
            that only does the easier ones does not do the job.
        p95_ms: of an answer; None where it was not timed, because it did not keep enough.
    """

    shape: str
    run: str
    mix: dict[str, str]
    said: str
    cost: float
    size_mb: float
    bits: float
    parameters: int
    score: float
    kept: float
    p95_ms: float | None
    seconds: float
    key: str = ""

    def passes(self, goal: Goal) -> bool:
        """Whether it does the job, and fits."""
        fits = goal.max_mb is None or self.size_mb <= goal.max_mb
        quick = goal.max_p95_ms is None or (self.p95_ms is not None and self.p95_ms <= goal.max_p95_ms)
        return self.kept >= goal.keep and fits and quick


@dataclass
class Search:
    """A search in progress.

    Attributes:
        reference: the original's report on the rows to choose by (`Rows.judging`).
        home: where trials and cut models are kept.
    """

    original: Run
    rows: Rows
    reference: Report
    goal: Goal
    home: Path
    trials: list[Trial] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def __post_init__(self) -> None:
        kept = self.home / KEPT
        if kept.is_file():
            lines = kept.read_text(encoding="utf-8").splitlines()
            self._known = {trial.key: trial for trial in (Trial(**json.loads(line)) for line in lines)}
        else:
            self._known = {}

    def run(self) -> list[Trial]:
        """Every trial, in the order in which they were made or found again."""
        whole, *smaller = ladder(self.original.model, self.goal.max_mb)
        parent = self.original
        self._smallest(whole, parent)
        for shape in smaller:
            run = self._reach(shape, parent)
            if run is None:
                say(f"{self.goal.minutes:.0f} minutes are over; to go on, run the same command with more --minutes")
                break
            parent = run
        return self.trials

    def _reach(self, shape: Shape, parent: Run) -> Run | None:
        """A run of that shape that does the job; None where the time is over before.

        While none of its mixes does, no smaller shape would, so what time is left heals it further.
        """
        run = self._healed(shape, parent, HEALING)
        while run is not None and not self._smallest(shape := Shape.of(run.model), run):
            say(f"{shape}: not enough is kept yet, so it is healed further")
            run = self._healed(shape, run, FURTHER)
        return run

    def _healed(self, shape: Shape, parent: Run, share: float) -> Run | None:
        """A run cut to a shape and healed for a share of the time left, or found again; None where too little is left."""
        left = self.goal.minutes - (time.monotonic() - self.began) / 60
        minutes = round(max(LEAST, share * left), 1)
        if left <= minutes and not was_built(shape, parent, self.rows, self.home):
            return None
        return build(shape, parent, self.original, self.rows, self.home, minutes=minutes)

    def _smallest(self, shape: Shape, run: Run) -> bool:
        """Try mixes of a shape, the smallest first; whether any does the job."""

        @cache
        def weigh() -> Mapping[str, Weight]:
            return importance_if_used(run.model, run_texts(run, self.rows.train))

        points = self._points(run, weigh)
        fitting = [point for point in points if self.goal.max_mb is None or point.size <= self.goal.max_mb * 1e6]
        points = fitting or points  # the sizes of one that is too large are for the picture

        def passes(at: int) -> bool:
            return self._try(shape, run, points[at], weigh).kept >= self.goal.keep

        return smallest_passing(len(points), passes) is not None

    def _points(self, run: Run, weigh: Callable[[], Mapping[str, Weight]]) -> list[Point]:
        """The mixes of a run's model, measured once."""
        kept = self.home / f"mixes-{run.identity[:16]}.json"
        if not kept.is_file():
            types = GRID_TYPES if run.config.train.rounded else TYPES
            points = mixes(run.model, examples(run, run.model, self.rows.judging), weigh(), types)
            write_json(kept, [asdict(point) for point in points])
        return [Point(**point) for point in read_json(kept)]

    def _try(self, shape: Shape, run: Run, point: Point, weigh: Callable[[], Mapping[str, Weight]]) -> Trial:
        """Write, open, score and, if it does the job, time one candidate."""
        rows = [row.to_json() for row in self.rows.judging]
        key = sha256_value([self.original.identity, run.identity, dict(point.mix), rows, SEARCHING])
        if key in self._known:
            trial = self._known[key]
        else:
            trial = self._measure(shape, run, point, weigh(), key)
            self._known[key] = trial
            self.home.mkdir(parents=True, exist_ok=True)
            write_jsonl(self.home / KEPT, [asdict(one) for one in self._known.values()])
        say(
            f"  {trial.size_mb:.1f} MB ({point}): {self.reference.main} {trial.score:.1%}, {trial.kept:.1%} kept"
            + (f", p95 {trial.p95_ms:.0f} ms" if trial.p95_ms else "")
        )
        self.trials.append(trial)
        return trial

    def _measure(self, shape: Shape, run: Run, point: Point, weighed: Mapping[str, Weight], key: str) -> Trial:
        began = time.monotonic()
        file = self.home / "trial.gguf"
        info = write_mix(run, point.mix, weighed, file)
        engine = LlamaCppEngine(file)
        try:
            report = evaluate(
                run.task, engine, self.rows.judging, constrain=True, title=f"Trying {info.size_mb:.0f} MB"
            )
        finally:
            engine.close()
        kept = self._kept(report)
        late = self._late(run, file) if kept >= self.goal.keep else None
        file.unlink()
        return Trial(
            str(shape), str(run.folder), dict(point.mix), str(point), point.cost, info.size_mb, info.bits_per_weight,
            info.parameters, report.value, kept, late, round(time.monotonic() - began, 1), key,
        )  # fmt: skip

    def _kept(self, report: Report) -> float:
        given = len(self.rows.valid)
        own = share_kept(report, self.reference, slice(given))
        return min(own, share_kept(report, self.reference, slice(given, None))) if self.rows.apart else own

    def _late(self, run: Run, file: Path) -> float:
        prompts, grammars = asked(run.task, spread(self.rows.judging, TIMED), run.template)
        return measure_latency(str(file), prompts, grammars=grammars, max_tokens=run.task.max_tokens).metrics["p95_ms"]


def write_mix(run: Run, mix: Mapping[str, str], weighed: Mapping[str, Weight], file: Path) -> Any:
    """A run's model as a GGUF file of mixed types; see `export_gguf` for what it returns."""
    return export_gguf(
        run.model, file, precision="q8_0", groups=mix, importance=weighed, chat_template=run.template.jinja,
        stop_token=run.template.stop,
    )  # fmt: skip


def share_kept(report: Report, reference: Report, part: slice) -> float:
    """What a report keeps of another's score on a part of the rows that both are of."""
    main, kinds = reference.main, {reference.main: reference.kinds[reference.main]}
    had, has = (figures(one.rows[part], kinds)[0].get(main, 0.0) for one in (reference, report))
    return has / had if had else 1.0


def smallest_passing(count: int, passes: Callable[[int], bool]) -> int | None:
    """The last of `count` places that passes, if those that pass come first; the very last is tried first, then halves."""
    if passes(count - 1):
        return count - 1
    low, high = -1, count - 1  # low passes or is none; high does not
    while high - low > 1:
        middle = (low + high) // 2
        if passes(middle):
            low = middle
        else:
            high = middle
    return low if low >= 0 else None


def frontier(trials: Sequence[Trial]) -> list[Trial]:
    """Those than which none is both smaller and better, the smallest first."""
    best: list[Trial] = []
    for trial in sorted({trial.key: trial for trial in trials}.values(), key=lambda one: (one.size_mb, -one.kept)):
        if not best or trial.kept > best[-1].kept:
            best.append(trial)
    return best


def smallest(trials: Sequence[Trial], goal: Goal) -> Trial | None:
    """The smallest that passes."""
    return min((trial for trial in trials if trial.passes(goal)), key=lambda trial: trial.size_mb, default=None)
