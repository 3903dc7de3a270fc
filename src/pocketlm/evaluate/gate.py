"""Gates: conditions that a report has to meet, as people write them, and what continuous integration reads of the outcome.

"exact>=95%, p95_ms<=200 and no_worse_than=runs/12". Knows names and numbers only, neither rows nor engines.
"""

from __future__ import annotations

import math
import operator
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol
from xml.etree import ElementTree

from pocketlm.core.errors import InputError, Problems
from pocketlm.evaluate.latency import METRICS as COSTS
from pocketlm.evaluate.latency import amount, nearest
from pocketlm.evaluate.report import STOPPED
from pocketlm.tasks.registry import TASKS

NO_WORSE = "no_worse_than"
KINDS = {name: kind for task in TASKS.values() for name, kind in task.metrics.items()} | {"stopped": STOPPED}
SHARES = {name for name, kind in KINDS.items() if kind.percent}  # 0..1
KNOWN = (*KINDS, *COSTS)

_HOLDS: dict[str, Callable[[float, float], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    ">": operator.gt,
    "<": operator.lt,
    "=": lambda found, asked: math.isclose(found, asked, rel_tol=1e-9, abs_tol=1e-9),
}
_CONDITION = re.compile(r"(?P<name>[^\s<>=!]+)\s*(?P<sign>>=|<=|==|=|>|<)\s*(?P<value>[^<>=!]+)")
_BETWEEN = re.compile(r",|\s+and\s+", re.IGNORECASE)


@dataclass(frozen=True)
class Condition:
    """One demand: a metric held against a number, or a report that must not be better.

    Attributes:
        metric: a metric's name, or "no_worse_than".
        sign: one of >= <= > < =.
        value: in the metric's own unit, shares as 0..1; None for no_worse_than.
        reference: the report of no_worse_than.
    """

    metric: str
    sign: str
    value: float | None = None
    reference: str = ""

    def __str__(self) -> str:
        asked = self.reference if self.value is None else told(self.metric, self.value)
        return f"{self.metric} {self.sign} {asked}"


class Verdict(Protocol):
    """What a paired comparison found; compare.Comparison is one. Difference and its 95 % interval are in the metric's unit."""

    @property
    def metric(self) -> str: ...

    @property
    def verdict(self) -> str: ...  # "better", "worse" or what it says otherwise

    @property
    def difference(self) -> float: ...

    @property
    def low(self) -> float: ...

    @property
    def high(self) -> float: ...


@dataclass(frozen=True)
class Checked:
    """A condition, whether it holds, and a sentence that says what was found."""

    condition: Condition
    passed: bool
    found: str


def parse_gate(text: str, known: Collection[str] = KNOWN) -> list[Condition]:
    """The conditions of a text, separated by commas or "and"; numbers as 0.95 or 95%.

    Args:
        known: the metrics there are.

    Raises:
        Problems: all that is wrong with it, each with the nearest valid name. InputError: it is empty.
    """
    parts = [part.strip() for part in _BETWEEN.split(text) if part.strip()]
    if not parts:
        raise InputError("--gate: no condition; write for example --gate 'exact>=0.95, p95_ms<=200'")
    found: list[Condition] = []
    problems = []
    for part in parts:
        try:
            found.append(_condition(part, known))
        except InputError as error:
            problems.append(str(error))
    if problems:
        raise Problems(f"--gate {text}", problems)
    return found


def _condition(part: str, known: Collection[str]) -> Condition:
    match = _CONDITION.fullmatch(part)
    if not match:
        raise InputError(f'"{part}": expected a metric, one of >= <= > < = and a value, such as exact>=0.95')
    name, sign, value = match["name"], match["sign"].replace("==", "="), match["value"].strip()
    if name == NO_WORSE:
        if sign != "=":
            raise InputError(f'"{part}": write {NO_WORSE}=REPORT')
        return Condition(name, sign, reference=value)
    if name not in known:
        raise InputError(f"no metric is named {nearest(name, [*known, NO_WORSE])}")
    return Condition(name, sign, _number(part, name, value))


def _number(part: str, name: str, text: str) -> float:
    percent = text.endswith("%")
    try:
        number = float(text.removesuffix("%"))
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f'"{part}": {text} is not a number')
    if percent and name in COSTS:
        raise InputError(f'"{part}": {name} is not a share of something; write a number without %')
    number = number / 100 if percent else number
    if name in SHARES and not 0 <= number <= 1:
        raise InputError(f'"{part}": {name} is a share of the rows, 0 to 1; write 0.95 or 95%')
    return number


def check_gate(
    conditions: Sequence[Condition], metrics: Mapping[str, float], verdict: Callable[[str], Verdict]
) -> list[Checked]:
    """Hold each condition against what was measured.

    Args:
        verdict: gives the paired comparison with a reference: how the report at hand differs from it on its main metric.

    Raises:
        Problems: metrics that conditions name and nobody measured.
    """
    missing = [c for c in conditions if c.metric != NO_WORSE and c.metric not in metrics]
    if missing:
        raise Problems("--gate", [_unmeasured(condition.metric, metrics) for condition in missing])
    return [
        _compared(condition, verdict(condition.reference))
        if condition.value is None
        else _held(condition, condition.value, metrics[condition.metric])
        for condition in conditions
    ]


def _unmeasured(name: str, metrics: Mapping[str, float]) -> str:
    return f"{name} was not measured" + ("; add --latency" if name in COSTS else f"; there are {', '.join(metrics)}")


def _held(condition: Condition, asked: float, found: float) -> Checked:
    passed = _HOLDS[condition.sign](found, asked)
    return Checked(condition, passed, f"{condition.metric} is {told(condition.metric, found)}")


def _compared(condition: Condition, found: Verdict) -> Checked:
    """Worse is only what the rows prove to be worse: an interval around zero passes, so give the gate enough rows."""
    if found.metric in SHARES:
        by = f"{100 * found.difference:+.1f} points, 95 % interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"
    else:
        by = f"{found.difference:+.4g}, 95 % interval {found.low:+.4g} to {found.high:+.4g}"
    beside = f"{found.metric} beside {condition.reference}: {found.verdict} ({by})"
    return Checked(condition, found.verdict != "worse", beside)


def told(name: str, value: float) -> str:
    """A metric's value as people read it: "95.24%", "143.2 ms"."""
    if name in COSTS:
        return amount(name, value)
    return f"{100 * value:.2f}%" if name in SHARES else f"{value:.4g}"


# ------------------------------------------------------------------------------------- what machines and people read


def junit_xml(name: str, checked: Sequence[Checked]) -> str:
    """A JUnit report: one suite, a case for each condition. Most systems of continuous integration show it.

    The format: https://github.com/testmoapp/junitxml
    """
    failed = sum(not one.passed for one in checked)
    counts = {"tests": str(len(checked)), "failures": str(failed), "errors": "0"}
    suite = ElementTree.Element("testsuite", {"name": _plain(name), **counts})
    for one in checked:
        title = {"name": _plain(str(one.condition)), "classname": _plain(name)}
        case = ElementTree.SubElement(suite, "testcase", title)
        if not one.passed:
            said = _plain(f"{one.found}; asked for: {one.condition}")
            ElementTree.SubElement(case, "failure", {"message": said, "type": "gate"}).text = said
    root = ElementTree.Element("testsuites", counts)
    root.append(suite)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode") + "\n"


def _plain(text: str) -> str:
    """Without what no XML file can hold: control codes and half characters."""
    return re.sub("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]", "\ufffd", text)


def markdown_summary(
    title: str,
    checked: Sequence[Checked],
    metrics: Mapping[str, float],
    intervals: Mapping[str, tuple[float, float]] = {},
) -> str:
    """Text for a pull request: the verdict, what was asked, and all that was measured with its 95 % intervals."""
    failed = sum(not one.passed for one in checked)
    verdict = f"failed: {failed} of {len(checked)} conditions do not hold" if failed else "passed"
    lines = [f"### {_cell(title)}: {verdict}", ""]
    if checked:
        lines += ["| | asked | found |", "| --- | --- | --- |"]
        lines += [f"| {'✅' if c.passed else '❌'} | {_cell(str(c.condition))} | {_cell(c.found)} |" for c in checked]
        lines.append("")
    lines += ["| metric | value | 95 % interval |", "| --- | ---: | --- |"]
    for name, value in metrics.items():
        spread = " to ".join(told(name, end) for end in intervals.get(name, ()))
        lines.append(f"| {_cell(name)} | {told(name, value)} | {spread} |")
    return "\n".join(lines) + "\n"


def _cell(text: str) -> str:
    """Text that cannot break out of a table's cell, nor become a mark or a tag."""
    return re.sub(r"([\\`*\[\]<>|#@~&])", lambda mark: f"&#{ord(mark[1])};", " ".join(_plain(text).split()))
