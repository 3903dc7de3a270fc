"""Hashed n-grams: the same for the same text, near for like texts, small files, quick."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest

from pocketlm.core.errors import InputError
from pocketlm.models.word_features import FILE, PLACES, WordFeatures, places

TEXTS = ["play some music", "play the music", "what is the weather", "set an alarm for seven", "naïve café 漢字 😀"]


def likeness(words: WordFeatures, a: str, b: str) -> float:
    left, right = (dict(zip(*(part.tolist() for part in words.of(text)), strict=True)) for text in (a, b))
    return sum(value * right.get(column, 0.0) for column, value in left.items())


def test_places_are_those_of_all_grams_and_do_not_change() -> None:
    found = places("a bc")
    # words a, bc; the pair; of " a bc " 5 pairs of characters, 4 threes, 3 fours, 2 fives
    assert len(found) == 3 + 5 + 4 + 3 + 2
    assert found.min() >= 0 and found.max() < PLACES
    assert places("A  Bc").tolist() == found.tolist()  # case and white space aside
    assert found[:3].tolist() == [46034, 56192, 60900]  # saved models rely on it
    assert len(np.unique(places("the quick brown fox jumps over the lazy dog"))) > 120  # hardly any fall together


def test_vectors_have_length_one_and_like_texts_are_near() -> None:
    words = WordFeatures.learn(TEXTS)
    assert [likeness(words, text, text) for text in TEXTS] == pytest.approx([1] * len(TEXTS), abs=1e-5)
    assert likeness(words, TEXTS[0], TEXTS[1]) > 0.3 > likeness(words, TEXTS[0], TEXTS[3])
    assert likeness(words, "play musick", TEXTS[0]) > likeness(words, "play chess", TEXTS[0])  # a slip of the pen
    for empty in ("", "   ", "\ud800"):
        columns, values = words.of(empty)
        assert len(columns) == len(values) and np.isfinite(values).all()


def test_only_some_columns_and_a_saved_file_are_the_same(tmp_path: Path) -> None:
    words = WordFeatures.learn(TEXTS)
    some = words.only(np.arange(0, len(words.kept), 2))
    some.save(tmp_path)
    again = WordFeatures.load(tmp_path)
    for text in TEXTS:
        columns, values = again.of(text)
        assert columns.tolist() == some.of(text)[0].tolist()
        assert values == pytest.approx(some.of(text)[1], abs=1e-3)
    (tmp_path / FILE).write_bytes(b"no")
    with pytest.raises(InputError, match="damaged"):
        WordFeatures.load(tmp_path)
    (tmp_path / FILE).unlink()
    with pytest.raises(InputError, match="no such file"):
        WordFeatures.load(tmp_path)


def test_a_text_takes_well_under_a_millisecond() -> None:
    words = WordFeatures.learn(TEXTS)
    times = []
    for _ in range(50):
        began = time.perf_counter()
        words.of("could you please tell me what the weather will be like tomorrow afternoon")
        times.append(time.perf_counter() - began)
    assert min(times) < 1e-3
