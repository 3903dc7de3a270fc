"""Files of any container -> their items, one at a time with file and line. Knows nothing of what an item means.

JSON lines and lists, CSV and TSV, Parquet, CoNLL, Markdown folders, text, two parallel files, BEIR folders; `.gz` and
`.zst` are unpacked on the way. Only a JSON document around its list, and a BEIR folder's documents' places, are held whole.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import re
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.core.extras import need
from pocketlm.data.markdown import read_note

PACKED = (".gz", ".zst")
CHUNK = 1 << 20  # characters read at once of a JSON document
SKIP = re.compile(r"[\s,:]*")  # what stands between the parts of a list or object
DECODER = json.JSONDecoder()
NOT_ROWS = ("tools.json", "manifest.json")
NOT_TEXT = ("license", "readme", "changelog")  # text files beside data, not data
LANGUAGE = re.compile(r"\.([a-z]{2,3})$")
csv.field_size_limit(1 << 27)


@dataclass(frozen=True)
class Item:
    """One parsed item, or the sentence that says what is wrong with it."""

    file: Path
    line: int
    value: Any = None
    problem: str = ""

    @property
    def where(self) -> str:
        """File and line, as errors name them."""
        return f"{self.file}:{self.line}"


IsRow = Callable[[dict[str, Any]], bool]


def no_row(value: dict[str, Any]) -> bool:
    """An object is never a row by itself."""
    return False


def read_items(
    path: Path | str, *, columns: Sequence[str] = (), limit: int | None = None, is_row: IsRow = no_row
) -> Iterator[Item]:
    """Stream the items of a file, of a folder's files by name, or of an `hf:` data set.

    Args:
        columns: names of a table's columns, where its first line does not name them.
        limit: at most so many items of each file.
        is_row: tells a single row from an object around a list of rows.

    Raises:
        InputError: nothing there, a file that is empty, binary or of no known kind. EnvironmentLacks: a reader's package
            is missing.
    """
    for source in sources(path):
        yield from _first(read_source(source, columns=columns, is_row=is_row), limit)


def read_source(source: Source, *, columns: Sequence[str] = (), is_row: IsRow = no_row) -> Iterator[Item]:
    """Stream the items of one source."""
    if source.container == "json":
        return _json_items(source.path, is_row)
    if source.container == "table":
        return _table(source.path, columns)
    return READERS[source.container](source.path)


@dataclass(frozen=True)
class Source:
    """A file, or a folder that is read as one (`beir`, `parallel`, `notes`), and how it is read."""

    path: Path
    container: str

    @property
    def name(self) -> str:
        """The bare name, without the endings of container and packing."""
        name = self.path.name
        for ending in PACKED:
            name = name.removesuffix(ending)
        return name if self.path.is_dir() else name.rpartition(".")[0] or name


def sources(path: Path | str) -> list[Source]:
    """What there is to read under a path.

    Raises:
        InputError: nothing, or nothing of a known kind.
    """
    if str(path).startswith("hf:"):
        return [Source(Path(str(path)), "hub")]
    path = Path(path)
    if path.is_file():
        return [Source(path, container_of(path) or "text")]
    if not path.is_dir():
        raise InputError(f"{path}: no such file or folder")
    if (path / "corpus.jsonl").is_file() and (path / "queries.jsonl").is_file():
        return [Source(path, "beir")]
    names = [file for file in sorted(path.iterdir()) if file.is_file() and file.name[0] != "." and _is_data(file)]
    pairs = _parallel_pairs(names)
    found = [Source(pair, "parallel") for pair in pairs]
    found += [Source(file, kind) for file in names if (kind := container_of(file)) and kind != "note"]
    if not pairs and not found and next(path.rglob("*.md"), None):
        return [Source(path, "notes")]
    if not found:
        raise InputError(f"{path}: the folder holds no file of rows; known: {', '.join(SUFFIXES)}, .md folders")
    return found


def container_of(file: Path) -> str | None:
    """How a file is read, by the ending of its name; None for an unknown one."""
    name = file.name.lower()
    for packed in PACKED:
        name = name.removesuffix(packed)
    return SUFFIXES.get(Path(name).suffix)


@contextmanager
def open_bytes(file: Path) -> Iterator[IO[bytes]]:
    """A file's bytes, unpacked."""
    if file.suffix.lower() == ".zst":
        zstandard = need("zstandard", f"reading {file}", "data")
        try:
            with file.open("rb") as packed:
                yield io.BufferedReader(zstandard.ZstdDecompressor().stream_reader(packed))
        except zstandard.ZstdError as error:
            raise OSError(str(error)) from None
    elif file.suffix.lower() == ".gz":
        with gzip.open(file, "rb") as unpacked:
            yield unpacked  # type: ignore[misc]
    else:
        with file.open("rb") as plain:
            yield plain


def _is_data(file: Path) -> bool:
    return file.name not in NOT_ROWS and not file.stem.lower().startswith(NOT_TEXT)


def _parallel_pairs(files: Sequence[Path]) -> list[Path]:
    """The first file of each two that differ in the ending for their language alone."""
    stems: dict[str, list[Path]] = {}
    for file in files:
        if LANGUAGE.search(file.name) and not container_of(file):
            stems.setdefault(file.stem, []).append(file)
    return [two[0] for two in stems.values() if len(two) == 2]


def _first(items: Iterator[Item], limit: int | None) -> Iterator[Item]:
    for number, item in enumerate(items):
        if number == limit:
            return
        yield item


# JSON


def _json_items(file: Path, is_row: IsRow) -> Iterator[Item]:
    _check_text(file)
    with _readable(file), open_bytes(file) as data:
        start = data.read(CHUNK)
    text = _decode_start(start, file)
    if _is_lines(text, file):
        yield from _lines(file)
    elif text.lstrip().startswith("["):
        yield from _list(file)
    else:
        yield from _object(file, is_row)


def _check_text(file: Path) -> None:
    """Refuse what is no UTF-8 text from its first bytes."""
    with _readable(file), open_bytes(file) as data:
        start = data.read(8192)
    if start[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise InputError(f"{file}: is UTF-16, not UTF-8 text; save it as UTF-8")
    if b"\0" in start:
        raise InputError(f"{file}: holds binary data, not JSON text; give the unpacked .jsonl or .json file")


def _decode_start(start: bytes, file: Path) -> str:
    text = codecs.getincrementaldecoder("utf-8-sig")(errors="replace").decode(start)
    if not text.strip():
        raise InputError(f"{file}: the file is empty; add one JSON object a line")
    return text


@contextmanager
def _readable(file: Path) -> Iterator[None]:
    """Turn what goes wrong while unpacking into a sentence."""
    try:
        yield
    except (EOFError, OSError, zlib.error) as error:
        if file.suffix.lower() in PACKED:
            raise InputError(f"{file}: cannot be unpacked ({error}); pack it again or give the unpacked file") from None
        raise


def _is_lines(text: str, file: Path) -> bool:
    """One object a line? Many exports name such a file .json, and some name a whole list .jsonl."""
    start = text.lstrip()
    if start[0] == "[":
        return False
    first, _, rest = start.partition("\n")
    lines = {".jsonl", ".ndjson"} & {suffix.lower() for suffix in file.suffixes}
    return bool(lines) or (bool(rest.strip()) and first.rstrip().endswith("}"))


def _lines(file: Path) -> Iterator[Item]:
    with _readable(file), open_bytes(file) as data:
        # Split at line feeds alone: other separators, such as U+2028, may stand inside a JSON string.
        for number, raw in enumerate(data, 1):
            line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
            if not line.strip():
                continue
            try:
                value = loads(line.decode())
            except UnicodeDecodeError as error:
                problem = f"{file}:{number}: not UTF-8 text (byte {error.start} of the line); save the file as UTF-8"
                yield Item(file, number, problem=problem)
            except ValueError as error:
                yield Item(file, number, problem=not_json(file, error, number))
            else:
                yield Item(file, number, value)


def _list(file: Path) -> Iterator[Item]:
    """Items of a JSON list, read piece by piece."""
    pieces = _Pieces(file)
    try:
        pieces.skip(1)
        while pieces.peek() != "]":
            line = pieces.line
            yield Item(file, line, pieces.value())
    except ValueError as error:
        yield Item(file, pieces.line, problem=not_json(file, error, pieces.line))


class _Pieces:
    """The text of a JSON document, of which only the part at hand is held."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.line = 1
        self._text, self._at = "", 0
        self._chunks = self._read()
        self._ended = False

    def skip(self, characters: int) -> None:
        """Go on past so many characters that are not white space or separators."""
        self.peek()
        self._at += characters

    def peek(self) -> str:
        """The next character that is no separator.

        Raises:
            ValueError: the text ends here.
        """
        while True:
            found = SKIP.match(self._text, self._at)
            end = found.end() if found else self._at
            self.line += self._text.count("\n", self._at, end)
            self._at = end
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._more(CHUNK):
                raise ValueError("the list is not closed")

    def value(self) -> Any:
        """The next value.

        Raises:
            ValueError: it is not JSON, or the text ends in it.
        """
        self.peek()
        size = CHUNK
        while True:
            try:
                value, end = DECODER.raw_decode(self._text, self._at)
            except json.JSONDecodeError as error:
                if not self._more(size):
                    self.line += self._text.count("\n", self._at, error.pos)
                    raise
            except RecursionError:
                raise ValueError("nested too deeply") from None
            else:
                if end < len(self._text) or not self._more(size):  # a number could go on behind the piece
                    self.line += self._text.count("\n", self._at, end)
                    self._at = end
                    return value
            size *= 2  # a long value is not decoded anew for every piece

    def _more(self, size: int) -> bool:
        parts: list[str] = []
        while size > 0 and (chunk := next(self._chunks, "")):
            parts.append(chunk)
            size -= len(chunk)
        if self._ended or not parts:
            self._ended = True
            return False
        self._text, self._at = self._text[self._at :] + "".join(parts), 0
        return True

    def _read(self) -> Iterator[str]:
        with _readable(self.file), open_bytes(self.file) as data:
            decoder = codecs.getincrementaldecoder("utf-8-sig")()
            while block := data.read(CHUNK):
                try:
                    yield decoder.decode(block)
                except UnicodeDecodeError:
                    raise ValueError("not UTF-8 text; save the file as UTF-8") from None


def _object(file: Path, is_row: IsRow) -> Iterator[Item]:
    """Rows of a JSON object: those of its one list, or itself."""
    with _readable(file), open_bytes(file) as data:
        raw = data.read()
    try:
        text = raw.decode("utf-8-sig")
        value = loads(text)
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        raise InputError(f"{file}:{line}: not UTF-8 text (byte {error.start}); save the file as UTF-8") from None
    except ValueError as error:
        raise InputError(not_json(file, error)) from None
    if not isinstance(value, dict):
        raise InputError(f"{file}: expected a list of objects, got {value!r:.60}")
    lists = [key for key, item in value.items() if isinstance(item, list)]
    if is_row(value) or not lists:
        yield Item(file, 1, value)
        return
    if len(lists) > 1:
        raise InputError(f"{file}: an object with several lists ({', '.join(lists)}); keep only the list of rows")
    yield from _walk_list(text, _value_of_key(text, lists[0]) + 1, file)


def _walk_list(text: str, at: int, file: Path) -> Iterator[Item]:
    """Read a list again, item by item from behind its bracket: the JSON reader tells no lines."""
    line, counted = 1, 0
    while text[at := _skip(text, at)] != "]":
        line, counted = line + text.count("\n", counted, at), at
        value, at = DECODER.raw_decode(text, at)
        yield Item(file, line, value)


def _value_of_key(text: str, key: str) -> int:
    """Where the value of a key of the outermost object starts."""
    name, at = "", text.index("{") + 1
    while True:
        name, at = DECODER.raw_decode(text, _skip(text, at))
        at = _skip(text, at)
        if name == key:
            return at
        at = DECODER.raw_decode(text, at)[1]


def _skip(text: str, at: int) -> int:
    found = SKIP.match(text, at)
    return found.end() if found else at


def loads(text: str) -> Any:
    """JSON proper: Python's reader also takes NaN and Infinity, which no other reader of these rows does.

    Raises:
        ValueError: it is not JSON.
    """
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON; write a number or null")


def not_json(file: Path, error: ValueError, line: int = 0) -> str:
    """The sentence for a text that is not JSON."""
    if isinstance(error, json.JSONDecodeError):
        line, message = line or error.lineno, f"{error.colno}: not valid JSON ({error.msg})"
        return f"{file}:{line}:{message}; mend or delete the line"
    return f"{file}:{line or 1}: not valid JSON ({error}); mend or delete the line"


# Everything else


def _text_lines(file: Path) -> Iterator[tuple[int, str]]:
    _check_text(file)
    with _readable(file), open_bytes(file) as data:
        text = io.TextIOWrapper(data, encoding="utf-8-sig", errors="replace", newline="\n")
        for number, line in enumerate(text, 1):
            yield number, line.rstrip("\r\n")


def _table(file: Path, columns: Sequence[str]) -> Iterator[Item]:
    """Rows of a CSV or TSV file as objects."""
    _check_text(file)
    with _readable(file), open_bytes(file) as data:
        text = io.TextIOWrapper(data, encoding="utf-8-sig", errors="replace", newline="")
        lines = csv.reader(text, **_dialect(file))
        names = list(columns) or next(lines, [])
        if not names:
            raise InputError(f"{file}: the file is empty; its first line must name the columns")
        for cells in lines:
            if len(cells) == len(names):
                yield Item(file, lines.line_num, dict(zip(names, cells, strict=True)))
            elif cells:
                problem = f"{file}:{lines.line_num}: has {len(cells)} cells, the first line names {len(names)} columns"
                yield Item(file, lines.line_num, problem=f"{problem}; put quotes around cells that hold the separator")


def _dialect(file: Path) -> dict[str, Any]:
    if ".tsv" in {suffix.lower() for suffix in file.suffixes}:
        return {"delimiter": "\t", "quoting": csv.QUOTE_NONE}
    first = next((line for _, line in _text_lines(file)), "")
    return {"delimiter": max(",;\t|", key=first.count)}


def _parquet(file: Path) -> Iterator[Item]:
    arrow = need("pyarrow", f"reading {file}", "data")
    parquet = need("pyarrow.parquet", f"reading {file}", "data")
    try:
        number = 0
        for batch in parquet.ParquetFile(file).iter_batches(batch_size=1024):
            for value in batch.to_pylist():
                number += 1
                yield Item(file, number, value)
    except arrow.ArrowException as error:
        raise InputError(f"{file}: not a Parquet file ({error})") from None


def _conll(file: Path) -> Iterator[Item]:
    """Sentences of token and tag columns; the last column is the tag."""
    tokens: list[str] = []
    tags: list[str] = []
    start = 1
    for number, line in _with_end(_text_lines(file)):
        cells = re.split(r"\t|(?<=\S) +(?=\S)", line.strip())
        if not line.strip():
            if tokens:
                yield Item(file, start, {"tokens": tokens, "tags": tags})
            tokens, tags, start = [], [], number + 1
        elif not line.startswith("-DOCSTART-"):
            if len(cells) < 2:
                yield Item(file, number, problem=f"{file}:{number}: has no tag; write token, tab, tag")
                continue
            tokens.append(cells[0])
            tags.append(cells[-1])


def _with_end(lines: Iterator[tuple[int, str]]) -> Iterator[tuple[int, str]]:
    yield from lines
    yield 0, ""


def _paragraphs(file: Path) -> Iterator[Item]:
    """Plain text, a paragraph an item."""
    lines: list[str] = []
    start = 1
    for number, line in _with_end(_text_lines(file)):
        if line.strip():
            start = number if not lines else start
            lines.append(line)
        elif lines:
            yield Item(file, start, {"text": "\n".join(lines)})
            lines = []


def _note(file: Path) -> Iterator[Item]:
    yield Item(file, 1, read_note(file, file.parent))


def _notes(folder: Path) -> Iterator[Item]:
    """The Markdown files of a folder and its folders."""
    for file in sorted(folder.rglob("*.md")):
        if not any(part.startswith(".") for part in file.relative_to(folder).parts):
            yield Item(file, 1, read_note(file, folder))


def _parallel(first: Path) -> Iterator[Item]:
    """Line by line of two files that differ in the ending for their language."""
    two = sorted(first.parent.glob(f"{first.stem}.*"), key=lambda file: (file.suffix != ".en", file.suffix))[:2]
    endings = [file.suffix[1:] for file in two]
    left, right = (_text_lines(file) for file in two)
    for number, line in left:
        other = next(right, None)
        if other is None:
            yield Item(
                two[0], number, problem=f"{two[0]}:{number}: {two[1].name} has no line {number}; make them equal"
            )
            return
        yield Item(two[0], number, {"translation": {endings[0]: line, endings[1]: other[1]}})


def _beir(folder: Path) -> Iterator[Item]:
    """Questions with a document that answers each, of a retrieval folder (corpus, queries, qrels)."""
    queries: dict[str, str] = {}
    for item in _lines(folder / "queries.jsonl"):
        if item.problem or not _is_document(item.value):
            problem = item.problem or f'{item.where}: a question needs "_id" and "text"'
            yield Item(item.file, item.line, problem=problem)
        else:
            queries[str(item.value["_id"])] = item.value["text"]
    places = dict(_places(folder / "corpus.jsonl"))
    with (folder / "corpus.jsonl").open("rb") as corpus:
        for file in sorted((folder / "qrels").glob("*.tsv")):
            for item in _table(file, ()):
                query, document = str(item.value.get("query-id")), str(item.value.get("corpus-id"))
                if query not in queries or document not in places:
                    yield Item(file, item.line, problem=f"{item.where}: names {query} and {document}, one is not there")
                    continue
                corpus.seek(places[document])
                text = json.loads(corpus.readline())
                yield Item(file, item.line, {"query": queries[query], "positive": text["text"], "id": document})


def _places(file: Path) -> Iterator[tuple[str, int]]:
    """Each document's id and the byte its line starts at, so that a large corpus stays on the disk.

    Raises:
        InputError: a line that is no document.
    """
    at = 0
    with file.open("rb") as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                try:
                    document = json.loads(line)
                except ValueError as error:
                    raise InputError(not_json(file, error, number)) from None
                if not _is_document(document):
                    raise InputError(f'{file}:{number}: a document needs "_id" and "text"; add them or delete the line')
                yield sys.intern(str(document["_id"])), at
            at += len(line)


def _is_document(value: Any) -> bool:
    """Whether it is a question or a text of a retrieval folder."""
    return isinstance(value, dict) and "_id" in value and isinstance(value.get("text"), str)


def _hub(path: Path) -> Iterator[Item]:
    """Rows of a data set of the hub: `hf:NAME`, `hf:NAME#SPLIT`, or a local folder that the library can read."""
    datasets = need("datasets", "reading the hub", "hub")
    name, _, split = str(path).removeprefix("hf:").partition("#")
    try:
        rows = datasets.load_dataset(name, split=split or "train", streaming=True)
    except Exception as error:  # the library raises a dozen kinds, and the network its own
        raise EnvironmentLacks(
            f"{path}: cannot be read from the hub ({error}); check the name and the network"
        ) from None
    for number, value in enumerate(rows, 1):
        yield Item(path, number, dict(value))


SUFFIXES = {
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".csv": "table",
    ".tsv": "table",
    ".parquet": "parquet",
    ".conll": "conll",
    ".iob": "conll",
    ".bio": "conll",
    ".annotated": "conll",
    ".txt": "text",
    ".md": "note",
}
READERS: dict[str, Callable[[Path], Iterator[Item]]] = {
    "parquet": _parquet,
    "conll": _conll,
    "text": _paragraphs,
    "note": _note,
    "notes": _notes,
    "parallel": _parallel,
    "beir": _beir,
    "hub": _hub,
}
