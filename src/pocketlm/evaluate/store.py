"""Reports kept as files, so that an evaluation that was made once is not made again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json, sha256_file, sha256_value, write_json
from pocketlm.core.machine import cache_dir
from pocketlm.engines.classifier import is_classifier
from pocketlm.engines.open import files_of
from pocketlm.evaluate.evaluate import Report, evaluate
from pocketlm.evaluate.kept import Kept
from pocketlm.models.starters import STARTERS
from pocketlm.tasks.base import Task

NOT_ANSWERS = (  # beside weights, without a say in answers
    "manifest.json",
    "report.json",
    "ladder.json",
    "calibration.json",
)
SCORING = 5  # rises whenever the same answers would score otherwise


def scored(
    path: Path, identity: str, task: Task, engine: Callable[[], Any], rows: Sequence[Any], **settings: Any
) -> Report:
    """The report of an engine on rows, from `path` where nothing that decides it has changed.

    Args:
        identity: what stands for the engine's content, such as a run's key.
        engine: opens it, only when it has to be scored.
        settings: as `evaluate` takes them.
    """
    key = report_key(identity, task, rows, **settings)

    def make() -> Report:
        subject = engine()
        try:
            return evaluate(task, kept_engine(subject, path, key), rows, title=f"Scoring {path.stem}", **settings)
        finally:
            getattr(subject, "close", lambda: None)()

    return cached_report(path, key, make)


def report_key(identity: str, task: Task, rows: Sequence[Any], **settings: Any) -> str:
    """Hash of all that decides a report: the engine, the rows, the task and the settings."""
    asked = [SCORING, task.name, task.settings(), settings]
    return sha256_value([identity, [row.to_json() for row in rows], asked])


def cached_report(path: Path, key: str, make: Callable[[], Report]) -> Report:
    """The report in `path` if it was made for `key`, else a new one, kept there."""
    if path.is_file():
        try:
            kept = read_json(path)
            if kept.get("key") == key:
                return Report.from_json(kept["report"])
        except (InputError, KeyError, TypeError, AttributeError):
            pass  # damaged by hand: simply made again
    report = make()
    write_json(path, {"key": key, "report": report.to_json()})
    _answers_of(path).unlink(missing_ok=True)
    return report


def forget_report(path: Path) -> None:
    """Delete a report, and the answers of one that did not come to its end."""
    path.unlink(missing_ok=True)
    _answers_of(path).unlink(missing_ok=True)


def kept_engine(engine: Any, path: Path, key: str) -> Any:
    """The engine, its answers kept until the report in `path` is whole; as it is where it writes no answers here."""
    is_local = hasattr(engine, "generate") and not hasattr(engine, "chat")
    return Kept(engine, _answers_of(path), key) if is_local and not hasattr(engine, "prompt") else engine


def _answers_of(path: Path) -> Path:
    return path.with_suffix(".answers.jsonl")


def kept_report(key: str) -> Path:
    """Where the report of a key is kept on this machine, whatever engine and rows it was made of."""
    return cache_dir() / "reports" / f"{key[:32]}.json"


def identity_of(uri: str) -> str:
    """What an engine's answers depend on: the hash of its files, a starter's checksum, or else its name."""
    if uri.startswith("starter:"):
        starter = STARTERS.get(uri.partition(":")[2])
        return starter.sha256 if starter else uri
    path = Path(uri)
    if path.is_file():
        files = files_of(path)
        if is_classifier(path.parent):  # the head beside an encoder's file says what its vectors mean
            files += sorted(path.parent.glob("head.*"))
        hashes = [sha256_file(file) for file in files]
        return hashes[0] if len(hashes) == 1 else sha256_value(hashes)
    if not path.is_dir():
        return uri
    inner = path / "model" if (path / "model" / "config.json").is_file() else path
    homes = [path, inner] if is_classifier(path) and inner != path else [inner]
    kinds = (
        "*.safetensors",
        "*.bin",
        "*.gguf",
        "*.onnx",
        "*.onnx.data",
        "*.litertlm",
        "*.tflite",
        "*.json",
        "*.jinja",
        "*.model",
        "*.txt",
        "examples.jsonl",
    )
    files = sorted(file for home in homes for kind in kinds for file in home.glob(kind) if file.name not in NOT_ANSWERS)
    return sha256_value([[file.name, sha256_file(file)] for file in files])
