"""Check the three splits: valid calls, verbatim values, and nothing shared between splits."""

import json
import random
import re
import sys
from collections import Counter
from pathlib import Path

import make_rows as gen

HERE = Path(__file__).resolve().parent
FILES = {"train": "data/raw/train.jsonl", "valid": "data/valid.jsonl", "test": "data/test.jsonl"}
NUMBER = re.compile(r"\b(\d+|" + "|".join(sorted((gen.words(n) for n in range(101)), key=len, reverse=True)) + r")\b")
UNITS = re.compile(r"\b(seconds?|secs?|minutes?|mins?|hours?)\b")
SMALL = re.compile(r"\b(the|my|a|an|our|please)\b")
KEEPS_LEAD = {"text", "title", "artist", "playlist", "list", "app"}
problems = []


def problem(*parts):
    problems.append(parts)
    print("PROBLEM", *parts)


def plain(text):
    return " ".join(re.findall(r"[^\W_]+", text.lower().replace("'", "")))


def check_call(split, text, call):
    if set(call) != {"name", "arguments"} or call["name"] not in gen.TOOLS:
        return problem(split, "bad call", call)
    schema = gen.TOOLS[call["name"]]
    for name in schema["required"]:
        if name not in call["arguments"]:
            problem(split, "missing", name, text)
    for name, value in call["arguments"].items():
        spec = schema["properties"].get(name)
        if spec is None:
            problem(split, "unknown argument", name, text)
            continue
        right = {"string": str, "integer": int, "boolean": bool, "array": list}[spec["type"]]
        if type(value) is not right or value == "" or value == []:
            problem(split, "wrong type", name, value)
        elif "enum" in spec and value not in spec["enum"]:
            problem(split, "not in enum", name, value)
        elif right is int and not spec.get("minimum", value) <= value <= spec.get("maximum", value):
            problem(split, "out of range", name, value)
        elif right is list and not all(type(v) is str and v for v in value):
            problem(split, "bad items", value)
    for name, value in free_strings(call):
        if not re.search(r"(?<!\w)" + re.escape(value) + r"(?!\w)", text):
            problem(split, "not verbatim", value, text)
        if name not in KEEPS_LEAD and gen.LEAD.match(value) and plain(value).split()[0] not in {"the"}:
            problem(split, "leading word", value, text)
        if name not in KEEPS_LEAD and value.lower().startswith(("the ", "my ", "a ", "an ")):
            problem(split, "leading article", value, text)


def free_strings(call):
    for name, value in call["arguments"].items():
        spec = gen.TOOLS[call["name"]]["properties"][name]
        if spec["type"] == "string" and "enum" not in spec:
            yield name, value
        elif spec["type"] == "array":
            yield from ((name, v) for v in value)


def wording(row):
    """The request with its arguments replaced by slots, lower-cased, without articles and punctuation."""
    text = row["text"]
    values = [(n, v) for call in row["calls"] for n, v in free_strings(call)]
    for name, value in sorted(values, key=lambda p: -len(p[1])):
        text = re.sub(r"(?<!\w)" + re.escape(value) + r"(?!\w)", f" slot{name} ", text, count=1)
    text = SMALL.sub(" ", UNITS.sub("slotunit", NUMBER.sub("slotnumber", text.lower())))
    return plain(text)


def bare(words):
    """The wording without the openings and tails that the templates may get."""
    for _ in range(2):
        for opening in sorted(gen.LINES["openings"] + gen.LINES["contexts"], key=len, reverse=True):
            start = plain(SMALL.sub(" ", opening))
            if start and words.startswith(start + " "):
                words = words[len(start) + 1 :]
                break
        for tail in gen.LINES["tails"]:
            end = plain(SMALL.sub(" ", tail))
            if end and words.endswith(" " + end):
                words = words[: -len(end) - 1]
    return words


def jaccard(a, b):
    return len(a & b) / len(a | b)


def template_wordings():
    rng, found = random.Random(1), set()
    for name in gen.TEMPLATES:
        for template in gen.LINES[name]:
            for _ in range(12):
                found.add(bare(wording(gen.parse([name], gen.fill(template.lstrip("@"), rng)))))
    for names, template in gen.PAIRS:
        for _ in range(12):
            found.add(bare(wording(gen.parse(names.split("+"), gen.fill(template, rng)))))
    return found


def main():
    rows = {s: [json.loads(x) for x in (HERE / f).read_text(encoding="utf-8").splitlines()] for s, f in FILES.items()}
    for split, group in rows.items():
        for row in group:
            for call in row["calls"]:
                check_call(split, row["text"], call)
        for text, n in Counter(plain(r["text"]) for r in group).items():
            if n > 1:
                problem(split, "said twice", text)

    def strings(split):
        return {plain(v): n for r in rows[split] for c in r["calls"] for n, v in free_strings(c)}

    def numbers(split):
        return {
            (c["name"], n, v)
            for r in rows[split]
            for c in r["calls"]
            for n, v in c["arguments"].items()
            if type(v) is int
        }

    for value in gen.VALUES.values():  # the whole value lists count, not only the values drawn
        for v in value:
            lead = gen.LEAD.match(v)
            LISTED.add(plain(v[lead.end() :] if lead else v))
    texts = {s: {plain(r["text"]) for r in g} for s, g in rows.items()}
    bags = {s: [set(plain(r["text"]).split()) for r in g] for s, g in rows.items()}
    train_wordings = (
        {bare(wording(r)) for r in rows["train"]} | {wording(r) for r in rows["train"]} | template_wordings()
    )
    near = 0
    for held, others in (("valid", ["train"]), ("test", ["train", "valid"])):
        for other in others:
            for text in sorted(texts[held] & texts[other]):
                problem(held, "text also in", other, text)
            seen = set(strings(other)) | (LISTED if other == "train" else set())
            for value in sorted(set(strings(held)) & seen):
                problem(held, "value also in", other, value)
            for number in sorted(numbers(held) & numbers(other)):
                problem(held, "number also in", other, number)
            for bag in bags[held]:
                for old in bags[other]:
                    if jaccard(bag, old) >= 0.8:
                        near += 1
                        problem(held, "near-duplicate in", other, " ".join(sorted(bag)))
        for row in rows[held]:
            for form in {wording(row), bare(wording(row))} & train_wordings:
                problem(held, "wording also in train:", form, "|", row["text"])

    names = list(gen.TOOLS) + ["(no call)", "(two calls)"]
    print(f"{'':16}" + "".join(f"{s:>8}" for s in rows))
    for name in names:
        counts = []
        for group in rows.values():
            if name == "(no call)":
                counts.append(sum(not r["calls"] for r in group))
            elif name == "(two calls)":
                counts.append(sum(len(r["calls"]) == 2 for r in group))
            else:
                counts.append(sum(c["name"] == name for r in group for c in r["calls"]))
        print(f"{name:16}" + "".join(f"{c:8}" for c in counts))
    print(f"{'rows':16}" + "".join(f"{len(g):8}" for g in rows.values()))
    print(f"near-duplicates across splits: {near}; problems: {len(problems)}")
    sys.exit(bool(problems))


LISTED = set()

if __name__ == "__main__":
    main()
