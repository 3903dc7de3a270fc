"""How notes come into the notes file and out of it: import, status, forget, write-tags, encrypt, decrypt."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.cli.notes_common import DB, Db, Password
from pocketlm.core.errors import EXIT_DONE, EXIT_INPUT, InputError

if TYPE_CHECKING:
    from pocketlm.notes.importing import Imported

SHOWN = 5  # failures


def import_(
    path: Annotated[
        Path | None,
        typer.Argument(
            help="A folder of Markdown or text notes, or a JSON, JSONL or CSV file; without it, everything imported before."
        ),
    ] = None,
    encoder: Annotated[
        str,
        typer.Option(
            help="minilm-int8 (the default), static (instant, weaker), none (words alone), or an encoder's folder."
        ),
    ] = "",
    watch: Annotated[bool, typer.Option("--watch", help="Stay, and import what changes.")] = False,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Import notes, or bring them up to date: what is new, changed, renamed or gone. Your files are only read."""
    be_quiet(as_json)
    from pocketlm.notes.importing import import_all, import_notes
    from pocketlm.notes.notebook import Notebook
    from pocketlm.notes.watching import watch as follow

    if path is None and watch:
        raise InputError("--watch: name the folder or file to follow")
    with Notebook(db, encoder=encoder, password=password, must_exist=path is None) as book:
        if path is None:
            every = import_all(book)
            lines = "\n".join(f"{source}: {told(done)}" for source, done in every.items())
            output(as_json, {source: asdict(done) for source, done in every.items()}, lines)
            if any(source in done.failed for source, done in every.items()):
                raise typer.Exit(EXIT_INPUT)
            return
        done = import_notes(book, path)
        if not watch:
            output(as_json, asdict(done), f"{told(done)} ({done.seconds:.1f} s) -> {db}")
        else:
            _tell_line(done, as_json)
            typer.echo(f"watching {path}; Ctrl-C ends it", err=True)
            try:
                follow(book, path, lambda news: _tell_line(news, as_json))
            except KeyboardInterrupt:
                raise typer.Exit(EXIT_DONE) from None


def _tell_line(done: Imported, as_json: bool) -> None:
    """One import of several: for scripts a line of JSON, at once."""
    print(
        json.dumps(asdict(done), ensure_ascii=False) if as_json else f"{told(done)} ({done.seconds:.1f} s)", flush=True
    )


def told(done: Imported) -> str:
    """What an import did, in a line, and why notes failed."""
    counts = {
        "added": done.added,
        "changed": done.changed,
        "renamed": done.renamed,
        "removed": done.removed,
        "unchanged": done.unchanged,
        "failed": len(done.failed),
    }
    line = ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "nothing there"
    reasons = [f"  failed: {key} {why}" for key, why in list(done.failed.items())[:SHOWN]]
    if len(done.failed) > SHOWN:
        reasons.append(f"  and {len(done.failed) - SHOWN} more: pocketlm notes status")
    if done.kept:
        reasons.append(f"  {done.kept} notes that are not found now were kept, since a part could not be read")
    return "\n".join([line, *reasons])


def status(
    note: Annotated[str, typer.Argument(help="A note's id or path as its source has it; all sources without.")] = "",
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Say what is indexed, what waits for the end of an import, and what failed and why."""
    be_quiet(as_json)
    from pocketlm.notes import importing
    from pocketlm.notes.notebook import ENCODER_SETTING
    from pocketlm.notes.store import Store

    with Store(db, password=password, must_exist=True) as store:
        if note:
            states = importing.states_of(store, note)
            output(as_json, states, "\n".join(f"{path}: {state}" for path, state in states.items()))
            return
        sources, encoder = importing.status(store), store.setting(ENCODER_SETTING, "none yet")
    lines = [f"{db}, encoder {encoder}"]
    for one in sources:
        counts = f"{one['indexed']} indexed, {one['waiting']} waiting, {len(one['failed'])} failed"
        lines.append(f"{one['path']} ({one['kind']}): {counts}")
        lines += [f"  failed: {key} {why}" for key, why in one["failed"].items()]
    output(as_json, {"encoder": encoder, "sources": sources}, "\n".join(lines))


def forget(
    path: Annotated[Path, typer.Argument(help="What was imported once.")],
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Take all notes of a file or folder out of the notes file. The files themselves stay."""
    be_quiet(as_json)
    from pocketlm.notes import importing
    from pocketlm.notes.store import Store

    with Store(db, password=password, must_exist=True) as store:
        count = importing.forget(store, path)
    output(as_json, {"forgotten": count}, f"{count} notes forgotten")


def write_tags(
    vault: Annotated[Path, typer.Argument(help="The folder the notes were imported from.")],
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be written.")] = False,
    db: Db = DB,
    password: Password = "",
    as_json: Json = False,
) -> None:
    """Write tags that were given here into the frontmatter of your files; every other byte stays."""
    be_quiet(as_json)
    from pocketlm.notes.store import Store
    from pocketlm.notes.writeback import write_tags as write

    with Store(db, password=password, must_exist=True) as store:
        changes = write(store, vault, dry_run=dry_run)
    did = "would change" if dry_run else "changed"
    shown = (
        [change.diff for change in changes]
        if dry_run
        else [f"{change.key}: {', '.join(change.tags)}" for change in changes]
    )
    output(as_json, [asdict(change) for change in changes], "\n".join([*shown, f"{len(changes)} files {did}"]))


def encrypt(db: Db = DB, password: Password = "", as_json: Json = False) -> None:
    """Encrypt a notes file (SQLCipher): every command then wants --password."""
    _convert(db, "", password, as_json)


def decrypt(db: Db = DB, password: Password = "", as_json: Json = False) -> None:
    """Make an encrypted notes file a plain one again."""
    _convert(db, password, "", as_json)


def _convert(db: Path, old: str, new: str, as_json: bool) -> None:
    be_quiet(as_json)
    from pocketlm.notes.encryption import convert

    if not (old or new):
        raise InputError("give --password, or POCKETLM_NOTES_PASSWORD in the environment")
    convert(db, old, new)
    output(as_json, {"db": str(db), "encrypted": bool(new)}, f"{db} is {'encrypted' if new else 'plain'} now")
