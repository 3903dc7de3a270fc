"""Cleaning: what each mend does, that a second run finds nothing, that undo gives every byte back, and that a kill harms nothing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pocketlm.core.errors import InputError
from pocketlm.data.clean import DEFAULT, MENDS, apply, clean, edits_of, undo

for package in ("ftfy", "rensa", "phonenumbers"):
    pytest.importorskip(package)

SAID = "book a table for two at the old mill tonight"
CALL = {"name": "f", "arguments": {"a": "x"}}
# mend -> rows of train, rows that are left
CASES: dict[str, tuple[list[Any], list[Any]]] = {
    "encoding": (
        [{"text": "cafÃ© &amp; \u201cbar\u201d\x00", "label": "a"}],
        [{"text": "café &amp; \u201cbar\u201d", "label": "a"}],
    ),
    "personal": ([{"text": "mail a@b.de now", "label": "a"}], [{"text": "mail [EMAIL_1] now", "label": "a"}]),
    "no-values": (
        [{"text": "go", "calls": [{"name": "none", "arguments": {"a": "None", "b": ["x"], "c": {"d": "N/A", "e": 1}}}]}],
        [{"text": "go", "calls": [{"name": "none", "arguments": {"b": ["x"], "c": {"e": 1}}}]}],
    ),
    "unreadable": ([{"text": "a", "label": "x"}, {"text": 1, "label": "x"}], [{"text": "a", "label": "x"}]),
    "empty": ([{"text": "a", "label": " "}, {"text": " ", "label": "x"}, {"text": "b", "label": "x"}], [{"text": "b", "label": "x"}]),
    "schema": (
        [{"text": "a", "calls": [CALL]}, {"text": "b", "calls": [{"name": "g", "arguments": {}}]}],
        [{"text": "a", "calls": [CALL]}],
    ),
    "conflicts": (
        [{"text": "a", "label": x} for x in "xxy"] + [{"text": "b", "label": x} for x in "xy"] + [{"text": "c", "label": "x"}],
        [{"text": "a", "label": "x"}, {"text": "a", "label": "x"}, {"text": "c", "label": "x"}],
    ),
    "copies": ([{"text": "a", "label": "x"}] * 3 + [{"text": "a", "label": "y"}], [{"text": "a", "label": "x"}, {"text": "a", "label": "y"}]),
    "leakage": ([{"text": "in the test", "label": "x"}, {"text": "a", "label": "x"}], [{"text": "a", "label": "x"}]),
    "near": (
        [{"text": SAID, "label": "x"}, {"text": SAID + "!", "label": "x"}, {"text": SAID + "?", "label": "y"}],
        [{"text": SAID, "label": "x"}, {"text": SAID + "?", "label": "y"}],
    ),
    "meaning": (
        [{"text": SAID, "label": "x"}, {"text": f"please {SAID}", "label": "x"}, {"text": "what is the weather like", "label": "x"}],
        [{"text": SAID, "label": "x"}, {"text": "what is the weather like", "label": "x"}],
    ),
}  # fmt: skip


def write(path: Path, rows: list[Any]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def read(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("name", MENDS)
def test_mend(name: str, tmp_path: Path) -> None:
    if name == "meaning":
        pytest.importorskip("semhash")
        pytest.importorskip("wordllama")
    rows, left = CASES[name]
    write(tmp_path / "train.jsonl", rows)
    test = {"text": "in the test", "calls": []} if "calls" in rows[0] else {"text": "in the test", "label": "x"}
    write(tmp_path / "test.jsonl", [test])
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    (tmp_path / "tools.json").write_text(json.dumps([{"name": "f", "parameters": schema}]))
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.jsonl")}
    found = clean(tmp_path, [name])
    assert {edit.kind for edit in found.edits} == {name} and all(edit.where for edit in found.edits)
    assert read(tmp_path / "train.jsonl") == rows  # nothing is written before it is asked for
    apply(found, tmp_path)
    assert read(tmp_path / "train.jsonl") == left
    assert (tmp_path / "test.jsonl").read_bytes() == before["test.jsonl"]
    assert clean(tmp_path, [name]).edits == []  # a second run finds nothing
    undo(tmp_path)
    assert {file.name: file.read_bytes() for file in tmp_path.glob("*.jsonl")} == before


def test_every_mend_has_a_case() -> None:
    assert CASES.keys() == MENDS.keys() and set(DEFAULT) <= MENDS.keys()


def test_lines_that_do_not_change_keep_their_bytes(tmp_path: Path) -> None:
    odd = (
        b'\xef\xbb\xbf{ "label":"x",  "text":"\\u00e9" }\r\n\n{"text": "b", "label": "x"}\n{"text": "b", "label": "x"}'
    )
    (tmp_path / "a.jsonl").write_bytes(odd)
    apply(clean(tmp_path), tmp_path)
    first, second = (tmp_path / "a.jsonl").read_bytes().splitlines()
    assert first == odd.splitlines()[0] and second == b'{"text": "b", "label": "x"}'


def test_a_json_list_stays_a_list(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        json.dumps([{"text": "a", "label": "x"}] * 2 + [{"text": "b", "label": "x"}], indent=2)
    )
    apply(clean(tmp_path), tmp_path)
    assert json.loads((tmp_path / "a.json").read_text()) == [{"text": "a", "label": "x"}, {"text": "b", "label": "x"}]
    assert clean(tmp_path).edits == []


def test_undo_goes_back_step_by_step_and_guards_later_work(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"text": "a", "label": "x"}] * 2 + [{"text": "b", "label": " "}])
    states = [(tmp_path / "a.jsonl").read_bytes()]
    for mend in ("copies", "empty"):
        apply(clean(tmp_path, [mend]), tmp_path)
        states.append((tmp_path / "a.jsonl").read_bytes())
    undo(tmp_path)
    assert (tmp_path / "a.jsonl").read_bytes() == states[1]
    with (tmp_path / "a.jsonl").open("a") as out:
        out.write('{"text": "new", "label": "x"}\n')
    with pytest.raises(InputError, match="was changed after it was cleaned"):
        undo(tmp_path)
    (tmp_path / "a.jsonl").write_bytes(states[1])
    undo(tmp_path)
    assert (tmp_path / "a.jsonl").read_bytes() == states[0] and not (tmp_path / ".undo").exists()
    with pytest.raises(InputError, match="nothing to undo"):
        undo(tmp_path)


@pytest.mark.parametrize(
    ("name", "text", "mends", "sentence"),
    [
        ("a.csv", "text,label\na,x\n", ["copies"], "only .jsonl and .json files are cleaned in place; first: pocketlm data import"),
        ("a.jsonl", '{"text": "a", "label": "x"}\n', ["copys"], 'unknown mend "copys"; known: encoding'),
        ("a.jsonl", '{"foo": 1}\n', ["copies"], "no rows of a known format"),
    ],
)  # fmt: skip
def test_bad_input(name: str, text: str, mends: list[str], sentence: str, tmp_path: Path) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=".") as caught:
        clean(tmp_path, mends)
    assert sentence in str(caught.value) and (tmp_path / name).read_text() == text


def test_the_edits_read_like_a_diff(tmp_path: Path) -> None:
    write(
        tmp_path / "a.jsonl",
        [{"text": "cafÃ©", "label": "x"}, {"text": "b", "label": "x"}, {"text": "b", "label": "x"}],
    )
    lines = "\n".join(edits_of(clean(tmp_path).edits, 5))
    assert "cafÃ©" in lines and "café" in lines and "(exact copy of" in lines and "a.jsonl:3" in lines


@pytest.mark.parametrize("delay", [0.0, 0.01, 0.02, 0.03, 0.05])
def test_a_kill_leaves_old_or_new_files_and_every_original(delay: float, tmp_path: Path) -> None:
    for n in range(6):
        write(tmp_path / f"f{n}.jsonl", [{"text": f"row {n} {i}", "label": "x"} for i in range(300)] * 2)
    before = {file.name: file.read_bytes() for file in tmp_path.glob("*.jsonl")}
    found = clean(tmp_path)
    code = (
        "import sys; from pathlib import Path; from pocketlm.data.clean import apply, clean; p = Path(sys.argv[1]);"
        "found = clean(p); print('go', flush=True); apply(found, p)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, tmp_path], stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None and child.stdout.readline() == "go\n"
    time.sleep(delay)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    for name, old in before.items():
        now = (tmp_path / name).read_bytes()
        lines = old.splitlines(keepends=True)
        assert now in (old, b"".join(lines[:300])), name
        if now != old:
            assert (tmp_path / ".undo" / "0001" / name).read_bytes() == old
    apply(clean(tmp_path), tmp_path)  # the same command again finishes the work
    assert clean(tmp_path).edits == [] and found.rows == 3600
