"""A sentence encoder distilled into a table of token vectors, in minutes: hundreds of times as fast, nearly as good.

First each token goes through the encoder alone, is brought to fewer numbers by principal components and weighted by its
rarity, as Model2Vec does (Minish Lab 2024, github.com/MinishLab/model2vec; weights as SIF: Arora et al. 2017,
openreview.net/forum?id=SyK00v5xx). Then the table is trained so that the mean of a text's token vectors points where the
encoder's vector of that text does, on the user's own texts and their sentences.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from pocketlm.core.config import Config
from pocketlm.core.errors import InputError
from pocketlm.core.progress import progress
from pocketlm.data.pairs import PairData
from pocketlm.models.static_model import StaticModel
from pocketlm.tasks.embed import EmbedRow, EmbedTask
from pocketlm.train.encoder import Encoder, Ids
from pocketlm.train.job import JUDGED, POOL, Job
from pocketlm.train.pairing import FEWEST, SENTENCE, PseudoQueries

SIF = 1e-3  # a token of this share of all tokens counts half
MOST = 40_000  # texts that are learnt from, the longest first: whole texts, then sentences
BATCH = 512  # texts a step
TEMPERATURE = 0.05  # of the likeness of texts of a batch, which the table learns to see as the encoder does
HELD = 0.05  # share of the texts that is only measured
ENCODED = 512  # texts between two movements of the bar


@dataclass(frozen=True)
class Lesson:
    """Texts as tokens, with where the encoder's vectors of them point: a piece of a plan.

    Attributes:
        ids: of all texts; targets: (all texts, width) of length 1; places: those of this piece.
    """

    ids: Sequence[Ids]
    targets: Tensor
    places: Sequence[int]

    @property
    def count(self) -> int:
        """Texts."""
        return len(self.places)

    @property
    def tokens(self) -> int:
        """Of all texts."""
        return sum(len(self.ids[i]) for i in self.places)

    def to(self, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
        """Token ids end to end, where each text starts, and (texts, width) where it is to point."""
        rows = [self.ids[i] for i in self.places]
        starts = torch.tensor([0, *(len(row) for row in rows[:-1])]).cumsum(0)
        flat = torch.tensor([i for row in rows for i in row])
        return flat.to(device), starts.to(device), self.targets[list(self.places)].to(device)


class Table(nn.Module):
    """Token vectors whose sum points where the encoder's vector does.

    The loss of a text is 1 - cosine, and the divergence of its likeness to the batch's other texts from what the encoder
    finds (as in relational distillation: Park et al. 2019, arXiv:1904.05068).
    """

    def __init__(self, vectors: Tensor) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag.from_pretrained(vectors, freeze=False, mode="sum")

    def forward(self, lesson: tuple[Tensor, Tensor, Tensor]) -> Tensor:
        """The summed loss, a scalar."""
        flat, starts, targets = lesson
        own = functional.normalize(self.bag(flat, starts), dim=1)
        apart = (1 - (own * targets).sum(1)).sum()
        wanted, got = (self._others(vectors) for vectors in (targets, own))
        return apart + functional.kl_div(got, wanted, reduction="sum", log_target=True)

    @staticmethod
    def _others(vectors: Tensor) -> Tensor:
        """(texts, texts) the log share of each other text in a text's likeness to all others."""
        likeness = vectors @ vectors.t() / TEMPERATURE
        itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
        return likeness.masked_fill(itself, -1e4).log_softmax(1)


def distilled(config: Config, data: PairData, encoder: Encoder) -> Job:
    """What trains a table to see the user's texts as the encoder does.

    Raises:
        InputError: too few texts, or more numbers a vector than the encoder has.
    """
    width = config.embed.width
    if width > encoder.width:
        raise InputError(f"embed.width: {width} is more than the base's {encoder.width}")
    texts = lessons(data.texts)
    if len(texts) < 2 * BATCH // 8:
        raise InputError(f"{config.data.raw}: {len(texts)} texts and sentences are too few to learn from; add texts")
    student = StaticModel(
        np.zeros((len(encoder.tokenizer), width), dtype=np.float32), np.ones(1, dtype=np.float32), plain_tokenizer(encoder),
        longest=config.train.max_tokens,
    )  # fmt: skip
    ids = student.tokens(texts)
    known = [i for i, row in enumerate(ids) if row]
    texts, ids = [texts[i] for i in known], [ids[i] for i in known]
    seen = encoded(encoder, encoder.tokens(texts), "Encoding texts")
    basis = principal(seen, width)
    targets = functional.normalize(seen @ basis, dim=1)
    table = Table(initial(encoder, basis, ids))
    order = random.Random(config.seed).sample(range(len(texts)), len(texts))
    held, train = order[: round(HELD * len(order))], order[round(HELD * len(order)) :]
    plan = []
    for epoch in range(math.ceil(config.train.epochs)):
        random.Random(f"{config.seed} {epoch}").shuffle(train)
        plan += [[Lesson(ids, targets, train[at : at + BATCH])] for at in range(0, len(train) - BATCH // 8, BATCH)]

    def model() -> StaticModel:
        vectors = table.bag.weight.detach().cpu().numpy()
        lengths = np.maximum(np.linalg.norm(vectors, axis=1), 1e-9).astype(np.float32)
        return StaticModel(vectors / lengths[:, None], lengths, student.tokenizer, longest=student.longest)

    def measure() -> float:
        with torch.no_grad():
            pieces = [Lesson(ids, targets, held[at : at + BATCH]) for at in range(0, len(held), BATCH)]
            return float(sum(table(piece.to(targets.device)).item() for piece in pieces) / len(held))

    def save(folder: Path) -> None:
        model().quantized().save(folder)

    return Job(
        table, plan, measure if held else None, lambda asked: model().embed(asked), judges(config, data, JUDGED, POOL), save
    )  # fmt: skip


def lessons(texts: Sequence[str]) -> list[str]:
    """Texts and then their sentences, each once."""
    parts = [part.strip() for text in texts for part in SENTENCE.split(text)]
    some = dict.fromkeys([*texts, *(part for part in parts if len(part.split()) >= FEWEST)])
    return [text for text in some if text.strip()][:MOST]


def judges(config: Config, data: PairData, most: int, pool: int) -> tuple[EmbedTask, list[EmbedRow]]:
    """Validation rows, or queries made from the texts where there are none."""
    if rows := [row for row in data.rows("valid") if row.score is None][:most]:
        return EmbedTask(data.texts[:pool]), rows
    rng, queries = random.Random(config.seed), PseudoQueries(data.texts, data.titles)
    places = rng.sample(range(len(data.texts)), min(most, len(data.texts)))
    made = [queries.make(i, rng, ("head", "sentence")) for i in places]
    others = set(range(len(data.texts))) - set(places)
    return EmbedTask([data.texts[i] for i in sorted(others)][:pool]), [EmbedRow(query, (text,)) for query, text in made]


def plain_tokenizer(encoder: Encoder) -> Any:
    """The encoder's tokenizer, without what it puts around a text."""
    from tokenizers import Tokenizer

    return Tokenizer.from_str(encoder.tokenizer.backend_tokenizer.to_str())


def encoded(encoder: Encoder, ids: Sequence[Ids], title: str) -> Tensor:
    """(texts, width): the encoder's vectors, texts of like length together."""
    order = sorted(range(len(ids)), key=lambda i: len(ids[i]))
    found = torch.empty(len(ids), encoder.width)
    with progress(title, len(ids)) as update:
        for start in range(0, len(order), ENCODED):
            some = order[start : start + ENCODED]
            found[some] = encoder.embed([ids[i] for i in some]).cpu()
            update(len(some))
    return found


def principal(vectors: Tensor, width: int) -> Tensor:
    """(all, width): the directions that keep most of the products of vectors, which is why they are not centred."""
    values, directions = torch.linalg.eigh(vectors.t() @ vectors)
    found: Tensor = directions[:, values.argsort(descending=True)[:width]]
    return found


def initial(encoder: Encoder, basis: Tensor, ids: Sequence[Ids]) -> Tensor:
    """(vocabulary, width) before training: each token through the encoder alone, less their mean, weighted by rarity."""
    around: Ids = encoder.tokens([""])[0]
    alone = [[*around[:1], token, *around[1:]] for token in range(len(encoder.tokenizer))]
    vectors = encoded(encoder, alone, "Encoding tokens")
    vectors = functional.normalize((vectors - vectors.mean(0)) @ basis, dim=1)
    counts = np.bincount([token for row in ids for token in row], minlength=len(vectors)).astype(np.float64) + 1
    share = torch.from_numpy(counts / counts.sum()).float()
    return vectors * (SIF / (SIF + share))[:, None]
