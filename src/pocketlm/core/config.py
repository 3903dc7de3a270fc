"""The project's settings: `pocketlm.yaml`, then `--set key=value` over it. Few keys, each with a default.

All faults of a file are told at once, each with the nearest valid name.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pocketlm.core.errors import InputError, Problems
from pocketlm.core.unread import check_read

CONFIG_NAME = "pocketlm.yaml"

ENCODER = "starter:minilm-l6"
# task -> its methods, the default first
WRITING = ("lora", "full", "qlora-8bit", "qlora-4bit")
METHODS = {
    "call": WRITING,
    "instruct": WRITING,
    "embed": ("full", "lora", "adapt", "static"),
    "classify": ("ladder", "majority", "rules", "tfidf", "static", "embedding", "setfit", "full", "lora", "distill"),
}
RATES = {"full": 1e-4, "setfit": 1e-4, "ladder": 1e-4}  # of encoders' methods, the default of train.lr
Rung = Literal["majority", "rules", "tfidf", "static", "embedding", "setfit", "full", "lora"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class DataConfig(_Section):
    """Where the examples are. Paths are relative to the file's folder."""

    raw: str = Field("data/raw", description="file or folder of examples: .jsonl or .json")
    valid: str | None = Field(None, description="file of validation rows; without it a share of raw")
    test: str | None = Field(None, description="file of test rows; without it a share of raw")
    valid_share: float = Field(0.05, gt=0, lt=0.5, description="share of raw held out to watch the training")
    test_share: float = Field(0.1, gt=0, lt=0.5, description="share of raw held out for the final score")
    unlabelled: str | None = Field(
        None, description="file or folder of texts without labels, on which a teacher teaches too (classify, distill)"
    )


class TrainConfig(_Section):
    """How the model is trained."""

    method: Literal[
        "lora", "full", "qlora-8bit", "qlora-4bit", "majority", "rules", "tfidf", "static", "embedding", "setfit",
        "distill", "ladder", "adapt",
    ] = Field(
        "lora",
        description="lora, an adapter; full, every weight; qlora-8bit or qlora-4bit, an adapter on a base that bitsandbytes "
        "holds in few bits; of the task classify also ladder (from the cheapest up), majority, rules, tfidf, static, "
        "embedding, setfit, distill; of embed adapt, from texts without labels, and static, a table of token vectors",
    )  # fmt: skip
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
    rounded: float = Field(
        0.0,
        ge=0,
        le=1,
        description="share of the steps, the last ones, in which matrices stand on the grid of 4-bit blocks, so that a file of "
        "the type q4_0 is what was trained; for method full",
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


class ClassifyConfig(_Section):
    """How texts are sorted under labels."""

    balance: bool = Field(False, description="every label counts the same, however many rows it has")
    outside_recall: float | None = Field(
        None,
        gt=0,
        le=1,
        description="of the rows that fit no label, the share to be recognised; by default what makes the mean of that share "
        "and of the accuracy on the others highest",
    )
    certain: float | None = Field(
        None,
        gt=0,
        lt=1,
        description="with labels such as food/recipes: answer with the deepest of parent and label that is so likely",
    )
    rungs: list[Rung] = Field(
        ["majority", "rules", "tfidf", "static", "embedding", "setfit", "full"],
        min_length=1,
        description="what a ladder tries, in this order; setfit only where a label has 32 rows or fewer on average",
    )
    enough: float | None = Field(
        None, gt=0, le=1, description="a ladder stops at the first rung with this accuracy on the validation rows"
    )
    steps: int = Field(100, ge=1, description="steps of setfit's contrastive training")
    pairs: int = Field(16, ge=2, description="texts a step of setfit draws, each with another one of its label")
    teacher: str | None = Field(
        None,
        description="whom distill learns from: another classifier's run, or a language model, such as starter:smollm2-135m",
    )
    teacher_prompt: str | None = Field(
        None,
        description="what a language model that teaches goes on from with a label, with {text} in it, such as "
        '"Review: {text}\\nSentiment:"; by default it is asked to sort the text',
    )
    student: Literal["full", "lora", "tfidf", "static", "embedding"] = Field(
        "full", description="what distill makes, by the method's name"
    )


class EmbedConfig(_Section):
    """How embeddings are trained, for the task embed."""

    objective: Literal["auto", "ranking", "triplet", "cosent", "cosine"] = Field(
        "auto",
        description="ranking, the positive before all others of the batch; triplet, before a row's own negatives; of scored "
        "pairs cosent, their order, or cosine, the score itself; auto: ranking, or cosent where pairs have scores",
    )
    batch: int = Field(32, ge=2, description="pairs a batch; of each, the others are the negatives")
    temperature: float = Field(0.05, gt=0, description="by which cosines are divided; lower: the hardest count most")
    symmetric: bool = Field(False, description="a positive must find its anchor too")
    negatives: int = Field(
        0, ge=0, description="hard negatives an anchor beside those of the rows: the nearest texts that are not its own"
    )
    margin: float = Field(
        0.05,
        ge=0,
        lt=1,
        description="a text is a hard negative only if it is by this share less near than the positive; triplet: the margin "
        "of cosine",
    )
    dims: list[int] = Field(
        [], description="widths to which vectors can be cut afterwards (Matryoshka), such as [64, 128]"
    )
    width: int = Field(256, ge=2, description="numbers of a vector that the method static makes")


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

    task: Literal["call", "instruct", "classify", "embed"] = Field(
        "call",
        description="what a row is: call, functions; instruct, free text such as answers and summaries; classify; embed",
    )
    base: str = Field(
        "starter:smollm2-135m",
        description=f"the model to start from: starter:NAME, hf:NAME or a folder; of the tasks classify and embed {ENCODER}",
    )
    tools: str | None = Field(
        "tools.json", description="the app's functions in the OpenAI format; null: read from the rows"
    )
    tools_in_prompt: Literal["full", "names", "none"] = Field(
        "none", description="a model tuned for fixed tools needs no list of them in the prompt"
    )
    template: Literal["auto", "chatml", "terse", "twice", "gemma"] = Field(
        "auto",
        description="what stands around requests and answers; auto: the base's own chat format, or terse (two tokens instead "
        "of ChatML's eight) where the prompt holds no tools; twice, terse with the request read twice: more rows right, a third "
        "more tokens",
    )
    seed: int = Field(0, ge=0, description="one seed for everything")
    data: DataConfig = DataConfig()
    train: TrainConfig = TrainConfig()
    classify: ClassifyConfig = ClassifyConfig()
    embed: EmbedConfig = EmbedConfig()
    cost: CostConfig = CostConfig()

    @model_validator(mode="before")
    @classmethod
    def _of_task(cls, values: Any) -> Any:
        """Defaults that depend on the task."""
        train = (values.get("train") or {}) if isinstance(values, dict) else None
        if isinstance(train, dict) and values.get("task") == "embed":
            return {"base": ENCODER, **values, "train": {"method": METHODS["embed"][0], **train}}
        if not isinstance(train, dict) or values.get("task") != "classify":
            return values
        method = train.get("method", METHODS["classify"][0])
        taught = (values.get("classify") or {}).get("student", "full") if method == "distill" else method
        train = {"method": method, "lr": RATES.get(taught, 1e-3), "epochs": 4, **train}
        data = values.get("data")
        if data is None or isinstance(data, dict):  # more is chosen on these rows than when to stop
            values = {**values, "data": {"valid_share": 0.15, **(data or {})}}
        return {"base": ENCODER, **values, "train": train}


def check_method_of_task(config: Config) -> None:
    """A method that its task knows, with what it needs, and no settings that the task does not read.

    Raises:
        InputError: it does not, or there are some.
    """
    method, task = config.train.method, config.task
    if method not in (fit := METHODS[task]):
        raise InputError(f"train.method: {method} is not for the task {task}; there are {', '.join(fit)}")
    if (prompt := config.classify.teacher_prompt) and "{text}" not in prompt:
        raise InputError(f"classify.teacher_prompt: {prompt!r} has no {{text}}; write it where the text goes")
    if method == "distill" and not config.classify.teacher:
        raise InputError("train.method: distill needs classify.teacher, such as runs/NAME of a larger classifier")
    check_read(config)


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
            raise InputError(
                f"{path}: no such file; make a project with `pocketlm init DIR --task {'|'.join(METHODS)}`"
            )
        try:
            values = yaml.safe_load(path.read_text(encoding="utf-8-sig")) or {}
        except yaml.YAMLError as error:
            raise InputError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from error
        if not isinstance(values, dict):
            raise InputError(f"{path}: expected keys and values, such as `base: starter:smollm2-135m`")
    for override in overrides:
        _apply(values, override)
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        raise Problems(str(path or "--set"), list(_sentences(error))) from error
    check_method_of_task(config)
    return config


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
    sections: dict[str, type[BaseModel]] = {
        "data": DataConfig, "train": TrainConfig, "classify": ClassifyConfig, "embed": EmbedConfig,
        "cost": CostConfig,
    }  # fmt: skip
    return sections.get(name, Config)


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, n=1)
    return f'did you mean "{near[0]}"?' if near else f"known keys: {', '.join(known)}"
