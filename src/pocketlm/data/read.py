"""Files in any known format -> checked function-calling rows. Knows nothing of splits, prompts or models.

All that is wrong with the input is told at once, each fault with its file and line.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError, Problems
from pocketlm.data.formats import BadRow, Parsed, detect_format, known_formats, parse_row
from pocketlm.data.infer_tools import FromIntents, OwnTools
from pocketlm.data.sources import NOT_ROWS, Source, read_source
from pocketlm.tasks.call import CallRow
from pocketlm.tasks.tools import Tool, ToolSet

SUFFIXES = (".jsonl", ".json")
FIRST_ROWS = 20  # enough to see a file's format past a few broken rows


@dataclass
class ReadResult:
    """What a read found. `formats`: file -> format; `notes`: what was left out or joined; `problems`: what is wrong."""

    rows: list[CallRow]
    tools: ToolSet
    formats: dict[str, str]
    notes: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def read_rows(path: Path | Sequence[Path], tools: ToolSet | None = None) -> ReadResult:
    """Read files, or folders of .jsonl and .json files, as rows of the `call` task.

    Args:
        path: a file, a folder, or several; tools are then common to all.
        tools: the app's functions; None takes them from a tools.json among the files, from the rows, or from intents.

    Raises:
        Problems: everything that is wrong, each with file and line.
    """
    result = examine_rows(path, tools)
    if result.problems:
        raise Problems("cannot use the data", result.problems)
    return result


def examine_rows(path: Path | Sequence[Path], tools: ToolSet | None = None) -> ReadResult:
    """As `read_rows`, but faults are listed in `problems` beside the rows that are good."""
    paths = [Path(path)] if isinstance(path, (str, Path)) else [Path(one) for one in path]
    reader = _Reader()
    if tools is None:
        tools = next((ToolSet.load(one / "tools.json") for one in paths if (one / "tools.json").is_file()), None)
    for one in paths:
        try:
            files = row_files(one)
        except InputError as error:
            reader.problems.append(str(error))
            continue
        for file in files:
            reader.read(file)
    return reader.result(tools)


def row_files(path: Path) -> list[Path]:
    """The files that hold rows: `path` itself, or those in the folder, by name.

    Raises:
        InputError: there are none.
    """
    path = Path(path)
    if path.is_file():
        return [path]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    found = sorted(file for file in path.iterdir() if file.suffix.lower() in SUFFIXES and file.name[0] != ".")
    files = [file for file in found if file.is_file() and file.name not in NOT_ROWS]
    if not files:
        raise InputError(f"{path}: the folder holds no .jsonl or .json file with rows; put your examples there")
    return files


class _Reader:
    """Gathers rows, formats and faults over all files."""

    def __init__(self) -> None:
        self.rows: list[CallRow] = []
        self.from_intents = FromIntents()
        self.own_tools = OwnTools()
        self.formats: dict[str, str] = {}
        self.problems: list[str] = []
        self.later_turns: list[int] = []

    def read(self, file: Path) -> None:
        """Take all rows of one file."""
        try:
            items = list(_items(file, self.problems))
        except InputError as error:
            self.problems.append(str(error))
            return
        format_name = next(filter(None, (detect_format(item) for _, item in items[:FIRST_ROWS])), None)
        if format_name is None:
            if items:
                self.problems.append(
                    f"{file}:{items[0][0]}: unknown format: {_seen(items[0][1])}; known: {known_formats()}"
                )
            return
        self.formats[str(file)] = format_name
        for line, item in items:
            try:
                self._take(parse_row(item, format_name), format_name, f"{file}:{line}")
            except BadRow as error:
                self.problems.append(f"{file}:{line}: {error}")

    def _take(self, parsed: Parsed, format_name: str, where: str) -> None:
        row = CallRow(parsed.messages, parsed.calls, where, parsed.possible, parsed.tags)
        self.rows.append(row)
        self.own_tools.add(parsed.tools, row)
        if parsed.later_turns:
            self.later_turns.append(parsed.later_turns)
        if format_name == "intent":
            self.from_intents.add(row.calls)

    def result(self, given: ToolSet | None) -> ReadResult:
        """Settle the tools and hold every call to them."""
        notes = []
        if self.later_turns:
            notes.append(
                f"{len(self.later_turns)} dialogues go on after the turn taken as their answer; "
                f"{sum(self.later_turns)} later turns were left out"
            )
        if given is not None and self.own_tools:
            notes.append("the rows' own tool lists were not used, since tools are given")
        tools = given
        if tools is None:
            found, found_notes = self._infer()
            notes += found_notes
            tools = ToolSet(found)
        good = [row for row in self.rows if self._fits(row, tools)] if len(tools) else []
        return ReadResult(good, tools, self.formats, notes, self.problems)

    def _infer(self) -> tuple[list[Tool], list[str]]:
        found, notes = self.own_tools.merge()
        self.problems += self.own_tools.problems
        names = {tool.name for tool in found}
        found += [tool for tool in self.from_intents.tools() if tool.name not in names]
        if self.rows and not found and not self.own_tools.problems:
            self.problems.append(
                f"{', '.join(self.formats)}: the rows do not say which functions exist; "
                "give a tools.json (a list of OpenAI tools) beside them"
            )
        return found, notes

    def _fits(self, row: CallRow, tools: ToolSet) -> bool:
        found = [problem for call in row.calls for problem in tools.check_call(call)]
        self.problems += [f"{row.where}: {problem}" for problem in found]
        return not found


def _items(file: Path, problems: list[str]) -> Iterator[tuple[int, Any]]:
    """(line, parsed JSON) of each row. What is not JSON goes to `problems`; a useless file is an InputError."""
    found = False
    for item in read_source(Source(file, "json"), is_row=lambda value: detect_format(value) is not None):
        found = True
        if item.problem:
            problems.append(item.problem)
        else:
            yield item.line, item.value
    if not found:
        raise InputError(f"{file}: holds no rows; add examples")


def _seen(item: Any) -> str:
    if not isinstance(item, dict):
        return f"a row is {item!r:.60}, not an object"
    kinds = Counter(map(str, item))
    return f"the first row has the keys {', '.join(kinds)[:200] or '(none)'}"
