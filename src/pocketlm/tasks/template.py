"""Chat templates as text: what stands around a system block, a request and an answer.

Rendered here, in one place, so that the bytes are the same in training, in evaluation, on torch and in llama.cpp.
Each template also carries the Jinja form that travels inside an exported file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pocketlm.core.errors import InputError


@dataclass(frozen=True)
class Message:
    """One turn: role is "system", "user" or "assistant"."""

    role: str
    content: str


@dataclass(frozen=True)
class Template:
    """How turns become text. `stop` ends an answer; it is part of what is trained."""

    name: str
    system: str
    user: str
    assistant: str
    answer: str  # what opens the answer to be generated
    stop: str
    jinja: str

    def render(self, messages: Sequence[Message]) -> str:
        """Prompt text: all messages, then the opening of an answer."""
        parts = {"system": self.system, "user": self.user, "assistant": self.assistant}
        return "".join(parts[m.role].format(content=m.content) for m in messages) + self.answer


CHATML = Template(
    name="chatml",
    system="<|im_start|>system\n{content}<|im_end|>\n",
    user="<|im_start|>user\n{content}<|im_end|>\n",
    assistant="<|im_start|>assistant\n{content}<|im_end|>\n",
    answer="<|im_start|>assistant\n",
    stop="<|im_end|>",
    jinja=(
        "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>\n' }}"
        "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    ),
)

GEMMA = Template(
    name="gemma",
    system="<start_of_turn>developer\n{content}<end_of_turn>\n",
    user="<start_of_turn>user\n{content}<end_of_turn>\n",
    assistant="<start_of_turn>model\n{content}<end_of_turn>\n",
    answer="<start_of_turn>model\n",
    stop="<end_of_turn>",
    jinja=(
        "{{ bos_token }}{% for message in messages %}{% set role = {'system': 'developer', 'assistant': 'model'}"
        ".get(message['role'], message['role']) %}{{ '<start_of_turn>' + role + '\n' + message['content'] + "
        "'<end_of_turn>\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<start_of_turn>model\n' }}{% endif %}"
    ),
)

TEMPLATES = {template.name: template for template in (CHATML, GEMMA)}


def template_for(special_tokens: Sequence[str]) -> Template:
    """The template whose markers a tokenizer knows.

    Raises:
        InputError: none fits, for example a base without chat tokens.
    """
    for template in TEMPLATES.values():
        marker = template.answer.split("\n")[0].split(">")[0] + ">"
        if marker in special_tokens and template.stop in special_tokens:
            return template
    raise InputError(
        "the base's tokenizer has neither <|im_start|> (ChatML) nor <start_of_turn> (Gemma) among its tokens; "
        "choose an instruction-tuned base such as starter:smollm2-135m"
    )
