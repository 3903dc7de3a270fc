"""How near an exported model stays to the one it was made from: token ids, prompts, odds, vectors.

How near is near enough depends on what was stored: float16 hardly rounds, four bits do. The bounds stand in BOUNDS.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pocketlm.core.progress import progress
from pocketlm.engines.base import Engine, Ids, Odds
from pocketlm.engines.embedder import Embedder
from pocketlm.export.base import Check
from pocketlm.tasks.template import Message, Template

TOP = 64  # likeliest tokens that are compared one by one; the rest counts as one
STEP = 500  # strings between two looks at the clock


@dataclass(frozen=True)
class Bound:
    """What is asked of a model of so many bits a weight or more.

    Attributes:
        kl: most nats that the exported distribution may be away, mean over places (Kullback and Leibler 1951).
        same: least share of places whose likeliest token is the reference's.
        cosine: least cosine of a sentence's vector to the reference's, mean over sentences.
    """

    bits: float
    name: str
    kl: float
    same: float
    cosine: float


BOUNDS = (
    Bound(24, "float32", 1e-4, 0.995, 0.9999),
    Bound(12, "float16", 2e-3, 0.985, 0.999),
    Bound(7, "8 bits", 0.02, 0.96, 0.99),
    Bound(0, "fewer bits", 0.5, 0.75, 0.9),
)


def bound_for(bits_per_weight: float) -> Bound:
    """The bound of what was stored."""
    return next(bound for bound in BOUNDS if bits_per_weight >= bound.bits)


def same_ids(texts: Sequence[str], got: Callable[[str], list[int]], wanted: Callable[[str], list[int]]) -> Check:
    """Whether a runtime makes the training tokenizer's ids of every string."""
    unequal: list[str] = []
    with progress("Token ids", len(texts)) as tick:
        for start in range(0, len(texts), STEP):
            few = texts[start : start + STEP]
            unequal += [text for text in few if got(text) != wanted(text)]
            tick(len(few))
    example = ""
    if unequal:
        first = min(unequal, key=len)
        example = f"; first other: {first!r:.80} gives {got(first)[:12]} instead of {wanted(first)[:12]}"
    return Check("token ids", not unequal, f"{len(texts) - len(unequal):,} of {len(texts):,} strings equal{example}")


def same_prompts(
    dialogues: Sequence[Sequence[Message]], template: Template, render: Callable[[Sequence[Message]], str]
) -> Check:
    """Whether the file's own chat template gives, byte for byte, the prompts of training."""
    wanted = [template.render(messages) for messages in dialogues]
    got = [render(messages) for messages in dialogues]
    unequal = [(a, b) for a, b in zip(got, wanted, strict=True) if a.encode() != b.encode()]
    example = f"; {unequal[0][0]!r:.100} instead of {unequal[0][1]!r:.100}" if unequal else ""
    return Check("prompts", not unequal, f"{len(got) - len(unequal)} of {len(got)} prompts equal{example}")


def same_odds(
    reference: Engine, exported: Engine, pairs: Sequence[tuple[Ids, Ids]], names: Sequence[str], bound: Bound
) -> Check:
    """Whether the next-token distributions stay near, at every place of the given completions.

    Args:
        names: of the pairs, for a reader.
    """
    with progress("Logits", 2 * len(pairs)) as tick:
        wanted = reference.odds(pairs, top=TOP, tick=tick)
        got = exported.odds(pairs, top=TOP, tick=tick)
    kls = [[divergence(a, b) for a, b in zip(x, y, strict=True)] for x, y in zip(wanted, got, strict=True)]
    same = [[a.top[0][0] == b.top[0][0] for a, b in zip(x, y, strict=True)] for x, y in zip(wanted, got, strict=True)]
    mean, share = float(np.mean(np.concatenate(kls))), float(np.mean(np.concatenate(same)))
    places = sum(map(len, kls))
    # a fault that shows far into a text only, such as a wrong rope base, must not drown in the mean of all
    worst = max(range(len(kls)), key=lambda i: float(np.mean(kls[i])))
    most = float(np.mean(kls[worst]))
    passed = mean <= bound.kl and share >= bound.same and most <= 20 * bound.kl
    return Check(
        "logits",
        passed,
        f"KL {mean:.2g} nats (at most {bound.kl:g} at {bound.name}), same likeliest token at {share:.1%} of {places} places "
        f"(at least {bound.same:.1%}); furthest: {most:.2g} on {names[worst]!r:.50}",
    )


def divergence(wanted: Odds, got: Odds) -> float:
    """KL of two distributions of which the likeliest tokens are known; what only one of them names counts as the rest.

    A lower bound of the true one, by the data processing inequality.
    """
    ours, theirs = dict(wanted.top), dict(got.top)
    both = ours.keys() & theirs.keys()
    p, q = (np.exp([odds[token] for token in sorted(both)]) for odds in (ours, theirs))
    rest_p, rest_q = max(1e-12, 1 - float(p.sum())), max(1e-12, 1 - float(q.sum()))
    found = float(np.sum(p * (np.log(np.maximum(p, 1e-30)) - np.log(np.maximum(q, 1e-30)))))
    return max(0.0, found + rest_p * (math.log(rest_p) - math.log(rest_q)))


def same_vectors(reference: Embedder, exported: Embedder, texts: Sequence[str], bound: Bound) -> Check:
    """Whether every text's vector points where the reference's does."""
    wanted, got = reference.embed(texts), exported.embed(texts)
    if wanted.shape != got.shape:
        return Check("vectors", False, f"shape {got.shape} instead of {wanted.shape}")
    cosines = (wanted * got).sum(1)
    worst = int(cosines.argmin())
    return Check(
        "vectors",
        bool(cosines.mean() >= bound.cosine),
        f"cosine {cosines.mean():.5f} on {len(texts)} texts (at least {bound.cosine:g} at {bound.name}); "
        f"least {cosines[worst]:.5f} on {texts[worst]!r:.50}",
    )


def same_stops(reference: Sequence[Any], exported: Sequence[Any], prompts: Sequence[str]) -> Check:
    """Whether free answers end by themselves wherever the reference's do."""
    running = [i for i, (a, b) in enumerate(zip(reference, exported, strict=True)) if a.stopped and not b.stopped]
    ended = sum(answer.stopped for answer in reference)
    allowed = len(prompts) // 20  # rounding turns a word here and there
    example = f"; not: {prompts[running[0]]!r:.60}" if running else ""
    return Check(
        "stop token", len(running) <= allowed,
        f"{ended - len(running)} of {ended} free answers end where the reference's do{example}",
    )  # fmt: skip
