"""A row in two vocabularies: what both have read at the same place is laid side by side."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest
import torch
from tiny import make_tiny_llama

from pocketlm.models.load import load_tokenizer
from pocketlm.shrink.vocabulary import kept_ids, prune_vocabulary
from pocketlm.train.batches import Batch, Example, make_batch
from pocketlm.train.retell import Retelling, Row, retold_alike, rows_of

ROWS = [
    ("<|im_start|>Set an alarm for 7<|im_end|>", '[{"name":"set_alarm"}]<|im_end|>'),
    ("<|im_start|>naïve café 東京 😀 kitchen lights<|im_end|>", "[]<|im_end|>"),
    ("<|im_start|>play the weather of monday<|im_end|>", '{"thing":"the kitchen"}<|im_end|>'),
]


@pytest.fixture(scope="module")
def tokenizers(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Any, list[int]]:
    """The pupil's, the teacher's, and the pupil's ids in the teacher's."""
    folder = tmp_path_factory.mktemp("two")
    base = make_tiny_llama(folder / "base")
    prune_vocabulary(base, folder / "fewer", [ROWS[0][1]], size=0)
    return load_tokenizer(folder / "fewer"), load_tokenizer(base), kept_ids(base, folder / "fewer")


def cut(tokenizer: Any) -> list[Example]:
    return [Example(*tokenizer(list(row), add_special_tokens=False)["input_ids"]) for row in ROWS]


def read(tokenizer: Any, batch: Batch, row: Row, last: int) -> str:
    """What has been read of a row at a token of the batch."""
    ids = batch.ids[0, row.places[: row.places.index(last) + 1]].tolist()
    return "".join(tokenizer.convert_ids_to_tokens(ids))


@pytest.mark.parametrize("prefix", [0, 1])
def test_paired_tokens_have_read_the_same_text(tokenizers: tuple[Any, Any, list[int]], prefix: int) -> None:
    pupil, teacher, ids = tokenizers
    batch = make_batch(cut(pupil), prefix, 300)
    retold = Retelling(pupil, teacher, ids)(batch)
    assert len(retold.batch.ids[0]) < (batch.rows() != batch.rows().max()).sum()  # the teacher's tokens are longer
    theirs = {place: row for row in rows_of(retold.batch) for place in row.places}
    pairs = dict(zip(retold.here.tolist(), retold.there.tolist(), strict=True))
    for row in rows_of(batch):
        for place in row.places:
            if place in pairs:
                assert read(pupil, batch, row, place) == read(teacher, retold.batch, theirs[pairs[place]], pairs[place])
        ends = {read(pupil, batch, row, place) for place in row.places}
        other = theirs[pairs[row.places[-1]]]
        both = ends & {read(teacher, retold.batch, other, place) for place in other.places}
        assert len(both) == len(pairs.keys() & set(row.places))


def test_the_teacher_tells_of_labels_that_it_cuts_alike(tokenizers: tuple[Any, Any, list[int]]) -> None:
    pupil, teacher, ids = tokenizers
    batch = make_batch(cut(pupil), 0, 300)
    retold = Retelling(pupil, teacher, ids)(batch)
    told = retold.told >= 0
    assert 0 < told.sum() < len(told)
    following = retold.batch.ids[0, retold.told[told] + 1]
    assert torch.equal(torch.tensor(ids)[batch.label[told]], following)


def test_rows_are_found_again_in_a_batch(tokenizers: tuple[Any, Any, list[int]]) -> None:
    examples = cut(tokenizers[1])
    batch = make_batch(examples, 1, 200)
    found = rows_of(batch)
    for row, example in zip(found, sorted(examples, key=len), strict=True):
        assert batch.ids[0, row.places].tolist() == example.prompt + example.completion
        assert row.prompt == len(example.prompt)
    assert all(first.places[-1] < second.places[1] for first, second in pairwise(found))


def test_with_one_vocabulary_every_token_of_a_row_is_its_own_pair(tokenizers: tuple[Any, Any, list[int]]) -> None:
    examples = cut(tokenizers[1])
    batch = make_batch(examples, 0, 200)
    retold = retold_alike(batch)
    assert torch.equal(retold.here, retold.there) and len(retold.here) == sum(map(len, examples))
    assert torch.equal(retold.told, batch.labelled)
