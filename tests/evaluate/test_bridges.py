"""Bridges: what the other library computes from our engines is what it computes from its own models, and what one gets by hand."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import tiny

from pocketlm.core.errors import InputError
from pocketlm.engines.llamacpp import LlamaCppEngine
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.bridges import run_bridge
from pocketlm.export.gguf import export_gguf
from pocketlm.tasks.template import CHATML, Message

LACKS = "needs pip install 'pocketlm[bench]'"
QUESTIONS = ["Set an alarm for", "What's the weather in", "play music and call", "She said: ", "turn the lights", "buy"]
ANSWERS = [" 7 in the morning", " Paris on Monday", " mum", '"that isn\'t mine"', " off in the kitchen", " milk, ü 😀"]
PAIRS = [*zip(QUESTIONS, ANSWERS, strict=True), ("trailing  ", "spaces"), ("", "remind me"), ("one", " two\n\nthree")]


@pytest.fixture(scope="module", params=["torch", "llamacpp"])
def engine(request: pytest.FixtureRequest, tiny_llama: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    pytest.importorskip("lm_eval", reason=LACKS)
    if request.param == "torch":
        opened = open_engine(str(tiny_llama))
    else:
        file = tmp_path_factory.mktemp("gguf") / "tiny.gguf"
        export_gguf(tiny_llama, file, precision="f32", chat_template=CHATML.jinja, stop_token=CHATML.stop)
        opened = LlamaCppEngine(file, exact=True)  # so that no rounding hides a fault
    yield opened
    opened.close()


@pytest.fixture
def tasks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of three tasks over local rows: one that chooses, one of whole texts, one that generates."""
    config = pytest.importorskip("datasets.config", reason=LACKS)
    monkeypatch.setattr(config, "HF_DATASETS_CACHE", tmp_path / "cache")
    rows = [
        {
            "question": question,
            "choices": ANSWERS[:4],
            "answer": i % 4,
            "text": question + answer * (130 * (i == 0) + 1),
        }
        for i, (question, answer) in enumerate(zip(QUESTIONS, ANSWERS, strict=True))
    ]
    (tmp_path / "rows.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    folder = tmp_path / "tasks"
    folder.mkdir()
    for name, more in {
        "choice": "output_type: multiple_choice\ndoc_to_text: '{{question}}'\ndoc_to_choice: '{{choices}}'\n"
        "doc_to_target: '{{answer}}'\nmetric_list: [{metric: acc}, {metric: acc_norm}]\n",
        "whole": "output_type: loglikelihood_rolling\ndoc_to_text: ''\ndoc_to_target: '{{text}}'\n"
        "metric_list: [{metric: word_perplexity}, {metric: byte_perplexity}]\n",
        "write": "output_type: generate_until\ndoc_to_text: '{{question}}'\ndoc_to_target: '{{choices[0]}}'\n"
        "generation_kwargs: {until: ['e', '.'], max_gen_toks: 16}\nmetric_list: [{metric: exact_match}]\n",
    }.items():
        head = (
            f"task: tiny_{name}\ndataset_path: json\ndataset_kwargs: {{data_files: {{test: {tmp_path}/rows.jsonl}}}}\n"
        )
        (folder / f"{name}.yaml").write_text(f"{head}test_split: test\n{more}")
    return folder


def asked(*pairs: tuple[Any, ...]) -> list[Any]:
    """Requests as the harness makes them: all that is read of one is its arguments."""
    return [SimpleNamespace(args=pair) for pair in pairs]


def by_transformers(folder: Path, pairs: Sequence[tuple[str, str]]) -> Iterator[tuple[float, bool]]:
    """Log-likelihoods and greediness without any code of ours or of the harness."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    for context, continuation in pairs:
        ids = tokenizer(context + continuation)["input_ids"]
        start = len(tokenizer(context.rstrip())["input_ids"])
        if not context:
            ids, start = [tokenizer.bos_token_id, *ids], 1
        with torch.no_grad():
            scores = model(torch.tensor([ids])).logits[0].log_softmax(-1)
        places = range(start, len(ids))
        is_greedy = all(int(scores[i - 1].argmax()) == ids[i] for i in places)
        yield sum(float(scores[i - 1, ids[i]]) for i in places), is_greedy


def test_loglikelihoods_are_those_of_transformers(engine: Any, tiny_llama: Path) -> None:
    from pocketlm.evaluate.bridges.lm_harness import EngineLM

    greedy = (QUESTIONS[0], engine.generate([QUESTIONS[0]], max_tokens=3)[0].text)
    pairs = [*PAIRS, greedy]
    found = EngineLM(engine).loglikelihood(asked(*pairs))
    wanted = list(by_transformers(tiny_llama, pairs))
    assert [score for score, _ in found] == pytest.approx([score for score, _ in wanted], abs=1e-3)
    assert [is_greedy for _, is_greedy in found] == [is_greedy for _, is_greedy in wanted]


def test_the_harness_finds_what_it_finds_with_its_own_model(engine: Any, tiny_llama: Path, tasks: Path) -> None:
    from lm_eval import simple_evaluate
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from pocketlm.evaluate.bridges.lm_harness import EngineLM

    model, tokenizer = AutoModelForCausalLM.from_pretrained(tiny_llama), AutoTokenizer.from_pretrained(tiny_llama)
    theirs = HFLM(pretrained=model, tokenizer=tokenizer, max_length=engine.context - 1, device="cpu")
    names = ["tiny_choice", "tiny_whole", "tiny_write"]
    ours, wanted = (
        simple_evaluate(
            lm,
            tasks=names,
            task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
            bootstrap_iters=10,
        )
        for lm in (EngineLM(engine), theirs)
    )
    for name in names:
        for one, other in zip(ours["samples"][name], wanted["samples"][name], strict=True):
            assert one["arguments"] == other["arguments"]
            for (got,), (expected,) in zip(one["resps"], other["resps"], strict=True):
                if isinstance(expected, str):
                    assert got == expected
                else:
                    assert got == pytest.approx(expected, abs=1e-3, rel=1e-5)
        for metric, value in wanted["results"][name].items():
            if isinstance(value, float) and "stderr" not in metric:
                assert ours["results"][name][metric] == pytest.approx(value, rel=1e-3), (name, metric)


def test_texts_longer_than_the_context_are_scored_in_windows(tiny_llama: Path) -> None:
    pytest.importorskip("lm_eval", reason=LACKS)
    from pocketlm.evaluate.bridges.lm_harness import EngineLM

    engine = open_engine(str(tiny_llama))
    engine.context = 9
    text = "play music call mum remind me to buy milk and bread at noon"
    ids = [engine.begin, *engine.tokenize(text)]
    (found,) = EngineLM(engine).loglikelihood_rolling(asked((text,)))
    # by hand: windows of eight new tokens behind one that was seen; the last reaches back to be full
    starts = range(1, len(ids), 8)
    pairs = [(ids[max(0, min(at + 8, len(ids)) - 9) : at], ids[at : at + 8]) for at in starts]
    assert found == pytest.approx(sum(one.logprob for odds in engine.odds(pairs) for one in odds), abs=1e-3)


def test_answers_are_cut_at_the_first_stop_string(engine: Any) -> None:
    from pocketlm.evaluate.bridges.lm_harness import EngineLM

    whole = engine.generate([QUESTIONS[0]], max_tokens=12)[0].text
    first, second = whole[4:6], whole[6:8]
    long = "remind me to buy milk and bread at noon " * 400
    found = EngineLM(engine).generate_until(
        asked(
            (QUESTIONS[0], {"until": [second, first], "max_gen_toks": 12, "do_sample": False}),
            (QUESTIONS[0], {"until": "nowhere in it", "max_gen_toks": 12, "temperature": 0}),
            (long, {"until": [], "max_gen_toks": 4}),
        )
    )
    assert found[0] == whole[: min(whole.find(first), whole.find(second))]
    assert found[1] == whole
    fits = engine.decode(engine.tokenize(long)[4 - engine.context :])
    assert found[2] == engine.generate([fits], max_tokens=4)[0].text


@pytest.mark.parametrize("wishes", [{"do_sample": True}, {"temperature": 0.7}])
def test_sampling_is_refused(engine: Any, wishes: dict[str, Any]) -> None:
    from pocketlm.evaluate.bridges.lm_harness import EngineLM

    with pytest.raises(InputError, match=r"asks for sampling .*do_sample: false"):
        EngineLM(engine).generate_until(asked(("a", wishes)))


def test_dialogues_are_rendered_as_the_tokenizer_would(engine: Any) -> None:
    from pocketlm.evaluate.bridges.lm_harness import EngineLM

    turns = [{"role": role, "content": text} for role, text in (("system", "s"), ("user", "u"), ("assistant", "a"))]
    tokenizer = tiny.make_tiny_tokenizer()
    tokenizer.chat_template = CHATML.jinja
    model = EngineLM(engine)
    wanted = tokenizer.apply_chat_template(turns[:2], tokenize=False, add_generation_prompt=True)
    assert model.apply_chat_template(turns[:2]) == wanted
    assert model.apply_chat_template(turns, add_generation_prompt=False) == wanted + "a"
    assert model.chat_template(True) == CHATML.jinja
    assert model.tokenizer_name.endswith("chatml")


def test_the_harness_from_a_file_and_from_a_folder(tiny_llama: Path, tasks: Path) -> None:
    pytest.importorskip("lm_eval", reason=LACKS)
    value, text = run_bridge(str(tiny_llama), f"lm-eval:{tasks / 'choice.yaml'}", limit=3, threads=1)
    assert json.loads(json.dumps(value)) == value
    assert set(value["metrics"]) == {"tiny_choice"}
    assert {"acc", "acc_stderr", "acc_norm"} <= set(value["metrics"]["tiny_choice"])
    assert value["samples"] == 3 and "3 samples" in text
    assert {"lm_eval", "tiny_choice"} <= set(value["versions"])
    value, text = run_bridge(str(tiny_llama), f"lm-eval:{tasks}", limit=2, threads=1)
    assert set(value["metrics"]) == {"tiny_choice", "tiny_whole", "tiny_write"}
    assert "byte_perplexity" in text


def test_the_harness_in_the_chat_template(engine: Any, tasks: Path) -> None:
    from pocketlm.evaluate.bridges.lm_harness import run_harness

    seen: list[str] = []

    class Listening:
        """The engine, and what it was asked to continue."""

        def __getattr__(self, name: str) -> Any:
            return getattr(engine, name)

        def generate(self, prompts: Sequence[str], **more: Any) -> Any:
            seen.extend(prompts)
            return engine.generate(prompts, **more)

    run_harness(Listening(), [tasks / "write.yaml"], 1, chat=True)
    assert seen == [CHATML.render([Message("user", QUESTIONS[0])])]


def test_bad_tasks_are_named(tiny_llama: Path, tasks: Path) -> None:
    pytest.importorskip("lm_eval", reason=LACKS)
    (tasks / "choice.yaml").write_text((tasks / "choice.yaml").read_text().replace("rows.jsonl", "gone.jsonl"))
    with pytest.raises(InputError, match=r"choice.yaml.*gone.jsonl"):
        run_bridge(str(tiny_llama), f"lm-eval:{tasks / 'choice.yaml'}", limit=None, threads=None)
    (tasks / "choice.yaml").write_text("dataset_path: json\n")
    with pytest.raises(InputError, match=r"choice.yaml: cannot be run \(Unknown config"):
        run_bridge(str(tiny_llama), f"lm-eval:{tasks / 'choice.yaml'}", limit=None, threads=None)
    with pytest.raises(InputError, match="the folder holds no task"):
        run_bridge(str(tiny_llama), f"lm-eval:{tiny_llama}", limit=None, threads=None)
    with pytest.raises(InputError, match="lm-eval:nosuch: no task of the harness, no file and no folder"):
        run_bridge(str(tiny_llama), f"lm-eval:{tasks / 'whole.yaml'},nosuch", limit=None, threads=None)
    with pytest.raises(InputError, match="write lm-eval:TASK or mteb:TASK"):
        run_bridge(str(tiny_llama), "mteb:", limit=None, threads=None)


# MTEB

TEXTS = {  # text -> the angle of its vector, in degrees
    "first question": 0.0, "second question": 90.0,
    "d1": 20.0, "d2": 10.0, "d3": -30.0, "d4": 150.0, "d5": 95.0, "a title d6": 70.0,
}  # fmt: skip


class Fixed:
    """Vectors whose order is known."""

    uri = "fixed"

    def embed(self, texts: Sequence[str]) -> Any:
        angles = np.radians([TEXTS[text.strip()] for text in texts])
        return np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float32)


@pytest.fixture
def retrieval(tmp_path: Path) -> Path:
    """Two questions over six documents, in BEIR's layout."""
    folder = tmp_path / "six documents"
    (folder / "qrels").mkdir(parents=True)
    corpus = [{"_id": name, "title": "", "text": name} for name in ("d1", "d2", "d3", "d4", "d5")]
    corpus.append({"_id": "d6", "title": "a title", "text": "d6"})
    queries = [
        {"_id": f"q{i}", "text": f"{text} question"} for i, text in enumerate(("first", "second", "unjudged"), 1)
    ]
    for name, rows in (("corpus", corpus), ("queries", queries)):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    judged = ["query-id\tcorpus-id\tscore", "q1\td1\t1", "q1\td3\t1", "q2\td4\t2", "q2\td5\t1"]
    (folder / "qrels" / "test.tsv").write_text("\n".join(judged) + "\n")
    return folder


def test_ndcg_of_a_local_retrieval_folder_is_the_one_by_hand(retrieval: Path) -> None:
    pytest.importorskip("mteb", reason=LACKS)
    from pocketlm.evaluate.bridges.mteb_tasks import run_mteb

    found = run_mteb(Fixed(), [retrieval])
    # q1: d2 (10 degrees away), d1 (20), d3 (30), ...; q2: d5 (5), d6 (20), d4 (60), ...
    first = (1 / math.log2(3) + 1 / math.log2(4)) / (1 + 1 / math.log2(3))
    second = (1 + 2 / math.log2(4)) / (2 + 1 / math.log2(3))
    scores = found["metrics"]["six-documents"]
    assert scores["ndcg_at_10"] == scores["main_score"] == pytest.approx((first + second) / 2, abs=1e-5)
    assert found["samples"] == 8
    assert run_mteb(Fixed(), [retrieval], limit=1)["metrics"]["six-documents"]["ndcg_at_10"] == pytest.approx(
        first, abs=1e-5
    )


def test_correlation_of_a_local_file_of_pairs(tmp_path: Path) -> None:
    pytest.importorskip("mteb", reason=LACKS)
    from pocketlm.evaluate.bridges.mteb_tasks import run_mteb

    pairs = [("d1", "d2", 4), ("d1", "d5", 1), ("d2", "d3", 3), ("d3", "d4", 2), ("d4", "d5", 2.5)]
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps({"a": a, "b": b, "score": score}) + "\n" for a, b, score in pairs))
    # angles between: 10, 75, 40, 180, 55; ranks of their cosines 5 2 4 1 3, of the scores 5 1 4 2 3
    scores = run_mteb(Fixed(), [file])["metrics"]["pairs"]
    assert scores["cosine_spearman"] == scores["main_score"] == pytest.approx(1 - 6 * 2 / (5 * 24), abs=1e-6)


def test_mteb_from_the_command(retrieval: Path, tiny_llama: Path) -> None:
    pytest.importorskip("mteb", reason=LACKS)
    value, text = run_bridge(str(tiny_llama), f"mteb:{retrieval}", limit=None, threads=None)
    assert json.loads(json.dumps(value)) == value
    assert value["engine"] == str(tiny_llama) and "mteb" in value["versions"]
    assert 0 < value["metrics"]["six-documents"]["main_score"] < 1
    assert "six-documents" in text and "ndcg_at_10" in text and "8 samples" in text


def test_bad_files_are_named(retrieval: Path, tmp_path: Path) -> None:
    pytest.importorskip("mteb", reason=LACKS)
    from pocketlm.evaluate.bridges.mteb_tasks import run_mteb

    (retrieval / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq1\td9\t1\n")
    with pytest.raises(InputError, match=r'test.tsv:2: names "d9", which is not in corpus.jsonl'):
        run_mteb(Fixed(), [retrieval])
    (retrieval / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n")
    with pytest.raises(InputError, match=r"test.tsv: holds no row"):
        run_mteb(Fixed(), [retrieval])
    (retrieval / "qrels" / "test.tsv").unlink()
    with pytest.raises(InputError, match=r"has no qrels/test.tsv"):
        run_mteb(Fixed(), [retrieval])
    file = tmp_path / "pairs.jsonl"
    for row, wrong in (
        ({"a": "d1", "b": "d2"}, "has no score"),
        ({"a": "d1", "b": "d2", "score": "high"}, "not a number"),
    ):
        file.write_text(json.dumps(row) + "\n")
        with pytest.raises(InputError, match=rf"pairs.jsonl:1: .*{wrong}"):
            run_mteb(Fixed(), [file])
    with pytest.raises(InputError, match="no task of MTEB, no folder and no file"):
        run_mteb(Fixed(), ["NoSuchTask"])
    with pytest.raises(InputError, match="--limit is for local files"):
        run_mteb(Fixed(), ["STS12"], limit=3)
