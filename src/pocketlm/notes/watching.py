"""Following a folder or file: what changes in it is imported at once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.notes.importing import Imported, import_notes
from pocketlm.notes.notebook import Notebook

QUIET_MS, WAIT_MS = 50, 200  # a change is imported when nothing followed for so long, at the latest after so long
FIRST_MS = 1000


def watch(book: Notebook, path: Path | str, tell: Callable[[Imported], None], stop: Any = None) -> None:
    """Import whenever something under a path changes, until `stop` (a threading.Event) is set or the user interrupts.

    `tell` is called with what an import did, where that is news. A source that cannot be read for a while, such as a file that is
    being written, is told as failed and looked at again when it changes.

    Raises:
        EnvironmentLacks: watchfiles is not installed.
    """
    library = need("watchfiles", "following a folder", "notes")
    book.embedder  # noqa: B018 - opened now, so that the first change need not wait for it
    place = Path(path).resolve()
    is_folder = place.is_dir()
    failed: dict[str, str] | None = None
    for changes in library.watch(
        place if is_folder else place.parent,  # editors put a new file in the place of the old one
        watch_filter=lambda change, changed: _concerns(Path(changed), place, book.store.path.resolve()),
        recursive=is_folder,
        debounce=WAIT_MS,
        step=QUIET_MS,
        rust_timeout=FIRST_MS,
        yield_on_timeout=True,  # once: for what changed before the watch began
        stop_event=stop,
    ):
        if not changes and failed is not None:
            continue
        try:
            done = import_notes(book, place)
        except InputError as error:
            done = Imported(failed={place.name: str(error)})
        if done.is_news or done.failed != (failed or {}):
            tell(done)
        failed = done.failed


def _concerns(changed: Path, place: Path, db: Path) -> bool:
    """Whether a change may be one of notes: not the notes file itself, which may lie in the folder, and nothing hidden."""
    if changed == place:
        return True
    if not changed.is_relative_to(place) or changed.name.startswith(db.name):
        return False
    return not any(part.startswith(".") for part in changed.relative_to(place).parts)
