"""What is exported: a model, and what proves that its file does the job."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pocketlm.core.errors import InputError
from pocketlm.core.files import sha256_value
from pocketlm.evaluate.report import Report
from pocketlm.evaluate.store import identity_of
from pocketlm.evaluate.suites import spread
from pocketlm.export.base import Source
from pocketlm.models.load import is_encoder, lineage, load_tokenizer, resolve_base, resolve_encoder, template_of
from pocketlm.models.starters import STARTERS
from pocketlm.models.static_model import is_static
from pocketlm.tasks.call import CallTask
from pocketlm.tasks.template import Message, Template
from pocketlm.train.classifier_run import ClassifierRun
from pocketlm.train.run import Run

ENCODER_TOLERANCE = 0.005  # of a classifier's accuracy, of nDCG@10 or a rank correlation
WEIGHED = 96  # training rows by which rounding is weighed


@dataclass(frozen=True)
class Subject:
    """A model and its proof.

    Attributes:
        identity: other whenever the model may answer otherwise.
        home: folder that holds exports/.
        template: None for an encoder.
        task, rows: what the exported file is scored on; no rows: it is compared with the model only.
        reference: makes the model's own report on these rows.
        facts: for the manifest, what else belongs to the model.
        tolerance: of the score that the file may lose, 0 to 1.
        head: the folder of the head that makes a classifier of an encoder; None: it is none.
    """

    source: Source
    identity: str
    home: Path
    template: Template | None = None
    task: Any = None
    rows: Sequence[Any] = ()
    reference: Callable[[], Report] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    tolerance: float = 0.02
    head: Path | None = None

    @property
    def tokenizer(self) -> Any:
        """The training tokenizer."""
        return load_tokenizer(self.source.folder)

    @property
    def tools(self) -> Any:
        """The functions it calls, None where it calls none."""
        return self.task.tools if isinstance(self.task, CallTask) else None

    def dialogues(self, most: int = 16) -> list[list[Message]]:
        """Dialogues for the chat template: of the first rows, and with every role."""
        user = Message("user", "Is it raining in Łódź?\n  <b>now</b>")
        made = [
            [user],
            [Message("system", "Be brief."), user],
            [user, Message("assistant", 'No {"x": 1}'), Message("user", "and tomorrow 🙂?")],
        ]
        if self.task is not None and self.template:
            made += [self.task.messages(row, self.template) for row in self.rows[:most]]
        return made


def subject_of_run(
    run: Run, rows: Sequence[Any], reference: Callable[[], Report], train: Sequence[Any] = ()
) -> Subject:
    """A finished run, to be proven on rows it was not trained on.

    Args:
        reference: makes the run's own report on these rows, under the grammar.
        train: rows it was trained on, by which rounding is weighed.
    """
    template = run.template
    source = Source(
        run.model, run.folder.resolve().name, chat_template=template.jinja, stop_token=template.stop,
        lineage=run.manifest["lineage"], texts=run_texts(run, train),
    )  # fmt: skip
    return Subject(source, run.identity, run.folder, template, run.task, rows, reference, run.task.facts())


def subject_of_classifier(run: ClassifierRun, rows: Sequence[Any], reference: Callable[[], Report]) -> Subject:
    """A classifier's run, to be proven on rows it was not trained on: its encoder is converted, its head goes beside it.

    Raises:
        InputError: it has no encoder.
    """
    if run.model is None:
        raise InputError(
            f"{run.folder}: its features are {run.manifest['features']}, so there is no model to convert; the folder itself is what "
            "an app needs"
        )
    source = Source(run.model, run.folder.resolve().name, "encoder", lineage=run.manifest["lineage"])
    facts = {"task": "classify", "labels": run.manifest["labels"], "outside": run.manifest["outside"]}
    return Subject(
        source, run.identity, run.folder, task=run.task, rows=rows, reference=reference, facts=facts,
        tolerance=ENCODER_TOLERANCE, head=run.folder,
    )  # fmt: skip


def subject_of_encoder(run: Run, task: Any, rows: Sequence[Any], reference: Callable[[], Report]) -> Subject:
    """A finished run of the task `embed`, to be proven on rows it was not trained on, if there are any.

    Args:
        reference: makes the run's own report on these rows.

    Raises:
        InputError: its model is a table of token vectors, which needs no runtime.
    """
    if is_static(run.model):
        raise InputError(
            f"{run.folder}: a static model is a table that needs no runtime; ship the folder {run.model} as it is"
        )
    source = Source(run.model, run.folder.resolve().name, "encoder", lineage=run.manifest["lineage"])
    return Subject(
        source, run.identity, run.folder, task=task, rows=rows, reference=reference, tolerance=ENCODER_TOLERANCE
    )  # fmt: skip


def run_texts(run: Run, rows: Sequence[Any]) -> tuple[str, ...]:
    """Some rows as the model reads and writes them."""
    task, template = run.task, run.template
    return tuple(task.prompt(row, template) + task.completion(row, template) for row in spread(rows, WEIGHED))


def subject_of_folder(uri: str, home: Path | None = None) -> Subject:
    """A model that belongs to no run: `starter:NAME`, `hf:NAME` or a folder; a decoder or an encoder.

    Raises:
        InputError: nothing there, or a decoder without chat tokens.
    """
    folder = _folder_of(uri)
    name = uri.partition(":")[2].replace("/", "-") if ":" in uri else folder.resolve().name
    home = home or (Path(name) if ":" in uri else folder)
    made_from, identity = lineage(uri), sha256_value([identity_of(uri), str(uri)])
    if is_encoder(folder):
        return Subject(Source(folder, name, "encoder", lineage=made_from), identity, home)
    template = template_of(load_tokenizer(folder))
    source = Source(folder, name, chat_template=template.jinja, stop_token=template.stop, lineage=made_from)
    return Subject(source, identity, home, template)


def _folder_of(uri: str) -> Path:
    if ":" not in uri and not Path(uri).is_dir():
        raise InputError(f"{uri}: no such run or model folder; starters are written starter:NAME")
    scheme, _, name = uri.partition(":")
    return (
        resolve_encoder(uri)
        if scheme == "starter" and name in STARTERS and STARTERS[name].is_encoder
        else resolve_base(uri)
    )
