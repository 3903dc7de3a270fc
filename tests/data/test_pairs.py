"""Pairs for embeddings: each row in one split, and what is scored later is not trained on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from pocketlm.core.config import DataConfig
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
