"""Are notes that are there twice found, and nothing else?

Copies of diary entries and of a Markdown vault's notes, edited at three strengths, are put among the originals: light (a typo in
every twelfth word, case, marks), medium (every sixth word exchanged, sentences swapped), heavy (every second sentence
replaced by one of a children's story). A pair is right if it is a note and its copy. Then the real duplicates of the SMS set: exact
copies by their words; of what is found beyond, right is what shares 0.6 of its stretches of five letters.

python benchmarks/notes_duplicates.py --json results/notes_duplicates.json [--data FOLDER] [--quick]
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Callable
from itertools import combinations
from pathlib import Path

from kept import keep, parsed, parser

from pocketlm.data.near import similarity
from pocketlm.notes.duplicates import alike
from pocketlm.notes.passages import sentences

COPIES = 150  # of each strength and source
TWIN = 0.6
Edit = Callable[[str, random.Random, list[str]], str]


def light(text: str, rng: random.Random, others: list[str]) -> str:
    """A typo in every twelfth word; case and marks changed."""

    def typo(word: re.Match[str]) -> str:
        if rng.random() > 1 / 12 or len(word[0]) < 4:
            return word[0]
        at = rng.randrange(len(word[0]) - 1)
        return word[0][:at] + word[0][at + 1] + word[0][at] + word[0][at + 2 :]

    return re.sub(r"\w+", typo, text).replace(",", "").replace(";", ",").capitalize()


def medium(text: str, rng: random.Random, others: list[str]) -> str:
    """Every sixth word exchanged; two sentences swapped."""
    words = rng.choice(others).split()
    parts = [text[start:stop] for start, stop in sentences(text)]
    if len(parts) > 2:
        a, b = rng.sample(range(len(parts)), 2)
        parts[a], parts[b] = parts[b], parts[a]
    return re.sub(r"\w+", lambda word: rng.choice(words) if rng.random() < 1 / 6 else word[0], " ".join(parts))


def heavy(text: str, rng: random.Random, others: list[str]) -> str:
    """Every second sentence is another one."""
    parts = [text[start:stop] for start, stop in sentences(text)]
    return " ".join(rng.choice(others) if place % 2 else part for place, part in enumerate(parts))


EDITS: dict[str, Edit] = {"light": light, "medium": medium, "heavy": heavy}


def measure(data: Path, quick: bool = False) -> dict[str, float]:
    """dupes_precision and dupes_recall of all strengths together, recall of each, and those of the SMS set."""
    rng = random.Random(0)
    diary = [row["content"] for row in json.loads((data / "notes" / "pepys_notes.json").read_text(encoding="utf-8"))]
    vault = [
        file.read_text(encoding="utf-8", errors="replace")
        for file in sorted((data / "notes" / "til_vault").rglob("*.md"))
    ]
    if quick:
        diary, vault = diary[:300], vault[:300]
    stories = next((data / "lm").glob("tinystories*/*.txt")).read_text(encoding="utf-8")[:400_000]
    lines = [stories[start:stop] for start, stop in sentences(stories)]
    texts, copies = [*diary, *vault], {}
    for name, edit in EDITS.items():
        for first, source in ((0, diary), (len(diary), vault)):
            long = [place for place, text in enumerate(source) if len(text.split()) >= 30]
            for place in rng.sample(long, min(COPIES, len(long) // 4)):
                copies[first + place, len(texts)] = name
                texts.append(edit(source[place], rng, lines if name == "heavy" else source))
    began = time.perf_counter()
    pairs = {(a, b) for a, b, _, _ in alike(texts)}
    seconds = time.perf_counter() - began
    real = {
        (a, b) for a, b in pairs if b < len(diary) + len(vault)
    }  # twins among the originals, of which nothing is known
    among_copies = {(a, b) for a, b in pairs if (a, b) not in copies and _of_one(a, b, copies)}
    judged = pairs - real - among_copies
    found: dict[str, float] = {
        "dupes_precision": len(judged & copies.keys()) / max(1, len(judged)),
        "dupes_recall": len(judged & copies.keys()) / len(copies),
        "dupes_seconds": seconds,
        "dupes_notes": len(texts),
        "dupes_among_originals": len(real),
    }
    for name in EDITS:
        planted = {pair for pair, strength in copies.items() if strength == name}
        found[f"dupes_recall_{name}"] = len(planted & pairs) / len(planted)
    print(", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    return found | sms(data)


def _of_one(a: int, b: int, copies: dict[tuple[int, int], str]) -> bool:
    """Whether two copies, or a copy and another original's copy, come from one note."""
    roots = {copy: original for original, copy in copies}
    return roots.get(a, a) == roots.get(b, b)


def sms(data: Path) -> dict[str, float]:
    """Precision and recall on real messages."""
    file = data / "classification" / "sms_spam" / "sms_spam.jsonl"
    files = [file] if file.is_file() else sorted((data / "classification" / "sms_spam").glob("*.jsonl"))
    texts = [json.loads(line)["text"] for one in files for line in one.read_text(encoding="utf-8").splitlines()]
    by_words: dict[str, list[int]] = {}
    for place, text in enumerate(texts):
        by_words.setdefault(" ".join(re.findall(r"\w+", text.casefold())), []).append(place)
    copies = {pair for places in by_words.values() if 1 < len(places) <= 12 for pair in combinations(places, 2)}
    pairs = {(a, b) for a, b, _, _ in alike(texts)}
    right = {pair for pair in pairs if pair in copies or similarity(texts[pair[0]], texts[pair[1]]) >= TWIN}
    found: dict[str, float] = {
        "sms_exact_recall": len(pairs & copies) / len(copies),
        "sms_precision": len(right) / max(1, len(pairs)),
        "sms_pairs": len(pairs),
        "sms_exact_pairs": len(copies),
    }
    print(", ".join(f"{name} {value:.3f}" for name, value in found.items()))
    return found


def main() -> None:
    """Measure and write the JSON."""
    arguments = parsed(parser(__doc__, "600 notes: shows that it runs"))
    keep(arguments.json, measure(arguments.data, arguments.quick))


if __name__ == "__main__":
    main()
