"""Write data/: rows as the notes engine asks its generator, from templates and values. Same seed, same files.

Validation and test come from blocks that no training row was made of. Every answer passes the check that answers pass in use.
"""

import json
import random
import re
from pathlib import Path

from templates import FACTS, HELD_OUT, STORIES
from values import Filler

from pocketlm.notes.claims import unsupported
from pocketlm.notes.rows import answer_row, missing_row, summary_row

HERE = Path(__file__).resolve().parent
SEED = 5
FILES = {"data/raw/train.jsonl": (1000, 400), "data/valid.jsonl": (30, 20), "data/test.jsonl": (90, 60)}  # answers, summaries
TRIES = 100  # some ways to say a fact are too far from the answer for the check
MISSING = 0.06  # of the questions, whose answer is not in the quotes
SLOT = re.compile(r"\{(\w+)\}")
CHATTER = """
I must not forget it.|The weather was fine.|More tomorrow.|This surprised everyone.|I wrote it down at once.|See also the older note.|It had been planned for years.
|Not everyone agrees.|To be checked again later.|Nobody knows exactly why.|The rest can wait.|Then it began to snow.|That was news to me.|It is often overlooked.
"""


def blocks(text):
    return [block.splitlines() for block in text.strip().split("\n\n")]


def told(line, fill):
    """A line with its slots filled; a sentence begins with a capital."""
    text = SLOT.sub(fill, line)
    return text[0].upper() + text[1:]


def fact(block, rng):
    """(quote, question, answer) of a block."""
    fill = Filler(rng)
    says = told(rng.choice([line[2:] for line in block if line[0] == "S"]), fill)
    asked, answer = (told(part, fill) for part in rng.choice([line[2:] for line in block if line[0] == "Q"]).split(" = "))
    chatter = rng.choice(CHATTER.replace("\n", "").split("|"))
    return rng.choice([says, says, f"{says} {chatter}", f"{chatter} {says}"]), asked, answer


def answer(facts, rng):
    """A question with one to three quotes, the right one anywhere among them."""
    block = rng.choice(facts)
    made = (fact(block, rng) for _ in range(TRIES))
    quote, asked, right = next(one for one in made if not unsupported(one[2], [one[0]]))
    others = [fact(rng.choice([other for other in facts if other is not block]), rng)[0] for _ in range(rng.randint(0, 2))]
    if others and rng.random() < MISSING:
        return missing_row(asked, others)
    quotes = [quote, *others]
    rng.shuffle(quotes)
    return answer_row(asked, quotes, right)


def summary(stories, rng):
    """A story, some of its sentences left out, and its summary."""
    story, fill = rng.choice(stories), Filler(rng)
    kept = [line for line in story if line[:2] == "T " or (line[:2] == "T?" and rng.random() < 0.7)]
    text = " ".join(told(line[2:].strip(), fill) for line in kept)
    right = told(story[-1][2:], fill)
    return summary_row(text, right) if not unsupported(right, [text]) else summary(stories, rng)


def build():
    """File -> rows."""
    rng = random.Random(SEED)
    facts, stories = blocks(FACTS), blocks(STORIES)
    made = {}
    for file, (answers, summaries) in FILES.items():
        mine, told_of = HELD_OUT["FACTS"], HELD_OUT["STORIES"]
        some, others = (facts[:-mine], stories[:-told_of]) if "train" in file else (facts[-mine:], stories[-told_of:])
        rows = [answer(some, rng) for _ in range(answers)] + [summary(others, rng) for _ in range(summaries)]
        made[file] = list({json.dumps(row): row for row in rng.sample(rows, len(rows))}.values())
    return made


def main():
    for file, rows in build().items():
        (HERE / file).parent.mkdir(parents=True, exist_ok=True)
        (HERE / file).write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
        print(f"{file}: {len(rows)} rows")


if __name__ == "__main__":
    main()
