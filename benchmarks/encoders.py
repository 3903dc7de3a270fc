"""Understanding without generating: how good, how small and how fast are classifiers and embeddings on real data?

SST-2, CLINC150 and SMS spam: the whole ladder of methods; SST-2 also by a small language model's lessons. A few rows a label: five draws each. Cranfield: BM25, the base's
vectors, the base adapted without labels, hybrids, and a static model distilled from the base. MRPC: paraphrases told at a
threshold chosen on the training pairs. The exported files of a classifier and of an embedder, scored as they ship; texts a
second of ONNX int8 and of the static model beside torch fp32.

Published beside: DistilBERT on SST-2 91.3 % (three times larger); BERT on CLINC150 about 96 % with 41 % of the questions
outside; SetFit with 8 rows a label on SST-2 about 87 % (five times larger).

python benchmarks/encoders.py --json results/encoders.json [--data FOLDER] [--quick] [--only PART...]
"""

from __future__ import annotations

import json
import random
import statistics
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from kept import keep, parsed, parser

from pocketlm.core.config import Config, load_config
from pocketlm.core.files import read_json
from pocketlm.data.labelled import prepare_labelled
from pocketlm.data.load import load_rows
from pocketlm.data.pairs import prepare_pairs
from pocketlm.engines.embedder import open_embedder
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.evaluate import evaluate
from pocketlm.evaluate.latency import percentile
from pocketlm.evaluate.ranking import Bm25, Dense, Hybrid, tuned_weight
from pocketlm.evaluate.report import Report
from pocketlm.evaluate.retrieve import pool_of
from pocketlm.export.bundle import export
from pocketlm.export.subject import subject_of_classifier
from pocketlm.tasks.base import TextRow, ask
from pocketlm.tasks.classify import ClassifyTask
from pocketlm.tasks.template import TERSE
from pocketlm.train.classifier_run import ClassifierRun
from pocketlm.train.classify import train_classifier
from pocketlm.train.embed import train_embed
from pocketlm.train.ladder import Ladder, climb, ladder_of, ladder_text, size_mb
from pocketlm.train.run import train_run

REPO = Path(__file__).parents[1]
RUNS = REPO / "runs" / "encoders"
ENCODER = "starter:minilm-l6"
SHORT = 10_000  # texts that are encoded against the clock
SEEDS = 5


def settings(*overrides: str) -> Config:
    """A configuration from defaults and `--set`."""
    return load_config(None, list(overrides))


def classify(*overrides: str) -> Config:
    """One of the task classify."""
    return settings("task=classify", *overrides)


def rows_of(*files: Path) -> list[Any]:
    """Rows of labelled texts."""
    return [
        ClassifyTask.row(json.loads(line), f"{file}:{number}")
        for file in files
        for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), 1)
    ]


def labels_of(rows: Sequence[Any]) -> list[str]:
    """Their labels."""
    return sorted({label for row in rows for label in row.answer})


def show(ladder: Ladder | None, title: str) -> None:
    """Print a ladder."""
    assert ladder
    print(f"\n{title}\n{ladder_text(ladder)}", flush=True)


def rung_metrics(name: str, ladder: Ladder, folder: Path) -> dict[str, float]:
    """Every rung's figures, and those of the best by validation rows under the plain name."""
    found: dict[str, float] = {}
    for rung in ladder.rungs:
        found[f"{name}_{rung.name}"] = rung.test or 0.0
        found[f"{name}_{rung.name}_mb"] = rung.size_mb
        found[f"{name}_{rung.name}_p95_ms"] = rung.p95_ms
    best = max(ladder.rungs, key=lambda rung: rung.valid or 0)
    metrics = read_json(folder / "rungs" / best.name / "manifest.json")["metrics"]
    found |= {f"{name}_seconds": metrics["train_seconds"], f"{name}_memory_gb": metrics["memory_gb"]}
    return found | {f"{name}_accuracy": best.test or 0.0}


def sst2(data: Path, quick: bool) -> dict[str, float]:
    """Sentiment of sentences: 6,920 training rows, no phrases."""
    home = data / "classification" / "sst2"
    train, valid, test = (rows_of(home / f"{split}.jsonl") for split in ("train", "dev", "test"))
    config = classify("train.method=ladder", *SST2, *(["classify.rungs=[tfidf, embedding]"] if quick else []))
    climb(config, train, valid, test, RUNS / "sst2", labels=labels_of(train))
    ladder = ladder_of(RUNS / "sst2")
    assert ladder
    show(ladder, f"SST-2, {len(test)} test rows (published: DistilBERT, three times larger, 91.3 %)")
    return rung_metrics("sst2", ladder, RUNS / "sst2")


def taught(data: Path, quick: bool) -> dict[str, float]:
    """SST-2 again, by a teacher: SmolLM2-135M is tuned to write a sentence's label behind it, and its odds are learnt beside the labels."""
    if quick:
        return {}
    home = data / "classification" / "sst2"
    train, valid, test = (rows_of(home / f"{split}.jsonl") for split in ("train", "dev", "test"))
    written = [[TextRow(ask(row.text), f" {row.answer[0]}", row.where) for row in rows] for rows in (train, valid)]
    teacher, folder = RUNS / "sst2-teacher", RUNS / "sst2-taught"
    train_run(settings(*TEACHER), None, *written, teacher)
    prompt = TERSE.render(ask("{text}"))
    config = classify(
        "train.method=distill", *SST2, f"classify.teacher={teacher}", f'classify.teacher_prompt="{prompt}"'
    )
    run = train_classifier(config, train, valid, folder, labels=labels_of(train))
    scores = {name: scored_rows(folder, rows, labels_of(train)) for name, rows in (("valid", valid), ("test", test))}
    low, high = scores["test"].intervals["accuracy"]
    print(
        f"SST-2, taught: {scores['test'].value:.1%} [{low:.1%}, {high:.1%}] of the test rows, {scores['valid'].value:.1%} of the validation rows"
    )
    found = {
        "sst2_taught_low": low,
        "sst2_taught_high": high,
        "sst2_taught_seconds": run.manifest["metrics"]["train_seconds"],
    }
    found |= {"sst2_taught": scores["test"].value, "sst2_taught_valid": scores["valid"].value}
    ladder = ladder_of(RUNS / "sst2")
    if ladder and scores["valid"].value <= max(rung.valid or 0 for rung in ladder.rungs):
        return found  # the ladder's best stands for the set
    return found | {"sst2_accuracy": scores["test"].value}


SST2 = ("train.epochs=4",)
# one thread in bf16: the same weights again, whatever else the machine does
TEACHER = (
    "task=instruct", "template=terse", "train.epochs=1", "train.lr=5e-4", "train.augment=none", "train.threads=1",
    "train.compute=bf16",
)  # fmt: skip
CLINC = ("train.epochs=5", "classify.outside_recall=0.75")


def clinc150(data: Path, quick: bool) -> dict[str, float]:
    """150 intents and what fits none; the threshold is chosen on the validation rows."""
    home = data / "classification" / "clinc150"
    parts = (("train", "oos_train"), ("val", "oos_val"), ("test", "oos_test"))
    train, valid, test = (rows_of(*(home / f"{name}.jsonl" for name in names)) for names in parts)
    config = classify("train.method=ladder", *CLINC, *(["classify.rungs=[tfidf, embedding]"] if quick else []))
    climb(config, train, valid, test, RUNS / "clinc150", labels=labels_of(train))
    ladder = ladder_of(RUNS / "clinc150")
    assert ladder
    show(ladder, f"CLINC150, {len(test)} test rows, 1,000 of them outside")
    best = max(ladder.rungs, key=lambda rung: rung.valid or 0)
    report = scored_rows(RUNS / "clinc150" / "rungs" / best.name, test, labels_of(train))
    inside, outside = report.metrics["inside_accuracy"], report.metrics["outside_recall"]
    print(f"{best.name}: {inside:.1%} of the rows inside, {outside:.1%} of those outside (published: BERT 96 and 41 %)")
    found = rung_metrics("clinc150", ladder, RUNS / "clinc150")
    return found | {"clinc150_accuracy": inside, "clinc150_oos_recall": outside}


def scored_rows(folder: Path, rows: Sequence[Any], labels: Sequence[str]) -> Report:
    """A classifier's report."""
    engine: Any = open_engine(str(folder))
    report = evaluate(ClassifyTask(labels), engine, rows)
    engine.close()
    return report


def sms_spam(data: Path, quick: bool) -> dict[str, float]:
    """Spam among text messages, copies taken out first."""
    held = prepare_labelled(
        data / "classification" / "sms_spam", RUNS / "sms_spam" / "data", valid_share=0.1, test_share=0.2
    )
    train, valid, test = (held.rows(split) for split in ("train", "valid", "test"))
    rungs = "[majority, rules, tfidf, static]" if quick else "[majority, rules, tfidf, static, embedding, full]"
    config = classify("train.method=ladder", f"classify.rungs={rungs}", "train.epochs=2")
    climb(config, train, valid, test, RUNS / "sms_spam", labels=labels_of(train))
    ladder = ladder_of(RUNS / "sms_spam")
    assert ladder
    show(ladder, f"SMS spam, {len(train)} training and {len(test)} test rows")
    small = RUNS / "sms_spam" / "rungs" / "tfidf"
    report = scored_rows(small, test, labels_of(train))
    found = rung_metrics("sms_spam", ladder, RUNS / "sms_spam")
    found |= {"sms_spam_best": found["sms_spam_accuracy"], "sms_spam_accuracy": report.metrics["accuracy"]}
    return found | {"sms_spam_macro_f1": report.metrics["macro_f1"], "sms_spam_mb": size_mb(small)}


def fewshot(data: Path, quick: bool) -> dict[str, float]:
    """A few rows a label, five draws: mean and spread, contrastive training beside the vectors as they are; of sentiment also a
    small language model as the teacher on the training texts without their labels."""
    found: dict[str, float] = {}
    sets = {"sst2": (("train",), ("test",), 8), "clinc150": (("train",), ("test",), 5)}
    for name, (known, asked, count) in sets.items():
        home = data / "classification" / name
        train, test = (rows_of(*(home / f"{file}.jsonl" for file in files)) for files in (known, asked))
        texts = [row.text for row in train] if name == "sst2" else []
        for method in ("embedding", "setfit", *(["distill"] if texts else [])):
            scores = []
            for seed in range(1 if quick else SEEDS):
                few, folder = drawn(train, count, seed), RUNS / "fewshot" / f"{name}-{method}-{seed}"
                config = classify(f"train.method={method}", f"seed={seed}", *FEWSHOT.get((name, method), ()))
                unlabelled = texts if method == "distill" else []  # the few rows among them are left out by the teacher
                train_classifier(config, few, [], folder, labels=labels_of(train), unlabelled=unlabelled)
                scores.append(scored_rows(folder, test, labels_of(train)).value)
            spread = statistics.pstdev(scores)
            print(
                f"{name}, {count} rows a label, {method}: {statistics.mean(scores):.1%}, standard deviation {spread:.1%}, "
                + ", ".join(f"{score:.1%}" for score in scores), flush=True,
            )  # fmt: skip
            key = f"fewshot_{name}_{method}"
            found |= {key: statistics.mean(scores), f"{key}_deviation": spread}
        best = f"fewshot_{name}_distill" if texts else f"fewshot_{name}_setfit"
        found |= {f"fewshot_{name}": found[best], f"fewshot_{name}_deviation": found[f"{best}_deviation"]}
    return found


FEWSHOT: dict[tuple[str, str], tuple[str, ...]] = {
    ("sst2", "setfit"): ("classify.steps=40",),  # two labels take fewer steps
    ("sst2", "distill"): (
        "classify.teacher=starter:smollm2-135m",
        r'classify.teacher_prompt="Review: {text}\nSentiment:"',
        "train.epochs=1",
    ),
}


def drawn(rows: Sequence[Any], count: int, seed: int) -> list[Any]:
    """So many rows of each label, by chance."""
    of_label = defaultdict(list)
    for row in rows:
        of_label[row.answer[0]].append(row)
    rng = random.Random(seed)
    return [row for label in sorted(of_label) for row in rng.sample(of_label[label], count)]


def cranfield(data: Path, quick: bool) -> dict[str, float]:
    """Retrieval of abstracts by questions: words, vectors, adapted vectors, hybrids, a distilled static model."""
    home = data / "retrieval" / "cranfield"
    task, rows = load_rows(home, task="embed")
    base = Dense(open_embedder(ENCODER))
    engines: dict[str, Any] = {"bm25": Bm25(), "dense": base, "hybrid_base": Hybrid(base, Bm25())}
    pairs = prepare_pairs(home, RUNS / "cranfield" / "data", settings().data, home, 0)
    if not quick:
        adapted = train_embed(settings("task=embed", "train.method=adapt"), pairs, RUNS / "cranfield" / "adapted")
        own = Dense(open_embedder(str(adapted.model)))
        engines |= {"adapted": own, "hybrid": Hybrid(own, Bm25()), "hybrid_places": Hybrid(own, Bm25(), None)}
        static = train_embed(settings("task=embed", "train.method=static"), pairs, RUNS / "cranfield" / "static")
        engines |= {"static": Dense(open_embedder(str(static.model)))}
    print(
        f"\nCranfield, {len(rows)} questions, {len(pool_of(task, rows))} abstracts\n{'':<16}{'nDCG@10':>9}{'recall@10':>11}"
    )
    found: dict[str, float] = {}
    for name, engine in engines.items():
        metrics = evaluate(task, engine, rows).metrics
        found[f"cranfield_{name}"] = metrics["ndcg_at_10"]
        print(f"{name:<16}{metrics['ndcg_at_10']:>9.4f}{metrics['recall_at_10']:>11.1%}", flush=True)
    if not quick:
        found |= cross_fitted(task, rows, own)
        found["static_quality"] = found["cranfield_static"] / found["cranfield_dense"]
        found |= static_speed(data, RUNS / "cranfield" / "static" / "model")
    return found


def cross_fitted(task: Any, rows: Sequence[Any], dense: Any) -> dict[str, float]:
    """The hybrid with the weight that one half of the questions likes best, on the other half, both ways."""
    halves, gains = (rows[::2], rows[1::2]), []
    for one, other in (halves, halves[::-1]):
        weight = tuned_weight(dense, Bm25(), task, one)
        gains += [evaluate(task, Hybrid(dense, Bm25(), weight), other).value] * len(other)
    print(f"{'hybrid, tuned':<16}{statistics.mean(gains):>9.4f}   (weight from the other half of the questions)")
    return {"cranfield_hybrid_tuned": statistics.mean(gains)}


def mrpc(data: Path, quick: bool) -> dict[str, float]:
    """Paraphrases: F1 at the threshold that is best on the training pairs."""
    home = data / "paraphrase" / "mrpc"
    task, test = load_rows(home, task="embed", split="test")
    found: dict[str, float] = {}
    engines: dict[str, Any] = {"static": "static", "base": ENCODER}
    if not quick:
        pairs = prepare_pairs(home, RUNS / "mrpc" / "data", settings().data, home, 0)
        config = settings("task=embed", "train.method=full", *MRPC)
        engines["tuned"] = str(train_embed(config, pairs, RUNS / "mrpc" / "tuned").model)
    for name, uri in engines.items():
        metrics = evaluate(task, open_embedder(uri), test).metrics
        found |= {f"mrpc_{what}_{name}": metrics[what] for what in ("f1", "precision", "recall")}
        print(
            f"MRPC, {name}: F1 {metrics['f1']:.1%}, precision {metrics['precision']:.1%}, recall {metrics['recall']:.1%}"
        )
    best = "tuned" if "tuned" in engines else "base"
    return found | {f"mrpc_{what}": found[f"mrpc_{what}_{best}"] for what in ("f1", "precision")}


MRPC: tuple[str, ...] = ()


def short_texts(data: Path, count: int = SHORT) -> list[str]:
    """Requests of a dozen tokens."""
    home = data / "classification" / "clinc150"
    return [row.text for row in rows_of(home / "train.jsonl")][:count]


def exported(data: Path, quick: bool) -> dict[str, float]:
    """The classifier's files, opened in their own runtimes and scored; ONNX int8 against torch fp32 on the clock."""
    folder = RUNS / "sst2" / "rungs" / ("embedding" if quick else "full")
    run, test = ClassifierRun.open(folder), rows_of(data / "classification" / "sst2" / "test.jsonl")
    subject = subject_of_classifier(run, test, lambda: scored_rows(folder, test, run.manifest["labels"]))
    found: dict[str, float] = {}
    print(f"\n{'file':<22}{'MB':>7}{'points lost':>13}{'same':>8}  smallest cosine")
    for name, precision in FILES[:2] if quick else FILES:
        bundle = export(subject, name, precision=precision, out=folder / "exports" / f"{name}-{precision}")
        key = f"sst2_{name}_{precision}"
        found[f"{key}_mb"] = bundle.info["size_mb"]
        lost = same = float("nan")
        if bundle.comparison:
            lost, same = 0.0 - 100 * bundle.comparison["difference"], bundle.comparison["same"]
            here = "" if bundle.info["executed"] else "on_torch_"  # its weights there, since nothing here runs the file
            found |= {f"{key}_{here}points_lost": lost, f"{key}_{here}same": same}
        near = "; ".join(check.found for check in bundle.checks if "cosine" in check.found)
        print(
            f"{name + ' ' + precision:<22}{bundle.info['size_mb']:>7.1f}{lost:>13.2f}{same:>8.1%}  {near[:70]}",
            flush=True,
        )
    onnx = folder / "exports" / "onnx-int8" / "model.onnx"
    return (
        found | throughput(short_texts(data, 1000 if quick else SHORT), str(folder / "model"), str(onnx)) | p95s(data)
    )


FILES = [("onnx", "int8"), ("gguf", "q8_0"), ("onnx", "fp32"), ("gguf", "f16"), ("coreml", "fp16"), ("coreml", "int8")]


def throughput(texts: Sequence[str], torch_folder: str, onnx_file: str) -> dict[str, float]:
    """Texts a second, each way three times in turn, medians: torch fp32 and ONNX int8."""
    embedders = {"torch_fp32": open_embedder(torch_folder), "onnx_int8": open_embedder(onnx_file)}
    seconds: dict[str, list[float]] = {name: [] for name in embedders}
    for _ in range(3):
        for name, embedder in embedders.items():
            embedder.embed(texts[:64])
            began = time.perf_counter()
            embedder.embed(texts)
            seconds[name].append(time.perf_counter() - began)
    rates = {name: len(texts) / statistics.median(times) for name, times in seconds.items()}
    speedup = rates["onnx_int8"] / rates["torch_fp32"]
    print(
        f"{len(texts)} short texts: torch fp32 {rates['torch_fp32']:.0f} a second, ONNX int8 {rates['onnx_int8']:.0f}: {speedup:.1f} x"
    )
    return {f"{name}_texts_per_s": rate for name, rate in rates.items()} | {"onnx_int8_speedup": speedup}


def p95s(data: Path) -> dict[str, float]:
    """p95 milliseconds of one text: MiniLM in ONNX int8, and the static rung."""
    found: dict[str, float] = {}
    texts = short_texts(data, 300)
    for name, folder in {
        "minilm_int8": RUNS / "sst2" / "rungs" / "full" / "exports" / "onnx-int8",
        "static": RUNS / "sst2" / "rungs" / "static",
    }.items():
        if not folder.is_dir():
            continue
        engine: Any = open_engine(str(folder))
        engine.predict(texts[:20])
        times = []
        for text in texts:
            began = time.perf_counter()
            engine.predict([text])
            times.append(1000 * (time.perf_counter() - began))
        found[f"classify_p95_ms_{name}"] = percentile(times, 95)
        print(f"one text, {name}: p50 {percentile(times, 50):.2f} ms, p95 {percentile(times, 95):.2f} ms")
    return found


def static_speed(data: Path, folder: Path) -> dict[str, float]:
    """Texts a second of the distilled static model and of the encoder on torch, medians of three."""
    texts = short_texts(data)
    rates = {}
    for name, uri, some in (("static", str(folder), texts), ("encoder", ENCODER, texts[:2000])):
        embedder = open_embedder(uri)
        embedder.embed(some[:64])
        times = []
        for _ in range(3):
            began = time.perf_counter()
            embedder.embed(some)
            times.append(time.perf_counter() - began)
        rates[name] = len(some) / statistics.median(times)
    print(
        f"static {rates['static']:.0f} texts a second, encoder {rates['encoder']:.0f}: {rates['static'] / rates['encoder']:.0f} x"
    )
    return {"static_texts_per_s": rates["static"], "static_speedup": rates["static"] / rates["encoder"]}


PARTS: dict[str, Callable[[Path, bool], dict[str, float]]] = {
    "sms_spam": sms_spam,
    "cranfield": cranfield,
    "mrpc": mrpc,
    "fewshot": fewshot,
    "sst2": sst2,
    "taught": taught,
    "exported": exported,
    "clinc150": clinc150,
}


def main() -> None:
    """Run the parts one after the other; what was trained before is used again."""
    options = parser(
        __doc__, "no encoder is trained: shows that it runs", "where the metrics go; those of other parts stay"
    )
    options.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts of it")
    arguments = parsed(options)
    global RUNS
    RUNS = REPO / "runs" / "encoders-quick" if arguments.quick else RUNS
    for name in arguments.only:
        began = time.perf_counter()
        metrics = PARTS[name](arguments.data, arguments.quick)
        keep(arguments.json, metrics)
        print(f"[{name}: {time.perf_counter() - began:.0f} s]", flush=True)
    print(json.dumps(read_json(arguments.json)["metrics"]))


if __name__ == "__main__":
    main()
