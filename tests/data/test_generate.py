"""Rows from teachers, end to end over real HTTP: the money, the kill, the replay, the consent, the choice."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from teacher_server import TeacherServer

from pocketlm.cli.main import main
from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.data.asking import Rules
from pocketlm.data.budget import Prices
from pocketlm.data.generate import Generation, Order
from pocketlm.data.prompts import known_prompts, load_prompts
from pocketlm.engines.open import open_teacher

for package in ("openai", "rensa", "phonenumbers"):
    pytest.importorskip(package)

NAMES = [
    "Ada",
    "Bea",
    "Cleo",
    "Dora",
    "Edna",
    "Fay",
    "Gia",
    "Hope",
    "Ines",
    "Joan",
    "Kay",
    "Lena",
    "Mona",
    "Nora",
    "Olga",
    "Pia",
    "Rosa",
    "Sara",
    "Tess",
    "Uma",
]
PRICE = {"in": 100.0, "out": 1000.0}


def answer(text: str) -> str:
    """A teacher that does what it is asked, from the words of its prompt alone."""
    note = text.rpartition("\n\n")[2]
    name = next((one for one in NAMES if one in note), "nobody")
    if "sound as if" in text or "fit none" in text:
        return json.dumps([f"why is the sky blue {len(text)}", "what is love"])
    if "questions" in text:
        return json.dumps([{"question": f"Who met {name}?", "answer": name, "quote": note[:20]}])
    if "tags" in text:
        return json.dumps(["meeting", name.lower()])
    if "Take these out" in text:
        return json.dumps({"people": [name], "places": ["Atlantis"]})
    if "other ways" in text:
        return json.dumps([f"please {note}", "something else"])
    if "can call this function" in text:
        return json.dumps(
            [{"text": f"play {one}", "calls": [{"name": "play", "arguments": {"what": one}}]} for one in NAMES[:3]]
        )
    return f"A meeting of {name} and me."


@pytest.fixture
def server() -> Iterator[TeacherServer]:
    with TeacherServer(answer).running() as running:
        yield running


@pytest.fixture
def home(tmp_path: Path) -> Path:
    notes = [
        {"id": str(n), "content": f"Today {name} and I met at the old harbour, mail {name.lower()}@example.org."}
        for n, name in enumerate(NAMES)
    ]
    (tmp_path / "notes.json").write_text(json.dumps(notes))
    schema = {"type": "object", "properties": {"what": {"type": "string"}}, "required": ["what"]}
    (tmp_path / "tools.json").write_text(
        json.dumps([{"name": "play", "description": "Play music.", "parameters": schema}])
    )
    return tmp_path


def generation(
    home: Path, server: TeacherServer, make: tuple[str, ...] = ("summary",), models: str = "m", **settings: Any
) -> Generation:
    uris = tuple(f"{server.url}/v1#{model}" for model in models)
    prices = home / "prices.json"
    table = dict.fromkeys(uris, PRICE)
    prices.write_text(json.dumps({"date": "2999-01-01", "per_million_tokens": table}))
    return Generation(
        Order(make, uris, **settings), home / "out", seeds=home / "notes.json", tools=home / "tools.json", prices=prices
    )


def run(work: Generation, budget: float | None = None, **rules: Any) -> Any:
    asked, spent = work.ask(open_teacher, budget, Rules(**rules))
    return work.write(asked, spent)


def rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def true_cost(server: TeacherServer) -> float:
    return (server.tokens[0] * PRICE["in"] + server.tokens[1] * PRICE["out"]) / 1e6


def test_notes_become_rows_of_four_tasks(home: Path, server: TeacherServer) -> None:
    found = run(generation(home, server, ("notes",)))
    assert found.rows == {
        "instruct/summary.jsonl": 20,
        "instruct/questions.jsonl": 20,
        "classify/tags.jsonl": 20,
        "extract/extraction.jsonl": 20,
    }
    assert found.rejected == {"a value that does not stand in the text": 20}
    assert found.spent == pytest.approx(true_cost(server), abs=1e-5)
    one = rows(home / "out" / "extract" / "extraction.jsonl")[0]
    assert one["fields"] == {"people": ["Ada"]}
    made = one["provenance"]
    assert (
        made["prompt"] == "extraction"
        and made["version"] == 1
        and made["price"] > 0
        and time.time() - made["time"] < 60
    )
    requests = {
        row["messages"][0]["content"].split(" ")[0] for row in rows(home / "out" / "instruct" / "summary.jsonl")
    }
    assert requests == {"Summarize", "Write"}  # the variants take turns
    from pocketlm.data.check import check
    from pocketlm.data.gather import gather

    assert (
        len(gather(home / "out" / "classify").examples) == 20
        and check(gather(home / "out" / "instruct")).task == "instruct"
    )


def test_calls_and_requests_without_one(home: Path, server: TeacherServer) -> None:
    found = run(generation(home, server, ("calls", "no_calls", "hard_negatives"), rounds=2))
    assert found.rows["call/calls.jsonl"] == 3 and found.rejected["the same row again"] >= 3
    assert (home / "out" / "call" / "tools.json").is_file()
    assert all(row["calls"] == [] for row in rows(home / "out" / "call" / "no_calls.jsonl"))
    with pytest.raises(InputError, match="needs the app's functions"):
        Generation(Order(("calls",), ("m",)), home / "x", seeds=None, tools=None)


def test_rows_are_reworded(home: Path, server: TeacherServer) -> None:
    (home / "notes.json").write_text(
        json.dumps({"text": "play Ada", "calls": [{"name": "play", "arguments": {"what": "Ada"}}]}) + "\n"
    )
    found = run(generation(home, server, ("paraphrases",)))
    assert rows(home / "out" / "call" / "paraphrases.jsonl")[0]["text"] == "please play Ada"
    assert found.rejected == {"a value got lost": 1} and "Keep these as they are: Ada." in server.asked[0]["text"]


def test_a_second_run_asks_nothing_and_replay_needs_no_server(home: Path, server: TeacherServer) -> None:
    first = run(generation(home, server))
    asked = len(server.asked)
    again = generation(home, server)
    assert again.estimate().requests == 0
    assert run(again).asked.reused == 20 and len(server.asked) == asked
    before = (home / "out" / "instruct" / "summary.jsonl").read_bytes()
    (home / "out" / "instruct" / "summary.jsonl").unlink()
    replayed = generation(home, server)
    replayed.write(first.asked, 0)
    assert (home / "out" / "instruct" / "summary.jsonl").read_bytes() == before and len(server.asked) == asked


def test_failures_are_tried_again_and_waited_for(home: Path, server: TeacherServer) -> None:
    server.plan = ["429", "500", "429", "half", "malformed"]
    server.retry_after = "0.3"
    start = time.monotonic()
    found = run(generation(home, server), concurrency=2, first_wait_s=0.01)
    assert found.rows == {"instruct/summary.jsonl": 20} and time.monotonic() - start >= 0.3
    assert (
        len(server.asked) == 25 and sum(server.delivered.values()) == 22
    )  # the two lost answers alone were paid twice
    assert found.spent >= true_cost(server) - 1e-9  # and both counted


@pytest.mark.parametrize("concurrency", [1, 4, 16])
def test_the_budget_is_never_passed(concurrency: int, home: Path, server: TeacherServer) -> None:
    server.delay = 0.01
    cap = 0.9
    found = run(generation(home, server, ("notes",)), cap, concurrency=concurrency)
    assert found.asked.out_of_budget and found.asked.unasked > 0 and found.asked.answered > 0
    assert true_cost(server) == pytest.approx(found.spent, abs=1e-5) and found.spent <= cap
    more = run(
        generation(home, server, ("notes",)), cap, concurrency=concurrency
    )  # again with the same cap: nothing left
    assert more.spent <= cap and true_cost(server) <= cap
    assert not run(generation(home, server, ("notes",)), 100.0).asked.unasked
    assert max(server.delivered.values()) == 1


def test_bounded_concurrency_and_pace(home: Path, server: TeacherServer) -> None:
    server.delay = 0.02
    run(generation(home, server), concurrency=3)
    assert 2 <= server.most_at_once <= 3
    start = time.monotonic()
    run(generation(home, server, seed=1, limit=5), per_minute=600)
    assert time.monotonic() - start >= 0.4  # five starts, a tenth of a second apart


@pytest.mark.parametrize("when", [3, 8, 15])
def test_killed_in_the_middle_and_nothing_is_asked_twice(when: int, home: Path, server: TeacherServer) -> None:
    server.delay = 0.05
    generation(home, server)
    uri = f"{server.url}/v1#m"
    command = [
        sys.executable, "-m", "pocketlm", "data", "generate", str(home / "notes.json"), "--make", "summary", "--teacher", uri,
        "--out", str(home / "out"), "--prices", str(home / "prices.json"), "--concurrency", "2", "--json",
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while sum(server.delivered.values()) < when and child.poll() is None:
        time.sleep(0.002)
    os.kill(child.pid, signal.SIGKILL)
    child.communicate()
    time.sleep(0.2)  # what was under way at the server ends
    kept = {
        json.loads(line)["answered"]
        for line in (home / "out" / "ledger.jsonl").read_bytes().split(b"\n")[:-1]
        if b'"answered"' in line
    }
    assert when - 3 <= len(kept) < 20
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["rows"] == {"instruct/summary.jsonl": 20}
    assert result["asked"]["reused"] == len(kept) and result["asked"]["answered"] == 20 - len(kept)
    assert all(server.delivered[key] == 1 for key in kept)  # nothing that was stored was asked again
    assert sum(server.delivered.values()) <= 20 + 2  # at most what was on its way when it was killed
    assert result["spent"] >= true_cost(server) - 1e-9


def test_interrupted_keeps_what_is_paid(home: Path, server: TeacherServer) -> None:
    server.delay = 0.1
    generation(home, server)
    command = [
        sys.executable, "-m", "pocketlm", "data", "generate", str(home / "notes.json"), "--make", "summary", "--teacher",
        f"{server.url}/v1#m", "--out", str(home / "out"), "--prices", str(home / "prices.json"), "--concurrency", "2",
    ]  # fmt: skip
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while sum(server.delivered.values()) < 4:
        time.sleep(0.01)
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert child.returncode == 130
    assert len(rows(home / "out" / "instruct" / "summary.jsonl")) == sum(server.delivered.values()) < 20


def test_masked_on_the_way_and_whole_at_home(home: Path, server: TeacherServer) -> None:
    server.answer = lambda text: f"Write to [EMAIL_1]: {'@' in text}"
    run(generation(home, server, redact=True))
    assert all("@" not in one["text"] and "[EMAIL_1]" in one["text"] for one in server.asked)
    row = rows(home / "out" / "instruct" / "summary.jsonl")[0]["messages"]
    assert "mail ada@example.org" in row[0]["content"] and row[1]["content"] == "Write to ada@example.org: False"


def test_nothing_leaves_without_consent(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "test")
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    command = [
        "pocketlm",
        "data",
        "generate",
        str(home / "notes.json"),
        "--teacher",
        "openai:gpt-4o-mini",
        "--out",
        str(home / "o"),
    ]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as left:
        main()
    told = capsys.readouterr().err
    assert left.value.code == 1 and "80 texts would leave this machine for api.openai.com" in told.replace("\n", " ")
    assert "Today Ada and I met" in told and "days old" in told.replace("\n", " ")  # what would be sent is shown
    monkeypatch.setattr(sys, "argv", [*command, "--dry-run", "--json", "--budget", "1"])
    main_result = _main(capsys)
    assert main_result["requests"] == 80 and 0 < main_result["about"] < main_result["most"] and main_result["hosts"]
    assert not (home / "o" / "ledger.jsonl").exists()


def _main(capsys: pytest.CaptureFixture[str]) -> Any:
    with pytest.raises(SystemExit) as left:
        main()
    assert left.value.code == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("how", ["consensus", "judge", "agreement", "first"])
def test_several_teachers(how: str, home: Path, server: TeacherServer) -> None:
    if how == "agreement":
        pytest.importorskip("wordllama")
    texts = {"a": "A fish sleeps.", "b": "A meeting at the harbour.", "c": "We met at the old harbour."}
    tags = {"a": ["fish", "sea"], "b": ["meeting", "Harbour"], "c": ["harbour", "meeting"]}

    def by_model(text: str) -> str:
        model = server.asked[-1]["body"]["model"]
        if "Which answer does best" in text:
            return "Answer C, of course."
        return json.dumps(tags[model]) if "tags" in text else texts[model]

    server.answer = by_model
    found = run(generation(home, server, ("summary", "tags"), models="abc", choose=how, limit=1), concurrency=1)
    summary = (
        [row["messages"][1]["content"] for row in rows(home / "out/instruct/summary.jsonl")]
        if "instruct/summary.jsonl" in found.rows
        else []
    )
    label = [row["label"] for row in rows(home / "out" / "classify" / "tags.jsonl")]
    wanted = {
        "first": ([texts["a"]], [tags["a"]]),
        "consensus": ([], [["meeting", "harbour"]]),
        "judge": ([texts["c"]], [tags["c"]]),
    }
    if how == "agreement":
        assert summary[0] in (texts["b"], texts["c"]) and sorted(label[0]) == ["harbour", "meeting"]
    else:
        assert (summary, label) == wanted[how]
    if how == "consensus":
        assert found.rejected["too few teachers agree"] == 4  # three summaries and one pair of tags


def test_what_exists_is_not_made_again(home: Path, server: TeacherServer) -> None:
    (home / "out" / "call").mkdir(parents=True)
    (home / "out" / "call" / "mine.jsonl").write_text(json.dumps({"text": "what is love?", "calls": []}) + "\n")
    found = run(generation(home, server, ("no_calls",)))
    assert found.rejected["a near twin of another row"] == 1


def test_long_notes_are_cut_between_paragraphs(home: Path, server: TeacherServer) -> None:
    paragraphs = [
        f"Paragraph {n} tells of Ada and the harbour. It goes on a while, {'and on ' * 20}." for n in range(60)
    ]
    (home / "notes.json").write_text(json.dumps([{"content": "\n\n".join(paragraphs)}]))
    work = generation(home, server)
    assert 3 <= len(work.questions) <= 4 and all(len(q.seed.text) <= 4000 for q in work.questions)
    assert all(text in " ".join(q.seed.text for q in work.questions) for text in paragraphs)


def test_prompt_sets_load_and_faults_are_named(tmp_path: Path) -> None:
    assert [one.name for one in load_prompts(["notes"])] == ["summary", "questions", "tags", "extraction"]
    assert len(load_prompts(known_prompts())) == 8
    for text, sentence in (
        ("no head", "its head is no prompt set's"),
        ("---\nversion: 1\ngives: poems\nmax_tokens: 5\n---\nx", 'gives "poems" is not known'),
        ("---\nversion: 1\ngives: tags\nmax_tokens: 5\n---\n{{nonsense}}", "{{nonsense}} is filled by nothing"),
        ("---\nversion: 1\ngives: tags\nof: planets\nmax_tokens: 5\n---\nx", 'of "planets" is not known'),
    ):
        (tmp_path / "p.md").write_text(text)
        with pytest.raises(InputError) as caught:
            load_prompts([str(tmp_path / "p.md")])
        assert sentence in str(caught.value)
    with pytest.raises(InputError, match="no such prompt set; known: notes, calls"):
        load_prompts(["poems"])


def test_prices_of_the_packaged_table_are_sane() -> None:
    assert all(0 < price.read <= price.written for price in Prices().models.values())


def test_a_budget_is_used_up_however_many_ask(home: Path, server: TeacherServer) -> None:
    server.delay = 0.01
    all_of_it = run(generation(home, server)).spent
    (home / "out" / "ledger.jsonl").unlink()
    worst = (
        max(ask.max_tokens * PRICE["out"] + 1000 * PRICE["in"] for ask in generation(home, server).questions[0].asks)
        / 1e6
    )
    found = run(
        generation(home, server), all_of_it + worst, concurrency=16
    )  # room for one worst case beside the true cost
    assert found.asked.answered == 20 and not found.asked.out_of_budget


def test_the_cap_outlives_kills(home: Path, server: TeacherServer) -> None:
    server.delay = 0.03
    generation(home, server)
    cap = 1.5
    command = [*_command(home, server), "--budget", str(cap)]
    for more in (2, 3):
        enough = sum(server.delivered.values()) + more
        child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        while sum(server.delivered.values()) < enough and child.poll() is None:
            time.sleep(0.002)
        os.kill(child.pid, signal.SIGKILL)
        child.communicate()
        time.sleep(0.1)
    result = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    assert true_cost(server) <= result["spent"] <= cap
    assert result["asked"]["out_of_budget"] and result["asked"]["unasked"] > 0


def _command(home: Path, server: TeacherServer, *more: str) -> list[str]:
    return [
        sys.executable, "-m", "pocketlm", "data", "generate", str(home / "notes.json"), "--make", "summary", "--teacher",
        f"{server.url}/v1#m", "--out", str(home / "out"), "--prices", str(home / "prices.json"), "--json", *more,
    ]  # fmt: skip


def test_one_refused_text_stops_nobody(home: Path, server: TeacherServer) -> None:
    server.fate = {"Dora": "400"}
    found = run(generation(home, server))
    assert found.rows == {"instruct/summary.jsonl": 19} and found.asked.failed.total() == 1
    assert found.spent == pytest.approx(true_cost(server), abs=1e-5)
    server.fate = {}
    asked = len(server.asked)
    assert run(generation(home, server)).rows == {"instruct/summary.jsonl": 20} and len(server.asked) == asked + 1


def test_where_every_text_is_refused_asking_ends(home: Path, server: TeacherServer) -> None:
    server.fate = {"": "400"}
    with pytest.raises(InputError, match="refused with 400"):
        run(generation(home, server), concurrency=2)
    assert len(server.asked) <= 4


def test_a_server_that_is_down_is_not_asked_for_hours(home: Path, server: TeacherServer) -> None:
    server.fate = {"": "500"}
    with pytest.raises(EnvironmentLacks, match="run the same command later, what was answered is kept"):
        run(generation(home, server), concurrency=1, first_wait_s=0.001)
    assert len(server.asked) == 18  # three requests, six times each


def test_a_server_that_says_much_later_is_believed(home: Path, server: TeacherServer) -> None:
    server.fate = {"Dora": "429"}
    server.retry_after = "3600"
    with pytest.raises(EnvironmentLacks, match="may be asked again in 60 minutes"):
        run(generation(home, server))


def test_what_was_answered_before_an_end_becomes_rows(home: Path, server: TeacherServer) -> None:
    server.plan = ["ok"] * 5 + ["401"] * 9
    generation(home, server)
    done = subprocess.run(_command(home, server, "--concurrency", "1"), capture_output=True, text=True)
    assert done.returncode == 1 and "check its API key" in done.stdout
    assert len(rows(home / "out" / "instruct" / "summary.jsonl")) == 5


def test_replay_with_the_server_gone(home: Path, server: TeacherServer) -> None:
    run(generation(home, server))
    (home / "prices.json").unlink()  # and its price forgotten
    file = home / "out" / "instruct" / "summary.jsonl"
    before = file.read_bytes()
    file.unlink()
    gone = TeacherServer(answer)
    gone.port = server.port
    command = [one for one in _command(home, gone, "--replay") if one not in ("--prices", str(home / "prices.json"))]
    asked = len(server.asked)
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    result = json.loads(done.stdout)
    assert result["rows"] == {"instruct/summary.jsonl": 20} and result["asked"]["reused"] == 20
    assert file.read_bytes() == before and len(server.asked) == asked


def test_a_judgement_cut_off_is_made_up_for(home: Path, server: TeacherServer) -> None:
    server.answer = lambda text: (
        "B" if "Which answer" in text else f"We met at the harbour, says {server.asked[-1]['body']['model']}."
    )
    work = generation(home, server, models="ab", choose="judge", limit=3)
    assert work.estimate().requests == 9  # two teachers and a judge for each of three
    server.fate = {"Which answer": "401"}
    with pytest.raises(InputError, match="401"):
        run(work, concurrency=1)
    server.fate = {}
    again = generation(home, server, models="ab", choose="judge", limit=3)
    assert again.estimate().requests == 3
    assert (
        run(again).asked.answered == 3
        and generation(home, server, models="ab", choose="judge", limit=3).estimate().requests == 0
    )
    answers = [row["messages"][1]["content"] for row in rows(home / "out" / "instruct" / "summary.jsonl")]
    assert answers == ["We met at the harbour, says b."]  # the others are near twins of it


def test_rows_of_other_notes_stay_in_their_file(home: Path, server: TeacherServer) -> None:
    run(generation(home, server, ("summary", "tags")))
    other = [
        {"content": "Ada rowed over the lake to see the herons at noon."},
        {"content": "Today Ada and I met at the old harbour, mail ada@example.org."},
    ]
    (home / "notes.json").write_text(json.dumps(other))
    found = run(generation(home, server, ("summary", "tags")))
    assert found.rows["classify/tags.jsonl"] == 21  # the one that is in both is there once
    texts = [row["text"] for row in rows(home / "out" / "classify" / "tags.jsonl")]
    assert len(set(texts)) == 21 and other[0]["content"] in texts


def test_masks_that_do_not_come_back_whole_are_refused(home: Path, server: TeacherServer) -> None:
    server.answer = lambda text: json.dumps(["meeting", "email_1"]) if "Dora" in text else json.dumps(["meeting"])
    found = run(generation(home, server, ("tags",), redact=True, instructions="I am boss@example.org."))
    assert found.rejected == {"a mask that cannot be put back": 1}
    assert all("boss" not in json.dumps(one["body"]) for one in server.asked)


def test_masked_values_fit_into_json(home: Path, server: TeacherServer) -> None:
    block = '-----BEGIN PRIVATE KEY-----\nMIIE"x\n-----END PRIVATE KEY-----'
    (home / "notes.json").write_text(json.dumps([{"content": f"Ada keeps this:\n{block}\nat home."}]))
    server.answer = lambda text: json.dumps({"secrets": ["[PRIVATE_KEY_1]"], "people": ["Ada"]})
    run(generation(home, server, ("extraction",), redact=True))
    assert "MIIE" not in server.asked[0]["text"]
    assert rows(home / "out" / "extract" / "extraction.jsonl")[0]["fields"] == {"secrets": [block], "people": ["Ada"]}


@pytest.mark.parametrize("says", ["n", "y"])
def test_asked_on_a_terminal(
    says: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    opened: list[str] = []

    def record(uri: str) -> None:
        opened.append(uri)
        raise InputError("far enough")

    monkeypatch.setattr("pocketlm.engines.open.open_teacher", record)
    monkeypatch.setattr("typer.confirm", lambda *_, **__: says == "y")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr(
        sys,
        "argv",
        [
            "pocketlm",
            "data",
            "generate",
            str(home / "notes.json"),
            "--teacher",
            "openai:gpt-4o-mini",
            "--out",
            str(home / "o"),
            "--json",
        ],
    )
    with pytest.raises(SystemExit) as left:
        main()
    assert (left.value.code, opened) == ((130, []) if says == "n" else (1, ["openai:gpt-4o-mini"]))
    told = capsys.readouterr().err  # also with --json: it is what is agreed to
    assert "80 texts would leave this machine for api.openai.com" in told and "Today Ada and I met" in told
    assert "80 of them hold emails, numbers or secrets; --redact masks these" in told


@pytest.mark.starter
def test_the_starter_teaches(home: Path) -> None:
    order = Order(("summary", "tags"), ("starter:smollm2-135m",), limit=2)
    work = Generation(order, home / "out", seeds=home / "notes.json", tools=None)
    asked, spent = work.ask(open_teacher, 0.0)
    found = work.write(asked, spent)
    assert asked.answered == 4 and spent == 0
    assert sum(found.rows.values()) + found.rejected.total() >= 4
