"""What tuning the notes' generator gains: answers and summaries by the untouched base, by a run of the sample project
notes_writer, and without any generator, on notes that neither was made from.

Answers: XQuAD's English passages as notes, every tenth question or so asked. `written`: a sentence passed the check (otherwise the
quotations are shown); `useful`: it did and holds the right answer; `holds`: what is shown, written or cited, holds it; `words` of the
answer. Summaries: dialogues of DialogSum and articles of XSum against their references (ROUGE-1 F1; without a generator
they are the text's own most central sentences).

python benchmarks/notes_generator.py --json results/notes_generator.json --engine RUN [--data FOLDER] [--quick]
"""

from __future__ import annotations

import json
import re
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from kept import keep, parsed, parser
from notes_ask import Asked, put, squad

from pocketlm.core.progress import progress
from pocketlm.notes.ask import ask
from pocketlm.notes.notebook import GENERATOR, NO_GENERATOR, Notebook
from pocketlm.notes.summaries import summarize
from pocketlm.tasks.base import TextRow
from pocketlm.tasks.instruct import InstructTask
from pocketlm.tasks.template import CHATML

ASKED, SUMMARISED = 100, 24  # questions; texts of each set


def main() -> None:
    """Run, print, write."""
    options = parser(__doc__, "few notes: shows that it runs", "where the metrics go; those of other parts stay")
    options.add_argument(
        "--engine", required=True, help="a run of the sample project notes_writer, or a file made from it"
    )
    arguments = parsed(options)
    asked, summarised = (8, 2) if arguments.quick else (ASKED, SUMMARISED)
    for name, engine in (("none", NO_GENERATOR), ("base", GENERATOR), ("tuned", arguments.engine)):
        metrics = answers(arguments.data, engine, asked) | summaries(arguments.data, engine, summarised)
        print("  ".join(f"{key} {value:.3f}" for key, value in metrics.items()), flush=True)
        keep(arguments.json, {f"generator_{name}_{key}": value for key, value in metrics.items()})


def answers(data: Path, engine: str, count: int) -> dict[str, float]:
    """Figures of answers to questions whose note is there."""
    texts, questions = squad(data / "qa" / "xquad_en" / "xquad.en.json")
    some = questions[:: max(1, len(questions) // count)][:count]
    shown, written, useful, holds, seconds = [], 0, 0, 0, []
    with tempfile.TemporaryDirectory() as folder, Notebook(Path(folder) / "notes.db", generator=engine) as book:
        for key, text in enumerate(texts):
            put(book, key, text)
        with progress("Asking", len(some)) as tick:
            for one in some:
                began = time.perf_counter()
                answer = ask(book, one.text)
                seconds.append(time.perf_counter() - began)
                cited = " ".join(citation.text for citation in answer.citations)
                written, useful = written + answer.checked, useful + (answer.checked and _holds(answer.text, one))
                holds += _holds(f"{answer.text} {cited}", one)
                shown += [] if answer.refused else [len(answer.text.split())]
                tick(1)
    shares = {"written": written, "useful": useful, "holds": holds}
    told = {f"answers_{name}": value / len(some) for name, value in shares.items()}
    return told | {"answers_words": statistics.mean(shown), "answers_seconds": statistics.median(seconds)}


def summaries(data: Path, engine: str, count: int) -> dict[str, float]:
    """Figures of summaries of both sets."""
    task, found = InstructTask(), dict[str, float]()
    for name, rows in (("dialogsum", dialogsum(data)), ("xsum", xsum(data))):
        checked, rouge, seconds, words = 0, [], [], []
        some = [next(rows) for _ in range(count)]
        with tempfile.TemporaryDirectory() as folder, Notebook(Path(folder) / "notes.db", generator=engine) as book:
            ids = [put(book, key, text) for key, (text, _) in enumerate(some)]
            for id, (_, reference) in zip(ids, some, strict=True):
                began = time.perf_counter()
                summary = summarize(book, [book.store.note(id)])
                seconds.append(time.perf_counter() - began)
                text = " ".join(summary.sentences)
                checked, words = checked + summary.checked, [*words, len(text.split())]
                rouge.append(task.score(TextRow((), reference), text, CHATML)["rouge1"])
        found |= {f"{name}_written": checked / count, f"{name}_rouge1": statistics.mean(rouge)}
        found |= {f"{name}_words": statistics.mean(words), f"{name}_seconds": statistics.median(seconds)}
    return found


def dialogsum(data: Path) -> Iterator[tuple[str, str]]:
    """Dialogues with plain names of who speaks, and their summaries."""
    for line in (data / "summarization" / "dialogsum" / "dev.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield _named(row["dialogue"]), _named(row["summary"])


def _named(text: str) -> str:
    return text.replace("#Person1#", "Alex").replace("#Person2#", "Kim")


def xsum(data: Path) -> Iterator[tuple[str, str]]:
    """Articles and their first sentence, which stands apart."""
    for line in (data / "summarization" / "xsum_200" / "xsum.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["prompt"].removeprefix("Summarize: "), row["completion"]


def _holds(text: str, asked: Asked) -> bool:
    plain: Sequence[str] = [" ".join(re.findall(r"\w+", one.casefold())) for one in (text, asked.answer)]
    return f" {plain[1]} " in f" {plain[0]} "


if __name__ == "__main__":
    main()
