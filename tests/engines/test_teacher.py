"""Teachers through their makers' libraries against a real server: one row a library, every way to fail."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from teacher_server import TeacherServer

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.engines.open import open_teacher
from pocketlm.engines.remote import AnthropicTeacher, GoogleTeacher, OpenAITeacher, _retry_after, host_of, is_loopback
from pocketlm.engines.teacher import Busy, Lost, Refused, Reply, Teacher
from pocketlm.tasks.template import Message

MESSAGES = (Message("system", "be brief"), Message("user", "say hi"))
KEYS = ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "GEMINI_API_KEY")
Open = Callable[[str, float], Teacher]
TEACHERS: dict[str, tuple[str, Open]] = {
    "server": ("openai", lambda url, s: OpenAITeacher(f"{url}/v1#m", "m", timeout_s=s)),
    "openai": ("openai", lambda url, s: OpenAITeacher("openai:m", "m", timeout_s=s)),
    "anthropic": ("anthropic", lambda url, s: AnthropicTeacher("anthropic:m", "m", timeout_s=s)),
    "google": ("google.genai", lambda url, s: GoogleTeacher("google:m", "m", timeout_s=s)),
}


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[TeacherServer]:
    with TeacherServer(lambda text: f"you said {text}").running() as running:
        monkeypatch.setenv("OPENAI_BASE_URL", f"{running.url}/v1")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", running.url)
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", running.url)
        for name in KEYS[:3]:
            monkeypatch.setenv(name, "test")
        yield running


def ask(teacher: Teacher) -> Reply:
    return teacher.chat(MESSAGES, max_tokens=50, temperature=0.5, seed=1, key="k1")


@pytest.mark.parametrize("name", TEACHERS)
def test_an_answer(name: str, server: TeacherServer) -> None:
    pytest.importorskip(TEACHERS[name][0])
    teacher = TEACHERS[name][1](server.url, 5)
    reply = ask(teacher)
    assert reply == Reply("you said say hi", 4, 6, True)
    assert teacher.host == host_of(teacher.uri) == f"127.0.0.1:{server.port}" and is_loopback(teacher.host)
    body = server.asked[0]["body"]
    assert "be brief" in str(body) and "50" in str(body)
    if name != "google":  # whose interface has no such key
        assert server.asked[0]["key"] == "k1"


@pytest.mark.parametrize("name", TEACHERS)
@pytest.mark.parametrize(
    ("fate", "error", "says"),
    [
        ("429", Busy, "429"),
        ("500", Busy, "500"),
        ("504", Lost, "504"),  # of a gateway, which does not know what the model did
        ("400", Refused, "refused with 400"),
        ("401", InputError, "check its API key"),
        ("404", InputError, "check the model's name"),
        ("credit", InputError, "has no credit left"),
        ("elsewhere", InputError, "sends us on to http://127.0.0.1"),
        ("slow", Lost, "within 0.5 s"),
        ("half", Lost, ""),
        ("malformed", Lost, ""),
    ],
)
def test_failures_are_told_apart(
    name: str, fate: str, error: type[Exception], says: str, server: TeacherServer
) -> None:
    pytest.importorskip(TEACHERS[name][0])
    server.plan = [fate]
    teacher = TEACHERS[name][1](server.url, 0.5)
    with pytest.raises(error) as caught:
        ask(teacher)
    assert says in str(caught.value)
    assert len(server.asked) == 1  # the library did not try again behind our back
    assert type(caught.value) is error
    if isinstance(caught.value, Busy) and fate in ("429", "504"):
        assert caught.value.after == 0.05
    assert ask(TEACHERS[name][1](server.url, 5)).text == "you said say hi"


@pytest.mark.parametrize("name", TEACHERS)
def test_an_answer_without_text_is_one_and_is_paid_for(name: str, server: TeacherServer) -> None:
    pytest.importorskip(TEACHERS[name][0])
    server.plan = ["silent"]
    assert ask(TEACHERS[name][1](server.url, 5)) == Reply("", 4, 1, True)


def test_a_server_that_does_not_count(server: TeacherServer) -> None:
    pytest.importorskip("openai")
    server.plan = ["uncounted"]
    assert ask(TEACHERS["server"][1](server.url, 5)) == Reply("you said say hi", None, None, True)


@pytest.mark.parametrize("name", TEACHERS)
def test_no_proxy_stands_between_us_and_this_machine(
    name: str, server: TeacherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(TEACHERS[name][0])
    for variable in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    assert ask(TEACHERS[name][1](server.url, 5)).text == "you said say hi"


def test_a_makers_key_goes_to_the_maker_alone(server: TeacherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.setenv("OPENAI_API_KEY", "dear")
    monkeypatch.delenv("TEACHER_API_KEY", raising=False)
    ask(open_teacher(f"{server.url}/v1#m"))
    monkeypatch.setenv("TEACHER_API_KEY", "own")
    ask(open_teacher(f"{server.url}/v1#m"))
    ask(open_teacher("openai:m"))
    assert [one["authorization"] for one in server.headers] == ["Bearer none", "Bearer own", "Bearer dear"]
    assert not any(part in str(server.headers).lower() for part in ("traceparent", "telemetry"))
    with pytest.raises(InputError, match=r"^host/v1: put no password into an address"):
        open_teacher("http://me:secret@host/v1#m")


def test_google_stays_where_it_was_said_to_go(server: TeacherServer, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("google.genai")
    monkeypatch.setenv("GOOGLE_GENAI_USE_VERTEXAI", "true")
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "p")
    assert ask(open_teacher("google:m")).text == "you said say hi"


@pytest.mark.parametrize("name", TEACHERS)
def test_a_server_that_is_not_there_cost_nothing(
    name: str, server: TeacherServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(TEACHERS[name][0])
    for variable, path in (("OPENAI_BASE_URL", "/v1"), ("ANTHROPIC_BASE_URL", ""), ("GOOGLE_GEMINI_BASE_URL", "")):
        monkeypatch.setenv(variable, f"http://127.0.0.1:9{path}")
    with pytest.raises(Busy, match="cannot be reached"):
        ask(TEACHERS[name][1]("http://127.0.0.1:9", 2))


@pytest.mark.parametrize(("uri", "variable"), [("openai:m", KEYS[0]), ("anthropic:m", KEYS[1]), ("google:m", KEYS[2])])
def test_a_missing_key_is_named(uri: str, variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip(TEACHERS[uri.partition(":")[0]][0])
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(EnvironmentLacks, match=variable):
        open_teacher(uri)


def test_names() -> None:
    with pytest.raises(InputError, match="name a model, such as openai:MODEL"):
        open_teacher("openai:")
    with pytest.raises(InputError, match="name a model after a #"):
        open_teacher("http://127.0.0.1:1/v1")
    with pytest.raises(InputError, match="no such run"):
        open_teacher("runs/none")


def test_a_missing_library_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "anthropic", None)
    with pytest.raises(EnvironmentLacks, match=r"pip install 'pocketlm\[teachers\]'"):
        open_teacher("anthropic:m")


def test_an_engine_of_this_machine_teaches(tiny_llama: Path) -> None:
    teacher = open_teacher(str(tiny_llama))
    reply = teacher.chat([Message("user", "hi")], max_tokens=5, temperature=0, seed=0, key="k")
    assert teacher.host == "" and reply.input_tokens > 2 and 0 < reply.output_tokens <= 5
    teacher.close()


def test_waiting_times() -> None:
    assert (
        _retry_after({"retry-after": "2.5"}) == 2.5
        and _retry_after({}) is None
        and _retry_after({"retry-after": "x"}) is None
    )
    assert _retry_after({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0


@pytest.mark.parametrize(
    ("host", "here"),
    [("localhost:80", True), ("127.0.0.5", True), ("[::1]:8080", True), ("api.openai.com", False), ("10.0.0.1:80", False), ("127.0.0.1.evil.org", False)],
)  # fmt: skip
def test_what_is_this_machine(host: str, here: bool) -> None:
    assert is_loopback(host) == here
