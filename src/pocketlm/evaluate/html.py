"""Reports as one web page that needs nothing else, no script, font or network: it can be mailed, printed, archived.

The verdict first, then the table, pictures, and the rows that went wrong.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pocketlm.core import page
from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact, write_text
from pocketlm.evaluate.calibrate import Calibration
from pocketlm.evaluate.compare import Comparison, compare
from pocketlm.evaluate.latency import Latency
from pocketlm.evaluate.latency_page import latency_section
from pocketlm.evaluate.loss_plot import loss_curve
from pocketlm.evaluate.page_plots import confidence_plots, confusion, trade_off
from pocketlm.evaluate.report import Report, RowResult, worst_rows

SIDE_BY_SIDE = 3  # reports in the table by slice
MOST_COLUMNS = 4  # metrics beside the main one in the table
MOST_WRONG_ROWS = 500
MOST_ITEMS = 40


def render_report(
    title: str,
    reports: Mapping[str, Report],
    *,
    history: Sequence[Mapping[str, float]] = (),
    checks: Sequence[tuple[str, bool, str]] = (),
    facts: Mapping[str, str] = {},
    examples: Sequence[tuple[str, str]] = (),
    calibration: Calibration | None = None,
) -> str:
    """One self-contained HTML page.

    Args:
        reports: by the name to show, in the order of the work: "base", "rules", "tuned", "gguf". The main one is
            "tuned", or the last if none is named so; it is compared with "base", or with the first.
        history: training steps, `{"step", "loss"}` and now and then "valid_loss".
        checks: of the export: name, whether it passed, what was found.
        facts: what a reader needs to know of how this was made: base, licence, rows, machine, versions.
        examples: requests and the calls that were answered.
        calibration: of the main report's confidence.
    """
    parts = [_notes(reports), _scores(reports), loss_curve(history), _by_slice(reports)]
    if reports:
        name, main = _main(reports), reports[_main(reports)]
        parts += [_by_item(name, main), confusion(main), confidence_plots(main, calibration), trade_off(reports)]
        parts += [latency_section(Latency.from_json(main.latency)) if main.latency else ""]
        parts += [_errors(name, main), _examples(examples), _wrong_rows(name, main)]
    else:
        parts.append(_examples(examples))
    parts += [_checks(checks), page.facts(facts)]
    return page.page(title, _headline(reports, checks), parts)


def write_report(path: Path, title: str, reports: Mapping[str, Report], **more: Any) -> None:
    """Write the page of `render_report` to `path`."""
    write_text(path, render_report(title, reports, **more))


# ---------------------------------------------------------------------------------------------- headline and scores


def _main(reports: Mapping[str, Report]) -> str:
    return "tuned" if "tuned" in reports else list(reports)[-1]


def _compare(a: Report, b: Report) -> Comparison | None:
    try:
        return compare(a, b)
    except InputError:  # scored on different rows: both are shown, nothing is claimed
        return None


def _headline(reports: Mapping[str, Report], checks: Sequence[tuple[str, bool, str]]) -> str:
    """What came out, in a few sentences."""
    if not reports or not reports[_main(reports)].metrics:
        return "No rows were scored."
    name = _main(reports)
    main, first = reports[name], _rival(reports, name)
    said = [_result(name, main)]
    if first != name and (versus := _compare(reports[first], main)):
        said.append(_versus(first, versus, main))
    last = list(reports)[-1]
    if last != name and list(reports).index(name) < len(reports) - 1 and (kept := _compare(main, reports[last])):
        said.append(
            f"{page.escape(last)} gets {_shown(reports[last], main.main)}; "
            f"{kept.same:.1%} of its answers are the same to the letter."
        )
    if checks:
        failed = sum(not passed for _, passed, _ in checks)
        said.append(
            f'<span class="bad">{failed} of {len(checks)} export checks failed.</span>'
            if failed
            else f"All {len(checks)} export checks passed."
        )
    return " ".join(said)


def _rival(reports: Mapping[str, Report], name: str) -> str:
    """What the main report is compared with: the base, else the best of those before it, else itself."""
    if "base" in reports:
        return "base"
    metric, kind = reports[name].main, reports[name].kinds[reports[name].main]
    before = list(reports)[: list(reports).index(name)]
    known = [other for other in before if metric in reports[other].metrics]
    return max(known, key=lambda other: reports[other].metrics[metric] * (-1 if kind.lower else 1), default=name)


def _result(name: str, report: Report) -> str:
    kind, (low, high) = report.kinds[report.main], report.intervals[report.main]
    figure = f"<strong>{page.escape(name)}: {kind.show(report.value)} {page.escape(report.main)}"
    return (
        f"{figure} on {len(report.rows):,} rows</strong> (95% interval {kind.show(low)} to {kind.show(high)}): "
        f"{page.escape(kind.about)}."
    )


def _versus(name: str, found: Comparison, report: Report) -> str:
    kind = report.kinds[found.metric]
    if kind.percent:
        points = f"{100 * found.difference:+.1f} points, 95% interval {100 * found.low:+.1f} to {100 * found.high:+.1f}"
    else:
        points = f"{found.difference:+.3g}, 95% interval {found.low:+.3g} to {found.high:+.3g}"
    verdict = {"better": "Better than", "worse": "Worse than"}.get(found.verdict, "No difference shown from")
    return f"{verdict} {page.escape(name)}, which gets {kind.show(found.a)} ({points})."


def _shown(report: Report, metric: str) -> str:
    return report.kinds[metric].show(report.metrics[metric]) if metric in report.metrics else "&ndash;"


def _notes(reports: Mapping[str, Report]) -> str:
    """What must be known before a figure is trusted."""
    notes = dict.fromkeys(note for report in reports.values() for note in report.notes)
    items = "".join(f"<li>{page.escape(note)}</li>" for note in notes)
    return (
        page.section('<span class="warn">Before you trust these figures</span>', f"<ul>{items}</ul>") if notes else ""
    )


def _scores(reports: Mapping[str, Report]) -> str:
    """The table of reports."""
    if not reports or not reports[_main(reports)].metrics:
        return ""
    main = reports[_main(reports)]
    others = [name for name in main.kinds if name != main.main]
    shown = [name for name in others if name != "stopped"][:MOST_COLUMNS]
    heads = page.heads("model", f"{main.main}, with its 95% interval") + page.heads(
        *shown, "seconds", "tokens/s", number=True
    )
    rows = [_score_row(name, report, main, shown, report is main) for name, report in reports.items()]
    words = "; ".join(
        f"<b>{page.escape(name)}</b> {page.escape(main.kinds[name].about)}"
        + ("" if name in shown or name == main.main else f" ({_shown(main, name)})")
        for name in [main.main, *others]
    )
    return page.section("Scores", page.table("scores", heads, rows), f"{words}.")


def _score_row(name: str, report: Report, main: Report, others: Sequence[str], is_main: bool) -> str:
    about = [report.engine, f"{len(report.rows):,} rows"]
    if report.settings.get("constrain"):
        about.append("held to the schema")
    cells = [f'<th scope="row">{page.escape(name)}<small>{page.escape(" · ".join(about))}</small></th>']
    if main.main in report.metrics:
        kind, value, spread = main.kinds[main.main], report.metrics[main.main], report.intervals[main.main]
        numbers = [f"{100 * end:.1f}" if kind.percent else f"{end:,.4g}" for end in spread]
        bar = page.bar(value, spread) if kind.percent else ""
        cells.append(
            f'<td><div class="pair">{bar}<b>{kind.show(value)}</b><small>{"&ndash;".join(numbers)}</small></div></td>'
        )
    else:
        cells.append("<td>&ndash;</td>")
    columns = [_shown(report, other) if other in report.kinds else "&ndash;" for other in others]
    columns.append(f"{report.seconds:,.0f}" if report.seconds >= 100 else f"{report.seconds:.1f}")
    columns.append(f"{report.tokens_per_s:,.0f}" if report.tokens_per_s else "&ndash;")
    cells += [f'<td class="number">{column}</td>' for column in columns]
    kind_of_row = ' class="main"' if is_main else ""
    return f"<tr{kind_of_row}>{''.join(cells)}</tr>"


def _by_slice(reports: Mapping[str, Report]) -> str:
    """The main metric of each slice, the weakest of the main report first, the last reports side by side."""
    if not reports or not reports[_main(reports)].slices:
        return ""
    name = _main(reports)
    shown = list(reports)[-SIDE_BY_SIDE:]
    if name not in shown:
        shown = [name, *shown[1:]]
    main, slices = reports[name], reports[name].slices
    kind = main.kinds[main.main]
    rows = []
    for group in sorted(slices, key=lambda group: (slices[group][main.main] * (-1 if kind.lower else 1), group)):
        cells = [f'<th scope="row">{page.escape(group)}</th><td class="number">{slices[group]["rows"]:,.0f}</td>']
        cells += [_slice_cell(reports[one].slices.get(group, {}).get(main.main), main, one == name) for one in shown]
        rows.append(f"<tr>{''.join(cells)}</tr>")
    heads = page.heads("slice") + page.heads("rows", number=True) + page.heads(*shown)
    note = f"The weakest of {page.escape(name)} first. Few rows say little: with 10 rows, one row is 10 points."
    return page.section(f"{page.escape(main.main).capitalize()} by slice", page.table("by", heads, rows), note)


def _slice_cell(value: float | None, main: Report, is_main: bool) -> str:
    if value is None:
        return "<td>&ndash;</td>"
    kind = main.kinds[main.main]
    bar = page.bar(value) if kind.percent else ""
    shown = f"{value:.0%}" if kind.percent else kind.show(value)
    return f'<td><div class="{"pair main" if is_main else "pair"}">{bar}<b>{shown}</b></div></td>'


def _by_item(name: str, report: Report) -> str:
    """Precision and recall of each argument, label or field, the weakest first."""
    if not report.items:
        return ""
    weakest = sorted(report.items, key=lambda item: (report.items[item]["f1"], -report.items[item]["wanted"]))[
        :MOST_ITEMS
    ]
    rows = []
    for item in weakest:
        found = report.items[item]
        cells = "".join(
            f'<td><div class="pair">{page.bar(found[k])}<b>{found[k]:.0%}</b></div></td>'
            for k in ("precision", "recall")
        )
        rows.append(f'<tr><th scope="row"><code>{page.escape(item)}</code></th><td class="number">{found["wanted"]:,.0f}</td>{cells}</tr>')  # fmt: skip
    what = {"call": "argument", "classify": "label", "extract": "field"}.get(report.task, "item")
    heads = page.heads(what) + page.heads("wanted", number=True) + page.heads("precision", "recall")
    more = f" The weakest {MOST_ITEMS} of {len(report.items)}." if len(report.items) > MOST_ITEMS else ""
    note = f"Of {page.escape(name)}. Precision: of those given, how many are right. Recall: of those wanted, how many were found.{more}"
    table = page.table("by", heads, rows)
    body = (
        f"<details>\n<summary>{len(report.items)} {what}s</summary>\n{table}\n</details>" if len(rows) > 12 else table
    )
    return page.section(f"By {what}", body, note)


# ------------------------------------------------------------------------------------- errors, rows, checks, facts


def _errors(name: str, report: Report) -> str:
    """The most frequent differences: function.argument, or a wrong function."""
    if not report.errors:
        return ""
    most = max(count for _, count in report.errors)
    rows = [
        f"<tr><td><code>{page.escape(what)}</code></td>"
        f'<td><div class="pair">{page.bar(count / most)}<b>{count:,}</b></div></td></tr>'
        for what, count in report.errors
    ]
    table = page.table("by counts", page.heads("what differs", "times"), rows)
    return page.section(f"Most frequent errors of {page.escape(name)}", table)


def _examples(examples: Sequence[tuple[str, str]]) -> str:
    rows = [page.stacked({"request": page.said(request), "answer": page.code(answer)}) for request, answer in examples]
    return page.section("Examples", page.table("examples stack", page.heads("request", "answer"), rows)) if rows else ""


def _wrong_rows(name: str, report: Report) -> str:
    """Every row the model got wrong, the worst first, folded."""
    wrong = worst_rows(report)
    if not wrong:
        return ""
    rows = [_wrong_row(row) for row in wrong[:MOST_WRONG_ROWS]]
    count = f"{len(wrong):,} of {len(report.rows):,} rows"
    if len(wrong) > MOST_WRONG_ROWS:
        count += f", the first {MOST_WRONG_ROWS:,} shown"
    table = page.table("wrong stack", page.heads("request", "expected", "got", "why"), rows)
    partly = any((row.figure(report.main, report.kinds[report.main]) or 0) > 0 for row in wrong)
    label = "Answers that fall short, the worst first" if partly else "Wrong answers"
    return (
        f"<section>\n<details>\n<summary>{label}, of {page.escape(name)}: {count}</summary>\n"
        f"{table}\n</details>\n</section>"
    )


def _wrong_row(row: RowResult) -> str:
    why = page.escape("; ".join(row.why)) or "&ndash;"
    return page.stacked(
        {
            "request": page.said(row.text),
            "expected": page.code(written(row.expected)),
            "got": page.code(row.answer),
            "why": why,
        }
    )


def written(expected: Any) -> str:
    """A right answer as people read it; calls as a model writes them."""
    if isinstance(expected, list) and all(
        isinstance(one, dict) and {"name", "arguments"} <= one.keys() for one in expected
    ):
        return "\n".join(dump_compact({call["name"]: call["arguments"]}) for call in expected) or "{}"
    if isinstance(expected, list) and all(isinstance(one, str) for one in expected):
        return ", ".join(expected)
    return expected if isinstance(expected, str) else dump_compact(expected)


def _checks(checks: Sequence[tuple[str, bool, str]]) -> str:
    rows = [
        f'<tr>{page.verdict(passed)}<th scope="row">{page.escape(name)}</th><td>{page.escape(found)}</td></tr>'
        for name, passed, found in checks
    ]
    table = page.table("checks", page.heads("result", "check", "found"), rows)
    return page.section("Export checks", table) if rows else ""
