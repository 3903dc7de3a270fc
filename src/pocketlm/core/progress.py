"""Progress with an estimate of the time left, on a terminal; quiet when piped."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

console = Console(stderr=True, highlight=False)
quiet = False  # set by --json and --quiet


def say(text: str) -> None:
    """One line for the user, on standard error so that standard output stays clean for results."""
    if not quiet:
        console.print(text, markup=False, soft_wrap=True)


Update = Callable[..., None]


@contextmanager
def progress(title: str, total: int) -> Iterator[Update]:
    """Yield `update(advance, note)`; the bar shows done, total, elapsed, time left and the note."""
    if quiet or not sys.stderr.isatty():
        yield lambda advance=1, note="": None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda advance=1, note="": bar.update(task, advance=advance, **({"note": note} if note else {}))


@contextmanager
def counting(title: str, every: int = 1000) -> Iterator[Callable[[], None]]:
    """Yield `tick()` for work whose end is not known: the number done and how fast, on a terminal."""
    if quiet or not sys.stderr.isatty():
        yield lambda: None
        return
    columns = (TextColumn("{task.description}"), TextColumn("{task.completed:,.0f}"), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task(title, total=None)
        done = 0

        def tick() -> None:
            nonlocal done
            done += 1
            if done % every == 0:
                bar.update(task, completed=done)

        yield tick
        bar.update(task, completed=done)
