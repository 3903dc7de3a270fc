"""The checkpoints of one training: written whole, the last few kept, gone when the finished run is safe."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import torch

from pocketlm.core.files import atomic_path, read_json, write_json
from pocketlm.core.progress import say


class Checkpoints:
    """Files `checkpoint-KEY-STEP.pt` in a run's folder.

    Args:
        key: hash of all that decides the weights.
        keep: how many stay, the latest first; should one be damaged, the one before serves.
    """

    def __init__(self, folder: Path, key: str, *, keep: int = 1) -> None:
        self._folder, self._stem, self._keep = folder, f"checkpoint-{key[:12]}", keep

    @property
    def files(self) -> list[Path]:
        """The files, latest first."""
        return sorted(self._folder.glob(f"{self._stem}-*.pt"), reverse=True)

    def forget_others(self) -> None:
        """Delete those of other data or settings, and what a killed process left half written."""
        for stale in [*self._folder.glob("checkpoint-*"), *self._folder.glob(".checkpoint-*.part")]:
            if not stale.name.startswith(self._stem):
                stale.unlink(missing_ok=True)

    def save(self, state: dict[str, Any], step: int) -> None:
        """Write the state after `step` steps; older ones go once it is on the disk.

        Raises:
            EnvironmentLacks: the disk is full; the last checkpoint is kept.
        """
        file = self._folder / f"{self._stem}-{step:08}.pt"
        with atomic_path(file) as aside, aside.open("wb") as out:  # torch would hide the system's error
            torch.save(state, out)
        for old in self.files[self._keep :]:
            old.unlink()

    def load(self) -> dict[str, Any] | None:
        """The latest state that can be read, damaged ones deleted; None where there is none."""
        for file in self.files:
            try:
                state: dict[str, Any] = torch.load(file, weights_only=True)
            except (RuntimeError, EOFError, pickle.UnpicklingError) as error:
                say(f"{file}: damaged ({str(error)[:80]!r}), deleted")
                file.unlink()
            else:
                return state
        return None

    @property
    def choices(self) -> dict[str, Any]:
        """What an interrupted training's probes chose: others might choose otherwise, and other weights would follow."""
        return dict(read_json(self._choices)) if self._choices.exists() and self.files else {}

    @choices.setter
    def choices(self, chosen: dict[str, Any]) -> None:
        write_json(self._choices, chosen)

    def clear(self) -> None:
        """Delete them all."""
        for file in [*self.files, self._choices]:
            file.unlink(missing_ok=True)

    @property
    def _choices(self) -> Path:
        return self._folder / f"{self._stem}.json"
