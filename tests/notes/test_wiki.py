"""Tags and links stand where they are said to; code has none."""

from __future__ import annotations

import pytest

from pocketlm.notes.wiki import links_in, tags_in


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[[A#Part|shown]] ![[b.png]]", [("wiki", "A#Part"), ("wiki", "b.png")]),
        ("[x](<my file.md>) [y](a_(b).md)", [("markdown", "my file.md"), ("markdown", "a_(b).md")]),
        ("[z](https://x.org/a 'b') mailto", []),
        ('[z](https://x.org/a "b")', [("url", "https://x.org/a")]),
        ("(https://en.wikipedia.org/wiki/Seal_(animal)). https://a.b/c?d=e#f,", [("url", "https://en.wikipedia.org/wiki/Seal_(animal)"), ("url", "https://a.b/c?d=e#f")]),
        ("`[[no]]` and\n```\n[[no]]\n```\n[[yes]]", [("wiki", "yes")]),
        ("it`s [[one]]\n\nand it`s over", [("wiki", "one")]),
    ],
)  # fmt: skip
def test_links(text: str, wanted: list[tuple[str, str]]) -> None:
    found = list(links_in(text, {}))
    kept = [(link.kind, link.target) for link in found if link.kind != "url" or wanted]
    assert kept == wanted or (not wanted and [link.kind for link in found] == ["url"])
    assert all(link.target in text[link.start : link.stop] for link in found)


def test_links_of_the_frontmatter_have_no_place() -> None:
    head = {"people": ["[[Ann]]", {"boss": "[[Bo|B]]"}], "n": 1}
    assert [(link.target, link.start) for link in links_in("", head)] == [("Ann", -1), ("Bo", -2)]


def test_tags() -> None:
    text = "# Heading\n#one and #two/three, not C# or a#b or &#38; or #12; [[x#four]] https://x.org/#five `#six` #2024-trip"
    assert tags_in(text) == ["one", "two/three", "2024-trip"]
