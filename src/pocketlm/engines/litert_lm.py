"""LiteRT-LM itself, Google's runtime of .litertlm files on phones: asked once, to prove that it opens a file and answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.extras import need
from pocketlm.core.quiet import muted


def ask(file: Path, request: str, max_tokens: int, *, threads: int = 1) -> tuple[str, str]:
    """Open a file, send one message of a user, and close it.

    Returns:
        The prompt as the file's chat template rendered it, and the greedy answer.

    Raises:
        InputError: LiteRT-LM cannot open the file or refuses the message. EnvironmentLacks: it is not installed.
    """
    library = need("litert_lm", "LiteRT-LM", "litert", "litert-lm-api")
    try:
        with muted():
            engine = library.Engine(str(file), backend=library.Backend.CPU(thread_count=threads), cache_dir=":nocache")
            try:
                return _ask(library, engine, request, max_tokens)
            finally:
                engine.close()
    except RuntimeError as error:
        raise InputError(f"{file}: LiteRT-LM does not answer ({error})") from error


def _ask(library: Any, engine: Any, request: str, max_tokens: int) -> tuple[str, str]:
    talk = engine.create_conversation(sampler_config=library.SamplerConfig(top_k=1), max_output_tokens=max_tokens)
    prompt = talk.render_message_to_string(request)
    answer = talk.send_message(request)
    talk.close()
    return prompt, str(answer)
