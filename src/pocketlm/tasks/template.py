"""Chat templates as text: what stands around a system block, a request and an answer.

Rendered here, in one place, so that the bytes are the same in training, in evaluation, on torch and in llama.cpp.
Each template also carries the Jinja form that travels inside an exported file.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

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
    opening: str = ""  # stands once in front of everything

    @property
    def marks(self) -> list[str]:
        """The special tokens it is made of."""
        return sorted(set(re.findall(r"<[a-z_|]+>", self.opening + self.user + self.stop)))

    def around(self, role: str) -> list[str]:
        """What stands before a message's text, between where it stands twice, and behind it: the text joins them."""
        return str(getattr(self, role)).split("{content}")

    def render(self, messages: Sequence[Message]) -> str:
        """Prompt text: all messages, then the opening of an answer."""
        return self.opening + "".join(m.content.join(self.around(m.role)) for m in messages) + self.answer


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

# For a model tuned for one job: of ChatML's eight tokens around a request and its answer two are left, so that training
# and answering have a fifth less to compute. Turns alternate, so they need no names.
TERSE = Template(
    name="terse",
    system="{content}<|im_end|>",
    user="{content}<|im_end|>",
    assistant="{content}<|im_end|>",
    answer="",
    stop="<|im_end|>",
    jinja=("{{ '<|im_start|>' }}{% for message in messages %}{{ message['content'] + '<|im_end|>' }}{% endfor %}"),
    opening="<|im_start|>",
)

# The request stands twice: a causal model reads the first word before it knows the last one; the second time it has seen all
# of them (Arora et al. 2024, arXiv:2407.05483; of embeddings Springer et al. 2024, arXiv:2402.15449).
TWICE = replace(
    TERSE,
    name="twice",
    user="{content}<|im_start|>{content}<|im_end|>",
    jinja=(
        "{{ '<|im_start|>' }}{% for message in messages %}{% if message['role'] == 'user' %}"
        "{{ message['content'] + '<|im_start|>' }}{% endif %}{{ message['content'] + '<|im_end|>' }}{% endfor %}"
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

TEMPLATES = {template.name: template for template in (CHATML, TERSE, TWICE, GEMMA)}


def template_for(special_tokens: Sequence[str], jinja: str | None = None) -> Template:
    """The template whose Jinja form a model carries, otherwise the one whose markers its tokenizer knows.

    Raises:
        InputError: none fits, for example a base without chat tokens.
    """
    for template in TEMPLATES.values():
        if template.jinja == jinja:
            return template
    for template in (CHATML, GEMMA):
        if all(mark in special_tokens for mark in template.marks):
            return template
    raise InputError(
        "the base's tokenizer has neither <|im_start|> (ChatML) nor <start_of_turn> (Gemma) among its tokens; "
        "choose an instruction-tuned base such as starter:smollm2-135m"
    )
