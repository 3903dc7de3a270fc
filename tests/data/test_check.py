"""The data checks: each planted fault is found, counted and shown where it stands, and clean rows pass."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pocketlm.data.check import Checked, check, draw
from pocketlm.data.check_page import render_check
from pocketlm.data.checks import CHECKS, Finding
from pocketlm.data.gather import gather

for package in ("ftfy", "rensa", "phonenumbers", "py3langid"):
    pytest.importorskip(package)

WORDS = [
    "amber",
    "birch",
    "cedar",
    "dune",
    "ember",
    "fjord",
    "grove",
    "haven",
    "inlet",
    "jetty",
    "knoll",
    "lagoon",
    "marsh",
    "north",
    "oasis",
    "plain",
    "quarry",
    "ridge",
]
TOOLS = [{"name": "play", "parameters": {
    "type": "object", "properties": {"what": {"type": "string"}, "n": {"type": "integer"}}, "required": ["what"],
}}]  # fmt: skip


def texts(count: int) -> list[str]:
    """Different texts, none a near twin of another."""
    return [f"{WORDS[n % 18]} {WORDS[n // 18 % 18]} {WORDS[n * 7 % 18]} {n * n + 17} times" for n in range(count)]


def labelled(count: int = 300) -> list[dict[str, Any]]:
    return [{"text": text, "label": "ab"[n % 2]} for n, text in enumerate(texts(count))]


def calls(count: int = 300) -> list[dict[str, Any]]:
    rows = []
    for n, text in enumerate(texts(count)):
        found = [{"name": "play", "arguments": {"what": text.split()[0]}}] if n % 5 else []
        rows.append({"text": text, "calls": found})
    return rows


@pytest.fixture
def checked(tmp_path: Path) -> Callable[..., Checked]:
    def run(rows: list[Any], *, tools: Any = None, **splits: list[Any]) -> Checked:
        for name, some in {"train": rows, **splits}.items():
            (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in some))
        if tools:
            (tmp_path / "tools.json").write_text(json.dumps(tools))
        return check(gather(tmp_path), count_tokens=lambda some: [len(text.split()) for text in some], max_tokens=100)

    return run


def finding(result: Checked, name: str) -> Finding:
    found = [one for one in result.findings if one.name == name]
    assert found, f"{name} not among {[one.name for one in result.findings]}"
    return found[0]


def test_clean_rows_are_ready(checked: Callable[..., Checked]) -> None:
    for rows, tools in ((labelled(), None), (calls(), TOOLS)):
        result = checked(rows, tools=tools)
        assert result.ready and result.verdict == "ready"
        assert [one for one in result.findings if one.severity != "note"] == []


PLANTED: dict[str, tuple[str, int, Callable[[list[dict[str, Any]]], None]]] = {
    "exact copies": ("warning", 3, lambda rows: rows.extend(rows[:3])),
    "near copies": ("note", 2, lambda rows: rows.extend({**row, "text": row["text"] + "s"} for row in rows[:2])),
    "conflicting answers": ("error", 2, lambda rows: rows.extend({**row, "label": "c"} for row in rows[:2])),
    "empty answers": ("error", 1, lambda rows: rows.append({"text": "an unlabelled text here", "label": " "})),
    "empty texts": ("error", 1, lambda rows: rows.append({"text": " ", "label": "a"})),
    "unreadable": ("error", 2, lambda rows: rows.extend([{"text": None, "label": "a"}, {"txet": "x"}])),
    "broken encoding": ("warning", 3, lambda rows: rows.extend([
        {"text": "un cafÃ© noir", "label": "a"}, {"text": "a\x00b stands here", "label": "a"},
        {"text": "lost \ufffd letters", "label": "b"},
    ])),
    "rare labels": ("warning", 1, lambda rows: rows.append({"text": "one of a kind altogether", "label": "c"})),
    "secrets": ("error", 1, lambda rows: rows.append({"text": "use ghp_" + "a1B2" * 9, "label": "a"})),
    "personal data": ("warning", 1, lambda rows: rows.append({"text": "mail jane@example.org soon", "label": "a"})),
    "too long": ("error", 1, lambda rows: rows.append({"text": "so " * 200, "label": "a"})),
    "languages": ("note", 4, lambda rows: rows.extend(
        {"text": f"Das ist ein langer deutscher Satz über das Wetter und die Berge {n}", "label": "a"}
        for n in ("heute", "gestern", "morgen früh", "im nächsten Winter")
    )),
}  # fmt: skip


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_fault_is_found(name: str, checked: Callable[..., Checked]) -> None:
    severity, count, plant = PLANTED[name]
    rows = labelled()
    if name == "languages":
        rows = [{**row, "text": f"this is an ordinary english sentence about {row['text']}"} for row in rows]
    plant(rows)
    result = checked(rows)
    found = finding(result, name)
    assert (found.severity, found.count) == (severity, count)
    assert result.ready == (severity != "error")
    if found.examples:
        assert "train.jsonl:30" in str(found.examples[0])  # where it was planted


CALLS: dict[str, tuple[str, int, dict[str, Any]]] = {
    "schema": ("error", 3, {"text": "x y", "calls": [
        {"name": "play", "arguments": {"n": "3"}}, {"name": "pley", "arguments": {}}]}),
    "no values": ("warning", 1, {"text": "start it", "calls": [{"name": "play", "arguments": {"what": "None"}}]}),
    "ungrounded": ("warning", 1, {"text": "start it", "calls": [{"name": "play", "arguments": {"what": "jazz"}}]}),
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_a_planted_fault_in_calls_is_found(name: str, checked: Callable[..., Checked]) -> None:
    severity, count, row = CALLS[name]
    found = finding(checked([*calls(), row], tools=TOOLS), name)
    assert (found.severity, found.count) == (severity, count)
    assert found.examples[0][0].endswith(":301")


def test_types_that_differ_from_the_usual(checked: Callable[..., Checked]) -> None:
    rows = [{"text": f"{t} {n}", "intent": "go", "slots": {"n": n}} for n, t in enumerate(texts(250))]
    rows.append({"text": "go far", "intent": "go", "slots": {"n": "far"}})
    assert "go.n is string in 1 of 251" in finding(checked(rows), "types").says


def test_leakage_between_splits(checked: Callable[..., Checked]) -> None:
    rows = labelled()
    twin = {"text": rows[2]["text"] + "s", "label": "a"}
    result = checked(rows, test=[*rows[:2], twin, {"text": "quite a different thing", "label": "a"}])
    assert finding(result, "leakage").count == 2 and finding(result, "near leakage").count == 1
    assert result.splits == {"train": 300, "test": 4}


def test_a_one_sided_set(checked: Callable[..., Checked]) -> None:
    rows = [{**row, "label": "b" if n < 20 else "a"} for n, row in enumerate(labelled())]
    assert "always saying it would be right in 93%" in finding(checked(rows), "one-sided").says


def test_repeated_answers_and_wrong_order(checked: Callable[..., Checked]) -> None:
    def row(text: str, answer: str) -> dict[str, Any]:
        return {"messages": [{"role": "user", "content": text}, {"role": "assistant", "content": answer}]}

    rows = [row(text, "I cannot help." if n < 9 else f"about {text}") for n, text in enumerate(texts(300))]
    rows.append({"messages": [{"role": "assistant", "content": "hi"}, {"role": "user", "content": "hi"}]})
    result = checked(rows)
    assert finding(result, "repeated answers").count == 9
    assert "the assistant speaks first" in finding(result, "roles").says


def test_pairs(checked: Callable[..., Checked]) -> None:
    rows = [{"prompt": text, "chosen": f"yes {text}", "rejected": "no"} for text in texts(250)]
    assert finding(checked([*rows, {"prompt": "p", "chosen": "a", "rejected": " a"}]), "no preference").count == 1


def test_translations(checked: Callable[..., Checked]) -> None:
    rows: list[dict[str, Any]] = [{"source": text, "target": f"das {text} da"} for text in texts(250)]
    result = checked(
        [*rows, {"source": "same", "target": "same"}, {"source": "a b c d e f g h" * 9, "target": "short"}]
    )
    assert finding(result, "same sides").count == 1 and finding(result, "lengths differ").count == 1


def test_entities_that_are_not_where_they_should_be(checked: Callable[..., Checked]) -> None:
    rows: list[dict[str, Any]] = [{"text": text, "entities": []} for text in texts(250)]
    assert (
        finding(
            checked([*rows, {"text": "in Rome", "entities": [{"type": "x", "text": "Rome", "start": 2, "end": 6}]}]),
            "spans",
        ).count
        == 1
    )


def test_few_rows_and_other_files(checked: Callable[..., Checked], tmp_path: Path) -> None:
    (tmp_path / "other.jsonl").write_text('{"foo": 1}\n')
    result = checked(labelled(5))
    assert finding(result, "few rows").severity == "error" and finding(result, "other files").count == 1


def test_lengths_and_page(checked: Callable[..., Checked]) -> None:
    odd = [{"text": "<b>&\x00 is marked up</b>", "label": "a"}, {"text": "mail jane@example.org soon", "label": "a"}]
    result = checked([*labelled(), *odd])
    assert result.lengths is not None and sum(result.lengths.rows) == 302 and result.lengths.longest < 100
    page = render_check(result)
    assert "&lt;b&gt;" in page and "[EMAIL_1]" in page
    assert "jane@example.org" not in page.split("What is trained")[0]  # findings never show what is personal
    assert "<script" not in page and "http" not in page.replace("http-equiv", "")
    json.dumps(result.to_json())


def test_a_draw_shows_every_label_first() -> None:
    from pocketlm.data.shapes import Example

    rows = [Example("w", "train", "classify", f"t{n}", "a", ("rare" if n == 7 else "a",), {}) for n in range(100)]
    assert {label for e in draw(rows, 2) for label in e.labels} == {"a", "rare"}
    assert draw(rows, 5, seed=1) == draw(rows, 5, seed=1) != draw(rows, 5, seed=2)
    assert [e.text for e in draw(rows, 5, label="rare")] == ["t7"] and draw(rows, 5, label="none") == []


def test_every_check_is_named_once() -> None:
    assert len({one.__name__ for one in CHECKS}) == len(CHECKS)
