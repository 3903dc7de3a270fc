"""Settings that a project gives and its task or method does not read: told, so that nobody waits for what they do.

A value that is the default anyway changes nothing and is no fault. The task `call` reads all but the others' sections.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from pocketlm.core.errors import InputError

Config = Any  # core.config's, which imports this file

EVERYWHERE = {
    "task", "seed", "train.method", "data.raw", "data.valid", "data.test", "data.valid_share", "data.test_share",
    "cost.watts", "cost.per_kwh", "cost.per_hour",
}  # fmt: skip
STEPS = {
    f"train.{key}"
    for key in (
        "lr", "schedule", "warmup", "weight_decay", "clip", "threads", "max_tokens", "validations", "save_seconds",
        "save_total_limit", "watch", "patience", "track", "device", "compute",
    )
} | {"base"}  # fmt: skip
ADAPTER = {f"train.{key}" for key in ("rank", "alpha", "rank_stabilized", "dropout", "dora", "targets", "last_layers")}
SORTING = STEPS | {
    f"train.{key}" for key in ("epochs", "batch_tokens", "accumulate", "label_smoothing", "checkpointing")
}
PAIRS = (
    STEPS
    | {f"train.{key}" for key in ("epochs", "accumulate", "checkpointing")}
    | {f"embed.{key}" for key in ("objective", "batch", "temperature", "symmetric", "negatives", "margin", "dims")}
)
ANSWER = {"classify.outside_recall", "classify.certain"}  # how odds become labels
LEARNT = ANSWER | {"classify.balance"}
# task -> method -> what it reads besides
READ: dict[str, dict[str, set[str]]] = {
    "classify": {
        "majority": ANSWER,
        "rules": ANSWER,
        "tfidf": LEARNT,
        "static": LEARNT,
        "embedding": LEARNT | {"base"},
        "setfit": LEARNT | STEPS | {"train.checkpointing", "classify.steps", "classify.pairs"},
        "full": LEARNT | SORTING,
        "lora": LEARNT | SORTING | ADAPTER,
    },
    "embed": {
        "full": PAIRS,
        "lora": PAIRS | ADAPTER,
        "adapt": PAIRS,
        "static": STEPS | {"train.epochs", "embed.width"},
    },
}
COMPOSED = {"classify": ("distill", "ladder"), "embed": ()}  # methods that are made of others
WHY = {"train.lr": "each rung has its own rate; name one with --method to set it"}  # of a ladder


def check_read(config: Config) -> None:
    """Settings that no method of the task reads.

    Raises:
        InputError: there are some; the message names them.
    """
    if config.task not in READ:
        return
    if config.train.compute.startswith("int8"):
        raise InputError(
            f"train.compute: {config.train.compute} is for the task call; for {config.task} write auto, bf16 or fp32"
        )
    if config.train.watch == "exact" and not config.train.patience:
        raise InputError("train.watch: exact says when to stop, so it needs train.patience, such as 2")
    every = set[str]().union(*(_read_by(config, method) for method in (*READ[config.task], *COMPOSED[config.task])))
    if wrong := [key for key in told(config) if key not in every]:
        raise InputError(f"{', '.join(wrong)}: the task {config.task} does not read this; take it out")


def unread(config: Config) -> list[str]:
    """A sentence for each setting that other methods of the task read and this one does not."""
    if config.task not in READ:
        return []
    method = config.train.method
    reads = _read_by(config, method)
    reasons = WHY if method == "ladder" else {}
    return [
        f"{key}: the method {method} does not read it" + (f"; {reasons[key]}" if key in reasons else "")
        for key in told(config)
        if key not in reads
    ]


def told(config: Config) -> list[str]:
    """The settings that differ from the defaults of task and method."""
    student = (
        {"student": config.classify.student} if config.train.method == "distill" else {}
    )  # its rate is the default
    plain = type(config).model_validate(
        {"task": config.task, "train": {"method": config.train.method}, "classify": student}
    )
    ours, theirs = (_flat(one) for one in (config, plain))
    # null is what a project writes that has no tools
    return [key for key, value in ours.items() if value != theirs[key] and value is not None]


def _read_by(config: Config, method: str) -> set[str]:
    methods = READ[config.task]
    if method == "ladder":
        rungs = set[str]().union(*(methods[rung] for rung in config.classify.rungs))
        return (rungs - {"train.lr"}) | EVERYWHERE | {"classify.rungs", "classify.enough"}
    if method == "distill":
        taught = methods[config.classify.student]
        return (
            taught | EVERYWHERE | {"classify.teacher", "classify.teacher_prompt", "classify.student", "data.unlabelled"}
        )
    return methods[method] | EVERYWHERE


def _flat(section: BaseModel, prefix: str = "") -> dict[str, Any]:
    """Dotted key -> value."""
    found: dict[str, Any] = {}
    for key in type(section).model_fields:
        value = getattr(section, key)
        found |= _flat(value, f"{prefix}{key}.") if isinstance(value, BaseModel) else {prefix + key: value}
    return found
