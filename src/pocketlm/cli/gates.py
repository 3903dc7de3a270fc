"""Gates of `eval`, `compare` and `suite`: conditions checked, told to people and to a build server, enforced by exit code 3."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketlm.core.errors import GateFailed, InputError

if TYPE_CHECKING:
    from pocketlm.evaluate.gate import Checked, Condition
    from pocketlm.evaluate.report import Report
    from pocketlm.evaluate.scoring import Scoring


def check(
    conditions: Sequence[Condition], report: Report, scoring: Scoring | None, metric: str | None = None
) -> list[Checked]:
    """Check a report against conditions. `metric`: the one that no_worse_than compares, by default the main one.

    Raises:
        Problems: a metric nobody measured. InputError: a reference that cannot be had.
    """
    from pocketlm.evaluate.compare import compare
    from pocketlm.evaluate.gate import check_gate

    metrics = {**report.metrics, **_numbers(report.latency or {})}
    return check_gate(
        conditions, metrics, lambda reference: compare(reference_report(reference, scoring), report, metric)
    )


def parse(gate: str) -> list[Condition]:
    """The conditions of --gate, none where nothing is asked."""
    from pocketlm.evaluate.gate import parse_gate

    return parse_gate(gate) if gate else []


def held(before: Report, report: Report, name: str, metric: str | None) -> list[Checked]:
    """Whether a report is no worse than another that is at hand under a name."""
    from pocketlm.evaluate.compare import compare
    from pocketlm.evaluate.gate import NO_WORSE, Condition, check_gate

    condition = Condition(NO_WORSE, "=", reference=name)
    return check_gate([condition], report.metrics, lambda _: compare(before, report, metric))


def write(
    found: Mapping[str, tuple[Report, list[Checked]]], title: str, junit: Path | None, markdown: Path | None
) -> None:
    """Write what was found of each engine for a build server and for people."""
    from dataclasses import replace

    from pocketlm.core.files import write_text
    from pocketlm.evaluate.gate import junit_xml, markdown_summary

    if junit:
        several = len(found) > 1
        every = [
            replace(c, found=f"{name}: {c.found}") if several else c for name, (_, some) in found.items() for c in some
        ]
        write_text(junit, junit_xml(title, every))
    if markdown:
        parts = [markdown_summary(name, some, r.metrics, r.intervals) for name, (r, some) in found.items()]
        write_text(markdown, "\n".join(parts))


def enforce(checked: list[Checked]) -> None:
    """Raise GateFailed where a condition does not hold."""
    failed = [f"{one.found}, asked for {one.condition}" for one in checked if not one.passed]
    if failed:
        raise GateFailed("the gate failed: " + "; ".join(failed))


def reference_report(reference: str, scoring: Scoring | None) -> Report:
    """A saved report, or that of an engine on the same rows; a bare name is a run's."""
    if reference.endswith(".json"):
        return read_report(Path(reference))
    if not Path(reference).exists() and (Path("runs") / reference).is_dir():
        reference = f"runs/{reference}"
    if scoring is None:
        raise InputError(f"no_worse_than={reference}: name a saved report, or score both engines with --data")
    return scoring.report(reference)


def read_report(path: Path) -> Report:
    """A report from its file.

    Raises:
        InputError: it is none.
    """
    from pocketlm.core.files import read_json
    from pocketlm.evaluate.report import Report

    value = read_json(path)
    try:
        return Report.from_json(value.get("report", value))
    except (KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path}: not a report; make one with `pocketlm eval ENGINE DATA --save {path}`") from error


def told(checked: list[Checked]) -> str:
    """What was found, a line a condition."""
    return "\n".join(f"  {'ok ' if one.passed else 'BAD'} {one.condition}: {one.found}" for one in checked)


def to_json(checked: list[Checked]) -> list[dict[str, Any]]:
    """Plain values."""
    return [{"condition": str(one.condition), "passed": one.passed, "found": one.found} for one in checked]


def _numbers(latency: dict[str, Any]) -> dict[str, float]:
    from pocketlm.evaluate.latency import Latency

    return dict(Latency.from_json(latency).metrics) if latency else {}
