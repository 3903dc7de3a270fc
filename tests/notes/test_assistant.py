from __future__ import annotations

import inspect
import json
import subprocess
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from notes_tools import make_notebook

from pocketlm.core.errors import InputError
from pocketlm.engines.base import Generation
from pocketlm.notes.abilities import Abilities
from pocketlm.notes.assistant import Assistant
from pocketlm.notes.note import Draft, Link
from pocketlm.notes.notebook import Notebook
from pocketlm.notes.reminders import add_reminder, finish, reminders, to_ics
from pocketlm.notes.router import TOOLS_FILE, ModelRouter, RulesRouter, split_date
from pocketlm.tasks.call import Call, CallTask
from pocketlm.tasks.tools import ToolSet

NOW = datetime(2026, 3, 4, 10, 30)  # a Wednesday
NOTES = [
    Draft("fire", "A great fire broke out in Pudding Lane. Mrs. Jane Birch woke us at three.", "The fire", "1666-09-02"),
    Draft("roof", "The roofer wants 450 euros for the roof. TODO: call the roofer by Friday.", "Roof", "2026-02-20"),
    Draft("bread", "The sourdough rests twelve hours. Anna gave me the starter.", "Bread log", "2026-02-27", tags=("recipes",)),
]  # fmt: skip


class Scripted:
    """A router that gives the calls it was told to."""

    def __init__(self, *calls: Call) -> None:
        self.left = list(calls)

    def calls(self, request: str) -> list[Call]:
        return [self.left.pop(0)] if self.left else []


@pytest.fixture
def book(tmp_path: Path) -> Notebook:
    return make_notebook(tmp_path, NOTES)


def chat(book: Notebook, *calls: Call) -> Assistant:
    return Assistant(book, Scripted(*calls) if calls else None, now=lambda: NOW)


def test_every_function_has_a_method_that_takes_its_arguments() -> None:
    for tool in ToolSet.load(TOOLS_FILE):
        taken = inspect.signature(getattr(Abilities, tool.name)).parameters
        own = [name for name in taken if name not in ("self", "question", "tell")]
        assert own == list(tool.properties), tool.name
        required = [name for name in own if taken[name].default is inspect.Parameter.empty]
        assert set(required) - {"when"} == set(tool.required), tool.name  # a reminder without a time asks for it


def test_functions_that_write_and_no_others_ask_first() -> None:
    asking = {tool.name for tool in ToolSet.load(TOOLS_FILE) if tool.confirm}
    assert asking == {"create_note", "tag_note", "set_reminder"}


def test_found_notes_are_numbered_and_cited(book: Notebook) -> None:
    reply = chat(book).say("find my notes about the sourdough")
    first = reply.citations[0]
    assert first.note.key == "bread"
    assert first.note.content[first.span.start : first.span.stop] == first.text
    assert reply.text.startswith("1. #3 Bread log (27 February 2026): “The sourdough")


def test_the_second_one_is_the_second_shown(book: Notebook) -> None:
    assistant = chat(book)
    shown = [c.note.id for c in assistant.say("find notes about the roof").citations]
    assert len(shown) > 1
    assert assistant.say("open the second one").citations[0].note.id == shown[1]
    assert assistant.say("read it").citations[0].note.id == shown[1]


def test_a_pointer_without_anything_shown_says_so(book: Notebook) -> None:
    assert "shown no notes" in chat(book).say("open the second one").text


def test_a_number_beyond_what_was_shown_is_a_note(book: Notebook) -> None:
    assistant = chat(book, Call("read_note", {"note": "1"}), Call("read_note", {"note": "2"}))
    assert assistant.say("open 1").citations[0].note.id == 1
    assert assistant.say("open 2").citations[0].note.id == 2  # one note is shown, so 2 is no place in the list


def test_a_timeline_tells_what_is_open_on_a_side(tmp_path: Path) -> None:
    made = make_notebook(tmp_path, ["He is clerk since 1661. The house stood there before 1650."])
    told = Abilities(made, lambda: NOW).timeline().text.splitlines()
    assert [line.partition("  ")[0] for line in told] == ["before 1650", "since 1661"]


def test_a_note_is_written_only_after_a_yes(book: Notebook) -> None:
    assistant = chat(book)
    asked = assistant.say("write down: the gate code is 4410")
    assert asked.pending is not None
    assert "4410" in asked.text and book.store.count() == 3
    told = assistant.say("yes")
    assert book.store.count() == 4
    written = told.citations[0].note
    assert (written.content, written.date) == ("the gate code is 4410", "2026-03-04T10:30")
    assert assistant.say("find the gate code").citations[0].note.id == written.id


@pytest.mark.parametrize("answer", ["no", "never mind", "which tags do I have?"])
def test_anything_but_a_yes_writes_nothing(book: Notebook, answer: str) -> None:
    assistant = chat(book)
    assistant.say("write down: the gate code is 4410")
    assistant.say(answer)
    assert assistant.pending is None
    assert assistant.say("yes").text == "There is nothing to confirm."
    assert book.store.count() == 3


def test_a_tag_goes_to_the_note_that_was_meant_when_it_was_asked(book: Notebook) -> None:
    assistant = chat(book)
    assistant.say("open #3")
    assert "#3 Bread log" in assistant.say("tag it as baking").text
    assistant.confirm()
    assert book.store.tags(3) == ["baking", "recipes"]
    assert book.store.corrections("tag")[0][2:] == (3, {"tag": "baking"})


def test_a_reminder_is_set_for_the_moment_said(book: Notebook) -> None:
    assistant = chat(book)
    assert "Friday 6 March 2026, 09:00: call the roofer" in assistant.say("remind me on Friday to call the roofer").text
    assert reminders(book) == []
    assistant.say("yes")
    (made,) = reminders(book)
    assert (made.due, made.text) == (datetime(2026, 3, 6, 9), "call the roofer")


def test_a_reminder_without_a_time_asks_for_it(book: Notebook) -> None:
    assistant = chat(book)
    assert "When" in assistant.say("remind me to water the tomatoes").text
    assert "When" in assistant.say("yes").text
    assert "Thursday 5 March 2026, 08:00" in assistant.say("tomorrow at 8").text
    assistant.say("ok")
    assert [one.due for one in reminders(book)] == [datetime(2026, 3, 5, 8)]


@pytest.mark.parametrize(
    ("when", "due"),
    [
        ("tomorrow", datetime(2026, 3, 5, 9)),
        ("two hours", datetime(2026, 3, 4, 12, 30)),
        ("6 pm", datetime(2026, 3, 4, 18)),
        ("3 June", datetime(2026, 6, 3, 9)),
        ("next Tuesday at 7:15", datetime(2026, 3, 10, 7, 15)),
    ],
)
def test_times_of_reminders(book: Notebook, when: str, due: datetime) -> None:
    assert Abilities(book, lambda: NOW).due(when) == due


@pytest.mark.parametrize("when", ["yesterday", "every Friday", "the blue one"])
def test_times_that_no_reminder_can_have(book: Notebook, when: str) -> None:
    with pytest.raises(InputError):
        Abilities(book, lambda: NOW).due(when)


def test_what_about_changes_one_thing_of_the_last_request(book: Notebook) -> None:
    assistant = chat(book, Call("find_facts", {"kind": "people", "when": "February 2026"}))
    assert "Anna" in assistant.say("people in February 2026?").text
    then = assistant.say("and in 1666?")
    assert then.calls == (Call("find_facts", {"kind": "people", "when": "1666"}),)
    assert "Jane" in then.text
    assert assistant.say("and the places?").calls == (Call("find_facts", {"kind": "places", "when": "1666"}),)
    about = assistant.say("what about the roof?")
    assert about.calls == (Call("find_facts", {"kind": "places", "when": "1666", "about": "roof"}),)


def test_events_on_a_topic_are_those_told_of_in_the_time_asked_for(tmp_path: Path) -> None:
    plague = [
        Draft(f"plague {n}", f"On {n} May 1665 the plague, the plague.", date=f"1665-05-{n}") for n in range(10, 31)
    ]
    late = Draft("late", "The plague is over since yesterday. Yesterday, yesterday!", date="1667-01-02")
    assistant = Abilities(make_notebook(tmp_path, [*plague, late]), lambda: NOW)
    assert [event.said for _, event in assistant.events("plague", "January 1667")] == ["Yesterday", "since yesterday"]
    assert len(assistant.events("plague", "12 May 1665")) == 1


def test_a_question_is_asked_again_for_another_time(book: Notebook) -> None:
    asked: list[str] = []
    assistant = chat(book, Call("ask_notes", {}))
    assistant.abilities.ask_notes = lambda question, tell=None: asked.append(question) or _told()  # type: ignore[method-assign, func-returns-value]
    assistant.say("what burnt in 1666?")
    assistant.say("and in 1667?")
    assert asked == ["what burnt in 1666?", "what burnt in 1667?"]


def test_open_tasks_and_money_are_listed_with_their_places(book: Notebook) -> None:
    assistant = chat(book, Call("find_facts", {"kind": "money"}), Call("find_facts", {"kind": "tasks"}))
    money = assistant.say("prices")
    assert [citation.text for citation in money.citations] == ["450 euros"]
    assert "call the roofer" in assistant.say("to-dos").text


def test_related_notes_come_with_reasons_and_can_be_pointed_at(tmp_path: Path) -> None:
    book = make_notebook(
        tmp_path,
        [
            Draft("a", "The canoe leaks. See [[b]].", "a", links=(Link("wiki", "b", 21, 26),)),
            Draft("c", "Quarterly numbers."),
            Draft("b", "Tar.", "b"),
        ],
    )
    assistant = chat(book, Call("related_notes", {"note": "#1"}), Call("read_note", {"note": "first one"}))
    reply = assistant.say("what is related to it?")
    assert reply.text.startswith("1. #3 b: it is linked from here")
    assert assistant.say("open the first one").citations[0].note.key == "b"


def test_a_mood_is_told_with_its_loudest_sentences(tmp_path: Path) -> None:
    notes = [Draft("good", "What a wonderful, happy day with friends!", date="2026-02-01"),
             Draft("bad", "A terrible, sad and painful day for all of us.", date="2026-02-02")]  # fmt: skip
    book = make_notebook(tmp_path, notes)
    reply = chat(book).say("how was my mood in February 2026?")
    assert reply.calls == (Call("show_mood", {"when": "February 2026"}),)
    assert [citation.note.key for citation in reply.citations] == ["good", "bad"]
    assert reply.text.index("2026-02-01  +1.00") < reply.text.index("2026-02-02  -1.00")


def test_what_fits_no_function_is_refused_with_what_can_be_done(book: Notebook) -> None:
    reply = chat(book).say("delete all my notes")
    assert reply.calls == () and reply.text.startswith("I cannot do that.")


def test_two_requests_stop_at_the_first_that_writes(book: Notebook) -> None:
    reply = chat(book).say("open #3, then tag it as baking")
    assert reply.text.startswith("#3 Bread log") and reply.text.endswith("(yes or no)")


def test_replies_are_json(book: Notebook) -> None:
    reply = chat(book).say("find the sourdough")
    value = json.loads(json.dumps(reply.to_json()))
    assert value["calls"] == [{"name": "search_notes", "arguments": {"query": "sourdough"}}]
    assert value["citations"][0]["key"] == "bread" and value["pending"] is None


@pytest.mark.parametrize(
    ("request_", "call"),
    [
        ("please show my tags", Call("list_tags", {})),
        ("How was my mood in May 1665?", Call("show_mood", {"when": "May 1665"})),
        ("summarise the second one", Call("summarize", {"about": "second one"})),
        ("Sum up last week.", Call("summarize", {"when": "last week"})),
        ("timeline of the plague in 1665", Call("timeline", {"about": "plague", "when": "1665"})),
        ("what happened last month?", Call("timeline", {"when": "last month"})),
        ("remind me to call Anna tomorrow at 9", Call("set_reminder", {"text": "call Anna", "when": "tomorrow at 9"})),
        ("which reminders are open?", Call("list_reminders", {})),
        ("notes like it", Call("related_notes", {"note": "it"})),
        ("list all phone numbers", Call("find_facts", {"kind": "phones"})),
        ("who came to dinner?", Call("ask_notes", {})),
    ],
)  # fmt: skip
def test_rules_know_what_is_asked_most(request_: str, call: Call) -> None:
    assert RulesRouter(lambda: NOW).calls(request_) == [call]


def test_a_date_is_cut_out_of_a_request() -> None:
    assert split_date("find notes about bread in May 2021", NOW) == ("find notes about bread", "May 2021")
    assert split_date("find notes about bread", NOW) == ("find notes about bread", "")


class Writer:
    """An engine that writes what it was told to."""

    uri, template = "fake", "chatml"

    def __init__(self, text: str) -> None:
        self.text, self.grammars = text, []  # type: tuple[str, list[Any]]

    def generate(self, prompts: Sequence[str], *, max_tokens: int, grammar: Any) -> list[Generation]:
        self.grammars.append(grammar)
        return [Generation(self.text, 1, True, 0.0, 0.0)]


def test_a_model_finds_the_calls_under_a_grammar_of_the_functions() -> None:
    engine: Any = Writer('[{"name":"search_notes","arguments":{"query":"bread"}}]')
    router = ModelRouter(engine, CallTask(ToolSet.load(TOOLS_FILE)))
    assert router.calls("bread?") == [Call("search_notes", {"query": "bread"})]
    assert "set_reminder" in engine.grammars[0]


def test_an_answer_that_was_cut_becomes_a_question_to_the_notes() -> None:
    engine: Any = Writer('[{"name":"search_no')
    assert ModelRouter(engine, CallTask(ToolSet.load(TOOLS_FILE))).calls("bread?") == [Call("ask_notes", {})]


def test_a_model_of_other_functions_is_refused() -> None:
    other = ToolSet.from_openai([{"name": "play"}], "tools.json")
    engine: Any = Writer("[]")
    with pytest.raises(InputError, match="other functions"):
        ModelRouter(engine, CallTask(other))


def test_reminders_are_kept_in_order_until_they_are_done(book: Notebook) -> None:
    late = add_reminder(book, "water", datetime(2026, 5, 1, 9))
    early = add_reminder(book, "call", datetime(2026, 4, 1, 9), 2)
    assert reminders(book) == [early, late]
    assert reminders(book, datetime(2026, 4, 2)) == [early]
    finish(book, early.id)
    assert reminders(book) == [late]
    assert [one.done for one in reminders(book, with_done=True)] == [True, False]
    with pytest.raises(InputError, match="no reminder 99"):
        finish(book, 99)


def test_reminders_as_a_calendar(book: Notebook) -> None:
    icalendar = pytest.importorskip("icalendar")
    made = add_reminder(book, "call, then write; ä", datetime(2026, 4, 1, 9))
    calendar = icalendar.Calendar.from_ical(to_ics([made]))
    (event,) = calendar.walk("VEVENT")
    assert str(calendar["x-wr-calname"]) == "Reminders"
    assert event.decoded("dtstart") == datetime(2026, 4, 1, 9)
    assert str(event["summary"]) == "call, then write; ä"
    assert len(event.walk("VALARM")) == 1


def _told() -> Any:
    from pocketlm.notes.abilities import Told

    return Told("")


def test_the_rows_of_the_sample_project_fit_its_functions_and_share_nothing() -> None:
    checked = subprocess.run(
        [sys.executable, "check_rows.py"], cwd=TOOLS_FILE.parent, capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    readme = (TOOLS_FILE.parent / "README.md").read_text(encoding="utf-8")
    counts = [line.rsplit(None, 3) for line in checked.stdout.splitlines() if line.strip()]
    assert all(any(line.rsplit(None, 3) == row for line in readme.splitlines()) for row in counts)
