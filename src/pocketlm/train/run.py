"""A run: one training and its folder.

runs/NAME/  manifest.json, config.json, tools.json (of calls), adapter/ (PEFT format), model/ (merged), metrics.jsonl. The folder
is a model any Hugging Face tool can open at model/, and what `pocketlm eval`, `export` and `run` take.
"""

from __future__ import annotations

import itertools
import json
import math
import os
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from rich.text import Text

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError, Problems
from pocketlm.core.files import read_json, sha256_file, sha256_value, write_json, write_jsonl, write_text
from pocketlm.core.machine import describe, memory_peak
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.core.progress import say
from pocketlm.data.augment import Augmenter
from pocketlm.data.split import AnyRow
from pocketlm.engines.classifier import is_classifier
from pocketlm.evaluate.calibrate import KEPT as CALIBRATION
from pocketlm.models.adapters import STAMP, TEMPLATE, WEIGHTS, Adapter, write_merged, write_model
from pocketlm.models.load import lineage, load_model, load_tokenizer, resolve_base, template_of
from pocketlm.tasks.call import CallTask, Grounding, learn_grounding
from pocketlm.tasks.instruct import InstructTask
from pocketlm.tasks.template import CHATML, TEMPLATES, TERSE, Template
from pocketlm.tasks.tools import ToolSet
from pocketlm.train.batches import Example
from pocketlm.train.checks import check_examples, show_batch
from pocketlm.train.track import LIVE

if TYPE_CHECKING:
    from pocketlm.train.distill import Distillation
    from pocketlm.train.loop import History

Writing = CallTask | InstructTask  # the tasks whose answers are written

ASIDE = {"save_seconds", "save_total_limit", "track"}  # settings that do not decide the weights


@dataclass(frozen=True)
class Run:
    """A finished run."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Run:
        """Open a finished run.

        Raises:
            InputError: not a run, or one that did not finish.
        """
        folder = Path(folder)
        if is_classifier(folder):
            raise InputError(f"{folder}: a classifier's run; this is for runs that write")
        if not (folder / "manifest.json").is_file() or not (folder / "model" / "config.json").is_file():
            hint = "its training did not finish, run `pocketlm train` again" if folder.is_dir() else "no such folder"
            raise InputError(f"{folder}: not a finished run; {hint}")
        return cls(folder)

    @property
    def model(self) -> Path:
        """Folder of the merged model."""
        return self.folder / "model"

    @property
    def manifest(self) -> dict[str, Any]:
        """The run's manifest."""
        return dict(read_manifest(self.folder))

    @property
    def identity(self) -> str:
        """Other whenever the run may answer otherwise: the adapter that is in its model, and what it was trained for."""
        stamp = self.model / STAMP
        return sha256_value([self.manifest["key"], read_json(stamp)["adapter"] if stamp.is_file() else None])

    @property
    def is_swapped(self) -> bool:
        """Whether another adapter than its own is in its model."""
        own = self.folder / "adapter" / WEIGHTS
        return own.is_file() and bool(read_json(self.model / STAMP)["adapter"] != sha256_file(own))

    @property
    def config(self) -> Config:
        """The settings the run was made with."""
        return Config.model_validate(read_json(self.folder / "config.json"))

    @property
    def tools(self) -> ToolSet | None:
        """The functions it was trained to call; None where it writes free text."""
        return None if self.config.task == "instruct" else ToolSet.load(self.folder / "tools.json")

    @property
    def task(self) -> Writing:
        """The task with the tools and the prompt the run was trained for."""
        tools = self.tools
        if tools is None:
            return InstructTask()
        return CallTask(
            tools, self.config.tools_in_prompt, grounding=Grounding.from_json(self.manifest.get("grounding", {}))
        )

    @property
    def template(self) -> Template:
        """The chat template it was trained with."""
        return TEMPLATES[self.manifest["template"]]

    @property
    def history(self) -> list[dict[str, float]]:
        """The logged steps."""
        lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def train_run(
    config: Config,
    tools: ToolSet | None,
    train: Sequence[AnyRow],
    valid: Sequence[AnyRow],
    folder: Path,
    *,
    must_resume: bool = False,
    teaching: Distillation | None = None,
    minutes: float | None = None,
) -> Run:
    """Train as `config` says and fill `folder`; reuse it when nothing changed, resume it when it was interrupted.

    Args:
        tools: the functions that rows of calls call; None for the task instruct.
        must_resume: do not start anew.
        teaching: a model to learn from besides the rows.
        minutes: time to train for, foretold by a probe; epochs that would take longer are left out. One that was interrupted goes
            on with what it began with.

    Raises:
        InputError: rows too long or without a label, a base without chat tokens, nothing to resume where that is asked.
    """
    processes = int(os.environ.get("WORLD_SIZE", "1"))  # as torchrun says
    taught_by = teaching.identity(resolve_base(config.base)) if teaching else None
    more = [taught_by] if teaching else []
    key = run_key(config, tools, train, valid, processes, more)
    if found := trained_before(folder, key):
        return found

    import torch
    from accelerate import Accelerator

    from pocketlm.train.checkpoint import Checkpoints
    from pocketlm.train.compute import choose_device, choose_micro, choose_threads
    from pocketlm.train.distill import taught
    from pocketlm.train.loop import fit
    from pocketlm.train.method import check_method, choose, load_objective
    from pocketlm.train.probe import epochs_within
    from pocketlm.train.track import tracked

    settings = config.train
    check_method(settings)
    if settings.patience and not valid:
        raise InputError("train.patience: there are no validation rows to watch; give data.valid or leave it out")
    team = Accelerator(cpu=choose_device(config.train.device).type == "cpu")  # one process, or those torchrun started
    if minutes and team.num_processes > 1:
        raise InputError("a training of so many minutes is foretold on one process only; say train.epochs instead")
    checkpoints = Checkpoints(folder, key, keep=settings.save_total_limit)
    if checkpoints.files:
        say(f"{folder}: an interrupted training was found, going on")
    elif must_resume:
        raise InputError(f"{folder}: no interrupted training with these data and settings; start one without --resume")
    torch.set_flush_denormal(True)
    with team.main_process_first():  # it unpacks the base
        material = encode_all(config, tools, train, valid)
    task, template = material.task, material.template
    chosen = checkpoints.choices or {
        "threads": choose_threads(settings.threads), "compute": choose(settings).setting, "micro_tokens": None,
    }  # fmt: skip
    chosen = _of_the_first(team, chosen)
    torch.set_num_threads(chosen["threads"])
    compute = choose(settings, chosen["compute"])
    torch.manual_seed(config.seed)  # after the probes, which draw random numbers where nothing is remembered
    objective = load_objective(resolve_base(config.base), settings, compute)
    objective = taught(objective, teaching, resolve_base(config.base), settings, compute) if teaching else objective
    model = objective.model
    say(f"Training {count(model)} on {len(train)} rows ({compute})")
    what = f"{count(model)} of {config.base}, {compute}{', taught' if teaching else ''}"
    if team.is_main_process and not chosen["micro_tokens"]:
        chosen["micro_tokens"] = choose_micro(objective, material.epochs[0], settings, what)
    settings = settings.model_copy(update={"micro_tokens": chosen["micro_tokens"]})
    if team.is_main_process and minutes and not chosen.get("epochs"):
        chosen["epochs"] = epochs_within(
            60 * minutes, objective, material.epochs, material.valid, settings, seed=config.seed
        )
    chosen = _of_the_first(team, chosen)
    enough = chosen.get("epochs") or settings.epochs
    settings = settings.model_copy(update={"micro_tokens": chosen["micro_tokens"], "epochs": enough})
    if team.is_main_process:
        folder.mkdir(parents=True, exist_ok=True)
        checkpoints.forget_others()
        if not checkpoints.files:
            (folder / LIVE).unlink(missing_ok=True)  # of a training that was given up
        checkpoints.choices = chosen
    team.wait_for_everyone()

    def score() -> float:
        return _score(config, model, template, task, valid)

    with tracked(settings.track, folder, config, quiet=not team.is_main_process) as log:
        history = fit(
            objective, material.epochs[: math.ceil(enough)], material.valid, settings, seed=config.seed,
            checkpoints=checkpoints, log=log, score=score if settings.watch == "exact" else None, team=team,
        )  # fmt: skip
    if not team.is_main_process:
        team.wait_for_everyone()
        return Run(folder)
    _write(folder, config, model, template, tools, history)
    rows = {"train": len(train), "valid": len(valid)}
    write_manifest(folder, _facts(config, material, history) | {"key": key, "compute": str(compute), "rows": rows})
    checkpoints.clear()
    team.wait_for_everyone()
    return Run(folder)


def _facts(config: Config, material: Material, history: History) -> dict[str, Any]:
    """What a run's manifest says of its training."""
    last = history.steps[-1]
    return {
        "kind": "run",
        "task": config.task,
        "template": material.template.name,
        **material.task.facts(),
        "lineage": lineage(config.base),
        "seed": config.seed,
        "machine": describe(),
        "metrics": {
            "train_seconds": round(history.seconds, 1),
            "tokens_per_s": last["tokens_per_s"],
            "steps": len(history.steps),
            "valid_loss": history.valid_loss,
            "memory_gb": round(memory_peak() / 1e9, 2),
            **config.cost.of(history.seconds),
        },
    }


def _of_the_first(team: Any, value: dict[str, Any]) -> dict[str, Any]:
    """The first process's value, in all of them."""
    if team.num_processes == 1:
        return value
    from accelerate.utils import broadcast_object_list

    return dict(broadcast_object_list([value])[0])


def trained_before(folder: Path, key: str) -> Run | None:
    """The run in a folder if it was made of just this, None otherwise."""
    if not (folder / "manifest.json").is_file() or read_manifest(folder).get("key") != key:
        return None
    run = Run(folder)
    say(f"{folder}: trained before with the same data and settings, reused")
    if run.is_swapped:
        say(f"{folder}: answers with another adapter; its own again: pocketlm adapters swap {folder} {folder}")
    return run


def _write(
    folder: Path, config: Config, model: Any, template: Template, tools: ToolSet | None, history: History
) -> None:
    """Fill a run's folder, all but its manifest."""
    (folder / "manifest.json").unlink(missing_ok=True)  # of an older training: it would vouch for the new weights
    (folder / LIVE).unlink(missing_ok=True)
    (folder / CALIBRATION).unlink(missing_ok=True)  # it spoke of the older weights
    write_jsonl(folder / "metrics.jsonl", history.steps)
    _write_model(folder, config, model, template)
    write_json(folder / "config.json", config.model_dump())
    if tools is None:
        (folder / "tools.json").unlink(missing_ok=True)
    else:
        write_json(folder / "tools.json", tools.to_openai())


def _write_model(folder: Path, config: Config, model: Any, template: Template) -> None:
    """Write `folder`/model and, where one was trained, `folder`/adapter."""
    import torch

    from pocketlm.train.lora import save_adapter

    settings, base = config.train, resolve_base(config.base)
    if settings.method == "full":
        shutil.rmtree(folder / "adapter", ignore_errors=True)
        plain = load_model(base, torch.float32)
        plain.load_state_dict(model.state_dict())  # whose weights are parts of larger matrices
        write_model(plain, load_tokenizer(base), folder / "model", jinja=template.jinja)
        return
    save_adapter(
        model, folder / "adapter", base=config.base, rank=settings.rank, alpha=settings.alpha,
        rank_stabilized=settings.rank_stabilized, dropout=settings.dropout, dora=settings.dora,
    )  # fmt: skip
    write_text(folder / "adapter" / TEMPLATE, template.jinja)
    # into the base read afresh: what trained may have rounded its weights
    write_merged(Adapter.open(folder / "adapter"), base, folder / "model")


def _score(config: Config, model: Any, template: Template, task: Writing, rows: Sequence[AnyRow]) -> float:
    """Share of rows a model in training gets wholly right, as the run would: merged, under the grammar."""
    from pocketlm.engines.open import open_engine
    from pocketlm.evaluate.evaluate import evaluate

    with TemporaryDirectory() as aside:
        _write_model(Path(aside), config, model, template)
        engine = open_engine(str(Path(aside) / "model"))
        exact = evaluate(task, engine, rows, constrain=True).metrics["exact"]
        engine.close()
    return exact


@dataclass(frozen=True)
class Material:
    """What a training reads, as tokens.

    Attributes:
        epochs: the rows of each epoch.
        valid: the rows held out.
    """

    task: Writing
    tokenizer: Any
    template: Template
    epochs: list[list[Example]]
    valid: list[Example]


def encode_all(
    config: Config,
    tools: ToolSet | None,
    train: Sequence[AnyRow],
    valid: Sequence[AnyRow] = (),
    *,
    epochs: int | None = None,
) -> Material:
    """Rows of every epoch (or of the first few) as tokens, checked.

    Raises:
        InputError: no rows, or a base without the template's tokens. Problems: rows that are too long or teach nothing.
    """
    if not train:
        raise InputError("no training rows; add some to data.raw")
    tokenizer = load_tokenizer(resolve_base(config.base))
    template = _template(config, tokenizer)
    task = _task(config, tools, train)
    longest = config.train.max_tokens
    told = [
        encode(task, rows, tokenizer, template, longest)
        for rows in itertools.islice(_epochs(config, tools, train), epochs)
    ]
    check_examples(told[0], [_name(row) for row in train], tokenizer.convert_tokens_to_ids(template.stop))
    return Material(task, tokenizer, template, told, encode(task, valid, tokenizer, template, longest))


def show_first_batch(config: Config, tools: ToolSet | None, train: Sequence[AnyRow]) -> Text:
    """Two rows of a training's first batch, what is learnt coloured."""
    material = encode_all(config, tools, train, epochs=1)
    return show_batch(material.epochs[0], material.tokenizer, config.train.batch_tokens, config.seed)


def _task(config: Config, tools: ToolSet | None, train: Sequence[Any]) -> Writing:
    if tools is None:
        return InstructTask()
    return CallTask(tools, config.tools_in_prompt, grounding=learn_grounding(train, tools))


def _epochs(config: Config, tools: ToolSet | None, train: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """The rows of each epoch."""
    kind = config.train.augment
    augmenter = None if kind == "none" or tools is None else Augmenter(train, tools, wording=kind == "full")
    for epoch in range(math.ceil(config.train.epochs)):
        yield augmenter.epoch(config.seed + epoch) if augmenter else train


def _template(config: Config, tokenizer: Any) -> Template:
    """The template to train with."""
    own = template_of(tokenizer)
    if config.template == "auto":
        terse = config.task == "call" and config.tools_in_prompt == "none"
        return TERSE if own is CHATML and terse else own
    wanted = TEMPLATES[config.template]
    missing = [mark for mark in wanted.marks if mark not in tokenizer.get_vocab()]
    if missing:
        raise InputError(
            f"template: {wanted.name} needs {', '.join(missing)}, which the base's tokenizer does not know"
        )
    return wanted


def run_key(
    config: Config,
    tools: ToolSet | None,
    train: Sequence[AnyRow],
    valid: Sequence[AnyRow],
    processes: int = 1,
    more: Sequence[Any] = (),
) -> str:
    """Hash of everything that decides the weights."""
    rows = [[row.to_json() for row in part] for part in (train, valid)]
    settings = config.model_dump(exclude={"data": True, "classify": True, "embed": True, "cost": True, "train": ASIDE})
    return sha256_value(
        [settings, None if tools is None else tools.to_openai(), rows, *([processes] if processes > 1 else []), *more]
    )


def encode(task: Writing, rows: Sequence[Any], tokenizer: Any, template: Template, max_tokens: int) -> list[Example]:
    """Rows as token ids: prompt and completion apart, as at run time.

    Raises:
        Problems: rows longer than `max_tokens`, all at once.
    """
    if not rows:
        return []
    prompts = tokenizer([task.prompt(row, template) for row in rows], add_special_tokens=False)["input_ids"]
    answers = tokenizer([task.completion(row, template) for row in rows], add_special_tokens=False)["input_ids"]
    examples = [Example(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
    long = [
        f"{_name(row)}: {len(example)} tokens"
        for row, example in zip(rows, examples, strict=True)
        if len(example) > max_tokens
    ]
    if long:
        raise Problems(f"rows over train.max_tokens={max_tokens}; raise it or shorten them", long)
    return examples


def _name(row: AnyRow) -> str:
    """What a row is called in messages."""
    return row.where or repr(row.text[:40])


def count(model: Any) -> str:
    """What share of a model is trained, in words."""
    every, trained = (
        sum(p.numel() for p in model.parameters() if p.requires_grad or not only) for only in (False, True)
    )
    return f"{trained / 1e6:.1f} M of {every / 1e6:.0f} M parameters"
