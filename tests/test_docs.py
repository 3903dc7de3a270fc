"""The commands of the guides run, as they stand, on a small project."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import pytest

from pocketlm.cli.main import main

DOCS = Path(__file__).parents[1] / "docs"
WORDS = ["milk", "bread", "noon", "kitchen", "alarm", "morning", "lights"]


@pytest.mark.parametrize("guide", sorted(DOCS.glob("*.md")), ids=lambda guide: guide.stem)
def test_commands_of_the_guides_run(
    guide: Path, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    commands = [line[2:] for line in guide.read_text().splitlines() if line.startswith("$ pocketlm ")]
    if not commands:
        pytest.skip("no commands")
    monkeypatch.chdir(tmp_path)
    _project(tiny_llama)
    for command in commands:
        monkeypatch.setattr(sys, "argv", shlex.split(command))
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0, f"{command}\n{capsys.readouterr().err}"
        assert capsys.readouterr().out.strip(), command


def _project(base: Path) -> None:
    folder = Path("mybot")
    (folder / "data" / "raw").mkdir(parents=True)
    settings = {"epochs": 1, "compute": "fp32", "batch_tokens": 256, "validations": 2}
    (folder / "pocketlm.yaml").write_text(json.dumps({"base": str(base), "train": settings}))
    schema = {"type": "object", "properties": {"what": {"type": "string"}}}
    (folder / "tools.json").write_text(json.dumps([{"name": "play", "parameters": schema}]))
    rows = [
        {"text": f"play {a} {b}", "calls": [{"name": "play", "arguments": {"what": f"{a} {b}"}}]}
        for a in WORDS
        for b in WORDS
    ]
    (folder / "data" / "raw" / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in [*rows, rows[0]]))
    notes = [
        {"id": str(n), "content": f"Met {word} at the harbour.", "date": "2026-01-01"} for n, word in enumerate(WORDS)
    ]
    Path("notes.json").write_text(json.dumps(notes))
    Path("faq.csv").write_text("question,topic\n" + "".join(f"where is the {word}?,{word}\n" for word in WORDS))
