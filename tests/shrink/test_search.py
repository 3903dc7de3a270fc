"""The search: the smallest that passes is found, what was tried is kept, and the frontier is one."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import astuple, replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from families import CONFIGS
from safetensors import safe_open
from safetensors.torch import save_file
from transformers import LlamaConfig, LlamaForCausalLM

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.evaluate.plots import Axis
from pocketlm.export.gguf import importance_if_used
from pocketlm.export.subject import run_texts
from pocketlm.shrink import search
from pocketlm.shrink.folder import parameters
from pocketlm.shrink.frontier import _labels, frontier_text, write_frontier
from pocketlm.shrink.precision import GRID_TYPES, TYPES, mixes
from pocketlm.shrink.search import Goal, Search, Trial, frontier, passing, smallest_passing, write_mix
from pocketlm.shrink.shapes import Rows, Shape, build, examples, ladder
from pocketlm.tasks.call import CallRow
from pocketlm.train.rounding import to_q4_0
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
    assert passing(trials, Goal(keep=0.95)) == [trials[4], trials[1], trials[0]]
    assert passing(trials, Goal(keep=0.95, max_p95_ms=200)) == [trials[1], trials[0]]
    assert passing(trials, Goal(keep=0.95, max_mb=30)) == []
    marked = [line for line in frontier_text(trials, trials[1]).splitlines() if line.startswith("*")]
    assert len(marked) == 1 and " 50.0 " in marked[0]  # also where it is none of the frontier


def test_mixes_go_from_most_bits_to_fewest(trained: tuple[Run, Rows]) -> None:
    run, rows = trained
    points = mixes(run.model, examples(run, run.model, rows.valid), {})
    assert set(points[0].mix.values()) == {TYPES[0]}
    assert points[0].cost == 0
    assert all(after.size < before.size for before, after in pairwise(points))
    assert len(points) > 5
    assert points[-1].cost > 0


def test_a_model_on_the_grid_loses_nothing_by_its_type(trained: tuple[Run, Rows], tmp_path: Path) -> None:
    run, rows = trained
    shutil.copytree(run.folder, tmp_path, dirs_exist_ok=True)
    with safe_open(run.model / "model.safetensors", "pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
    on = {name: to_q4_0(w) if w.dim() == 2 and w.shape[1] % 32 == 0 else w for name, w in weights.items()}
    save_file(on, tmp_path / "model" / "model.safetensors")
    importance = importance_if_used(tmp_path / "model", run_texts(run, rows.train))
    points = mixes(tmp_path / "model", examples(run, run.model, rows.valid), importance, GRID_TYPES)
    assert set(points[0].mix.values()) == {"q4_0"} and points[0].cost == 0
    stands = replace(run, folder=tmp_path)
    write_mix(stands, points[0].mix, importance, tmp_path / "m.gguf")
    stored = {tensor.name: tensor for tensor in gguf.GGUFReader(tmp_path / "m.gguf").tensors}
    for place, name in (
        ("ffn_down", "mlp.down_proj"),
        ("attn_output", "self_attn.o_proj"),
        ("attn_v", "self_attn.v_proj"),
    ):
        tensor = stored[f"blk.0.{place}.weight"]
        back = torch.from_numpy(gguf.dequantize(tensor.data, tensor.tensor_type).copy())
        assert torch.equal(back, on[f"model.layers.0.{name}.weight"].float())


def test_the_ladder_goes_down(tiny_llama: Path) -> None:
    shapes = ladder(tiny_llama)
    assert shapes[0] == Shape.of(tiny_llama)
    weights = [shape.tokens + shape.blocks * shape.channels for shape in shapes]
    assert weights == sorted(weights, reverse=True)
    assert all(
        all(a >= b for a, b in zip(astuple(above), astuple(below), strict=True)) for above, below in pairwise(shapes)
    )
    assert ladder(tiny_llama, max_mb=0.001) == shapes[:1], "what cannot fit is not healed"
    assert {*shapes} <= {*ladder(tiny_llama, max_mb=100)}


@pytest.mark.parametrize("size", [20.0, 45.0, 60.0])
def test_the_largest_shape_that_fits_is_cut_first(tmp_path: Path, size: float) -> None:
    config = LlamaConfig(
        vocab_size=49_152, hidden_size=576, intermediate_size=1536, num_hidden_layers=30, num_attention_heads=9,
        num_key_value_heads=3, tie_word_embeddings=True,
    )  # fmt: skip
    config.save_pretrained(tmp_path)
    whole, first, *others = ladder(tmp_path, max_mb=size)
    assert whole == Shape(49_152, 30, 1536, 3)
    small = replace_all(config, first)
    with torch.device("meta"):
        weights = parameters(LlamaForCausalLM(small))
    assert 0.85 * size < weights * 4.5 / 8e6 < size
    assert others == [shape for shape in ladder(tmp_path) if shape in others]


def test_no_shape_is_wider_than_the_one_above(tmp_path: Path) -> None:
    LlamaConfig(
        vocab_size=32_000, hidden_size=2048, intermediate_size=5632, num_hidden_layers=22, num_attention_heads=32,
        num_key_value_heads=4, tie_word_embeddings=False,
    ).save_pretrained(tmp_path)  # fmt: skip
    for size in range(200, 600, 10):
        shapes = [astuple(shape) for shape in ladder(tmp_path, max_mb=size)]
        assert all(all(a >= b for a, b in zip(*pair, strict=True)) for pair in pairwise(shapes))


def test_blocks_of_several_kinds_stay(tmp_path: Path) -> None:
    CONFIGS["gemma3"]().save_pretrained(tmp_path)
    assert len({shape.blocks for shape in ladder(tmp_path)}) == 1, "llama.cpp knows kinds that go by turns only"


def replace_all(config: Any, shape: Shape) -> Any:
    """The configuration of a model of that shape."""
    width = config.hidden_size // config.num_attention_heads
    queries = config.num_attention_heads // config.num_key_value_heads
    return LlamaConfig(
        vocab_size=shape.tokens, hidden_size=config.hidden_size, intermediate_size=shape.channels, head_dim=width,
        num_hidden_layers=shape.blocks, num_attention_heads=queries * shape.heads, num_key_value_heads=shape.heads,
        tie_word_embeddings=True,
    )  # fmt: skip


def test_a_search_shrinks_goes_on_and_is_shown(
    trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, rows = trained
    before = evaluate(run.task, open_engine(str(run.folder)), rows.valid, constrain=True)
    assert before.value > 0.9
    monkeypatch.setattr(search, "HEALING", 0.0)
    monkeypatch.setattr(search, "LEAST", 0.05)
    goal = Goal(keep=0.9, minutes=20)
    trials = Search(run, rows, before, goal, tmp_path).run()
    chosen, *_ = passing(trials, goal)
    assert chosen.size_mb < max(trial.size_mb for trial in trials)
    assert {trial.shape for trial in trials} > {str(Shape.of(run.model))}
    assert chosen.p95_ms
    assert not (tmp_path / "trial.gguf").exists()

    def never(*_: object, **__: object) -> None:
        raise AssertionError("tried again")

    monkeypatch.setattr(Search, "_measure", never)
    again = Search(run, rows, before, goal, tmp_path).run()
    assert [trial.key for trial in again] == [trial.key for trial in trials]
    write_frontier(tmp_path / "frontier.html", "x", trials, goal, chosen)
    page = (tmp_path / "frontier.html").read_text(encoding="utf-8")
    assert page.count("<circle") == len(trials)
    assert read_json(Path(chosen.run) / "manifest.json")["kind"] == "run"


def test_what_is_kept_is_the_less_of_two_kinds_of_rows(trained: tuple[Run, Rows], tmp_path: Path) -> None:
    run, rows = trained
    before = evaluate(run.task, open_engine(str(run.folder)), rows.valid, constrain=True)
    points = mixes(run.model, examples(run, run.model, rows.valid), {})
    strange = [replace(row, calls=()) for row in rows.valid]  # the model calls what they do not ask for

    def tried(apart: Sequence[CallRow]) -> Trial:
        search = Search(run, replace(rows, apart=apart), before, Goal(keep=0.9), tmp_path)
        return search._try(Shape.of(run.model), run, points[0], dict)

    alone, with_right, with_strange = tried(()), tried(rows.valid), tried(strange)
    assert (alone.score, alone.alike, alone.kept) == (before.value, None, 1.0)
    assert (with_right.score, with_right.alike) == (before.value, before.value) and with_right.kept == before.value
    assert with_strange.score == before.value and with_strange.kept == with_strange.alike < 0.1
    assert alone.p95_ms and with_right.p95_ms and with_strange.p95_ms is None


def test_a_trial_that_was_not_timed_is_when_it_passes(
    trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, rows = trained
    before = evaluate(run.task, open_engine(str(run.folder)), rows.valid, constrain=True)
    point = mixes(run.model, examples(run, run.model, rows.valid), {})[0]
    strict, lax = (
        Search(run, rows, before, Goal(keep=keep, max_p95_ms=1e6), tmp_path)._try(Shape.of(run.model), run, point, dict)
        for keep in (1.1, 0.5)
    )
    assert not strict.p95_ms and lax.p95_ms
    assert lax.passes(Goal(keep=0.5, max_p95_ms=1e6))


def test_a_shape_that_cannot_be_cut_leaves_what_was_found(
    trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run, rows = trained
    before = evaluate(run.task, open_engine(str(run.folder)), rows.valid, constrain=True)

    def cannot(*_: object, **__: object) -> None:
        raise InputError("models have no mlp.gate_proj")

    monkeypatch.setattr(search, "build", cannot)
    trials = Search(run, rows, before, Goal(keep=0.9), tmp_path).run()
    assert passing(trials, Goal(keep=0.9))
    assert "No smaller shape is tried: models have no mlp.gate_proj" in capsys.readouterr().err


def test_what_keeps_too_little_is_healed_further(
    trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, rows = trained
    before = evaluate(run.task, open_engine(str(run.folder)), rows.valid, constrain=True)
    for name, value in (("HEALING", 0.0), ("FURTHER", 0.0), ("LEAST", 0.02)):
        monkeypatch.setattr(search, name, value)
    monkeypatch.setattr(Search, "_measure", lambda self, shape, run, point, weighed, key: never_enough(shape, run, key))
    made: list[Path] = []

    def heal(shape: Shape, parent: Run, *_: Any, minutes: float) -> Run:
        made.append(parent.folder)
        found = build(shape, parent, run, rows, tmp_path, minutes=minutes)
        if len(made) == 3:
            monkeypatch.setattr(search, "LEAST", 1e9)  # the time is over
        return found

    monkeypatch.setattr(search, "build", heal)
    trials = Search(run, rows, before, Goal(keep=0.9), tmp_path).run()
    _, *healed = dict.fromkeys(trial.run for trial in trials)
    assert [str(folder) for folder in made] == [str(run.folder), *healed[:2]], "each goes on from the last"
    assert len({trial.shape for trial in trials}) == 2, "nothing smaller is tried"
    told = [read_json(Path(folder) / "manifest.json")["shrunk"] for folder in healed]
    assert told[0] == told[1] == told[2]

    Search(run, rows, before, Goal(keep=0.9, minutes=0), tmp_path).run()
    assert len(made) == 6 and len([*tmp_path.glob("run-*")]) == 3, "found again"


def never_enough(shape: Shape, run: Run, key: str) -> Trial:
    return trial(20, 0.1, shape=str(shape), run=str(run.folder), key=key)


def test_labels_of_the_picture_stand_apart() -> None:
    x, y = Axis(30, 110, 58, 620, log=True), Axis(0.8, 1.0, 250, 20)
    close = [
        trial(73.0, 0.97),
        trial(74.0, 0.972),
        trial(44.0, 0.95),
        trial(109.0, 0.98),
        trial(40.0, 0.9, p95_ms=None),
    ]
    labels = list(_labels(close, x, y))
    assert [re.findall(r"(\d+) MB", label) for label in labels] == [["73"], ["44"], ["109"]]
    assert [re.findall(r'anchor="(\w+)"', label) for label in labels] == [["start"], ["start"], ["end"]]
