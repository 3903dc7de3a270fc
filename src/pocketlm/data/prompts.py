"""Prompt sets for teachers: what is asked of one seed, and what kind of answer is awaited.

A set is a Markdown file with a YAML head. Its places in double braces are filled from the seed: text, count, variant,
function, functions, name, labels, keep. Packaged ones lie in `prompts/`, others are given by path.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pocketlm.core.errors import InputError
from pocketlm.data.markdown import split_front
from pocketlm.data.parse import PARSERS

FOLDER = Path(__file__).parent / "prompts"
PLACE = re.compile(r"\{\{(\w+)\}\}")
PLACES = {"text", "count", "variant", "function", "functions", "name", "labels", "keep"}
NOTES = ("summary", "questions", "tags", "extraction")  # what "notes" stands for


class _Head(BaseModel):
    model_config = ConfigDict(extra="forbid")
    version: int = Field(ge=1)
    gives: str
    of: str = "texts"
    max_tokens: int = Field(ge=1)
    temperature: float = Field(0.7, ge=0, le=2)
    variants: list[str] = [""]


@dataclass(frozen=True)
class PromptSet:
    """One set.

    Attributes:
        gives: the parser of its answers, see parse.py.
        of: what it is asked for: each of the seeds' `texts` or `rows`, each of the `functions`, or `rounds`.
        variants: wordings that take turns.
    """

    name: str
    version: int
    gives: str
    of: str
    max_tokens: int
    temperature: float
    variants: tuple[str, ...]
    body: str

    def fill(self, places: Mapping[str, str]) -> str:
        """The prompt for one seed."""
        return PLACE.sub(lambda place: places[place[1]], self.body).strip()


def load_prompts(names: Sequence[str]) -> list[PromptSet]:
    """Packaged sets by name, others by the path of their file; `notes` is those of a person's notes.

    Raises:
        InputError: no such set, or a file that is none.
    """
    wanted = [name for given in names for name in (NOTES if given == "notes" else [given])]
    return [_load(name) for name in dict.fromkeys(wanted)]


def known_prompts() -> list[str]:
    """Names of the packaged sets."""
    return sorted(file.stem for file in FOLDER.glob("*.md"))


def _load(name: str) -> PromptSet:
    file = Path(name) if name.endswith(".md") else FOLDER / f"{name}.md"
    if not file.is_file():
        raise InputError(
            f"--make {name}: no such prompt set; known: notes, {', '.join(known_prompts())}, or a .md file"
        )
    front, body = split_front(file.read_text(encoding="utf-8-sig"))
    try:
        head = _Head(**front)
    except (ValidationError, TypeError) as error:
        raise InputError(
            f"{file}: its head is no prompt set's ({error!s:.200}); see the packaged ones for the form"
        ) from None
    if head.gives not in PARSERS:
        raise InputError(f'{file}: gives "{head.gives}" is not known; known: {", ".join(PARSERS)}')
    if head.of not in ("texts", "rows", "functions", "rounds"):
        raise InputError(f'{file}: of "{head.of}" is not known; known: texts, rows, functions, rounds')
    if unknown := set(PLACE.findall(body)) - PLACES:
        raise InputError(
            f"{file}: {{{{{sorted(unknown)[0]}}}}} is filled by nothing; known: {', '.join(sorted(PLACES))}"
        )
    settings = head.model_dump()
    return PromptSet(file.stem, body=body, **{**settings, "variants": tuple(head.variants)})
