"""What commands of notes share: options, and the opening of a notes file."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.core.errors import InputError

if TYPE_CHECKING:
    from pocketlm.notes.notebook import Notebook

Db = Annotated[Path, typer.Option("--db", envvar="POCKETLM_NOTES", help="The notes file.")]
Password = Annotated[
    str,
    typer.Option(
        "--password", envvar="POCKETLM_NOTES_PASSWORD", help="Of an encrypted notes file.", show_default=False
    ),
]
DB = Path("notes.db")
NoteName = Annotated[str, typer.Argument(help="The note's number, key or title.")]
Encoder = Annotated[str, typer.Option(help="What turns text into vectors; by default what the file was made with.", show_default=False)]  # fmt: skip
Since = Annotated[str, typer.Option(help="Notes written on this day or later: 2020, 2020-05 or 2020-05-17.")]
Until = Annotated[str, typer.Option(help="Notes written on this day or earlier.")]
Tag = Annotated[list[str], typer.Option(help="Notes with this tag; repeat for several.")]
Folder = Annotated[str, typer.Option(help="Notes in this folder or below.")]


def other_than(db: Path, target: Path | None) -> None:
    """Refuse to write to the notes file what is no notes file.

    Raises:
        InputError: the target is that file.
    """
    if target and target.exists() and db.exists() and target.samefile(db):
        raise InputError(f"{target}: is the notes file itself and would be lost; write to another file")


def opened(db: Path, password: str, encoder: str = "", generator: str = "") -> Notebook:
    """A notes file that is there, for a `with`; "" is what it was made with, and the default generator."""
    from pocketlm.notes.notebook import GENERATOR, Notebook

    return Notebook(db, encoder=encoder, generator=generator or GENERATOR, password=password, must_exist=True)
