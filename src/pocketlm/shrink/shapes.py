"""What is cut from a model, and the ladder of cuts that the search goes down: tokens, blocks and channels together."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

from pocketlm.core.files import read_json, sha256_value
from pocketlm.core.progress import say
from pocketlm.evaluate.suites import spread
from pocketlm.models.load import load_model, load_tokenizer, resolve_base
from pocketlm.shrink.depth import choose_blocks, prune_depth
from pocketlm.shrink.heal import LONGER, heal
from pocketlm.shrink.vocabulary import foresee_tokens, prune_vocabulary
from pocketlm.shrink.width import MULTIPLE, prune_width
from pocketlm.tasks.call import CallRow
from pocketlm.train.batches import Example
from pocketlm.train.run import Run, encode, encode_all

TOKENS = 6  # the vocabulary is cut to this part; more stay where the job needs more
FORESEEN = 2000  # requests by which it is told what else users may say
RARE = 3  # texts that must hold a token for it to count as the job's: the healing teaches to do without the others
SHARES = (0.75, 0.6, 0.45, 0.35)  # of the blocks' weights that are left
# Blocks left go with this power of the share, channels with what remains: on SmolLM2-135M half of all channels cost a tuned
# model less (loss 0.15 to 0.25 before healing) than four of thirty blocks (0.33).
DEPTH = 0.15
HEADS = 0.5  # the same of key and value heads: one of three gone cost 0.02
TAUGHT = 0.5  # share of the healing's loss that is the original's odds, the rest the rows' own tokens
# What the distance of the states counts beside it. Counted once, six minutes of healing: 88.3 % of the validation rows and
# 71.3 % of 150 requests held apart, as the run answers them; without it 85.0 and 67.3 %. Three times is not compared yet.
STATES = 3.0
BITS = 4.55  # a weight, of a file of the type that a healed model stands on the grid of, its tokenizer included
CALIBRATION = 96  # rows by which blocks are chosen
REFITTED = 512  # rows by which channels are, and what is left refitted


@dataclass(frozen=True)
class Shape:
    """What is left of a model.

    Attributes:
        tokens, blocks, channels, heads: of the vocabulary, the decoder, each MLP, and keys and values.
    """

    tokens: int
    blocks: int
    channels: int
    heads: int

    @classmethod
    def of(cls, folder: Path) -> Shape:
        """The shape of a model's folder."""
        config = read_json(folder / "config.json")
        blocks, channels = config["num_hidden_layers"], config["intermediate_size"]
        return cls(config["vocab_size"], blocks, channels, _key_heads(config))

    def __str__(self) -> str:
        heads = f"{self.heads} key head{'s' * (self.heads > 1)}"
        return f"{self.tokens:,} tokens, {self.blocks} blocks of {self.channels:,} channels and {heads}"


def ladder(folder: Path, max_mb: float | None = None) -> list[Shape]:
    """Shapes to try, each smaller than the one before: whole, then with fewer tokens, thinner and a little shallower.

    With `max_mb` the largest that comes below it at `BITS` a weight stands behind the whole one, since to heal those between
    would be time lost.
    """
    whole, config = Shape.of(folder), read_json(folder / "config.json")
    shares = list(SHARES)
    if max_mb is not None:
        most = 8e6 * max_mb / BITS
        fits = (at / 100 for at in range(99, 0, -1) if _weights(_shape(whole, config, at / 100), config) <= most)
        largest = next(fits, 0.0)
        shares = [largest, *(share for share in SHARES if share < largest)] if largest else []
    shapes = accumulate((_shape(whole, config, share) for share in shares), _within, initial=whole)
    return list(dict.fromkeys(shapes))


def _within(above: Shape, shape: Shape) -> Shape:
    """A shape that can be cut from the one above it."""
    pairs = zip(astuple(above), astuple(shape), strict=True)
    return Shape(*(min(pair) for pair in pairs))


def _shape(whole: Shape, config: Mapping[str, Any], share: float) -> Shape:
    """What is left where the blocks keep a share of their weights."""
    width, attention = config["hidden_size"], _attention(config)
    step = 256 if whole.channels % 256 == 0 else MULTIPLE  # of a quantized block
    mixed = len({*(config.get("layer_types") or ())}) > 1  # the runtime knows only layers whose kinds go by turns
    blocks = whole.blocks if mixed else max(1, round(whole.blocks * share**DEPTH))
    heads = max(1, round(whole.heads * share**HEADS))
    block = share * whole.blocks / blocks * (attention * whole.heads + 3 * width * whole.channels)
    channels = min(whole.channels // step, max(1, round((block - attention * heads) / (3 * width * step)))) * step
    return Shape(whole.tokens // TOKENS, blocks, channels, heads)


def _weights(shape: Shape, config: Mapping[str, Any]) -> int:
    """Of a cut model, the embedding once where it is the output matrix too."""
    width, tables = int(config["hidden_size"]), 1 if config.get("tie_word_embeddings", True) else 2
    return tables * shape.tokens * width + shape.blocks * (
        _attention(config) * shape.heads + 3 * width * shape.channels
    )


def _attention(config: Mapping[str, Any]) -> int:
    """Weights of a key head with its value head and queries."""
    width, queries = config["hidden_size"], config["num_attention_heads"] // _key_heads(config)
    head = config.get("head_dim") or width // config["num_attention_heads"]
    return int(2 * width * head * (queries + 1))


def _key_heads(config: Mapping[str, Any]) -> int:
    return int(config.get("num_key_value_heads") or config["num_attention_heads"])


@dataclass(frozen=True)
class Rows:
    """The rows that a search may look at.

    Attributes:
        train: those that were trained on.
        valid: those by which it chooses.
        more: others that teach the healing (`imagine`).
        apart: others by which it chooses too, each kind for itself; what they ask for is what the original makes of them.
    """

    train: Sequence[CallRow]
    valid: Sequence[CallRow]
    more: Sequence[CallRow] = ()
    apart: Sequence[CallRow] = ()

    @property
    def taught(self) -> list[CallRow]:
        """All that teach the healing."""
        return [*self.train, *self.more]

    @property
    def judging(self) -> list[CallRow]:
        """All by which it chooses, the validation rows first."""
        return [*self.valid, *self.apart]


def build(shape: Shape, parent: Run, original: Run, rows: Rows, home: Path, *, minutes: float) -> Run:
    """Cut a run's model to a shape, where it is not of it yet, and heal it; what was built before is reused.

    Args:
        parent: the run that is cut; `original`: the one that teaches the healing.
        minutes: of healing.

    Raises:
        InputError: a model that cannot be cut.
    """
    healed = _place(shape, parent, rows, home)
    if _is_whole(healed):
        return Run.open(healed)
    cut = healed.with_name(healed.name.replace("run-", "cut-"))
    student = parent.model if shape == Shape.of(parent.model) else cut
    if not (student / "config.json").is_file():
        say(f"Cutting to {shape}")
        _cut(shape, parent, original, rows, cut)
    run = heal(student, original, rows.taught, rows.judging, healed, minutes=minutes, share=TAUGHT, states=STATES)
    if not (healed / "data").is_dir():
        shutil.copytree(original.folder / "data", healed / "data")
    shutil.rmtree(cut, ignore_errors=True)
    return run


def was_built(shape: Shape, parent: Run, rows: Rows, home: Path) -> bool:
    """Whether `build` has nothing left to do."""
    return _is_whole(_place(shape, parent, rows, home))


def _is_whole(healed: Path) -> bool:
    return (healed / "manifest.json").is_file() and (healed / "data").is_dir()


def _place(shape: Shape, parent: Run, rows: Rows, home: Path) -> Path:
    """The folder of what is built of a run."""
    taught = [row.to_json() for row in rows.taught]
    return home / f"run-{sha256_value([parent.identity, str(shape), taught])[:16]}"


def _cut(shape: Shape, parent: Run, original: Run, rows: Rows, to: Path) -> None:
    """The model of `parent`, cut, in `to`."""
    now = Shape.of(parent.model)
    folder, aside = parent.model, to.with_name(f"{to.name}-steps")
    if now == Shape.of(original.model) and shape.tokens < now.tokens:  # once: then it is as small as the job lets it be
        requests = [row.text for row in spread(rows.taught, FORESEEN)]
        foreseen = foresee_tokens(resolve_base(original.config.base), requests)
        texts = seen_texts(parent, rows.train)
        folder = prune_vocabulary(
            folder, aside / "tokens", texts, size=shape.tokens, foreseen=foreseen, least=RARE
        ).folder
    if shape.blocks < now.blocks:
        import torch

        chosen = choose_blocks(
            load_model(folder, torch.float32), examples(parent, folder, rows.judging), now.blocks - shape.blocks
        )
        folder = prune_depth(folder, aside / "blocks", chosen).folder
    if shape.channels < now.channels or shape.heads < now.heads:
        weighed = examples(parent, folder, rows.taught, REFITTED)
        folder = prune_width(folder, aside / "width", weighed, channels=shape.channels, kv_heads=shape.heads).folder
    folder.replace(to)
    shutil.rmtree(aside, ignore_errors=True)


def seen_texts(run: Run, train: Sequence[CallRow]) -> list[str]:
    """Whatever the run's model read and wrote in training, its values drawn anew in every epoch."""
    material = encode_all(run.config.model_copy(update={"base": str(run.model)}), run.tools, train)
    seen = dict.fromkeys((*row.prompt, *row.completion) for epoch in material.epochs for row in epoch)
    texts: list[str] = material.tokenizer.batch_decode([list(ids) for ids in seen], clean_up_tokenization_spaces=False)
    return texts


def examples(run: Run, folder: Path, rows: Sequence[CallRow], most: int = CALIBRATION) -> list[Example]:
    """Some rows, evenly spread, as tokens of the model in `folder`."""
    few, longest = spread(rows, most), LONGER * run.config.train.max_tokens
    return encode(run.task, few, load_tokenizer(folder), run.template, longest)
