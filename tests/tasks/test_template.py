"""Each template is the same text here and through the Jinja form that travels in exported files."""

from __future__ import annotations

import jinja2
import pytest

from pocketlm.core.errors import InputError
from pocketlm.tasks.template import CHATML, GEMMA, TEMPLATES, TERSE, TWICE, Message, Template, template_for

TALK = [Message("user", "wake me"), Message("assistant", "when?"), Message("user", "at seven")]


@pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))
@pytest.mark.parametrize("messages", [TALK, TALK[:1], [Message("system", "Call functions."), *TALK]])
def test_rendered_here_and_by_jinja_are_equal(template: Template, messages: list[Message]) -> None:
    environment = jinja2.Environment(trim_blocks=True, lstrip_blocks=True)
    turns = [{"role": message.role, "content": message.content} for message in messages]
    rendered = environment.from_string(template.jinja).render(messages=turns, add_generation_prompt=True, bos_token="")
    assert rendered == template.render(messages)


def test_a_model_keeps_the_template_it_carries() -> None:
    tokens = ["<|im_start|>", "<|im_end|>"]
    assert template_for(tokens) is CHATML
    assert template_for(tokens, TERSE.jinja) is TERSE
    assert template_for(tokens, TWICE.jinja) is TWICE
    assert template_for(tokens, "{{ something else }}") is CHATML
    assert template_for(GEMMA.marks) is GEMMA
    with pytest.raises(InputError, match="instruction-tuned"):
        template_for(["<s>", "</s>"])


def test_terse_has_two_tokens_around_a_request() -> None:
    assert TERSE.render([Message("user", "wake me")]) == "<|im_start|>wake me<|im_end|>"


def test_twice_lets_a_request_be_read_again() -> None:
    assert TWICE.render([Message("user", "wake {me}")]) == "<|im_start|>wake {me}<|im_start|>wake {me}<|im_end|>"
    assert TWICE.render(TALK[:2]).endswith("<|im_end|>when?<|im_end|>")
