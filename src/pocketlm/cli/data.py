"""`pocketlm data`: see and mend data before any training."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, output
from pocketlm.cli.generate import generate
from pocketlm.core.errors import EXIT_GATE, InputError

if TYPE_CHECKING:
    from pocketlm.core.config import Config
    from pocketlm.data.check import Checked, CountTokens
    from pocketlm.data.gather import Gathered

app = typer.Typer(help="See and mend data before any training.", no_args_is_help=True)
app.command("generate")(generate)

Source = Annotated[str, typer.Argument(help="A file, a folder, or hf:NAME.")]
Rows = Annotated[str, typer.Argument(help="A file, a folder, or hf:NAME; by default the project's raw rows.")]
Base = Annotated[
    str | None, typer.Option(help="Measure lengths in this base's tokens; by default the project's; none: do not.")
]
Format = Annotated[str | None, typer.Option("--format", help="The rows' layout, where it is not found out right.")]
Columns = Annotated[
    str, typer.Option(help="Names of a table's columns, where its first line does not name them: text,label.")
]
Map = Annotated[
    list[str], typer.Option("--map", help="A known key and the name it has in the file, such as --map text=query.")
]
Task = Annotated[str | None, typer.Option(help="Look at rows of this task; by default that of most files.")]
Tools = Annotated[Path | None, typer.Option(help="tools.json to hold calls to; by default the one beside the rows.")]
MARKS = {"error": "red", "warning": "yellow", "note": "dim"}


@app.command("import")
def import_(
    source: Source,
    out: Annotated[Path, typer.Option(help="Folder for the rows.")] = Path("data/raw"),
    shape: Format = None,
    columns: Columns = "",
    names: Map = [],  # noqa: B006  typer reads the defaults, nothing writes to them
    limit: Annotated[int | None, typer.Option(help="At most so many rows of each file.", min=1)] = None,
    as_json: Json = False,
) -> None:
    """Bring rows of any known layout into the project, as a task's own rows; bad ones are kept apart with their reasons."""
    be_quiet(as_json)
    from pocketlm.data.importing import import_rows

    done = import_rows(source, out, shape=shape, columns=_columns(columns), names=_names(names), limit=limit)
    lines = []
    for one in done:
        if not one.file:
            lines.append(f"passed over: {next(iter(one.reasons))}")
            continue
        lines.append(f"{one.source}: {one.format} -> {one.rows:,} rows of {one.task} in {out / one.file}")
        if one.rejected:
            why, count = one.reasons.most_common(1)[0]
            lines.append(f"  {one.rejected:,} left out, see {out / 'rejected' / one.file}; most often ({count}): {why}")
    output(
        as_json,
        {"out": str(out), "files": [one.to_json() for one in done]},
        "\n".join([*lines, f"Next: pocketlm data check {out}"]),
    )


@app.command()
def check(
    source: Rows = "data/raw",
    task: Task = None,
    tools: Tools = None,
    shape: Format = None,
    columns: Columns = "",
    names: Map = [],  # noqa: B006
    base: Base = None,
    max_tokens: Annotated[
        int | None, typer.Option(help="Longest row that training takes; by default the project's.", min=16)
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write the report as a web page.")] = None,
    as_json: Json = False,
) -> None:
    """Say what a model would learn from rows, what is wrong with them, and what mends it; exit code 3 if something is."""
    be_quiet(as_json)
    from pocketlm.core.files import write_text
    from pocketlm.data.check import check as run_checks
    from pocketlm.data.check_page import render_check
    from pocketlm.data.gather import gather

    config, own = _project(source)
    data = gather(source, task=task, tools=tools or own, shape=shape, columns=_columns(columns), names=_names(names))
    longest = max_tokens or config.train.max_tokens
    checked = run_checks(data, count_tokens=_token_counter(base or config.base), max_tokens=longest)
    if html:
        write_text(html, render_check(checked))
    if as_json:
        output(True, checked.to_json(), "")
    else:
        _show(checked, html)
    if not checked.ready:
        raise typer.Exit(EXIT_GATE)


@app.command()
def clean(
    path: Annotated[Path, typer.Argument(help="A .jsonl or .json file, or a folder of them.")],
    only: Annotated[str, typer.Option(help="Only these mends, separated by commas.")] = "",
    also: Annotated[str, typer.Option(help="These mends beside the usual ones.")] = "",
    tools: Tools = None,
    dry_run: Annotated[bool, typer.Option(help="Show what would change, write nothing.")] = False,
    undo: Annotated[bool, typer.Option(help="Put the originals of the last cleaning back.")] = False,
    show: Annotated[int, typer.Option(help="Changes of each kind that are shown.", min=0)] = 5,
    as_json: Json = False,
) -> None:
    """Mend rows in place: broken characters, words for no value, empty rows, copies, leakage between splits.

    On request: unreadable, schema, conflicts, near, meaning, personal. Originals are kept: --undo brings them back.
    """
    be_quiet(as_json)
    from pocketlm.data.clean import DEFAULT, apply, edits_of
    from pocketlm.data.clean import clean as find_edits
    from pocketlm.data.clean import undo as put_back

    if undo:
        files = put_back(path)
        output(as_json, {"restored": [str(file) for file in files]}, f"put back: {', '.join(map(str, files))}")
        return
    mends = _listed(only) or [*DEFAULT, *_listed(also)]
    found = find_edits(path, mends, tools=tools or _project(str(path))[1])
    kept = None if dry_run else apply(found, path)
    lines = [*edits_of(found.edits, show)] or ["nothing to mend"]
    dropped = sum(edit.after is None for edit in found.edits)
    lines.append(
        f"{found.rows:,} rows, {len(found.edits) - dropped:,} changes, {dropped:,} dropped"
        + (" (dry run)" if dry_run else "")
    )
    if kept:
        lines.append(f"The originals are in {kept}; `pocketlm data clean {path} --undo` brings them back.")
    output(as_json, {**found.to_json(), "originals": kept and str(kept)}, "\n".join(lines))


@app.command()
def split(
    path: Annotated[Path, typer.Argument(help="A file or folder of rows of one task.")],
    out: Annotated[Path, typer.Argument(help="Folder for train, valid and test.")],
    by: Annotated[str, typer.Option(help="label, near (near twins stay together), group:KEY or time:KEY.")] = "label",
    valid: Annotated[float, typer.Option(help="Share for validation.", min=0, max=0.9)] = 0.05,
    test: Annotated[float, typer.Option(help="Share for the test.", min=0, max=0.9)] = 0.1,
    seed: Annotated[int, typer.Option(help="Another seed deals otherwise.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Deal rows into train, valid and test."""
    be_quiet(as_json)
    from pocketlm.data.splitting import split_rows

    counts = split_rows(path, out, by=by, valid_share=valid, test_share=test, seed=seed)
    lines = [f"{name:<8}{count.total():>8,} rows, {len(count)} labels" for name, count in counts.items()]
    values = {name: {"rows": count.total(), "labels": dict(count)} for name, count in counts.items()}
    output(as_json, {"out": str(out), "by": by, **values}, "\n".join([*lines, f"in {out}"]))


@app.command()
def stats(
    source: Rows = "data/raw",
    task: Task = None,
    base: Base = None,
    as_json: Json = False,
) -> None:
    """Count rows by split, label and language, and measure their lengths."""
    be_quiet(as_json)
    from pocketlm.data.check import describe
    from pocketlm.data.gather import gather

    base = base or _project(source)[0].base
    checked = describe(gather(source, task=task), count_tokens=_token_counter(base))
    output(
        as_json,
        {k: v for k, v in checked.to_json().items() if k not in ("findings", "verdict", "ready")},
        _figures(checked),
    )


@app.command()
def sample(
    source: Rows = "data/raw",
    count: Annotated[int, typer.Option("--count", "-n", help="How many rows.", min=1)] = 5,
    task: Task = None,
    label: Annotated[str | None, typer.Option(help="Only rows with this label, or that call this function.")] = None,
    seed: Annotated[int, typer.Option(help="Another seed takes others.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Show some rows by chance, spread over labels: what is given, and what is trained."""
    be_quiet(as_json)
    from pocketlm.data.check import draw
    from pocketlm.data.gather import gather

    data = gather(source, task=task)
    rows = draw(data.examples, count, label=label, seed=seed)
    if not rows:
        raise InputError(f'{source}: no row has the label "{label}"; known: {", ".join(_labels(data))}')
    text = "\n\n".join(f"{e.where}\n{_coloured(e.text, e.answer)}" for e in rows)
    output(as_json, [{"where": e.where, "row": e.row} for e in rows], text)


def _labels(data: Gathered) -> list[str]:
    return sorted({label for e in data.examples for label in e.labels})[:20]


def _columns(text: str) -> list[str]:
    return _listed(text)


def _listed(text: str) -> list[str]:
    return [one.strip() for one in text.split(",") if one.strip()]


def _names(pairs: Sequence[str]) -> dict[str, str]:
    """--map KNOWN=THEIRS as theirs -> known."""
    if wrong := [pair for pair in pairs if "=" not in pair]:
        raise InputError(f"--map {wrong[0]}: write the known key and the file's, such as text=query")
    return {theirs: known for known, _, theirs in (pair.partition("=") for pair in pairs)}


def _project(source: str) -> tuple[Config, Path | None]:
    """Settings and tools.json of the project that a path lies in; the defaults, and none, where it is in no project."""
    from pocketlm.core.config import CONFIG_NAME, load_config

    here = Path(source).resolve()
    home = next((folder for folder in (here, *here.parents) if (folder / CONFIG_NAME).is_file()), None)
    config = load_config(home)
    tools = home / config.tools if home and config.tools else None
    return config, tools if tools and tools.is_file() else None


def _token_counter(base: str) -> CountTokens | None:
    """Counts tokens with the base's tokenizer; None when it is not wanted."""
    if base == "none":
        return None
    from pocketlm.models.load import resolve_base
    from pocketlm.models.tokens import token_counter

    return token_counter(resolve_base(base))


def _figures(checked: Checked) -> str:
    rows = sum(checked.splits.values())
    lines = [f"{rows:,} rows of {checked.task}: " + ", ".join(f"{n:,} {name}" for name, n in checked.splits.items())]
    lines += [f"  {file}: {kind}" for file, kind in checked.files.items()]
    if checked.lengths:
        found = checked.lengths
        lines.append(
            f"tokens a row: median {found.median:,}, 95 % under {found.p95:,}, longest {found.longest:,}; {found.total:,} in all"
        )
        most = max(found.rows)
        lines += [
            f"  {found.edges[at]:>6} - {found.edges[at + 1] - 1:<6}{'█' * round(30 * n / most):<31}{n:,}"
            for at, n in enumerate(found.rows)
        ]
    if checked.labels:
        most = max(checked.labels.values())
        lines.append(f"labels: {len(checked.labels)}")
        some = list(checked.labels.items())[:12]
        lines += [f"  {label[:28]:<30}{'█' * round(30 * n / most):<31}{n:,}" for label, n in some]
        lines += [f"  … and {len(checked.labels) - 12} more"] if len(checked.labels) > 12 else []
    if checked.languages:
        total = sum(checked.languages.values())
        lines.append("languages: " + ", ".join(f"{name} {n / total:.0%}" for name, n in checked.languages.items()))
    return "\n".join(lines)


def _coloured(text: str, answer: str) -> str:
    """What is given, and behind an arrow what is trained; green on a terminal."""
    import sys

    from pocketlm.data.gather import shown

    marked = f"\x1b[32m{shown(answer, 300)}\x1b[0m" if sys.stdout.isatty() else shown(answer, 300)
    return f"  {shown(text, 300)}\n  -> {marked}" if text else f"  -> {marked}"


def _show(checked: Checked, html: Path | None) -> None:
    from rich.console import Console
    from rich.markup import escape

    console = Console(highlight=False, soft_wrap=True)
    console.print(_figures(checked), markup=False)
    console.print("\nWhat is trained (after the arrow):")
    for _, text, answer in checked.sample:
        print(_coloured(text, answer))
    console.print()
    for finding in checked.findings:
        colour = MARKS[finding.severity]
        console.print(
            f"[{colour}]{finding.severity:<8}[/] [bold]{finding.name}[/]: {finding.count:,} {escape(finding.says)}"
        )
        for where, what in finding.examples:
            console.print(f"           {escape(where)}  {escape(what)}", style="dim")
        if finding.mend:
            console.print(f"         mend: {escape(finding.mend)}")
    if html:
        console.print(f"\nReport: {escape(str(html))}")
    console.print(f"\n[bold {'green' if checked.ready else 'red'}]{escape(checked.verdict)}[/]")
