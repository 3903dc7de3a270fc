"""Reading and writing files so that nothing is ever half written.

Every write goes aside first, is flushed to the disk, and then takes the final name in one step: a killed process
leaves either the old file or the new one.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pocketlm.core.errors import EnvironmentLacks, InputError


@contextmanager
def disk_errors(path: Path) -> Iterator[None]:
    """Turn the operating system's write errors into sentences that say how to mend them."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            free_mb = shutil.disk_usage(existing_parent(path)).free / 1e6
            raise EnvironmentLacks(
                f"{path}: the disk is full ({free_mb:.0f} MB free); free some space and run the same command again, "
                "what was finished before is kept"
            ) from error
        if error.errno in (errno.EACCES, errno.EROFS, errno.EPERM):
            raise EnvironmentLacks(f"{path}: no permission to write here; choose another folder") from error
        raise


@contextmanager
def atomic_path(path: Path) -> Iterator[Path]:
    """Yield a path beside `path` to write to; on success it replaces `path`, on failure it is removed."""
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with disk_errors(path):
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            yield aside
            _sync(aside)
            os.replace(aside, path)
            _sync(path.parent)
        finally:
            aside.unlink(missing_ok=True)


@contextmanager
def atomic_dir(path: Path) -> Iterator[Path]:
    """Yield an empty folder beside `path` to fill; on success it takes the place of `path`, old content removed."""
    path = Path(path)
    aside = path.with_name(f".{path.name}.{os.getpid()}.part")
    with disk_errors(path):
        try:
            shutil.rmtree(aside, ignore_errors=True)
            aside.mkdir(parents=True)
            yield aside
            for file in aside.rglob("*"):
                if file.is_file():
                    _sync(file)
            replace_dir(aside, path)
        finally:
            shutil.rmtree(aside, ignore_errors=True)


def replace_dir(folder: Path, to: Path) -> None:
    """Give a folder another name beside it; a folder that had the name is removed."""
    old = to.with_name(f".{to.name}.{os.getpid()}.old")
    if to.exists():
        os.replace(to, old)
    os.replace(folder, to)
    _sync(to.parent)
    shutil.rmtree(old, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write `text` as UTF-8, atomically."""
    with atomic_path(path) as aside:
        aside.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write `value` as indented JSON, atomically."""
    write_text(path, json.dumps(value, ensure_ascii=False, indent=2) + "\n")


def write_jsonl(path: Path, rows: Iterable[Any]) -> None:
    """Write one compact JSON value a line, atomically."""
    with atomic_path(path) as aside, aside.open("w", encoding="utf-8") as out:
        for row in rows:
            out.write(dump_compact(row) + "\n")


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is missing, empty, not UTF-8 or not JSON; the message gives line and column.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: no such file")
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: not UTF-8 text (byte {error.start}); save it as UTF-8") from error
    if not text.strip():
        raise InputError(f"{path}: the file is empty")
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{path}:{error.lineno}:{error.colno}: not valid JSON ({error.msg})") from error


def dump_compact(value: Any) -> str:
    """JSON without spaces, letters as they are (no \\u escapes): the fewest tokens, and what models copy best."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def sha256_file(path: Path) -> str:
    """Hex SHA-256 of a file's bytes."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest() if hasattr(hashlib, "file_digest") else _digest(file)


def sha256_value(value: Any) -> str:
    """Hex SHA-256 of a JSON value, independent of key order."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


def _digest(file: Any) -> str:
    digest = hashlib.sha256()  # Python 3.10 has no hashlib.file_digest
    while block := file.read(1 << 20):
        digest.update(block)
    return digest.hexdigest()


def _sync(path: Path) -> None:
    if sys.platform == "win32" and path.is_dir():
        return  # folders cannot be flushed there
    handle = os.open(path, os.O_RDWR if sys.platform == "win32" else os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def lock(file: IO[bytes]) -> bool:
    """Hold an open file for this process until it is closed or the process ends; False where another one holds it."""
    try:
        if sys.platform == "win32":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:
        return True  # file systems without locks
    return True


def existing_parent(path: Path) -> Path:
    """`path`, or the nearest folder above it that is there."""
    path = Path(path).absolute()
    while not path.exists():
        path = path.parent
    return path
