"""Pairs for embeddings: each row in one split, and what is scored later is not trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.config import DataConfig
from pocketlm.core.errors import InputError
from pocketlm.data.load import load_rows
from pocketlm.data.pairs import prepare_pairs


def write(path: Path, rows: list[dict[str, Any]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def anchors(data: Any, split: str) -> set[str]:
    return {row.text for row in data.rows(split)}


def test_an_anchor_of_the_test_rows_is_not_trained_on(tmp_path: Path) -> None:
    rows = [{"anchor": f"question {i}", "positive": f"answer {i}"} for i in range(40)]
    write(tmp_path / "raw" / "train.jsonl", rows)
    write(tmp_path / "raw" / "test.jsonl", [{"anchor": "Question  3", "positive": "another answer"}])
    data = prepare_pairs(tmp_path / "raw", tmp_path / "out", DataConfig(), tmp_path, 0)
    assert anchors(data, "test") == {"Question  3"}
    assert "question 3" not in anchors(data, "train") | anchors(data, "valid") and len(anchors(data, "train")) > 30


def test_a_scored_pair_the_other_way_round_is_the_same_pair(tmp_path: Path) -> None:
    rows = [{"a": f"text {i}", "b": f"other {i}", "score": i % 5} for i in range(40)]
    write(tmp_path / "raw" / "train.jsonl", rows)
    write(
        tmp_path / "raw" / "test.jsonl", [{"a": "other 7", "b": "text 7", "score": 2}, {"a": "x", "b": "y", "score": 4}]
    )
    data = prepare_pairs(tmp_path / "raw", tmp_path / "out", DataConfig(), tmp_path, 0)
    assert len(data.rows("test")) == 2 and "text 7" not in anchors(data, "train") | anchors(data, "valid")


def test_a_file_given_as_a_split_is_that_split_only(tmp_path: Path) -> None:
    write(tmp_path / "raw" / "rows.jsonl", [{"anchor": f"question {i}", "positive": f"answer {i}"} for i in range(40)])
    write(tmp_path / "raw" / "mine.jsonl", [{"anchor": f"mine {i}", "positive": f"own {i}"} for i in range(5)])
    before = prepare_pairs(tmp_path / "raw", tmp_path / "out", DataConfig(), tmp_path, 0)
    assert any("mine" in text for text in anchors(before, "train"))
    data = prepare_pairs(tmp_path / "raw", tmp_path / "out", DataConfig(valid="raw/mine.jsonl"), tmp_path, 0)
    assert anchors(data, "valid") == {f"mine {i}" for i in range(5)}
    assert not any("mine" in text for text in anchors(data, "train") | anchors(data, "test"))


def test_line_ends_inside_a_text_are_part_of_it(tmp_path: Path) -> None:
    rows = [{"anchor": f"question\u2028{i}", "positive": f"answer\x85 {i}"} for i in range(40)]
    write(tmp_path / "raw" / "rows.jsonl", rows)
    data = prepare_pairs(tmp_path / "raw", tmp_path / "out", DataConfig(), tmp_path, 0)
    assert "answer\x85 7" in data.texts and sum(len(data.rows(split)) for split in ("train", "valid", "test")) == 40
    task, _ = load_rows(tmp_path / "out")
    assert "answer\x85 7" in task.pool


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ([{"anchor": " ", "positive": "x"}], "rows.jsonl:1: a text is empty; add it or delete the row"),
        ([{"anchor": "x", "positive": 3}], 'rows.jsonl:1: "positive" must be text, got 3'),
        ([{"a": "x", "b": "y", "score": "nan"}], "rows.jsonl:1: \"score\" must be a number, got 'nan'"),
    ],
)
def test_a_row_that_cannot_be_learnt_is_named(rows: list[dict[str, Any]], says: str, tmp_path: Path) -> None:
    write(tmp_path / "raw" / "rows.jsonl", rows)
    with pytest.raises(InputError) as told:
        prepare_pairs(tmp_path / "raw", tmp_path / "out", DataConfig(), tmp_path, 0)
    assert says in str(told.value)


@pytest.mark.parametrize(
    ("corpus", "queries", "says"),
    [
        ('{"_id": "1", "text": "one"}\n{"_id": "2"}\n', '{"_id": "1", "text": "q"}\n', 'corpus.jsonl:2: a document needs "text"'),
        ('{"_id": "1", "text": "one"}\nno\n', '{"_id": "1", "text": "q"}\n', "corpus.jsonl:2:"),
        ('{"text": "one"}\n', '{"_id": "1", "text": "q"}\n', 'corpus.jsonl:1: a document needs "_id" and "text"'),
        ('{"_id": "1", "text": "one"}\n', '{"_id": "1", "text": "q"}\n{"text": "r"}\n', 'queries.jsonl:2: a question needs "_id" and "text"'),
    ],
)  # fmt: skip
def test_a_retrieval_folder_s_faults_are_named(corpus: str, queries: str, says: str, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    (raw / "qrels").mkdir(parents=True)
    (raw / "corpus.jsonl").write_text(corpus)
    (raw / "queries.jsonl").write_text(queries)
    (raw / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\t1\t1\n")
    with pytest.raises(InputError) as told:
        prepare_pairs(raw, tmp_path / "out", DataConfig(), tmp_path, 0)
    assert says in str(told.value)


def test_an_empty_cell_of_a_table_is_no_negative(tmp_path: Path) -> None:
    (tmp_path / "raw").mkdir()
    lines = [f"question {i},answer {i},{'' if i % 2 else 'no'}" for i in range(40)]
    (tmp_path / "raw" / "train.csv").write_text("anchor,positive,negative\n" + "\n".join(lines) + "\n")
    rows = prepare_pairs(tmp_path / "raw", tmp_path / "out", DataConfig(), tmp_path, 0).rows("train")
    assert {row.negatives for row in rows} == {(), ("no",)}
