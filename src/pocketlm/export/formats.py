"""The export formats, one line each, and how to find one. Their packages are imported only when one is used."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from importlib.util import find_spec

from pocketlm.core.errors import EnvironmentLacks, InputError
from pocketlm.export.base import Format, Kind


@dataclass(frozen=True)
class Entry:
    """Where a format lives.

    Attributes:
        place: module:class.
        needs: packages it cannot do without; `extra`: of ours, which installs them.
        beside: what cannot be in the extra, because its pins would not go with ours.
        common: what this format calls the precisions that all have: "fp16", "int8", "int4".
    """

    place: str
    needs: tuple[str, ...] = ()
    extra: str = ""
    beside: str = ""
    common: Mapping[str, str] = field(default_factory=dict)


# of GGUF's types of 4.5 bits the better one, which the gguf package itself cannot write
FOUR_BITS = "iq4_nl" if find_spec("libgguf") else "q4_0"

FORMATS = {
    "gguf": Entry("pocketlm.export.gguf:GgufFormat", common={"fp16": "f16", "int8": "q8_0", "int4": FOUR_BITS}),
    "onnx": Entry("pocketlm.export.onnx:OnnxFormat", ("onnx", "onnxruntime"), "onnx"),
    "coreml": Entry("pocketlm.export.coreml:CoreMlFormat", ("coremltools",), "coreml"),
    "litert": Entry(
        "pocketlm.export.litert:LitertFormat",
        ("ai_edge_quantizer", "ai_edge_litert", "litert_lm_builder", "litert_torch"),
        "litert",
        " && pip install --no-deps litert-torch==0.10.0 litert-converter==0.5.0",
    ),
}


def find_format(name: str) -> Format:
    """The format called `name`.

    Raises:
        InputError: there is none. EnvironmentLacks: its packages are not installed.
    """
    entry = FORMATS.get(name)
    if entry is None:
        raise InputError(f"--to {name}: unknown format; there are {', '.join(FORMATS)}")
    if missing := [package for package in entry.needs if find_spec(package) is None]:
        raise EnvironmentLacks(
            f"--to {name} needs {', '.join(missing)}; install with: pip install 'pocketlm[{entry.extra}]'{entry.beside}"
        )
    module, _, made = entry.place.partition(":")
    found: Format = getattr(import_module(module), made)()
    return found


def find_precision(format: Format, kind: Kind, asked: str | None) -> str:
    """The format's own name for a precision; its default where none is asked for.

    Raises:
        InputError: this format cannot write it.
    """
    known = format.precisions.get(kind, ())
    if not known:
        raise InputError(f"{format.name} holds no {kind}s")
    if asked is None:
        return known[0]
    own = FORMATS[format.name].common.get(asked, asked)
    if own not in known:
        raise InputError(f"--precision {asked}: {format.name} has {', '.join(known)} for {kind}s")
    return own
