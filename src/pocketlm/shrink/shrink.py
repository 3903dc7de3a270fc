"""The way of `pocketlm shrink` from a run to all that was tried: rows to teach and to choose by, the search, the picture."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pocketlm.core.errors import InputError
from pocketlm.core.progress import say
from pocketlm.data.load import load_rows
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.store import scored
from pocketlm.shrink.frontier import write_frontier
from pocketlm.shrink.imagine import imagine
from pocketlm.shrink.search import Goal, Search, Trial
from pocketlm.shrink.shapes import Rows
from pocketlm.train.run import Run

FEW = 200  # validation rows under which a warning is due


@dataclass(frozen=True)
class Shrunk:
    """What a search came to.

    Attributes:
        page: the picture of it.
        home: the search's folder.
    """

    rows: Rows
    trials: list[Trial]
    page: Path
    home: Path


def shrink(original: Run, goal: Goal, requests: int) -> Shrunk:
    """Search for the smallest model that does a run's job; what was done before is found again.

    Args:
        requests: how many more the base makes up, to heal and to choose by.

    Raises:
        InputError: a run that gets nothing right.
    """
    folder = original.folder
    home = folder / "shrunk"
    rows = Rows(*(load_rows(folder, split=split)[1] for split in ("train", "valid")))
    if len(rows.valid) < FEW:
        each = 1 / len(rows.valid)
        say(f"{len(rows.valid)} validation rows: each is {each:.1%} of the score by which models are chosen")
    rows = imagine(rows, original, home, requests)
    reference = scored(
        folder / "reports" / "valid.json", original.identity, original.task, lambda: open_engine(str(folder)), rows.judging,
        constrain=True,
    )  # fmt: skip
    beside = f" and {len(rows.apart)} made-up requests" if rows.apart else ""
    say(f"{folder}: {reference.main} {reference.value:.1%} on {len(rows.valid)} validation rows{beside}")
    if not reference.value:
        raise InputError(f"{folder}: gets none of its {len(rows.valid)} validation rows right; train it longer first")
    trials = Search(original, rows, reference, goal, home).run()
    page = home / "frontier.html"
    write_frontier(page, folder.resolve().name, trials, goal)
    return Shrunk(rows, trials, page, home)
