"""Rows that tune the generator: asked as the notes engine asks, and right by its own check."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

import pocketlm
from pocketlm.cli.main import app
from pocketlm.core.errors import InputError
from pocketlm.notes.claims import unsupported
from pocketlm.notes.prompts import NOT_HERE, SUMMARY
from pocketlm.notes.rows import writer_rows

SAMPLE = Path(pocketlm.__file__).parent / "samples" / "notes_writer"
NOTE = "Anna moved to Lisbon in May 2021. The flat is small."


def asked(question: str, answer: str, quote: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"{NOTE}\n\n{question}"}, {"role": "assistant", "content": answer}]
    return {"messages": turns, "quote": quote}


def summarised(text: str, summary: str) -> dict[str, Any]:
    turns = [{"role": "user", "content": f"Summarize this.\n\n{text}"}, {"role": "assistant", "content": summary}]
    return {"messages": turns}


GENERATED = [
    asked("Where did Anna move?", "Anna moved to Lisbon.", "Anna moved to Lisbon in May 2021."),
    asked("How big is the flat?", "The flat is small.", "The flat is small."),
    asked("When did Anna move?", "In June 2021.", "Anna moved to Lisbon in May 2021."),
    summarised(NOTE, "Anna moved to Lisbon."),
    summarised(NOTE, "Bert moved to Lisbon."),
]


def test_answers_that_fail_the_check_teach_nothing() -> None:
    made = [row["messages"] for row in writer_rows(GENERATED)]
    answers = [turns[-1]["content"] for turns in made]
    assert answers == ["Anna moved to Lisbon.", NOT_HERE, "The flat is small.", "Anna moved to Lisbon."]
    assert all("Anna moved to Lisbon in May 2021." in turns[0]["content"] for turns in made[::2][:1])
    assert "Anna moved" not in made[1][0]["content"]  # the place that answers it is left out
    assert made[3][0]["content"] == f"{SUMMARY}\n\n{NOTE}"


def test_rows_of_ones_own_notes_from_the_command_line(tmp_path: Path) -> None:
    folder = tmp_path / "generated" / "instruct"
    folder.mkdir(parents=True)
    (folder / "questions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in GENERATED[:3]))
    out = tmp_path / "data" / "raw" / "own.jsonl"
    done = CliRunner().invoke(app, ["notes", "rows", str(folder.parent), "--out", str(out), "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["rows"] == len(out.read_text().splitlines()) == 3

    (folder / "questions.jsonl").write_text(json.dumps(GENERATED[2]) + "\n")
    refused = CliRunner().invoke(app, ["notes", "rows", str(folder.parent), "--out", str(tmp_path / "none.jsonl")])
    assert isinstance(refused.exception, InputError) and "passes the check" in str(refused.exception)
    assert not (tmp_path / "none.jsonl").exists()


def test_the_sample_projects_rows_are_what_its_maker_writes_and_pass_the_check(tmp_path: Path) -> None:
    again = tmp_path / "notes_writer"
    shutil.copytree(SAMPLE, again, ignore=shutil.ignore_patterns("data", "__pycache__"))
    subprocess.run([sys.executable, "make_rows.py"], cwd=again, check=True, capture_output=True)
    texts: dict[str, set[str]] = {}
    for file in ("data/raw/train.jsonl", "data/valid.jsonl", "data/test.jsonl"):
        written = (SAMPLE / file).read_text(encoding="utf-8")
        assert written == (again / file).read_text(encoding="utf-8")
        rows = [json.loads(line)["messages"] for line in written.splitlines()]
        for request, answer in rows:
            assert answer["content"] == NOT_HERE or not unsupported(answer["content"], [request["content"]])
        texts[file] = {request["content"].rpartition("Question: ")[2] for request, _ in rows}
    train, valid, test = texts.values()
    assert not train & (valid | test)
