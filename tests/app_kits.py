"""What tests of app kits share: tools whose names and types try every language, and which kits are made."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from pocketlm.evaluate.calibrate import Calibration
from pocketlm.tasks.call import CallTask
from pocketlm.tasks.template import Template
from pocketlm.tasks.tools import ToolSet

S: dict[str, Any] = {"type": "string"}
PLACE = {
    "type": "object",
    "description": "Where it is. */ /* \\",
    "properties": {
        "street": {
            "type": "string",
            "description": "Street, with \"quotes\" and a $name\nand a 'second' line ending in \\",
        },
        "geo": {
            "type": "object",
            "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}, "kind": {"enum": ["gps", "map"]}},
            "required": ["lon", "lat"],
        },
    },
    "required": ["geo"],
}


def tool(name: str, properties: dict[str, Any], required: list[str] | None = None, **more: Any) -> dict[str, Any]:
    """An OpenAI tool."""
    parameters = {"type": "object", "properties": properties, "required": list(required or ())}
    about = more.pop("description", "")
    return {"type": "function", "function": {"name": name, "description": about, "parameters": parameters}, **more}


NASTY = ToolSet.from_openai(
    [
        tool(
            "class", {"self": S, "init": S, "default": S, "func": S, "Type": S, "fun": S, "val": S, "None": S}, ["self"]
        ),
        tool("delete-note", {"note id": S, "note-id": S, "noteId": S, "1st": S, "": S, "$": S}, ["note id", "1st"]),
        tool(
            "String", {"int": {"type": "integer"}, "double": {"type": "number"}, "struct": {"type": "boolean"}}, ["int"]
        ),
        tool("größe_ändern", {"größe": S, "名前": S, "🙂": S}, ["名前"], description='Ändert "alles" */ ??/ """ \\'),
        tool("undo", {}, description="Takes the last step back."),
        tool("Undo", {}),
        tool(
            "move",
            {
                "to": PLACE,
                "via": {"type": "array", "items": PLACE},
                "grid": {"type": "array", "items": {"type": "array", "items": {"type": "integer", "minimum": 0}}},
                "tags": {
                    "type": "array",
                    "items": {"enum": ["a", "b c", "b-c", "", "class", "é", "e\u0301", "🙂", "7", '"\\']},
                },
            },
            ["to"],
        ),
        tool(
            "set",
            {
                "mode": {"enum": ["on", "off", None]},
                "level": {"type": "integer", "enum": [1, 2, 3]},
                "factor": {"type": "number", "enum": [0.5, 2]},
                "sure": {"const": True},
                "any": {"anyOf": [S, {"type": "integer"}, PLACE, {"type": "null"}]},
                "text or number": {"type": ["string", "number"]},
                "maybe": {"type": ["string", "null"]},
                "maybes": {"type": "array", "items": {"type": ["integer", "null"]}},
                "mixed": {"enum": ["x", 1, True, None]},
                "big": {"type": "integer", "minimum": -(2**63), "maximum": 2**63 - 1},
                "kind": {"const": "only"},
            },
            ["mode", "maybe", "kind"],
        ),
        tool("name", {"name": S, "arguments": S, "function": S, "place": S, "json": S, "functionName": S}, ["name"]),
        tool("read_mail", {"id": S}, ["id"], annotations={"destructiveHint": True}),
        tool("send_nothing", {"id": S}, ["id"], **{"x-confirm": False}),
        tool("to_json", {"to_json": S, "read": S, "cls": S, "hashCode": S, "description": S, "equals": S}),
    ],
    "nasty",
)


class Made(NamedTuple):
    """A kit that was written, and what it was made from."""

    folder: Path
    name: str
    task: CallTask
    template: Template
    threshold: float | None
    calibration: Calibration | None
    vectors: dict[str, list[dict[str, Any]]]


CURVE = [(-5.0, 0.1), (-0.5, 0.6), (-0.001, 0.98)]
ISOTONIC = Calibration("weakest", "isotonic", knots=CURVE, threshold=0.9, name_threshold=0.6)
TEMPERATURE = Calibration("answer", "temperature", 1.7, threshold=0.95)
KITS = (
    "phone terse",
    "phone twice",
    "phone chatml",
    "phone gemma",
    "nasty terse",
    "nasty gemma",
    "no tools terse",
    "no tools gemma",
)
