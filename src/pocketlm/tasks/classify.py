"""Classification: a text in, one label out (or several), by writing the label."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from pocketlm.tasks.base import Metric, Score, TextRow, TextTask, ask, counted, f1, macro_f1, micro, tags_of, yes
from pocketlm.tasks.grammar import literal
from pocketlm.tasks.labels import nodes_of, outside_of, tree_of
from pocketlm.tasks.template import Template


class ClassifyTask(TextTask):
    """One set of labels."""

    name = "classify"
    main = "accuracy"
    max_tokens = 24
    metrics: Mapping[str, Metric] = {
        "accuracy": Metric("the label is right; of several, all of them and no other"),
        "macro_f1": Metric(
            "F1 of each label, averaged over labels, so that rare ones count as much", macro_f1, items=True
        ),
        "f1": Metric("F1 over all labels together (micro)", f1),
        "outside_recall": Metric("of the rows that fit no label, those recognised as such"),
        "inside_accuracy": Metric("accuracy on the rows that fit a label"),
        "path_f1": Metric(
            "of labels such as food/recipes, F1 of all they stand under and themselves: a parent is half right", f1
        ),
        "valid": Metric("the answer is one of the labels"),
    }

    def __init__(self, labels: Sequence[str], outside: str | None = None) -> None:
        """`outside`: the label of what fits none; by default one of the usual names, if it is among the labels."""
        self.labels = sorted(set(labels))
        self.outside = outside or outside_of(self.labels)
        self.parents = list(tree_of(self.labels))
        self.instruction = (
            "Sort the message under one of these labels: " + ", ".join(self.labels) + ". Answer with the label only."
        )

    @classmethod
    def of(cls, rows: Sequence[TextRow]) -> ClassifyTask:
        """The task of these rows' labels."""
        return cls([label for row in rows for label in row.answer])

    @staticmethod
    def row(value: Mapping[str, Any], where: str = "") -> TextRow:
        """A row from `{"text", "label"}`."""
        label = value["label"]
        return TextRow(ask(value["text"]), [label] if isinstance(label, str) else list(label), where, tags_of(value))

    def settings(self) -> dict[str, Any]:
        """See `Task`."""
        return {"labels": self.labels, "outside": self.outside}

    def grammar(self, template: Template, row: TextRow | None = None) -> str | None:
        """One label, or several with commas between."""
        return f"root ::= label ({literal(', ')} label)*\nlabel ::= " + " | ".join(map(literal, self.labels))

    def is_legal(self, row: TextRow, text: str, template: Template) -> bool:
        """See `Task`."""
        return text in self.labels or all(label in self.labels for label in text.split(", "))

    def score(self, row: TextRow, text: str, template: Template) -> Score:
        """See `Task`. White space and case around a label do not count."""
        every = [*self.labels, *self.parents]
        known = {label.casefold(): label for label in every} | {label: label for label in every}
        whole = known.get(text.strip()) or known.get(text.strip().casefold())  # a label may hold a comma
        got = [whole] if whole else [_label(part.strip(), known) for part in text.split(",") if part.strip()]
        right = Counter(got) == Counter(row.answer)
        # what is no label counts against recall only through the label that is missing, not as a class of its own
        items = counted({label: [1] for label in row.answer}, {label: [1] for label in got if label in self.labels})
        numbers: dict[str, tuple[float, ...]] = {"accuracy": yes(right), "valid": yes(set(got) <= set(known.values()))}
        numbers |= {"f1": micro(items)["f1"]}
        if self.parents:
            numbers["path_f1"] = _on_paths(row.answer, got)
        if self.outside:
            numbers["outside_recall" if self.outside in row.answer else "inside_accuracy"] = yes(right)
        why = [] if right else [f"{', '.join(row.answer)} taken for {', '.join(got) or 'nothing'}"[:120]]
        return Score(numbers, items, why)

    def groups(self, row: TextRow) -> list[str]:
        """See `Task`."""
        return [*row.answer, *super().groups(row)]


def _on_paths(wanted: Sequence[str], got: Sequence[str]) -> tuple[float, ...]:
    """(right, got, wanted) nodes, parents included (Kiritchenko et al. 2006, "Learning and evaluation in the presence of
    class hierarchies")."""
    want, have = ({node for label in labels for node in nodes_of(label)} for labels in (wanted, got))
    return float(len(want & have)), float(len(have)), float(len(want))


def _label(said: str, known: Mapping[str, str]) -> str:
    """The label meant, marks around it aside; what was said where it is none."""
    bare = said.strip(".\"'")
    return next((known[one] for one in (said, said.casefold(), bare, bare.casefold()) if one in known), bare)
