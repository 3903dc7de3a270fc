"""`pocketlm calibrate`: make an engine's confidence honest, and find the threshold that keeps a promise."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pocketlm.cli.common import Json, be_quiet, output

if TYPE_CHECKING:
    from pocketlm.evaluate.calibrate import Calibration, Reliability


def calibrate(
    run: Annotated[Path, typer.Argument(help="The run; its exported file is checked too.")],
    data: Annotated[Path | None, typer.Option(help="Rows to fit on, not trained on; default: the run's validation rows.")] = None,
    test: Annotated[Path | None, typer.Option(help="Rows to check on; default: the run's test rows.")] = None,
    max_error: Annotated[float, typer.Option(help="Of the answers given without asking back, the share that may be wrong.")] = 0.05,
    html: Annotated[Path | None, typer.Option(help="Write reliability and risk as a web page.")] = None,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Fit on held-out rows how likely an answer is right, check it on others and on the exported file, keep it in the run.

    An app then answers, asks back, or falls back to something larger; `pocketlm run --json` says which.
    """
    be_quiet(as_json)
    from pocketlm.core.files import write_json
    from pocketlm.evaluate.calibrate import KEPT, check, fit, raw_chance

    fitted = _report(str(run), data, "valid", run)
    made = fit(fitted, max_error=max_error)
    engines = {"run": str(run)} | {f"exported {folder.name}": str(folder) for folder in _exported(run)}
    found: dict[str, dict[str, Reliability]] = {}
    reports = {}
    for name, engine in engines.items():
        reports[name] = _report(engine, test, "test", run)
        found[name] = {"before": check(reports[name], raw_chance), "after": check(reports[name], made.chance)}
    value = {
        "calibration": made.to_json(),
        "checked": {n: {k: r.to_json() for k, r in both.items()} for n, both in found.items()},
    }
    for home in [run, *(Path(engine) for name, engine in engines.items() if name != "run")]:
        write_json(home / KEPT, value)
    if html:
        from pocketlm.evaluate.html import write_report

        write_report(html, f"Confidence of {run}", reports, calibration=made)
    output(as_json, value, _text(made, found, run))


def _exported(run: Path) -> list[Path]:
    """Its bundles that something here can open."""
    from pocketlm.engines.open import engine_path, is_exported

    bundles = (file.parent for file in sorted(run.glob("exports/*/manifest.json")))
    return [folder for folder in bundles if not folder.suffix and is_exported(str(engine_path(str(folder))))]


def _report(engine: str, data: Path | None, split: str, run: Path) -> Any:
    """The report of an engine on rows, by default on a split of the run's data."""
    from pocketlm.cli.subject import Asked, find_scoring

    return find_scoring(Asked(engine, str(data or run)), split=split).report(engine, f"Scoring {split} rows")


def _text(made: Calibration, found: dict[str, dict[str, Reliability]], run: Path) -> str:
    lines = [f"fitted on {made.rows} rows: {made.method} of the probability of the {made.signal}", ""]
    lines.append(
        f"{'':<16}{'rows':>6}{'right':>8}{'ECE before':>12}{'after':>8}{'Brier before':>14}{'after':>8}{'AUROC':>8}"
    )
    for name, both in found.items():
        before, after = both["before"], both["after"]
        lines.append(
            f"{name:<16}{after.rows:>6}{after.right:>8.1%}{before.ece:>12.3f}{after.ece:>8.3f}{before.brier:>14.3f}"
            f"{after.brier:>8.3f}{after.auroc:>8.3f}"
        )
    lines.append("")
    if made.threshold is None:
        lines.append(
            f"no threshold keeps the error under {made.max_error:.0%} with 90 % certainty: more rows, or a better model"
        )
    else:
        lines.append(
            f"answer from a chance of {made.threshold:.1%} up: wrong at most {made.max_error:.0%} (90 % certain)"
        )
        for name, both in found.items():
            lines.append(f"  {name}: {_kept(both['after'], made.threshold)}")
    lines.append(f"kept in {run}, where `pocketlm run --json` finds it")
    return "\n".join(lines)


def _kept(found: Reliability, threshold: float) -> str:
    """What answering from a threshold up does on the rows that were checked."""
    return f"{found.covered(threshold):.1%} of the rows answered, {found.error_from(threshold):.1%} of those wrong"
