"""How well one's own notes are found, cited and refused: every way to search on the same questions, with intervals.

The figures compare settings on these notes; the questions are made by rules, so what people ask may fare otherwise.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pocketlm.core.progress import Update, progress
from pocketlm.evaluate.latency import percentile
from pocketlm.evaluate.statistics import interval_of_share, percentiles, resampled
from pocketlm.notes.ask import Answer, ask
from pocketlm.notes.encoding import read_as
from pocketlm.notes.note import Draft, Note
from pocketlm.notes.notebook import ENCODER_SETTING, NO_ENCODER, Notebook, to_bytes
from pocketlm.notes.query import Filters
from pocketlm.notes.questions import Asked, kept_questions, make_questions, moment_of
from pocketlm.notes.search import WAYS, search

DEPTH = 10  # places that are looked at
FOUND = ("recall_at_1", "recall_at_5", "recall_at_10", "ndcg_at_10", "mrr")
STEPS = 10  # of the risk-coverage curve

Numbers = NDArray[np.float64]


def measure(
    book: Notebook,
    count: int = 50,
    ways: Sequence[str] = WAYS,
    seed: int = 0,
    *,
    answers: bool = True,
    encoders: Sequence[str] = (),
    file: Path | None = None,
) -> dict[str, Any]:
    """Make questions of the notes and ask them.

    Args:
        count: questions of each kind.
        ways: of `search.WAYS`.
        answers: ask too: whether answers cite the right place, and whether it is said when their note is not there.
        encoders: others to compare with the notes' own; the notes are encoded anew in a file that is thrown away.
        file: where the questions are kept, so that another run asks the same ones.

    Returns:
        {"notes", "file_mb", "encoder", "questions": {kind: number}, "search": {setting: {kind: figures}}, "answers": figures};
        figures are shares, with their 95 % [low, high] under "intervals". Nothing is written into the notes file.

    Raises:
        InputError: the notes hold nothing to ask for, an unknown way, or a file that holds no questions.
    """
    asked = kept_questions(file, book, count, seed) if file else make_questions(book, count, seed)
    sought = [one for one in asked if one.kind != "answer"]
    told = [one for one in asked if one.kind == "answer"] if answers else []
    kinds = {kind: sum(one.kind == kind for one in asked) for kind in dict.fromkeys(one.kind for one in asked)}
    steps = len(sought) * len(ways) * (1 + len(encoders)) + 2 * len(told)
    found: dict[str, Any] = {}
    with ExitStack() as stack, progress("Asking", steps) as tick:
        for way in ways:
            found[way] = _searched(book, sought, way, tick)
        for encoder in encoders:
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            with _encoded(book, encoder, Path(folder)) as other:
                found |= {f"{way}, {encoder}": _searched(other, sought, way, tick) for way in ways if way != "words"}
        report = _answered(book, told, tick) if told else {}
    return {
        "notes": book.store.count(),
        "file_mb": round(book.store.path.stat().st_size / 1e6, 1),
        "encoder": book.encoder_uri,
        "questions": kinds,
        "search": found,
        "answers": report,
    }


def table(found: Mapping[str, Any]) -> str:
    """What `measure` found, for people."""
    counts = ", ".join(f"{number} {kind}" for kind, number in found["questions"].items())
    lines = [f"{found['notes']:,} notes, {found['file_mb']} MB, encoder {found['encoder']}; questions: {counts}", ""]
    heads = ("recall@1", "recall@5", "recall@10", "nDCG@10", "MRR")
    lines.append(f"{'':<32}" + "".join(f"{head:>10}" for head in heads) + f"{'95 % of nDCG':>17}{'p95 ms':>9}")
    for setting, kinds in found["search"].items():
        for kind, figures in kinds.items():
            low, high = figures["intervals"]["ndcg_at_10"]
            shares = "".join(f"{100 * figures[name]:>10.1f}" for name in FOUND)
            lines.append(
                f"{f'{setting}: {kind}':<32}{shares}{f'{100 * low:.1f} - {100 * high:.1f}':>17}{figures['p95_ms']:>9.0f}"
            )
    if answers := found["answers"]:
        lines += ["", *_told(answers)]
    return "\n".join(lines)


def _told(answers: Mapping[str, Any]) -> list[str]:
    names = {
        "answered": "answered, their note being there",
        "cited": "of these, cited what was asked for",
        "citation_precision": "citations that are in the right sentence",
        "false_answers": "answered although their note was left out",
    }
    lines = []
    for name, told in names.items():
        low, high = answers["intervals"][name]
        lines.append(f"{told:<45}{100 * answers[name]:>6.1f} %  ({100 * low:.1f} - {100 * high:.1f})")
    surest = "  ".join(f"{one['coverage']:.0%}: {one['risk']:.0%}" for one in answers["risk_coverage"])
    return [
        *lines,
        f"wrong among the surest share of all questions: {surest}",
        f"median of an answer: {answers['p50_ms']:.0f} ms",
    ]


# search


def _searched(book: Notebook, questions: Sequence[Asked], way: str, tick: Update) -> dict[str, dict[str, Any]]:
    """Figures of each kind of question, and of all."""
    rows: list[Numbers] = []
    times: list[float] = []
    for one in questions:
        began = time.perf_counter()
        hits = search(book, one.text, DEPTH, today=moment_of(one), by=way)
        times.append(1000 * (time.perf_counter() - began))
        rows.append(ranked([(hit.note.source, hit.note.key) in one.notes for hit in hits], len(one.notes)))
        tick(1)
    kinds = np.array([one.kind for one in questions])
    every, all_times = np.array(rows), np.array(times)
    some = {kind: kinds == kind for kind in dict.fromkeys(kinds.tolist())}
    return {
        kind: _figures(every[own], FOUND)
        | {
            "p50_ms": round(float(np.median(all_times[own])), 2),
            "p95_ms": round(percentile(all_times[own].tolist(), 95), 2),
        }
        for kind, own in (some | {"all": np.ones(len(kinds), dtype=bool)}).items()
        if own.any()
    }


def ranked(right: Sequence[bool], wanted: int) -> Numbers:
    """`FOUND` of one ranking: which places hold a right note, of so many right ones (nDCG: Järvelin and Kekäläinen 2002)."""
    gains = [1 / np.log2(place + 2) for place in range(DEPTH)]
    best = sum(gains[: min(wanted, DEPTH)])
    first = next((place for place, is_right in enumerate(right) if is_right), None)
    recalls = [sum(right[:depth]) / wanted for depth in (1, 5, DEPTH)]
    gain = sum(gain for gain, is_right in zip(gains, right, strict=False) if is_right) / best
    return np.array([*recalls, gain, 0.0 if first is None else 1 / (first + 1)])


def _figures(rows: Numbers, names: Sequence[str]) -> dict[str, Any]:
    """Means of columns and their intervals."""
    counted = np.hstack([rows, np.ones((len(rows), 1))])
    resamples = resampled(counted, lambda sums: sums[..., :-1] / sums[..., -1:])
    return {
        **{name: round(float(value), 4) for name, value in zip(names, rows.mean(0), strict=True)},
        "intervals": {name: _interval(resamples[:, at]) for at, name in enumerate(names)},
    }


def _interval(values: Numbers) -> list[float]:
    return [round(end, 4) for end in percentiles(values)]


# answers


@dataclass(frozen=True)
class _Told:
    """How an answer fared.

    Attributes:
        is_there: the note of the question was among those that were asked.
        right, citations: citations that touch the sentence, and all of them.
        is_cited: one of them has what was asked for.
    """

    is_there: bool
    answered: bool
    right: int
    citations: int
    is_cited: bool
    confidence: float
    ms: float


def _answered(book: Notebook, questions: Sequence[Asked], tick: Update) -> dict[str, Any]:
    """Every question twice: with its note, and with its note left out."""
    told: list[_Told] = []
    for one in questions:
        own = _note(book, one)
        if own is None:
            continue
        for filters in (Filters(), Filters(without=(own.id,))):
            began = time.perf_counter()
            answer = ask(book, one.text, filters=filters, generate=False, today=moment_of(one))
            told.append(_judged(answer, one, own, not filters, 1000 * (time.perf_counter() - began)))
            tick(1)
    there, gone = ([one for one in told if one.is_there == wanted] for wanted in (True, False))
    answered = [one for one in there if one.answered]
    shares = {
        "answered": (len(answered), len(there)),
        "cited": (sum(one.is_cited for one in answered), len(answered)),
        "false_answers": (sum(one.answered for one in gone), len(gone)),
    }
    citations = np.array([(one.right, one.citations) for one in answered], dtype=np.float64).reshape(-1, 2)
    precision = resampled(citations, _precision) if answered else np.zeros(1)
    return {
        "questions": len(there),
        **{name: round(hits / max(rows, 1), 4) for name, (hits, rows) in shares.items()},
        "citation_precision": round(float(_precision(citations.sum(0))), 4),
        "intervals": {
            **{name: [round(end, 4) for end in interval_of_share(*counts)] for name, counts in shares.items()},
            "citation_precision": _interval(precision),
        },
        "risk_coverage": risk_coverage([(one.confidence, one.is_there and one.is_cited) for one in told]),
        "p50_ms": round(statistics.median(one.ms for one in told), 2) if told else 0.0,
    }


def _precision(sums: Numbers) -> Numbers:
    """Of sums (..., 2) of right citations and all."""
    share: Numbers = sums[..., 0] / np.maximum(sums[..., 1], 1)
    return share


def _judged(answer: Answer, asked: Asked, note: Note, is_there: bool, ms: float) -> _Told:
    places = [citation.span for citation in answer.citations]
    touching = [span for span in places if span.note == note.id and span.start < asked.stop and asked.start < span.stop]
    cited = any(asked.answer in note.content[span.start : span.stop] for span in touching)
    return _Told(is_there, not answer.refused, len(touching), len(places), cited, answer.confidence, ms)


def risk_coverage(told: Iterable[tuple[float, bool]]) -> list[dict[str, float]]:
    """Of the surest questions (confidence, rightly answered) their share of all and the share wrong among them
    (El-Yaniv and Wiener 2010)."""
    order = sorted(told, key=lambda one: -one[0])
    wrong = np.cumsum([not right for _, right in order])
    places = sorted({max(1, round(len(order) * step / STEPS)) for step in range(1, STEPS + 1)})
    return [
        {
            "coverage": round(at / len(order), 3),
            "risk": round(float(wrong[at - 1] / at), 4),
            "confidence": round(order[at - 1][0], 4),
        }
        for at in places
    ]


def _note(book: Notebook, asked: Asked) -> Note | None:
    """The note of a question; None where it is gone since the questions were made."""
    source, key = asked.notes[0]
    return next(book.store.notes("source.path = ? AND note.key = ?", (source, key)), None)


# another encoder


def _encoded(book: Notebook, encoder: str, folder: Path) -> Notebook:
    """The same notes in another file, encoded by another encoder."""
    other = Notebook(folder / "notes.db", encoder=encoder)
    try:
        sources = dict(book.store.db.execute("SELECT path, kind FROM source"))
        with other.store.writing():
            other.store.set(ENCODER_SETTING, other.encoder_uri)
            for note in book.store.notes(order="note.id"):
                own = other.store.source(note.source, sources[note.source])
                draft = Draft(note.key, note.content, note.title, note.date, note.folder)
                places = [(one.span.start, one.span.stop) for one in book.store.passages(note.id)]
                vectors = _vectors(other, [read_as(note.content, note.title, *place) for place in places])
                parts = [(start, stop, vector) for (start, stop), vector in zip(places, vectors, strict=True)]
                other.store.put(own, draft, "", parts)
    except BaseException:
        other.close()
        raise
    return other


def _vectors(book: Notebook, texts: Sequence[str]) -> list[bytes | None]:
    if book.encoder_uri == NO_ENCODER:
        return [None] * len(texts)
    return list(to_bytes(np.asarray(book.embedder.embed(texts))))
