"""The way from a run to a proven file: what is refused at once, and what follows a file that is not proven."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import GateFailed, InputError
from pocketlm.core.files import write_jsonl
from pocketlm.core.manifest import write_manifest
from pocketlm.shrink import result, shrink
from pocketlm.shrink.search import Goal, Trial
from pocketlm.shrink.shapes import Rows
from pocketlm.train.run import Run


@pytest.fixture
def copied(trained: tuple[Run, Rows], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    shutil.copytree(trained[0].folder, tmp_path / "run")
    shutil.copy(tmp_path / "run" / "tools.json", tmp_path / "run" / "data")
    write_manifest(tmp_path / "run" / "data", {"kind": "dataset", "task": "call"})
    kept = {"train": trained[1].train, "valid": trained[1].valid, "test": trained[1].valid}
    for split, rows in kept.items():
        write_jsonl(tmp_path / "run" / "data" / f"{split}.jsonl", [row.to_json() for row in rows])
    monkeypatch.setattr(shrink, "imagine", lambda *_: pytest.fail("made up requests first"))
    return Run.open(tmp_path / "run")


def test_a_run_without_validation_rows_is_refused_at_once(copied: Run) -> None:
    (copied.folder / "data" / "valid.jsonl").write_text("", encoding="utf-8")
    with pytest.raises(InputError, match=r"run: no validation rows to choose by; give data\.valid and train it again"):
        shrink.shrink(copied, Goal(), 10)


def test_a_run_that_gets_nothing_right_is_refused_at_once(copied: Run, trained: tuple[Run, Rows]) -> None:
    wrong = [{"text": row.text, "calls": []} for row in trained[1].valid]
    write_jsonl(copied.folder / "data" / "valid.jsonl", wrong)
    with pytest.raises(InputError, match=r"run: gets none of its 20 validation rows right; train it longer first"):
        shrink.shrink(copied, Goal(), 10)


def test_a_file_that_is_not_proven_gives_way_to_the_next_larger(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    small, large = ("small", "large")
    failing = {small: ["stop token"]}

    def made(trial: Any, *_: Any, **__: Any) -> str:
        if trial in failing:
            raise GateFailed(f"{trial}.rejected: the exported file does not do the job", failing[trial])
        return f"bundle of {trial}"

    monkeypatch.setattr(result, "bundle_of", made)
    trials: list[Trial] = [small, large]  # type: ignore[list-item]
    ask: dict[str, Any] = {"original": None, "rows": (), "train": (), "folder": Path("x"), "keep": 0.9}
    assert result.proven(trials, **ask) == (large, "bundle of large")
    assert (
        "small.rejected: the exported file does not do the job; the next larger one is taken" in capsys.readouterr().err
    )
    failing[small] = ["score"]
    with pytest.raises(GateFailed, match="small"):
        result.proven(trials, **ask)
    failing.update({small: ["stop token"], large: ["odds"]})
    with pytest.raises(GateFailed, match="large"):
        result.proven(trials, **ask)
