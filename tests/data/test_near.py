from __future__ import annotations

import random

import pytest

from pocketlm.data.near import NearIndex, shingles, similarity

pytest.importorskip("rensa")


def test_similarity_is_the_share_of_common_pieces() -> None:
    assert similarity("turn on  the LIGHT", "turn on the light") == 1
    assert similarity("abcdef", "uvwxyz") == 0
    assert similarity("", "") == 1
    a, b = "wake me at seven please", "wake me at eight please"
    assert similarity(a, b) == len(shingles(a) & shingles(b)) / len(shingles(a) | shingles(b))


def test_found_are_exactly_the_pairs_above_the_threshold() -> None:
    chance = random.Random(0)
    words = [f"w{n}" for n in range(200)]
    texts = [" ".join(chance.choices(words, k=12)) for _ in range(150)]
    texts += [text.replace("w1", "w2", 1) for text in texts[:75]]
    chance.shuffle(texts)
    found = list(NearIndex(0.7).twins(texts))
    for at, text in enumerate(texts):
        best = max((similarity(text, other) for other in texts[:at]), default=0)
        assert (found[at] is not None) == (best >= 0.7)
        if (twin := found[at]) is not None:
            assert similarity(text, texts[twin]) == best
    one_by_one = NearIndex(0.7)
    for at, text in enumerate(texts):
        assert one_by_one.find(text) == found[at]
        one_by_one.add(text)


def test_clusters_hold_twins_of_twins() -> None:
    base = "please book a table for two at the old mill tonight"
    chain = [base, base + " now", base + " now or later", "quite another thing altogether"]
    roots = NearIndex(0.75).clusters(chain)
    assert roots[0] == roots[1] == roots[2] != roots[3]
    assert similarity(chain[0], chain[2]) < 0.9
