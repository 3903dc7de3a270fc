"""A run of the task `embed`: a sentence encoder tuned on pairs or on bare texts, or a table of token vectors made from one.

runs/NAME/  manifest.json, config.json, metrics.jsonl, data/, model/ (what sentence-transformers and `open_embedder` read;
of the method `static`, what model2vec reads). Interrupted, the same call goes on; unchanged, the run is reused.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.core.files import sha256_value, write_json, write_jsonl
from pocketlm.core.machine import describe, memory_peak
from pocketlm.core.manifest import write_manifest
from pocketlm.core.progress import say
from pocketlm.data.pairs import PairData, prepare_pairs
from pocketlm.evaluate.store import identity_of
from pocketlm.models.head import SETTINGS
from pocketlm.models.load import lineage
from pocketlm.train.classifier_run import LADDER
from pocketlm.train.embed_jobs import adapt, contrastive, load_encoder
from pocketlm.train.job import Job
from pocketlm.train.run import ASIDE, Run, trained_before
from pocketlm.train.track import LIVE

if TYPE_CHECKING:
    from pocketlm.train.loop import History

BASE = "starter:minilm-l6"
DEFAULTS: dict[str, dict[str, Any]] = {  # what a setting is where the user says nothing
    "full": {"lr": 3e-5, "epochs": 2, "weight_decay": 0.01, "warmup": 0.1, "max_tokens": 256},
    "lora": {"lr": 5e-4, "epochs": 2, "rank": 16, "alpha": 16, "warmup": 0.1, "max_tokens": 256},
    "adapt": {"lr": 2e-5, "epochs": 2, "weight_decay": 0.01, "warmup": 0.1, "max_tokens": 160},
    "static": {"lr": 3e-3, "epochs": 30, "warmup": 0.05, "max_tokens": 512},
}


def embed_project(project: Path, config: Config, name: str = "") -> tuple[Path, PairData]:
    """A project's run folder and its data, read and split; raises as `prepare_pairs`."""
    home = project if project.is_dir() else project.parent
    folder = home / "runs" / (name or home.resolve().name)
    return folder, prepare_pairs(home / config.data.raw, folder / "data", config.data, home, config.seed)


def derived(config: Config) -> Config:
    """The settings with the task's own defaults where the user said nothing.

    Raises:
        InputError: a method that is not for embeddings.
    """
    told = config.train.model_fields_set
    method = config.train.method if "method" in told else "full"
    if method not in DEFAULTS:
        raise InputError(f"train.method: {method} is not for the task embed; choose one of {', '.join(DEFAULTS)}")
    values = {"method": method} | {key: value for key, value in DEFAULTS[method].items() if key not in told}
    base = config.base if "base" in config.model_fields_set else BASE
    # checked again, and known as the user's own from now on
    train = type(config.train).model_validate({**config.train.model_dump(exclude_unset=True), **values})
    return config.model_copy(update={"base": base, "train": train})


def train_embed(config: Config, data: PairData, folder: Path, *, must_resume: bool = False) -> Run:
    """Train as `config` says and fill `folder`; reuse it when nothing changed, resume it when it was interrupted.

    Raises:
        InputError: nothing to learn from, a base that makes no vectors of this kind, settings that do not fit.
    """
    config = derived(config)
    settings = config.train
    told = config.model_dump(exclude={"data": True, "cost": True, "train": ASIDE})
    # the share: of bare texts, what is held out is drawn in here
    key = sha256_value([told, data.sha256, identity_of(config.base), config.data.valid_share])
    if found := trained_before(folder, key):
        return found

    import torch

    from pocketlm.train.checkpoint import Checkpoints
    from pocketlm.train.compute import choose_threads
    from pocketlm.train.loop import train_steps
    from pocketlm.train.track import tracked

    checkpoints = Checkpoints(folder, key, keep=settings.save_total_limit)
    if checkpoints.files:
        say(f"{folder}: an interrupted training was found, going on")
    elif must_resume:
        raise InputError(f"{folder}: no interrupted training with these data and settings; start one without --resume")
    torch.set_flush_denormal(True)
    chosen = checkpoints.choices or {"threads": choose_threads(settings.threads), "compute": choose_float(config)}
    torch.set_num_threads(chosen["threads"])
    torch.manual_seed(config.seed)
    job = METHODS[settings.method](config, data, chosen["compute"])
    if settings.patience and job.measure is None:
        raise InputError("train.patience: there is nothing held out to watch; give data.valid or leave it out")
    before = judged(job)
    folder.mkdir(parents=True, exist_ok=True)
    checkpoints.forget_others()
    if not checkpoints.files:
        (folder / LIVE).unlink(missing_ok=True)  # of a training that was given up
    checkpoints.choices = chosen
    with tracked(settings.track, folder, config) as log:
        history = train_steps(
            job.objective, job.plan, settings, seed=config.seed, checkpoints=checkpoints, log=log, measure=job.measure,
            score=(lambda: next(iter(judged(job).values()))) if settings.watch == "exact" else None,
        )  # fmt: skip
    job.finish()
    after = judged(job)
    kept = not job.keeps_base or main_of(after, 1.0) > main_of(before, 0.0)
    if not kept:
        say(f"{folder}: the base finds held-out texts as well, so its own weights are kept")
    _write(folder, config, job if kept else None, history)
    quality = {"before": before, "after": after, "kept": kept}
    write_manifest(
        folder, facts(config, data, history) | {"key": key, "compute": chosen["compute"], "quality": quality}
    )
    checkpoints.clear()
    return Run(folder)


def choose_float(config: Config) -> str:
    """The arithmetic of products: bf16 or fp32."""
    from pocketlm.train.method import choose

    return choose(config.train).setting.rpartition("+")[2]


def judged(job: Job) -> dict[str, float]:
    """What is measured of the vectors on the rows held out, the main figure first; nothing where there are none."""
    from pocketlm.evaluate.evaluate import evaluate

    task: Any
    task, rows = job.judged
    if not rows:
        return {}
    report = evaluate(task, Live(job.embed), rows, title="Judging")
    return {report.main: report.value} | {name: value for name, value in report.metrics.items() if name != report.main}


def main_of(figures: dict[str, float], nothing: float) -> float:
    """The main figure."""
    return next(iter(figures.values()), nothing)


@dataclass(frozen=True)
class Live:
    """Vectors of a model in training, as an embedder."""

    embed: Callable[[Sequence[str]], Any]
    uri: str = "in training"


def facts(config: Config, data: PairData, history: History) -> dict[str, Any]:
    """What a run's manifest says of its training."""
    last = history.steps[-1]
    return {
        "kind": "run",
        "task": config.task,
        "method": config.train.method,
        "lineage": lineage(config.base),
        "seed": config.seed,
        "machine": describe(),
        "rows": {split: len(data.rows(split)) for split in ("train", "valid", "test")} | {"texts": len(data.texts)},
        "metrics": {
            "train_seconds": round(history.seconds, 1),
            "tokens_per_s": last["tokens_per_s"],
            "steps": len(history.steps),
            "valid_loss": history.valid_loss,
            "memory_gb": round(memory_peak() / 1e9, 2),
            **config.cost.of(history.seconds),
        },
    }


def _write(folder: Path, config: Config, job: Job | None, history: History) -> None:
    """Fill a run's folder, all but its manifest. `job`: None where the base is better."""
    from pocketlm.train.encoder import Encoder

    (folder / "manifest.json").unlink(missing_ok=True)  # of an older training: it would vouch for the new weights
    for stale in (LIVE, SETTINGS, LADDER):  # the last two: of a classifier that was trained here before
        (folder / stale).unlink(missing_ok=True)
    write_jsonl(folder / "metrics.jsonl", history.steps)
    (job or Encoder.load(config.base)).save(folder / "model")
    write_json(folder / "config.json", config.model_dump())


def _static(config: Config, data: PairData, floats: str) -> Job:
    from pocketlm.train.static import distilled

    return distilled(config, data, load_encoder(config, floats))


METHODS: dict[str, Callable[[Config, PairData, str], Job]] = {
    "full": contrastive,
    "lora": contrastive,
    "adapt": adapt,
    "static": _static,
}
