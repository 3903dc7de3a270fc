"""What a model would learn from rows, looked at before it learns it: all checks over a path, and a verdict."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pocketlm.core.progress import progress
from pocketlm.data.checks import CHECKS, Finding, language_mix
from pocketlm.data.gather import Gathered, shown
from pocketlm.data.shapes import Example

CountTokens = Callable[[Sequence[str]], list[int]]
BINS = 20  # of the histogram of lengths
SEVERITIES = ("error", "warning", "note")
FRAME = 8  # tokens that a chat template puts around a request and its answer


@dataclass(frozen=True)
class Lengths:
    """Tokens of rows, prompt and answer: over how many rows each bin of the histogram stands, and the usual figures."""

    edges: list[int]
    rows: list[int]
    median: int
    p95: int
    longest: int
    total: int
    limit: int


@dataclass(frozen=True)
class Checked:
    """All that was found. `seconds`: wall time, reading not included."""

    path: str
    task: str
    files: dict[str, str]
    splits: dict[str, int]
    labels: dict[str, int]
    languages: dict[str, int]
    lengths: Lengths | None
    findings: list[Finding]
    sample: list[tuple[str, str, str]]
    seconds: float

    @property
    def ready(self) -> bool:
        """No finding is an error."""
        return all(finding.severity != "error" for finding in self.findings)

    @property
    def verdict(self) -> str:
        """One sentence for a person."""
        count = Counter(finding.severity for finding in self.findings)
        found = [f"{count[name]} {name}{'s' if count[name] > 1 else ''}" for name in SEVERITIES[:2] if count[name]]
        return ", ".join(["ready", *found]) if self.ready else f"look at this first: {', '.join(found)}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for a script."""
        return {"verdict": self.verdict, "ready": self.ready, **asdict(self)}


def check(data: Gathered, *, count_tokens: CountTokens | None = None, max_tokens: int = 1024, seed: int = 0) -> Checked:
    """Run all checks.

    Args:
        count_tokens: of the base's tokenizer; without one no lengths are told.
        max_tokens: the longest row that training takes, in tokens.
    """
    start = time.perf_counter()
    findings: list[Finding] = []
    with progress("Checking", len(CHECKS) + 1) as update:
        for one in CHECKS:
            findings += one(data)
            update(note=one.__name__.replace("_", " "))
        found = describe(data, count_tokens=count_tokens, max_tokens=max_tokens, seed=seed)
        update()
    findings = [_with_path(finding, found.path) for finding in [*findings, *found.findings]]
    findings.sort(key=lambda finding: SEVERITIES.index(finding.severity))
    return replace(found, findings=findings, seconds=round(time.perf_counter() - start, 2))


def describe(
    data: Gathered, *, count_tokens: CountTokens | None = None, max_tokens: int = 1024, seed: int = 0
) -> Checked:
    """Counts and lengths alone; of the findings only rows that are too long."""
    lengths, findings = None, []
    if count_tokens and data.examples:
        counts = _token_counts(data.examples, count_tokens)
        lengths = _lengths(counts, max_tokens)
        findings = list(_too_long(data.examples, counts, max_tokens))
    labels = Counter(label for example in data.examples for label in example.labels)
    languages = {language: len(rows) for language, rows in language_mix(data).items()}
    sample = [(e.where, e.text, e.answer) for e in draw(data.examples, 3, seed=seed)]
    return Checked(
        str(data.path),
        data.task,
        data.files,
        data.splits,
        dict(labels.most_common()),
        dict(sorted(languages.items(), key=lambda pair: -pair[1])),
        lengths,
        findings,
        sample,
        0.0,
    )


def draw(examples: Sequence[Example], count: int, *, label: str | None = None, seed: int = 0) -> list[Example]:
    """Rows by chance, a label at a time, so that rare ones are seen too."""
    by_label: dict[str, list[Example]] = {}
    for example in examples:
        by_label.setdefault(next(iter(example.labels), ""), []).append(example)
    if label is not None:
        by_label = {label: [e for e in examples if label in e.labels]}
    chance = random.Random(seed)
    piles = [chance.sample(pile, min(count, len(pile))) for pile in by_label.values()]
    chance.shuffle(piles)
    rounds = [pile[at] for at in range(count) for pile in piles if at < len(pile)]
    return rounds[:count]


def _token_counts(examples: Sequence[Example], count_tokens: CountTokens) -> list[int]:
    both = count_tokens([f"{example.text}\n{example.answer}" for example in examples])
    return [count + FRAME for count in both]


def _lengths(counts: Sequence[int], limit: int) -> Lengths:
    ordered = sorted(counts)
    longest = ordered[-1]
    width = max(1, -(-(longest + 1) // BINS))
    rows = Counter(count // width for count in counts)
    bins = longest // width + 1
    return Lengths(
        [at * width for at in range(bins + 1)],
        [rows[at] for at in range(bins)],
        ordered[len(ordered) // 2],
        ordered[min(len(ordered) - 1, int(0.95 * len(ordered)))],
        longest,
        sum(counts),
        limit,
    )


def _too_long(examples: Sequence[Example], counts: Sequence[int], limit: int) -> Iterator[Finding]:
    long = [(count, example) for example, count in zip(examples, counts, strict=True) if count > limit]
    if long:
        says = (
            f"rows are longer than the {limit} tokens that training takes: shorten or delete them, or raise the limit"
        )
        worst = sorted(long, key=lambda pair: -pair[0])[:3]
        rows = tuple((example.where, f"{count:,} tokens: {shown(example.text, 80)}") for count, example in worst)
        yield Finding("too long", "error", len(long), says, rows, f"--set train.max_tokens={max(counts)}")


def _with_path(finding: Finding, path: str) -> Finding:
    """The finding with its mend spelled out, and with places as seen from the path that is checked."""
    examples = tuple((at.replace(f"{path}/", ""), what.replace(f"{path}/", "")) for at, what in finding.examples)
    return replace(finding, mend=finding.mend.replace("{path}", path), examples=examples)
