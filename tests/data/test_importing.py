"""Imports: whole files to a task's rows, rejects kept apart, memory flat."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import InputError
from pocketlm.core.manifest import read_manifest
from pocketlm.data.dataset import prepare
from pocketlm.data.importing import import_rows


def write(path: Path, rows: list[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_rejects_are_kept_with_their_reasons(tmp_path: Path) -> None:
    source = write(
        tmp_path / "a.jsonl", [{"text": "x", "label": "l"}, {"text": 5, "label": "l"}, {"text": "y", "label": "m"}]
    )
    with source.open("a") as out:
        out.write("not json\n")
    (result,) = import_rows(source, tmp_path / "out")
    assert (result.rows, result.rejected, result.task) == (2, 2, "classify")
    assert read(tmp_path / "out" / "a.jsonl") == [{"text": "x", "label": "l"}, {"text": "y", "label": "m"}]
    rejected = read(tmp_path / "out" / "rejected" / "a.jsonl")
    assert [row["where"] for row in rejected] == [f"{source}:2", f"{source}:4"]
    assert '"text" must be text' in rejected[0]["why"] and "not valid JSON" in rejected[1]["why"]
    assert read_manifest(tmp_path / "out")["files"]["a.jsonl"]["rows"] == 2
    import_rows(write(tmp_path / "a.jsonl", [{"text": "x", "label": "l"}]), tmp_path / "out")
    assert not (tmp_path / "out" / "rejected" / "a.jsonl").exists()  # of the last import alone


def test_nothing_is_written_where_no_row_is_good(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", [{"text": 1, "label": "l"}])
    with pytest.raises(InputError, match="not one good row"):
        import_rows(source, tmp_path / "out")
    assert not list((tmp_path / "out").rglob("*.jsonl*"))
    with pytest.raises(InputError, match="unknown format, its first item has the keys foo.*--map"):
        import_rows(write(tmp_path / "b.jsonl", [{"foo": 1}]), tmp_path / "out")


def test_keys_of_another_name(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", [{"frage": "x", "klasse": "l"}])
    (result,) = import_rows(source, tmp_path / "out", names={"frage": "text", "klasse": "label"})
    assert result.format == "label" and read(tmp_path / "out" / "a.jsonl") == [{"text": "x", "label": "l"}]


def test_imported_intents_can_be_trained_on(tmp_path: Path) -> None:
    rows = [{"query": f"wake me at {n}", "intent": "alarm", "extras": {"hour": n}} for n in range(20)]
    more = [{"query": f"play {n} loud", "intent": "play", "extras": {"what": str(n), "loud": True}} for n in range(20)]
    import_rows(write(tmp_path / "raw" / "a.jsonl", rows), tmp_path / "out")
    import_rows(write(tmp_path / "raw" / "b.jsonl", [*rows[:1], *more]), tmp_path / "out")
    data = prepare(tmp_path / "out", tmp_path / "data")
    assert sum(data.counts.values()) == 40 and data.tools.names == ["alarm", "play"]
    assert data.tools["alarm"].properties["hour"] == {"type": "integer"}
    clash = write(tmp_path / "c.jsonl", [{"text": "x", "intent": "alarm", "slots": {"hour": "seven"}}])
    with pytest.raises(InputError, match=r"tools.json: defines alarm.hour otherwise"):
        import_rows(clash, tmp_path / "out")


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    """Ten times the rows, the same peak: a list, which other readers load whole, and lines."""

    def peak_mb(rows: int, name: str) -> float:
        line = json.dumps({"text": "some words " * 20, "label": "x"})
        path = tmp_path / name
        path.write_text("[" + ",\n".join([line] * rows) + "]" if name.endswith(".json") else f"{line}\n" * rows)
        code = (
            "import resource, sys; from pathlib import Path; from pocketlm.data.importing import import_rows;"
            "import_rows(sys.argv[1], Path(sys.argv[2]));"
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)"
        )
        out = subprocess.run(
            [sys.executable, "-c", code, path, tmp_path / "out"], capture_output=True, text=True, check=True
        )
        return float(out.stdout)

    for ending in ("jsonl", "json"):
        assert peak_mb(40_000, f"large.{ending}") < peak_mb(4_000, f"small.{ending}") + 8
