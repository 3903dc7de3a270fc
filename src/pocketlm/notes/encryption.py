"""A notes file encrypted and decrypted as a whole (SQLCipher, through the library sqlcipher3)."""

from __future__ import annotations

from pathlib import Path

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.files import atomic_path
from pocketlm.notes.store import Store, quoted


def convert(path: Path, old: str, new: str) -> None:
    """Write a notes file anew under another password, in one step; "" is none.

    Raises:
        InputError: no such file, a wrong password, or another program has it open. EnvironmentLacks: sqlcipher3 is not installed.
    """
    library = need("sqlcipher3", "an encrypted notes file", "notes").dbapi2
    with Store(path, password=old, must_exist=True) as store:
        if store.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
            raise InputError(f"{path}: another program has it open; end that first")
        (version,), (mark,) = (
            store.db.execute(f"PRAGMA {name}").fetchone() for name in ("user_version", "application_id")
        )
    with atomic_path(path) as made:
        db = library.connect(str(path), isolation_level=None)
        try:
            if old:
                db.execute(f"PRAGMA key = {quoted(old)}")
            db.execute(f"ATTACH DATABASE {quoted(str(made))} AS made KEY {quoted(new)}")
            db.execute("SELECT sqlcipher_export('made')")
            db.execute(f"PRAGMA made.user_version = {version}")
            db.execute(f"PRAGMA made.application_id = {mark}")
            db.execute("DETACH DATABASE made")
        finally:
            db.close()
    for beside in ("-wal", "-shm"):  # of the file as it was
        Path(f"{path}{beside}").unlink(missing_ok=True)
