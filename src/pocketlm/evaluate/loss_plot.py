"""How a training went, as a picture: its loss, the validation loss and the learning rate over steps."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from pocketlm.core import page
from pocketlm.evaluate.plots import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, Axis, Points, grid, line, picture, smooth

RATE_HEIGHT = 150  # of the learning rate's


def loss_curve(history: Sequence[Mapping[str, float]]) -> str:
    """Training loss, raw and smoothed, and validation loss over steps."""
    raw = [(entry["step"], entry["loss"]) for entry in history if math.isfinite(entry["loss"])]
    valid = [(e["step"], e["valid_loss"]) for e in history if math.isfinite(e.get("valid_loss", math.nan))]
    if not raw:
        return ""
    smoothed = smooth(raw)
    x, y = _axes(raw, smoothed, valid)
    marks = "".join(f'<circle class="dot" cx="{x.at(s):.1f}" cy="{y.at(v):.1f}" r="3.5"/>' for s, v in valid)
    drawn = line("raw", raw, x, y) + line("smooth", smoothed, x, y) + line("valid", valid, x, y) + marks
    loss = picture(
        "Loss over training steps",
        HEIGHT,
        grid(x, y, "loss per token" + (", log scale" if y.log else ""), "step"),
        drawn,
    )
    return page.section("Training", loss + _rates(history, x), _curve_note(smoothed, valid))


def _rates(history: Sequence[Mapping[str, float]], x: Axis) -> str:
    """The learning rate over the same steps."""
    rates = [(entry["step"], entry["lr"]) for entry in history if "lr" in entry]
    if not rates:
        return ""
    y = Axis(0, 1.05 * max(rate for _, rate in rates) or 1.0, RATE_HEIGHT - BOTTOM, TOP)
    return picture(
        "Learning rate", RATE_HEIGHT, grid(x, y, "learning rate", "step", most=3), line("smooth", rates, x, y)
    )


def _curve_note(smooth: Points, valid: Points) -> str:
    step, loss = smooth[-1]
    note = f'<span class="key">━ training</span>, smoothed over the thin raw line: {loss:.3f} at step {step:,.0f}'
    if not valid:
        return note + "."
    best_step, best = min(valid, key=lambda point: point[1])
    note += f'. <span class="key second">● validation</span>: {valid[-1][1]:.3f} at the end'
    return note + (f", lowest {best:.3f} at step {best_step:,.0f}." if best < valid[-1][1] else ", its lowest.")


def _axes(raw: Points, smooth: Points, valid: Points) -> tuple[Axis, Axis]:
    """Steps from 0; losses from 0, or on a log scale where they span so much that the end would lie on the floor."""
    low = min(loss for _, loss in smooth + valid)
    high = max(loss for _, loss in raw + valid)
    floor, roof = HEIGHT - BOTTOM, TOP
    steps = Axis(0, max(1.0, max(step for step, _ in raw + valid)), LEFT, WIDTH - RIGHT)
    if low > 0 and high / low > 12:
        return steps, Axis(low * 0.8, high * 1.1, floor, roof, log=True)
    return steps, Axis(0, high * 1.05 if high > 0 else 1.0, floor, roof)
