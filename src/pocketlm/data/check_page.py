"""A check of rows as one web page: verdict first, then what was found, then pictures of the rows."""

from __future__ import annotations

from collections.abc import Mapping

from pocketlm.core import page
from pocketlm.data.check import Checked, Lengths
from pocketlm.data.checks import Finding

MARKS = {"error": ("bad", "error"), "warning": ("key second", "warning"), "note": ("note", "note")}
MOST_BARS = 30
WIDTH, HEIGHT = 640, 220
LEFT, RIGHT, TOP, BOTTOM = 58, 20, 14, 46


def render_check(checked: Checked) -> str:
    """One self-contained HTML page."""
    rows = sum(checked.splits.values())
    kind = "good" if checked.ready else "bad"
    headline = (
        f'<span class="{kind}">{page.escape(checked.verdict)}</span>. {rows:,} rows of {page.escape(checked.task)}'
    )
    parts = [
        _findings(checked.findings),
        _histogram(checked.lengths) if checked.lengths else "",
        _bars("Rows by label", checked.labels),
        _bars("Rows by split", checked.splits),
        _bars("Languages, of a sample of longer rows", checked.languages),
        _sample(checked.sample),
        page.facts(
            {"path": checked.path, "task": checked.task, **{f: f"read as {k}" for f, k in checked.files.items()}}
        ),
    ]
    return page.page(f"Data check: {checked.path}", headline, parts)


def _findings(findings: list[Finding]) -> str:
    rows = []
    for finding in findings:
        kind, word = MARKS[finding.severity]
        mend = f"<br><small>mend: {page.code(finding.mend)}</small>" if finding.mend else ""
        examples = "".join(
            f"<li><small>{page.escape(at)}</small> {page.code(what)}</li>" for at, what in finding.examples
        )
        rows.append(
            f'<tr><td class="{kind}">{word}</td><td class="number">{finding.count:,}</td>'
            f"<td><b>{page.escape(finding.name)}</b>: {page.escape(finding.says)}{mend}<ul>{examples}</ul></td></tr>"
        )
    heads = [*page.heads(""), *page.heads("count", number=True), *page.heads("finding, examples, and what mends it")]
    return page.section("Findings", page.table("findings", heads, rows) if rows else "Nothing was found.")


def _bars(title: str, counts: Mapping[str, int]) -> str:
    if len(counts) < 1:
        return ""
    most, total = max(counts.values()), sum(counts.values())
    rows = [
        f'<tr><th scope="row">{page.escape(label)}</th><td><div class="pair">{page.bar(count / most)}<b>{count:,}</b>'
        f"<small>{count / total:.1%}</small></div></td></tr>"
        for label, count in list(counts.items())[:MOST_BARS]
    ]
    note = f"{len(counts) - MOST_BARS} more are not shown." if len(counts) > MOST_BARS else ""
    return page.section(title, page.table("counts", page.heads("", "rows"), rows), note)


def _histogram(lengths: Lengths) -> str:
    """Rows by their tokens, with the longest that training takes where it is in sight."""
    most = max(lengths.rows)
    end = lengths.edges[-1]
    width = (WIDTH - LEFT - RIGHT) / len(lengths.rows)
    floor = HEIGHT - BOTTOM
    bars = "".join(
        f'<rect class="histogram" x="{LEFT + at * width + 1:.1f}" width="{width - 2:.1f}" '
        f'y="{floor - (floor - TOP) * count / most:.1f}" height="{(floor - TOP) * count / most:.1f}">'
        f"<title>{lengths.edges[at]}-{lengths.edges[at + 1] - 1} tokens: {count:,} rows</title></rect>"
        for at, count in enumerate(lengths.rows)
    )
    ticks = "".join(
        f'<text x="{LEFT + at * width:.1f}" y="{floor + 18}" text-anchor="middle">{lengths.edges[at]:,}</text>'
        for at in range(0, len(lengths.edges), max(1, len(lengths.edges) // 8))
    )
    limit = ""
    if lengths.limit < end:
        x = LEFT + (WIDTH - LEFT - RIGHT) * lengths.limit / end
        limit = f'<line class="valid" x1="{x:.1f}" x2="{x:.1f}" y1="{TOP}" y2="{floor}"/>'
    note = (
        f"Median {lengths.median:,}, 95 % under {lengths.p95:,}, longest {lengths.longest:,}, {lengths.total:,} in all; "
        f"training takes rows of up to {lengths.limit:,}{' (dashed)' if limit else ''}."
    )
    picture = (
        f'<svg class="chart" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="rows by tokens">'
        f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{floor}" y2="{floor}"/>{bars}{limit}{ticks}'
        f'<text x="{LEFT - 8}" y="{TOP + 8}" text-anchor="end">{most:,}</text>'
        f'<text x="{LEFT - 8}" y="{floor}" text-anchor="end">0</text>'
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">tokens a row</text></svg>'
    )
    return page.section("Lengths", picture, note)


def _sample(sample: list[tuple[str, str, str]]) -> str:
    rows = [
        page.stacked({"given": page.said(text) if text else "&ndash;", "trained": f"<mark>{page.code(answer)}</mark>"})
        for _, text, answer in sample
    ]
    table = page.table("examples stack", page.heads("given", "trained"), rows)
    return page.section("What is trained", table, "Three rows by chance; the model learns to write what is marked.")
