"""Mend the rows of files in place: originals are kept, what was done can be shown like a diff and undone.

One mend a kind of fault. Texts are mended first, then rows dropped, so that a second run finds nothing to do.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import atomic_dir, atomic_path, dump_compact, read_json, sha256_file, write_json
from pocketlm.data.checks import CONTROL, NEAR, ONE_ANSWER, is_no_value, own_tools
from pocketlm.data.formats import BadRow
from pocketlm.data.gather import difference, shown
from pocketlm.data.importing import open_source
from pocketlm.data.near import NearIndex, similarity
from pocketlm.data.shapes import Example, Shape, read_shape, view
from pocketlm.data.sources import Item, Source, sources
from pocketlm.data.split import split_of_name
from pocketlm.tasks.tools import Call, ToolSet

UNDO = ".undo"  # beside the files
LATER = {"train": ("valid", "test"), "valid": ("test",), "test": ()}
MEANING = 0.95  # cosine of static embeddings from which two texts say the same
ARGUMENTS = ("slots", "extras", "arguments", "uri", "mime")  # where layouts other than ours keep them
DEFAULT = ("encoding", "no-values", "empty", "copies", "leakage")


@dataclass(frozen=True)
class Row:
    """An item of a file, as it stands now and what it means; `examples` is empty where it cannot be read."""

    item: Item
    split: str
    examples: tuple[Example, ...] = ()
    why: str = ""

    @property
    def text(self) -> str:
        """What rows are told apart by."""
        return "\n".join(e.text or e.answer for e in self.examples)

    @property
    def answer(self) -> str:
        """What is trained."""
        return "\n".join(e.answer for e in self.examples)


@dataclass(frozen=True)
class Edit:
    """One row dropped (`after` is None) or changed."""

    kind: str
    where: str
    before: str
    after: str | None
    why: str


@dataclass(frozen=True)
class Cleaned:
    """What was found to mend. `files`: path -> the new items, None for a dropped one; only files that change."""

    edits: list[Edit]
    files: dict[Path, list[Item]]
    rows: int

    def to_json(self) -> dict[str, Any]:
        """Counts and edits, plain."""
        counts = Counter(edit.kind for edit in self.edits)
        return {"rows": self.rows, "edits": dict(counts), "changes": [edit.__dict__ for edit in self.edits]}


class _Cleaning:
    """Rows on their way through the mends."""

    def __init__(self, rows: list[Row], shapes: dict[Path, Shape], tools: ToolSet | None) -> None:
        self.rows = rows
        self.shapes = shapes
        self.tools = tools
        self.task = next(iter(shapes.values())).task
        self.edits: list[Edit] = []

    def drop(self, kind: str, faulty: Callable[[Row], str]) -> None:
        """Leave out the rows for which `faulty` says why."""
        kept = []
        for row in self.rows:
            if why := faulty(row):
                self.edits.append(
                    Edit(kind, row.item.where, shown(row.text or dump_compact(row.item.value)), None, why)
                )
            else:
                kept.append(row)
        self.rows = kept

    def change(self, kind: str, mend: Callable[[Row], Any], why: str) -> None:
        """Replace each row's value by what `mend` makes of it."""
        for at, row in enumerate(self.rows):
            if not row.item.problem and (value := mend(row)) != row.item.value:
                before, after = difference(dump_compact(row.item.value), dump_compact(value))
                self.edits.append(Edit(kind, row.item.where, before, after, why))
                self.rows[at] = _read(replace(row.item, value=value), self.shapes[row.item.file], row.split)


def clean(path: Path, mends: Sequence[str] = DEFAULT, *, tools: Path | None = None) -> Cleaned:
    """Find what the given mends would change; nothing is written.

    Raises:
        InputError: an unknown mend, or files that cannot be rewritten: anything but plain .jsonl and .json.
    """
    if unknown := [name for name in mends if name not in MENDS]:
        raise InputError(f'unknown mend "{unknown[0]}"; known: {", ".join(MENDS)}')
    rows: list[Row] = []
    shapes: dict[Path, Shape] = {}
    for source in sources(path):
        _check_rewritable(source)
        opened = open_source(source)
        if opened is None:
            continue
        shapes[source.path] = opened.shape
        split = split_of_name(source.name) or "train"
        rows += [_read(item, opened.shape, split) for item in opened.items]
    if not rows:
        raise InputError(f"{path}: no rows of a known format; see `pocketlm data check {path}`")
    beside = (path if path.is_dir() else path.parent) / "tools.json"
    given = tools or (beside if beside.is_file() else None)
    work = _Cleaning(list(rows), shapes, ToolSet.load(given) if given else None)
    for name in MENDS:
        if name in mends:
            MENDS[name](work)
    return Cleaned(work.edits, _changed_files(rows, work.rows), len(rows))


def apply(cleaned: Cleaned, path: Path) -> Path | None:
    """Keep the originals, then rewrite the files that change; returns where the originals are."""
    if not cleaned.files:
        return None
    home = path if path.is_dir() else path.parent
    kept = home / UNDO / f"{1 + max((int(one.name) for one in _kept(home)), default=0):04}"
    with atomic_dir(kept) as folder:
        for file in cleaned.files:
            shutil.copy2(file, folder / file.name)
        write_json(folder / "files.json", {file.name: None for file in cleaned.files})
    after = {}
    for file, items in cleaned.files.items():
        _rewrite(file, items)
        after[file.name] = sha256_file(file)
    write_json(kept / "files.json", after)
    return kept


def undo(path: Path) -> list[Path]:
    """Put back the originals of the last cleaning.

    Raises:
        InputError: there is none, or a file was changed since.
    """
    home = path if path.is_dir() else path.parent
    kept = _kept(home)
    if not kept:
        raise InputError(f"{path}: nothing to undo, no cleaning was done here")
    last = kept[-1]
    after: dict[str, str | None] = read_json(last / "files.json")
    for name, digest in after.items():
        if digest and (home / name).is_file() and sha256_file(home / name) != digest:
            raise InputError(f"{home / name}: was changed after it was cleaned; its original is {last / name}")
    for name in after:
        with atomic_path(home / name) as aside:
            shutil.copy2(last / name, aside)
    shutil.rmtree(last)
    if len(kept) == 1:
        last.parent.rmdir()
    return [home / name for name in after]


def _kept(home: Path) -> list[Path]:
    folder = home / UNDO
    return sorted(one for one in folder.iterdir() if one.name.isdigit()) if folder.is_dir() else []


def _check_rewritable(source: Source) -> None:
    if source.container != "json" or source.path.suffix.lower() not in (".jsonl", ".json", ".ndjson"):
        raise InputError(
            f"{source.path}: only .jsonl and .json files are cleaned in place; first: pocketlm data import {source.path} --out FOLDER"
        )


def _read(item: Item, shape: Shape, split: str) -> Row:
    try:
        rows = read_shape(shape, item)
        return Row(item, split, tuple(view(row, shape.task, item.where, split) for row in rows))
    except (BadRow, KeyError, TypeError) as error:
        return Row(item, split, (), str(error))


def _changed_files(before: Iterable[Row], after: Iterable[Row]) -> dict[Path, list[Item]]:
    old: dict[Path, list[Item]] = defaultdict(list)
    new: dict[Path, list[Item]] = defaultdict(list)
    for row in before:
        old[row.item.file].append(row.item)
    for row in after:
        new[row.item.file].append(row.item)
    return {file: new[file] for file in old if old[file] != new[file]}


def _rewrite(file: Path, items: Sequence[Item]) -> None:
    """Lines that did not change stay as they are, byte for byte; a list is written an item a line."""
    raw = file.read_bytes()
    is_list = raw.lstrip(b"\xef\xbb\xbf \r\n\t").startswith((b"[", b"{")) and not _one_a_line(raw, items)
    with atomic_path(file) as aside, aside.open("wb") as out:
        if is_list:
            body = ",\n".join(json.dumps(item.value, ensure_ascii=False) for item in items)
            out.write(f"[\n{body}\n]\n".encode())
            return
        lines = raw.split(b"\n")
        for item in items:
            line = lines[item.line - 1].rstrip(b"\r")
            out.write((line if _says(line, item) else dump_compact(item.value).encode()) + b"\n")


def _one_a_line(raw: bytes, items: Sequence[Item]) -> bool:
    """Whether a file holds an object a line, and no list of them."""
    lines = raw.split(b"\n")
    first = next((item for item in items if not item.problem), None)
    if first is None:
        return not raw.lstrip().startswith(b"[")
    try:
        return isinstance(json.loads(lines[first.line - 1].removeprefix(b"\xef\xbb\xbf")), dict)
    except ValueError:
        return False


def _says(line: bytes, item: Item) -> bool:
    try:
        return bool(item.problem) or json.loads(line.removeprefix(b"\xef\xbb\xbf")) == item.value
    except ValueError:
        return False


# The mends


def _encoding(work: _Cleaning) -> None:
    ftfy = need("ftfy", "mending broken characters", "data")
    # Only what is broken: quotes, widths and HTML entities may be meant.
    config = ftfy.TextFixerConfig(
        unescape_html=False, uncurl_quotes=False, fix_latin_ligatures=False, fix_character_width=False, explain=False
    )

    def mend(text: str) -> str:
        return CONTROL.sub("", ftfy.fix_text(text, config)) if text else text

    def mended(row: Row) -> Any:
        value = _each_text(row.item.value, mend)
        # Places of entities count characters, so such a row keeps its text where the mended one is longer or shorter.
        return row.item.value if work.task == "extract" and len(str(value)) != len(str(row.item.value)) else value

    work.change("encoding", mended, "broken characters")


def _personal(work: _Cleaning) -> None:
    from pocketlm.data.privacy import redact

    work.change(
        "personal", lambda row: _each_text(row.item.value, lambda text: redact(text)[0]), "personal data or a secret"
    )


def _no_values(work: _Cleaning) -> None:
    """Leave out arguments whose value is a word for none, wherever the layout keeps its arguments."""
    if work.task != "call":
        return

    def without(value: Any, text: str) -> Any:
        if isinstance(value, dict):
            return {key: without(inner, text) for key, inner in value.items() if not is_no_value(inner, text)}
        return [without(inner, text) for inner in value] if isinstance(value, list) else value

    def mended(row: Row) -> Any:
        value = row.item.value
        if isinstance(value.get("calls"), list):
            calls = [{**call, "arguments": without(call["arguments"], row.text)} for call in value["calls"]]
            return {**value, "calls": calls}
        out = {key: without(inner, row.text) if key in ARGUMENTS else inner for key, inner in value.items()}
        return {key: inner for key, inner in out.items() if not (key in ARGUMENTS and is_no_value(inner, row.text))}

    work.change("no-values", lambda row: mended(row) if row.examples else row.item.value, "a word for no value")


def _unreadable(work: _Cleaning) -> None:
    work.drop("unreadable", lambda row: row.why)


def _empty(work: _Cleaning) -> None:
    def faulty(row: Row) -> str:
        if not row.examples:
            return ""
        if not any(e.answer.strip() for e in row.examples):
            return "empty answer"
        if work.task == "preference" and all(e.row["rejected"].strip() == e.answer.strip() for e in row.examples):
            return "chosen and rejected are the same"
        return "" if work.task == "complete" or any(e.text.strip() for e in row.examples) else "no text"

    work.drop("empty", faulty)


def _schema(work: _Cleaning) -> None:
    """Calls that break their row's own functions, or the given ones."""
    if work.task != "call":
        return
    own: dict[str, ToolSet | str] = {}

    def faulty(row: Row) -> str:
        for e in row.examples:
            tools = own_tools(e, own) or work.tools
            if isinstance(tools, str):
                return tools
            calls = (Call(call["name"], call["arguments"]) for call in e.row["calls"])
            if tools and (why := next((why for call in calls for why in tools.check_call(call)), "")):
                return why
        return ""

    work.drop("schema", faulty)


def _copies(work: _Cleaning) -> None:
    seen: dict[tuple[str, str, str], str] = {}

    def faulty(row: Row) -> str:
        first = seen.setdefault((row.split, row.text, row.answer), row.item.where) if row.examples else row.item.where
        return "" if first == row.item.where else f"exact copy of {first}"

    work.drop("copies", faulty)


def _leakage(work: _Cleaning) -> None:
    """A text in two splits stays in the later one: a test set that was given stays whole."""
    held: dict[str, dict[str, str]] = defaultdict(dict)
    for row in work.rows:
        held[row.split].setdefault(row.text, row.item.where)

    def faulty(row: Row) -> str:
        places = [held[later][row.text] for later in LATER[row.split] if row.text in held[later]]
        return f"stands in {places[0]} too" if places and row.examples else ""

    work.drop("leakage", faulty)


def _conflicts(work: _Cleaning) -> None:
    """Of the answers to one text the commonest is kept; where none is, all are dropped: no one knows which is right."""
    if work.task not in ONE_ANSWER:
        return
    answers: dict[str, Counter[str]] = defaultdict(Counter)
    for row in work.rows:
        answers[row.text][row.answer] += 1

    def faulty(row: Row) -> str:
        ranked = answers[row.text].most_common(2)
        if len(ranked) < 2 or not row.examples:
            return ""
        if ranked[0][1] > ranked[1][1]:
            return "" if row.answer == ranked[0][0] else f"most rows of this text answer {shown(ranked[0][0], 40)}"
        return "its text is answered in several ways, none more often"

    work.drop("conflicts", faulty)


def _near(work: _Cleaning) -> None:
    """Near twins with the same answer; another answer makes them a lesson."""
    index, rows = NearIndex(NEAR), [row for row in work.rows if row.examples]
    twins = zip(rows, index.twins(row.text for row in rows), strict=True)
    found = {id(row): rows[at] for row, at in twins if at is not None and _alike(work.task, row, rows[at])}
    work.drop("near", lambda row: f"near twin of {found[id(row)].item.where}" if id(row) in found else "")


def _meaning(work: _Cleaning) -> None:
    """Texts that say the same in other words (semhash over static embeddings), with the same answer."""
    from pocketlm.models.static import StaticEmbedder

    semhash = need("semhash", "finding copies in meaning", "data")
    first: dict[str, Row] = {}
    for row in work.rows:
        if row.examples:
            first.setdefault(row.text, row)
    if not first:
        return
    result = semhash.SemHash.from_records(list(first), model=StaticEmbedder()).self_deduplicate(threshold=MEANING)
    found = {}
    for record in result.filtered:
        twin = record.duplicate_of
        if twin is not None and _alike(work.task, first[record.record], first[twin]):
            found[id(first[record.record])] = first[twin]
    work.drop("meaning", lambda row: f"says the same as {found[id(row)].item.where}" if id(row) in found else "")


def _alike(task: str, a: Row, b: Row) -> bool:
    if a.split != b.split:
        return False
    return a.answer == b.answer if task in ONE_ANSWER else similarity(a.answer, b.answer) >= NEAR


def _each_text(value: Any, mend: Callable[[str], str]) -> Any:
    if isinstance(value, str):
        return mend(value)
    if isinstance(value, dict):
        return {key: _each_text(inner, mend) for key, inner in value.items()}
    return [_each_text(inner, mend) for inner in value] if isinstance(value, list) else value


# In the order they are done: texts first, then rows.
MENDS: dict[str, Callable[[_Cleaning], None]] = {
    "encoding": _encoding,
    "personal": _personal,
    "no-values": _no_values,
    "unreadable": _unreadable,
    "empty": _empty,
    "schema": _schema,
    "conflicts": _conflicts,
    "copies": _copies,
    "leakage": _leakage,
    "near": _near,
    "meaning": _meaning,
}


def edits_of(edits: Sequence[Edit], most: int) -> Iterator[str]:
    """The first edits of each kind as the lines of a diff."""
    for kind, count in Counter(edit.kind for edit in edits).items():
        some = [edit for edit in edits if edit.kind == kind]
        yield f"{kind}: {count} rows"
        for edit in some[:most]:
            if edit.after is None:
                yield f"  - {edit.where}  {shown(edit.before, 80)}   ({shown(edit.why, 80)})"
            else:
                yield f"  - {edit.where}  {edit.before}\n  + {' ' * len(edit.where)}  {edit.after}"
        if count > most:
            yield f"    … and {count - most} more"
