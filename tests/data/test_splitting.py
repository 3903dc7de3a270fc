from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import InputError
from pocketlm.data.dataset import prepare
from pocketlm.data.split import SPLITS, split_of_name
from pocketlm.data.splitting import split_rows


def write(path: Path, rows: list[Any]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def read(folder: Path) -> dict[str, list[Any]]:
    return {name: [json.loads(line) for line in (folder / f"{name}.jsonl").read_text().splitlines()] for name in SPLITS}


def rows(count: int = 400) -> list[dict[str, Any]]:
    return [{"text": f"text number {n}", "label": "rare" if n % 40 == 0 else "often"} for n in range(count)]


def test_by_label_every_label_is_in_every_split(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", rows())
    split_rows(source, tmp_path / "out", valid_share=0.1, test_share=0.2)
    dealt = read(tmp_path / "out")
    assert sum(map(len, dealt.values())) == 400 and 60 <= len(dealt["test"]) <= 100
    assert all({row["label"] for row in some} == {"rare", "often"} for some in dealt.values())
    split_rows(source, tmp_path / "again", valid_share=0.1, test_share=0.2)
    assert read(tmp_path / "again") == dealt
    split_rows(source, tmp_path / "other", valid_share=0.1, test_share=0.2, seed=1)
    assert read(tmp_path / "other") != dealt


def test_no_twin_crosses_by_near(tmp_path: Path) -> None:
    pytest.importorskip("rensa")
    words = [
        "amber",
        "birch",
        "cedar",
        "dune",
        "ember",
        "fjord",
        "grove",
        "haven",
        "inlet",
        "jetty",
        "knoll",
        "lagoon",
        "marsh",
        "north",
        "oasis",
        "plain",
    ]
    some = [
        {"text": f"{a} and {b} stand by the {c} {end}".strip(), "label": "x", "of": f"{a}{b}"}
        for a, b, c in zip(words, words[3:] + words[:3], words[7:] + words[:7], strict=True)
        for end in ("", "now", "now!", "today")
    ]
    split_rows(write(tmp_path / "a.jsonl", some), tmp_path / "out", by="near", valid_share=0.2, test_share=0.3)
    dealt = read(tmp_path / "out")
    places = Counter((row["text"].split(" stand")[0], name) for name, found in dealt.items() for row in found)
    assert len(places) == 16 and all(len(found) for found in dealt.values())  # each family in one split


def test_groups_stay_together_and_time_goes_forward(tmp_path: Path) -> None:
    some = [{**row, "user": n % 30, "date": f"2026-{n % 12 + 1:02}-01"} for n, row in enumerate(rows())]
    source = write(tmp_path / "a.jsonl", some)
    users = {row["text"]: row["user"] for row in some}
    dates = {row["text"]: row["date"] for row in some}
    split_rows(source, tmp_path / "by_user", by="group:user", valid_share=0.2, test_share=0.2)
    by_user = {name: {users[row["text"]] for row in found} for name, found in read(tmp_path / "by_user").items()}
    assert not by_user["train"] & by_user["test"] and not by_user["valid"] & by_user["test"]
    split_rows(source, tmp_path / "by_time", by="time:date", valid_share=0.2, test_share=0.2)
    by_time = {name: [dates[row["text"]] for row in found] for name, found in read(tmp_path / "by_time").items()}
    assert max(by_time["train"]) < min(by_time["valid"]) <= max(by_time["valid"]) < min(by_time["test"])


def test_intents_are_split_with_their_functions(tmp_path: Path) -> None:
    some = [{"text": f"go to {n}", "intent": "go", "slots": {"to": str(n)}} for n in range(60)]
    split_rows(write(tmp_path / "a.jsonl", some), tmp_path / "out")
    assert prepare(tmp_path / "out", tmp_path / "data").tools.names == ["go"]


@pytest.mark.parametrize(
    ("by", "sentence"),
    [
        ("chance", "choose one of label, near, group:KEY, time:KEY"),
        ("group", "choose one of"),
        ("group:user", 'has no "user" to split by; its keys: text, label'),
    ],
)
def test_bad_way(by: str, sentence: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=sentence):
        split_rows(write(tmp_path / "a.jsonl", rows(5)), tmp_path / "out", by=by)
    assert not (tmp_path / "out").exists()


def test_other_files_are_not_replaced(tmp_path: Path) -> None:
    source = write(tmp_path / "a.jsonl", rows(50))
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("years of work")
    with pytest.raises(InputError, match="holds files that are no split"):
        split_rows(source, tmp_path / "out")
    write(tmp_path / "b.jsonl", [{"source": "a", "target": "b"}])
    with pytest.raises(InputError, match="holds rows of classify, translate"):
        split_rows(tmp_path, tmp_path / "new")


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("oos_val", "valid"), ("train-00001", "train"), ("emerging.dev", "valid"), ("test_2016_flickr", "test"),
     ("rows", None), ("latest", None), ("my_test_drive", None)],
)  # fmt: skip
def test_split_of_a_name(name: str, split: str | None) -> None:
    assert split_of_name(name) == split
