"""`pocketlm shrink`: the smallest model that still does the job."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from pocketlm.cli.common import Json, be_quiet, makes_vectors, output

REQUESTS = 4000  # made up where nothing else is asked for


def shrink(
    run: Annotated[Path, typer.Argument(help="The run's folder.")],
    keep: Annotated[float, typer.Option(help="Share of the run's score that has to be kept, 0 to 1.")] = 0.98,
    max_mb: Annotated[float | None, typer.Option(help="The most the file may take, in 10^6 bytes.")] = None,
    max_p95_ms: Annotated[float | None, typer.Option(help="The most that 95 of 100 answers may take, on this machine.")] = None,
    minutes: Annotated[float, typer.Option(help="Begin nothing new after that; the same command goes on where it stopped.")] = 60.0,
    requests: Annotated[int, typer.Option(min=0, help="How many more requests the base makes up, to heal and to choose by; 0: none.")] = REQUESTS,
    as_json: Json = False,
) -> None:  # fmt: skip
    """Cut tokens, blocks and channels, heal, and spend bits where they are missed: the smallest model that passes.

    Every candidate is a GGUF file that is opened in llama.cpp and scored on the validation rows. The smallest that passes is
    written to RUN/shrunk/gguf with its proof, and scored on the test rows, which the search never sees. RUN/shrunk/frontier.html
    shows all that was tried. Exit code 3 where nothing passes.

    Before it begins, which takes some ten minutes more, the base learns to write requests, and the run answers what it made up: a
    cut model learns from most of these too, and some that the run is sure of stand beside the validation rows.
    """
    be_quiet(as_json)
    from pocketlm.cli.export import find_run
    from pocketlm.core.errors import GateFailed, InputError
    from pocketlm.shrink.result import as_json as to_json
    from pocketlm.shrink.result import proven, told, verdict
    from pocketlm.shrink.search import Goal
    from pocketlm.shrink.shrink import shrink as search

    if not 0 < keep <= 1:
        raise InputError(f"--keep {keep}: give a share of the score, such as 0.98")
    if makes_vectors(str(run)):
        raise InputError(
            f"{run}: an embedder's run; this is for runs that write. Export it in 8 bits, or train a table of token vectors from "
            "it with train.method=static"
        )
    original, test, reference = find_run(run)
    goal = Goal(keep, max_mb, max_p95_ms, minutes)
    found = search(original, goal, requests)
    if not found.passed:
        output(as_json, to_json(found.trials, None, None, None), found.show(None))
        raise GateFailed(
            f"{run}: nothing that was tried passes ({goal}); allow more, or give it more --minutes or --requests"
        )
    try:
        chosen, bundle = proven(found.passed, original, test, found.rows.train, found.home / "gguf", keep=keep)
    except GateFailed as error:
        output(as_json, to_json(found.trials, None, None, None), found.show(None))
        raise GateFailed(f"{error}; allow a lower --keep, or give it more --minutes or --requests") from None
    last = verdict(bundle, reference)
    text = f"{found.show(chosen)}\n\n{bundle.file}: {bundle.info['size_mb']:.1f} MB\n{told(last)}"
    output(as_json, to_json(found.trials, chosen, bundle, last), text)
