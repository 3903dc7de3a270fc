"""The commands of the guides run, as they stand, on a small project."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path

import families
import pytest
from families import make_tiny_encoder

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
    _search(Path("mysearch"))
    _vault(Path("vault"))
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
    _classifiers()
    Path("faq.csv").write_text("question,topic\n" + "".join(f"where is the {word}?,{word}\n" for word in WORDS))


def _classifiers() -> None:
    """Projects of labelled texts: one label a text, several, and labels under labels."""
    encoder = Path("encoder").absolute()
    encoder.mkdir()
    make_tiny_encoder(encoder)
    shelf = {word: f"{'food' if word in ('milk', 'bread') else 'home'}/{word}" for word in WORDS}
    several: list[dict[str, object]] = [
        {"text": f"{a} and {b} {n}", "labels": sorted({a, b})} for a in WORDS[:3] for b in WORDS[:3] for n in range(4)
    ]
    one = [
        (a, f"{start} the {a}") for a in WORDS for start in ("where is", "find", "show me", "bring", "I need", "lost")
    ]
    one += [("none", f"what is {n} times {n}") for n in range(12)]
    rows = {
        "inbox": [{"text": text, "label": label} for label, text in one],
        "topics": several,
        "shelves": [{"text": text, "label": shelf.get(label, label)} for label, text in one],
    }
    settings = {"compute": "fp32", "lr": 2e-3, "epochs": 2}
    for name, found in rows.items():
        raw = Path(name) / "data" / "raw"
        raw.mkdir(parents=True)
        (raw / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in found))
        config = {"task": "classify", "base": str(encoder), "train": settings, "classify": {"steps": 10}}
        (Path(name) / "pocketlm.yaml").write_text(json.dumps(config))
    (Path("inbox") / "more.txt").write_text("please find the milk\nthe bread is gone\n")


def _search(folder: Path) -> None:
    """A project of the task embed: pairs, and texts without labels."""
    (folder / "data" / "raw").mkdir(parents=True)
    (folder / "data" / "texts").mkdir()
    base = families.make_tiny_bert(folder / "base")
    settings = {"epochs": 1, "compute": "fp32", "validations": 1}
    (folder / "pocketlm.yaml").write_text(
        json.dumps({"task": "embed", "base": str(base.resolve()), "train": settings, "embed": {"batch": 8}})
    )
    pairs = [(a, b) for a in WORDS for b in WORDS]
    rows = [
        {"anchor": f"where is the {a} at {b}?", "positive": f"the {a} and the {b} in the kitchen"} for a, b in pairs
    ]
    texts = [{"text": f"Met {a} at the {b}. The {b} was with {a} in the kitchen."} for a, b in pairs]
    for name, values in (("raw", rows), ("texts", texts)):
        (folder / "data" / name / "rows.jsonl").write_text("".join(json.dumps(value) + "\n" for value in values))


def _vault(folder: Path) -> None:
    """Markdown notes, two of them nearly the same."""
    folder.mkdir()
    notes = {
        "Roof": "---\ndate: 2026-05-04\ntags: [house]\n---\nThe roofer, Mr. Adam Kent, wants 450 euros for the roof. See [[Budget]].\n- [ ] call the roofer by Friday\n",
        "Roof copy": "---\ndate: 2026-05-05\ntags: [house]\n---\nThe roofer, Mr. Adam Kent, wants 480 euros for the roof. See [[Budget]].\n- [ ] call the roofer by Friday\n",
        "Budget": "---\ndate: 2026-05-11\ntags: [house, money]\n---\nThe house costs us 900 euros a month. I am worried about the roof.\n",
        "Garden": "---\ndate: 2026-05-14\ntags: [garden]\n---\nPlanted tulips in the garden yesterday with Anna Lind. A wonderful, happy day!\n",
    }  # fmt: skip
    for name, text in notes.items():
        (folder / f"{name}.md").write_text(text)
