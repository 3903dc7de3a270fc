"""Gates: what people write is understood or refused in one sentence; what machines read is well formed."""

from __future__ import annotations

from dataclasses import dataclass
from xml.etree import ElementTree

import pytest

from pocketlm.core.errors import InputError, Problems
from pocketlm.evaluate.compare import Comparison
from pocketlm.evaluate.gate import (
    KNOWN,
    Checked,
    Condition,
    Verdict,
    check_gate,
    junit_xml,
    markdown_summary,
    parse_gate,
    told,
)

METRICS = {"exact": 0.95, "lenient": 0.97, "p95_ms": 143.21, "memory_mb": 212.0}


@dataclass(frozen=True)
class Found:
    verdict: str
    metric: str = "exact"
    difference: float = -0.012
    low: float = -0.03
    high: float = 0.005


def same(reference: str) -> Verdict:
    return Found("no difference shown")


def holds(text: str) -> list[bool]:
    return [one.passed for one in check_gate(parse_gate(text), METRICS, same)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exact>=0.95", [Condition("exact", ">=", 0.95)]),
        ("exact >= 95%", [Condition("exact", ">=", 0.95)]),
        ("exact>=95 %", [Condition("exact", ">=", 0.95)]),
        ("p95_ms<=200", [Condition("p95_ms", "<=", 200.0)]),
        ("valid == 1", [Condition("valid", "=", 1.0)]),
        ("valid=100%", [Condition("valid", "=", 1.0)]),
        ("memory_mb<1e3,size_mb < 90", [Condition("memory_mb", "<", 1000.0), Condition("size_mb", "<", 90.0)]),
        ("exact>0.9 and p99_ms<300", [Condition("exact", ">", 0.9), Condition("p99_ms", "<", 300.0)]),
        ("exact>0.9 AND p99_ms<300,", [Condition("exact", ">", 0.9), Condition("p99_ms", "<", 300.0)]),
        ("no_worse_than=run-12", [Condition("no_worse_than", "=", reference="run-12")]),
        ("no_worse_than = runs/my band", [Condition("no_worse_than", "=", reference="runs/my band")]),
        (
            "exact>=0.95, p95_ms<=200, no_worse_than=run-12",
            [
                Condition("exact", ">=", 0.95),
                Condition("p95_ms", "<=", 200.0),
                Condition("no_worse_than", "=", reference="run-12"),
            ],
        ),
    ],
)
def test_conditions_are_read(text: str, expected: list[Condition]) -> None:
    assert parse_gate(text) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no condition"),
        (" , ", "no condition"),
        ("exact", "expected a metric"),
        ("exact>=", "expected a metric"),
        (">=0.9", "expected a metric"),
        ("exact!=0.9", "expected a metric"),
        ("exact=>0.9", "expected a metric"),
        ("exact>=0.9 lenient>=0.9", "expected a metric"),
        ("exat>=0.9", 'no metric is named "exat"; did you mean "exact"?'),
        ("p95>=0.9", 'did you mean "p95_ms"?'),
        ("no_worse_then=a", 'did you mean "no_worse_than"?'),
        ("zzz>=0.9", "there are exact, lenient"),
        ("exact>=high", "high is not a number"),
        ("exact>=nan", "nan is not a number"),
        ("p95_ms<=inf", "inf is not a number"),
        ("exact>=95", "write 0.95 or 95%"),
        ("exact>=-0.1", "0 to 1"),
        ("p95_ms<=20%", "without %"),
        ("no_worse_than>=run-12", "write no_worse_than=REPORT"),
    ],
)
def test_what_cannot_be_read_is_told(text: str, said: str) -> None:
    with pytest.raises(InputError) as told_:
        parse_gate(text)
    assert said in str(told_.value)
    assert str(told_.value).startswith("--gate")
    assert told_.value.exit_code == 1


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(Problems) as told_:
        parse_gate("exat>=0.9, p95_ms<=200, lenient>=97, valid")
    assert len(told_.value.problems) == 3


def test_other_metrics_can_be_made_known() -> None:
    assert parse_gate("perplexity<=12.5", [*KNOWN, "perplexity"]) == [Condition("perplexity", "<=", 12.5)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("exact>=0.95", True),
        ("exact>0.95", False),
        ("exact<=0.95", True),
        ("exact<0.95", False),
        ("exact=0.95", True),
        ("exact=0.9500001", False),
        ("exact=95%", True),
        ("p95_ms<=143.21", True),
        ("p95_ms<=143.2", False),
    ],
)
def test_the_edge_belongs_to_the_operators_that_name_it(text: str, expected: bool) -> None:
    assert holds(text) == [expected]


def test_a_number_that_is_none_meets_nothing() -> None:
    for sign in (">=", "<=", ">", "<", "="):
        checked = check_gate([Condition("exact", sign, 0.5)], {"exact": float("nan")}, same)
        assert not checked[0].passed


def test_what_was_not_measured_is_told_with_the_way_to_it() -> None:
    with pytest.raises(Problems) as told_:
        check_gate(parse_gate("p99_ms<=200, stopped>=1, exact>=0.5"), METRICS, same)
    assert told_.value.problems == [
        "p99_ms was not measured; add --latency",
        "stopped was not measured; there are exact, lenient, p95_ms, memory_mb",
    ]


def test_no_worse_than_fails_only_where_the_rows_prove_it() -> None:
    asked = []

    def verdict(word: str) -> bool:
        def compared(reference: str) -> Verdict:
            asked.append(reference)
            return Found(word)

        (checked,) = check_gate(parse_gate("no_worse_than=run-12"), METRICS, compared)
        assert checked.found == f"exact beside run-12: {word} (-1.2 points, 95 % interval -3.0 to +0.5)"
        return checked.passed

    assert verdict("better")
    assert verdict("no difference shown")
    assert not verdict("worse")
    assert asked == ["run-12"] * 3


def test_a_comparison_is_a_verdict() -> None:
    worse = Comparison("exact", 0.9, 0.8, -0.1, -0.15, -0.05, 0.001, "McNemar, exact", [], [1, 2], 0.8)
    (checked,) = check_gate(parse_gate("no_worse_than=a"), METRICS, lambda reference: worse)
    assert not checked.passed


EVIL = "<a & \"b\" 'c'> ]]> \x00\x1b | `x`\n#1 *b* \ud83d"


def checks() -> list[Checked]:
    return [
        Checked(Condition("exact", ">=", 0.95), True, "exact is 95.00%"),
        Checked(Condition("no_worse_than", "=", reference=EVIL), False, f"exact beside {EVIL}: worse"),
    ]


def test_junit_is_well_formed_and_tells_all() -> None:
    text = junit_xml(EVIL, checks())
    root = ElementTree.fromstring(text.encode())
    assert root.tag == "testsuites"
    (suite,) = root
    assert suite.tag == "testsuite"
    assert (suite.get("tests"), suite.get("failures"), suite.get("errors")) == ("2", "1", "0")
    good, bad = suite
    assert (good.tag, good.get("name"), list(good)) == ("testcase", "exact >= 95.00%", [])
    (failure,) = bad
    assert failure.tag == "failure"
    assert "worse; asked for: no_worse_than = <a & \"b\" 'c'> ]]> \ufffd" in str(failure.text)
    assert str(failure.get("message")).startswith("exact beside <a &")


def test_junit_without_conditions() -> None:
    (suite,) = ElementTree.fromstring(junit_xml("empty", []).encode())
    assert (suite.get("tests"), list(suite)) == ("0", [])


def test_markdown_has_the_verdict_first_and_keeps_its_tables() -> None:
    text = markdown_summary(EVIL, checks(), METRICS, {"exact": (0.93, 0.97)})
    lines = text.splitlines()
    assert lines[0].startswith("### ")
    assert lines[0].endswith(": failed: 1 of 2 conditions do not hold")
    assert "| exact | 95.00% | 93.00% to 97.00% |" in lines
    assert "| p95_ms | 143.2 ms |  |" in lines
    rows = [line for line in lines if line.startswith(("| ✅", "| ❌"))]
    assert len(rows) == 2
    assert all(row.count("|") == 4 for row in rows)
    assert "<" not in text
    assert "`" not in text


def test_markdown_of_what_passed() -> None:
    assert markdown_summary("call", checks()[:1], METRICS).startswith("### call: passed\n")
    assert "conditions" not in markdown_summary("call", [], {"exact": 1.0})


def test_numbers_are_told_with_their_units() -> None:
    assert told("exact", 0.94996) == "95.00%"
    assert told("memory_mb", 1204.4) == "1,204 MB"
    assert told("wh_per_1000", 1.8) == "1.8 Wh"
    assert told("perplexity", 12.3456) == "12.35"
