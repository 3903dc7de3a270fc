"""`pocketlm notes ...`: everything a person would ask of their notes. One file a group of commands, joined here."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Search, ask, summarise, tag and date your own notes, offline.", no_args_is_help=True)

# options that every command of notes has
Db = Annotated[Path, typer.Option("--db", envvar="POCKETLM_NOTES", help="The notes file.")]
Password = Annotated[
    str,
    typer.Option(
        "--password", envvar="POCKETLM_NOTES_PASSWORD", help="Of an encrypted notes file.", show_default=False
    ),
]
DB = Path("notes.db")
