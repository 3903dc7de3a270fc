"""One way from an engine's name to its report: any engine, any task, kept so that repeating it costs nothing."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.machine import cache_dir
from pocketlm.core.progress import say
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.baselines import baselines
from pocketlm.evaluate.evaluate import compared_by_meaning, evaluate
from pocketlm.evaluate.latency import measure_latency
from pocketlm.evaluate.ranking import Bm25, Dense, Hybrid, Ranker, Stored, tuned_weight
from pocketlm.evaluate.remote import RemoteEngine, is_remote
from pocketlm.evaluate.report import Report, figures
from pocketlm.evaluate.store import cached_report, forget_report, identity_of, kept_engine, kept_report, report_key
from pocketlm.evaluate.suites import spread
from pocketlm.tasks.base import Task
from pocketlm.tasks.embed import EmbedRow
from pocketlm.tasks.template import CHATML, TEMPLATES, Template

TUNED = 500  # training rows by which the weight of a hybrid is chosen
TIMED = 120  # rows whose answers are timed one by one


Agree = Callable[[str, int, float], None]  # host, rows, the most they may cost


def refuse(host: str, rows: int, worst: float) -> None:
    """Rows stay here unless somebody agrees."""
    raise InputError(f"{rows} rows would leave this machine for {host}; agree to that first")


def no_task(uri: str) -> None:
    """No engine has a task of its own."""


@dataclass(frozen=True)
class Scoring:
    """A task, its rows, and how engines are asked about them.

    Attributes:
        alike: the embedder that free answers are compared with their references by, "" for none.
        budget: the most that models behind a network may cost.
        fresh: ask again even where the answers are known.
        notes: what a reader of every report must know.
        agree: is asked before rows leave this machine, and raises where they must not.
        own_task: the task an engine was made for, None where it has none of its own: each engine is asked in its own way.
    """

    task: Task
    rows: Sequence[Any]
    constrain: bool = True
    max_tokens: int | None = None
    threads: int | None = None
    alike: str = ""
    budget: float | None = None
    fresh: bool = False
    notes: Sequence[str] = field(default=())
    agree: Agree = refuse
    own_task: Callable[[str], Task | None] = no_task

    def report(self, uri: str, title: str = "") -> Report:
        """The report of an engine, from where it is kept if the same was asked before.

        Raises:
            InputError: the engine cannot be opened, or cannot do the task.
        """
        task = self.own_task(uri) or self.task
        alike = identity_of(self.alike) if self.alike else ""
        settings = {"constrain": self.constrain, "max_tokens": self.max_tokens, "alike": alike}
        key = report_key(identity_of(uri), task, self.rows, engine=uri, **settings)
        path = kept_report(key)
        if self.fresh:
            forget_report(path)
        elif path.is_file():
            say(f"{uri}: scored before, taken from {path}")
        report = cached_report(path, key, lambda: self._ask(uri, task, title, path, key))
        return replace(report, notes=[*report.notes, *self.notes])

    def baselines(self, train: Sequence[Any]) -> dict[str, Report]:
        """Reports of what needs no model."""
        found = baselines(self.task, self.rows, train)
        return {
            name: evaluate(self.task, engine, self.rows, title=f"Scoring {name}", alike=self.alike)
            for name, engine in found.items()
        }

    def rankings(
        self, uri: str, train: Sequence[Any], *, hybrid: bool = True, vectors: Sequence[str] = ()
    ) -> dict[str, Report]:
        """Reports of other ways to search with an embedder, of questions whose texts are sought.

        Args:
            train: rows on which the weight of the vectors is chosen; without any it is a half.
            hybrid: together with BM25, where bm25s is installed.
            vectors: kept smaller, see `Stored`.

        Raises:
            InputError: `vectors` for rows that are no questions, or a name that is none.
        """
        task: Any = self.task
        if task.asks != "vectors" or any(row.score is not None for row in self.rows):
            if vectors:
                raise InputError(f"--vectors {vectors[0]}: is for questions whose texts are sought; the rows are none")
            return {}
        embedder = self.open(uri)
        dense = Dense(embedder)
        ways: list[Ranker] = [Stored(dense, name) for name in vectors]
        if hybrid and find_spec("bm25s"):
            known = [row for row in train if isinstance(row, EmbedRow) and row.score is None]
            weight = tuned_weight(dense, Bm25(), task, spread(known, TUNED)) if known else 0.5
            ways = [Hybrid(dense, Bm25(), weight), Hybrid(dense, Bm25(), None), *ways]
        found = {}
        for way in ways:
            key = report_key(identity_of(uri), task, self.rows, engine=way.uri)
            make = partial(evaluate, task, way, self.rows, title=f"Scoring {way.uri}")
            found[way.uri] = cached_report(kept_report(key), key, make)
        getattr(embedder, "close", lambda: None)()
        return found

    def beside_teacher(self, report: Report, teacher: str) -> Report:
        """The report with how many of its answers mean what a teacher's do.

        Raises:
            InputError: the task's answers are no free text.
        """
        if "like_teacher" not in self.task.metrics:
            raise InputError(f"--teacher {teacher}: only free answers (task instruct) are compared with a teacher's")
        theirs = [row.answer for row in self.report(teacher, f"Asking {teacher}").rows]
        rows = compared_by_meaning(report.rows, theirs, self.alike or "static", ("like_teacher",))
        metrics, intervals = figures(rows, {"like_teacher": self.task.metrics["like_teacher"]})
        return replace(report, rows=rows, metrics=report.metrics | metrics, intervals=report.intervals | intervals)

    def timed(self, report: Report, uri: str) -> Report:
        """The report with what the engine's answers cost, measured in a process of its own.

        Raises:
            InputError: an engine behind a network, or one that writes no answers.
        """
        prompts, grammars = self._prompts(uri)
        longest = self.max_tokens or self.task.max_tokens
        found = measure_latency(uri, prompts, grammars=grammars, threads=self.threads, max_tokens=longest)
        return replace(report, latency=found.to_json())

    def open(self, uri: str) -> Any:
        """The engine of a name, of the kind the task needs."""
        if is_remote(uri):
            if self.task.asks != "text":
                raise InputError(
                    f"{uri}: a model behind a network tells no odds and no vectors; the task is {self.task.name}"
                )
            return RemoteEngine(uri, self.ledger(uri), budget=self.budget, fresh=self.fresh)
        if self.task.asks == "vectors":
            from pocketlm.engines.embedder import open_embedder

            return open_embedder(uri, threads=self.threads)
        return open_engine(uri, threads=self.threads)

    @staticmethod
    def ledger(uri: str) -> Path:
        """Where answers of a model behind a network are kept."""
        return cache_dir() / "answers" / ("".join(c if c.isalnum() else "-" for c in uri) + ".jsonl")

    def _ask(self, uri: str, task: Task, title: str, path: Path, key: str) -> Report:
        engine = self.open(uri)
        if isinstance(engine, RemoteEngine) and engine.host:
            dialogues = [task.messages(row, CHATML) for row in self.rows]
            self.agree(engine.host, len(dialogues), engine.worst(dialogues, self.max_tokens or task.max_tokens))
        try:
            return evaluate(
                task, kept_engine(engine, path, key), self.rows, constrain=self.constrain, max_tokens=self.max_tokens, title=title,
                alike=self.alike,
            )  # fmt: skip
        finally:
            getattr(engine, "close", lambda: None)()

    def _prompts(self, uri: str) -> tuple[list[str], list[str] | None]:
        """Prompts of rows, spread over all, as an engine gets them, and the grammars its answers are held to."""
        if self.task.asks != "text" or is_remote(uri):
            raise InputError(f"{uri}: latency is measured of engines of this machine that write answers")
        engine, task = open_engine(uri, threads=self.threads), self.own_task(uri) or self.task
        template, bare = TEMPLATES[engine.template], getattr(engine, "prompt", None)
        engine.close()
        if bare:  # a classifier reads the text as it is
            return [bare(row) for row in spread(self.rows, TIMED)], None
        return asked(task, spread(self.rows, TIMED), template, constrain=self.constrain)


def asked(
    task: Task, rows: Sequence[Any], template: Template, *, constrain: bool = True
) -> tuple[list[str], list[str] | None]:
    """Prompts of rows as an engine gets them, and the grammars its answers are held to, None where there are none."""
    prompts = [task.prompt(row, template) for row in rows]
    if not constrain or task.grammar(template) is None:
        return prompts, None
    return prompts, [str(task.grammar(template, row)) for row in rows]
