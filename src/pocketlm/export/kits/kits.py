"""Source code for the app: in Swift, Kotlin, C and Python, what stands between a request and typed calls.

Each kit holds the functions as types, renders prompts to the same bytes as the training did, reads answers into typed
calls or an error that names the place, says which calls a user should confirm, what to do with an unsure one, and
whether a newer version is out. `vectors.json` holds what all four must agree on; each kit has a test that runs it.

A kit reads what the model writes under its grammar, and no more than 64-bit numbers and 64 levels of nesting. It does
not hold the grammar: that is the bundle's grammar.gbnf.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import write_text
from pocketlm.evaluate.calibrate import Calibration
from pocketlm.export.kits import c, kotlin, python, swift
from pocketlm.export.kits.functions import read_functions
from pocketlm.export.kits.source import UNCALIBRATED, Kit, fill, snake
from pocketlm.export.kits.vectors import make_vectors
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.template import Message, Template

LANGUAGES: dict[str, Callable[[Kit, Path, str], list[Path]]] = {
    "swift": swift.write, "kotlin": kotlin.write, "c": c.write, "python": python.write,
}  # fmt: skip


def write_kits(
    task: CallTask,
    template: Template,
    out: Path,
    *,
    name: str,
    version: str,
    threshold: float | None,
    feed: str | None = None,
    rows: Sequence[Any] = (),
    calibration: Calibration | None = None,
    confirm: Mapping[str, bool] | None = None,
) -> list[Path]:
    """Write a kit of every language into `out`, one folder each, and vectors.json; returns the files.

    Args:
        name: of the model; the kits' modules are called after it.
        version: numbers and dots, compared with the release feed's.
        threshold: calls at least this sure are answered, usually the calibration's; None: none is sure enough.
        calibration: makes the confidence of the engine's signals, and says when to ask back; without one the confidence is
            the model's own probability of its answer.
        feed: address of the release feed.
        rows: of the task, for the vectors; a few dozen are enough.
        confirm: function -> whether the user confirms its calls, over the tools' own word and the heuristic
            (functions.is_dangerous).

    Raises:
        InputError: a name without letters, a version that cannot be compared, or arguments no kit can express.
    """
    kit = make_kit(
        task, template, name=name, version=version, threshold=threshold, feed=feed, calibration=calibration, confirm=confirm,
    )  # fmt: skip
    vectors = json.dumps(make_vectors(kit, task, template, rows), ensure_ascii=False, indent=1)
    write_text(out / "vectors.json", vectors)
    write_text(out / "README.md", fill("README.md.in", _readme(kit)))
    files = [out / "vectors.json", out / "README.md"]
    for language, write in LANGUAGES.items():
        files += write(kit, out / language, vectors)
    return files


def make_kit(
    task: CallTask,
    template: Template,
    *,
    name: str,
    version: str,
    threshold: float | None = None,
    feed: str | None = None,
    calibration: Calibration | None = None,
    confirm: Mapping[str, bool] | None = None,
) -> Kit:
    """What all languages are made from; see `write_kits`."""
    if not any(letter.isalnum() for letter in name):
        raise InputError(f'"{name}": an app kit needs a name with letters')
    if not all(part.isascii() and part.isdigit() and len(part) < 10 for part in version.split(".", 3)):
        raise InputError(f'version "{version}": must be up to four numbers with dots, such as 1.2.0')
    messages = task.messages(CallRow((Message("user", ""),), ()), template)
    system = messages[0].content if messages[0].role == "system" else ""
    functions = tuple(read_functions(task.tools, confirm))
    made = calibration or UNCALIBRATED
    return Kit(name, version, functions, template, system, task.max_tokens, threshold, made, feed)


def _readme(kit: Kit) -> dict[str, str]:
    asked = [f"`{function.name}`" for function in kit.functions if function.confirm]
    return {
        "title": f"{kit.name} {kit.version}",
        "p": snake(kit.name),
        "module": swift.module_of(kit),
        "package": kotlin.package_of(kit),
        "gradle": snake(kit.module).replace("_", "-"),
        "file": snake(kit.module),
        "signal": kit.signal,
        "confirm": f"Calls to be confirmed by the user: {', '.join(asked)}."
        if asked
        else "No call needs the user's word.",
    }
