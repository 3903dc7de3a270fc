"""The project's settings: `pocketlm.yaml`, then `--set key=value` over it. Few keys, each with a default.

All faults of a file are told at once, each with the nearest valid name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pocketlm.core.errors import InputError, Problems

CONFIG_NAME = "pocketlm.yaml"


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Where the examples are. Paths are relative to the file's folder."""

    raw: str = Field("data/raw", description="file or folder of examples: .jsonl or .json")
    valid: str | None = Field(None, description="file of validation rows; without it a share of raw")
    test: str | None = Field(None, description="file of test rows; without it a share of raw")
    valid_share: float = Field(0.05, gt=0, lt=0.5, description="share of raw held out to watch the training")
    test_share: float = Field(0.1, gt=0, lt=0.5, description="share of raw held out for the final score")


class TrainConfig(_Section):
    """How the model is trained."""

    method: Literal["lora", "full", "qlora-8bit", "qlora-4bit"] = Field(
        "lora",
        description="lora, an adapter; full, every weight; qlora-8bit or qlora-4bit, an adapter on a base that bitsandbytes "
        "holds in few bits",
    )
    epochs: float = Field(2.0, gt=0, le=100, description="passes over the training rows")
    lr: float = Field(1e-3, gt=0, lt=1, description="peak learning rate")
    schedule: Literal["cosine", "linear", "constant", "wsd"] = Field(
        "cosine",
        description="how the rate falls after the warm-up: cosine, to a twentieth; linear, to nothing; constant; wsd, not at "
        "all until the last fifth, then linearly to nothing",
    )
    warmup: float = Field(0.06, ge=0, lt=1, description="share of the steps in which the rate rises")
    weight_decay: float = Field(0.0, ge=0, lt=1, description="AdamW's decay of the trained weights")
    rank: int = Field(64, ge=1, le=512, description="rank of the LoRA matrices")
    alpha: float = Field(64.0, gt=0, description="LoRA scale; the update counts alpha / rank")
    rank_stabilized: bool = Field(False, description="the update counts alpha / sqrt(rank) instead, for high ranks")
    dropout: float = Field(0.0, ge=0, lt=1, description="share of an adapter's inputs left out in training; slower")
    dora: bool = Field(False, description="train each output's length apart from its direction (DoRA); slower")
    targets: list[str] = Field(
        ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"],
        min_length=1,
        description="layers that get an adapter, by the last part of their name, or the sets all, attention, mlp",
    )
    last_layers: int | None = Field(None, ge=1, description="adapt only the last N blocks; faster, a little weaker")
    augment: Literal["none", "values", "full"] = Field(
        "full",
        description="say rows whose values are copied from the request otherwise in each epoch: values, other values of the "
        "same argument; full, the words around them too, and two requests in one",
    )
    batch_tokens: int = Field(512, ge=16, description="tokens a batch; 512 or from 1536 on is fastest on most CPUs")
    micro_tokens: int | None = Field(
        None,
        ge=16,
        description="tokens of a batch computed at once; by default what a probe finds fastest, once a machine",
    )
    threads: int | None = Field(None, ge=1, description="processor threads; by default what a probe finds fastest")
    accumulate: int = Field(1, ge=1, description="batches whose gradients are added up before a step")
    max_tokens: int = Field(
        1024, ge=16, description="longest row in tokens; a longer one is an error before the first step"
    )
    clip: float = Field(1.0, gt=0, description="gradient norm limit")
    label_smoothing: float = Field(
        0.0, ge=0, lt=1, description="share of a label's odds spread over the whole vocabulary"
    )
    neftune: float = Field(0.0, ge=0, description="noise on the embeddings while training (alpha); 5 is usual")
    validations: int = Field(
        6, ge=1, description="into how many parts a training is cut by measuring the validation loss"
    )
    save_seconds: float = Field(60.0, ge=0, description="time between checkpoints, which an interruption cannot lose")
    save_total_limit: int = Field(1, ge=1, description="checkpoints that are kept while training; the last one serves")
    watch: Literal["loss", "exact"] = Field(
        "loss",
        description="what patience waits for: a lower validation loss, or a larger share of validation rows answered "
        "exactly, which takes longer to measure",
    )
    patience: int | None = Field(
        None, ge=1, description="stop after this many validations without a better one, and keep the best weights"
    )
    track: list[Literal["tensorboard", "trackio", "wandb"]] = Field(
        [], description="where the metrics go besides metrics.jsonl"
    )
    device: Literal["auto", "cpu", "cuda", "mps"] = Field(
        "auto", description="where it is trained; auto: an accelerator that torch sees, else the processor"
    )
    compute: Literal["auto", "fp32", "bf16", "int8", "int8+fp32", "int8+bf16"] = Field(
        "auto",
        description="arithmetic of products, int8 for frozen ones only; auto takes what a short probe finds fastest",
    )
    checkpointing: bool = Field(
        False, description="compute every block again for its gradient: half the memory, a third slower"
    )
    compile: bool = Field(
        False, description="let torch compile the base's own blocks, which takes a minute, instead of fusing them"
    )


class CostConfig(_Section):
    """What a training's time costs."""

    watts: float = Field(
        45.0, ge=0, description="power this machine draws while training; laptops 30 to 60, an estimate"
    )
    per_kwh: float = Field(0.3, ge=0, description="price of a kilowatt-hour, in your currency")
    per_hour: float = Field(0.0, ge=0, description="price of an hour, for rented machines, in your currency")

    def of(self, seconds: float) -> dict[str, float]:
        """Energy ("kwh") and price ("cost") of so many seconds."""
        kwh, hours = self.watts / 1000 * seconds / 3600, seconds / 3600
        return {"kwh": round(kwh, 5), "cost": round(kwh * self.per_kwh + hours * self.per_hour, 4)}


class Config(_Section):
    """One project."""

    task: Literal["call"] = Field("call", description="what a row is")
    base: str = Field("starter:smollm2-135m", description="the model to start from: starter:NAME, hf:NAME or a folder")
    tools: str | None = Field(
        "tools.json", description="the app's functions in the OpenAI format; null: read from the rows"
    )
    tools_in_prompt: Literal["full", "names", "none"] = Field(
        "none", description="a model tuned for fixed tools needs no list of them in the prompt"
    )
    template: Literal["auto", "chatml", "terse", "gemma"] = Field(
        "auto",
        description="what stands around requests and answers; auto: the base's own chat format, or terse (two tokens instead "
        "of ChatML's eight) where the prompt holds no tools",
    )
    seed: int = Field(0, ge=0, description="one seed for everything")
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    cost: CostConfig = CostConfig()


def load_config(path: Path | None, overrides: Sequence[str] = ()) -> Config:
    """Read a project's settings; without a file the defaults.

    Args:
        path: a YAML file, or a folder that holds `pocketlm.yaml`.
        overrides: "train.lr=1e-4" and the like.

    Raises:
        InputError, Problems: what is wrong and the nearest valid key.
    """
    values: Any = {}
    if path is not None:
        path = path / CONFIG_NAME if path.is_dir() else path
        if not path.is_file():
            raise InputError(f"{path}: no such file; make a project with `pocketlm init DIR --task call`")
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
        if not isinstance(values, dict):
            raise InputError(f"{path}: expected keys and values, such as `base: starter:smollm2-135m`")
    for override in overrides:
        _apply(values, override)
    try:
        return Config.model_validate(values)
    except ValidationError as error:
        raise Problems(str(path or "--set"), list(_sentences(error))) from error


def _apply(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals:
        raise InputError(f"--set {override}: expected key=value, such as train.lr=1e-4")
    *parents, leaf = key.strip().split(".")
    for parent in parents:
        values = values.setdefault(parent, {})
        if not isinstance(values, dict):
            raise InputError(f"--set {override}: {parent} is not a section")
    value = yaml.safe_load(text)
    try:  # YAML 1.1 reads 1e-4 as text
        values[leaf] = float(value) if isinstance(value, str) and "e" in value.lower() else value
    except ValueError:
        values[leaf] = value


def _sentences(error: ValidationError) -> Iterator[str]:
    for fault in error.errors():
        key = ".".join(map(str, fault["loc"]))
        if fault["type"] == "extra_forbidden":
            section = Config.model_fields if len(fault["loc"]) == 1 else _section(str(fault["loc"][0])).model_fields
            yield f'unknown key "{key}"; {_nearest(str(fault["loc"][-1]), list(section))}'
        else:
            yield f"{key}: {fault['msg'][0].lower()}{fault['msg'][1:]}, got {fault['input']!r:.60}"


def _section(name: str) -> type[BaseModel]:
    sections: dict[str, type[BaseModel]] = {"data": DataConfig, "train": TrainConfig, "cost": CostConfig}
    return sections.get(name, Config)


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(known)}"
