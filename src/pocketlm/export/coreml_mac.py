"""What a bundle carries to be proven on a Mac: prompts with the trained model's answers, and the script that runs them."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import read_json, write_json
from pocketlm.export.base import Case

SCRIPT = Path(__file__).with_name("verify_on_mac.py")


def mac_check(folder: Path, cases: Sequence[Case], *, least: float = 0.9) -> None:
    """Write prompts.json and verify_on_mac.py beside the package of a converted folder.

    Args:
        least: share of the cases that must agree; low bits change some answers, as verification on other formats tells.

    Raises:
        InputError: no cases, a case without an answer or vector, or one longer than the cache.
    """
    facts = read_json(folder / "generation.json")
    encoder = "stop_token_id" not in facts
    if not cases:
        raise InputError(f"{folder}: no prompts to keep for a Mac")
    for number, case in enumerate(cases, start=1):
        if not case.prompt or not (case.vector if encoder else case.answer):
            raise InputError(f"case {number}: it needs a prompt and {'a vector' if encoder else 'an answer'}")
        if len(case.prompt) + len(case.answer) > facts["context"]:
            raise InputError(f"case {number}: longer than the {facts['context']} tokens of the package's cache")
    kept: dict[str, Any] = {
        "kind": "encoder" if encoder else "decoder",
        "stop_token_id": facts.get("stop_token_id"),
        "add_special_tokens": encoder,  # prompts are whole texts, their special tokens written out
        "least": least,
        "cases": [
            {
                "text": case.text,
                "prompt": [int(token) for token in case.prompt],
                "answer": [int(token) for token in case.answer],
                "top": [[int(token), float(value)] for token, value in case.top],
                "vector": [float(value) for value in case.vector],
            }
            for case in cases
        ],
    }
    write_json(folder / "prompts.json", kept)
    shutil.copyfile(SCRIPT, folder / SCRIPT.name)
