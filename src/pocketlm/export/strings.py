"""Texts that exported files are tried on: strings that break tokenizers, and plain sentences."""

from __future__ import annotations

import random
from collections.abc import Sequence

PIECES = (
    " ", "  ", "    ", "\t", "\n", "\n\n", " \n ", "\r\n", "\u00a0", "\u3000", "\u2028", "\u200b", "\ufeff",
    "naïve", "Ünïcödé", "e\u0301", "ﬁ", "ß", "İ", "ǅ", "日本語", "漢字かな", "한국어", "русский", "العربية", "עברית", "हिन्दी", "ไทย",
    "👩‍👩‍👧‍👦", "🇩🇪", "🙂", "👍🏽", "❤️", "①", "½", "x²", "→", "—", "…", "„“", "«»", "“”", "′",
    "1234567", "3.14", "-0.5e-10", "0x1F", "1,000,000", "12:30", "2024-02-29", "+49 30 1234", "²³",
    "don't", "I'LL", "we've", "'s", "''", "\"\"", "`code`", "{\"a\":[1,null]}", "</s>", "<s>", "<unk>", "[INST]", "<0x0A>",
    "https://example.org/?q=1&r=2#top", "a@b.org", "#tag", "C++", "a_b", "CamelCase", "snake_case", "\\n", "\\u00e9", "%20",
    "the", "The", " the", "hello", "World", "please", "tomorrow", "at", "seven", "remind", "me", "to", "call", "Anna",
    "\x00", "\x07", "\x1b[0m", "\x7f", "\u0378", "\U0001f9ff", "\U00020000",
)  # fmt: skip

SENTENCES = (
    "The ferry to the island leaves at half past six, and the last one back at nine.",
    "Remind me to water the tomatoes before the heat comes on Thursday.",
    "My sister's new flat has two rooms, a balcony and no lift.",
    "Invoice 2041 over 318.50 is due on the third of March.",
    "We agreed that Priya writes the first draft and Tomasz checks the figures.",
    "She has been learning the cello for eleven years and still hates scales.",
    "A small kitchen needs a sharp knife, a heavy pan and a clean board.",
    "The museum is closed on Mondays, except on public holidays.",
    "Please move the meeting with the roofers to Friday morning.",
    "Rain again; the path along the river is under water.",
    "Her flight lands at 22:45, terminal two, gate unknown.",
    "The recipe asks for 250 g of flour, three eggs and a pinch of salt.",
    "I have lost the receipt for the headphones, but the warranty runs until May.",
    "What is the name of the film with the lighthouse and the dog?",
    "Battery at 12 %, charger left in the other bag.",
    "Das Paket liegt beim Nachbarn im zweiten Stock.",
    "La réunion est reportée à jeudi prochain, même heure, même salle.",
    "Three of the five tests failed because the clock was wrong.",
    "Grandfather planted the walnut tree in the year the bridge was built.",
    "Turn the lights off when the last person leaves.",
    "The doctor said twice a day, after meals, for ten days.",
    "Nobody remembers who paid for the tickets in the end.",
    "Buy bread, oat milk, batteries and something for the cat.",
    "The north face is steeper, but the view from it is better.",
)


def odd_strings(count: int = 10_000, marks: Sequence[str] = (), seed: int = 0) -> list[str]:
    """Strings that break tokenizers: scripts, emoji, white space, digits, control characters, template text.

    Args:
        marks: the template's special tokens, mixed in whole, and with their last character missing.
    """
    rng = random.Random(seed)
    pieces = [*PIECES, *marks, *(mark[:-1] for mark in marks)]
    found = []
    for _ in range(count):
        parts = rng.choices(pieces, k=rng.randint(1, 8))
        if rng.random() < 0.2:  # any characters at all, surrogates left out
            parts.append(
                "".join(chr(rng.choice((rng.randrange(32, 0x250), rng.randrange(0xE000, 0x1FFFF)))) for _ in range(4))
            )
        found.append(rng.choice(("", " ")).join(parts))
    return found
