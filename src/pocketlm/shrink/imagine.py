"""More requests than the rows hold: the base learns to make them up, and the tuned model answers them.

A cut model has lost much of what its base knew of language, and a few hundred rows cannot give it back. What its original
makes of other wordings can: such rows teach the healing, and some of them are kept apart to choose by (learning from a
teacher's answers to unlabelled text: Hinton et al. 2015, arXiv:1503.02531).
"""

from __future__ import annotations

import json
import math
import random
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from pocketlm.core.config import TrainConfig
from pocketlm.core.files import sha256_value, write_jsonl
from pocketlm.core.progress import progress, say
from pocketlm.core.text import folded
from pocketlm.engines.open import open_engine
from pocketlm.evaluate.kept import Kept
from pocketlm.evaluate.scoring import asked
from pocketlm.models.adapters import Adapter, write_merged
from pocketlm.models.load import load_model, load_tokenizer, resolve_base
from pocketlm.shrink.shapes import Rows
from pocketlm.tasks.call import CallRow, CallTask
from pocketlm.tasks.template import Message
from pocketlm.train.batches import Example
from pocketlm.train.checkpoint import Checkpoints
from pocketlm.train.loop import fit
from pocketlm.train.lora import save_adapter
from pocketlm.train.method import choose, load_objective
from pocketlm.train.run import Run

CHOOSING = 8  # of so many one is kept apart, to choose by,
# where the run gave its answer such odds: what it is in two minds about does not tell whether a smaller model does the job
# (all of them counted, even 8 bits kept 98 % only), and what it is surest of is easier than what users ask for (half of the
# sample project's test rows are answered with odds below 0.9).
SURE = 0.7
JUDGES = 500  # at most: more take longer and tell little more
# Four epochs: after one the base still wanders off ("set_timer: the music tonight"), and what it writes then is little help.
WRITING = TrainConfig(epochs=4, lr=1e-3, rank=16, alpha=16, batch_tokens=512)
WARMTH = 0.9  # temperature at which it writes
TOKENS = 48  # of a request at most
AT_ONCE = 256
VAIN = 3  # batches in a row that bring nothing new, after which no more come
IMAGINING = 3  # rises whenever the same rows would lead to others


def imagine(rows: Rows, original: Run, home: Path, count: int) -> Rows:
    """The rows, with up to `count` requests that the base made up and the original answered; what was answered is kept.

    Args:
        home: the search's folder.
    """
    task = original.task
    if not count:
        return rows
    if not isinstance(task, CallTask):
        say("Requests are made up for runs that call functions only: this one heals with its own rows")
        return rows
    key = sha256_value([IMAGINING, original.identity, [row.to_json() for row in rows.train]])[:16]
    there = sorted((int(path.stem.rsplit("-", 1)[1]), path) for path in home.glob(f"requests-{key}-*.jsonl"))
    enough = next((path for made, path in there if made >= count), None)
    file = enough or home / f"requests-{key}-{count}.jsonl"
    if not enough:
        before = _read(there[-1][1]) if there else []
        aside = home / f"requests-{key}"  # what is done so far, for when it is stopped
        texts = make_up(original.config.base, rows.train, count, aside, [value["text"] for value in before])
        made = _answered(original, task, texts[len(before) :], aside / "answers.jsonl", key)
        write_jsonl(file, [*before, *({**row.to_json(), "odds": round(odds, 4)} for row, odds in made)])
        if len(_read(aside / "texts.jsonl")) <= count:  # else a larger number was stopped, and goes on from there
            shutil.rmtree(aside, ignore_errors=True)
    kept = _read(file)[:count]
    made_up = [CallRow.from_json(value, f"{file}:{line}") for line, value in enumerate(kept, 1)]
    apart = [row for row, value in zip(made_up[::CHOOSING], kept[::CHOOSING], strict=True) if value["odds"] >= SURE]
    apart = apart[:JUDGES]
    say(f"{len(kept)} requests made up by the base and answered by the run, {len(apart)} of them to choose by")
    more = [row for at, row in enumerate(made_up) if at % CHOOSING]
    return replace(rows, more=more, apart=apart)


def _read(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()] if file.is_file() else []


def make_up(
    base: str, rows: Sequence[CallRow], count: int, folder: Path, before: Sequence[str] = (), *, seed: int = 0
) -> list[str]:
    """Requests like those of the rows and none of them: the base is tuned for a minute to write one behind what it asks for.

    Args:
        count: at most so many; fewer where nothing new comes any more.
        folder: where the tuned base and the requests are kept meanwhile; called again with it, it goes on.
        before: requests made up before, with which the list begins.
    """
    if not (folder / "model" / "config.json").is_file():
        _tune(base, rows, folder, seed)
    model = load_model(folder / "model", torch.bfloat16)
    tokenizer, kept = load_tokenizer(resolve_base(base)), folder / "texts.jsonl"
    tokenizer.padding_side = "left"
    tokenizer.pad_token = tokenizer.pad_token or tokenizer.eos_token
    found: list[Any] = [*(_read(kept) or before)]
    rng = random.Random(seed + len(found))
    known, vain = {folded(text) for text in (*(row.text for row in rows), *found)}, 0
    with progress("Making up requests", count) as update:
        update(len(found))
        while len(found) < count and vain < VAIN:
            torch.manual_seed(seed + len(found) + vain)
            had = len(found)
            for text in _written(model, tokenizer, [_wanted(rng.choice(rows)) for _ in range(AT_ONCE)]):
                if folded(text) and folded(text) not in known and len(found) < count:
                    known.add(folded(text))
                    found.append(text)
            vain = 0 if len(found) > had else vain + 1
            write_jsonl(kept, found)
            update(len(found) - had)
    return found[:count]


def _wanted(row: CallRow) -> str:
    """What a request is written for: the functions it asks for."""
    return "+".join(sorted({call.name for call in row.calls})) + ":"


def _tune(base: str, rows: Sequence[CallRow], folder: Path, seed: int) -> None:
    """Write `folder`/model, the base tuned to write requests."""
    source = resolve_base(base)
    tokenizer = load_tokenizer(source)

    def ids(text: str) -> list[int]:
        return list(tokenizer(text, add_special_tokens=False)["input_ids"])

    examples = [Example(ids(_wanted(row)), [*ids(f" {row.text}"), tokenizer.eos_token_id]) for row in rows]
    say(f"Teaching {base} to write requests")
    torch.manual_seed(seed)
    objective = load_objective(source, WRITING, choose(WRITING))
    epochs = [examples] * int(WRITING.epochs)
    fit(objective, epochs, [], WRITING, seed=seed, checkpoints=Checkpoints(folder, "w"), log=lambda _: None)
    save_adapter(objective.model, folder / "adapter", base=base, rank=WRITING.rank, alpha=WRITING.alpha)
    write_merged(Adapter.open(folder / "adapter"), source, folder / "model")


@torch.inference_mode()
def _written(model: Any, tokenizer: Any, wanted: Sequence[str]) -> Iterator[str]:
    """A request for each; those that did not come to an end are left out."""
    end = tokenizer.eos_token_id
    read = tokenizer(wanted, padding=True, return_tensors="pt", add_special_tokens=False)
    written = model.generate(
        **read, do_sample=True, temperature=WARMTH, top_k=0, top_p=0.95, max_new_tokens=TOKENS, eos_token_id=end,
        pad_token_id=tokenizer.pad_token_id,
    )[:, read["input_ids"].shape[1] :]  # fmt: skip
    for row in written:
        if end in row.tolist():
            yield tokenizer.decode(row, skip_special_tokens=True).strip()


def _answered(original: Run, task: CallTask, texts: Sequence[str], kept: Path, key: str) -> list[tuple[CallRow, float]]:
    """Rows of the requests with the original's answers under its grammar, and their odds; those it does not end are left out."""
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
    pairs = [(row, answer) for row, answer in zip(rows, answers, strict=True) if answer.stopped]
    return [
        (replace(row, calls=tuple(task.parse(answer.text, original.template))), math.exp(answer.logprob))
        for row, answer in pairs
    ]
