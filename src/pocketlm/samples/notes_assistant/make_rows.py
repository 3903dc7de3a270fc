"""Write data/raw/train.jsonl from the templates and values. Same seed, same file."""

import json
import random
import re
from pathlib import Path

from templates import BEFORE_QUESTIONS, JOINERS, NO_CALL, OPENINGS, QUESTIONS, TAILS, TEMPLATES, lines
from values import VALUES

HERE = Path(__file__).resolve().parent
SEED = 11
# rows of each function; those that take several arguments or are said in many ways get more
SINGLE = {"search_notes": 62, "summarize": 64, "timeline": 46, "read_note": 46, "tag_note": 40, "create_note": 50,
          "set_reminder": 58, "related_notes": 38, "show_mood": 38, "list_tags": 30, "list_reminders": 28}  # fmt: skip
FACTS = 96
ASK = 96
DOUBLE = 48
SLOT = re.compile(r"\{(\w+)(?::(\w+))?(!?)\}")
OPEN_ENDED = re.compile(r"\{(text|query|about)[^}]*\}\W*$")


class Deck:
    """Draws every item once before any comes again."""

    def __init__(self, items, rng):
        self.items, self.rng, self.left = list(items), rng, []

    def draw(self):
        if not self.left:
            self.left = self.rng.sample(self.items, len(self.items))
        return self.left.pop()


def fill(name, template, decks):
    """A template with values -> (text, call)."""
    function, _, kind = name.partition(":")
    arguments = {"kind": kind} if kind else {}

    def slot(match):
        argument, pool, bare = match.groups()
        lead, bar, value = decks[pool or argument].draw().rpartition("|")
        arguments[argument] = value
        return ("" if bare else lead) + value

    text = SLOT.sub(slot, template.lstrip("@"))
    order = [key for key in PARAMETERS[function] if key in arguments]
    return text, {"name": function, "arguments": {key: arguments[key] for key in order}}


def row(text, calls, rng):
    """Sentence case with or without the closing mark, or a lower-case transcription."""
    roll = rng.random()
    if roll < 0.35:
        calls = [
            {"name": c["name"], "arguments": {k: v.lower() for k, v in c["arguments"].items()}} for c in calls
        ]  # fmt: skip
        return {"text": text.lower().rstrip("?"), "calls": calls}
    first = text[0].upper() + text[1:]
    held = any(value == text[: len(value)] for c in calls for value in c["arguments"].values())
    text = text if held else first
    if roll < 0.6 and text[-1] not in "?.!":
        text += "."
    return {"text": text, "calls": calls}


def wrapped(template, rng):
    """Maybe an opening before an imperative and a tail behind a closed sentence."""
    body = template.lstrip("@")
    if template.startswith("@") and rng.random() < 0.35:
        body = f"{rng.choice(OPENINGS)} {body}"
    closed = not re.search(r"\{[^}]*\}\W*$|[?.]$|please", body)
    return body + (f", {rng.choice(TAILS)}" if closed and rng.random() < 0.2 else "")


def double(decks, rng):
    """Two imperatives that ask for different things."""
    names = [name for name in TEMPLATES if name.partition(":")[0] not in ("create_note",)]
    one, two = rng.sample(names, 2)
    while one.partition(":")[0] == two.partition(":")[0]:
        two = rng.choice(names)
    first, second = (
        rng.choice([t for t in lines(TEMPLATES[n]) if t.startswith("@") and not (n == one and OPEN_ENDED.search(t))] or [""])
        for n in (one, two)
    )
    if not first or not second:
        return double(decks, rng)
    (text, call), (more, other) = fill(one, first, decks), fill(two, second, decks)
    return row(text + rng.choice(JOINERS) + more, [call, other], rng)


def build():
    rng = random.Random(SEED)
    decks = {pool: Deck(values, rng) for pool, values in VALUES.items()}
    rows, seen = [], set()

    def add(made):
        key = re.sub(r"\W+", " ", made["text"].lower()).strip()
        if key in seen:
            return 0
        seen.add(key)
        rows.append(made)
        return 1

    def some(names, count):
        deck = Deck([(name, template) for name in names for template in lines(TEMPLATES[name])], rng)
        left = count
        while left:
            name, template = deck.draw()
            text, call = fill(name, wrapped(template, rng), decks)
            left -= add(row(text, [call], rng))

    for name, count in SINGLE.items():
        some([name], count)
    some([name for name in TEMPLATES if name.startswith("find_facts")], FACTS)
    questions = Deck(QUESTIONS, rng)
    left = ASK
    while left:
        text = questions.draw()
        text = f"{rng.choice(BEFORE_QUESTIONS)} {text}" if rng.random() < 0.3 else text
        left -= add(row(text, [{"name": "ask_notes", "arguments": {}}], rng))
    left = DOUBLE
    while left:
        left -= add(double(decks, rng))
    for text in NO_CALL:
        add(row(text, [], rng))
    rng.shuffle(rows)
    return rows


PARAMETERS = {
    tool["function"]["name"]: list(tool["function"]["parameters"]["properties"])
    for tool in json.loads((HERE / "tools.json").read_text(encoding="utf-8"))
}


def main():
    out = HERE / "data" / "raw" / "train.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = build()
    out.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    print(len(rows), "rows written to", out.relative_to(HERE))


if __name__ == "__main__":
    main()
