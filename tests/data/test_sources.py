"""Containers of rows: each is read as the same items, with the line each stands in."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.data import sources
from pocketlm.data.sources import read_items

ROWS = [{"text": "a, b", "label": "x"}, {"text": "zwei\u2028Zeilen", "label": "y"}]
LINES = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in ROWS)


def _parquet(path: Path) -> None:
    pa = pytest.importorskip("pyarrow")
    import pyarrow.parquet as pq

    pq.write_table(pa.Table.from_pylist(ROWS), path)


def _zst(path: Path) -> None:
    path.write_bytes(pytest.importorskip("zstandard").ZstdCompressor().compress(LINES.encode()))


WRITERS: dict[str, tuple[Callable[[Path], Any], list[int]]] = {
    "rows.jsonl": (lambda p: p.write_text(LINES, encoding="utf-8"), [1, 2]),
    "bom.jsonl": (lambda p: p.write_bytes(b"\xef\xbb\xbf" + LINES.replace("\n", "\r\n").encode()), [1, 2]),
    "rows.ndjson": (lambda p: p.write_text("\n" + LINES, encoding="utf-8"), [2, 3]),
    "rows.json": (lambda p: p.write_text(json.dumps(ROWS, indent=1), encoding="utf-8"), [2, 6]),
    "around.json": (lambda p: p.write_text(json.dumps({"v": 1, "data": ROWS}, indent=1), encoding="utf-8"), [4, 8]),
    "rows.jsonl.gz": (lambda p: p.write_bytes(gzip.compress(LINES.encode(), mtime=0)), [1, 2]),
    "rows.jsonl.zst": (_zst, [1, 2]),
    "rows.csv": (lambda p: p.write_text('text,label\n"a, b",x\nzwei\u2028Zeilen,y\n', encoding="utf-8"), [2, 3]),
    "semicolons.csv": (lambda p: p.write_text("text;label\na, b;x\nzwei\u2028Zeilen;y\n", encoding="utf-8"), [2, 3]),
    "rows.tsv": (lambda p: p.write_text("text\tlabel\na, b\tx\nzwei\u2028Zeilen\ty\n", encoding="utf-8"), [2, 3]),
    "rows.parquet": (_parquet, [1, 2]),
}


@pytest.mark.parametrize("name", WRITERS)
def test_container(name: str, tmp_path: Path) -> None:
    write, lines = WRITERS[name]
    write(tmp_path / name)
    items = list(read_items(tmp_path / name))
    assert [item.value for item in items] == ROWS
    assert [item.line for item in items] == lines
    assert [item.value for item in read_items(tmp_path)] == ROWS  # the folder around it


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 64])
def test_a_list_is_read_in_pieces_of_any_size(chunk: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    values = [{"a": "é\n" * 20}, 12345, [1, [2]], "x", {"b": {"c": [None, True]}}, -1.5e3]
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(values, indent=2, ensure_ascii=False), encoding="utf-8")
    whole = [(item.line, item.value) for item in read_items(path)]
    real = sources.open_bytes
    monkeypatch.setattr(sources, "CHUNK", max(chunk, 3))
    assert sources.open_bytes is real
    assert [(item.line, item.value) for item in read_items(path)] == whole
    assert [value for _, value in whole] == values


def test_columns_named_by_hand(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("ham,hello\nspam,buy\n")
    items = list(read_items(tmp_path / "a.csv", columns=["label", "text"]))
    assert [item.value for item in items] == [{"label": "ham", "text": "hello"}, {"label": "spam", "text": "buy"}]


def test_conll(tmp_path: Path) -> None:
    (tmp_path / "a.conll").write_text("-DOCSTART- O\n\nBob\tB-per\nran\tO\n\n\nhi O\n")
    assert [item.value for item in read_items(tmp_path)] == [
        {"tokens": ["Bob", "ran"], "tags": ["B-per", "O"]},
        {"tokens": ["hi"], "tags": ["O"]},
    ]


def test_parallel_files_and_what_one_of_them_lacks(tmp_path: Path) -> None:
    (tmp_path / "train.de").write_text("eins\nzwei\n")
    (tmp_path / "train.en").write_text("one\ntwo\nthree\n")
    items = list(read_items(tmp_path))
    assert [item.value for item in items[:2]] == [
        {"translation": {"en": "one", "de": "eins"}},
        {"translation": {"en": "two", "de": "zwei"}},
    ]
    assert "train.de has no line 3" in items[2].problem


def test_a_retrieval_folder(tmp_path: Path) -> None:
    (tmp_path / "qrels").mkdir()
    (tmp_path / "corpus.jsonl").write_text('{"_id": "1", "text": "red"}\n{"_id": "2", "text": "blue"}\n')
    (tmp_path / "queries.jsonl").write_text('{"_id": "q", "text": "colour?"}\n')
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\t2\t1\nq\t9\t1\n")
    good, bad = read_items(tmp_path)
    assert good.value == {"query": "colour?", "positive": "blue", "id": "2"}
    assert "names q and 9, one is not there" in bad.problem


def test_notes_keep_what_their_frontmatter_says(tmp_path: Path) -> None:
    (tmp_path / "trips").mkdir()
    (tmp_path / ".obsidian").mkdir()
    (tmp_path / ".obsidian" / "x.md").write_text("not a note")
    (tmp_path / "trips" / "rome.md").write_text("---\ntags: [a, b]\ndate: 2026-01-02\n---\n# Rome\nIt was hot.\n")
    (tmp_path / "plain.md").write_text("---\nnot: [yaml\n---\nbody")
    plain, rome = (item.value for item in read_items(tmp_path))
    assert rome == {
        "id": "trips/rome.md",
        "title": "Rome",
        "content": "# Rome\nIt was hot.",
        "folder": "trips",
        "tags": ["a", "b"],
        "date": "2026-01-02",
    }
    assert plain["title"] == "plain" and "not: [yaml" in plain["content"]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.csv", b"text,label\na,b,c\n", "a.csv:2: has 3 cells, the first line names 2 columns"),
        ("a.jsonl", b'{"a": 1}\n{"a": NaN}\n', "a.jsonl:2: not valid JSON (NaN is not JSON"),
        ("a.jsonl", b'{"a": 1}\n{"a": \xff}\n', "a.jsonl:2: not UTF-8 text (byte 6 of the line)"),
        ("a.json", b'[{"a": 1},\n{"a": }]', "a.json:2:7: not valid JSON"),
        ("a.json", b'[{"a": 1},\n{"a": 2}', "a.json:2: not valid JSON (the list is not closed)"),
        ("a.conll", b"Bob\n", "a.conll:1: has no tag"),
    ],
)
def test_a_faulty_item_is_told_and_the_others_are_read(name: str, data: bytes, sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(data)
    problems = [item.problem for item in read_items(tmp_path / name) if item.problem]
    assert len(problems) == 1 and sentence in problems[0]


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("a.jsonl.gz", gzip.compress(LINES.encode(), mtime=0)[:-12], "cannot be unpacked"),
        ("a.jsonl.gz", b"plain", "cannot be unpacked"),
        ("a.jsonl.zst", b"plain", "cannot be unpacked"),
        ("a.jsonl", b"", "the file is empty"),
        ("a.csv", b"", "the file is empty"),
        ("a.jsonl", "{}".encode("utf-16"), "is UTF-16"),
        ("a.parquet", b"PAR1 no", "not a Parquet file"),
    ],
)
def test_a_useless_file(name: str, data: bytes, sentence: str, tmp_path: Path) -> None:
    for ending, package in ((".zst", "zstandard"), (".parquet", "pyarrow")):
        if name.endswith(ending):
            pytest.importorskip(package)
    (tmp_path / name).write_bytes(data)
    with pytest.raises(InputError, match=sentence):
        list(read_items(tmp_path / name))


def test_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "LICENSE").write_text("free")
    with pytest.raises(InputError, match="holds no file of rows"):
        list(read_items(tmp_path))
    with pytest.raises(InputError, match="no such file or folder"):
        list(read_items(tmp_path / "none"))


def test_the_hub_is_named_when_its_library_lacks(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(EnvironmentLacks, match=r"pip install 'pocketlm\[hub\]'"):
        list(read_items("hf:some/set"))


def test_the_hub_library_reads_what_is_local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("datasets")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "train.jsonl").write_text(LINES, encoding="utf-8")
    (tmp_path / "set" / "test.jsonl").write_text(LINES.splitlines()[0] + "\n", encoding="utf-8")
    assert [item.value for item in read_items(f"hf:{tmp_path / 'set'}")] == ROWS
    assert [item.value for item in read_items(f"hf:{tmp_path / 'set'}#test")] == ROWS[:1]
    with pytest.raises(EnvironmentLacks, match="cannot be read from the hub"):
        list(read_items(f"hf:{tmp_path / 'none'}"))
