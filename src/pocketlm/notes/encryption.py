"""A notes file encrypted and decrypted as a whole (SQLCipher, through the library sqlcipher3)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import atomic_path
from pocketlm.notes.store import Store, quoted

PLAIN = b"SQLite format 3\0"  # how a file begins that is not encrypted


def convert(path: Path, old: str, new: str) -> None:
    """Write a notes file anew under another password, in one step; "" is none. Killed half way it is as before.

    Raises:
        InputError: no such file, a wrong password, it is encrypted already, or another program has it open. EnvironmentLacks:
            sqlcipher3 is not installed.
    """
    library = need("sqlcipher3", "an encrypted notes file", "notes").dbapi2
    if not old and _begins(path) not in (PLAIN, b""):
        raise InputError(f"{path}: is encrypted already, or no notes file")
    Store(path, password=old, must_exist=True).close()  # is it one, and is the password right?
    with atomic_path(path) as made:
        db = library.connect(str(path), isolation_level=None, timeout=0)
        try:
            if old:
                db.execute(f"PRAGMA key = {quoted(old)}")
            _hold(db, path)
            versions = {name: db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")}
            db.execute(f"ATTACH DATABASE {quoted(str(made))} AS made KEY {quoted(new)}")
            db.execute("SELECT sqlcipher_export('made')")
            for name, value in versions.items():
                db.execute(f"PRAGMA made.{name} = {value}")
            db.execute("DETACH DATABASE made")
        finally:
            db.close()
        made.chmod(path.stat().st_mode)


def _hold(db: Any, path: Path) -> None:
    """Keep all others out until `db` is closed: what they wrote would be lost with the old file. Its log is taken in, too."""
    try:
        db.execute("PRAGMA locking_mode = EXCLUSIVE")
        db.execute("PRAGMA journal_mode = DELETE")  # only who is alone may
        db.execute("BEGIN EXCLUSIVE")
        db.execute("COMMIT")
    except Exception as error:
        if "locked" not in str(error):
            raise
        raise InputError(f"{path}: another program has it open; end that first") from None


def _begins(path: Path) -> bytes:
    if not path.is_file():
        return b""
    with path.open("rb") as file:
        return file.read(len(PLAIN))
