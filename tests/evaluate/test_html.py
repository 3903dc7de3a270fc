"""The report page: well formed, everything escaped, nothing fetched, and calm with little to show."""

from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pocketlm.evaluate.html import MOST_WRONG_ROWS, render_report, write_report
from pocketlm.evaluate.plots import MOST_POINTS
from pocketlm.evaluate.report import Report, RowResult, summarize
from pocketlm.tasks.call import CallTask
from pocketlm.tasks.tools import ToolSet

EVIL = "play <script>alert(\"x\")</script> & 'more'"
VOID = {"meta"}
TASK = CallTask(ToolSet.from_openai([{"name": "play_music"}], "t"))


class Page(HTMLParser):
    """Tags balanced; text, tags and attributes collected."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.words: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._seen(tag, attrs)
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._seen(tag, attrs)

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> closes nothing"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    def _seen(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.links += [
            name for name, _ in attrs if name in ("src", "href", "srcset", "data", "style") or name[:2] == "on"
        ]

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())


def row(
    text: str, right: bool, answer: str = '{"play_music":{"query":"x"}}', why: str = "play_music.query wrong"
) -> RowResult:
    expected: list[dict[str, Any]] = [{"name": "play_music", "arguments": {"query": "<b>jazz</b>"}}]
    shares = {"exact": right, "lenient": right, "function": True, "valid": True, "stopped": True}
    return RowResult(
        text=text,
        expected=expected,
        answer=answer,
        numbers={name: (float(share), 1.0) for name, share in shares.items()},
        items={"play_music.<q>": (float(right), 1.0, 1.0)},
        why=[] if right else [why],
        groups=["play_<music>", "up to 10 words"],
        tokens=9,
        seconds=0.1,
        signals={"answer": -0.5 if right else -2.0},
    )


def report(name: str, right: int, rows: int = 8) -> Report:
    results = [row(f"{EVIL} {i}", i < right) for i in range(rows)]
    return summarize(f"runs/{name}", TASK, results, 2.0, settings={"constrain": name == "gguf"})


def history(steps: int) -> list[dict[str, float]]:
    entries: list[dict[str, float]] = [{"step": i, "loss": 3 * math.exp(-i / 40) + 0.1} for i in range(1, steps + 1)]
    for entry in entries[9::10]:
        entry["valid_loss"] = entry["loss"] + 0.05
    return entries


def full() -> str:
    return render_report(
        "Phone <actions>",
        {
            "base": report("base", 0),
            "rules": report("rules", 3),
            "tuned": report("tuned", 7),
            "gguf": report("gguf", 6),
        },
        history=history(120),
        checks=[("token ids", True, "240 of 240"), ("sc<o>re", False, "exact 75.0%")],
        facts={"base": "smollm2 & co", "licence": "Apache-2.0"},
        examples=[(EVIL, '{"play_music":{"query":"<i>"}}')],
    )


def test_the_page_is_well_formed_and_escaped() -> None:
    page = Page(full())
    assert not {"script", "i", "o", "actions", "link", "img", "iframe"} & set(page.tags)
    assert EVIL in page.text
    assert '{"play_music":{"query":"<b>jazz</b>"}}' in page.text
    assert "Phone <actions>" in page.text
    assert "sc<o>re" in page.text
    assert "smollm2 & co" in page.text


def test_nothing_is_fetched() -> None:
    page = full()
    assert "http" not in page
    assert "//" not in page
    assert "url(" not in page
    assert "@import" not in page
    assert Page(page).links == []


def test_every_report_and_part_is_there() -> None:
    page = Page(full())
    for words in ("base", "rules", "tuned", "gguf", "token ids", "✓ passed", "✗ failed", "licence", "Apache-2.0"):
        assert words in page.text
    assert "held to the schema" in page.text
    assert "play_music.query wrong" in page.text
    assert page.tags.count("details") == 1
    assert "circle" in page.tags
    assert page.tags.count("polyline") == 5  # loss, smoothed, validation; risk, and the honest line's empty curve
    assert "play_music.<q>" in page.text
    assert "Only 8 rows" in page.text


def test_the_headline_says_what_came_out() -> None:
    said = re.sub("<[^>]+>", "", full().split('class="headline">')[1].split("</p>")[0])
    assert said.startswith("tuned: 87.5% exact on 8 rows (95% interval")
    assert "Better than base, which gets 0.0% (+87.5 points" in said
    assert "gguf gets 75.0%; 100.0% of its answers are the same" in said
    assert said.endswith("1 of 2 export checks failed.")


def test_reports_on_different_rows_are_shown_but_not_compared() -> None:
    text = Page(render_report("t", {"base": report("base", 1, rows=5), "tuned": report("tuned", 7)})).text
    assert "20.0%" in text
    assert "than base" not in text
    assert "No difference" not in text


@pytest.mark.parametrize("name", ["tuned", "model.gguf"])
def test_one_report_alone(name: str) -> None:
    page = Page(render_report("t", {name: report(name, 8)}))
    assert f"{name}: 100.0% exact on 8 rows" in page.text
    assert "Training" not in page.text
    assert "Wrong answers" not in page.text
    assert "Facts" not in page.text


def test_nothing_at_all() -> None:
    assert "No rows were scored." in Page(render_report("t", {})).text
    assert (
        "No rows were scored." in Page(render_report("t", {"tuned": summarize("e", TASK, [], 0.0, settings={})})).text
    )


@pytest.mark.parametrize(
    "losses", [[2.0], [0.0, 0.0], [1.0, 1.0], [5.0, math.nan, 0.001], [math.inf], [9.0, 0.0], [3e-9, 1e-9]]
)
def test_odd_histories(losses: list[float]) -> None:
    entries = [{"step": float(i), "loss": loss} for i, loss in enumerate(losses, start=1)]
    page = render_report("t", {"tuned": report("tuned", 8)}, history=entries)
    Page(page)
    numbers = [float(n) for line in re.findall('points="([^"]*)"', page) for n in re.split("[ ,]", line) if n]
    assert all(0 <= number <= 640 for number in numbers)
    assert "nan" not in page


def test_long_runs_and_many_errors_stay_small() -> None:
    page = render_report("t", {"tuned": report("tuned", 0, rows=MOST_WRONG_ROWS + 5)}, history=history(20_000))
    longest = max(len(line.split()) for line in re.findall('points="([^"]*)"', page))
    assert longest <= MOST_POINTS + 1
    assert f"the first {MOST_WRONG_ROWS} shown" in page
    assert page.count('data-name="got"') == MOST_WRONG_ROWS


def test_answers_that_no_file_can_hold_are_written(tmp_path: Path) -> None:
    odd = summarize(
        "e",
        TASK,
        [row("half \ud83d", False, answer="nul \x00 \x1b[0m", why="x\udc00"), row("", False, "")],
        1.0,
        settings={},
    )
    file = tmp_path / "deep" / "report.html"
    write_report(file, "t", {"tuned": odd})
    page = file.read_text(encoding="utf-8")
    Page(page)
    assert "half \ufffd" in page
    assert "nul \ufffd \ufffd[0m" in page
    assert "(empty)" in page
