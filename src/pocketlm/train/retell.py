"""Rows as a teacher reads them whose vocabulary a pupil's was cut from: in its own tokens, beside the pupil's finer ones.

A teacher that reads its pupil's pieces of words reads what it never saw, and teaches badly just where the pupil has most to
learn. So each row is cut anew, and the two are laid side by side: a token of one and a token of the other that end at the
same place in the text have read the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import Any

import torch
from torch import Tensor

from pocketlm.models.tokens import BYTE
from pocketlm.train.batches import Batch, Example, make_batch, shared_prefix


@dataclass(frozen=True)
class Retold:
    """A batch as the teacher reads it.

    Attributes:
        batch: of the teacher's tokens.
        here, there: (places,) tokens of the pupil's batch and of this one that end at the same place of a row.
        told: (labels of the pupil's batch,) the teacher's token that has the same next one, -1 where none has.
    """

    batch: Batch
    here: Tensor
    there: Tensor
    told: Tensor


@dataclass(frozen=True)
class Row:
    """A row in a batch: places of its tokens, the shared prefix's among them, the first `prompt` of them the prompt's."""

    places: list[int]
    prompt: int


def rows_of(batch: Batch) -> list[Row]:
    """A batch's rows that have labels, in their order."""
    labelled, front = set(batch.labelled.tolist()), list(range(batch.prefix))
    found, every = [], batch.rows().tolist()
    for _, places in groupby(range(batch.prefix, len(every)), key=every.__getitem__):
        own = list(places)
        prompt = next((at for at, place in enumerate(own, 1) if place in labelled), None)
        if prompt is not None:
            found.append(Row(front + own, batch.prefix + prompt))
    return found


class Retelling:
    """Batches of a pupil's tokens as batches of its teacher's.

    Args:
        pupil, teacher: their tokenizers.
        ids: of the pupil's tokens in the teacher's vocabulary.
    """

    def __init__(self, pupil: Any, teacher: Any, ids: Sequence[int]) -> None:
        self._pupil, self._teacher, self._ids = pupil, teacher, ids
        self._lengths = [_length(token) for token in teacher.convert_ids_to_tokens(range(len(teacher)))]

    def __call__(self, batch: Batch) -> Retold:
        """The batch as the teacher reads it, on the same device."""
        rows, ids = rows_of(batch), batch.ids[0].tolist()
        own = [[ids[place] for place in row.places] for row in rows]
        parts = [part for row, read in zip(rows, own, strict=True) for part in (read[: row.prompt], read[row.prompt :])]
        texts = self._pupil.batch_decode(parts, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        cut = self._teacher(texts, add_special_tokens=False)["input_ids"]
        theirs = [Example(prompt, completion) for prompt, completion in zip(cut[::2], cut[1::2], strict=True)]
        order = sorted(range(len(rows)), key=lambda at: len(theirs[at]))
        prefix = shared_prefix(theirs)
        retold = make_batch([theirs[at] for at in order], prefix, sum(len(one) - prefix for one in theirs))
        pairs, told = dict[int, int](), dict[int, int]()  # places of the pupil's batch -> of the teacher's
        for at, row in zip(order, rows_of(retold), strict=True):
            read, whole = [self._ids[token] for token in own[at]], [*theirs[at].prompt, *theirs[at].completion]
            for mine, other in self._side_by_side(read, whole).items():
                pairs[rows[at].places[mine]] = row.places[other]
                if read[mine + 1 : mine + 2] == whole[other + 1 : other + 2]:
                    told[rows[at].places[mine]] = row.places[other]
        places = [told.get(place, -1) for place in batch.labelled.tolist()]
        here, there = (torch.tensor(list(side), dtype=torch.long) for side in (pairs.keys(), pairs.values()))
        device = batch.ids.device
        return Retold(retold.to(device), here.to(device), there.to(device), torch.tensor(places, device=device))

    def _side_by_side(self, read: Sequence[int], whole: Sequence[int]) -> dict[int, int]:
        """Of a row's tokens as the pupil reads them, those that end where one of the teacher's does, and which."""
        mine, others = (list(accumulate(self._lengths[token] for token in ids)) for ids in (read, whole))
        if mine[-1] != others[-1]:  # text that decoding changes
            return {}
        ends = {end: place for place, end in enumerate(others)}
        return {place: ends[end] for place, end in enumerate(mine) if end in ends}


def retold_alike(batch: Batch) -> Retold:
    """A batch that pupil and teacher read alike."""
    places = sorted({place for row in rows_of(batch) for place in row.places})
    same = torch.tensor(places, device=batch.ids.device)
    return Retold(batch, same, same, batch.labelled)


def _length(token: str) -> int:
    """Of a token's text, such that the pieces of a token together are as long as it is."""
    return 1 if BYTE.fullmatch(token) else len(token.encode())
