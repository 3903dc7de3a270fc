"""What an answer costs: structure and orderings on tiny models, arithmetic against known answers. No times are asserted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from pocketlm.core.energy import energy_meter
from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.engines.open import engine_path, open_engine
from pocketlm.evaluate import latency as module
from pocketlm.evaluate import latency_process
from pocketlm.evaluate.latency import METRICS, Answer, Latency, amount, measure_latency, percentile, verdicts
from pocketlm.evaluate.latency_page import latency_section, latency_text
from pocketlm.evaluate.store import identity_of
from pocketlm.export.gguf import export_gguf
from pocketlm.tasks.template import CHATML

PROMPTS = [f"<|im_start|>user\n{ask}<|im_end|>\n<|im_start|>assistant\n" for ask in ("Set an alarm", "Play", "ü 1 2")]
GRAMMAR = 'root ::= "yes" | "no" [a-c]\n'


def made(times: list[float], **other: Any) -> Latency:
    """A latency of answers that took so many ms, 9 tokens each, the first text after a quarter of it."""
    answers = tuple(Answer(time / 4, time, 9) for time in times)
    plain = Latency(
        engine="m.gguf", machine="a <laptop>", threads=2, busy=0.0, max_tokens=128, constrained=False, opening_ms=500.0,
        first=Answer(300.0, 400.0, 9), warm=answers, uncached=answers[:3], cut=0, different=3, prompt_tokens=40,
        memory_mb=212.5, size_mb=91.4, watts=45.0, joules=None,
    )  # fmt: skip
    return replace(plain, **other)


@pytest.fixture(scope="module", params=["torch", "llamacpp"])
def uri(request: pytest.FixtureRequest, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "torch":
        return str(tiny_llama)
    pytest.importorskip("xllamacpp")
    file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
    export_gguf(tiny_llama, file, precision="f32", chat_template=CHATML.jinja, stop_token=CHATML.stop)
    return str(file)


# ------------------------------------------------------------------------------------------------- measured


@pytest.fixture(scope="module")
def found(uri: str) -> Latency:
    return measure_latency(uri, PROMPTS, threads=1, max_tokens=12, repeats=2)


def test_all_is_measured_and_in_order(found: Latency, uri: str) -> None:
    assert (found.engine, found.threads, found.different, found.constrained) == (uri, 1, 3, False)
    assert len(found.warm) == 2 * len(PROMPTS)
    assert len(found.uncached) == len(PROMPTS)
    for answer in (found.first, *found.warm, *found.uncached):
        assert 0 < answer.first_ms <= answer.whole_ms
        assert answer.tokens is None or 1 <= answer.tokens <= 12
    assert any(answer.tokens for answer in found.warm)
    metrics = found.metrics
    assert list(metrics) == list(METRICS)
    assert metrics["p50_ms"] <= metrics["p95_ms"] <= metrics["p99_ms"] <= metrics["call_ms"]
    assert metrics["first_token_ms"] <= metrics["p50_ms"]
    assert metrics["cold_ms"] > found.opening_ms > 0
    assert all(value > 0 for value in metrics.values())
    assert found.size_mb < found.memory_mb < 10_000


def test_the_size_is_that_of_the_weights(found: Latency, uri: str) -> None:
    place = Path(uri)
    file = place if place.is_file() else place / "model.safetensors"
    assert found.size_mb == pytest.approx(file.stat().st_size / 1e6)


def test_it_goes_through_a_file_unchanged(found: Latency) -> None:
    assert Latency.from_json(json.loads(json.dumps(found.to_json()))) == found


def test_it_can_be_shown(found: Latency) -> None:
    assert found.machine in latency_text(found)
    assert "<svg" in latency_section(found)


def test_answers_are_held_to_their_grammars(uri: str) -> None:
    grammars = [GRAMMAR, 'root ::= "a"', 'root ::= "no"']
    found = measure_latency(uri, PROMPTS, grammars=grammars, threads=1, max_tokens=12)
    assert found.constrained
    assert found.cut == 0
    assert all(answer.tokens and answer.tokens <= 5 for answer in found.warm)


def test_threads_are_those_asked_for(tiny_llama: Path) -> None:
    import torch

    before = torch.get_num_threads()
    try:
        open_engine(str(tiny_llama), threads=1).close()
        assert torch.get_num_threads() == 1
    finally:
        torch.set_num_threads(before)


def test_an_engine_is_found_where_it_is_opened(tiny_llama: Path, tmp_path: Path) -> None:
    assert engine_path(str(tiny_llama)) == tiny_llama
    assert engine_path("deep/model.gguf") == Path("deep/model.gguf")
    (tmp_path / "bundle.gguf").touch()
    assert engine_path(str(tmp_path)) == tmp_path / "bundle.gguf"
    with pytest.raises(InputError, match="no such run"):
        engine_path(str(tmp_path / "nothing"))


def test_weights_beside_an_exported_file_count(tmp_path: Path) -> None:
    """An ONNX graph is the same whatever its weights are: they lie in a file beside it."""
    graph, data = tmp_path / "model.onnx", tmp_path / "model.onnx.data"
    graph.write_bytes(b"graph")
    data.write_bytes(b"weights")
    before = [identity_of(str(graph)), identity_of(str(tmp_path))]
    assert latency_process._weights(str(graph)) == len(b"graph" + b"weights")
    data.write_bytes(b"others!")
    assert all(a != b for a, b in zip(before, [identity_of(str(graph)), identity_of(str(tmp_path))], strict=True))


# -------------------------------------------------------------------------------------------- what goes wrong


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"prompts": []}, "no prompts to time"),
        ({"repeats": 0}, "repeats is 0; at least 1"),
        ({"max_tokens": 0}, "max_tokens is 0; at least 1"),
        ({"threads": 0}, "threads is 0; at least 1"),
        ({"grammars": ["a"]}, "1 grammars for 3 prompts"),
    ],
)
def test_bad_requests_start_nothing(asked: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND", ("/nothing/to/start",))
    with pytest.raises(InputError, match=said):
        measure_latency("m.gguf", **{"prompts": PROMPTS, **asked})


def test_an_error_of_the_engine_is_told_as_it_is(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nothing\.gguf: no such file"):
        measure_latency(str(tmp_path / "nothing.gguf"), PROMPTS)


@pytest.mark.parametrize(
    ("code", "kind", "said"),
    [
        ("import os; os.kill(os.getpid(), 9)", EnvironmentLacks, "ended early: the system killed it"),
        ("import os; os.kill(os.getpid(), 11)", EnvironmentLacks, "by signal SIGSEGV"),
        ("input(); raise ValueError('no luck')", InputError, "ValueError: no luck"),
        ("raise SystemExit(7)", InputError, "exit code 7"),
        ("""input(); print('{"done": 1}'); print('{"fou', end='')""", InputError, "exit code 0"),
        ("""input(); print('{"lacks": "pip install it"}')""", EnvironmentLacks, "^pip install it$"),
    ],
)
def test_a_process_that_dies_gives_one_sentence(
    code: str, kind: type[Exception], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMMAND", (sys.executable, "-c", code))
    with pytest.raises(kind, match=said) as told:
        measure_latency("m.gguf", PROMPTS)
    assert "\n" not in str(told.value)


def _runs(process: psutil.Process) -> bool:
    try:
        return bool(process.status() != psutil.STATUS_ZOMBIE)  # an orphan nobody waits for stays as one
    except psutil.NoSuchProcess:
        return False


def test_an_interrupt_leaves_nothing_running(uri: str, tmp_path: Path) -> None:
    started = tmp_path / "started"
    code = (
        "import pathlib, signal\n"
        "from pocketlm.evaluate import latency\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background inherits that it is ignored\n"
        "follow = latency._follow\n"
        f"latency._follow = lambda i, o, j, tick: follow(i, o, j, lambda n: pathlib.Path({str(started)!r}).touch())\n"
        f"latency.measure_latency({uri!r}, {PROMPTS!r}, threads=1, max_tokens=12, repeats=100000)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    try:
        while not started.exists():
            assert process.poll() is None
            time.sleep(0.05)
        below = psutil.Process(process.pid).children(recursive=True)
        assert below
        os.kill(process.pid, signal.SIGINT)
        process.wait(timeout=60)
        until = time.monotonic() + 60
        while any(_runs(one) for one in below):
            assert time.monotonic() < until
            time.sleep(0.05)
    finally:
        process.kill()
        process.wait()


# ------------------------------------------------------------------------------------------------- arithmetic


@pytest.mark.parametrize(
    ("values", "q", "expected"),
    [
        ([7.0], 50, 7), ([7.0], 99, 7), ([1.0, 2.0], 50, 1), ([1.0, 2.0], 51, 2), ([3.0, 1.0, 2.0], 50, 2),
        ([15.0, 20.0, 35.0, 40.0, 50.0], 30, 20), ([15.0, 20.0, 35.0, 40.0, 50.0], 40, 20), ([15.0, 20.0, 35.0, 40.0, 50.0], 100, 50),
        ([float(i) for i in range(1, 101)], 95, 95), ([float(i) for i in range(1, 101)], 99, 99),
        ([float(i) for i in range(1, 21)], 95, 19), ([float(i) for i in range(1, 21)], 99, 20), ([float(i) for i in range(1, 101)], 7, 7),
    ],
)  # fmt: skip
def test_percentiles_are_values_that_occurred(values: list[float], q: int, expected: float) -> None:
    assert percentile(values, q) == expected


def test_metrics_of_known_answers() -> None:
    metrics = made([100.0, 200.0, 300.0, 400.0]).metrics
    assert metrics["p50_ms"] == 200
    assert metrics["p95_ms"] == metrics["p99_ms"] == metrics["call_ms"] == 400
    assert metrics["first_token_ms"] == 50
    assert metrics["token_ms"] == pytest.approx(0.75 * 1000 / (4 * 8))
    assert metrics["cold_ms"] == 800
    assert metrics["wh_per_1000"] == pytest.approx(45 * 250 / 3600)  # 250 s for 1,000 answers
    assert made([100.0], joules=36.0).metrics["wh_per_1000"] == pytest.approx(10)


def test_uncounted_and_one_token_answers_have_no_time_per_token() -> None:
    odd = made([100.0], warm=(Answer(5.0, 9.0, None), Answer(9.0, 9.0, 1)))
    assert "token_ms" not in odd.metrics
    assert "the tokens of 1 answers could not be counted" in odd.warnings
    assert verdicts(odd, {"token_ms": 5}) == [
        ("token_ms", False, "the average time of each further token was not measured: no answer had two tokens")
    ]
    assert "further token" not in latency_text(odd)


def test_warnings_say_what_to_know() -> None:
    assert made([100.0] * 100).warnings == []
    (few,) = made([100.0] * 99).warnings
    assert few == "p99 of 99 answers is only the slowest few; ask 100 or more"
    odd = made([100.0] * 100, different=1, cut=2, busy=0.6).warnings
    assert len(odd) == 3
    assert "answers to 2 prompts were cut at 128 tokens" in odd


def test_verdicts_are_sentences() -> None:
    quick = made([143.24] * 120)
    assert verdicts(quick) == [
        ("p95_ms", True, "p95 of an answer is 143.2 ms with 2 threads, under the target of 200 ms"),
        ("call_ms", True, "the longest of 120 answers is 143.2 ms with 2 threads, under the target of 300 ms"),
    ]
    ((_, passed, said),) = verdicts(made([200.0], threads=1), {"p95_ms": 200})
    assert not passed
    assert said == "p95 of an answer is 200 ms with 1 thread, and not under the target of 200 ms"
    ((_, passed, said),) = verdicts(quick, {"memory_mb": 100})
    assert not passed
    assert said == "the peak of memory is 212.5 MB with 2 threads, over the target of 100 MB"
    with pytest.raises(InputError, match='no target is named "p95ms"; did you mean "p95_ms"'):
        verdicts(quick, {"p95ms": 1})


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [("p95_ms", 143.24, "143.2 ms"), ("p95_ms", 200.0, "200 ms"), ("token_ms", 7.4567, "7.46 ms"), ("size_mb", 1204.4, "1,204 MB"),
     ("wh_per_1000", 0.01234, "0.0123 Wh"), ("", 12.0, "12")],
)  # fmt: skip
def test_amounts(name: str, value: float, expected: str) -> None:
    assert amount(name, value) == expected


def test_energy_is_read_from_whole_packages_and_counters_that_start_over(tmp_path: Path) -> None:
    assert energy_meter(tmp_path) is None
    for zone, name in (("intel-rapl:0", "package-0"), ("intel-rapl:0:0", "core"), ("intel-rapl:1", "psys")):
        (tmp_path / zone).mkdir()
        (tmp_path / zone / "name").write_text(f"{name}\n")
        (tmp_path / zone / "energy_uj").write_text("9000000\n")
        (tmp_path / zone / "max_energy_range_uj").write_text("9999999\n")
    joules = energy_meter(tmp_path)
    assert joules
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("9500000\n")
    assert joules() == pytest.approx(0.5)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("1000000\n")
    assert joules() == pytest.approx(2.0)
    (tmp_path / "intel-rapl:0" / "energy_uj").write_text("?")
    assert energy_meter(tmp_path) is None


# --------------------------------------------------------------------------------------------------- shown


@pytest.mark.parametrize(
    "times",
    [
        [100.0],
        [0.001],
        [5.0, 5.0],
        [float(i) for i in range(1, 5001)],
        [100.0] * 99 + [60_000.0],
        [250.0, 180.0, 900.0],
    ],
)
def test_the_picture_stays_inside_its_frame(times: list[float]) -> None:
    from xml.etree import ElementTree

    picture = latency_section(made(times))
    root = ElementTree.fromstring(picture[picture.index("<svg") : picture.index("</svg>") + 6])
    for node in root.iter():
        for name in ("x", "x1", "x2", "cx"):
            assert 0 <= float(node.get(name, 0)) <= 640
        for name in ("y", "y1", "y2", "cy"):
            assert 0 <= float(node.get(name, 0)) <= 300
        pairs = [pair.split(",") for pair in node.get("points", "").split()]
        assert len(pairs) < 1000
        assert all(0 <= float(x) <= 640 and 0 <= float(y) <= 300 for x, y in pairs)
    assert "nan" not in picture


def test_the_section_is_escaped_and_says_all() -> None:
    section = latency_section(made([143.2] * 120 + [60_000.0]), {"p95_ms": 200, "call_ms": 300})
    assert "<laptop>" not in section
    assert "a &lt;laptop&gt;" in section
    for words in ("✓ passed", "✗ failed", "target 200 ms", "(1 longer)", "an estimate at 45 W", "121 answers"):
        assert words in section
    assert "measured by the processor" in latency_section(made([1.0], joules=2.0))
    assert "checks" not in latency_section(made([1.0]), {})


def test_the_text_says_all() -> None:
    lines = latency_text(made([100.0, 250.0])).splitlines()
    assert lines[0] == "m.gguf: 2 answers, one at a time with 2 threads on a <laptop>"
    assert lines[1].startswith("  FAILED  p95 of an answer is 250 ms")
    assert lines[2].startswith("  passed  the longest of 2 answers is 250 ms")
    assert any(line.startswith("whole answer, 2 answers ") for line in lines)
    assert lines[-1].startswith("note: p99 of 2 answers")


def test_reading_and_showing_need_no_torch() -> None:
    code = "import sys, pocketlm.evaluate.gate, pocketlm.evaluate.latency_page; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
