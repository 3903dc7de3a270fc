"""Options that every command of notes has."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Db = Annotated[Path, typer.Option("--db", envvar="POCKETLM_NOTES", help="The notes file.")]
Password = Annotated[
    str,
    typer.Option(
        "--password", envvar="POCKETLM_NOTES_PASSWORD", help="Of an encrypted notes file.", show_default=False
    ),
]
DB = Path("notes.db")
