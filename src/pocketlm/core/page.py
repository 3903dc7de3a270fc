"""A web page that needs nothing else, no script, font or network: it can be mailed, printed, archived.

The pieces that reports of every room are made of. Knows nothing of what is reported.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

STYLE = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1c2430; --soft: #5b6675; --line: #dfe3e9;
  --track: #e9ecf1; --bar: #9fb0c8; --main: #2f62c9; --other: #c05a12; --good: #1b7a43; --bad: #b3261e; }
@media (prefers-color-scheme: dark) {
  :root { --page: #12161c; --card: #1a2028; --ink: #e4e8ee; --soft: #9aa5b4; --line: #2d3541;
    --track: #29313c; --bar: #5d6d85; --main: #5f8ff0; --other: #f0a05a; --good: #62c98c; --bad: #ff8a80; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2rem 1rem 3rem; }
h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem; overflow-wrap: anywhere; }
h2 { font-size: 1.1rem; margin: 0 0 .75rem; }
.headline { font-size: 1.15rem; max-width: 48rem; margin: 0 0 1.5rem; }
section { background: var(--card); border: 1px solid var(--line); border-radius: 10px;
  padding: 1.1rem 1.25rem; margin: 0 0 1rem; }
.note { color: var(--soft); font-size: .85rem; margin: .75rem 0 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .92rem; }
th, td { text-align: left; vertical-align: top; padding: .45rem .9rem .45rem 0; border-bottom: 1px solid var(--line); }
tbody tr:last-child > * { border-bottom: 0; }
thead th { color: var(--soft); font-weight: 500; font-size: .85rem; white-space: nowrap; }
th.number, td.number { text-align: right; }
td.number, .pair b { font-variant-numeric: tabular-nums; white-space: nowrap; }
th > small { display: block; font-weight: 400; color: var(--soft); overflow-wrap: anywhere; max-width: 15rem; }
tbody th { font-weight: 600; } .scores tbody th { min-width: 8.5rem; }
tr.main b, tr.main > th { color: var(--main); }
code { font: .86em/1.45 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.pair { display: flex; align-items: center; gap: .6rem; }
.pair b { font-weight: 600; min-width: 3.3rem; text-align: right; } .by .pair b { min-width: 2.6rem; }
.counts .pair b { text-align: left; }
.pair small { color: var(--soft); white-space: nowrap; font-variant-numeric: tabular-nums; }
.bar { display: block; flex: none; width: 7.5rem; height: .8rem; overflow: visible; }
.track { fill: var(--track); } .fill { fill: var(--bar); } .main .fill { fill: var(--main); }
.whisker { stroke: var(--ink); stroke-width: 1.5; }
.chart { display: block; width: 100%; height: auto; }
.chart text { fill: var(--soft); font-size: 10.5px; }
.chart .grid { stroke: var(--line); } .chart polyline { fill: none; stroke-linejoin: round; }
.raw { stroke: var(--main); stroke-width: 1; opacity: .4; } .smooth { stroke: var(--main); stroke-width: 2.2; }
.valid { stroke: var(--other); stroke-width: 1.6; stroke-dasharray: 5 4; } .dot { fill: var(--other); }
.dot { fill-opacity: .85; } .diagonal { stroke: var(--soft); stroke-dasharray: 3 4; }
.shades { display: block; max-width: 100%; height: auto; } .shades text { fill: var(--ink); font-size: 11px; }
.shades .right { fill: var(--main); } .shades .confused { fill: var(--other); }
.two .chart text { font-size: 17px; } .two { display: grid; grid-template-columns: 1fr 1fr; gap: 1rem; }
.warn { color: var(--other); font-weight: 600; }
.chart .halo { paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
.scroll + dl, .scroll + .chart, .chart + .scroll { margin-top: 1.1rem; }
.histogram { fill: var(--bar); } mark { background: none; color: var(--good); }
.findings small { color: var(--soft); overflow-wrap: anywhere; }
.findings ul { margin: .4rem 0 0; padding-left: 1.1rem; } .findings ul:empty { display: none; }
.key { color: var(--main); font-weight: 600; } .key.second { color: var(--other); }
.good { color: var(--good); font-weight: 600; white-space: nowrap; }
.bad { color: var(--bad); font-weight: 600; white-space: nowrap; }
.wrong th, .wrong td { width: 26%; } .wrong th:last-child, .wrong td:last-child { width: 22%; }
.examples th, .examples td { width: 50%; }
summary { cursor: pointer; font-weight: 600; } details[open] summary { margin-bottom: .75rem; }
dl { display: grid; grid-template-columns: minmax(7rem, max-content) 1fr; gap: .35rem 1.25rem; margin: 0;
  font-size: .92rem; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
@media (max-width: 640px) {
  main { padding: 1.25rem .6rem 2rem; } section { padding: .9rem; } h1 { font-size: 1.35rem; }
  .headline { font-size: 1.05rem; } .chart text { font-size: 20px; } .by .bar { width: 3.4rem; }
  .by .pair { flex-direction: column-reverse; align-items: flex-start; gap: .15rem; }
  .by .pair b { text-align: left; }
  .two { grid-template-columns: 1fr; }
  .stack thead { display: none; } .stack tr { display: block; border-bottom: 1px solid var(--line); padding: .5rem 0; }
  .stack tr:last-child { border-bottom: 0; }
  .stack.stack td { display: block; width: auto; border: 0; padding: .1rem 0; }
  .stack td::before { content: attr(data-name); display: block; color: var(--soft); font-size: .8rem; } }
@media print {
  :root { color-scheme: light; --page: #fff; --card: #fff; --ink: #000; --soft: #444; --line: #ccc;
    --track: #e9ecf1; --bar: #9fb0c8; --main: #2f62c9; --other: #c05a12; --good: #1b7a43; --bad: #b3261e; }
  html { font-size: 12px; } body { font-size: 10.5pt; } main { max-width: none; padding: 0; }
  .scroll { overflow: visible; } .bar { width: 6rem; }
  section { border: 0; padding: 0; margin: 0 0 1.5rem; } tr, .chart { break-inside: avoid; } h2 { break-after: avoid; }
  details:not([open]) { display: none; } }
"""


def page(title: str, headline: str, parts: Sequence[str], style: str = "") -> str:
    """A whole page; the headline and the parts are ready HTML, empty parts are left out; `style` adds rules of its own."""
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        f'<h1>{escape(title)}</h1>\n<p class="headline">{headline}</p>\n'
        + "\n".join(part for part in parts if part)
        + "\n</main>\n</body>\n</html>\n"
    )


def escape(value: object) -> str:
    """Escaped for HTML; what no file can hold (half characters, control codes) becomes a replacement mark."""
    return html.escape(re.sub(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff]", "\ufffd", str(value)))


def section(heading: str, body: str, note: str = "") -> str:
    """A card with a heading and, below, a note; ready HTML all three."""
    below = f'\n<p class="note">{note}</p>' if note else ""
    return f"<section>\n<h2>{heading}</h2>\n{body}{below}\n</section>"


def table(kind: str, heads: Sequence[str], rows: Sequence[str]) -> str:
    """A table of ready rows; heads are ready cells."""
    head, body = "".join(heads), "\n".join(rows)
    return (
        f'<div class="scroll"><table class="{kind}">\n<thead><tr>{head}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody>\n</table></div>"
    )


def heads(*names: str, number: bool = False) -> list[str]:
    """Head cells; `number` sets them to the right."""
    kind = ' class="number"' if number else ""
    return [f'<th scope="col"{kind}>{escape(name)}</th>' for name in names]


def bar(share: float, spread: tuple[float, float] | None = None) -> str:
    """A bar of 0..1, with the whisker of its interval."""
    whisker = ""
    if spread:
        low, high = (f"{100 * end:.1f}%" for end in spread)
        whisker = "".join(
            f'<line class="whisker" x1="{x1}" x2="{x2}" y1="{y1}" y2="{y2}"/>'
            for x1, x2, y1, y2 in [(low, high, "50%", "50%"), (low, low, "15%", "85%"), (high, high, "15%", "85%")]
        )
    return (
        '<svg class="bar" aria-hidden="true"><rect class="track" width="100%" height="100%" rx="2"/>'
        f'<rect class="fill" width="{100 * share:.1f}%" height="100%" rx="2"/>{whisker}</svg>'
    )


def stacked(cells: Mapping[str, str]) -> str:
    """A row whose cells stand below each other on a phone, each under its own name."""
    return "<tr>" + "".join(f'<td data-name="{escape(name)}">{cell}</td>' for name, cell in cells.items()) + "</tr>"


def said(text: str) -> str:
    """What a person wrote, in its own direction."""
    return f'<span dir="auto">{escape(text)}</span>'


def code(text: str) -> str:
    """What a machine wrote."""
    return f"<code>{escape(text)}</code>" if text.strip() else "(empty)"


def facts(known: Mapping[str, str]) -> str:
    """What a reader needs to know of how this was made."""
    return section("Facts", definitions(known)) if known else ""


def definitions(known: Mapping[str, str]) -> str:
    """Names with what they are, as a list."""
    items = "\n".join(f"<dt>{escape(name)}</dt><dd>{escape(value)}</dd>" for name, value in known.items())
    return f"<dl>\n{items}\n</dl>"


def verdict(passed: bool) -> str:
    """The cell of a table that says whether something passed."""
    return f'<td class="{"good" if passed else "bad"}">{"✓ passed" if passed else "✗ failed"}</td>'
