"""The search: the smallest that passes is found, what was tried is kept, and the frontier is one."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest

from pocketlm.core.files import read_json
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.shrink import search
from pocketlm.shrink.frontier import frontier_text, write_frontier
from pocketlm.shrink.precision import TYPES, mixes
from pocketlm.shrink.search import Goal, Search, Trial, frontier, smallest, smallest_passing
from pocketlm.shrink.shapes import Rows, Shape, examples, ladder
from pocketlm.train.run import Run


@pytest.mark.parametrize(("limit", "found"), [(0, None), (1, 0), (5, 4), (8, 7)])
def test_halving_finds_the_smallest_that_passes(limit: int, found: int | None) -> None:
    asked: list[int] = []

    def passes(at: int) -> bool:
        asked.append(at)
        return at < limit

    assert smallest_passing(8, passes) == found
    assert len(asked) == len(set(asked)) <= 4


def trial(size: float, score: float, **other: object) -> Trial:
    made = Trial("s", "r", {}, "q8_0", 0.0, size, 8.5, 1, score, score / 0.9, 100.0, 1.0, key=f"{size}{score}")
    return replace(made, **other)  # type: ignore[arg-type]


def test_the_frontier_and_the_choice() -> None:
    trials = [trial(100, 0.9), trial(50, 0.88), trial(60, 0.85), trial(20, 0.5), trial(40, 0.89, p95_ms=900.0)]
    assert [(t.size_mb, t.score) for t in frontier(trials)] == [(20, 0.5), (40, 0.89), (100, 0.9)]
    assert smallest(trials, Goal(keep=0.95)) == trials[4]
    assert smallest(trials, Goal(keep=0.95, max_p95_ms=200)) == trials[1]
    assert smallest(trials, Goal(keep=0.95, max_mb=30)) is None


def test_mixes_go_from_most_bits_to_fewest(trained: tuple[Run, Rows]) -> None:
    run, rows = trained
    points = mixes(run.model, examples(run, run.model, rows.valid), {})
    assert set(points[0].mix.values()) == {TYPES[0]}
    assert points[0].cost == 0
    assert all(after.size < before.size for before, after in pairwise(points))
    assert len(points) > 5
    assert points[-1].cost > 0


def test_the_ladder_goes_down(tiny_llama: Path) -> None:
    shapes = ladder(tiny_llama)
    assert shapes[0] == Shape.of(tiny_llama)
    weights = [shape.tokens + shape.blocks * shape.channels for shape in shapes]
    assert weights == sorted(weights, reverse=True)
    assert ladder(tiny_llama, max_mb=0.001) == shapes[:1], "what cannot fit is not healed"
    assert ladder(tiny_llama, max_mb=100) == shapes


def test_a_search_shrinks_goes_on_and_is_shown(
    trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, rows = trained
    before = evaluate(run.task, open_engine(str(run.folder)), rows.valid, constrain=True)
    assert before.value > 0.9
    monkeypatch.setattr(search, "HEALING", 0.0)
    monkeypatch.setattr(search, "LEAST", 0.05)
    goal = Goal(keep=0.9, minutes=1)
    trials = Search(run, rows, before, goal, tmp_path).run()
    chosen = smallest(trials, goal)
    assert chosen is not None
    assert chosen.size_mb < max(trial.size_mb for trial in trials)
    assert {trial.shape for trial in trials} > {str(Shape.of(run.model))}
    assert chosen.p95_ms
    assert not (tmp_path / "trial.gguf").exists()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("tried again")

    monkeypatch.setattr(Search, "_measure", never)
    again = Search(run, rows, before, goal, tmp_path).run()
    assert [trial.key for trial in again] == [trial.key for trial in trials]
    assert "*" in frontier_text(trials, goal)
    write_frontier(tmp_path / "frontier.html", "x", trials, goal, {"score": before.value})
    page = (tmp_path / "frontier.html").read_text(encoding="utf-8")
    assert page.count("<circle") == len(trials)
    assert read_json(Path(chosen.run) / "manifest.json")["kind"] == "run"
