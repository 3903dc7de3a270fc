"""The whole grammar: importing it registers the rules; of two ways to read the same words the first registered wins."""

from __future__ import annotations

from pocketlm.notes.when import (  # noqa: F401
    amounts,
    bounds,
    clock_spans,
    clocks,
    days,
    days_near,
    edges,
    moments,
    numbers,
    periods,
    periods_near,
    ranges,
    repeats,
)
from pocketlm.notes.when.engine import prepare

prepare()
