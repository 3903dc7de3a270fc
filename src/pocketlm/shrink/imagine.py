"""More requests than the rows hold: the base makes them up, the tuned model answers them.

A cut model has lost much of what its base knew of language, and a few hundred rows cannot give it back. What its original
makes of other wordings can: such rows teach the healing, and some of them are kept apart to choose by (learning from a
teacher's answers to unlabelled text: Hinton et al. 2015, arXiv:1503.02531).
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pocketlm.core.files import sha256_value, write_jsonl
from pocketlm.core.progress import progress, say
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.kept import Kept
from pocketlm.evaluate.scoring import asked
from pocketlm.models.load import load_model, load_tokenizer, resolve_base
from pocketlm.shrink.shapes import Rows
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.template import Message
from pocketlm.train.run import Run

REQUESTS = 1200  # made up where nothing else is asked for
CHOOSING = 8  # of so many one is kept apart, to choose by
SHOWN = 10  # requests that a list begins with
TOKENS = 72  # by which the base continues it: about five requests
LISTS = 24  # continued at once
VAIN = 20  # lists in a row that bring nothing new, after which no more come
IMAGINING = 1  # rises whenever the same rows would lead to others


def imagine(rows: Rows, original: Run, home: Path, count: int) -> Rows:
    """The rows, with up to `count` requests that the base made up and the original answered; what was answered is kept.

    Args:
        home: the search's folder.
    """
    task = original.task
    if not count or not isinstance(task, CallTask):
        return rows
    key = sha256_value([IMAGINING, original.identity, [row.to_json() for row in rows.train], count])[:16]
    file = home / f"requests-{key}.jsonl"
    if not file.is_file():
        texts = make_up(resolve_base(original.config.base), [row.text for row in rows.train], count)
        made = _answered(original, task, texts, home / f"requests-{key}.answers.jsonl", key)
        write_jsonl(file, [row.to_json() for row in made])
    with file.open(encoding="utf-8") as lines:
        made = [CallRow.from_json(json.loads(line), file.name) for line in lines]
    apart = made[::CHOOSING]
    say(f"{len(made)} requests made up by the base and answered by the run, {len(apart)} of them to choose by")
    return replace(rows, valid=[*rows.valid, *apart], more=[row for at, row in enumerate(made) if at % CHOOSING])


@torch.inference_mode()
def make_up(folder: Path, texts: Sequence[str], count: int, *, seed: int = 0) -> list[str]:
    """Requests like `texts` and none of them: a language model goes on with a list of some, at its own odds.

    Args:
        folder: the base; a tuned model has forgotten how to go on with a list.
        count: at most so many; fewer where nothing new comes any more.
    """
    model, tokenizer = load_model(folder, torch.bfloat16), load_tokenizer(folder)
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    rng, longest = random.Random(seed), max(map(len, texts))
    known, found, vain = {_plain(text) for text in texts}, list[str](), 0
    with progress("Making up requests", count) as update:
        while len(found) < count and vain < VAIN:
            torch.manual_seed(seed + len(found) + vain)
            before = len(found)
            for text in _continued(model, tokenizer, [_list(texts, rng) for _ in range(LISTS)]):
                if len(text.split()) > 1 and len(text) <= longest and _plain(text) not in known and len(found) < count:
                    known.add(_plain(text))
                    found.append(text)
            vain = 0 if len(found) > before else vain + 1
            update(len(found) - before)
    return found


def _list(texts: Sequence[str], rng: random.Random) -> str:
    shown = rng.sample(list(texts), min(SHOWN, len(texts)))
    return "".join(f"- {text}\n" for text in shown if "\n" not in text) + "-"


def _continued(model: Any, tokenizer: Any, lists: Sequence[str]) -> Iterator[str]:
    """The whole lines that follow each list."""
    read = tokenizer(lists, padding=True, return_tensors="pt")
    written = model.generate(
        **read, do_sample=True, temperature=1.0, top_k=0, top_p=0.95, max_new_tokens=TOKENS, pad_token_id=tokenizer.pad_token_id
    )[:, read["input_ids"].shape[1] :]  # fmt: skip
    for text in tokenizer.batch_decode(written, skip_special_tokens=True):
        for line in text.split("\n")[:-1]:  # the last is cut off
            yield line.strip().removeprefix("-").strip()


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _answered(original: Run, task: CallTask, texts: Sequence[str], kept: Path, key: str) -> list[CallRow]:
    """Rows of the requests with the original's answers under its grammar; those it does not end are left out."""
    rows = [CallRow((Message("user", text),), ()) for text in texts]
    prompts, grammars = asked(task, rows, original.template)
    engine = open_engine(str(original.folder))
    try:
        with progress("Answering them", len(rows)) as update:
            answers = Kept(engine, kept, key).generate(
                prompts, max_tokens=task.max_tokens, grammar=grammars, tick=update
            )
    finally:
        engine.close()
    pairs = [(row, answer.text) for row, answer in zip(rows, answers, strict=True) if answer.stopped]
    made = [replace(row, calls=tuple(task.parse(text, original.template))) for row, text in pairs]
    kept.unlink()
    return made
