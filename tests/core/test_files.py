"""Nothing half written, and errors that say how to mend them."""

from __future__ import annotations

import errno
import json
import os
from pathlib import Path

import pytest

from pocketlm.core.errors import EXIT_ENVIRONMENT, EXIT_INPUT, EnvironmentLacks, InputError, Problems
from pocketlm.core.files import (
    atomic_dir,
    atomic_path,
    dump_compact,
    read_json,
    sha256_file,
    sha256_value,
    write_json,
    write_jsonl,
    write_text,
)
from pocketlm.core.manifest import hash_inputs, read_manifest, write_manifest


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def fail_with(number: int, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(Path, name, fail) if name == "open" else monkeypatch.setattr(os, name, fail)


def test_written_files_read_back(tmp_path: Path) -> None:
    path = tmp_path / "new" / "folder" / "a.json"
    write_json(path, {"é": [1]})
    assert read_json(path) == {"é": [1]} and "é" in path.read_text(encoding="utf-8")
    write_jsonl(path, [{"a": "ü"}, []])
    assert path.read_text(encoding="utf-8") == '{"a":"ü"}\n[]\n'
    assert names(path.parent) == ["a.json"]


def test_a_failed_body_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    write_text(path, "old")
    with pytest.raises(ZeroDivisionError), atomic_path(path) as aside:
        aside.write_text("half", encoding="utf-8")
        raise ZeroDivisionError
    assert path.read_text(encoding="utf-8") == "old" and names(tmp_path) == ["a.txt"]


def test_rows_that_fail_midway_leave_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    write_jsonl(path, [1])
    with pytest.raises(ZeroDivisionError):
        write_jsonl(path, (1 // (1 - i) for i in range(3)))
    assert path.read_text(encoding="utf-8") == "1\n" and names(tmp_path) == ["rows.jsonl"]


def test_a_folder_takes_its_place_whole(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with atomic_dir(path) as aside:
        (aside / "deep").mkdir()
        (aside / "deep" / "a").write_text("1", encoding="utf-8")
        assert not path.exists()
    with atomic_dir(path) as aside:
        (aside / "b").write_text("2", encoding="utf-8")
    assert names(path) == ["b"] and names(tmp_path) == ["run"]


def test_a_failed_body_leaves_the_old_folder(tmp_path: Path) -> None:
    path = tmp_path / "run"
    with atomic_dir(path) as aside:
        (aside / "a").write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), atomic_dir(path) as aside:
        (aside / "a").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt
    assert (path / "a").read_text(encoding="utf-8") == "old" and names(tmp_path) == ["run"]


@pytest.mark.parametrize("name", ["fsync", "open", "replace"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT])
def test_a_full_disk_is_told_and_the_old_file_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int
) -> None:
    path = tmp_path / "a.jsonl"
    write_jsonl(path, [1])
    with monkeypatch.context() as patch:
        fail_with(number, patch, name)
        with pytest.raises(
            EnvironmentLacks, match=r"a\.jsonl: the disk is full \(\d+ MB free\); free some space"
        ) as caught:
            write_jsonl(path, [2])
    assert caught.value.exit_code == EXIT_ENVIRONMENT
    assert path.read_text(encoding="utf-8") == "1\n" and names(tmp_path) == ["a.jsonl"]


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run"
    with atomic_dir(path) as aside:
        (aside / "a").write_text("old", encoding="utf-8")
    with monkeypatch.context() as patch:
        fail_with(errno.ENOSPC, patch, "fsync")
        with pytest.raises(EnvironmentLacks, match="the disk is full"), atomic_dir(path) as aside:
            (aside / "a").write_text("new", encoding="utf-8")
    assert (path / "a").read_text(encoding="utf-8") == "old" and names(tmp_path) == ["run"]


def test_no_permission_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(errno.EACCES, monkeypatch, "open")
    with pytest.raises(EnvironmentLacks, match="no permission to write here; choose another folder"):
        write_jsonl(tmp_path / "a", [1])


def test_other_errors_pass_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fail_with(errno.EIO, monkeypatch, "fsync")
    with pytest.raises(OSError, match="Input/output error"):
        write_text(tmp_path / "a", "x")
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "the file is empty"),
        (b"\xff", r"not UTF-8 text \(byte 0\); save it as UTF-8"),
        (b'{\n "a": ,\n}', r"x\.json:2:7: not valid JSON \(Expecting value\)"),
    ],
)
def test_bad_json(tmp_path: Path, data: bytes, sentence: str) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(data)
    with pytest.raises(InputError, match=sentence):
        read_json(path)


def test_missing_json_and_byte_order_mark(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        read_json(tmp_path / "x.json")
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf[1]\r\n")
    assert read_json(tmp_path / "x.json") == [1]


def test_hashes(tmp_path: Path) -> None:
    write_text(tmp_path / "a", "abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert sha256_file(tmp_path / "a") == known == hash_inputs([tmp_path / "a"])[str(tmp_path / "a")]
    assert sha256_value({"a": 1, "b": 2}) == sha256_value({"b": 2, "a": 1}) != sha256_value({"a": 1, "b": 3})
    assert dump_compact({"a": ["ü", 1]}) == '{"a":["ü",1]}'


def test_problems_are_told_at_once_but_not_without_end() -> None:
    assert str(Problems("a", ["x"])) == "a: x"
    text = str(Problems("a", [f"p{i}" for i in range(12)]))
    assert text.startswith("a: 12 problems:\n  - p0\n") and text.endswith("  - p9\n  - and 2 more")
    assert Problems("a", ["x"]).exit_code == EXIT_INPUT


def test_manifest(tmp_path: Path) -> None:
    write_manifest(tmp_path, {"kind": "run", "seed": 3, "inputs": {"a": "b"}})
    manifest = read_manifest(tmp_path)
    assert (manifest["kind"], manifest["seed"], manifest["inputs"]) == ("run", 3, {"a": "b"})
    assert {"created", "pocketlm", "python", "platform", "versions"} <= manifest.keys()
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8")) == manifest
    with pytest.raises(InputError, match=r"has no manifest\.json"):
        read_manifest(tmp_path / "nowhere")
