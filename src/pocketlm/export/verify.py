"""Proof that an exported file still does the job: the very file is opened in its own runtime and held against the model.

A fault in a conversion seldom stops a file from opening: a wrong rope base, a head in the wrong order or a lost stop token
give a model that talks, worse. So tokens, prompts, odds, score and ends are each compared with the model itself.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from pocketlm.core.errors import PocketError
from pocketlm.engines.base import Engine, Generation, Grammars, Ids, Tick
from pocketlm.engines.classifier import Classifier, Vectors
from pocketlm.evaluate.compare import Comparison, compare
from pocketlm.evaluate.evaluate import Report, evaluate
from pocketlm.evaluate.latency import measure_latency
from pocketlm.evaluate.scoring import asked
from pocketlm.evaluate.suites import spread
from pocketlm.export.base import Case, Check, Converted, Format
from pocketlm.export.fidelity import bound_for, same_ids, same_odds, same_prompts, same_stops, same_vectors
from pocketlm.export.strings import SENTENCES, odd_strings
from pocketlm.export.subject import Subject
from pocketlm.models.head import Head
from pocketlm.tasks.call import CallTask

STRINGS = 10_000
ROWS = 32  # whose odds are compared, and to which free answers are given
LONG, END = 768, 48  # tokens of one long text, and of its end, whose odds are compared
TOP_KEPT = 10  # first tokens whose odds are kept for another system
TIMED = 24  # prompts that are timed
TEXTS = 100  # whose vectors are compared
DEFAULT_ANSWER = 24  # tokens of a free answer where there are no rows


@dataclass(frozen=True)
class Verification:
    """All checks; where there were rows, the report of the exported file (of its weights on torch, where nothing here runs it) and
    the paired comparison with the model's."""

    checks: list[Check]
    report: Report | None = None
    comparison: Comparison | None = None

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)


def verify(
    subject: Subject,
    format: Format,
    folder: Path,
    converted: Converted,
    precision: str,
    *,
    threads: int | None = None,
) -> Verification:
    """Hold what was converted into `folder` against the model it was made from.

    Whatever the runtime refuses (a file it cannot open, a prompt it will not take) is a failed check, not an error.
    """
    checks = format.inspect(subject.source, folder, precision)
    if not format.executes:
        if leave := getattr(format, "leave_check", None):
            leave(folder, cases(subject))
        checks = [*checks, not_executed(format)]
        twin = getattr(format, "twin", None)
        return _verify_twin(subject, twin, folder, converted, checks) if twin else Verification(checks)
    try:
        engine = format.open(folder, subject.source.kind, threads=threads)
    except PocketError as error:
        return Verification([*checks, Check("opens", False, str(error))])
    try:
        judge = _verify_encoder if subject.source.kind == "encoder" else _verify_decoder
        found = judge(subject, engine, converted)
    finally:
        engine.close()
    return replace(found, checks=[*checks, *found.checks])


def _verify_twin(subject: Subject, twin: Any, folder: Path, converted: Converted, checks: list[Check]) -> Verification:
    """Odds, ends and score of the weights that a file holds, on torch, where nothing else runs it."""
    if not all(check.passed for check in checks):
        return Verification(checks)
    encoder = subject.source.kind == "encoder"
    with TemporaryDirectory(dir=folder.parent) as aside:
        twin(subject.source, folder, Path(aside))
        engine = _on_torch(Path(aside), encoder)
        try:
            found = (_judge_encoder if encoder else _judge_decoder)(subject, engine, converted)
        finally:
            engine.close()
    named = [replace(check, name=f"{check.name} of its weights on torch") for check in found.checks]
    return replace(found, checks=[*checks, *named])


def _on_torch(folder: Path, encoder: bool) -> Any:
    if encoder:
        from pocketlm.engines.embedder import EncoderEmbedder

        return EncoderEmbedder(folder)
    from pocketlm.engines.torch_engine import TorchEngine

    return TorchEngine(folder)


def not_executed(format: Format) -> Check:
    """What is said of a format whose runtime does not exist on this system."""
    return Check(
        "runs", True, f"converted, not executed: {format.runtime} does not run on this system; see MODEL_CARD.md"
    )


def cases(subject: Subject) -> list[Case]:
    """Prompts with what the model itself makes of them, for a system that runs what this one cannot."""
    tokenizer = subject.tokenizer
    if subject.source.kind == "encoder":
        embedder = _on_torch(subject.source.folder, encoder=True)
        vectors = embedder.embed(SENTENCES)
        embedder.close()
        ids = [tokenizer(text)["input_ids"] for text in SENTENCES]
        return [
            Case(text, own, vector=list(map(float, v))) for text, own, v in zip(SENTENCES, ids, vectors, strict=True)
        ]
    prompts, most = _prompts(subject)
    engine = _on_torch(subject.source.folder, encoder=False)
    answers = engine.generate(prompts, max_tokens=most)
    asked = [engine.tokenize(prompt) for prompt in prompts]
    odds = engine.odds([(prompt, answer.ids[:1]) for prompt, answer in zip(asked, answers, strict=True)], top=TOP_KEPT)
    engine.close()
    return [
        Case(text, prompt, answer.ids, first[0].top)
        for text, prompt, answer, first in zip(prompts, asked, answers, odds, strict=True) if answer.ids
    ]  # fmt: skip


class _Remembering:
    """An engine that gives a free answer once: some of the prompts that are scored were asked before, for their ends."""

    def __init__(self, engine: Engine) -> None:
        self._engine, self._answers = engine, dict[tuple[str, int], Generation]()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int = 128, grammar: Grammars = None, tick: Tick | None = None
    ) -> list[Generation]:
        """As the engine, which answers greedily, would again."""
        if grammar is not None:
            return self._engine.generate(prompts, max_tokens=max_tokens, grammar=grammar, tick=tick)
        known = self._answers
        new = [prompt for prompt in dict.fromkeys(prompts) if (prompt, max_tokens) not in known]
        answers = self._engine.generate(new, max_tokens=max_tokens, tick=tick) if new else []
        known |= {(prompt, max_tokens): answer for prompt, answer in zip(new, answers, strict=True)}
        if tick:
            tick(len(prompts) - len(new))
        return [known[prompt, max_tokens] for prompt in prompts]


def _verify_decoder(subject: Subject, engine: Any, converted: Converted) -> Verification:
    assert subject.template
    checks = [same_ids(_texts(subject), engine.tokenize, _tokenize(subject))]
    render = getattr(engine, "render", None)
    if render:
        checks.append(same_prompts(subject.dialogues(), subject.template, render))
    found = _judge_decoder(subject, engine, converted)
    return replace(found, checks=[*checks, *found.checks])


def _judge_decoder(subject: Subject, engine: Any, converted: Converted) -> Verification:
    """What it makes of prompts, beside the model itself."""
    engine = _Remembering(engine)
    checks = _beside(subject, engine, converted)
    if not subject.rows or subject.reference is None:
        return Verification(checks)
    reference = subject.reference()
    constrain = bool(reference.settings["constrain"])
    report = evaluate(subject.task, engine, subject.rows, constrain=constrain, title="Scoring the exported file")
    comparison = compare(reference, report)
    checks += [_score(report, comparison, subject.tolerance), _endless(reference, report)]
    return Verification(checks, report, comparison)


def _tokenize(subject: Subject) -> Callable[[str], list[int]]:
    """The training tokenizer's way."""
    tokenizer = subject.tokenizer

    def tokenize(text: str) -> list[int]:
        ids: list[int] = tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    return tokenize


def _texts(subject: Subject) -> list[str]:
    """Odd strings, and whatever the model was made to read and write."""
    template, task = subject.template, subject.task
    assert template
    texts = [template.render(messages) for messages in subject.dialogues(len(subject.rows))]
    if isinstance(task, CallTask):
        texts += [task.completion(row, template) for row in subject.rows]
    texts = list(dict.fromkeys([*texts, *SENTENCES]))[: STRINGS // 2]
    return texts + odd_strings(STRINGS - len(texts), template.marks)


def _beside(subject: Subject, engine: Any, converted: Converted) -> list[Check]:
    """Odds and free answers, beside the model itself, which is opened once for both."""
    prompts, most = _prompts(subject)
    tokenize, reference = _tokenize(subject), _on_torch(subject.source.folder, encoder=False)
    try:
        ours: list[Generation] = reference.generate(prompts, max_tokens=most)
        pairs: list[tuple[Ids, Ids]] = [
            (tokenize(prompt), answer.ids) for prompt, answer in zip(prompts, ours, strict=True) if answer.ids
        ]
        names = [prompt for prompt, answer in zip(prompts, ours, strict=True) if answer.ids]
        room = min(LONG, engine.context - 1, reference.context - 1)
        long: list[int] = tokenize(" ".join(SENTENCES * 4))[:room]
        end = min(END, len(long) // 2)
        pairs.append((long[:-end], long[-end:]))
        odds = same_odds(
            reference, engine, pairs, [*names, "the end of a long text"], bound_for(converted.bits_per_weight)
        )
    finally:
        reference.close()
    theirs = engine.generate(prompts, max_tokens=most)
    return [odds, same_stops(ours, theirs, prompts)]


def _prompts(subject: Subject) -> tuple[list[str], int]:
    """A few prompts of the task, evenly spread, else of plain sentences; and the most tokens of an answer."""
    assert subject.template
    if subject.rows:
        rows = spread(subject.rows, ROWS)
        return [subject.task.prompt(row, subject.template) for row in rows], subject.task.max_tokens
    return [subject.template.render(messages) for messages in subject.dialogues()], DEFAULT_ANSWER


def _score(report: Report, comparison: Comparison, tolerance: float) -> Check:
    """A loss larger than the tolerance passes only where the paired interval does not show it."""
    kept = comparison.difference >= -tolerance or comparison.verdict != "worse"
    lost = f"; lost: {', '.join(repr(report.rows[i].text[:40]) for i in comparison.lost[:3])}" if not kept else ""
    return Check(
        "score", kept,
        f"{report.main} {report.value:.1%}, {comparison.difference:+.1%} [{comparison.low:+.1%}, {comparison.high:+.1%}], "
        f"{comparison.verdict}; {comparison.same:.1%} of {len(report.rows)} answers the same{lost}",
    )  # fmt: skip


def _endless(reference: Report, report: Report) -> Check:
    """Whether answers end under the grammar, as often as the model's own."""
    endless, was = (sum(row.value("stopped") == 0 for row in one.rows) for one in (report, reference))
    return Check(
        "ends", endless <= was + len(report.rows) // 100, f"{endless} of {len(report.rows)} answers did not end"
    )


def _verify_encoder(subject: Subject, embedder: Any, converted: Converted) -> Verification:
    checks = []
    tokenizer = subject.tokenizer
    if hasattr(embedder, "tokenize"):
        checks.append(
            same_ids(odd_strings(STRINGS), embedder.tokenize, lambda text: list(tokenizer(text)["input_ids"]))
        )
    found = _judge_encoder(subject, embedder, converted)
    return replace(found, checks=[*checks, *found.checks])


def _judge_encoder(subject: Subject, embedder: Any, converted: Converted) -> Verification:
    """What it makes of texts, beside the model itself."""
    reference = _on_torch(subject.source.folder, encoder=True)
    texts = [*SENTENCES, " ".join(SENTENCES)]
    # of a tuned model the texts of its job: its vectors of odd strings lie between all and turn at a rounding
    texts += [row.text for row in spread(subject.rows, TEXTS)] or [t for t in odd_strings(TEXTS, seed=1) if t.strip()]
    checks = [same_vectors(reference, embedder, texts, bound_for(converted.bits_per_weight))]
    reference.close()
    if not subject.rows or subject.reference is None:
        return Verification(checks)
    asked = embedder
    if subject.head is not None:
        asked = Classifier(Head.load(subject.head)[0], Vectors(embedder), f"{subject.source.name}, exported")
    report = evaluate(subject.task, asked, subject.rows, title="Scoring the exported file")
    comparison = compare(subject.reference(), report)
    return Verification([*checks, _score(report, comparison, subject.tolerance)], report, comparison)


def timed(subject: Subject, uri: str, threads: int | None) -> dict[str, float]:
    """The latency and memory of a decoder's file, as an app would ask it: names as in evaluate.latency.METRICS."""
    assert subject.template
    if subject.rows:
        prompts, grammars = asked(subject.task, spread(subject.rows, TIMED), subject.template)
        found = measure_latency(uri, prompts, grammars=grammars, threads=threads, max_tokens=subject.task.max_tokens)
    else:
        found = measure_latency(uri, _prompts(subject)[0], threads=threads, max_tokens=DEFAULT_ANSWER)
    return {**found.metrics, "threads": found.threads}
