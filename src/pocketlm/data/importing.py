"""Files in any known layout -> a folder of one task's rows, streamed: memory does not grow with the number of rows.

The folder gets one `NAME.jsonl` a source and a manifest; what could not be read goes to `rejected/NAME.jsonl`, each with
its reason. It can be used as a project's raw data, or checked, cleaned and split first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import IO, Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import atomic_path, dump_compact, write_json
from pocketlm.core.manifest import NAME as MANIFEST
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.core.progress import counting
from pocketlm.data.formats import BadRow
from pocketlm.data.infer_tools import Conflict, FromIntents, join
from pocketlm.data.shapes import Row, Shape, detect, known_shapes, read_shape, shape_named
from pocketlm.data.sources import Item, Source, read_source, sources
from pocketlm.tasks.tools import Call, Tool, ToolSet

KIND = "imported"
FIRST_ITEMS = 200  # enough to tell the layout of a file


@dataclass
class Imported:
    """What became of one source. `reasons`: sentence -> items that were left out for it."""

    source: str
    file: str
    format: str
    task: str
    rows: int = 0
    rejected: int = 0
    reasons: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a manifest or a script."""
        return {**self.__dict__, "reasons": dict(self.reasons)}


@dataclass(frozen=True)
class Opened:
    """A source with its layout found out and its items still to come."""

    source: Source
    shape: Shape
    items: Iterator[Item]

    def rows(self) -> Iterator[tuple[Item, list[Row] | BadRow]]:
        """Each item with its rows, or with what is wrong with it."""
        for item in self.items:
            try:
                yield item, read_shape(self.shape, item)
            except BadRow as error:
                yield item, error


def open_source(
    source: Source, *, shape: str | None = None, columns: Sequence[str] = (), names: Mapping[str, str] | None = None
) -> Opened | None:
    """A source with its layout, None where no known one fits.

    Args:
        shape: the layout's name, found out by the first items without.
        columns: names of a table's columns, where its first line does not name them.
        names: the name a key has in the file -> the name a layout knows it by.
    """
    items = read_source(source, columns=columns, is_row=lambda value: detect([value]) is not None)
    if names:
        items = (_renamed(item, names) for item in items)
    first = list(islice(items, FIRST_ITEMS))
    found = shape_named(shape) if shape else detect(item.value for item in first)
    return Opened(source, found, chain(first, items)) if found else None


def import_rows(
    path: Path | str,
    out: Path,
    *,
    shape: str | None = None,
    columns: Sequence[str] = (),
    names: Mapping[str, str] | None = None,
    limit: int | None = None,
) -> list[Imported]:
    """Import a file, a folder or an `hf:` data set into `out`; what other imports brought there stays.

    Raises:
        InputError: nothing there, no known layout, or not one good row.
    """
    out = Path(out)
    opened = [_open(source, shape, columns, names) for source in sources(path)]
    known = [one for one in opened if isinstance(one, Opened)]
    if not known:
        raise InputError("; ".join(str(one) for one in opened) + f"; known: {known_shapes()}")
    intents = FromIntents()
    results = [_import_one(one, out, limit, intents) for one in known]
    if found := intents.tools():
        _add_tools(out / "tools.json", found)
    results += [
        Imported(str(path), "", "unknown", "", 0, 0, Counter([str(one)])) for one in opened if isinstance(one, str)
    ]
    _write_manifest(out, results)
    return results


def _open(source: Source, shape: str | None, columns: Sequence[str], names: Mapping[str, str] | None) -> Opened | str:
    found = open_source(source, shape=shape, columns=columns, names=names)
    if found:
        return found
    first = next((item.value for item in read_source(source, columns=columns) if item.value is not None), None)
    keys = f"the keys {', '.join(first)[:120]}" if isinstance(first, dict) else f"{first!r:.60}"
    return f"{source.path}: unknown format, its first item has {keys}; name its keys with --map text=KEY, or --format"


def _renamed(item: Item, names: Mapping[str, str]) -> Item:
    if not isinstance(item.value, dict):
        return item
    return Item(item.file, item.line, {names.get(key, key): value for key, value in item.value.items()}, item.problem)


def _import_one(opened: Opened, out: Path, limit: int | None, intents: FromIntents) -> Imported:
    source, shape = opened.source, opened.shape
    name = source.name if source.container != "hub" else source.name.rpartition("/")[2].replace("#", "-")
    result = Imported(str(source.path), f"{name}.jsonl", shape.name, shape.task)
    rejected = out / "rejected" / f"{name}.jsonl"
    with ExitStack() as stack:
        rows = stack.enter_context(atomic_path(out / result.file)).open("w", encoding="utf-8")
        stack.callback(rows.close)
        faults: IO[str] | None = None
        tick = stack.enter_context(counting(f"Importing {source.name}"))
        for item, found in opened.rows():
            tick()
            if isinstance(found, BadRow):
                if faults is None:
                    faults = stack.enter_context(atomic_path(rejected)).open("w", encoding="utf-8")
                    stack.callback(faults.close)
                _reject(item, found, result, faults)
                continue
            for row in found:
                rows.write(dump_compact(row) + "\n")
                if shape.name == "intent":
                    intents.add(Call(call["name"], call["arguments"]) for call in row["calls"])
            result.rows += len(found)
            if limit and result.rows >= limit:
                break
        if not result.rows:
            raise InputError(
                f"{source.path}: not one good row: {result.reasons.most_common(1)[0][0] if result.reasons else 'it is empty'}"
            )
    if not result.rejected:
        rejected.unlink(missing_ok=True)
    return result


def _reject(item: Item, error: BadRow, result: Imported, faults: IO[str]) -> None:
    result.rejected += 1
    result.reasons[str(error) if len(result.reasons) < 50 else "other reasons"] += 1
    faults.write(dump_compact({"where": item.where, "why": str(error), "value": item.value}) + "\n")


def _add_tools(path: Path, found: Sequence[Tool]) -> None:
    """Write functions beside those that are there; one that is there takes what both say of it."""
    tools = {tool.name: tool for tool in (ToolSet.load(path) if path.is_file() else ToolSet([]))}
    for tool in found:
        there = tools.setdefault(tool.name, tool)
        try:
            tools[tool.name] = replace(there, parameters=join(there.parameters, tool.parameters))
        except Conflict as conflict:
            raise InputError(
                f"{path}: defines {tool.name}{conflict} otherwise than the rows imported now; "
                "import them into another folder, or rename the function"
            ) from None
    write_json(path, ToolSet(list(tools.values())).to_openai())


def _write_manifest(out: Path, results: Sequence[Imported]) -> None:
    before: dict[str, Any] = read_manifest(out) if (out / MANIFEST).is_file() else {}
    files = {**before.get("files", {}), **{one.file: one.to_json() for one in results if one.file}}
    write_manifest(out, {"kind": KIND, "files": files})
