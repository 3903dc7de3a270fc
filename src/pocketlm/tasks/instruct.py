"""Instructions: a dialogue in, free text out: summaries, answers, chat."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from functools import cache
from typing import Any

from pocketlm.core.extras import need
from pocketlm.tasks.base import Metric, Score, TextRow, TextTask, tags_of, yes
from pocketlm.tasks.template import Message, Template

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
NAME = re.compile(r"\b[A-Z][\w'-]*\b")
ALIKE = 0.85  # of the cosine at which an answer counts as the reference's like


class InstructTask(TextTask):
    """Follow an instruction. References are compared by shared words (ROUGE) and, where an embedder is at hand, by meaning."""

    name = "instruct"
    main = "rougeL"
    max_tokens = 256
    metrics: Mapping[str, Metric] = {
        "rougeL": Metric("longest common order of words with the reference, F1 (ROUGE-L)"),
        "rouge1": Metric("words in common with the reference, F1 (ROUGE-1)"),
        "rouge2": Metric("pairs of words in common with the reference, F1 (ROUGE-2)"),
        "exact": Metric("the reference word for word, case, punctuation and articles aside (SQuAD)"),
        "words_f1": Metric("words in common with the reference, F1, articles aside (SQuAD)"),
        "similarity": Metric("cosine between the embeddings of answer and reference", percent=False),
        "alike": Metric(f"answers whose similarity to the reference is at least {ALIKE}"),
        "like_teacher": Metric(f"answers whose similarity to the teacher's is at least {ALIKE}"),
        "supported": Metric("numbers and names in the answer that stand in the request too"),
        "copied": Metric("runs of 4 words taken from the request as they are"),
        "length": Metric("length against the reference's, in words", percent=False),
        "words": Metric("words an answer", percent=False),
    }

    @staticmethod
    def row(value: Mapping[str, Any], where: str = "") -> TextRow:
        """A row from `{"messages"}` whose last message is the answer."""
        messages = [Message(m["role"], m["content"]) for m in value["messages"]]
        return TextRow(tuple(messages[:-1]), messages[-1].content, where, tags_of(value))

    def facts(self) -> dict[str, Any]:
        """What a manifest says of it."""
        return {"task": self.name}

    def completion(self, row: TextRow, template: Template) -> str:
        """The answer as it is trained."""
        return f"{row.answer}{template.stop}"

    def score(self, row: TextRow, text: str, template: Template) -> Score:
        """See `Task`. ROUGE by Google's library (Lin 2004), with stemming."""
        source = "\n".join(message.content for message in row.messages)
        rouge = _rouge().score(row.answer, text)
        numbers: dict[str, tuple[float, ...]] = {
            name: (rouge[name].fmeasure, 1.0) for name in ("rouge1", "rouge2", "rougeL")
        }
        got, want = _plain(text), _plain(row.answer)
        common = sum((Counter(got) & Counter(want)).values())
        words, wanted = len(text.split()), len(row.answer.split())
        numbers |= {
            "exact": yes(got == want),
            "words_f1": (2 * common / (len(got) + len(want)) if got or want else 1.0, 1.0),
            "length": (float(words), float(wanted)),
            "words": (float(words), 1.0),
            "copied": _copied(text, source),
        }
        loose = unsupported(text, source)
        claims = len(claimed(text))
        if claims:
            numbers["supported"] = (float(claims - len(loose)), float(claims))
        return Score(numbers, why=[f'"{claim}" does not stand in the request' for claim in loose[:3]])


def claimed(text: str) -> list[str]:
    """Numbers and names a text states; the first word of a sentence is no name."""
    starts = {match.end() for match in re.finditer(r"(?:^|[.!?:\n]\s*|[\"“(]\s*)", text)}
    names = [match[0] for match in NAME.finditer(text) if match.start() not in starts and match[0] != "I"]
    return [*NUMBER.findall(text), *names]


def unsupported(text: str, source: str) -> list[str]:
    """Numbers and names of a text that its source does not hold: what was made up, or reckoned."""
    known = {*NUMBER.findall(source), *(word.casefold() for word in re.findall(r"[\w'-]+", source))}
    stems = {_stem(word) for word in known}
    return [claim for claim in claimed(text) if claim not in known and _stem(claim) not in stems]


def _stem(word: str) -> str:
    return re.sub(r"'s?$", "", word.casefold())


def _copied(text: str, source: str, run: int = 4) -> tuple[float, float]:
    words, given = re.findall(r"\w+", text.casefold()), re.findall(r"\w+", source.casefold())
    held = {tuple(given[i : i + run]) for i in range(len(given) - run + 1)}
    runs = [tuple(words[i : i + run]) for i in range(len(words) - run + 1)]
    return float(sum(one in held for one in runs)), float(len(runs))


def _plain(text: str) -> list[str]:
    """Words as SQuAD compares them (Rajpurkar et al. 2016): lower case, no punctuation, no articles."""
    return [word for word in re.sub(r"[^\w\s]", "", text.casefold()).split() if word not in ("a", "an", "the")]


@cache
def _rouge() -> Any:
    scorer = need("rouge_score.rouge_scorer", "scoring summaries", "eval", "rouge-score")
    return scorer.RougeScorer(["rouge1", "rouge2", "rougeL"], use_stemmer=True)
