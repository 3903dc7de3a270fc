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

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json, sha256_value, write_json, write_jsonl
from pocketlm.core.progress import say
from pocketlm.engines.llamacpp import LlamaCppEngine
from pocketlm.evaluate.evaluate import Report, evaluate
from pocketlm.evaluate.latency import measure_latency
from pocketlm.evaluate.report import RowResult, figures
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

    def __str__(self) -> str:
        size = f" in {self.max_mb:g} MB" if self.max_mb is not None else ""
        late = f", an answer within {self.max_p95_ms:g} ms" if self.max_p95_ms is not None else ""
        return f"{100 * self.keep:g} % of the score{size}{late}"


@dataclass(frozen=True)
class Trial:
    """One model that was tried.

    Attributes:
        run: folder of the run that holds its weights.
        mix: type of each group; `cost`: nats by which rounding moves its odds, foretold.
        size_mb: of the file; `bits`: a weight.
        score: on the validation rows.
        alike: share of the requests apart from them (`Rows.apart`) that it answers as the original; None without any.
        kept: of the original's score, or `alike` where that is less: a model that only does the easier ones does not do the job.
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
    alike: float | None = None

    def passes(self, goal: Goal) -> bool:
        """Whether it does the job, and fits."""
        fits = goal.max_mb is None or self.size_mb <= goal.max_mb
        quick = goal.max_p95_ms is None or (self.p95_ms is not None and self.p95_ms <= goal.max_p95_ms)
        return self.kept >= goal.keep and fits and quick


@dataclass
class Search:
    """A search in progress.

    Attributes:
        reference: the original's report on the validation rows.
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
            try:
                run = self._reach(shape, parent)
            except InputError as error:  # what was found before still counts
                say(f"No smaller shape is tried: {error}")
                break
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
        points = fitting or points[-1:]  # one that is too large in any mix is for the picture only

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
        trial = self._known.get(key)
        if trial is None or (trial.p95_ms is None and trial.kept >= self.goal.keep):  # then it has to be timed
            trial = self._measure(shape, run, point, weigh(), key)
            self._known[key] = trial
            self.home.mkdir(parents=True, exist_ok=True)
            write_jsonl(self.home / KEPT, [asdict(one) for one in self._known.values()])
        say(
            f"  {trial.size_mb:.1f} MB ({point}): {self.reference.main} {trial.score:.1%}"
            + (f", {trial.alike:.1%} of the requests alike" if trial.alike is not None else "")
            + f", {trial.kept:.1%} kept"
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
        given = len(self.rows.valid)
        score = self._share(report.rows[:given])
        alike = self._share(report.rows[given:]) if self.rows.apart else None
        kept = min(score / self.reference.value, 1.0 if alike is None else alike)
        late = self._late(run, file) if kept >= self.goal.keep else None
        file.unlink()
        return Trial(
            str(shape), str(run.folder), dict(point.mix), str(point), point.cost, info.size_mb, info.bits_per_weight,
            info.parameters, score, kept, late, round(time.monotonic() - began, 1), key, alike,
        )  # fmt: skip

    def _share(self, rows: Sequence[RowResult]) -> float:
        """The main metric's figure over some rows."""
        main = self.reference.main
        return figures(rows, {main: self.reference.kinds[main]})[0].get(main, 0.0)

    def _late(self, run: Run, file: Path) -> float:
        prompts, grammars = asked(run.task, spread(self.rows.judging, TIMED), run.template)
        return measure_latency(str(file), prompts, grammars=grammars, max_tokens=run.task.max_tokens).metrics["p95_ms"]


def write_mix(run: Run, mix: Mapping[str, str], weighed: Mapping[str, Weight], file: Path) -> Any:
    """A run's model as a GGUF file of mixed types; see `export_gguf` for what it returns."""
    return export_gguf(
        run.model, file, precision="q8_0", groups=mix, importance=weighed, chat_template=run.template.jinja,
        stop_token=run.template.stop,
    )  # fmt: skip


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
    once = {trial.key: trial for trial in trials}.values()
    for trial in sorted(once, key=_order):
        if not best or trial.kept > best[-1].kept:
            best.append(trial)
    return best


def passing(trials: Sequence[Trial], goal: Goal) -> list[Trial]:
    """Those that pass, the smallest first; of those as small the one that keeps most."""
    return sorted((trial for trial in trials if trial.passes(goal)), key=_order)


def _order(trial: Trial) -> tuple[float, float, float]:
    """The smallest first; of those as small the one that keeps most, then the one that scores best."""
    return trial.size_mb, -trial.kept, -trial.score
