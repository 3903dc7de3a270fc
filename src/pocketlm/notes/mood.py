"""Mood over time, from the vectors that are there: a curve, the sentences behind every point, and where it changed.

A rough measure: told on single sentences of film reviews the direction is right for about 73 of 100 (half of them would be
chance). Means over many passages are steadier; a single one proves nothing.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.notes.note import Note, Span
from pocketlm.notes.notebook import ENCODER_SETTING, NO_ENCODER, Notebook
from pocketlm.notes.passages import sentences
from pocketlm.notes.vectors import directions

GRAINS = ("day", "week", "month", "year")
SHOWN = 2  # sentences of a point
PENALTY = 3.0  # of a change, in variances of the curve times the logarithm of its length (as the Bayesian criterion)
SHUFFLES = 999
GLAD = (
    "I am happy and at peace tonight.",
    "It was a wonderful day, all went well.",
    "We laughed, sang and were merry together.",
    "I am proud of this and full of hope.",
    "Good news came, to my great relief.",
    "They were kind to me and I felt loved.",
    "I am well again and full of energy.",
    "The evening was lovely, I enjoyed every minute.",
)
SAD = (
    "I am sad and troubled tonight.",
    "It was a terrible day, all went wrong.",
    "We quarrelled, wept and were angry with each other.",
    "I am ashamed of this and have lost hope.",
    "Bad news came, to my great sorrow.",
    "They were cruel to me and I felt alone.",
    "I am ill again and worn out.",
    "The evening was miserable, I hated every minute.",
)


@dataclass(frozen=True)
class Moved:
    """A sentence that moved a point, with its own mood."""

    span: Span
    text: str
    mood: float


@dataclass(frozen=True)
class Point:
    """The mood of a day, week, month or year.

    Attributes:
        first: its first day.
        mood: the mean of its passages, in standard deviations of all passages; 0 is this writer's usual.
        passages: how many there are.
        because: the sentences that move it most, to its own side.
    """

    first: datetime
    mood: float
    passages: int
    because: tuple[Moved, ...]


@dataclass(frozen=True)
class Change:
    """Where the curve changes level.

    Attributes:
        at: the first day of what is other.
        before, after: the mean mood from the change before, and up to the next one.
        chance: how often a shuffled curve differs as much there (permutation test).
    """

    at: datetime
    before: float
    after: float
    chance: float


def mood(book: Notebook, grain: str = "week", since: str = "", until: str = "", *, reasons: bool = True) -> list[Point]:
    """The curve of the notes written in a time, oldest first; notes without a date are left out.

    Args:
        since, until: ISO dates, both included.
        reasons: look for the sentences; takes some encoding.

    Raises:
        InputError: an unknown grain, or a notes file without vectors or with those of another encoder.
    """
    if grain not in GRAINS:
        raise InputError(f'no mood by "{grain}"; there are {", ".join(GRAINS)}')
    if book.store.setting(ENCODER_SETTING) == NO_ENCODER:
        raise InputError(f"{book.store.path}: has no vectors to read the mood from; import with --encoder minilm-int8")
    book.check_encoder()
    passages, values = _moods(book)
    groups: dict[datetime, list[int]] = defaultdict(list)
    for place, (_, date) in enumerate(passages):
        if (not since or date >= since) and (not until or date[: len(until)] <= until):
            groups[_start(date, grain)].append(place)
    points = []
    for first, places in sorted(groups.items()):
        mean = float(np.mean(values[places]))
        because = _because(book, passages, values, places, mean) if reasons else ()
        points.append(Point(first, round(mean, 3), len(places), because))
    return points


def changes(points: Sequence[Point], most: float = 0.05) -> list[Change]:
    """Where a curve changes level: PELT (Killick et al. 2012, doi:10.1080/01621459.2012.737745; by the library ruptures), and of
    what it finds, what shuffling its two sides rarely gives.

    Args:
        most: the largest chance of a shuffled curve.

    Raises:
        EnvironmentLacks: ruptures is not installed.
    """
    if len(points) < 6:
        return []
    ruptures = need("ruptures", "points of change", "notes")
    curve = np.array([point.mood for point in points])
    noise = float(np.var(np.diff(curve))) / 2 or 1e-9
    ends = ruptures.Pelt(model="l2", min_size=3, jump=1).fit(curve).predict(pen=PENALTY * noise * np.log(len(curve)))
    edges, rng, found = [0, *ends], np.random.default_rng(0), []
    for start, at, end in zip(edges, edges[1:], edges[2:], strict=False):
        before, after = curve[start:at], curve[at:end]
        apart, both = abs(before.mean() - after.mean()), curve[start:end].copy()
        hits = 0
        for _ in range(SHUFFLES):
            rng.shuffle(both)
            hits += abs(both[: len(before)].mean() - both[len(before) :].mean()) >= apart
        chance = (hits + 1) / (SHUFFLES + 1)
        if chance <= most:
            found.append(
                Change(
                    points[at].first, round(float(before.mean()), 3), round(float(after.mean()), 3), round(chance, 4)
                )
            )
    return found


def direction(book: Notebook) -> NDArray[np.float32]:
    """From sad to glad, (width,), of length 1."""
    known: NDArray[np.float32] | None = book.caches.get("mood")
    if known is None:
        known = book.caches["mood"] = _direction(book)
    return known


def _direction(book: Notebook) -> NDArray[np.float32]:
    vectors = book.embedder.embed([*GLAD, *SAD])
    found = vectors[: len(GLAD)].mean(0) - vectors[len(GLAD) :].mean(0)
    return np.asarray(found / np.linalg.norm(found), np.float32)


def mood_page(points: Sequence[Point], found: Sequence[Change], names: dict[int, Note]) -> str:
    """The curve as a page of HTML: a line, its changes, and the sentences of the highest and lowest points."""
    from pocketlm.core import page

    parts = [
        page.section(
            "Over time", _plot(points, found), "0 is this writer's usual mood; 1 is a standard deviation of passages."
        )
    ]
    rows = [
        f"<tr><td>{c.at:%Y-%m-%d}</td><td>{c.before:+.2f}</td><td>{c.after:+.2f}</td><td>{c.chance:.3f}</td></tr>"
        for c in found
    ]
    parts.append(
        page.section("Changes", page.table("changes", page.heads("from", "before", "after", "chance"), rows))
        if rows
        else ""
    )
    for title, some in (
        ("Gladdest", sorted(points, key=lambda p: -p.mood)[:6]),
        ("Saddest", sorted(points, key=lambda p: p.mood)[:6]),
    ):
        items = [
            f"<li>{p.first:%Y-%m-%d} ({p.mood:+.2f}): "
            + " · ".join(
                f"“{page.escape(m.text)}” <small>#{m.span.note} {page.escape(names[m.span.note].name)}</small>"
                for m in p.because
            )
            + "</li>"
            for p in some
        ]
        parts.append(page.section(title, f"<ul>{''.join(items)}</ul>"))
    return page.page("Mood over time", f"{len(points)} points, {len(found)} changes", [part for part in parts if part])


def _plot(points: Sequence[Point], found: Sequence[Change], width: int = 860, height: int = 220) -> str:
    first, last = points[0].first, points[-1].first
    days = max(1.0, (last - first) / timedelta(days=1))
    top = max(0.5, *(abs(point.mood) for point in points))
    places = [
        (
            20 + (width - 40) * ((p.first - first) / timedelta(days=1)) / days,
            height / 2 - p.mood / top * (height / 2 - 24),
        )
        for p in points
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    marks = "".join(
        f'<line x1="{x:.1f}" x2="{x:.1f}" y1="10" y2="{height - 18}" stroke="currentColor" stroke-dasharray="3 3"/>'
        for change in found
        if (x := 20 + (width - 40) * ((change.at - first) / timedelta(days=1)) / days)
    )
    ends = f'<text x="20" y="{height - 4}">{first:%Y-%m-%d}</text><text x="{width - 20}" y="{height - 4}" text-anchor="end">{last:%Y-%m-%d}</text>'
    scale = f'<text x="2" y="14">+{top:.1f}</text><text x="2" y="{height - 22}">-{top:.1f}</text>'
    axis = f'<line x1="20" x2="{width - 20}" y1="{height / 2}" y2="{height / 2}" stroke="currentColor" opacity=".3"/>'
    style = 'style="max-width:100%;font:11px sans-serif;fill:currentColor"'
    curve = f'<polyline points="{line}" fill="none" stroke="#2a6f97" stroke-width="1.5"/>'
    return f'<svg viewBox="0 0 {width} {height}" {style} role="img" aria-label="mood over time">{axis}{marks}{curve}{ends}{scale}</svg>'


def _moods(book: Notebook) -> tuple[list[tuple[Span, str]], NDArray[np.float32]]:
    """Every dated passage with its day, and its mood in standard deviations of them all."""
    rows = book.store.db.execute(
        "SELECT passage.note, start, stop, date, vector FROM passage JOIN note ON note.id = passage.note"
        " WHERE merged IS NULL AND vector IS NOT NULL AND date GLOB '[0-9][0-9][0-9][0-9]*' AND stop > start ORDER BY date, passage.note, start"
    ).fetchall()
    if not rows:
        return [], np.zeros(0, np.float32)
    raw = directions([row[4] for row in rows]) @ direction(book)
    values = (raw - raw.mean()) / max(float(raw.std()), 1e-9)
    return [(Span(note, start, stop), date) for note, start, stop, date, _ in rows], np.asarray(values, np.float32)


def _because(
    book: Notebook,
    passages: Sequence[tuple[Span, str]],
    values: NDArray[np.float32],
    places: Sequence[int],
    mean: float,
) -> tuple[Moved, ...]:
    """Of the passages that are farthest to the point's side, the sentence that is farthest."""
    side = 1.0 if mean >= 0 else -1.0
    towards, found = direction(book), []
    for place in sorted(places, key=lambda one: -side * values[one])[:SHOWN]:
        span = passages[place][0]
        text = book.store.text(span)
        pieces = sentences(text) or [(0, len(text))]
        scores = book.embedder.embed([text[start:stop] for start, stop in pieces]) @ towards
        start, stop = pieces[int(np.argmax(side * scores))]
        own = Span(span.note, span.start + start, span.start + stop)
        found.append(Moved(own, text[start:stop], round(float(values[place]), 3)))
    return tuple(found)


def _start(date: str, grain: str) -> datetime:
    day = datetime.fromisoformat(date[:10]) if len(date) >= 10 else datetime.fromisoformat((date + "-01-01")[:10])
    if grain == "week":
        return day - timedelta(days=day.weekday())
    return day.replace(day=1 if grain in ("month", "year") else day.day, month=1 if grain == "year" else day.month)
