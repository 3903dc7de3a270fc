"""Tags and links as Markdown and wikis write them, each with its place in the text. Code is not looked into."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from pocketlm.notes.note import Link

# blocks of code, and code within a paragraph
CODE = re.compile(
    r"^[ \t]*(`{3,}|~{3,}).*?(?:^[ \t]*\1|\Z)|(?<!`)(`+)(?!`)(?:(?!\n[ \t\r]*\n).)+?(?<!`)\2(?!`)",
    re.DOTALL | re.MULTILINE,
)
TAG = re.compile(r"(?<![\w/#&;])#([^\W\d][\w/-]*|\d+[\w/-]*[^\W\d][\w/-]*)")
WIKI = re.compile(r"!?\[\[([^\[\]|\n]+)(?:\|[^\[\]\n]*)?\]\]")
MARKDOWN = re.compile(r"!?\[[^\[\]\n]*\]\((?:<([^<>\n]+)>|((?:[^()\s]|\([^()\s]*\))+))(?:\s+\"[^\"\n]*\")?\)")
URL = re.compile(r"https?://[^\s<>\[\]()\"'`]+(?:\([^\s()]*\)[^\s<>\[\]()\"'`]*)*(?<![.,;:!?])")


def tags_in(text: str) -> list[str]:
    """`#tags` in their order, without #, each once."""
    if "#" not in text:
        return []
    bare = without_code(text)
    for pattern in (WIKI, MARKDOWN, URL):  # whose # names a heading
        bare = pattern.sub(" ", bare)
    return list(dict.fromkeys(match[1].rstrip("-/") for match in TAG.finditer(bare)))


def links_in(text: str, head: Mapping[str, Any]) -> Iterator[Link]:
    """Links in a text, then those in its frontmatter, which have no place in it (negative ones)."""
    if "[" in text or "://" in text:
        yield from _links(without_code(text))
    for number, match in enumerate(WIKI.finditer("\n".join(_strings(head))), 1):
        yield Link("wiki", match[1].strip(), -number, -number)


def _links(bare: str) -> Iterator[Link]:
    taken: list[tuple[int, int]] = []
    for kind, pattern in (("wiki", WIKI), ("markdown", MARKDOWN), ("url", URL)):
        for match in pattern.finditer(bare):
            if any(start < match.end() and match.start() < stop for start, stop in taken):
                continue
            taken.append(match.span())
            target = match[0] if kind == "url" else next(filter(None, match.groups())).strip()
            is_url = kind == "markdown" and re.match(r"\w+:", target)
            yield Link("url" if is_url else kind, target, *match.span())


def without_code(text: str) -> str:
    """The text with code as spaces, so that places stay."""
    return CODE.sub(lambda match: re.sub(r"[^\n]", " ", match[0]), text) if "`" in text or "~~~" in text else text


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _strings(one)
    elif isinstance(value, (list, tuple)):
        for one in value:
            yield from _strings(one)
