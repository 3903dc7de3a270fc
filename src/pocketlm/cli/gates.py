"""Gates of `eval`, `compare` and `suite`: conditions checked, told to people and to a build server, enforced by exit code 3."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketlm.core.errors import GateFailed, InputError

if TYPE_CHECKING:
    from pocketlm.evaluate.gate import Checked
    from pocketlm.evaluate.report import Report
    from pocketlm.evaluate.scoring import Scoring


def check(
    gate: str, report: Report, scoring: Scoring | None, junit: Path | None = None, markdown: Path | None = None
) -> list[Checked]:
    """Check a report against conditions, and write the files that were asked for.

    Raises:
        InputError, Problems: a condition that cannot be read, or a metric nobody measured.
    """
    from pocketlm.core.files import write_text
    from pocketlm.evaluate.compare import compare
    from pocketlm.evaluate.gate import check_gate, junit_xml, markdown_summary, parse_gate

    def verdict(reference: str) -> Any:
        return compare(reference_report(reference, scoring), report)

    metrics = {**report.metrics, **_numbers(report.latency or {})}
    checked = check_gate(parse_gate(gate), metrics, verdict)
    if junit:
        write_text(junit, junit_xml(report.engine, checked))
    if markdown:
        write_text(markdown, markdown_summary(report.engine, checked, report.metrics, report.intervals))
    return checked


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
