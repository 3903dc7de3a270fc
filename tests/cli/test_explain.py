"""`pocketlm explain`: every engine, plain when piped, a page and JSON, one sentence for each mistake."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from command import call

from pocketlm.core.files import write_json, write_jsonl
from pocketlm.core.manifest import write_manifest
from pocketlm.data.dataset import prepare
from pocketlm.export.gguf import export_gguf
from pocketlm.tasks.template import CHATML

TOOLS = [
    {"name": "switch", "parameters": {"type": "object", "properties": {"on": {"type": "boolean"}}, "required": ["on"]}}
]


@pytest.fixture
def run(tiny_llama: Path, tmp_path: Path) -> Path:
    """A folder as a training leaves it: a model, its functions, its test rows."""
    home, raw = tmp_path / "run", tmp_path / "raw"
    home.mkdir()
    (home / "model").symlink_to(tiny_llama)
    write_json(home / "tools.json", TOOLS)
    write_manifest(home, {"kind": "run", "tools_in_prompt": "full"})
    raw.mkdir()
    rows = [{"text": f"lights {n} on", "calls": [{"name": "switch", "arguments": {"on": True}}]} for n in range(60)]
    write_jsonl(raw / "train.jsonl", rows[:40])
    write_jsonl(raw / "valid.jsonl", rows[40:50])
    write_jsonl(raw / "test.jsonl", rows[50:])
    prepare(raw, home / "data", tools=home / "tools.json")
    return home


def test_a_model_folder(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_llama: Path, tmp_path: Path
) -> None:
    code, out, err = call(
        capsys,
        monkeypatch,
        "explain",
        tiny_llama,
        "play music",
        "--max-tokens",
        5,
        "--attention",
        "--html",
        tmp_path / "x.html",
    )
    assert code == 0, err
    assert "\x1b" not in out
    assert "<|im_start|>" in out and "What each token of the answer looked at" in out
    assert out.rstrip().endswith("x.html")
    assert "<svg" in (tmp_path / "x.html").read_text()


def test_a_file_tells_all_but_attention(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tiny_llama: Path, tmp_path: Path
) -> None:
    file = tmp_path / "tiny.gguf"
    export_gguf(tiny_llama, file, precision="f32", chat_template=CHATML.jinja, stop_token=CHATML.stop)
    code, out, err = call(
        capsys, monkeypatch, "explain", file, "play music", "--max-tokens", 5, "--attention", "--top", 2
    )
    assert code == 0, err
    assert "llama.cpp does not tell attention" in out and "less likely without" in out


def test_a_run_with_its_functions_and_its_test_row(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, run: Path
) -> None:
    code, out, err = call(capsys, monkeypatch, "explain", run, "lights 55 on", "--json", "--max-tokens", 20)
    assert code == 0, err
    told = json.loads(out)
    assert told["hidden"] > 20 and told["constrained"]
    assert told["answer"].startswith("{")
    assert told["contrast"]["expected"] == '{"switch":{"on":true}}'
    code, out, _ = call(capsys, monkeypatch, "explain", run, "another text", "--json", "--max-tokens", 20)
    assert json.loads(out)["contrast"] is None
    wrong = '[{"name": "switch", "arguments": {"on": false}}]'
    code, out, err = call(capsys, monkeypatch, "explain", run, "lights", "--expected", wrong, "--max-tokens", 20)
    assert code == 0, err
    assert '{"switch":{"on":false}}' in out
    code, out, _ = call(capsys, monkeypatch, "explain", run, "lights", "--raw", "--json", "--max-tokens", 3)
    assert code == 0 and (json.loads(out)["hidden"], json.loads(out)["constrained"]) == (0, False)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["runs/none", "hello"], "no such run"),
        (["{run}", " "], "the text is empty"),
        (["{run}", "hello", "--head", "3"], "write LAYER.HEAD"),
        (["{run}", "hello", "--head", "9.9", "--max-tokens", "2"], "layers are 0 to 1, heads 0 to 3"),
        (["{run}", "hello", "--expected", "nonsense"], "not JSON of calls"),
        (["{run}", "hello", "--expected", '{"swich":{}}'], 'did you mean "switch"'),
        (["{run}", "hello", "--raw", "--tools", "t.json"], "leave out --tools"),
        (["{run}", "hello", "--html", "."], "is a folder; name a file"),
    ],
)
def test_mistakes_are_one_sentence(
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    run: Path,
    arguments: list[str],
    says: str,
) -> None:
    code, out, err = call(
        capsys, monkeypatch, "explain", *(argument.replace("{run}", str(run)) for argument in arguments)
    )
    assert (code, out) == (1, "")
    assert err.startswith("error: ") and says in err
