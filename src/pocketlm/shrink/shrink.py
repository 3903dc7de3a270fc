"""The way of `pocketlm shrink` from a run to all that was tried: rows to teach and to choose by, the search, what it found to look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.progress import say
from pocketlm.data.load import load_rows
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.store import scored
from pocketlm.shrink.frontier import frontier_text, write_frontier
from pocketlm.shrink.imagine import imagine
from pocketlm.shrink.precision import parts_of
from pocketlm.shrink.search import Goal, Search, Trial, passing
from pocketlm.shrink.shapes import Rows
from pocketlm.shrink.vocabulary import Tokens
from pocketlm.train.run import Run

FEW = 200  # validation rows under which a warning is due


@dataclass(frozen=True)
class Shrunk:
    """What a search came to.

    Attributes:
        original: the run that was to become smaller.
        rows: that taught the healing, and by which was chosen.
        home: the search's folder.
    """

    original: Run
    goal: Goal
    rows: Rows
    trials: list[Trial]
    home: Path

    @property
    def passed(self) -> list[Trial]:
        """Those of the trials that pass, the smallest first."""
        return passing(self.trials, self.goal)

    def show(self, chosen: Trial | None) -> str:
        """Draw the picture, and return the table of it, both with a mark on what was chosen."""
        page = self.home / "frontier.html"
        write_frontier(page, self.original.folder.resolve().name, self.trials, self.goal, chosen)
        return f"{frontier_text(self.trials, chosen)}\n\nPicture: {page}"


def shrink(original: Run, goal: Goal, requests: int) -> Shrunk:
    """Search for the smallest model that does a run's job; what was done before is found again.

    Args:
        requests: how many more the base makes up, to heal and to choose by.

    Raises:
        InputError: a run without validation rows, or that gets none of them right, or whose model cannot be cut.
        EnvironmentLacks: libgguf, which rounds to few bits, is not here.
    """
    folder = original.folder
    home = folder / "shrunk"
    rows = Rows(*(load_rows(folder, split=split)[1] for split in ("train", "valid")))
    _check(original, rows)
    reference = scored(
        folder / "reports" / "valid.json", original.identity, original.task, lambda: open_engine(str(folder)), rows.valid,
        constrain=True,
    )  # fmt: skip
    say(f"{folder}: {reference.main} {reference.value:.1%} on {len(rows.valid)} validation rows")
    if not reference.value:
        raise InputError(f"{folder}: gets none of its {len(rows.valid)} validation rows right; train it longer first")
    rows = imagine(rows, original, home, requests)
    trials = Search(original, rows, reference, goal, home).run()
    found = Shrunk(original, goal, rows, trials, home)
    found.show(None)  # the proof takes minutes, and may be stopped
    return found


def _check(original: Run, rows: Rows) -> None:
    """Before the first long step, whether all can be done that follows."""
    if not rows.valid:
        raise InputError(f"{original.folder}: no validation rows to choose by; give data.valid and train it again")
    need("libgguf", "rounding to few bits", "gguf")
    parts_of(original.model)  # a family that GGUF knows
    Tokens.read(original.model)  # a vocabulary that can be cut
    if len(rows.valid) < FEW:
        each = 1 / len(rows.valid)
        say(f"{len(rows.valid)} validation rows: each is {each:.1%} of the score by which models are chosen")
