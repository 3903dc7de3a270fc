"""Tokens without what would train or answer: counting those of many texts, knowing those that stand for a byte."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pocketlm.core.errors import InputError
from pocketlm.core.files import dump_compact, read_json, write_text

TOKENIZER = "tokenizer.json"
BYTE = re.compile(r"<0x[0-9A-F]{2}>")  # what byte fallback writes for a character that is no token


def token_counter(folder: Path) -> Callable[[Sequence[str]], list[int]]:
    """A function from texts to their numbers of tokens, by a model folder's tokenizer.json.

    Raises:
        InputError: the folder has none.
    """
    from tokenizers import Tokenizer

    file = Path(folder) / TOKENIZER
    if not file.is_file():
        raise InputError(f"{folder}: has no tokenizer.json; choose another base, or --base none to count no tokens")
    tokenizer = Tokenizer.from_file(str(file))
    tokenizer.no_truncation()
    tokenizer.no_padding()

    def count(texts: Sequence[str]) -> list[int]:
        return [len(one.ids) for one in tokenizer.encode_batch_fast(list(texts), add_special_tokens=False)]

    return count


def copy_tokenizer(folder: Path, to: Path) -> None:
    """Write a model folder's tokenizer.json into another, without the spaces and line ends that are half of it.

    Raises:
        InputError: the folder has none.
    """
    file = folder / TOKENIZER
    if not file.is_file():
        raise InputError(f"{folder}: no {TOKENIZER}; it belongs beside the model's weights")
    write_text(to / TOKENIZER, dump_compact(read_json(file)))
