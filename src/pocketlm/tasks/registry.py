"""The tasks, one line each."""

from __future__ import annotations

from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.tasks.call import CallTask
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.tasks.complete import CompleteTask
from pocketlm.tasks.embed import EmbedTask
from pocketlm.tasks.extract import ExtractTask
from pocketlm.tasks.instruct import InstructTask
from pocketlm.tasks.tools import did_you_mean
from pocketlm.tasks.translate import TranslateTask

TASKS: dict[str, Any] = {
    task.name: task
    for task in (CallTask, ClassifyTask, InstructTask, ExtractTask, EmbedTask, TranslateTask, CompleteTask)
}


def task_class(name: str) -> Any:
    """The class of the task of that name.

    Raises:
        InputError: there is none.
    """
    if name not in TASKS:
        raise InputError(f'no task is named "{name}"{did_you_mean(name, list(TASKS))}')
    return TASKS[name]
