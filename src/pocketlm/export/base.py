"""What an export format is: from a model's folder to the files an app downloads, and back into an engine.

A new format is one module with a class of this shape and one line in formats.py. A format knows nothing about tasks,
rows or scores; bundle.py and verify.py do.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

Kind = Literal["decoder", "encoder"]


@dataclass(frozen=True)
class Check:
    """One check of an export and what it found."""

    name: str
    passed: bool
    found: str


@dataclass(frozen=True)
class Source:
    """A model that is exported, and what must travel with it.

    Attributes:
        folder: config.json, safetensors, tokenizer.json.
        chat_template: Jinja text for the exported file; None for the folder's own.
        stop_token: the token that ends an answer; None for the tokenizer's end token.
        lineage: what the model was made from, see models.load.lineage.
        texts: what the model reads and writes in its job, prompt and answer together, by which rounding is weighed; where
            there are none, plain sentences and its own answers serve.
    """

    folder: Path
    name: str
    kind: Kind = "decoder"
    chat_template: str | None = None
    stop_token: str | None = None
    lineage: Mapping[str, Any] = field(default_factory=dict)
    texts: tuple[str, ...] = ()


@dataclass(frozen=True)
class Converted:
    """What a conversion wrote.

    Attributes:
        file: the main file's name in the folder.
        size_mb: of all files the runtime needs, in 10^6 bytes.
        bits_per_weight: bits of all stored weights over all parameters: what was stored, not what was asked for.
        notes: what a user must know, such as matrices that stayed at a higher precision.
    """

    file: str
    size_mb: float
    bits_per_weight: float
    parameters: int
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Case:
    """A prompt and what the model made of it, kept for a system that runs what this one cannot.

    Attributes:
        text: the prompt's text, so that the tokenizer is checked too; empty for none.
        prompt: its token ids.
        answer: token ids of the greedy answer, the stop token included; of a decoder.
        top: the likeliest first tokens, (id, natural-log probability); of a decoder.
        vector: of length 1; of an encoder.
    """

    text: str
    prompt: Sequence[int]
    answer: Sequence[int] = ()
    top: Sequence[tuple[int, float]] = ()
    vector: Sequence[float] = ()


class Format(Protocol):
    """One export format.

    One that does not run everywhere may have `leave_check(folder, cases)`, which writes what completes the check elsewhere, and
    `twin(source, folder, out)`, which writes a model folder for torch with the very weights of the file.

    Attributes:
        name: as in `--to NAME`.
        form: rises whenever the same model would be written otherwise; files of an earlier form are made anew.
        precisions: names it can write, the default first, for each kind of model.
        runtime: what opens the file, for people.
        executes: whether that runtime exists on this system.
    """

    name: str
    form: int
    precisions: Mapping[Kind, tuple[str, ...]]
    runtime: str
    executes: bool

    def convert(self, source: Source, out: Path, precision: str) -> Converted:
        """Write the model into the folder `out`, which exists and is the converter's alone.

        Raises:
            InputError: a family, precision or setting this format cannot express. EnvironmentLacks: a package is missing.
        """
        ...

    def open(self, folder: Path, kind: Kind, *, threads: int | None = None) -> Any:
        """The engine (decoder) or embedder (encoder) of a converted folder; only called where `executes`."""
        ...

    def inspect(self, source: Source, folder: Path, precision: str) -> list[Check]:
        """What can be proven of the files without running them: weights dequantized and compared, shapes, metadata."""
        ...
