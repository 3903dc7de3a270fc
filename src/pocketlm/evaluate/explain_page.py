"""An explanation as one web page that needs nothing else: coloured tokens, their odds, sources of values, attention heads.

A small script lets a reader choose the large head by a click; without it the page shows the average and all small ones.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from pocketlm.core import page
from pocketlm.evaluate.attention import Attention, Matrix, head_name
from pocketlm.evaluate.explain import Contrast, Explanation, Origin, Token
from pocketlm.evaluate.explain_text import LEVELS, chance, level, parting, percent, summary, times, verdict, visible

SHADES = 16  # of a picture; the square root makes the faint ones visible
CELL = 15  # pixels of a token in the large picture
LETTER = 6.2  # pixels, of its labels
LONGEST = 14  # letters of a label
HEAT = 5  # shades of a word

STYLE = """
.tokens { font: .92em/2.1 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; margin: 0;
  overflow-wrap: anywhere; }
.token { display: inline-block; line-height: 1.5; border-radius: 4px; padding: 0 .2em; margin-right: 1px; white-space: pre-wrap; }
.p0 { background: color-mix(in srgb, var(--good) 20%, transparent); }
.p1 { background: color-mix(in srgb, #c9a400 30%, transparent); }
.p2 { background: color-mix(in srgb, var(--other) 38%, transparent); }
.p3 { background: color-mix(in srgb, var(--bad) 45%, transparent); }
.odds td { padding-block: .25rem; white-space: nowrap; } .odds .bar { width: 4.5rem; } .odds .pair b { min-width: 3.6rem; }
.others { color: var(--soft); font-size: .88em; } .odds td.others { white-space: normal; min-width: 14rem; }
.others span { display: inline-block; margin-right: .9rem; } .others .own { color: var(--ink); font-weight: 600; }
.others code { font-size: 1em; } .held { color: var(--bad); }
.request { font-size: 1.05rem; line-height: 2; margin: .15rem 0; }
.request span { border-radius: 4px; padding: .15em .25em; }
.h1 { background: color-mix(in srgb, var(--main) 12%, transparent); }
.h2 { background: color-mix(in srgb, var(--main) 24%, transparent); }
.h3 { background: color-mix(in srgb, var(--main) 38%, transparent); }
.h4 { background: color-mix(in srgb, var(--main) 54%, transparent); }
.h5 { background: color-mix(in srgb, var(--main) 72%, transparent); }
.value { margin: 0 0 1.1rem; } .value:last-child { margin: 0; } .value h3 { font-size: 1rem; margin: 0 0 .2rem; }
.value small { color: var(--soft); }
.large { display: block; image-rendering: pixelated; } .large text { fill: var(--ink); font-size: 10.5px;
  font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; }
.large .edge { fill: none; stroke: var(--line); } .large .border { stroke: var(--other); stroke-dasharray: 3 3; }
.layers { display: flex; flex-wrap: wrap; gap: .6rem 1.2rem; margin-top: 1rem; }
.layers div { max-width: 100%; } .layers div:first-child { flex-basis: 100%; } .layers small { display: block; color: var(--soft); }
.layers img { width: 46px; height: 46px; border: 1px solid var(--line); border-radius: 3px; margin: 0 3px 3px 0;
  image-rendering: pixelated; vertical-align: top; }
.layers a:focus img, .layers a:hover img { border-color: var(--other); }
@media (max-width: 640px) { .odds .bar { display: none; } .odds td.others { min-width: 9rem; } .odds td, .odds th { padding-right: .5rem; } }
"""
SCRIPT = """
for (const link of document.querySelectorAll(".layers a")) link.addEventListener("click", () => {
  document.querySelector(".large image").setAttribute("href", link.firstChild.src);
  document.querySelector("#shown").textContent = link.title; });
"""


def render_page(told: Explanation) -> str:
    """One self-contained HTML page."""
    said = verdict(told.contrast) if told.contrast else ""
    headline = f"{page.code(told.answer)}<br>{page.escape(said)}"
    parts = [
        _texts(told),
        _contrast(told, told.contrast) if told.contrast else "",
        _origins(told),
        _odds("Next-token odds: the answer", told.written, told.constrained),
        _folded(f"Next-token odds: the prompt, {len(told.prompt)} tokens", told.prompt),
        _attention(told, told.attention) if told.attention else "",
        page.section("Left out", " ".join(map(page.escape, told.notes))) if told.notes else "",
        page.facts({"engine": told.engine, "read and written": summary(told)}),
    ]
    return page.page(f"Explained: {told.request[:80]}", headline, parts, STYLE)


# ---------------------------------------------------------------------------------------------------------- tokens


def _texts(told: Explanation) -> str:
    """Prompt and answer, each token on the colour of its probability."""
    names = [f"from {LEVELS[0]:.0%}", *(f"{least:.0%}" for least in LEVELS[1:]), "less"]
    legend = " ".join(f'<span class="token p{i}">{name}</span>' for i, name in enumerate(names))
    body = (
        f'<p class="note">Prompt</p><p class="tokens">{_inline(told.prompt)}</p>'
        f'<p class="note">Answer</p><p class="tokens">{_inline(told.written)}</p>'
    )
    note = (
        f"Colour: how probable the model held each token, given all before it: {legend}. A prompt the model only "
        "reads: a red token in it surprised it. White space is shown as · and ↵."
    )
    return page.section("Tokens", body, note)


def _inline(tokens: Sequence[Token]) -> str:
    return "".join(_chip(token) + ("<br>" if "\n" in token.text else "") for token in tokens)


def _chip(token: Token) -> str:
    """A token on the colour of its probability; the very first one has none."""
    kind = "" if token.p is None else f" p{level(token.p)}"
    odds = "" if token.p is None else f", p {percent(token.p)}"
    shown = page.escape(visible(token.text))
    return f'<span class="token{kind}" title="id {token.id}{page.escape(odds)}">{shown}</span>'


def _odds(title: str, tokens: Sequence[Token], constrained: bool) -> str:
    held = "; where the grammar forbade the likeliest token, it is said" if constrained else ""
    note = f"The model's own probabilities{held}. What could have stood at a place, the likeliest first."
    return page.section(title, _odds_table(tokens, constrained), note)


def _folded(title: str, tokens: Sequence[Token]) -> str:
    table = _odds_table(tokens, False)
    return f"<section>\n<details>\n<summary>{title}</summary>\n{table}\n</details>\n</section>"


def _odds_table(tokens: Sequence[Token], constrained: bool) -> str:
    rows = []
    for token in tokens:
        bar = "" if token.p is None else _bar(token.p)
        held = ' <span class="held">held by the grammar</span>' if constrained and not token.is_likeliest else ""
        rows.append(
            f'<tr><td class="number">{token.id}</td><td>{_chip(token)}</td><td>{bar}</td>'
            f'<td class="others">{_others(token)}{held}</td></tr>'
        )
    heads = [*page.heads("id", number=True), *page.heads("token", "probability", "likeliest at its place")]
    return page.table("odds", heads, rows)


def _bar(p: float) -> str:
    return f'<div class="pair">{page.bar(p)}<b>{page.escape(percent(p))}</b></div>'


def _others(token: Token) -> str:
    kind = ("", ' class="own"')
    return "".join(
        f"<span{kind[other.id == token.id]}><code>{page.escape(visible(other.text))}</code> "
        f"{page.escape(percent(other.p))}</span>"
        for other in token.top
    )


# ---------------------------------------------------------------------------------------------------- where from


def _origins(told: Explanation) -> str:
    if not told.origins:
        return ""
    note = (
        "Left out: the model is asked for the value again with the word missing; the darker, the less likely it becomes. "
        "Attention: the darker, the more the model looked at the word while it wrote the value. The first shows what the "
        "value hangs on, the second only where the model looked."
    )
    return page.section("Where each value came from", "".join(_origin(told, one) for one in told.origins), note)


def _origin(told: Explanation, origin: Origin) -> str:
    parts = [
        f'<div class="value"><h3>{page.escape(origin.name)} = {page.code(origin.value)} '
        f"<small>p {page.escape(chance(origin.logprob))}</small></h3>"
    ]
    if origin.drops:
        most = max(max(origin.drops), 1.0)
        names = [f"{times(abs(drop))} {'less likely' if drop >= 0 else 'likelier'} without it" for drop in origin.drops]
        parts.append(f"<small>left out</small>{_request(told, [drop / most for drop in origin.drops], names)}")
    if origin.shares:
        most = max(origin.shares)
        names = [f"{share:.1%} of the attention to the request" for share in origin.shares]
        parts.append(f"<small>attention</small>{_request(told, [share / most for share in origin.shares], names)}")
    return "".join([*parts, "</div>"])


def _request(told: Explanation, weights: Sequence[float], names: Sequence[str]) -> str:
    """The request, each word as dark as its weight of 0..1."""
    parts, at = [], 0
    for word, weight, name in zip(told.words, weights, names, strict=True):
        kind = f"h{max(0, round(HEAT * weight))}"
        parts.append(page.escape(told.request[at : word.start]))
        parts.append(f'<span class="{kind}" title="{page.escape(name)}">{page.escape(word.text)}</span>')
        at = word.end
    return f'<p class="request" dir="auto">{"".join(parts)}</p>'


def _contrast(told: Explanation, contrast: Contrast) -> str:
    place = contrast.wrote or contrast.instead
    rows = [
        f'<tr><th scope="row">{name}</th><td>{page.code(answer)}</td><td class="number">{logprob:.2f}</td></tr>'
        for name, answer, logprob in [
            ("expected", contrast.expected, contrast.logprob),
            ("given", told.answer, contrast.given),
        ]
    ]
    heads = [*page.heads("", "answer"), *page.heads("log p", number=True)]
    others = f'<p class="others">Likeliest there: {_others(place)}</p>' if place and place.top else ""
    body = f"{page.table('contrast', heads, rows)}<p>{page.escape(parting(contrast))}</p>{others}"
    return page.section("Against the expected answer", body, page.escape(verdict(contrast)))


# ------------------------------------------------------------------------------------------------------ attention


def _attention(told: Explanation, attention: Attention) -> str:
    """The chosen or averaged head large, and every head small."""
    tokens = [*told.prompt, *told.written][attention.first - told.hidden :]
    answer = max(0, len(tokens) - len(told.written))
    names = [_label(token) for token in tokens]
    body = (
        f'<p>Shown: <b id="shown">{page.escape(attention.name)}</b></p><div class="scroll">'
        f"{_large(attention.shown, names, answer)}</div>{_overview(attention)}<script>{SCRIPT}</script>"
    )
    note = (
        "A row is a token, and the columns are what it looks at: itself and what stands before it; the row of a token is "
        f"where the model looked to write the next one. The answer begins at the dashed lines. {attention.sink}: heads rest "
        "there that look for nothing. Small pictures share one scale, by square root; the one shown at first has its own. "
        "Click one to see it large."
    )
    return page.section("Attention", body, note)


def _large(shown: Matrix, names: Sequence[str], answer: int) -> str:
    side, count = CELL * len(names), len(names)
    margin = 12 + round(LETTER * max(map(len, names)))
    labels = "".join(
        f'<text x="{margin - 6}" y="{margin + CELL * (i + 0.72):.0f}" text-anchor="end">{page.escape(name)}</text>'
        f'<text transform="translate({margin + CELL * (i + 0.72):.0f} {margin - 6}) rotate(-90)">{page.escape(name)}</text>'
        for i, name in enumerate(names)
    )
    border = margin + CELL * answer
    lines = f'<path class="border" d="M{border} {margin}V{margin + side}M{margin} {border}H{margin + side}"/>'
    return (
        f'<svg class="large" width="{margin + side + 2}" height="{margin + side + 2}" role="img" '
        f'aria-label="attention of {count} tokens to each other">{labels}'
        f'<image x="{margin}" y="{margin}" width="{side}" height="{side}" preserveAspectRatio="none" '
        f'href="{_picture(shown, float(shown.max()) or 1.0)}"/>'
        f'<rect class="edge" x="{margin}" y="{margin}" width="{side}" height="{side}"/>{lines}</svg>'
    )


def _overview(attention: Attention) -> str:
    """All heads, a line a layer, and the shown one to come back to."""
    layers = [
        f"<div><small>shown at first</small>{_link(attention.name, attention.shown, float(attention.shown.max()))}</div>"
    ]
    for layer, heads in enumerate(attention.weights[..., 1:]):
        links = "".join(_link(head_name(layer, head), one, 1.0) for head, one in enumerate(heads))
        layers.append(f"<div><small>layer {layer}</small>{links}</div>")
    return f'<div class="layers">{"".join(layers)}</div>'


def _link(name: str, weights: Matrix, most: float) -> str:
    picture = _picture(weights, most or 1.0)
    return f'<a href="#shown" title="{page.escape(name)}"><img alt="{page.escape(name)}" src="{picture}"></a>'


def _label(token: Token) -> str:
    name = visible(token.text)
    return name if len(name) <= LONGEST else name[: LONGEST - 1] + "…"


def _picture(weights: Matrix, most: float) -> str:
    """Weights up to `most` as a picture that stands in the page itself."""
    shades = np.sqrt(np.clip(weights / most, 0, 1)) * (SHADES - 1)
    return "data:image/png;base64," + base64.b64encode(png(np.rint(shades).astype(np.uint8))).decode()


def png(shades: NDArray[np.uint8]) -> bytes:
    """A PNG of shades 0 (clear) to 15 (solid) of one blue, four bits a pixel, so that 300 heads weigh little.

    The format is that of the PNG specification (W3C): signature, header, palette, its transparency, packed rows, end.
    """
    height, width = shades.shape
    even = np.pad(shades, ((0, 0), (0, width % 2)))
    packed = even[:, ::2] << 4 | even[:, 1::2]
    rows = np.pad(packed, ((0, 0), (1, 0))).tobytes()  # each row begins with the number of its filter: none

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", width, height, 4, 3, 0, 0, 0)
    palette = bytes((58, 118, 232)) * SHADES
    alpha = bytes(17 * shade for shade in range(SHADES))
    chunks = [
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"tRNS", alpha),
        (b"IDAT", zlib.compress(rows, 9)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(kind, content) for kind, content in chunks)
