"""Which split a row belongs to. Decided by a hash of its text, so that new rows do not move old ones.

Knows nothing of files; a text is the same when only case and white space differ.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from pocketlm.core.text import folded
from pocketlm.tasks.base import TextRow
from pocketlm.tasks.call import CallRow

SPLITS = ("train", "valid", "test")
SPLIT_OF_WORD = {"train": "train", "training": "train", "test": "test"}
SPLIT_OF_WORD |= {"valid": "valid", "validation": "valid", "val": "valid", "dev": "valid"}
ROWS_FOR_TEST, ROWS_FOR_VALID = 5, 10  # from so many rows on, a function gets at least one row in that split
AnyRow = CallRow | TextRow
Rows = dict[str, list[Any]]  # split -> rows, all of one kind


def split_of_name(name: str) -> str | None:
    """The split that a file's bare name says: train, or with other words before or after it (oos_train, train-00)."""
    words = re.findall(r"[a-z]+", name.lower()) or [""]
    return next((SPLIT_OF_WORD[word] for word in (words[-1], words[0]) if word in SPLIT_OF_WORD), None)


def answer_of(row: AnyRow) -> Any:
    """What the row says is right: calls, or what the task makes of its answer."""
    return row.calls if isinstance(row, CallRow) else row.answer


def kinds_of(row: AnyRow) -> list[str]:
    """What a row is dealt and counted by: the functions called, or the labels; "" where there is none, and for free text."""
    if isinstance(row, CallRow):
        names = [call.name for call in row.calls]
    else:
        names = [] if isinstance(row.answer, str) else list(row.answer)
    return list(dict.fromkeys(names)) or [""]


def text_key(row: AnyRow) -> str:
    """What makes two rows the same question: all messages, case and white space aside."""
    return "\n".join(f"{m.role}:{folded(m.content)}" for m in row.messages)


def split_by_hash(rows: Iterable[AnyRow], valid_share: float, test_share: float, seed: int) -> Rows:
    """Deal rows into train, valid and test.

    Rows of one text stay together. Each function or label (a row's first one) is dealt by itself: its rows with the smallest
    hashes go to test, those with the largest to valid. New rows move an old one only where a function had none in a
    split by its hashes and was granted one.
    """
    groups: dict[str, list[AnyRow]] = {}
    for row in rows:
        groups.setdefault(text_key(row), []).append(row)
    strata = {key: kinds_of(group[0])[0] for key, group in groups.items()}
    taken = deal(strata, valid_share, test_share, seed)
    dealt: Rows = {name: [] for name in SPLITS}
    for key, group in groups.items():
        dealt[taken[key]] += group
    return dealt


def deal(strata: Mapping[str, str], valid_share: float, test_share: float, seed: int) -> dict[str, str]:
    """Key -> split, each stratum dealt by itself. `strata`: key -> its stratum."""
    keys_of: dict[str, list[str]] = {}
    for key, stratum in strata.items():
        keys_of.setdefault(stratum, []).append(key)
    draws = {key: _draw(key, seed) for key in strata}
    taken: dict[str, str] = {}
    for keys in keys_of.values():
        taken |= _deal(sorted(keys, key=draws.__getitem__), draws, valid_share, test_share)
    _fill_empty(sorted(strata, key=draws.__getitem__), taken, valid_share, test_share)
    return {key: taken.get(key, "train") for key in strata}


def _deal(keys: list[str], draws: Mapping[str, float], valid_share: float, test_share: float) -> dict[str, str]:
    test = sum(draws[key] < test_share for key in keys)
    valid = sum(draws[key] >= 1 - valid_share for key in keys)
    if test_share and len(keys) >= ROWS_FOR_TEST:
        test = max(test, 1)
    if valid_share and len(keys) >= ROWS_FOR_VALID:
        valid = max(valid, 1)
    valid = min(valid, len(keys) - test)
    return dict.fromkeys(keys[:test], "test") | dict.fromkeys(keys[len(keys) - valid :], "valid")


def _fill_empty(keys: list[str], taken: dict[str, str], valid_share: float, test_share: float) -> None:
    """Where every function has only a few rows: still one row to test and one to validate."""
    if len(keys) < len(SPLITS):
        return
    for name, share, order in (("test", test_share, keys), ("valid", valid_share, keys[::-1])):
        if share and name not in taken.values():
            taken[next(key for key in order if key not in taken)] = name


def without_copies(rows: Iterable[Any]) -> list[Any]:
    """The first of all rows that are equal in messages and answer."""
    seen: dict[str, Any] = {}
    for row in rows:
        seen.setdefault(json.dumps(row.to_json(), sort_keys=True), row)
    return list(seen.values())


def remove_leaks(splits: Rows) -> dict[tuple[str, str], int]:
    """Take out of train and valid what stands in a later split; returns (from, also in) -> rows removed."""
    removed: dict[tuple[str, str], int] = {}
    for name, later in (("valid", "test"), ("train", "test"), ("train", "valid")):
        held = {text_key(row) for row in splits[later]}
        kept = [row for row in splits[name] if text_key(row) not in held]
        if len(kept) < len(splits[name]):
            removed[name, later] = len(splits[name]) - len(kept)
        splits[name] = kept
    return removed


def conflicts(rows: Iterable[Any]) -> list[tuple[Any, Any]]:
    """One pair of rows for each text that is labelled in more than one way."""
    first: dict[str, Any] = {}
    pairs: dict[str, tuple[Any, Any]] = {}
    for row in rows:
        key = json.dumps([(m.role, m.content) for m in row.messages])
        other = first.setdefault(key, row)
        if answer_of(other) != answer_of(row):
            pairs.setdefault(key, (other, row))
    return list(pairs.values())


def count_kinds(rows: Iterable[AnyRow]) -> dict[str, int]:
    """Function or label -> rows that have it; "" counts the rows with none."""
    return dict(Counter(name for row in rows for name in kinds_of(row)).most_common())


def _draw(key: str, seed: int) -> float:
    """A number in [0, 1) that depends on text and seed only."""
    digest = hashlib.sha256(f"{seed}\n{key}".encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:6], "big") / 2**48  # 48 bits are exact in a float, so never rounded up to 1
