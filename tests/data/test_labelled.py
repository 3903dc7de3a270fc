"""Labelled texts made ready: any layout in, splits that do not leak, and one clear sentence for what is wrong."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from labelled import rows_of

from pocketlm.core.errors import InputError, Problems
from pocketlm.data.dataset import Dataset
from pocketlm.data.labelled import is_multi, prepare_labelled, read_texts
from pocketlm.data.load import kind_of, load_rows, rows_in_layout
from pocketlm.data.split import SPLITS

LABELS = ("alarm", "music", "weather")


def save(path: Path, rows: Sequence[Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def plain(labels: Sequence[str] = LABELS, count: int = 30, seed: int = 0) -> list[dict[str, Any]]:
    return [{"text": row.text, "label": row.answer[0]} for row in rows_of(labels, count, seed)]


def texts(data: Dataset, split: str) -> set[str]:
    return {row.text for row in data.rows(split)}


@pytest.fixture
def raw(tmp_path: Path) -> Path:
    return tmp_path / "raw"


def test_rows_are_dealt_by_label_and_the_folder_opens(raw: Path, tmp_path: Path) -> None:
    save(raw / "mine.jsonl", plain())
    data = prepare_labelled(raw, tmp_path / "out")
    assert data.task == "classify" and sum(data.counts.values()) == 90
    for split in SPLITS:
        assert {label for row in data.rows(split) for label in row.answer} == set(LABELS)
    assert not texts(data, "train") & (texts(data, "test") | texts(data, "valid"))
    assert Dataset.open(tmp_path / "out").sha256 == data.sha256
    assert prepare_labelled(raw, tmp_path / "out").manifest == data.manifest  # unchanged, so not made again


def test_prepared_rows_are_loaded_with_the_labels_of_all_splits(raw: Path, tmp_path: Path) -> None:
    save(raw / "mine.jsonl", plain())
    data = prepare_labelled(raw, tmp_path / "run" / "data")
    assert kind_of(tmp_path / "run") == "classify"
    task, rows = load_rows(tmp_path / "run")
    assert task.labels == sorted(LABELS) and [row.text for row in rows] == [row.text for row in data.rows("test")]
    assert len(rows_in_layout(tmp_path / "run")[1]) == len(rows)


def test_files_named_by_splits_and_files_given_stay_whole(raw: Path, tmp_path: Path) -> None:
    save(raw / "train.jsonl", plain(count=20))
    save(raw / "test.jsonl", plain(count=7, seed=1))
    given = save(tmp_path / "held" / "mine.jsonl", plain(count=4, seed=2))
    data = prepare_labelled(raw, tmp_path / "out", valid=given)
    assert data.counts["test"] == 21 and data.counts["valid"] == 12
    inside = save(raw / "held.jsonl", plain(count=4, seed=3))  # a file of the raw folder may be given too
    assert prepare_labelled(raw, tmp_path / "out", valid=inside).counts["valid"] == 12


def test_leaks_copies_and_conflicts_are_told(raw: Path, tmp_path: Path) -> None:
    rows = plain(count=20)
    other = {"text": rows[0]["text"], "label": "weather" if rows[0]["label"] != "weather" else "alarm"}
    held = [{**row, "text": row["text"].upper()} for row in rows[4:10]]  # case does not make another text
    save(raw / "train.jsonl", [*rows, rows[1], other])
    save(raw / "test.jsonl", [*held, *plain(count=5, seed=1)])
    data = prepare_labelled(raw, tmp_path / "out")
    told = "\n".join(data.notes)
    assert "1 exact copies" in told and "removed from train because their text also stands in test" in told
    assert "1 texts are labelled in more than one way" in told and rows[0]["text"] in told
    assert not {text.casefold() for text in texts(data, "train")} & {row["text"].casefold() for row in held}


def test_labels_to_beware_of_are_told(raw: Path, tmp_path: Path) -> None:
    save(raw / "train.jsonl", [*plain(count=10), {"text": "only this one", "label": "rare"}])
    save(
        raw / "test.jsonl",
        [*plain(count=3, seed=1), {"text": "never seen", "label": "new"}, {"text": "x", "label": "oos"}],
    )
    told = "\n".join(prepare_labelled(raw, tmp_path / "out").notes)
    assert "label rare: one training row only" in told
    assert "WARNING: label new: in test only, so its 1 rows there can never be right" in told
    assert "oos" not in told  # what is outside may be known from held-out rows alone


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (
            [{"text": f"text {i}", "label": "one"} for i in range(30)],
            'only the label "one"; there is nothing to tell apart',
        ),
        (
            [*plain(count=5), {"text": " ", "label": "alarm"}],
            "raw.jsonl:16: no text; add it or delete the row",
        ),
        ([*plain(count=5), {"text": "a", "label": " "}], "raw.jsonl:16: an empty label; name it"),
        ([*plain(count=5), {"text": "a", "labels": ["alarm", ""]}], "raw.jsonl:16: an empty label"),
        ([*plain(count=5), {"text": "a", "labels": ["b, c", "alarm"]}] * 2, 'the label "b, c" has a comma'),
        (plain(count=2), "6 rows were read, at least 10 are needed"),
        ([*plain(count=5), {"text": "a", "label": True}], "the label must be text or a list of texts"),
        ([{"text": "a"}] * 20, "holds no rows of the task classify"),
    ],
)
def test_bad_input_is_one_sentence(rows: list[Any], says: str, raw: Path, tmp_path: Path) -> None:
    save(raw / "raw.jsonl", rows)
    with pytest.raises(InputError, match=says):
        prepare_labelled(raw, tmp_path / "out")


def test_all_faults_are_told_at_once(raw: Path, tmp_path: Path) -> None:
    save(raw / "raw.jsonl", [*plain(count=5), {"text": "", "label": "a"}, {"text": "\n", "label": "b"}])
    with pytest.raises(Problems) as told:
        prepare_labelled(raw, tmp_path / "out")
    assert len(told.value.problems) == 2


def test_tables_and_several_labels(raw: Path, tmp_path: Path) -> None:
    raw.mkdir()
    lines = [f"text {i},{'a|b' if i % 3 == 0 else 'a' if i % 3 == 1 else ''}" for i in range(30)]
    (raw / "mine.csv").write_text("text,labels\n" + "\n".join(lines) + "\n")
    data = prepare_labelled(raw, tmp_path / "out")
    rows = [row for split in SPLITS for row in data.rows(split)]
    assert is_multi(rows) and {tuple(row.answer) for row in rows} == {("a", "b"), ("a",), ()}
    assert not is_multi(rows_of(LABELS, 3))


def test_a_file_that_is_left_out_and_labels_that_differ_in_case_are_told(raw: Path, tmp_path: Path) -> None:
    save(raw / "train.jsonl", [*plain(count=10), *({"text": f"loud {n}", "label": "Alarm"} for n in range(8))])
    (raw / "more.csv").write_text("utterance of mine,kind\nplay,music\n")
    told = "\n".join(prepare_labelled(raw, tmp_path / "out").notes)
    assert f"left out: {raw / 'more.csv'} holds no known format" in told
    assert "WARNING: labels Alarm, alarm: differ only in case" in told


def test_texts_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "lines.txt").write_bytes(b"caf\xe9\n")
    with pytest.raises(InputError, match="lines.txt: not UTF-8 text"):
        read_texts(tmp_path / "lines.txt")
    save(tmp_path / "rows.jsonl", [{"text": "one"}, {"text": 2}])
    with pytest.raises(InputError, match='rows.jsonl:2: "text" must be text'):
        read_texts(tmp_path / "rows.jsonl")
    with pytest.raises(InputError, match="no such file"):
        read_texts(tmp_path / "none.txt")


def test_texts_without_labels_are_read_from_rows_and_lines(tmp_path: Path) -> None:
    save(tmp_path / "rows.jsonl", [{"text": "one"}, {"text": "two"}, {"text": "one"}])
    (tmp_path / "lines.txt").write_text("one\n\n three \n")
    assert read_texts(tmp_path / "rows.jsonl") == ["one", "two"]
    assert read_texts(tmp_path / "lines.txt") == ["one", "three"]
