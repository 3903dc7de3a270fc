"""All rows under a path as examples in memory, with what could not be read. Judges nothing."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pocketlm.core.errors import InputError
from pocketlm.core.progress import counting
from pocketlm.data.formats import BadRow
from pocketlm.data.importing import Opened, open_source
from pocketlm.data.infer_tools import FromIntents
from pocketlm.data.shapes import Example, known_shapes, view
from pocketlm.data.sources import sources
from pocketlm.data.split import split_of_name
from pocketlm.tasks.tools import Call, ToolSet


@dataclass(frozen=True)
class Fault:
    """A row that could not be read, and why."""

    where: str
    why: str


@dataclass
class Gathered:
    """What there is under a path.

    Attributes:
        files: file -> format and task.
        others: files of another task or of no known format, with a sentence each.
        tools: the functions calls are held to, for the task `call`; a row's own come first.
        derived: the functions were made from the rows' own calls, so these fit by nature.
    """

    path: Path
    task: str
    files: dict[str, str] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    others: list[str] = field(default_factory=list)
    tools: ToolSet | None = None
    derived: bool = False

    @property
    def splits(self) -> dict[str, int]:
        """Split -> rows."""
        return dict(Counter(example.split for example in self.examples))


def gather(
    path: Path | str,
    *,
    task: str | None = None,
    tools: Path | None = None,
    shape: str | None = None,
    columns: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
) -> Gathered:
    """Read everything under a path as rows of one task: the given one, or that of most files.

    Raises:
        InputError: nothing there, no known format, or no rows of the task.
    """
    opened = [(s, open_source(s, shape=shape, columns=columns, names=names)) for s in sources(path)]
    known = [one for _, one in opened if one]
    tasks = Counter(one.shape.task for one in known)
    if task is None and "call" in tasks and "classify" not in tasks:
        task = "call"
    chosen = task or (tasks.most_common(1)[0][0] if tasks else "")
    if not tasks[chosen]:
        wanted = f"rows of the task {task}" if task else "rows of a known format"
        raise InputError(f"{path}: holds no {wanted}; known: {known_shapes()}")
    found = Gathered(Path(str(path)), chosen)
    found.others = [f"{s.path} holds no known format" for s, one in opened if not one]
    found.others += [f"{o.source.path} holds rows of {o.shape.task}" for o in known if o.shape.task != chosen]
    for one in known:
        if one.shape.task == chosen:
            _take(one, found)
    if chosen == "call":
        _find_tools(found, tools)
    return found


def _take(opened: Opened, found: Gathered) -> None:
    of_source = split_of_name(opened.source.name) or "train"
    found.files[str(opened.source.path)] = opened.shape.name
    with counting(f"Reading {opened.source.name}") as tick:
        for item, rows in opened.rows():
            tick()
            # a folder that is read as one has a file for each split
            split = split_of_name(item.file.name.partition(".")[0]) if opened.source.container == "beir" else None
            if isinstance(rows, BadRow):
                found.faults.append(Fault(item.where, str(rows)))
                continue
            for row in rows:
                try:
                    found.examples.append(view(row, found.task, item.where, split or of_source))
                except (KeyError, TypeError, AttributeError) as error:
                    found.faults.append(Fault(item.where, f"a row of {found.task} lacks {error}"))


def _find_tools(found: Gathered, given: Path | None) -> None:
    beside = (found.path if found.path.is_dir() else found.path.parent) / "tools.json"
    if given or beside.is_file():
        found.tools = ToolSet.load(given or beside)
        return
    intents = FromIntents()
    for example in found.examples:
        if not example.row.get("tools"):
            intents.add(Call(call["name"], call["arguments"]) for call in example.row["calls"])
    found.tools = ToolSet(intents.tools())
    found.derived = True


def shown(text: str, most: int = 100) -> str:
    """A text in one line of a list."""
    line = re.sub(r"\s+", " ", text).strip()
    return line if len(line) <= most else line[: most - 1] + "…"


def difference(before: str, after: str, around: int = 30, most: int = 100) -> tuple[str, str]:
    """The stretch in which two texts begin to differ, with a little before it."""
    start = next((at for at, (a, b) in enumerate(zip(before, after, strict=False)) if a != b), 0)
    start = max(0, start - around)
    return shown(before[start : start + most]), shown(after[start : start + most])
