"""A run: one training and its folder.

runs/NAME/  manifest.json, config.json, tools.json, adapter/ (PEFT format), model/ (merged), metrics.jsonl. The folder
is a model any Hugging Face tool can open at model/, and what `pocketlm eval`, `export` and `run` take.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.text import Text

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError, Problems
from pocketlm.core.files import dump_compact, read_json, sha256_file, sha256_value, write_json, write_text
from pocketlm.core.manifest import read_manifest, write_manifest
from pocketlm.core.progress import say
from pocketlm.data.augment import Augmenter
from pocketlm.models.adapters import STAMP, TEMPLATE, WEIGHTS, Adapter, write_merged
from pocketlm.models.load import lineage, load_model, load_tokenizer, resolve_base, template_of
from pocketlm.tasks.call import CallRow, CallTask, Grounding, learn_grounding
from pocketlm.tasks.template import CHATML, TEMPLATES, TERSE, Template
from pocketlm.tasks.tools import ToolSet
from pocketlm.train.batches import Example
from pocketlm.train.checks import check_examples, show_batch


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
        return sha256_value([self.manifest["key"], read_json(self.model / STAMP)["adapter"]])

    @property
    def is_swapped(self) -> bool:
        """Whether another adapter than its own is in its model."""
        return bool(read_json(self.model / STAMP)["adapter"] != sha256_file(self.folder / "adapter" / WEIGHTS))

    @property
    def config(self) -> Config:
        """The settings the run was made with."""
        return Config.model_validate(read_json(self.folder / "config.json"))

    @property
    def task(self) -> CallTask:
        """The task with the tools and the prompt the run was trained for."""
        tools = ToolSet.load(self.folder / "tools.json")
        return CallTask(
            tools, self.config.tools_in_prompt, grounding=Grounding.from_json(self.manifest.get("grounding", {}))
        )

    @property
    def history(self) -> list[dict[str, float]]:
        """The logged steps."""
        lines = (self.folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
        return [json.loads(line) for line in lines]


def train_run(config: Config, tools: ToolSet, train: Sequence[CallRow], valid: Sequence[CallRow], folder: Path) -> Run:
    """Train as `config` says and fill `folder`; reuse it when nothing changed, resume it when it was interrupted.

    Raises:
        InputError: rows too long or without a label, a base without chat tokens.
    """
    key = run_key(config, tools, train, valid)
    if (folder / "manifest.json").is_file() and read_manifest(folder).get("key") == key:
        run = Run(folder)
        say(f"{folder}: trained before with the same data and settings, reused")
        if run.is_swapped:
            say(f"{folder}: answers with another adapter; its own again: pocketlm adapters swap {folder} {folder}")
        return run

    import torch

    from pocketlm.train.attention import check_packing, use_packed_attention
    from pocketlm.train.compute import choose_compute, keep_freed_memory
    from pocketlm.train.fused import fuse
    from pocketlm.train.loop import fit
    from pocketlm.train.lora import add_lora, save_adapter

    torch.manual_seed(config.seed)
    torch.set_flush_denormal(True)
    base = resolve_base(config.base)
    tokenizer = load_tokenizer(base)
    template = _template(config, tokenizer)
    task = CallTask(tools, config.tools_in_prompt, grounding=learn_grounding(train, tools))
    settings = config.train
    if not train:
        raise InputError("no training rows; add some to data.raw")
    epochs = [encode(task, rows, tokenizer, template, settings.max_tokens) for rows in _epochs(config, tools, train)]
    held_out = encode(task, valid, tokenizer, template, settings.max_tokens)
    check_examples(epochs[0], [_name(row) for row in train], tokenizer.convert_tokens_to_ids(template.stop))
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = _checkpoint(folder, key)
    compute = choose_compute(_chosen_before(checkpoint) or settings.compute)
    model = load_model(base, compute.dtype)
    add_lora(
        model, settings.targets, settings.rank, settings.alpha, last_layers=settings.last_layers,
        rank_stabilized=settings.rank_stabilized, int8=compute.int8,
    )  # fmt: skip
    use_packed_attention(model)
    check_packing(model)
    if settings.compile:
        for block in model.model.layers:
            block.compile(dynamic=True)
    else:
        fuse(model, int8=compute.int8)
    keep_freed_memory()  # from here on: what loading frees must not become holes in training's memory
    trained = sum(p.numel() for p in model.parameters() if p.requires_grad)
    say(
        f"Training {trained / 1e6:.1f} M of {_parameters(model) / 1e6:.0f} M parameters on {len(train)} rows ({compute})"
    )

    write_json(_arithmetic(checkpoint), {"compute": compute.setting})
    with (folder / "metrics.live.jsonl").open("a", encoding="utf-8") as live:
        history = fit(
            model, epochs, held_out, settings, seed=config.seed, checkpoint=checkpoint,
            log=lambda entry: _log(live, entry),
        )  # fmt: skip

    (folder / "metrics.live.jsonl").unlink()
    (folder / "metrics.jsonl").write_text(
        "".join(dump_compact(entry) + "\n" for entry in history.steps), encoding="utf-8"
    )
    save_adapter(
        model, folder / "adapter", base=config.base, rank=settings.rank, alpha=settings.alpha,
        rank_stabilized=settings.rank_stabilized,
    )  # fmt: skip
    write_text(folder / "adapter" / TEMPLATE, template.jinja)
    # into the base read afresh: what trained may have rounded its weights
    write_merged(Adapter.open(folder / "adapter"), base, folder / "model")
    write_json(folder / "config.json", config.model_dump())
    write_json(folder / "tools.json", tools.to_openai())
    last = history.steps[-1]
    write_manifest(
        folder,
        {
            "kind": "run",
            "key": key,
            "task": config.task,
            "template": template.name,
            "tools_sha256": tools.sha256,
            "tools_in_prompt": config.tools_in_prompt,
            "grounding": task.grounding.to_json(),
            "lineage": lineage(config.base),
            "seed": config.seed,
            "compute": str(compute),
            "rows": {"train": len(train), "valid": len(valid)},
            "metrics": {
                "train_seconds": round(history.seconds, 1),
                "tokens_per_s": last["tokens_per_s"],
                "steps": len(history.steps),
                "valid_loss": history.valid_loss,
            },
        },
    )
    _arithmetic(checkpoint).unlink()
    checkpoint.unlink()
    return Run(folder)


def _checkpoint(folder: Path, key: str) -> Path:
    """The file that holds an interrupted training; those of other data or settings are deleted."""
    checkpoint = folder / f"checkpoint-{key[:12]}.pt"
    for stale in folder.glob("checkpoint-*"):
        if stale.stem != checkpoint.stem:
            stale.unlink()
    if checkpoint.exists():
        say(f"{folder}: an interrupted training was found, going on")
    return checkpoint


def _arithmetic(checkpoint: Path) -> Path:
    """What a training's probe chose: a second probe might choose otherwise, and the weights would be others."""
    return checkpoint.with_suffix(".json")


def _chosen_before(checkpoint: Path) -> str | None:
    file = _arithmetic(checkpoint)
    return str(read_json(file)["compute"]) if file.exists() and checkpoint.exists() else None


def show_first_batch(config: Config, tools: ToolSet, train: Sequence[CallRow]) -> Text:
    """Two rows of a training's first batch, what is learnt coloured."""
    tokenizer = load_tokenizer(resolve_base(config.base))
    task = CallTask(tools, config.tools_in_prompt, grounding=learn_grounding(train, tools))
    rows = next(_epochs(config, tools, train))
    examples = encode(task, rows, tokenizer, _template(config, tokenizer), config.train.max_tokens)
    return show_batch(examples, tokenizer, config.train.batch_tokens, config.seed)


def _epochs(config: Config, tools: ToolSet, train: Sequence[CallRow]) -> Iterator[Sequence[CallRow]]:
    """The rows of each epoch."""
    kind = config.train.augment
    augmenter = None if kind == "none" else Augmenter(train, tools, wording=kind == "full")
    for epoch in range(math.ceil(config.train.epochs)):
        yield augmenter.epoch(config.seed + epoch) if augmenter else train


def _template(config: Config, tokenizer: Any) -> Template:
    """The template to train with."""
    own = template_of(tokenizer)
    if config.template == "auto":
        return TERSE if own is CHATML and config.tools_in_prompt == "none" else own
    wanted = TEMPLATES[config.template]
    missing = [mark for mark in wanted.marks if mark not in tokenizer.get_vocab()]
    if missing:
        raise InputError(
            f"template: {wanted.name} needs {', '.join(missing)}, which the base's tokenizer does not know"
        )
    return wanted


def run_key(config: Config, tools: ToolSet, train: Sequence[CallRow], valid: Sequence[CallRow]) -> str:
    """Hash of everything that decides the weights."""
    rows = [[row.to_json() for row in part] for part in (train, valid)]
    return sha256_value([config.model_dump(exclude={"data"}), tools.to_openai(), rows])


def encode(
    task: CallTask, rows: Sequence[CallRow], tokenizer: Any, template: Template, max_tokens: int
) -> list[Example]:
    """Rows as token ids: prompt and completion apart, as at run time.

    Raises:
        Problems: rows longer than `max_tokens`, all at once.
    """
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


def _name(row: CallRow) -> str:
    """What a row is called in messages."""
    return row.where or repr(row.text[:40])


def _parameters(model: Any) -> int:
    return sum(parameter.numel() for parameter in model.parameters())


def _log(live: Any, entry: dict[str, float]) -> None:
    live.write(dump_compact(entry) + "\n")
    live.flush()
