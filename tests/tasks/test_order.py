"""Arguments in the order of mention: what is written, and what the grammar then lets through."""

from __future__ import annotations

import itertools

import llguidance
import pytest
from llguidance.gbnf_to_lark import any_to_lark
from llguidance.hf import from_tokenizer
from tiny import make_tiny_tokenizer

from pocketlm.core.files import dump_compact
from pocketlm.tasks.call import Call, CallRow, CallTask, Grounding
from pocketlm.tasks.said import by_mention
from pocketlm.tasks.template import CHATML, GEMMA, Message
from pocketlm.tasks.tools import ToolSet

TEXT = {"type": "string"}
TOOLS = ToolSet.from_openai(
    [
        {
            "name": "book",
            "parameters": {
                "type": "object",
                "properties": {"day": TEXT, "place": TEXT, "people": {"type": "integer"}, "note": TEXT},
                "required": ["place", "people"],
            },
        },
        {"name": "ask", "parameters": {"type": "object", "properties": {"who": TEXT}, "required": ["who"]}},
        {"name": "stop"},
    ],
    "t",
)
COPIED = CallTask(TOOLS, grounding=Grounding(copied=True))
ROW = CallRow(
    (Message("user", "Two at Rosa's on Friday"),), (Call("book", {"day": "Friday", "place": "Rosa's", "people": 2}),)
)


@pytest.mark.parametrize(
    ("text", "order"),
    [
        ("two at Rosa's on friday", "people place day"),
        ("on Friday at Rosa's", "day place people"),  # a number nobody said comes last
        ("Friday's menu at Rosa's, 2 of us", "day place people"),
        ("nothing of it", "day place people"),
    ],
)
def test_order_of_mention(text: str, order: str) -> None:
    arguments = {"day": "Friday", "place": "Rosa's", "people": 2}
    assert list(by_mention(arguments, text)) == order.split()


def test_what_is_trained_follows_the_request_where_values_are_copied_and_the_schema_elsewhere() -> None:
    assert COPIED.completion(ROW, CHATML).startswith('{"book":{"people":2,"place":"Rosa\'s","day":"Friday"}}')
    assert CallTask(TOOLS).completion(ROW, CHATML).startswith('{"book":{"day":"Friday","place":"Rosa\'s","people":2}}')
    assert "{day:" in COPIED.completion(ROW, GEMMA), "Gemma's format has an order of its own"


@pytest.mark.parametrize("keys", itertools.permutations(["day", "place", "people"]))
def test_the_grammar_lets_every_order_through(keys: tuple[str, ...]) -> None:
    values = {"day": "Friday", "place": "Rosa's", "people": 2}
    text = dump_compact({"book": {key: values[key] for key in keys}})
    assert _accepts(text)
    assert COPIED.is_legal(ROW, text, CHATML)
    assert _accepts(text, CallTask(TOOLS)) == (keys == ("day", "place", "people"))


@pytest.mark.parametrize(
    ("text", "legal"),
    [
        ('{"book":{"people":2,"place":"Rosa\'s"}}', True),
        ('{"book":{"place":"Rosa\'s","people":2}}\n{"stop":{}}', True),
        ('{"ask":{"who":"Rosa"}}', True),
        ('{"stop":{}}', True),
        ('{"book":{"people":2}}', False),  # a required argument is missing
        ('{"book":{"day":"Friday","people":2}}', False),
        ('{"book":{"people":2,"people":2,"place":"Rosa\'s"}}', False),  # twice
        ('{"book":{"people":2,"place":"Anna\'s"}}', False),  # nobody said that
        ('{"book":{}}', False),
        ('{"ask":{}}', False),
    ],
)
def test_required_arguments_come_exactly_once(text: str, legal: bool) -> None:
    assert _accepts(text) == legal
    assert COPIED.is_legal(ROW, text, CHATML) == legal


def test_many_required_arguments_keep_the_schemas_order() -> None:
    names = [f"a{i}" for i in range(8)]
    schema = {"type": "object", "properties": dict.fromkeys(names, TEXT), "required": names}
    task = CallTask(ToolSet.from_openai([{"name": "f", "parameters": schema}], "t"), grounding=Grounding(copied=True))
    request = " ".join(reversed(names))
    row = CallRow((Message("user", request),), (Call("f", {name: name for name in names}),))
    text = task.completion(row, CHATML).removesuffix(CHATML.stop)
    assert text == dump_compact({"f": {name: name for name in names}})
    assert _accepts(text, task, row)


def _accepts(text: str, task: CallTask = COPIED, row: CallRow = ROW) -> bool:
    """Whether the grammar of a row's answers lets this text through, and lets it end there."""
    tokenizer = make_tiny_tokenizer()
    lark = llguidance.LLMatcher.grammar_from_lark(any_to_lark(task.grammar(CHATML, row)))
    matcher = llguidance.LLMatcher(from_tokenizer(tokenizer, eos_token=tokenizer.eos_token_id), lark)
    assert not matcher.get_error()
    ids = [*tokenizer(text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    return bool(matcher.try_consume_tokens(ids) == len(ids))
