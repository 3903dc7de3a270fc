"""Requests that the base makes up: new ones only, answered by the run, kept, and some of them held apart."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.files import read_json, write_json
from pocketlm.models.load import load_tokenizer
from pocketlm.shrink import imagine as imagining
from pocketlm.shrink.imagine import CHOOSING, imagine, make_up
from pocketlm.shrink.shapes import Rows
from pocketlm.train.run import Run


def test_only_new_requests(
    tiny_llama: Path, trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = trained[1].train

    def written(*_: Any) -> Iterator[str]:
        yield from (rows[0].text.upper(), "on the double", "on  the double", "", "off with it")

    monkeypatch.setattr(imagining, "_written", written)
    assert make_up(str(tiny_llama), rows, 10, tmp_path / "a") == ["on the double", "off with it"]
    assert make_up(str(tiny_llama), rows, 1, tmp_path / "b") == ["on the double"]
    assert make_up(str(tiny_llama), rows, 3, tmp_path / "c", ["Off with it"]) == ["Off with it", "on the double"]


def test_what_was_made_up_before_a_stop_is_not_made_up_again(
    tiny_llama: Path, trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batches = iter([["on the double"], KeyboardInterrupt, ["on the double", "off with it"]])

    def written(*_: Any) -> Iterator[str]:
        batch = next(batches)
        if batch is KeyboardInterrupt:
            raise KeyboardInterrupt
        yield from batch

    monkeypatch.setattr(imagining, "_written", written)
    with pytest.raises(KeyboardInterrupt):
        make_up(str(tiny_llama), trained[1].train, 2, tmp_path)
    monkeypatch.setattr(imagining, "_tune", lambda *_: pytest.fail("tuned again"))
    assert make_up(str(tiny_llama), trained[1].train, 2, tmp_path) == ["on the double", "off with it"]


def test_the_run_answers_once_and_some_rows_are_held_apart(
    trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, rows = trained
    texts = [f"{name} {number}" for number in range(100, 120) for name in ("on", "off")]
    monkeypatch.setattr(imagining, "make_up", lambda *_: texts)
    monkeypatch.setattr(imagining, "SURE", 0.0)
    more = imagine(rows, run, tmp_path, 40)
    apart = more.apart
    assert (more.valid, more.train) == (rows.valid, rows.train)
    assert len(apart) == 40 / CHOOSING
    assert len(more.more) == 40 - 40 / CHOOSING
    right = [row for row in (*apart, *more.more) if [call.name for call in row.calls] == [row.text.split()[0]]]
    assert len(right) > 30, "a run that tells on from off tells it of other numbers too"
    assert not [path for path in tmp_path.iterdir() if path.is_dir()]

    monkeypatch.setattr(imagining, "make_up", lambda *_: pytest.fail("made up again"))
    assert imagine(rows, run, tmp_path, 40) == more
    assert imagine(rows, run, tmp_path, 0) == rows
    monkeypatch.setattr(imagining, "SURE", 1.1)
    assert imagine(rows, run, tmp_path, 40) == replace(more, apart=[]), "nobody is that sure"


@pytest.mark.parametrize("padded", [True, False])
def test_a_model_that_learnt_to_write_writes_requests_of_the_kind(
    padded: bool, tiny_llama: Path, trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = Path(shutil.copytree(tiny_llama, tmp_path / "base"))
    if not padded:  # many a base names no token to pad with
        settings = read_json(base / "tokenizer_config.json")
        write_json(
            base / "tokenizer_config.json", {key: value for key, value in settings.items() if key != "pad_token"}
        )
    assert (load_tokenizer(base).pad_token is not None) == padded
    hot = imagining.WRITING.model_copy(update={"epochs": 40.0, "lr": 0.02, "batch_tokens": 150})
    monkeypatch.setattr(imagining, "WRITING", hot)
    monkeypatch.setattr(imagining, "WARMTH", 0.6)
    made = make_up(str(base), trained[1].train, 12, tmp_path / "made")
    assert len(set(made)) == len(made) > 0
    assert sum(text.split()[0] in ("on", "off") for text in made) > len(made) / 2


def test_more_requests_go_on_from_those_there_are(
    trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, rows = trained
    texts = [f"{name} {number}" for number in range(100, 112) for name in ("on", "off")]
    begun: list[int] = []

    def made_up(base: str, given: Any, count: int, folder: Path, before: Any) -> list[str]:
        begun.append(len(before))
        assert list(before) == texts[: len(before)]
        return texts[:count]

    monkeypatch.setattr(imagining, "make_up", made_up)
    monkeypatch.setattr(imagining, "SURE", 0.0)
    few, many = (imagine(rows, run, tmp_path, count) for count in (8, 24))
    assert begun == [0, 8]
    taught, apart = ([row.text for row in rows] for rows in (many.more, many.apart))
    assert taught[: len(few.more)] == [row.text for row in few.more]
    assert apart[: len(few.apart)] == [row.text for row in few.apart]
    assert sorted([*taught, *apart]) == sorted(texts)
    assert imagine(rows, run, tmp_path, 8) == few and len(begun) == 2
    assert [row.text for row in imagine(rows, run, tmp_path, 16).more] == taught[:14] and len(begun) == 2, (
        "a part of more"
    )
