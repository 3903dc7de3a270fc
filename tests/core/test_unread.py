"""Settings that nobody reads are told, those that are read are not."""

from __future__ import annotations

from typing import Any

import pytest

from pocketlm.core.config import METHODS, Config, load_config
from pocketlm.core.errors import InputError
from pocketlm.core.unread import READ, told, unread


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        (["task=classify", "train.neftune=5"], "train.neftune: the task classify does not read this"),
        (["task=classify", "train.augment=none", "template=terse"], "template, train.augment: "),
        (["task=classify", "embed.batch=8"], "embed.batch: "),
        (["task=embed", "classify.balance=true"], "classify.balance: the task embed does not read this"),
        (["task=embed", "train.batch_tokens=128"], "train.batch_tokens: "),
        (["task=embed", "data.unlabelled=more.txt"], "data.unlabelled: "),
        (["task=classify", "train.compute=int8"], "train.compute: int8 is for the task call"),
        (["task=embed", "train.watch=exact"], "needs train.patience"),
    ],
)
def test_what_no_method_of_the_task_reads_is_refused(settings: list[str], says: str) -> None:
    with pytest.raises(InputError) as refused:
        load_config(None, settings)
    assert says in str(refused.value)


@pytest.mark.parametrize(
    ("values", "keys"),
    [
        ({"task": "classify", "train": {"method": "tfidf", "epochs": 3}, "base": "other"}, ["base", "train.epochs"]),
        ({"task": "classify", "train": {"method": "full", "rank": 8}}, ["train.rank"]),
        ({"task": "classify", "train": {"method": "setfit", "epochs": 9}}, ["train.epochs"]),
        ({"task": "classify", "train": {"method": "full"}, "classify": {"enough": 0.9}}, ["classify.enough"]),
        ({"task": "classify", "train": {"lr": 1e-3, "epochs": 9}}, ["train.lr"]),
        ({"task": "classify", "classify": {"rungs": ["tfidf"]}, "train": {"epochs": 9}}, ["train.epochs"]),
        ({"task": "embed", "train": {"rank": 8}}, ["train.rank"]),
        ({"task": "embed", "train": {"method": "static"}, "embed": {"batch": 8, "width": 64}}, ["embed.batch"]),
        ({"task": "embed", "train": {"method": "adapt"}, "embed": {"width": 64}}, ["embed.width"]),
    ],
)
def test_what_the_method_does_not_read_is_told(values: dict[str, Any], keys: list[str]) -> None:
    notes = unread(Config.model_validate(values))
    assert [note.partition(":")[0] for note in notes] == keys


@pytest.mark.parametrize("method", METHODS["classify"])
def test_a_project_as_it_is_made_and_defaults_are_told_nothing(method: str) -> None:
    values = {"task": "classify", "base": "starter:minilm-l6", "tools": None, "tools_in_prompt": "none"}
    more = {"teacher": "runs/a", "student": "tfidf"} if method == "distill" else {}
    assert not unread(Config.model_validate({**values, "train": {"method": method}, "classify": more}))


@pytest.mark.parametrize(
    "values",
    [
        {"task": "embed", "train": {"method": "lora", "rank": 8, "epochs": 1}, "embed": {"negatives": 2, "dims": [64]}},
        {"task": "classify", "train": {"method": "lora", "lr": 0.01, "rank": 8, "batch_tokens": 64}},
        {"task": "classify", "train": {"method": "setfit", "lr": 0.01}, "classify": {"steps": 5, "balance": True}},
        {"task": "classify", "train": {"epochs": 9}, "classify": {"enough": 0.9, "outside_recall": 0.5}},
    ],
)
def test_what_is_read_is_not_told(values: dict[str, Any]) -> None:
    config = Config.model_validate(values)
    assert told(config) and not unread(config)


def test_every_method_says_what_it_reads() -> None:
    known = Config.model_validate({"task": "classify"})
    assert set(READ["embed"]) == set(METHODS["embed"])
    assert {*READ["classify"], "ladder", "distill"} == set(METHODS["classify"])
    for keys in (keys for methods in READ.values() for keys in methods.values()):
        for key in keys:
            section, _, name = key.rpartition(".")
            assert hasattr(getattr(known, section) if section else known, name), key
