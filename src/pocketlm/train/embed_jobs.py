"""Sentence encoders tuned: on rows (pairs, triplets, scored pairs), or on bare texts from which queries are made."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pocketlm.core.config import Config, EmbedConfig
from pocketlm.core.errors import InputError
from pocketlm.core.progress import say
from pocketlm.data.pairs import PairData
from pocketlm.data.split import deal
from pocketlm.tasks.embed import EmbedRow, EmbedTask
from pocketlm.train.job import JUDGED, POOL, Job

if TYPE_CHECKING:
    from torch import nn

    from pocketlm.train.encoder import Encoder
    from pocketlm.train.pairing import Pair

READ = {  # objective -> what it reads of the settings that not all do
    "ranking": {"temperature", "symmetric", "negatives", "margin"},
    "triplet": {"negatives", "margin"},
    "cosent": {"temperature"},
    "cosine": set[str](),
}
NEAREST_KEPT = 8  # hard negatives found for each that is used, so that epochs differ


def load_encoder(config: Config, floats: str) -> Encoder:
    """The base, ready to train as the settings say."""
    import torch

    from pocketlm.train.compute import choose_device, keep_freed_memory
    from pocketlm.train.encoder import Encoder

    settings = config.train
    lora = settings if settings.method == "lora" else None
    encoder = Encoder.load(config.base, autocast=torch.bfloat16 if floats == "bf16" else None, lora=lora)
    encoder.limit = min(encoder.longest, settings.max_tokens)
    encoder.checkpointing = settings.checkpointing
    encoder.to(choose_device(settings.device))
    keep_freed_memory()
    return encoder


def embedding(encoder: Encoder) -> Callable[[Sequence[str]], Any]:
    """Texts -> vectors in numpy, as the encoder is now."""
    return lambda texts: encoder.embed(encoder.tokens(texts)).cpu().numpy()


def make_objective(settings: EmbedConfig, encoder: Encoder, *, scored: bool) -> nn.Module:
    """What `embed.objective` asks for.

    Raises:
        InputError: it is not for rows of this kind, or does not read a setting that is given.
    """
    from pocketlm.train.contrastive import CoSent, Cosine, InBatch, Triplets

    name = settings.objective if settings.objective != "auto" else "cosent" if scored else "ranking"
    if (name in ("cosent", "cosine")) != scored:
        kind = "pairs with scores" if scored else "pairs without scores"
        raise InputError(f"embed.objective: {name} is not for {kind}, which the rows are; set it to auto")
    plain = EmbedConfig()
    given = [key for key in sorted(READ["ranking"]) if getattr(settings, key) != getattr(plain, key)]
    if unread := [key for key in given if key not in READ[name]]:
        raise InputError(f"embed.{unread[0]}: the objective {name} does not read it; take it out")
    if "margin" in given and name == "ranking" and not settings.negatives:
        raise InputError("embed.margin: says which texts are hard negatives; set embed.negatives=1 or take it out")
    if wrong := [dim for dim in settings.dims if not 0 < dim < encoder.width]:
        raise InputError(f"embed.dims: {wrong[0]} is no width below the base's {encoder.width}")
    match name:
        case "ranking":
            return InBatch(encoder, temperature=settings.temperature, symmetric=settings.symmetric, dims=settings.dims)
        case "triplet":
            return Triplets(encoder, margin=settings.margin, dims=settings.dims)
        case "cosent":
            return CoSent(encoder, temperature=settings.temperature, dims=settings.dims)
    return Cosine(encoder, dims=settings.dims)


def rows_to_learn(config: Config, data: PairData) -> tuple[list[EmbedRow], list[EmbedRow], bool]:
    """Training rows, validation rows, and whether they have scores.

    Raises:
        InputError: there are none, or of both kinds.
    """
    train, valid = data.rows("train"), data.rows("valid")
    if not train:
        raise InputError(
            f"{config.data.raw}: holds no training pairs; to learn from texts alone, set train.method=adapt"
        )
    scored = train[0].score is not None
    if any((row.score is not None) != scored for row in [*train, *valid]):
        raise InputError(f"{config.data.raw}: holds scored pairs and pairs without a score; train on one kind")
    return train, valid, scored


def contrastive(config: Config, data: PairData, floats: str) -> Job:
    """Training on rows: pairs, triplets or scored pairs."""
    from pocketlm.train.pairing import pair_plan, pairs_of, scored_plan

    train, valid, scored = rows_to_learn(config, data)
    encoder = load_encoder(config, floats)
    objective = make_objective(config.embed, encoder, scored=scored)
    size, passes = config.embed.batch, math.ceil(config.train.epochs)
    if scored:
        plan: Sequence[Any] = scored_plan(train, passes, size, encoder.tokens, config.seed)
        held: Sequence[Any] = scored_plan(valid, 1, size, encoder.tokens, 0) if valid else []
    else:
        pairs, known = pairs_of(train), pairs_of(valid)
        used = None if not config.embed.negatives else config.embed.negatives
        if used:
            pairs = with_hard(pairs, data.texts, encoder, config.embed)
            known = with_hard(known, data.texts, encoder, config.embed) if known else []
        if config.embed.objective == "triplet":
            bare = next((pair for pair in pairs if not pair.negatives), None)
            if bare and not used:
                raise InputError(
                    f"embed.objective: triplet needs negatives, {bare.anchor[:40]!r} has none; set embed.negatives=1 to mine them"
                )
            pairs, known = ([pair for pair in some if pair.negatives] for some in (pairs, known))
        plan = pair_plan([pairs] * passes, size, encoder.tokens, config.seed, used)
        held = pair_plan([known], size, encoder.tokens, 0, used) if known else []
    judge = (EmbedTask(data.texts[:POOL]), valid[:JUDGED])
    measure = measured(objective, held)
    return Job(objective, steps_of(plan, config), measure, embedding(encoder), judge, encoder.save)


def steps_of(pieces: Sequence[Any], config: Config) -> list[Sequence[Any]]:
    """Batches as steps, `train.accumulate` together, cut to the share of the last epoch that is asked for."""
    passes, each = math.ceil(config.train.epochs), config.train.accumulate
    pieces = pieces[: max(1, round(len(pieces) * config.train.epochs / passes))]
    return [pieces[first : first + each] for first in range(0, len(pieces), each)]


def measured(objective: nn.Module, pieces: Sequence[Any]) -> Callable[[], float] | None:
    """A function to the mean loss over pieces."""
    import torch

    def measure() -> float:
        objective.eval()
        with torch.no_grad():
            total = sum(objective(piece).item() for piece in pieces)
        objective.train()
        return float(total / sum(piece.count for piece in pieces))

    return measure if pieces else None


def with_hard(pairs: Sequence[Any], texts: Sequence[str], encoder: Encoder, settings: EmbedConfig) -> list[Any]:
    """Pairs with hard negatives, mined by the encoder as it is, behind those they bring."""
    from pocketlm.train.pairing import mined

    say(f"Mining hard negatives among {len(texts)} texts")
    place = {text: i for i, text in enumerate(texts)}
    known = encoder.embed(encoder.tokens(texts))
    asked = encoder.embed(encoder.tokens([pair.anchor for pair in pairs]))
    own = [[place[t] for t in dict.fromkeys((pair.positive, *pair.belongs)) if t in place] for pair in pairs]
    near = mined(asked, own, known, settings.negatives * NEAREST_KEPT, settings.margin)
    return [
        replace(pair, negatives=(*pair.negatives, *(texts[i] for i in some)))
        for pair, some in zip(pairs, near, strict=True)
    ]


@dataclass(frozen=True)
class PseudoPairs:
    """Queries made of bare texts, with what they must find.

    Attributes:
        epochs: those of each epoch, drawn anew; valid: those of the texts held out.
        pool: texts among which these are sought; the held-out ones stand there without what was made a query of them.
    """

    epochs: list[list[Pair]]
    valid: list[Pair]
    pool: list[str]


def pseudo_pairs(config: Config, data: PairData) -> PseudoPairs:
    """Queries of the project's texts.

    Raises:
        InputError: too few texts, or triplets are asked for.
    """
    from pocketlm.train.pairing import Pair, PseudoQueries

    texts = data.texts
    if len(texts) < 2 * config.embed.batch:
        raise InputError(
            f"{config.data.raw}: {len(texts)} texts are too few to learn from, at least {2 * config.embed.batch} are needed"
        )
    if config.embed.objective == "triplet":
        raise InputError("embed.objective: triplet is for rows with negatives; adapt makes pairs, so set it to auto")
    split = deal(dict.fromkeys(texts, ""), max(0.1, config.data.valid_share), 0.0, config.seed)
    train, held = ([i for i, text in enumerate(texts) if split[text] == part] for part in ("train", "valid"))
    queries = PseudoQueries(texts, data.titles)

    def made(places: Sequence[int], epoch: int) -> list[Pair]:
        rng = random.Random(f"{config.seed} {epoch}")
        found = [(i, queries.make(i, rng)) for i in places]
        return [Pair(query, text, (), frozenset({text, texts[i]})) for i, (query, text) in found]

    epochs = [made(train, epoch) for epoch in range(math.ceil(config.train.epochs))]
    return PseudoPairs(epochs, made(held, -1), [texts[i] for i in train][:POOL])


def adapt(config: Config, data: PairData, floats: str) -> Job:
    """Training on bare texts: queries made from them must find them.

    Kept is the mean of the base's weights and the trained ones, which serves queries of another kind better than either
    (Wortsman et al. 2022, arXiv:2109.01903).
    """
    import torch

    from pocketlm.train.pairing import pair_plan

    drawn = pseudo_pairs(config, data)
    epochs, valid = drawn.epochs, drawn.valid
    encoder = load_encoder(config, floats)
    used = config.embed.negatives or None
    if used:
        texts = data.texts
        epochs = [with_hard(pairs, [*texts, *(p.positive for p in pairs)], encoder, config.embed) for pairs in epochs]
    objective = make_objective(config.embed, encoder, scored=False)
    rows = [EmbedRow(pair.anchor, (pair.positive,)) for pair in valid][:JUDGED]
    plan = pair_plan(epochs, config.embed.batch, encoder.tokens, config.seed, used)
    measure = measured(objective, pair_plan([valid], config.embed.batch, encoder.tokens, 0))
    start = [weight.detach().clone() for weight in encoder.parameters()]

    @torch.no_grad()
    def halfway() -> None:
        for weight, before in zip(encoder.parameters(), start, strict=True):
            weight.lerp_(before, 0.5)

    judge = (EmbedTask(drawn.pool), rows)
    steps = steps_of(plan, config)
    return Job(objective, steps, measure, embedding(encoder), judge, encoder.save, keeps_base=True, finish=halfway)
