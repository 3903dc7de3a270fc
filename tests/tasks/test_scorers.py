"""Scorers on cases whose right score is known beforehand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pocketlm.data.load import load_rows
from pocketlm.data.shapes import shape_named
from pocketlm.tasks.base import TextRow, ask, f1, macro_f1, ratio
from pocketlm.tasks.call import Call, CallRow, CallTask
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.tasks.complete import CompleteTask, Piece
from pocketlm.tasks.embed import EmbedRow, EmbedTask, spearman
from pocketlm.tasks.extract import ExtractTask
from pocketlm.tasks.instruct import InstructTask, unsupported
from pocketlm.tasks.template import CHATML, Message
from pocketlm.tasks.tools import ToolSet
from pocketlm.tasks.translate import TranslateTask, signature

BFCL = Path(__file__).parents[2].parent / "shared" / "data" / "function_calling" / "bfcl"
OBJECT = {"type": "object", "properties": {"x": {"type": "number"}, "deep": {"type": "object", "properties": {}}}}
TASK = CallTask(ToolSet.from_openai([{"name": "f", "parameters": OBJECT}, {"name": "g"}], "t"))


def row(*calls: Call, possible: Any = ()) -> CallRow:
    return CallRow((Message("user", "do it"),), calls, possible=tuple(possible))


@pytest.mark.parametrize(
    ("answer", "wanted", "exact"),
    [
        ('{"f":{"x":7.0}}', Call("f", {"x": 7}), 1),  # 7 and 7.0 are one number
        ('{"f":{"x":7.5}}', Call("f", {"x": 7}), 0),
        ('{"f":{"x":"7"}}', Call("f", {"x": 7}), 0),  # text is no number
        ('{"f":{"x":true}}', Call("f", {"x": 1}), 0),
        ('{"f":{"x":1e2}}', Call("f", {"x": 100}), 1),
        ('{"f":{"a":"\\u00fc"}}', Call("f", {"a": "ü"}), 1),  # an escape is the letter
        ('{"f":{"a":"u\\u0308"}}', Call("f", {"a": "ü"}), 0),  # another code point sequence is another text
        ('{"f":{"deep":{"b":[1,2],"a":null}}}', Call("f", {"deep": {"a": None, "b": [1, 2]}}), 1),
        (
            '{"f":{"deep":{"b":[2,1],"a":null}}}',
            Call("f", {"deep": {"a": None, "b": [1, 2]}}),
            0,
        ),  # order of a list counts
        ('{"f":{"deep":{"b":[1,2]}}}', Call("f", {"deep": {"a": None, "b": [1, 2]}}), 0),  # null is not absent
        ('{ "f" : { "x" : 7 } }', Call("f", {"x": 7}), 1),
        ('{"f":{"x":7}} sure!', Call("f", {"x": 7}), 0),
        ('{"f":{"x":7,"x":8}}', Call("f", {"x": 8}), 1),  # as JSON parsers have it, the last of two keys
    ],
)
def test_tricky_json(answer: str, wanted: Call, exact: int) -> None:
    assert TASK.score(row(wanted), answer, CHATML)["exact"] == exact


def test_arguments_count_one_by_one() -> None:
    score = TASK.score(row(Call("f", {"a": "1", "b": "2"}), Call("g", {})), '{"f":{"a":"1","c":"3"}}\n{"g":{}}', CHATML)
    assert score.items == {"f.a": (1, 1, 1), "f.b": (0, 0, 1), "f.c": (0, 1, 0)}
    assert score.numbers["precision"] == (1, 2)
    assert score.numbers["recall"] == (1, 2)
    assert score.numbers["several"] == (0, 1)
    assert "no_call" not in score.numbers


def test_no_call_and_several_calls_are_told_apart() -> None:
    assert TASK.score(row(), "{}", CHATML).numbers["no_call"] == (1, 1)
    assert TASK.score(row(), '{"g":{}}', CHATML).numbers["no_call"] == (0, 1)
    two = row(Call("g", {}), Call("f", {}))
    assert TASK.score(two, '{"g":{}}\n{"f":{}}', CHATML).numbers["several"] == (1, 1)
    assert TASK.score(two, '{"f":{}}\n{"g":{}}', CHATML).numbers["several"] == (0, 1)  # calls are made in their order


POSSIBLE = [{"f": {"x": [7, 8], "unit": ["kg", ""], "where": [{"city": ["Paris", "Paris, FR"], "zip": ["", "75001"]}]}}]


@pytest.mark.parametrize(
    ("arguments", "exact"),
    [
        ({"x": 8, "where": {"city": "Paris"}}, 1),
        ({"x": 7.0, "unit": "kg", "where": {"city": "Paris, FR", "zip": "75001"}}, 1),
        ({"x": 9, "where": {"city": "Paris"}}, 0),
        ({"x": 7}, 0),  # where may not be left out
        ({"x": 7, "where": {"city": "Paris"}, "more": 1}, 0),
        ({"x": 7, "where": {"town": "Paris"}}, 0),
    ],
)
def test_possible_answers(arguments: dict[str, Any], exact: int) -> None:
    asked = row(Call("f", {"x": 7, "where": {"city": "Paris"}}), possible=POSSIBLE)
    assert TASK.score(asked, json.dumps({"f": arguments}), CHATML)["exact"] == exact
    if exact:  # another right answer is right in every way
        score = TASK.score(asked, json.dumps({"f": arguments}), CHATML)
        assert (score["function"], score["precision"], score["recall"]) == (1, 1, 1)
    loud = json.dumps({"f": arguments}).replace("Paris", " PARIS")
    assert TASK.score(asked, loud, CHATML)["lenient"] == exact


def test_possible_calls_come_in_any_order_and_none_twice() -> None:
    asked = row(Call("f", {"x": 1}), Call("f", {"x": 2}), possible=[{"f": {"x": [1]}}, {"f": {"x": [2]}}])
    assert TASK.score(asked, '{"f":{"x":2}}\n{"f":{"x":1}}', CHATML)["exact"] == 1
    assert TASK.score(asked, '{"f":{"x":2}}\n{"f":{"x":2}}', CHATML)["exact"] == 0
    assert TASK.score(asked, '{"f":{"x":2}}', CHATML)["exact"] == 0


@pytest.mark.skipif(not BFCL.is_dir(), reason="the Berkeley leaderboard's files are not here")
@pytest.mark.parametrize("name", ["simple_python", "multiple"])
def test_the_leaderboards_own_answers_are_right_and_others_wrong(name: str) -> None:
    file = BFCL / f"BFCL_v4_{name}.json"
    shape = shape_named("bfcl")
    for line in file.read_text(encoding="utf-8").splitlines():
        (value,) = shape.read(json.loads(line), file)
        asked = CallRow.from_json(
            {**value, "messages": value.get("messages") or [{"role": "user", "content": value["text"]}]}
        )
        task = CallTask(ToolSet.from_openai(value["tools"], "t"))
        assert task.score(asked, task.completion(asked, CHATML).removesuffix(CHATML.stop), CHATML)["exact"] == 1
        other = [Call(call.name, {**call.arguments, "made_up": 1}) for call in asked.calls]
        assert task.score(asked, "\n".join(json.dumps({c.name: c.arguments}) for c in other), CHATML)["exact"] == 0


def test_labels_that_differ_in_case_only_are_labels_apart() -> None:
    task = ClassifyTask(["Food", "food", "travel"])
    row = ClassifyTask.row({"text": "pancakes", "label": "Food"})
    assert task.score(row, "Food", CHATML)["accuracy"] == 1 and task.score(row, "food", CHATML)["accuracy"] == 0
    one = ClassifyTask.row({"text": "trains", "label": "travel"})
    assert task.score(one, '"Travel".', CHATML)["accuracy"] == 1


def test_classify_counts_a_right_parent_as_half_right() -> None:
    task = ClassifyTask(["food/recipes", "food/shops", "travel/trains", "travel/planes"])
    row = ClassifyTask.row({"text": "pancakes", "label": "food/recipes"})
    for answer, nodes in [
        ("food/recipes", (2, 2, 2)),
        ("food/shops", (1, 2, 2)),
        ("food", (1, 1, 2)),
        ("travel", (0, 1, 2)),
    ]:
        score = task.score(row, answer, CHATML)
        assert score.numbers["path_f1"] == nodes and score["valid"] == 1
        assert score["accuracy"] == (answer == "food/recipes")
    flat = ClassifyTask(["yes", "n/a"])
    assert "path_f1" not in flat.score(ClassifyTask.row({"text": "x", "label": "n/a"}), "n", CHATML).numbers


def test_classify_counts_each_label_and_what_is_outside() -> None:
    task = ClassifyTask(["play", "stop", "oos"])
    rows = [TextRow(ask("a"), ["play"]), TextRow(ask("b"), ["oos"]), TextRow(ask("c"), ["stop"])]
    scores = [task.score(*pair, CHATML) for pair in zip(rows, [" Play.", "play", "dunno"], strict=True)]
    assert [score["accuracy"] for score in scores] == [1, 0, 0]
    assert [score["valid"] for score in scores] == [1, 1, 0]
    assert scores[1].numbers["outside_recall"] == (0, 1)
    assert scores[2].numbers["inside_accuracy"] == (0, 1)
    assert scores[1].why == ["oos taken for play"]
    several = task.score(TextRow(ask("d"), ["play", "stop"]), "stop, play", CHATML)
    assert several["accuracy"] == 1


def test_labels_may_hold_commas_and_dots() -> None:
    task = ClassifyTask(["Food, drinks", "etc.", "Music"])
    for label in task.labels:
        assert task.score(TextRow(ask("a"), [label]), label, CHATML)["accuracy"] == 1
        assert task.is_legal(TextRow(ask("a"), [label]), label, CHATML)
    assert task.score(TextRow(ask("a"), ["Music"]), '"music".', CHATML)["accuracy"] == 1


def test_macro_f1_is_the_mean_of_labels() -> None:
    # label 1: 2 right of 2 got, 2 wanted; label 2: 0 of 1, 2 wanted; label 3: never seen
    assert macro_f1(np.array([2.0, 2, 2, 0, 1, 2, 0, 0, 0])) == pytest.approx(0.5)
    assert f1(np.array([2.0, 3, 3])) == pytest.approx(2 / 3)
    assert np.isnan(ratio(np.array([0.0, 0.0])))


def test_extract_counts_values_of_fields() -> None:
    task = ExtractTask(["person", "place"])
    asked = task.row({"text": "t", "entities": [{"type": "person", "text": "Ada"}, {"type": "person", "text": "Bob"}]})
    score = task.score(asked, '{"person":["ada ","Eve"],"place":"Rome"}', CHATML)
    assert score.items == {"person": (1, 2, 2), "place": (0, 1, 0)}
    assert score.numbers["f1"] == (1, 3, 2)
    assert task.score(asked, '{"person":["Bob","Ada"]}', CHATML)["exact"] == 1
    assert task.score(asked, "Ada and Bob", CHATML)["valid"] == 0
    assert task.score(task.row({"text": "t", "fields": {"place": None}}), "{}", CHATML)["empty"] == 1


def test_summaries_are_held_to_their_text() -> None:
    pytest.importorskip("rouge_score")
    source = "Ann met Bob in Paris on 3 May. They paid 40 euros."
    task = InstructTask()
    asked = task.row(
        {"messages": [{"role": "user", "content": source}, {"role": "assistant", "content": "Ann met Bob."}]}
    )
    same = task.score(asked, "Ann met Bob.", CHATML)
    assert same["rougeL"] == same["exact"] == same["words_f1"] == same["supported"] == 1
    assert unsupported("In 1999 she met Bob and Carol's dog for 40 euros.", source) == ["1999", "Carol's"]
    made_up = task.score(asked, "She met Carol in 1999.", CHATML)
    assert made_up["supported"] == 0
    assert made_up.why == ['"1999" does not stand in the request', '"Carol" does not stand in the request']
    assert task.score(asked, "They paid 40 euros.", CHATML)["copied"] == 1


def test_rouge_is_googles() -> None:
    pytest.importorskip("rouge_score")
    asked = InstructTask.row(
        {"messages": [{"role": "user", "content": "x"}, {"role": "assistant", "content": "the cat sat on the mat"}]}
    )
    # 3 of 3 words got, 3 of 6 wanted: F1 2/3; in order too; 1 of 2 pairs got, 1 of 5 wanted: 2/7
    score = InstructTask().score(asked, "the cat mat", CHATML)
    assert score["rouge1"] == score["rougeL"] == pytest.approx(2 / 3)
    assert score["rouge2"] == pytest.approx(2 / 7)


def test_translation_is_sacrebleus_corpus_score() -> None:
    sacrebleu = pytest.importorskip("sacrebleu")
    wanted = ["The dog bit the man.", "It was not unexpected.", "The man bit him first."]
    got = ["The dog bit the man.", "It wasn't surprising.", "The man had just bitten him."]
    task = TranslateTask()
    scores = [
        task.score(TranslateTask.row({"source": "x", "target": w}), g, CHATML) for w, g in zip(wanted, got, strict=True)
    ]
    for name, theirs in (
        ("bleu", sacrebleu.corpus_bleu(got, [wanted])),
        ("chrf", sacrebleu.corpus_chrf(got, [wanted])),
    ):
        sums = np.array([score.numbers[name] for score in scores]).sum(0)
        assert float(task.metrics[name].of(sums)) == pytest.approx(theirs.score)
        assert "version" in signature(name)


def test_a_text_is_scored_by_its_tokens() -> None:
    half = math.log(0.5)
    pieces = [
        Piece("The", half, ("The", "A", "It")),
        Piece(" cat", half, (" dog", " cat", " cow")),
        Piece(" s", half, (" s", " w", " x")),
        Piece("at", half, ("at", "it", "ot")),
        Piece(".", half, ("s", ".", "!")),  # the model would have gone on with the word: "sat" is not its word
        Piece(" Yes", half, (" No", " Yet", " Yo", " Ya", " Yes")),
    ]
    numbers = CompleteTask().score_pieces(pieces, len("The cat sat. Yes")).numbers
    assert float(CompleteTask.metrics["perplexity"].of(np.array(numbers["perplexity"]))) == pytest.approx(2)
    assert numbers["bits_per_byte"] == (pytest.approx(6), len("The cat sat. Yes"))
    assert numbers["word_at_1"] == (1, 4)
    assert numbers["word_at_3"] == (2, 4)
    # The: 1 key; cat: 1; sat: 4; Yes: after "Ye", among Yet and Yes: 3 keys
    assert numbers["keys_saved"] == (16 - 9, 16)


def test_rankings() -> None:
    task, asked = EmbedTask(), EmbedRow("q", ("a", "b"))
    score = task.score_ranking(asked, ["x", "a", "y", "b"])
    best = 1 + 1 / math.log2(3)
    assert score["ndcg_at_10"] == pytest.approx((1 / math.log2(3) + 1 / math.log2(5)) / best)
    assert score["mrr_at_10"] == 0.5
    assert score.numbers["recall_at_10"] == (2, 2)
    assert score.numbers["recall_at_1"] == (0, 2)


def test_spearman_has_ties_at_their_mean_rank() -> None:
    assert spearman(np.array([[1.0, 10], [2, 20], [3, 30]])) == pytest.approx(1)
    assert spearman(np.array([[1.0, 30], [2, 20], [3, 10]])) == pytest.approx(-1)
    # ranks 0, 1.5, 1.5, 3 against 0, 1, 2, 3, by hand: 4.5 / sqrt(4.5 * 5)
    assert spearman(np.array([[1.0, 1], [2, 2], [2, 3], [3, 4]])) == pytest.approx(4.5 / math.sqrt(22.5))
    assert math.isnan(spearman(np.array([[1.0, 1], [1, 2]])))


@pytest.mark.parametrize(
    ("file", "text", "task"),
    [
        ("a.jsonl", '{"text":"play it","label":"music"}\n{"text":"stop","label":"halt"}\n', "classify"),
        ("b.jsonl", '{"source":"Hund","target":"dog"}\n', "translate"),
        ("c.jsonl", '{"a":"x","b":"y","score":0.5}\n{"a":"x","b":"z","score":0.1}\n', "embed"),
        ("d.jsonl", '{"text":"t","entities":[]}\n', "extract"),
        ("e.jsonl", '{"messages":[{"role":"user","content":"a"},{"role":"assistant","content":"b"}]}\n', "instruct"),
        ("f.txt", "once upon a time\n\nthere was\n", "complete"),
        ("g.jsonl", '{"text":"go","calls":[{"name":"g","arguments":{}}],"tools":[{"name":"g"}]}\n', "call"),
    ],
)
def test_rows_are_told_by_their_layout(file: str, text: str, task: str, tmp_path: Path) -> None:
    (tmp_path / file).write_text(text, encoding="utf-8")
    found, rows = load_rows(tmp_path / file)
    assert found.name == task
    assert rows


def test_tags_of_rows_are_slices(tmp_path: Path) -> None:
    rows = {
        "call": {"text": "go", "calls": [], "tags": ["night"], "tools": [{"name": "g"}]},
        "classify": {"text": "go", "label": "a", "tags": ["night"]},
        "extract": {"text": "go", "entities": [], "tags": ["night"]},
    }
    for name, value in rows.items():
        (tmp_path / f"{name}.jsonl").write_text(json.dumps(value) + "\n")
        task, (found,) = load_rows(tmp_path / f"{name}.jsonl")
        assert "tag night" in task.groups(found), name
