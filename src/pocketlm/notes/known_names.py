"""Names that a note leaves bare and the notes make clear elsewhere: "Sheply", who is "Mr. Sheply" in another one."""

from __future__ import annotations

import re
from collections import Counter
from functools import cache

from pocketlm.notes.names import PERSON, Known, Name, find_names
from pocketlm.notes.store import Store
from pocketlm.notes.words import quoted

PASSAGES = 20  # the newest ones with a name, which are read
CLEAR = 0.7  # confidence of a title or an ending
SHARE = 0.2  # of a name's mentions that must be clear: "Dined" stands behind a title by mistake only


def known_names(store: Store) -> Known:
    """What the notes say of names, each looked up once, when it is asked for."""

    @cache
    def known(name: str) -> tuple[str, float] | None:
        return _known(store, name)

    return known


def _known(store: Store, name: str) -> tuple[str, float] | None:
    rows = store.db.execute(
        "SELECT text FROM words WHERE words MATCH ? ORDER BY rowid DESC LIMIT ?", (f"text : {quoted(name)}", PASSAGES)
    )
    mention = re.compile(rf"(?<!\w){re.escape(name)}(?!\w)", re.IGNORECASE)
    clear, mentions = Counter[str](), 0
    for (text,) in rows:
        mentions += len(mention.findall(text))
        clear.update(one.kind for one in find_names(text) if one.confidence >= CLEAR and _is_of(one, name))
    kind, count = clear.most_common(1)[0] if clear else ("", 0)
    return (kind, min(count / mentions, 1.0)) if count and count >= SHARE * mentions else None


def _is_of(one: Name, name: str) -> bool:
    """Whether it is that name, or a person of that last name."""
    value, wanted = one.value.lower(), name.lower()
    return value == wanted or (one.kind == PERSON and value.endswith(f" {wanted}"))
