"""Proof that an exported file still does the job: the very file is opened in its own runtime and scored."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pocketlm.engines.base import Engine
from pocketlm.evaluate.compare import Comparison, compare
from pocketlm.evaluate.evaluate import Report, evaluate
from pocketlm.export.base import Check
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.template import TEMPLATES


@dataclass(frozen=True)
class Verification:
    """All checks, the report of the exported file, and the paired comparison with the reference."""

    checks: list[Check]
    report: Report
    comparison: Comparison

    @property
    def passed(self) -> bool:
        """Whether every check passed."""
        return all(check.passed for check in self.checks)

    def to_json(self) -> dict[str, Any]:
        """Plain values, without the rows."""
        return {
            "passed": self.passed,
            "checks": [vars(check) for check in self.checks],
            "metrics": self.report.metrics,
            "comparison": self.comparison.to_json(),
        }


def verify(
    task: CallTask,
    exported: Engine,
    tokenizer: Any,
    reference: Report,
    rows: Sequence[CallRow],
    *,
    tolerance: float = 0.02,
) -> Verification:
    """Hold an exported file against the trained model's report on the same rows.

    Args:
        tokenizer: the training tokenizer; token ids must be equal on prompts, answers and odd text.
        tolerance: exact match that may be lost. A larger loss passes only if the paired interval does not show it.
    """
    template = TEMPLATES[exported.template]
    texts = [task.prompt(row, template) + task.completion(row, template) for row in rows] + odd_strings()
    unequal = [
        text for text in texts if exported.tokenize(text) != tokenizer(text, add_special_tokens=False)["input_ids"]
    ]
    report = evaluate(
        task, exported, rows, constrain=bool(reference.settings["constrain"]), title="Scoring the exported file"
    )
    comparison = compare(reference, report)
    endless = sum(row.value("stopped") == 0 for row in report.rows)
    was_endless = sum(row.value("stopped") == 0 for row in reference.rows)
    kept = comparison.difference >= -tolerance or comparison.verdict != "worse"
    checks = [
        Check(
            "token ids", not unequal, f"{len(texts) - len(unequal)} of {len(texts)} strings equal" + _example(unequal)
        ),
        Check(
            "score",
            kept,
            f"exact {report.metrics['exact']:.1%}, {comparison.difference:+.1%} "
            f"[{comparison.low:+.1%}, {comparison.high:+.1%}], {comparison.verdict}",
        ),
        Check("stop", endless <= was_endless + len(rows) // 100, f"{endless} of {len(rows)} answers did not end"),
    ]
    return Verification(checks, report, comparison)


def odd_strings(count: int = 200, seed: int = 0) -> list[str]:
    """Strings that break tokenizers: scripts, emoji, white space, digits, template marks."""
    rng = random.Random(seed)
    pieces = [
        "  ", "\t", "\n\n", " \n ", "\u00a0", "\u3000", "naïve", "Ünïcödé", "日本語", "한국어", "русский", "العربية", "हिन्दी",
        "👩‍👩‍👧‍👦", "🇩🇪", "🙂", "e\u0301", "1234567", "3.14", "0x1F", "don't", "I'LL", "{\"a\":[1]}", "<|im_end|>", "<|im_start|>",
        "https://example.org/?q=1&r=2", "ﬁ", "\u200b", "—", "…", "#tag", "C++", "a_b", "CamelCase", "\\n", "'''", "\"\"",
    ]  # fmt: skip
    return ["".join(rng.choices(pieces, k=rng.randint(1, 8))) for _ in range(count)]


def _example(unequal: Sequence[str]) -> str:
    return f", not {unequal[0]!r:.60}" if unequal else ""
