"""Evaluation from the command line, on a run of a tiny model: every task, comparison, gates, suites, history, calibration."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import command
import pytest
from teacher_server import TeacherServer

from pocketlm.core.config import load_config
from pocketlm.data.dataset import prepare
from pocketlm.export.gguf import export_gguf
from pocketlm.tasks.template import TEMPLATES
from pocketlm.train.run import Run, train_run

Call = Callable[..., tuple[int, str, str]]
TOOLS = [
    {"name": "open", "parameters": {"type": "object", "properties": {"app": {"type": "string"}}, "required": ["app"]}},
    {"name": "stop", "parameters": {"type": "object", "properties": {}}},
]
ROWS = {
    "classify": [{"text": f"play song {i}", "label": "ab"[i % 2]} for i in range(12)],
    "translate": [{"source": f"Hund {i}", "target": f"dog {i}"} for i in range(6)],
    "extract": [{"text": f"Ada met Bob {i}", "entities": [{"type": "person", "text": "Ada"}]} for i in range(6)],
    "instruct": [
        {"messages": [{"role": "user", "content": f"Sum up: day {i}"}, {"role": "assistant", "content": f"Day {i}."}]}
        for i in range(6)
    ],
}


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Call:
    return partial(command.call, capsys, monkeypatch)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, tiny_llama: Path) -> Path:
    """A run that is right on some of its rows, two fifths of one kind being what no model can learn, with an exported file beside it."""
    home = tmp_path_factory.mktemp("mybot")
    rows: list[dict[str, Any]] = []
    for i in range(80):
        opened = {"name": "open", "arguments": {"app": f"app {i}"}}
        rows.append(
            {"text": f"open app {i}", "calls": [{"name": "stop", "arguments": {}} if i % 5 in (1, 3) else opened]}
        )
        rows.append({"text": f"stop now {i}", "calls": [{"name": "stop", "arguments": {}}]})
    (home / "raw").mkdir()
    (home / "tools.json").write_text(json.dumps(TOOLS))
    (home / "raw" / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
    settings = ["train.epochs=6", "train.batch_tokens=400", "train.rank=8", "train.lr=0.01", "train.compute=fp32"]
    config = load_config(None, [f"base={tiny_llama}", *settings])
    data = prepare(home / "raw", home / "run" / "data", tools=home / "tools.json", valid_share=0.2, test_share=0.2)
    done = train_run(config, data.tools, data.rows("train"), data.rows("valid"), home / "run")
    template = TEMPLATES[done.manifest["template"]]
    bundle = done.folder / "exports" / "gguf"
    bundle.mkdir(parents=True)
    export_gguf(
        done.model, bundle / "model.gguf", precision="f32", chat_template=template.jinja, stop_token=template.stop
    )
    (bundle / "tools.json").write_text(json.dumps(TOOLS))
    made = Run(done.folder).manifest
    kept = {"kind": "bundle", "tools_in_prompt": "none", "grounding": made["grounding"], "versions": {}, "format": 1}
    (bundle / "manifest.json").write_text(json.dumps({**made, **kept}))
    return done.folder


def test_a_report_says_what_it_found_and_is_kept(call: Call, run: Path, tmp_path: Path) -> None:
    page, file = tmp_path / "report.html", tmp_path / "report.json"
    code, out, err = call("eval", run, "--html", page, "--save", file)
    assert code == 0, err
    for words in (
        "task call",
        "constant",
        "majority",
        "rule: nearest example",
        "exact by slice",
        "Only 32 rows",
        "fall short",
    ):
        assert words in out
    for words in ("By argument", "Confidence", "Scores", "Training", "Before you trust these figures"):
        assert words in page.read_text()
    code, out, err = call("eval", run, "--json")
    assert "scored before" in err or code == 0
    value = json.loads(out)
    assert value["metrics"] == json.loads(file.read_text())["metrics"]
    assert set(value["metrics"]) >= {"exact", "lenient", "function", "valid", "precision", "recall", "f1"}
    assert (run / "history.jsonl").is_file()


@pytest.mark.parametrize("task", list(ROWS))
def test_every_task_that_writes_is_scored(call: Call, tiny_llama: Path, tmp_path: Path, task: str) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS[task])))
    code, out, err = call("eval", tiny_llama, file, "--json", "--max-tokens", 8, "--html", tmp_path / "p.html")
    assert code == 0, err
    value = json.loads(out)
    assert value["task"] == task
    assert value["main"] in value["metrics"]
    assert value["baselines"]
    if task == "classify":
        assert value["metrics"]["valid"] == 1.0  # under its grammar nothing else can be written
    if task == "instruct" and find_spec("wordllama"):
        assert {"similarity", "alike"} <= set(value["metrics"])
        code, out, err = call("eval", tiny_llama, file, "--json", "--max-tokens", 8, "--teacher", tiny_llama)
        assert code == 0, err
        assert json.loads(out)["metrics"]["like_teacher"] in (0.0, 1.0)  # its own answers, where they hold a known word
    else:
        code, _, err = call("eval", tiny_llama, file, "--max-tokens", 8, "--teacher", tiny_llama)
        assert (code, "only free answers" in err) == (1, True)


def test_plain_text_is_foretold_on_both_engines_alike(call: Call, run: Path, tiny_llama: Path, tmp_path: Path) -> None:
    file, gguf = tmp_path / "story.txt", tmp_path / "tiny.gguf"
    file.write_text("Set an alarm for 7 in the morning, please! What is the weather in Paris on Monday?\n" * 2)
    template = TEMPLATES["chatml"]
    export_gguf(tiny_llama, gguf, precision="f32", chat_template=template.jinja, stop_token=template.stop)
    found = {}
    for engine in (tiny_llama, gguf):
        code, out, err = call("eval", engine, file, "--json")
        assert code == 0, err
        found[engine] = json.loads(out)["metrics"]
    assert found[tiny_llama]["perplexity"] == pytest.approx(found[gguf]["perplexity"], rel=5e-3)
    assert set(found[gguf]) >= {"bits_per_byte", "word_at_1", "word_at_3", "keys_saved"}
    code, out, err = call("eval", tiny_llama, file, "--json", "--window", 16, "--overlap", 4)
    assert code == 0, err
    assert json.loads(out)["settings"]["window"] == 16
    assert json.loads(out)["metrics"]["perplexity"] != found[tiny_llama]["perplexity"]  # it sees less
    code, _, err = call("eval", tiny_llama, file, "--window", 16, "--overlap", 16)
    assert (code, "leaves nothing to score" in err) == (1, True)


def test_embeddings_are_scored(call: Call, tmp_path: Path) -> None:
    pytest.importorskip("wordllama")
    file = tmp_path / "test.jsonl"
    pairs = [("a red car", "a crimson automobile"), ("the sea is calm", "quiet ocean"), ("cook some rice", "boil rice")]
    file.write_text("\n".join(json.dumps({"anchor": a, "positive": b}) for a, b in pairs))
    code, out, err = call("eval", "static", file, "--json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["recall_at_1"] == 1.0
    code, _, err = call("eval", "missing", file)
    assert (code, "no encoder's folder" in err) == (1, True)


def test_engines_are_compared_and_gated(call: Call, run: Path, tiny_llama: Path, tmp_path: Path) -> None:
    gguf = run / "exports" / "gguf" / "model.gguf"
    code, out, err = call("compare", run, gguf, "--data", run, "--html", tmp_path / "both.html")
    assert code == 0, err
    assert "no difference shown" in out
    code, out, err = call("compare", run, gguf, "--data", run, "--latency", "--html", tmp_path / "both.html", "--json")
    assert code == 0, err
    assert json.loads(out)["latency"][str(gguf)]["p95_ms"] > 0
    assert "Size, quality, time" in (tmp_path / "both.html").read_text()
    good, bad, junit = tmp_path / "good.json", tmp_path / "bad.json", tmp_path / "gate.xml"
    assert call("eval", run, "--save", good)[0] == 0
    report = json.loads(good.read_text())
    for row in report["rows"]:
        row["numbers"]["exact"] = [0.0, 1.0]
    right = sum(row["numbers"]["exact"][0] for row in json.loads(good.read_text())["rows"])
    report["metrics"]["exact"] = 0.0
    bad.write_text(json.dumps(report))
    code, out, err = call("compare", good, bad, "--junit", junit, "--markdown", tmp_path / "gate.md")
    assert right >= 6, "so few changed rows show no difference"
    assert code == 3
    assert "worse" in out
    assert ElementTree.parse(junit).getroot().get("failures") == "1"
    assert "failed" in (tmp_path / "gate.md").read_text()
    code, _, err = call("eval", run, "--gate", f"exact>=0, no_worse_than={good}")
    assert code == 0, err
    code, out, err = call("eval", run, "--gate", "exact>=1.0, valid>=2%", "--json")
    assert code == 3
    assert [one["passed"] for one in json.loads(out)["gate"]] == [False, True]
    assert "the gate failed: exact is" in err
    code, _, err = call("eval", run, "--gate", "exakt>=0.5, p95_ms<=200")
    assert code == 1
    assert "exact" in err


def test_a_suite_keeps_its_rows_and_its_history(call: Call, run: Path, tmp_path: Path) -> None:
    suite = tmp_path / "suites" / "smoke"
    assert call("suite", "save", suite, run, "--limit", 10)[0] == 0
    code, _, err = call("suite", "save", suite, run)
    assert (code, "never change" in err) == (1, True)
    for gate in ([], ["--gate", "no_worse_than=last"]):
        code, out, err = call("suite", "run", suite, run, *gate)
        assert code == 0, err
    assert "no difference shown" in out
    code, _, err = call("suite", "run", suite, run, "--gate", "exact>=1.0, no_worse_than=last")
    assert code == 3
    assert json.loads((suite / "history.jsonl").read_text().splitlines()[-1])["passed"] is False
    code, _, err = call("history", suite, "--metric", "exakt")
    assert (code, "the history has exact" in err) == (1, True)
    code, out, err = call("history", suite, "--html", tmp_path / "history.html")
    assert code == 0, err
    assert out.count(str(run)[-20:]) == 3
    assert "as before" in out
    with (suite / "history.jsonl").open("a") as lines:
        lines.write('{"when": "torn')
    assert call("history", suite)[0] == 0
    code, _, err = call("history", tmp_path / "nothing")
    assert (code, "holds no history" in err) == (1, True)


def test_confidence_is_calibrated_and_survives_export(call: Call, run: Path, tmp_path: Path) -> None:
    code, out, err = call("calibrate", run, "--json", "--html", tmp_path / "c.html", "--max-error", 0.3)
    assert code == 0, err
    checked = json.loads(out)["checked"]
    assert set(checked) == {"run", "exported gguf"}
    assert checked["run"]["after"]["ece"] == pytest.approx(checked["exported gguf"]["after"]["ece"], abs=0.1)
    for home in (run, run / "exports" / "gguf"):
        assert (home / "calibration.json").is_file()
    code, out, err = call("run", run, "stop now 3", "--json")
    if code == 0:
        assert json.loads(out).get("decision") in (None, "answer", "ask", "fall back")
        assert 0 <= json.loads(out)["confidence"] <= 1


def test_a_model_behind_a_network_is_scored_and_asked_once(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("openai")
    file = tmp_path / "test.jsonl"
    file.write_text("\n".join(map(json.dumps, ROWS["classify"])))
    monkeypatch.setenv("POCKETLM_CACHE", str(tmp_path / "cache"))
    with TeacherServer(lambda text: "```\na\n```", plan=["429", "ok", "500"]).running() as server:
        engine = f"{server.url}/v1#m"
        code, out, err = call("eval", engine, file, "--json")
        assert code == 0, err
        assert json.loads(out)["metrics"]["accuracy"] == 0.5
        asked = len(server.asked)
        assert call("compare", engine, engine, "--data", file)[0] == 0
        assert len(server.asked) == asked
        assert call("eval", engine, file, "--fresh")[0] == 0
        assert len(server.asked) == asked + len(ROWS["classify"])
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    for words in (["eval", "openai:gpt-5", file], ["compare", "openai:gpt-5", "openai:gpt-5", "--data", file]):
        code, _, err = call(*words)
        assert code == 1
        assert "price" in err or "add --yes" in err


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--task", "paint"], 'no task is named "paint"'),
        (["--tools-in-prompt", "some"], "choose one of"),
        (["--gate", "accuracy>>1"], "expected a metric"),
    ],
)
def test_what_cannot_be_scored_is_said(
    call: Call, tiny_llama: Path, tmp_path: Path, arguments: list[str], says: str
) -> None:
    file = tmp_path / "test.jsonl"
    file.write_text('{"text": "a", "label": "b"}\n')
    code, out, err = call("eval", tiny_llama, file, *arguments)
    assert (code, out) == (1, "")
    assert says in err


def test_preferences_and_broken_rows_are_refused(call: Call, tiny_llama: Path, tmp_path: Path) -> None:
    file = tmp_path / "dpo.jsonl"
    file.write_text('{"prompt": "a", "chosen": "b", "rejected": "c"}\n')
    code, _, err = call("eval", tiny_llama, file)
    assert (code, "preferences" in err) == (1, True)
    file.write_text('{"text": "a", "label": "b"}\n{"text": 7, "label": "b"}\n')
    code, _, err = call("eval", tiny_llama, file)
    assert code == 1
    assert "dpo.jsonl:2" in err
