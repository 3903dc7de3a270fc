"""The first batch of an encoder's training, two rows of it: what is read as it is cut into tokens, what is learnt in green."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.text import Text

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.data.pairs import PairData
from pocketlm.train.classify import make_material
from pocketlm.train.embed import derived
from pocketlm.train.embed_jobs import pseudo_pairs, rows_to_learn
from pocketlm.train.encoder import Encoder, Ids
from pocketlm.train.label_objectives import Labelled, plan_epochs, plan_pairs
from pocketlm.train.pairing import pair_plan, pairs_of, scored_plan

SHOWN = 2
LEARNT = "green bold"


def show_labels(config: Config, train: Sequence[Any]) -> Text:
    """Texts with their labels; of a ladder, as its rung `full` trains on them.

    Raises:
        InputError: a method that has no batches.
    """
    method = config.train.method
    method = {"distill": config.classify.student, "ladder": "full"}.get(method, method)
    if method not in ("setfit", "full", "lora"):
        raise InputError(
            f"--show-batch: {method} learns from all rows at once; --method setfit, full and lora have batches"
        )
    material, encoder = make_material(config, train, []), _reader(config)
    rows = Labelled(encoder.tokens(material.texts), material.targets, material.weights)
    steps = (
        plan_pairs(rows, 1, config.classify.pairs, config.seed)
        if method == "setfit"
        else plan_epochs(rows, config.train, config.seed)
    )
    batch = steps[0][0]
    what = "texts of one label are brought near" if method == "setfit" else "labels are learnt"
    text = Text(f"The first batch: {batch.count} texts, {batch.tokens} tokens; {what} (green)\n")
    for ids, target in zip(batch.ids[:SHOWN], batch.targets[:SHOWN], strict=True):
        labels = [material.blank.labels[i] for i in target.nonzero()[0]]
        text.append(f"\n{_decoded(encoder, ids)}\n").append(", ".join(labels) or "(no label)", LEARNT).append("\n")
    return text


def show_pairs(config: Config, data: PairData) -> Text:
    """Pairs, with their negatives or their score.

    Raises:
        InputError: as `train_embed`; the method static, which learns the encoder's vectors.
    """
    config = derived(config)
    if config.train.method == "static":
        raise InputError(
            "--show-batch: static learns the encoder's vector of every text; there is nothing else to show"
        )
    adapts = config.train.method == "adapt"
    train, _, scored = ([], [], False) if adapts else rows_to_learn(config, data)
    encoder = _reader(config)
    if scored:
        return _scored(scored_plan(train, 1, config.embed.batch, encoder.tokens, config.seed)[0], encoder)
    pairs = pseudo_pairs(config, data).epochs[0] if adapts else pairs_of(train)
    batch = pair_plan([pairs], config.embed.batch, encoder.tokens, config.seed)[0]
    mined = f", and {config.embed.negatives} mined when training begins" if config.embed.negatives else ""
    text = Text(
        f"The first batch: {batch.count} pairs, {batch.tokens} tokens; the second finds its first (green){mined}\n"
    )
    for at in range(min(SHOWN, batch.count)):
        text.append(f"\n{_decoded(encoder, batch.anchors[at])}\n")
        text.append(_decoded(encoder, batch.positives[at]), LEARNT).append("\n")
        for ids in batch.negatives[at]:
            text.append(f"not: {_decoded(encoder, ids)}\n", "dim")
    return text


def _scored(batch: Any, encoder: Encoder) -> Text:
    text = Text(f"The first batch: {batch.count} pairs, {batch.tokens} tokens; the score is learnt (green)\n")
    for left, right, score in list(zip(batch.left, batch.right, batch.scores, strict=True))[:SHOWN]:
        text.append(f"\n{_decoded(encoder, left)}\n{_decoded(encoder, right)}\n").append(f"{score:.3g}", LEARNT).append(
            "\n"
        )
    return text


def _reader(config: Config) -> Encoder:
    """The base, for its tokens, which are cut where the training cuts them."""
    encoder = Encoder.load(config.base)
    encoder.limit = min(encoder.longest, config.train.max_tokens)
    return encoder


def _decoded(encoder: Encoder, ids: Ids) -> str:
    return str(encoder.tokenizer.decode(ids))
