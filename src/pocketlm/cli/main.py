"""The command line: `pocketlm COMMAND`. One file a command; heavy libraries are imported only when a command runs."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import typer

from pocketlm.cli import (
    adapters,
    calibrate,
    common,
    compare,
    data,
    demo,
    evaluate,
    explain,
    export,
    init,
    notes,
    plan,
    run,
    shrink,
    suite,
    train,
)
from pocketlm.core.errors import EXIT_INPUT, EXIT_INTERRUPTED, PocketError

# typer carries click inside since 0.27 and beside it before; this names click's class wherever it lives
UsageError: Any = typer.BadParameter.__base__

app = typer.Typer(
    name="pocketlm",
    help="Turn your own examples into a small language model that ships.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.command("demo")(demo.demo)
app.command("init")(init.init)
app.add_typer(data.app, name="data")
app.command("plan")(plan.plan)
app.command("train")(train.train)
app.command("eval")(evaluate.evaluate)
app.command("compare")(compare.compare)
app.add_typer(suite.app, name="suite")
app.command("history")(suite.history)
app.command("calibrate")(calibrate.calibrate)
app.command("explain")(explain.explain)
app.command("shrink")(shrink.shrink)
app.command("export")(export.export)
app.command("run")(run.run)
app.add_typer(adapters.app, name="adapters")
app.add_typer(notes.app, name="notes")


def main() -> None:
    """Run a command; every error is one message and an exit code (see core/errors.py)."""
    # The libraries' own bars would mix with ours. Read when tqdm is imported.
    os.environ.setdefault("TQDM_DISABLE", "1")
    common.printed = False
    try:
        code = app(standalone_mode=False)
    except PocketError as error:
        _tell(str(error))
        code = error.exit_code
    except UsageError as error:
        _tell(error.format_message() + "; see `pocketlm --help`")
        code = EXIT_INPUT
    except (KeyboardInterrupt, typer.Abort):
        code = EXIT_INTERRUPTED
    if code == EXIT_INTERRUPTED:
        _tell("interrupted; what was finished is kept, run the same command to go on")
    sys.exit(code if isinstance(code, int) else 0)


def _tell(message: str) -> None:
    if "--json" in sys.argv and not common.printed:
        print(json.dumps({"error": message}, ensure_ascii=False))
    print(f"error: {message}", file=sys.stderr)


if __name__ == "__main__":
    main()
