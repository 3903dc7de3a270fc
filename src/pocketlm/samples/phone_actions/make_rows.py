"""Write data/raw/train.jsonl from the templates and values. Same seed, same file."""

import json
import random
import re
from pathlib import Path

from templates import CONTEXTS, JOINERS, NO_CALL, OPENINGS, PAIRS, TAILS, TEMPLATES
from values import AMOUNTS, PERCENTS, SETTINGS, VALUES

HERE = Path(__file__).resolve().parent
SEED = 7
SINGLE = 60  # rows with one call, for each function
DOUBLE = 112  # rows with two calls
NONE = 246  # rows without a call
PAIR_SHARE = 0.28  # share of the two-call rows that come from PAIRS

LEAD = re.compile(r"(?:(?:to|at|on|in|for|by|the|a|an|my|our)\s+)+", re.I)
MARK = re.compile(r"\[(\w+):([^<\]]*)(?:<([^\]]*))?\]")
STATEMENT = re.compile(r"(I|I'm|I'll|we|we're|the|my|your|you|our|dinner|lunch|it's|class|grandma)\s", re.I)
OPEN_ENDED = {"text", "task", "thing", "label", "items", "event"}
WORDS = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
TENS = ["-", "-", "twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"]
TOOLS = {
    t["function"]["name"]: t["function"]["parameters"]
    for t in json.loads((HERE / "tools.json").read_text(encoding="utf-8"))
}

# template slot -> (argument, value list, leading words split off)
SLOTS = {
    "contact": ("contact", "contact", True),
    "text": ("text", "text", False),
    "task": ("task", "task", False),
    "thing": ("task", "thing", True),
    "when": ("when", "when", True),
    "time": ("time", "time", False),
    "day": ("day", "day", True),
    "wday": ("day", "wday", True),
    "label": ("label", "label", False),
    "event": ("title", "title_event", True),
    "song": ("title", "title_song", False),
    "artist": ("artist", "artist", False),
    "playlist": ("playlist", "playlist", False),
    "place": ("place", "place", True),
    "venue": ("place", "venue", True),
    "city": ("place", "city", True),
    "list": ("list", "list", False),
    "app": ("app", "app", True),
    # the same lists without their leading words
    "dayn": ("day", "day", "drop"),
    "eventn": ("title", "title_event", "drop"),
    "appn": ("app", "app", "drop"),
}


def words(n):
    """Say a number from 0 to 100."""
    if n < 20:
        return WORDS[n]
    if n == 100:
        return "one hundred"
    return TENS[n // 10] + (" " + WORDS[n % 10] if n % 10 else "")


def said(rng, n):
    return words(n) if rng.random() < 0.4 else str(n)


def mark(argument, value, split):
    lead = LEAD.match(value) if split else None
    cut = lead.end() if lead else 0
    head = "" if split == "drop" else value[:cut]
    return f"{head}[{argument}:{value[cut:]}]"


def duration(rng, adjective=False):
    roll = rng.random()
    if roll < 0.12:
        return rng.choice(
            [
                "[amount:1<one] [unit:hours<hour]",
                "[amount:1<one] [unit:minutes<minute]",
                "[amount:30<thirty] [unit:minutes<minute]",
            ]
            if adjective
            else [
                "[amount:30<half an hour][unit:minutes<]",
                "[amount:1<an] [unit:hours<hour]",
                "[amount:1<a] [unit:minutes<minute]",
                "[amount:1<one] [unit:hours<hour]",
                "[amount:90<an hour and a half][unit:minutes<]",
            ]
        )
    unit = rng.choice(["seconds", "minutes", "minutes", "minutes", "hours"])
    amount = rng.choice([a for a in AMOUNTS if a > 1 and (unit != "hours" or a <= 12) and (unit != "seconds" or a > 4)])
    shapes = {
        "seconds": ["seconds", "seconds", "secs"],
        "minutes": ["minutes", "minutes", "mins", "min"],
        "hours": ["hours"],
    }[unit]
    shown = unit[:-1] if adjective else rng.choice(shapes)
    return f"[amount:{amount}<{said(rng, amount)}] [unit:{unit}<{shown}]"


def percent(rng):
    n = rng.choice(PERCENTS)
    shown = said(rng, n)
    tail = (
        rng.choice([" percent", " percent", "%", ""]) if shown.isdigit() else rng.choice([" percent", " percent", ""])
    )
    return f"[percent:{n}<{shown}]{tail}"


def item_list(rng):
    marks = [mark("items", v, True) for v in rng.sample(VALUES["items"], rng.choice([1, 1, 1, 2, 2, 3]))]
    if len(marks) < 3:
        return rng.choice([" and ", " and ", ", "]).join(marks)
    return f"{marks[0]}, {marks[1]}{rng.choice([',', ''])} and {marks[2]}"


def fill(template, rng):
    """Replace every {slot}, (+wording) and (-wording) by [argument:value<wording] marks."""

    def slot(match):
        name = match[1]
        if name == "text":
            pool = VALUES["text"]
            if re.search(r"(that|know) \{text\}", template):
                pool = [v for v in pool if STATEMENT.match(v)]
            return mark("text", rng.choice(pool), False)
        if name == "dayfor":
            return "for " + slot(("", "dayn")) if rng.random() < 0.5 else slot(("", "day"))
        if name in SLOTS:
            argument, pool, split = SLOTS[name]
            return mark(argument, rng.choice(VALUES[pool]), split)
        if name == "dur" or name == "dur1":
            return duration(rng, name == "dur1")
        if name == "pct":
            return percent(rng)
        if name == "setting":
            setting = rng.choice(sorted(SETTINGS))
            return f"[setting:{setting}<{rng.choice(SETTINGS[setting])}]"
        if name == "items":
            return item_list(rng)
        if name == "itemn":
            return mark("items", rng.choice(VALUES["items"]), "drop")
        raise KeyError(name)

    template = re.sub(r"\(([+-])([^)]*)\)", lambda m: f"[on:{'true' if m[1] == '+' else 'false'}<{m[2]}]", template)
    return re.sub(r"\{(\w+)\}", slot, template)


def convert(name, argument, value):
    kind = TOOLS[name]["properties"][argument]["type"]
    return int(value) if kind == "integer" else value == "true" if kind == "boolean" else value


def parse(names, marked, lower=False):
    """Marked text -> a row. `names` are the functions, one for each part between "||"."""
    text, calls = "", []
    for name, part in zip(names, marked.split("||"), strict=True):
        found = {}

        def show(match):
            argument, value, shown = match[1], match[2], match[3]
            value = value.lower() if lower and shown is None else value
            if argument == "items":
                found.setdefault("items", []).append(value)
            else:
                assert argument not in found, marked
                found[argument] = convert(name, argument, value)
            return value if shown is None else shown

        text += MARK.sub(show, part)
        order = TOOLS[name]["properties"]
        calls.append({"name": name, "arguments": {a: found[a] for a in order if a in found}})
    text = re.sub(r" +", " ", text).strip()
    return {"text": text.lower() if lower else text, "calls": calls}


def ends_open(template):
    last = re.search(r"\{(\w+)\}\W*$", template)
    return bool(last) and last[1] in OPEN_ENDED


def wrap(template, rng):
    """Maybe put an opening before an imperative and a tail after a closed template."""
    body = template.lstrip("@")
    roll = rng.random()
    if template.startswith("@") and roll < 0.65:
        body = rng.choice(LINES["openings" if roll < 0.4 else "contexts"]) + " " + body
    if not ends_open(body) and not re.search(r"please|\?|thanks", body) and rng.random() < 0.18:
        body += rng.choice([" ", ", "]) + rng.choice(LINES["tails"])
    return body


def styled(names, marked, rng):
    """Sentence case with or without the closing mark, or a lower-case transcription."""
    roll = rng.random()
    if roll < 0.35:
        return parse(names, marked.rstrip("?"), lower=True)
    if marked[0] != "[" or re.match(r"\[\w+:[^<\]]*<", marked):
        at = marked.index("<") + 1 if marked[0] == "[" else 0
        marked = marked[:at] + marked[at : at + 1].upper() + marked[at + 1 :]
    if roll < 0.75 and marked[-1] not in '?.!"':
        question = re.match(r"(could|can|would|will) ", marked, re.I)
        marked += "?" if question and rng.random() < 0.6 else "."
    row = parse(names, marked)
    row["text"] = row["text"].replace("..", ".")
    return row


def single(name, template, rng):
    return styled([name], fill(wrap(template, rng), rng), rng)


def double(rng):
    if rng.random() < PAIR_SHARE:
        names, template = rng.choice(PAIRS)
        return styled(names.split("+"), fill(template, rng), rng)
    first = rng.choice(sorted(TEMPLATES))
    second = first if rng.random() < 0.08 else rng.choice([n for n in sorted(TEMPLATES) if n != first])
    one, two = (rng.choice([t for t in LINES[n] if t.startswith("@")]) for n in (first, second))
    joiner = rng.choice([j for j in LINES["joiners"] if j.startswith(".") or not ends_open(one)])
    if joiner.startswith(".") and joiner[-1] == ".":
        joiner += " "
    opening = rng.choice(LINES["openings"]) + " " if rng.random() < 0.3 else ""
    return styled([first, second], opening + fill(one[1:], rng) + joiner + "||" + fill(two[1:], rng), rng)


def sensible(row):
    """Two calls of one function must not set the same thing twice."""
    one, two = row["calls"]
    if one["name"] != two["name"]:
        return True
    if one["name"] == "switch":
        return one["arguments"]["setting"] != two["arguments"]["setting"]
    return one["name"] not in ("set_volume", "set_brightness") and one != two


def no_call(text, rng):
    roll = rng.random()
    if roll < 0.4:
        return {"text": text.rstrip("?").lower(), "calls": []}
    text = text[0].upper() + text[1:]
    return {"text": text + ("." if roll < 0.7 and text[-1] not in "?." else ""), "calls": []}


LINES = {name: [line for line in block.strip().splitlines() if line] for name, block in TEMPLATES.items()}
LINES["openings"] = [o.strip() for o in OPENINGS.replace("\n", " ").split("|") if o.strip()]
LINES["contexts"] = [c.strip() for c in CONTEXTS.replace("\n", " ").split("|") if c.strip()]
LINES["tails"] = [t.strip() for t in TAILS.replace("\n", " ").split("|") if t.strip()]
LINES["joiners"] = [
    j.rstrip() + " " if j.strip()[0] in ",.;" else " " + j.strip() + " "
    for j in JOINERS.strip().replace("\n", " ").split("|")
    if j.strip()
]
LINES["joiners"] = [j.lstrip() if j.strip()[0] in ",.;" else j for j in LINES["joiners"]]


def build():
    rng = random.Random(SEED)
    rows, seen = [], set()

    def add(row):
        key = re.sub(r"[^\w]+", " ", row["text"].lower()).strip()
        if key in seen:
            return 0
        seen.add(key)
        rows.append(row)
        return 1

    for name in TEMPLATES:
        deck = []
        count = 0
        while count < SINGLE:
            if not deck:
                deck = rng.sample(LINES[name], len(LINES[name]))
            count += add(single(name, deck.pop(), rng))
    count = 0
    while count < DOUBLE:
        row = double(rng)
        count += sensible(row) and add(row)
    for text in rng.sample(NO_CALL, NONE):
        add(no_call(text, rng))
    rng.shuffle(rows)
    return rows


def main():
    out = HERE / "data" / "raw" / "train.jsonl"
    out.parent.mkdir(parents=True, exist_ok=True)
    rows = build()
    out.write_text("".join(json.dumps(r, ensure_ascii=False) + "\n" for r in rows), encoding="utf-8")
    print(len(rows), "rows written to", out.relative_to(HERE))


if __name__ == "__main__":
    main()
