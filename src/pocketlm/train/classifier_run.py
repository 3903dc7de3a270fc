"""The folder of a classifier's run.

runs/NAME/  manifest.json, config.json, head.json, head.safetensors, what the features need (words.safetensors,
examples.jsonl, or model/, an encoder's folder), metrics.jsonl. It is what `pocketlm eval`, `run` and `export` take.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json, sha256_file, sha256_value
from pocketlm.core.manifest import read_manifest
from pocketlm.models.head import SETTINGS
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.train.run import Run

LADDER = "ladder.json"  # of a run that was chosen among rungs, see ladder.py


@dataclass(frozen=True)
class ClassifierRun:
    """A finished run of the task classify."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> ClassifierRun:
        """Open a finished run.

        Raises:
            InputError: not a run of a classifier, or one that did not finish.
        """
        folder = Path(folder)
        if not (folder / "manifest.json").is_file() or not (folder / SETTINGS).is_file():
            hint = "its training did not finish, run `pocketlm train` again" if folder.is_dir() else "no such folder"
            raise InputError(f"{folder}: not a finished run of a classifier; {hint}")
        return cls(folder)

    @property
    def manifest(self) -> dict[str, Any]:
        """The run's manifest."""
        return dict(read_manifest(self.folder))

    @property
    def identity(self) -> str:
        """Other whenever the run may answer otherwise."""
        return sha256_value([self.manifest["key"], sha256_file(self.folder / SETTINGS)])

    @property
    def config(self) -> Config:
        """The settings the run was made with."""
        return Config.model_validate(read_json(self.folder / "config.json"))

    @property
    def task(self) -> ClassifyTask:
        """The task with the labels of all the data's splits."""
        made = self.manifest
        return ClassifyTask(made["labels"], made["outside"])

    @property
    def model(self) -> Path | None:
        """Folder of its encoder; None where it has none."""
        folder = self.folder / "model"
        return folder if (folder / "config.json").is_file() else None

    @property
    def history(self) -> list[dict[str, float]]:
        """The logged steps, or what was tried."""
        lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def open_run(folder: Path) -> Run | ClassifierRun:
    """A finished run of any task.

    Raises:
        InputError: not a run, or one that did not finish.
    """
    made = Path(folder) / "manifest.json"
    is_labels = made.is_file() and read_manifest(Path(folder)).get("task") == "classify"
    return ClassifierRun.open(folder) if is_labels else Run.open(folder)
