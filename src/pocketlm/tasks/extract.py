"""Extraction: a text in, its fields out as JSON: `{"person":["Ada"],"date":["3 May"]}`."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pocketlm.core.files import dump_compact
from pocketlm.tasks.base import Metric, Score, TextRow, TextTask, ask, counted, f1, macro_f1, micro, tags_of, yes
from pocketlm.tasks.template import Template


class ExtractTask(TextTask):
    """One set of fields, each with any number of values."""

    name = "extract"
    main = "f1"
    max_tokens = 192
    metrics: Mapping[str, Metric] = {
        "f1": Metric("F1 of the values found, all fields together", f1),
        "precision": Metric("of the values given, those that are right"),
        "recall": Metric("of the values wanted, those that were found"),
        "macro_f1": Metric("F1 of each field, averaged over fields", macro_f1, items=True),
        "exact": Metric("all fields of the row right, and no other"),
        "empty": Metric("of the rows without any value, those left empty"),
        "valid": Metric("the answer is JSON of known fields"),
    }

    def __init__(self, fields: Sequence[str]) -> None:
        self.fields = sorted(set(fields))
        self.instruction = (
            "Find these fields in the message: " + ", ".join(self.fields) + ". Answer with JSON only: "
            '{"field":["value"]}, values as they stand in the message, {} if there are none.'
        )

    @classmethod
    def of(cls, rows: Sequence[TextRow]) -> ExtractTask:
        """The task of these rows' fields."""
        return cls([name for row in rows for name in row.answer])

    @staticmethod
    def row(value: Mapping[str, Any], where: str = "") -> TextRow:
        """A row from `{"text", "entities": [{"type", "text"}]}` or `{"text", "fields": {...}}`."""
        found: dict[str, list[Any]] = {}
        if "entities" in value:
            for entity in value["entities"]:
                found.setdefault(entity["type"], []).append(entity["text"])
        else:
            found = {name: _several(values) for name, values in value["fields"].items() if values not in (None, "", [])}
        return TextRow(ask(value["text"]), found, where, tags_of(value))

    def settings(self) -> dict[str, Any]:
        """See `Task`."""
        return {"fields": self.fields}

    def score(self, row: TextRow, text: str, template: Template) -> Score:
        """See `Task`. A value is right when it is equal, white space and case aside."""
        try:
            got, valid = self.parse(text), True
        except (ValueError, RecursionError):
            got, valid = {}, False
        valid = valid and set(got) <= set(self.fields)
        wanted, found = (
            {name: list(map(_loose, values)) for name, values in side.items()} for side in (row.answer, got)
        )
        items = counted(wanted, found)
        right = valid and all(hit == given == want for hit, given, want in items.values())
        numbers = micro(items) | {"exact": yes(right), "valid": yes(valid)}
        if not row.answer:
            numbers["empty"] = yes(valid and not got)
        return Score(numbers, items, [] if right else list(_why(items)) or ["unreadable answer"])

    @staticmethod
    def parse(text: str) -> dict[str, list[Any]]:
        """Fields from an answer.

        Raises:
            ValueError: it is not JSON of fields.
        """
        value = json.loads(text)
        if not isinstance(value, dict):
            raise ValueError(f"expected an object of fields, got {text!r:.60}")
        return {name: _several(values) for name, values in value.items() if values not in (None, "", [])}

    def groups(self, row: TextRow) -> list[str]:
        """See `Task`."""
        return [*(row.answer or ["(nothing)"]), *super().groups(row)]


def _several(values: Any) -> list[Any]:
    return values if isinstance(values, list) else [values]


def _loose(value: Any) -> str:
    return " ".join((value if isinstance(value, str) else dump_compact(value)).split()).casefold()


def _why(items: Mapping[str, tuple[float, float, float]]) -> Sequence[str]:
    return [
        f"{name} {'missing' if got < wanted else 'extra' if got > wanted else 'wrong'}"
        for name, (right, got, wanted) in items.items()
        if not right == got == wanted
    ]
