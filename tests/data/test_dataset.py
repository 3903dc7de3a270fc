"""Preparing a dataset: splits that hold still, nothing that leaks, nothing that vanishes untold."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import EnvironmentLacks, InputError, Problems
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.data.dataset import Dataset, prepare
from pocketlm.data.split import SPLITS, text_key
from pocketlm.tasks.call import CallRow

SNIPS = Path(__file__).parents[2].parent / "shared" / "data" / "function_calling" / "snips"


def example(index: int, intent: str = "") -> dict[str, Any]:
    intent = intent or ("Play", "Stop", "Wait")[index % 3]
    return {"text": f"request number {index}", "intent": intent, "slots": {"n": str(index)}}


def save(path: Path, rows: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return save(tmp_path / "raw" / "mine.jsonl", [example(i) for i in range(200)]).parent


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "out"


def texts(dataset: Dataset, split: str) -> set[str]:
    return {row.text for row in dataset.rows(split)}


def where_each(dataset: Dataset) -> dict[str, str]:
    return {row.text: split for split in SPLITS for row in dataset.rows(split)}


def test_prepare_writes_a_folder_that_opens(raw: Path, out: Path) -> None:
    made = prepare(raw, out)
    again = Dataset.open(out)
    assert sorted(file.name for file in out.iterdir()) == [
        "manifest.json",
        "test.jsonl",
        "tools.json",
        "train.jsonl",
        "valid.jsonl",
    ]
    assert again.tools.names == ["Play", "Stop", "Wait"] and again.sha256 == made.sha256
    assert again.counts == {split: len(again.rows(split)) for split in SPLITS}
    assert sum(again.counts.values()) == 200
    assert 10 <= again.counts["test"] <= 32 and 3 <= again.counts["valid"] <= 20
    first = next(row for row in again.rows("train"))
    assert first.where == f"{out / 'train.jsonl'}:1" and first.calls[0].name in again.tools
    manifest = read_manifest(out)
    assert manifest["inputs"].keys() == {str(raw / "mine.jsonl")} and manifest["formats"] == {
        str(raw / "mine.jsonl"): "intent"
    }
    assert manifest["settings"]["seed"] == 0 and manifest["functions"]["train"]["Play"] > 40
    assert manifest["python"] and manifest["created"].endswith("+00:00")


def test_rows_survive_the_way_there_and_back(tmp_path: Path, out: Path) -> None:
    tool = {"name": "f", "parameters": {"type": "object", "properties": {"x": {"type": "string"}}}}
    chat = [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "ü\u2028"},
    ]
    calls = [{"name": "f", "arguments": {"x": "ß\n"}}] * 2
    raw = save(tmp_path / "raw.jsonl", [{"messages": chat, "calls": calls}, {"text": "no", "calls": []}])
    tools = save(tmp_path / "t.json", [[tool]])
    dataset = prepare(raw, out, tools=tools, valid_share=0, test_share=0, min_rows=2)
    assert [row.to_json() for row in dataset.rows("train")] == [
        {"messages": chat, "calls": calls},
        {"text": "no", "calls": []},
    ]
    assert dataset.manifest["inputs"].keys() == {str(raw), str(tools)}


def test_new_rows_do_not_move_old_ones(raw: Path, out: Path, tmp_path: Path) -> None:
    before = where_each(prepare(raw, out))
    save(raw / "more.jsonl", [example(i) for i in range(200, 300)])
    after = where_each(prepare(raw, tmp_path / "other"))
    assert len(after) == 300
    moved = [text for text in before if after[text] != before[text]]
    assert len(moved) <= 3  # at most the row that each of 3 functions was granted while it had none by its hash


def test_order_does_not_matter_and_the_seed_does(raw: Path, out: Path, tmp_path: Path) -> None:
    before = where_each(prepare(raw, out))
    save(raw / "mine.jsonl", [example(i) for i in reversed(range(200))])
    assert where_each(prepare(raw, tmp_path / "b")) == before
    assert where_each(prepare(raw, tmp_path / "c", seed=1)) != before


def test_every_function_gets_its_share(tmp_path: Path, out: Path) -> None:
    rows = [example(i, f"f{i % 12}") for i in range(120)]
    functions = prepare(save(tmp_path / "raw.jsonl", rows), out).manifest["functions"]
    for split in SPLITS:
        assert len(functions[split]) == 12


def test_a_small_set_still_gets_all_three_splits(tmp_path: Path, out: Path) -> None:
    rows = [example(i, f"f{i}") for i in range(20)]  # one row a function
    counts = prepare(save(tmp_path / "raw.jsonl", rows), out).counts
    assert min(counts.values()) >= 1 and counts["train"] >= 14


def test_same_text_never_crosses_splits(tmp_path: Path, out: Path) -> None:
    rows = [row for i in range(100) for row in (example(i), {**example(i), "text": f"Request  NUMBER {i}"})]
    dataset = prepare(save(tmp_path / "raw.jsonl", rows), out)
    keys = [{text_key(row) for row in dataset.rows(split)} for split in SPLITS]
    assert sum(map(len, keys)) == len(set.union(*keys)) == 100


def test_copies_are_dropped_and_told(raw: Path, out: Path) -> None:
    save(raw / "copies.jsonl", [example(i) for i in range(7)])
    dataset = prepare(raw, out)
    assert sum(dataset.counts.values()) == 200
    assert "7 exact copies of rows were dropped" in dataset.notes


def test_conflicting_labels_are_told(raw: Path, out: Path) -> None:
    save(raw / "zz.jsonl", [{**example(3), "intent": "Stop"}])
    dataset = prepare(raw, out)
    (note,) = dataset.notes
    assert note.startswith("1 texts are labelled in more than one way, for example 'request number 3' in ")
    assert "mine.jsonl:4 and " in note and "zz.jsonl:1" in note


@pytest.mark.parametrize(
    ("valid_name", "test_name"), [("valid", "test"), ("dev", "TEST"), ("validation", "test"), ("val", "test")]
)
def test_files_named_as_splits_are_honoured(raw: Path, out: Path, valid_name: str, test_name: str) -> None:
    held = [example(i) for i in range(1000, 1005)]
    save(raw / f"{test_name}.jsonl", [*held, held[0], example(5)])
    save(raw / f"{valid_name}.jsonl", [example(2000), example(1001), example(6)])
    dataset = prepare(raw, out)
    assert dataset.counts == {"train": 198, "valid": 2, "test": 7}  # a given test set stays whole, its copy included
    assert not texts(dataset, "train") & (texts(dataset, "test") | texts(dataset, "valid"))
    assert dataset.notes == [
        "1 rows were removed from valid because their text also stands in test",
        "1 rows were removed from train because their text also stands in test",
        "1 rows were removed from train because their text also stands in valid",
    ]


def test_test_and_valid_given_as_paths(raw: Path, out: Path, tmp_path: Path) -> None:
    test = save(tmp_path / "held.jsonl", [example(0), example(900)])
    valid = save(tmp_path / "v" / "some.jsonl", [example(901)])
    dataset = prepare(raw, out, test=test, valid=valid.parent)
    assert texts(dataset, "test") == {"request number 0", "request number 900"}
    assert texts(dataset, "valid") == {"request number 901"} and dataset.counts["train"] == 199
    only_test = prepare(raw, tmp_path / "out2", test=test)
    assert only_test.counts["test"] == 2 and only_test.counts["valid"] >= 3


def test_too_few_rows(tmp_path: Path, out: Path) -> None:
    raw = save(tmp_path / "raw.jsonl", [example(0), example(0), example(1)])
    with pytest.raises(InputError) as caught:
        prepare(raw, out)
    text = str(caught.value)
    assert "3 rows were read, 2 of them different, at least 20 are needed" in text
    assert "about their number: their format is fine" in text
    assert not out.exists()


def test_nothing_to_train_on(tmp_path: Path, out: Path) -> None:
    raw = save(tmp_path / "raw" / "test.jsonl", [example(i) for i in range(30)]).parent
    with pytest.raises(InputError, match=r"no rows are left to train on.*add a train\.jsonl"):
        prepare(raw, out)


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.1), (1.0, 0.0)])
def test_bad_shares(raw: Path, out: Path, shares: tuple[float, float]) -> None:
    with pytest.raises(InputError, match="together under 1"):
        prepare(raw, out, valid_share=shares[0], test_share=shares[1])


def test_unchanged_data_is_not_prepared_again(raw: Path, out: Path) -> None:
    created = prepare(raw, out).folder.stat().st_ino
    assert prepare(raw, out).folder.stat().st_ino == created
    assert prepare(raw, out, seed=1).folder.stat().st_ino != created
    save(raw / "more.jsonl", [example(500)])
    assert sum(prepare(raw, out, seed=1).counts.values()) == 201


def test_a_lost_file_is_made_again(raw: Path, out: Path) -> None:
    prepare(raw, out)
    (out / "valid.jsonl").unlink()
    with pytest.raises(InputError, match=r"valid\.jsonl missing; delete the folder and prepare the data again"):
        Dataset.open(out)
    assert prepare(raw, out).rows("valid")


def test_other_files_are_never_replaced(raw: Path, out: Path, tmp_path: Path) -> None:
    save(out / "thesis.txt", ["years of work"])
    with pytest.raises(InputError, match="not a dataset and would be replaced; choose a new or empty folder"):
        prepare(raw, out)
    for holds_raw in (raw, tmp_path):
        with pytest.raises(InputError, match="holds the raw data"):
            prepare(raw, holds_raw)
    with pytest.raises(InputError, match="is a file; choose a folder"):
        prepare(raw, out / "thesis.txt")
    assert (out / "thesis.txt").is_file() and (raw / "mine.jsonl").is_file()


def test_a_failed_read_leaves_the_old_dataset(raw: Path, out: Path) -> None:
    before = prepare(raw, out).sha256
    save(raw / "broken.jsonl", [{"text": "", "intent": "Play"}])
    with pytest.raises(Problems, match="is empty"):
        prepare(raw, out)
    assert Dataset.open(out).sha256 == before


def test_a_full_disk_leaves_the_old_dataset(raw: Path, out: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_space(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    before = prepare(raw, out).sha256
    with monkeypatch.context() as patch, pytest.raises(EnvironmentLacks, match="disk is full"):
        patch.setattr(os, "fsync", no_space)
        prepare(raw, out, seed=5)
    assert Dataset.open(out).sha256 == before
    assert [path.name for path in out.parent.iterdir() if path.name.endswith(".part")] == []


def test_opening_what_is_no_dataset(tmp_path: Path, raw: Path) -> None:
    with pytest.raises(InputError, match="no such folder; prepare the data first"):
        Dataset.open(tmp_path / "nowhere")
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        Dataset.open(raw)
    write_manifest(raw, {"kind": "run"})
    with pytest.raises(InputError, match='holds a "run", not a dataset'):
        Dataset.open(raw)
    (raw / "manifest.json").write_text("[]", encoding="utf-8")
    with pytest.raises(InputError, match='expected an object with "kind"'):
        Dataset.open(raw)


def test_rows_names_the_bad_line(raw: Path, out: Path) -> None:
    dataset = prepare(raw, out)
    with pytest.raises(InputError, match='unknown split "dev"; known: train, valid, test'):
        dataset.rows("dev")
    old = dataset.sha256
    with (out / "train.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"text": "x"}\n')
    with pytest.raises(InputError, match=r"train\.jsonl:\d+: not a row of a prepared dataset"):
        dataset.rows("train")
    assert Dataset.open(out).sha256 != old  # the hash is of what lies on the disk


def test_missing_tools_file(raw: Path, out: Path) -> None:
    with pytest.raises(InputError, match=r"nope\.json: no such file"):
        prepare(raw, out, tools=raw / "nope.json")


def test_text_key_tells_dialogues_apart() -> None:
    def chat(*contents: str) -> CallRow:
        turns = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(contents)]
        return CallRow.from_json({"messages": turns, "calls": []})

    assert text_key(chat("alarm", "when?", "yes")) != text_key(chat("timer", "sure?", "yes"))
    assert text_key(chat(" Wake  me\n")) == text_key(chat("wake me"))


def test_snips(out: Path) -> None:
    if not SNIPS.exists():
        pytest.skip("the shared real data is not on this machine")
    dataset = prepare(SNIPS, out)
    assert dataset.counts["test"] == 700 and sum(dataset.counts.values()) > 14_000
    assert set(dataset.manifest["functions"]["valid"]) == set(dataset.tools.names)
    assert any("exact copies" in note for note in dataset.notes)
