"""`pocketlm compare`: two saved reports on the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output


def compare(
    a: Annotated[Path, typer.Argument(help="Report of the reference, from `pocketlm eval --save`.")],
    b: Annotated[Path, typer.Argument(help="Report of the candidate.")],
    metric: Annotated[str, typer.Option(help="exact, lenient, function or valid.")] = "exact",
    as_json: Json = False,
) -> None:
    """Say whether B is better or worse than A, with paired statistics; exit code 3 when it is worse."""
    be_quiet(as_json)
    from pocketlm.core.errors import GateFailed, InputError
    from pocketlm.core.files import read_json
    from pocketlm.evaluate.compare import compare as paired
    from pocketlm.evaluate.evaluate import Report

    reports = []
    for path in (a, b):
        try:
            reports.append(Report.from_json(read_json(path)))
        except (KeyError, TypeError) as error:
            raise InputError(f"{path}: not a report; make one with `pocketlm eval ENGINE --save {path}`") from error
    found = paired(reports[0], reports[1], metric)
    text = (
        f"{metric}: {found.difference:+.1%} [{found.low:+.1%}, {found.high:+.1%}], p = {found.p:.3f}: {found.verdict}; "
        f"{len(found.gained)} rows gained, {len(found.lost)} lost"
    )
    output(as_json, found.to_json(), text)
    if found.verdict == "worse":
        raise GateFailed(f"{b} is worse than {a} on {metric}")
