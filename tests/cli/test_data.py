"""The data commands as a script and as a person use them: exit codes, JSON, what is printed, what a missing package says."""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import command
import pytest

for package in ("ftfy", "rensa", "phonenumbers", "py3langid"):
    pytest.importorskip(package)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Any:
    monkeypatch.chdir(tmp_path)

    return partial(command.call, capsys, monkeypatch, "data")


def write(path: Path, rows: list[Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def texts(count: int) -> list[str]:
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
        "quarry",
    ]
    return [f"{words[n % 17]} {words[n // 17 % 17]} {n * n + 3} {words[n * 5 % 17]}" for n in range(count)]


def test_check_says_ready_or_exits_with_three(run: Any, tmp_path: Path, tiny_llama: Path) -> None:
    rows = [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(texts(260))]
    write(tmp_path / "data" / "raw" / "train.jsonl", rows)
    (tmp_path / "pocketlm.yaml").write_text(json.dumps({"base": str(tiny_llama), "train": {"max_tokens": 200}}))
    code, out, _ = run("check")  # in a project: its raw rows, its base, its longest row
    assert code == 0 and out.strip().endswith("ready") and "tokens a row: median" in out
    code, out, _ = run("check", "--max-tokens", "16", "--json")
    value = json.loads(out)
    assert code == 3 and not value["ready"] and value["findings"][0]["name"] == "too long"
    write(tmp_path / "data" / "raw" / "test.jsonl", rows[:2])
    code, out, _ = run("check", "--base", "none", "--html", "page.html")
    assert code == 3 and "leakage: 2 texts stand in more than one" in out and "look at this first: 1 error" in out
    assert "test.jsonl:1" in (tmp_path / "page.html").read_text()


def test_import_clean_split_and_sample(run: Any, tmp_path: Path) -> None:
    source = tmp_path / "a.csv"
    source.write_text("frage,klasse\n" + "".join(f"{text},x\n" for text in [*texts(50), *texts(2)]) + "bad\n")
    code, out, _ = run("import", str(source), "--map", "text=frage", "--map", "label=klasse", "--out", "raw")
    assert code == 0 and "label -> 52 rows of classify in raw/a.jsonl" in out and "1 left out" in out
    code, out, _ = run("clean", "raw", "--json")
    assert code == 0 and json.loads(out)["edits"] == {"copies": 2}
    code, out, _ = run("split", "raw", "dealt", "--json")
    assert code == 0 and sum(json.loads(out)[name]["rows"] for name in ("train", "valid", "test")) == 50
    code, out, _ = run("sample", "raw", "-n", "2", "--json")
    assert len(json.loads(out)) == 2
    code, out, err = run("sample", "raw", "--label", "y")
    assert code == 1 and 'no row has the label "y"; known: x' in err
    code, out, _ = run("stats", "raw", "--base", "none")
    assert code == 0 and "50 rows of classify" in out
    code, out, _ = run("clean", "raw", "--undo")
    assert code == 0 and len((tmp_path / "raw" / "a.jsonl").read_text().splitlines()) == 52


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["check", "none"], "none: no such file or folder"),
        (["check", "a.jsonl", "--format", "poem"], 'unknown format "poem"; known: native'),
        (["import", "a.jsonl", "--map", "text"], "--map text: write the known key and the file's"),
        (["check", "a.jsonl", "--task", "call", "--base", "none"], "holds no rows of the task call"),
        (["split", "a.jsonl", "out", "--by", "chance"], "choose one of label, near"),
        (["generate", "a.jsonl"], "name a teacher"),
        (["generate", "a.jsonl", "--teacher", "x", "--make", "poems"], "no such prompt set"),
        (["generate", "a.jsonl", "--teacher", "x", "--choose", "best"], "choose one of first, consensus"),
    ],
)
def test_bad_input(arguments: list[str], sentence: str, run: Any, tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [{"text": text, "label": "x"} for text in texts(5)])
    code, _, err = run(*arguments)
    assert code == 1 and sentence in err.replace("\n", " ") and "Traceback" not in err


def test_a_missing_package_is_named_with_its_line(run: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a.jsonl", [{"text": text, "label": "x"} for text in texts(30)])
    for package in ("rensa", "ftfy.badness", "phonenumbers", "py3langid.langid"):
        with monkeypatch.context() as without:
            without.setitem(sys.modules, package, None)
            write(tmp_path / "a.jsonl", [{"text": f"{text} +44 20 7946 0958", "label": "x"} for text in texts(30)])
            code, _, err = run("check", "a.jsonl", "--base", "none")
            assert code == 2 and "pip install 'pocketlm[data]'" in err, package
